"""Why a run forecast what it did for one target on one day: what it learned from, and how a forecast is made up.

Which source subsequences served a day is read from the run's parts alone. With the panel, HAR models are estimated
again, by the run's own code, and their forecasts taken apart.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cluster.study import Plan, Unit
from volforecast.data.parquet import from_parquet
from volforecast.errors import ConfigError
from volforecast.predictors import MONTH
from volforecast.studies.decomposition import Decomposition, decompose
from volforecast.studies.model_names import NAIVE, parse
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.rolling import Market
from volforecast.studies.selections import rows_held, start_rows
from volforecast.transfer.selection import INCLUSION_RATES

Payload = Callable[[Unit], bytes | None]


class Question(NamedTuple):
    """What is asked.

    Attributes:
        target: The target.
        date: A day that is forecast.
        models: Names or words as for ``--models``; all models of the run when empty.
        rate: The inclusion rate that is looked into; None takes that of the models asked for, or the largest one.
    """

    target: str
    date: dt.date
    models: tuple[str, ...] = ()
    rate: int | None = None


@dataclass(frozen=True)
class Explanation:
    """What served one target's forecasts of one day. All variances and distances are in per cent squared.

    Attributes:
        target: The target.
        date: The day that is forecast.
        day: Its number among the target's trading days.
        period: The sample period it belongs to.
        origin: The trading day at whose close the models were estimated.
        realized: The realized variance of the day.
        forecasts: ``model, forecast, error, status, train_rows, dropped_rows, reason``, the naive forecast first;
            ``error`` is forecast minus realized.
        missing: Models of the run that are not computed yet, or failed.
        rate: The inclusion rate that ``sources`` is about.
        windows: Every source subsequence at the origin, nearest first: ``asset, start, end, distance, selected_25,
            selected_50, selected_75``; ``end`` is NaT without the panel. None if the run has no MTL models.
        sources: What the rate took at the origin: ``asset, own, windows, taken, rows, weight``, the target itself
            (``own``) first, then by rows; ``weight`` is the share of the training rows, before those that lack a
            predictor are left out. None if the run has no MTL models.
        decompositions: Of HAR models, where the panel is at hand.
    """

    target: str
    date: dt.date
    day: int
    period: int
    origin: int
    realized: float
    forecasts: pd.DataFrame
    missing: tuple[str, ...]
    rate: int
    windows: pd.DataFrame | None
    sources: pd.DataFrame | None
    decompositions: tuple[Decomposition, ...]


def explain(
    study: NewIssues, plan: Plan, payload: Payload, question: Question, market: Market | None = None
) -> Explanation:
    """Explain one day of one target.

    Args:
        study: The study with the settings of the run.
        plan: The run's plan.
        payload: The part of a unit that is done, else None.
        question: What is asked.
        market: What the run read; None if the panel is not at hand.

    Raises:
        ConfigError: The run has no such target, day, model or rate, or has not computed it yet.
    """
    target, date = question.target, question.date
    if target not in study.config.targets:
        raise ConfigError(
            f"--target: the run does not forecast {target}; its targets are {_some(study.config.targets)}"
        )
    models = _models(study, question.models)
    rate = _rate(study, models, question.rate)
    period = _period(plan, payload, target, date)
    forecasts, missing = _forecasts(plan, payload, target, period, models)
    at = forecasts["date"] == date
    origin = int(forecasts.loc[at, "origin"].iloc[0])
    same = forecasts[(forecasts["origin"] == origin) & (forecasts["model"] == forecasts["model"].iloc[0])]
    day = origin + 1 + sorted(same["date"]).index(date)
    shown = forecasts[at].reset_index(drop=True)
    shown["error"] = shown["forecast"] - shown["realized"]
    selection = _selection(plan, payload, target, period)
    windows = sources = None
    if selection is not None:
        here = selection.filter(pc.equal(selection["origin"], origin))
        windows = _windows(here, market, study.config.block_length)
        sources = _sources(study, here, target, origin, rate)
    found = []
    if market is not None:
        stored = shown[shown["status"] != "failed"].set_index("model")["forecast"].to_dict()
        for model in _har(question.models, list(map(str, stored)), rate):
            needed = selection if model.startswith("MTL") else None
            estimation = study.estimation(market, target, period, model, needed)
            found.append(decompose(estimation, origin, day, stored[model]))
    columns = ["model", "forecast", "error", "status", "train_rows", "dropped_rows", "reason"]
    realized = float(shown["realized"].iloc[0])
    return Explanation(
        target, date, day, period, origin, realized, shown[columns], missing, rate, windows, sources, tuple(found)
    )


def _models(study: NewIssues, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The run's models that are asked for, by name or by words, the naive forecast first."""
    if not asked:
        return (NAIVE, *study.config.models)
    models: set[str] = set()
    for text in asked:
        words = set(text.split())
        fitting = [one for one in study.config.models if text == one or (words and words <= parse(one).words)]
        if not fitting and text != NAIVE:
            raise ConfigError(f"--model: the run has no {text}; its models are {_some(study.config.models)}")
        models.update(fitting)
    return (NAIVE, *(model for model in study.config.models if model in models))


def _rate(study: NewIssues, models: Sequence[str], asked: int | None) -> int:
    """The inclusion rate meant: the one asked for, or that of the last MTL model asked for, or the last one of all."""
    if asked is not None:
        if asked not in INCLUSION_RATES:
            raise ConfigError(f"--rate: {asked} is not an inclusion rate; give one of {_some(INCLUSION_RATES)}")
        return asked
    rates = [rate for model in models[1:] if (rate := parse(model).rate) is not None]
    return max(rates, default=INCLUSION_RATES[-1])


def _har(asked: tuple[str, ...], models: Sequence[str], rate: int) -> list[str]:
    """The HAR models to take apart: those asked for by name, else the one that the rate is about."""
    har = [model for model in models if model != NAIVE and parse(model).model_class == "HAR"]
    if asked:
        return har
    return [model for model in har if parse(model).rate == rate][-1:] or har[-1:]


def _units(plan: Plan, kind: str, target: str, period: int | None = None) -> list[Unit]:
    return [
        unit
        for unit in plan.units
        if unit.kind == kind
        and unit.coordinates.get("target") == target
        and (period is None or unit.coordinates.get("period") == period)
    ]


def _period(plan: Plan, payload: Payload, target: str, date: dt.date) -> int:
    """The sample period that a day belongs to."""
    dates: set[dt.date] = set()
    pending: dict[int, bool] = {}
    for unit in _units(plan, "forecast", target):
        period = int(unit.coordinates["period"])
        if pending.get(period, True):  # the days are the same for all models: the first one that is done tells
            part = payload(unit)
            pending[period] = part is None
            if part is not None:
                own = set(from_parquet(part, ["date"])["date"].to_pylist())
                if date in own:
                    return period
                dates |= own
    still = [period for period, missing in pending.items() if missing]
    more = f"; sample periods {_some(still)} are not computed yet: run the study again to go on" if still else ""
    if not dates:
        raise ConfigError(f"no forecast of {target} is computed yet{more}")
    days = sorted(dates)
    if not days[0] <= date <= days[-1]:
        raise ConfigError(f"--date: the run forecasts {target} from {days[0]} to {days[-1]}, not on {date}{more}")
    after = next(i for i, day in enumerate(days) if day > date)
    raise ConfigError(
        f"--date: {date} is no day that the run forecasts {target} on; the nearest are {days[after - 1]} and "
        f"{days[after]}{more}"
    )


def _forecasts(
    plan: Plan, payload: Payload, target: str, period: int, models: Sequence[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """All forecasts of a target's sample period by some models, and which of them there are none of."""
    tables, missing = [], []
    for unit in _units(plan, "forecast", target, period):
        model = str(unit.coordinates["model"])
        if model in models:
            part = payload(unit)
            if part is None:
                missing.append(model)
            else:
                tables.append(from_parquet(part).to_pandas())
    if not tables:
        raise ConfigError(
            f"{target}/{period}: {_some(missing)} are not computed yet, or failed (volforecast status says which); run "
            "the study again"
        )
    return pd.concat(tables, ignore_index=True), tuple(missing)


def _selection(plan: Plan, payload: Payload, target: str, period: int) -> pa.Table | None:
    """All source subsequences of a target's sample period; None if the run has no MTL models."""
    units = _units(plan, "selection", target, period)
    if not units:
        return None
    part = payload(units[0])
    if part is None:
        raise ConfigError(
            f"{units[0].name} is not computed yet, or failed (volforecast status says which): nothing can be said of "
            "the sources of that day; run the study again"
        )
    return from_parquet(part)


def _windows(here: pa.Table, market: Market | None, length: int) -> pd.DataFrame:
    frame: pd.DataFrame = here.select(
        ["asset", "start", "distance", *(f"selected_{rate}" for rate in INCLUSION_RATES)]
    ).to_pandas()
    frame["start"] = pd.to_datetime(frame["start"])
    end: pd.Series[pd.Timestamp] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[s]")
    if market is not None:
        last = market.rows.date[start_rows(market.rows, here) + length - 1]
        end = pd.Series(last.astype("datetime64[D]").astype("datetime64[s]"), index=frame.index)
    frame.insert(2, "end", end)
    ordered: pd.DataFrame = frame.sort_values(["distance", "asset", "start"], ignore_index=True)
    return ordered


def _sources(study: NewIssues, here: pa.Table, target: str, origin: int, rate: int) -> pd.DataFrame:
    length = study.config.block_length
    taken = here.select(["asset", "start", f"selected_{rate}"]).to_pandas().sort_values(["asset", "start"])
    taken = taken.rename(columns={f"selected_{rate}": "taken"})
    # every window of a source is there, so its first row follows from its place among them
    taken["place"] = taken.groupby("asset").cumcount() * study.config.dtw.step(length)
    found = taken.groupby("asset").agg(windows=("taken", "size"), taken=("taken", "sum")).reset_index()
    held = [rows_held(part["place"].to_numpy()[part["taken"]], length) for _, part in taken.groupby("asset")]
    found["rows"] = np.array([len(rows) for rows in held], dtype=np.int64)
    found.insert(1, "own", False)
    found = found.sort_values(["rows", "asset"], ascending=[False, True])
    own = pd.DataFrame([{"asset": target, "own": True, "windows": 0, "taken": 0, "rows": max(0, origin - MONTH)}])
    everything: pd.DataFrame = pd.concat([own, found], ignore_index=True)
    everything["weight"] = everything["rows"] / max(1, everything["rows"].sum())
    return everything


def _some(words: Sequence[object]) -> str:
    shown = ", ".join(map(str, words[:20]))
    return shown if len(words) <= 20 else f"{shown} and {len(words) - 20} more"
