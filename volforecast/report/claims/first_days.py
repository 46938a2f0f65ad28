"""What the paper says of forecasts from the first day on (section 6.3), as statements that tables can answer."""

from collections.abc import Sequence
from itertools import product
from typing import Final

import pandas as pd

from volforecast.evaluation.order import NAIVE
from volforecast.report.claims.counts import Count, Statement, Test, tally
from volforecast.report.claims.lookups import (
    CLASSES,
    LOSSES,
    MODELS,
    RATES,
    Pair,
    Tables,
    comparable,
    counterparts,
    errors,
    extended,
    named,
    smaller,
)
from volforecast.report.paper import FIRST_DAYS_TABLES

STRATEGIES: Final = ("Str. 1-1-1", "Str. 1-5-5", "Str. 1-5-22")
"""Which models serve in which period, the least data-hungry first."""
PROMPT: Final = STRATEGIES[-1]
WHERE: Final = tuple((prefix, period) for prefix in (1, 5, 22) for period in (1, 5, 22) if period >= prefix)
"""The columns of tables 15 to 17: prefix of the models, sample period."""


def _errors(tables: Tables) -> pd.DataFrame:
    """Tables 15 to 17 together: models without their prefix by (``1-models, s = 5``, loss), NF a row of ones."""
    parts = []
    for number, prefix in FIRST_DAYS_TABLES.items():
        wide = errors(tables, f"table_{number}")
        if not wide.empty:
            wide.index = wide.index.str.removeprefix(f"{prefix}-")
            periods = [_column(prefix, period) for period in wide.columns.get_level_values("period")]
            wide.columns = pd.MultiIndex.from_arrays([periods, wide.columns.get_level_values("loss")])
            parts.append(wide)
    return pd.concat(parts, axis=1) if parts else pd.DataFrame()


def _column(prefix: int, period: int | str) -> str:
    return f"{prefix}-models, s = {period}"


def _in_periods(pairs: Sequence[Pair], where: Sequence[tuple[int, int]] = WHERE) -> Test:
    """Tables 15 to 17: the first model's error is the smaller one, for each of these prefixes and periods."""
    return lambda tables: tally(smaller(_errors(tables), pairs, [_column(*place) for place in where], LOSSES))


def _richer(tables: Tables) -> Count | None:
    """Tables 15 to 17: in the same period, models with more predictors against the same ones with fewer."""
    table = _errors(tables)
    hits: dict[str, list[bool]] = {loss: [] for loss in LOSSES}
    for loss, (more, fewer, period) in product(LOSSES, ((5, 1, 5), (5, 1, 22), (22, 5, 22), (22, 1, 22))):
        one, other = (_column(more, period), loss), (_column(fewer, period), loss)
        if one in table.columns and other in table.columns:
            both = table.loc[table.index.isin(named(("NP", *RATES))), [one, other]].dropna()
            hits[loss] += [bool(held) for held in both[one] < both[other]]
    return tally(hits)


def _hierarchy(tables: Tables) -> Count | None:
    """Table 5: a later strategy relative to an earlier one is below one, the other way round above one."""
    if "table_5" not in tables:
        return None
    table = tables["table_5"].dropna(subset="ratio")
    table = table[table["row"] != table["column"]]
    rank = {name: place for place, name in enumerate(STRATEGIES)}
    later = table["column"].map(rank) > table["row"].map(rank)
    ratio = table["ratio"].round(3)
    held = (later & (ratio < 1.0)) | (~later & (ratio > 1.0))
    return tally({loss: [bool(value) for value in held[table["loss"] == loss]] for loss in LOSSES})


def _strategy(tables: Tables, strategy: str = PROMPT) -> pd.DataFrame:
    """Table 6, one strategy: models by loss, relative to NF."""
    if "table_6" not in tables:
        return pd.DataFrame()
    table = _by_strategy(tables)
    return table[table["strategy"] == strategy].pivot(index="model", columns="loss", values="ratio").round(3)


def _by_strategy(tables: Tables) -> pd.DataFrame:
    """Table 6: what can be compared of the paper's models and losses."""
    table = comparable(tables["table_6"], ["strategy", "loss"])
    return table[table["loss"].isin(LOSSES) & table["model"].isin(MODELS)]


def _below(pairs: Sequence[Pair], strategies: Sequence[str] = (PROMPT,), losses: Sequence[str] = LOSSES) -> Test:
    """Table 6: the first model, by the prompt strategy, is below the second one by each of these strategies."""

    def test(tables: Tables) -> Count | None:
        first = _strategy(tables).to_dict()
        hits: dict[str, list[bool]] = {loss: [] for loss in losses}
        for strategy, loss in product(strategies, losses):
            second = _strategy(tables, strategy).to_dict().get(loss, {})
            for one, other in pairs:
                if one in first.get(loss, {}) and other in second:
                    hits[loss].append(first[loss][one] < second[other])
        return tally(hits)

    return test


def _best_of_class(tables: Tables) -> Count | None:
    """Table 6: of each class, an MTL model is the best of all models and strategies."""
    if "table_6" not in tables:
        return None
    table = _by_strategy(tables)
    hits: dict[str, list[bool]] = {loss: [] for loss in LOSSES}
    for loss, name in product(LOSSES, CLASSES):
        rows = table[(table["loss"] == loss) & table["model"].str.contains(f" {name}-", regex=False)]
        mine = rows["model"].str.startswith("MTL")
        if mine.any() and not mine.all():
            hits[loss].append(bool(rows.loc[mine, "ratio"].min() <= rows.loc[~mine, "ratio"].min()))
    return tally(hits)


def _different_rates(tables: Tables) -> Count | None:
    """Table 6, MAE: how many inclusion rates are the best one of some class."""
    column = _strategy(tables).get("MAE", pd.Series(dtype=float))
    best = []
    for name in CLASSES:
        models = [m for m in column.index if str(m).startswith("MTL") and f" {name}-" in str(m)]
        if models:
            best.append(str(column[models].idxmin()))
    rates = {model.split()[0] for model in best}
    return Count(len(rates), len(CLASSES), ", ".join(best)) if len(best) == len(CLASSES) else None


def _below_naive(tables: Tables) -> Count | None:
    column = _strategy(tables).to_dict()
    return tally(
        {loss: [value < 1.0 for model, value in column.get(loss, {}).items() if model in _SOURCED] for loss in LOSSES}
    )


_SOURCED = named(("NP", *RATES))
_TO_LINEAR = named(["TO"], [f"{name}-{kind}" for name in ("HAR", "FNN") for kind in ("STD", "EXT")])

FIRST_DAYS: Final = (
    Statement(
        "NP and MTL beat NF in each period, in most cases (tables 15-17)",
        _in_periods([(model, NAIVE) for model in _SOURCED]),
        most=True,
    ),
    Statement(
        "MTL beats NP of the same kind, in most cases (tables 15-17)", _in_periods(counterparts(RATES, "NP")), True
    ),
    Statement(
        "TO HAR and FNN are above NF, in most cases (tables 15-17)",
        _in_periods([(NAIVE, model) for model in _TO_LINEAR]),
        most=True,
    ),
    Statement(
        "and nearly always in the first period of each predictor set (tables 15-17)",
        _in_periods([(NAIVE, model) for model in _TO_LINEAR], ((1, 1), (5, 5), (22, 22))),
    ),
    Statement(
        "NP and MTL with more predictors beat those with fewer in the same period, in most cases (tables 15-17)",
        _richer,
        most=True,
    ),
    Statement("Str. 1-5-22 beats Str. 1-5-5, which beats Str. 1-1-1 (table 5)", _hierarchy),
    Statement("an MTL model is the best of each class (table 6)", _best_of_class),
    Statement(
        "MTL-75 has the smallest MSE of the inclusion rates (table 6)",
        _below([pair for rate in RATES[:2] for pair in counterparts(["MTL-75"], rate)], losses=["MSE"]),
    ),
    Statement("by MAE another inclusion rate is the best in each class (table 6)", _different_rates),
    Statement(
        "MTL STD beats MTL EXT by MSE (table 6)",
        _below([(std, ext) for ext, std in extended(RATES)], losses=["MSE"]),
    ),
    Statement(
        "MTL XGB-STD beats MTL XGB-EXT by MAE (table 6)",
        _below([(std, ext) for ext, std in extended(RATES, ["XGB"])], losses=["MAE"]),
    ),
    Statement(
        "NP and MTL beat TO of the same kind by any strategy (table 6)",
        _below(counterparts(("NP", *RATES), "TO"), STRATEGIES),
    ),
    Statement("NP and MTL beat NF over the first 50 days (table 6)", _below_naive),
)
