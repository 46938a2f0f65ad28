"""What a run's tables say, in sentences: the opening of the report."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from volforecast.evaluation.order import ALL, NAIVE
from volforecast.report.page.evidence import (
    USUAL,
    Contrast,
    Tables,
    approaches_run,
    contrast,
    counterparts,
    inclusion,
    ranking,
    row_of,
)
from volforecast.report.page.names import APPROACHES, approach_of, papers_own

_WORDS: Final = {"MSE": "mean squared error (MSE)", "MAE": "mean absolute error (MAE)", "QLIKE": "QLIKE"}
_SURE: Final = {
    "clear": "That lead is clear",
    "likely": "That lead is likely but not certain",
    "open": "That lead is not established",
    "worse": "There is no lead",
}


def compared(ratio: float) -> str:
    """``30.1% below`` for 0.699; ``5.2 times`` for 5.2; ``about equal to`` for 1."""
    if ratio >= 3.0:
        return f"{ratio:,.1f} times" if ratio < 1e6 else f"{ratio:.1e} times"
    change = f"{abs(ratio - 1.0):.1%}"
    if change == "0.0%":
        return "about equal to"
    return f"{change} {'below' if ratio < 1.0 else 'above'}"


def summary(tables: Tables, config: Mapping[str, Any]) -> list[str]:
    """The findings in a few sentences, each of which holds for this run's tables; the first is the main one.

    Args:
        tables: The run's tables, as :func:`volforecast.studies.summary.make_tables` makes them.
        config: The plan's configuration.
    """
    leaders = {loss: ranking(tables, loss) for loss in ("MSE", "MAE")}
    if any(ranks.empty for ranks in leaders.values()):
        return ["No model has a usable forecast for every day of any target, so there is nothing to compare."]
    best = {loss: str(ranks.index[0]) for loss, ranks in leaders.items()}
    said = [_leader(tables, "MSE", 0), _leader(tables, "MAE", _targets(tables, "MSE", best["MSE"]))]
    sure = [_sure(found) for loss, model in best.items() if (found := contrast(tables, loss, model, USUAL)) is not None]
    said += [*sure, *_against_pooling(tables, best)]
    said += [*_by_approach(tables), *_confident(tables, best, config)]
    if sure and len(leaders["MSE"]) > 2:
        said.append(
            f"Leaders were picked after the fact among {len(leaders['MSE'])} models, which flatters their leads."
        )
    return [*said, *_left_out(tables)]


def counted(number: int, noun: str) -> str:
    """``1 target``, ``10 targets``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def interval(found: Contrast) -> str:
    """``0.71 to 0.93``, or that there are too few targets for one."""
    return "too few targets" if np.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}"


def _leader(tables: Tables, loss: str, targets_before: int) -> str:
    """Which model is best by a loss, by how much, and over how many targets unless the sentence before says so."""
    ranks = ranking(tables, loss)
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
    usual = contrast(tables, loss, best, USUAL)
    if usual is not None:
        text += f" and {compared(usual.ratio)} that of {USUAL}"
    if best == USUAL and len(ranks) > 1:
        text += "; learning from other assets or more predictors does not help here"
    return text + "."


def _sure(found: Contrast) -> str:
    """How far the lead over the usual model goes beyond chance."""
    text = f"{_SURE[found.certainty]} by {found.loss}: against {USUAL}, {found.model} is better for {found.won} of "
    text += counted(found.targets, "target")
    if not np.isnan(found.low):
        text += f", the mean ratio is {found.ratio:.3f} with a 95% interval across targets of {interval(found)}"
    if found.better is not None:
        text += (
            f", and Diebold\N{EN DASH}Mariano tests (5%) find it better for {found.better} and worse for {found.worse}"
        )
    return text + "."


def _against_pooling(tables: Tables, best: Mapping[str, str]) -> list[str]:
    """Whether selecting what to learn from is better than pooling everything, best model against best model."""
    parts = []
    for loss, model in best.items():
        pooled = ranking(tables, loss, "NP")
        if approach_of(model) != "MTL" or pooled.empty:
            continue
        found = contrast(tables, loss, model, str(pooled.index[0]))
        if found is not None and not np.isnan(found.low):
            sure = {"open": "not established", "worse": "absent"}.get(found.certainty, found.certainty)
            parts.append(f"{sure} by {loss} ({found.model} to {found.benchmark}: {found.ratio:.3f}, {interval(found)})")
    return [f"Over the best model that pools all sources, the lead is {' and '.join(parts)}."] if parts else []


def _by_approach(tables: Tables) -> list[str]:
    """Whether transfer beats the other approaches model by model."""
    run = approaches_run(tables)
    if "MTL" not in run or len(run) < 2:
        return []
    parts = []
    for other in (name for name in run if name != "MTL"):
        counts = {loss: counterparts(tables, loss, "MTL", other) for loss in ("MSE", "MAE")}
        held = " and ".join(f"{won} of {of} pairs by {loss}" for loss, (won, of) in counts.items() if of)
        if held:
            parts.append(f"{APPROACHES[other]} in {held}")
    if not parts:
        return []
    return [f"Model by model (same class, same predictors), transfer learning beats {', and '.join(parts)}."]


def _targets(tables: Tables, loss: str, model: str) -> int:
    return int(row_of(tables["table_3"], model=model, period=ALL, loss=loss).targets)


def _confident(tables: Tables, best: Mapping[str, str], config: Mapping[str, Any]) -> list[str]:
    """In how many confidence sets the best models and the naive forecast are."""
    if "table_4" not in tables:
        return ["No model confidence set has been computed yet."]
    level = f"{config.get('confidence', 0.95):.0%}"
    parts: list[str] = []
    for loss, model in best.items():
        own, naive = inclusion(tables, loss, model), inclusion(tables, loss, NAIVE)
        if own is not None and naive is not None:
            sets = "it" if parts else f"the {level} model confidence set"
            parts.append(
                f"by {loss}, {model} is in {sets} for {own[0]} of {counted(own[1], own[2])} (NF for {naive[0]})"
            )
    return [f"B{'; '.join(parts)[1:]}."] if parts else []


def _left_out(tables: Tables) -> list[str]:
    """Which models the comparison over all targets leaves out."""
    table = tables["table_3"]
    over_all = papers_own(table[(table["period"] == ALL) & (table["loss"] == "MSE")])
    lacking = over_all.loc[over_all["left_out"] > 0, "model"].astype(str).to_list()
    if not lacking or len(lacking) == len(over_all):
        return []
    if len(lacking) == 1:
        return [f"{lacking[0]} lacks forecasts for some target and is not ranked."]
    return [f"{len(lacking)} models lack forecasts for some target and are not ranked: {', '.join(lacking)}."]
