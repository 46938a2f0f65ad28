"""What a run's tables say, in sentences: the opening of the report."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.evaluation.order import AGGREGATE, ALL, NAIVE
from volforecast.report.plots import approach_of

USUAL: Final = "TO HAR-STD"
"""What one would use without any other asset's data: the HAR on the target's own history."""
APPROACHES: Final = {"TO": "target only", "NP": "naive pooling", "MTL": "transfer learning"}
_WORDS: Final = {"MSE": "mean squared error (MSE)", "MAE": "mean absolute error (MAE)", "QLIKE": "QLIKE"}

Tables = Mapping[str, pd.DataFrame]


def ranking(tables: Tables, loss: str, approach: str | None = None) -> "pd.Series[float]":
    """Relative errors over all days of the models that can be compared, the best first.

    A model that lacks a target's forecasts is compared only if every model does.

    Args:
        tables: The run's tables; ``table_3`` is read.
        loss: MSE, MAE or QLIKE.
        approach: Only the models of this approach, unless None.
    """
    table = tables["table_3"]
    found = table[(table["period"] == ALL) & (table["loss"] == loss) & table["ratio"].notna()]
    if (found["left_out"] == 0).any():
        found = found[found["left_out"] == 0]
    if approach is not None:
        found = found[found["model"].map(approach_of) == approach]
    ratios = pd.Series(found["ratio"].to_numpy(dtype=float), index=found["model"].astype(str).to_list(), dtype=float)
    return ratios.sort_values(kind="stable")


def compared(ratio: float) -> str:
    """``30.1% below`` for 0.699; ``5.2 times`` for 5.2; ``about equal to`` for 1."""
    if ratio >= 3.0:
        return f"{ratio:,.1f} times" if ratio < 1e6 else f"{ratio:.1e} times"
    change = f"{abs(ratio - 1.0):.1%}"
    if change == "0.0%":
        return "about equal to"
    return f"{change} {'below' if ratio < 1.0 else 'above'}"


def summary(tables: Tables, config: Mapping[str, Any]) -> list[str]:
    """The findings in a few sentences, each of which holds for this run's tables.

    Args:
        tables: The run's tables, as :func:`volforecast.studies.summary.make_tables` makes them.
        config: The plan's configuration.
    """
    leaders = {loss: ranking(tables, loss) for loss in ("MSE", "MAE")}
    if any(ranks.empty for ranks in leaders.values()):
        return ["No model has a usable forecast for every day of any target, so there is nothing to compare."]
    best = {loss: str(ranks.index[0]) for loss, ranks in leaders.items()}
    first = _leader(tables, "MSE", leaders["MSE"], 0)
    second = _leader(tables, "MAE", leaders["MAE"], _targets(tables, "MSE", best["MSE"]))
    return [first, second, *_tested(tables, best), *_confident(tables, best, config), *_left_out(tables)]


def _leader(tables: Tables, loss: str, ranks: "pd.Series[float]", targets_before: int) -> str:
    """Which model is best by a loss, by how much, and over how many targets unless the sentence before says so."""
    best, ratio, word = str(ranks.index[0]), float(ranks.iloc[0]), _WORDS[loss]
    named = f"{best} ({APPROACHES[approach_of(best)]})" if approach_of(best) in APPROACHES else best
    if ratio >= 1.0:
        opening = f"No model has a smaller {word} than the naive forecast (NF); the closest is {named}"
    elif len(ranks) == 1:
        opening = f"{named} is the only model compared by {word}"
    else:
        opening = f"{named} has the smallest {word} of the {len(ranks)} models compared"
    targets = _targets(tables, loss, best)
    average = "" if targets == targets_before else f"on average over {counted(targets, 'target')} it is "
    naive = "NF" if targets_before or "(NF)" in opening else "the naive forecast (NF)"
    text = f"{opening}: {average}{compared(ratio)} that of {naive}"
    usual = _pair(tables, loss, best, USUAL)
    if usual is not None:
        text += f" and {compared(usual.ratio)} that of {USUAL}"
    if best == USUAL and len(ranks) > 1:
        text += "; learning from other assets or more predictors does not help here"
    return text + "."


def _targets(tables: Tables, loss: str, model: str) -> int:
    return int(_row(tables["table_3"], model=model, period=ALL, loss=loss).targets)


def _tested(tables: Tables, best: Mapping[str, str]) -> list[str]:
    """For how many targets the best models' lead over the usual one is more than chance."""
    found = {loss: _pair(tables, loss, model, USUAL) for loss, model in best.items()}
    parts = [
        f"for {pair.rejections} of {counted(pair.targets, 'target')} by {loss}"
        for loss, pair in found.items()
        if pair is not None
    ]
    if not parts:
        return []
    them = "it" if len(set(best.values())) == 1 else "these"
    return [f"Diebold\N{EN DASH}Mariano tests (5%) put {them} ahead of {USUAL} {' and '.join(parts)}."]


def _confident(tables: Tables, best: Mapping[str, str], config: Mapping[str, Any]) -> list[str]:
    """In how many confidence sets the best models and the naive forecast are."""
    if "table_4" not in tables:
        return ["No model confidence set has been computed yet."]
    table = tables["table_4"]
    period, unit = (ALL, "target") if (table["period"] == ALL).any() else (AGGREGATE, "sample period")
    level = f"{config.get('confidence', 0.95):.0%}"
    parts: list[str] = []
    for loss, model in best.items():
        own, naive = (_row(table, model=name, period=period, loss=loss) for name in (model, NAIVE))
        if own is not None and naive is not None:
            sets = "it" if parts else f"the {level} model confidence set"
            held = f"{own.included} of {counted(own.targets, unit)} (NF for {naive.included})"
            parts.append(f"by {loss}, {model} is in {sets} for {held}")
    return [f"B{'; '.join(parts)[1:]}."] if parts else []


def _left_out(tables: Tables) -> list[str]:
    """Which models the comparison over all targets leaves out."""
    table = tables["table_3"]
    over_all = table[(table["period"] == ALL) & (table["loss"] == "MSE")]
    lacking = over_all.loc[over_all["left_out"] > 0, "model"].astype(str).to_list()
    if not lacking or len(lacking) == len(over_all):
        return []
    if len(lacking) == 1:
        return [f"{lacking[0]} lacks forecasts for some target and is not ranked."]
    return [f"{len(lacking)} models lack forecasts for some target and are not ranked: {', '.join(lacking)}."]


def counted(number: int, noun: str) -> str:
    """``1 target``, ``10 targets``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _pair(tables: Tables, loss: str, model: str, benchmark: str) -> Any:
    """The row that compares two models over all days, or None."""
    for number, (of_loss, _) in PAIRWISE_TABLES.items():
        if of_loss == loss:
            row = _row(tables[f"table_{number}"], model=model, benchmark=benchmark)
            if row is not None and row.targets > 0:
                return row
    return None


def _row(table: pd.DataFrame, **wanted: str) -> Any:
    """The first row with these values, or None."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    return next(table.itertuples(), None)
