"""How large a lead is and how sure: effect sizes and their uncertainty across targets, wins, tests, confidence sets."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd

from volforecast.evaluation.intervals import mean_interval
from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.evaluation.order import AGGREGATE, ALL
from volforecast.report.page.names import approach_of, papers_own, without_prefix

USUAL: Final = "TO HAR-STD"
"""What one would use without any other asset's data: the HAR on the target's own history."""
LEVEL: Final = 0.95

Tables = Mapping[str, pd.DataFrame]
Certainty = Literal["clear", "likely", "open", "worse"]


class Contrast(NamedTuple):
    """One model against another by one loss, over all days of each target.

    Attributes:
        loss: MSE, MAE or QLIKE.
        model: The model that may be better.
        benchmark: What it is compared with.
        ratio: Mean over targets of the model's mean loss relative to the benchmark's.
        low: Lower end of the interval of that mean across targets; NaN for fewer than three.
        high: Its upper end.
        targets: How many targets have both.
        won: For how many of them the model's loss is smaller.
        better: For how many a Diebold-Mariano test (one-sided, 5%) finds it so; None where none was made.
        worse: For how many one finds the opposite.
    """

    loss: str
    model: str
    benchmark: str
    ratio: float
    low: float
    high: float
    targets: int
    won: int
    better: int | None = None
    worse: int | None = None

    @property
    def certainty(self) -> Certainty:
        """``clear``: the interval lies below 1 and most targets' tests agree; ``likely``: one of the two; else open."""
        apart = self.high < 1.0
        most = self.better is not None and 2 * self.better > self.targets
        if apart and most:
            return "clear"
        if self.low > 1.0:
            return "worse"
        return "likely" if apart or most else "open"


def ranking(tables: Tables, loss: str, approach: str | None = None) -> "pd.Series[float]":
    """Relative errors over all days of the paper's models that can be compared, the best first.

    A model that lacks a target's forecasts is compared only if every model does.

    Args:
        tables: The run's tables; ``table_3`` is read.
        loss: MSE, MAE or QLIKE.
        approach: Only the models of this approach, unless None.
    """
    table = tables["table_3"]
    found = table[(table["period"] == ALL) & (table["loss"] == loss) & table["ratio"].notna()]
    found = papers_own(found)
    if (found["left_out"] == 0).any():
        found = found[found["left_out"] == 0]
    if approach is not None:
        found = found[np.array([approach_of(str(model)) == approach for model in found["model"]], dtype=bool)]
    ratios = pd.Series(found["ratio"].to_numpy(dtype=float), index=found["model"].astype(str).to_list(), dtype=float)
    return ratios.sort_values(kind="stable")


def target_ratios(tables: Tables, loss: str, model: str, benchmark: str) -> "pd.Series[float]":
    """The model's mean loss relative to the benchmark's for each target that has both, all days; by target's name."""
    losses = tables["mean_losses"]
    own = losses[(losses["period"] == ALL) & (losses["loss"] == loss)]
    wide = own[own["model"].isin([model, benchmark])].pivot(index="target", columns="model", values="mean_loss")
    if not {model, benchmark} <= set(wide.columns):
        return pd.Series(dtype=float)
    base = wide[benchmark].astype(float)
    return (wide[model].astype(float) / base.where(base > 0.0)).dropna().sort_index()


def contrast(tables: Tables, loss: str, model: str, benchmark: str) -> Contrast | None:
    """One model against another, or None if no target has both."""
    if model == benchmark:
        return None
    ratios = np.asarray(target_ratios(tables, loss, model, benchmark), dtype=np.float64)
    if not len(ratios):
        return None
    low, high = mean_interval(ratios)
    tested = _tests(tables, loss, model, benchmark), _tests(tables, loss, benchmark, model)
    won = int((ratios < 1.0).sum())
    return Contrast(loss, model, benchmark, float(ratios.mean()), low, high, len(ratios), won, *tested)


def contrasts(tables: Tables, losses: tuple[str, ...] = ("MSE", "MAE", "QLIKE")) -> list[Contrast]:
    """The best model by each loss against the naive forecast, the usual HAR, and the best of each other approach."""
    found: list[Contrast | None] = []
    for loss in losses:
        ranks = ranking(tables, loss)
        if ranks.empty:
            continue
        best = str(ranks.index[0])
        rivals = [str(ranking(tables, loss, approach).index[0]) for approach in approaches_run(tables, loss)]
        others = dict.fromkeys(["NF", USUAL, *(rival for rival in rivals if approach_of(rival) != approach_of(best))])
        found += [contrast(tables, loss, best, other) for other in others]
    return [one for one in found if one is not None]


def approaches_run(tables: Tables, loss: str = "MSE") -> list[str]:
    """The approaches that have a model to compare."""
    return [name for name in ("TO", "NP", "MTL") if not ranking(tables, loss, name).empty]


def counterparts(tables: Tables, loss: str, approach: str, other: str) -> tuple[int, int]:
    """In how many pairs of models of equal class and predictors the first approach has the smaller error, of how many.

    An approach with several models of a class (MTL at three rates) makes a pair with each.
    """
    ratios = ranking(tables, loss)
    halves = {name: _rest(name) for name in map(str, ratios.index)}
    wins = [
        bool(ratios[ours] < ratios[theirs])
        for ours in halves
        for theirs in halves
        if approach_of(ours) == approach and approach_of(theirs) == other and halves[ours] == halves[theirs]
    ]
    return sum(wins), len(wins)


def inclusion(tables: Tables, loss: str, model: str) -> tuple[int, int, str] | None:
    """In how many confidence sets a model is, of how many it took part in, and of what (targets or sample periods)."""
    if "table_4" not in tables:
        return None
    table = tables["table_4"]
    period, unit = (ALL, "target") if (table["period"] == ALL).any() else (AGGREGATE, "sample period")
    found = row_of(table, model=model, period=period, loss=loss)
    return None if found is None else (int(found.included), int(found.targets), unit)


def row_of(table: pd.DataFrame, **wanted: str) -> Any:
    """The first row with these values, or None."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    return next(table.itertuples(), None)


def _rest(model: str) -> str:
    return without_prefix(model).partition(" ")[2]


def _tests(tables: Tables, loss: str, model: str, benchmark: str) -> int | None:
    """For how many targets tests put the model ahead of the benchmark; None where there was no test."""
    names = [f"table_{number}" for number, (of_loss, _) in PAIRWISE_TABLES.items() if of_loss == loss]
    for name in [*names, *(["pairwise_qlike"] if loss == "QLIKE" else [])]:
        found = row_of(tables[name], model=model, benchmark=benchmark) if name in tables else None
        if found is not None and found.targets > 0:
            return int(found.rejections)
    return None
