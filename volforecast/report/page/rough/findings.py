"""What a run says to the study's questions, in sentences: the opening of its report."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from volforecast.evaluation.rough_order import HAR
from volforecast.report.page.evidence import Tables
from volforecast.report.page.findings import compared, counted
from volforecast.report.page.rough.evidence import Gain, Rival, Roughness, gain, in_sets, rival, roughness
from volforecast.report.page.rough.grids import p_text, percent, within
from volforecast.report.page.rough.names import ahead

_TRANSFER: Final = {
    "yes": "transfer beats training from scratch",
    "open": "transfer is ahead of training from scratch, though not beyond chance",
    "no": "transfer does not beat training from scratch",
    "opposite": "training from scratch beats transfer",
}
_EN: Final = "\N{EN DASH}"


def summary(tables: Tables, horizons: Sequence[int], config: Mapping[str, Any]) -> list[str]:
    """The findings, each of which holds for this run's tables; the first is the main one.

    Args:
        tables: The run's tables by name.
        horizons: Days ahead, ascending.
        config: The plan's configuration.
    """
    gains = [one for h in horizons if (one := gain(tables, h)) is not None]
    rivals = [best for h in horizons if (best := rival(tables, h)) is not None]
    rough = roughness(tables)
    said = [_lede(gains, rivals, rough)]
    said += [_gain(found) for found in gains]
    said += [_rival(found, number == 0) for number, found in enumerate(rivals)]
    said += [sentence for h in horizons if (sentence := _confident(tables, h, config))][:1]
    said += _rough(rough)
    return [*said, *_intervals(tables, horizons)]


def _lede(gains: Sequence[Gain], rivals: Sequence[Rival], rough: Sequence[Roughness]) -> str:
    """The three answers at the shortest horizon."""
    parts = []
    if gains:
        parts.append(_TRANSFER[gains[0].answer])
    if rivals:
        best = rivals[0]
        if best.answer == "yes":
            parts.append(f"{best.model} beats {HAR}")
        elif best.answer == "open":
            parts.append(f"{best.model} is ahead of {HAR}, though not beyond chance")
        else:
            parts.append(f"no model beats {HAR}")
    if not parts:
        return "There is nothing to compare yet: no model and HAR have forecasts of the same target."
    agree = not (gains and rivals) or (gains[0].answer == "yes") == (rivals[0].answer == "yes")
    text = f"{ahead((gains or rivals)[0].horizon)}, {(', and ' if agree else ', but ').join(parts)}"
    estimates = [value for one in rough for value in (one.low, one.high)]
    if estimates:
        words = "rough" if max(estimates) < 0.5 else "mostly rough" if np.median(estimates) < 0.5 else "not rough"
        text += f"; log volatility is {words}, with Hurst exponents from {min(estimates):.2f} to {max(estimates):.2f}"
    return f"{text[0].upper()}{text[1:]}."


def _gain(found: Gain) -> str:
    """What transfer gains at a horizon, and how sure that is."""
    text = f"Transfer against training from scratch, {ahead(found.horizon)}: "
    ratio = 1.0 - found.mean / 100.0
    scratch = "that of the same network trained on the target alone"
    if found.targets == 1:
        text += f"Transfer LSTM\N{RIGHT SINGLE QUOTATION MARK}s RMSE is {compared(ratio)} {scratch}"
        text += f" (better in {found.wins} of {counted(found.seeds, 'seed')}"
        return text + (f", p {_p(found.p_values[0])})." if found.p_values else ").")
    text += f"on average over {counted(found.targets, 'target')} Transfer LSTM\N{RIGHT SINGLE QUOTATION MARK}s RMSE is "
    text += f"{compared(ratio)} {scratch}"
    if not np.isnan(found.low):
        text += f" (95% interval of the improvement across targets: {percent(found.low)} to {percent(found.high)})"
    text += f". It is lower for {found.ahead} of {found.targets:,}"
    if found.p_values:
        text += (
            f"; Diebold{_EN}Mariano tests (5%) find it better for {found.better} and worse for {found.worse} "
            f"({_span(found.p_values)})"
        )
    return text + "."


def _rival(found: Rival, first: bool) -> str:
    """The best model against HAR at a horizon, and how sure that is."""
    text = f"Against HAR, {ahead(found.horizon)}: "
    text += f"the best of {counted(found.models, 'other model')}, {found.model}, has an RMSE {compared(found.ratio)} "
    text += "HAR\N{RIGHT SINGLE QUOTATION MARK}s"
    if found.targets == 1:
        if not np.isnan(found.p_value):
            text += f" (p {_p(found.p_value)}"
            text += f", {p_text(found.corrected)} after Bonferroni\N{RIGHT SINGLE QUOTATION MARK}s correction" * (
                found.ratio < 1.0 and found.models > 1
            )
            text += ")"
    else:
        text += f" on average over {counted(found.targets, 'target')}"
        if not np.isnan(found.low):
            text += f" (ratio {found.ratio:.3f}, 95% interval {within(found.low, found.high, 3)})"
        text += f"; tests (5%) find it better for {found.better} and worse for {found.worse}"
    text += "."
    if found.beaten:
        of = "" if found.targets == 1 else " for most targets"
        text += f" {found.beaten} of the {found.models} are worse than HAR beyond chance{of}."
    if first and found.models > 1 and found.ratio < 1.0:
        text += " The best was picked after the fact, which flatters it."
    return text


def _confident(tables: Tables, horizon: int, config: Mapping[str, Any]) -> str:
    """In how many confidence sets HAR is, and which model is in most."""
    found = in_sets(tables, horizon)
    if HAR not in found or found[HAR][1] == 0:
        return ""
    level = f"{config.get('confidence', 0.95):.0%}"
    inside = [model for model, (sets, _) in found.items() if sets > 0]
    sets, of = found[HAR]
    if of == 1:
        names = f"holds {counted(len(inside), 'model')} of {len(found)}: {', '.join(inside)}"
        return f"The {level} model confidence set, {ahead(horizon)}, {names}."
    most = max(found.values())[0]
    leaders = [model for model, (count, _) in found.items() if count == most]
    return (
        f"HAR is in the {level} model confidence set of {sets} of {counted(of, 'target')}, {ahead(horizon)}; in most "
        f"sets ({most}) {'are' if len(leaders) > 1 else 'is'} {', '.join(leaders[:4])}"
        f"{f' and {len(leaders) - 4} more' if len(leaders) > 4 else ''}."
    )


def _rough(rough: Sequence[Roughness]) -> list[str]:
    """H of the sources and of the targets by each method."""
    said = []
    for role in dict.fromkeys(one.role for one in rough):
        own = [one for one in rough if one.role == role]
        names = own[0].assets
        who = " and ".join(names) if len(names) <= 2 else f"the {len(names):,} {role}s, on average"
        values = ", ".join(f"{one.mean:.3f} ({one.method})" for one in own)
        text = f"Hurst exponents of {who}: {values}"
        if len(names) == 2:
            text += ", on average"
        rough_ones, tested = sum(one.rough for one in own), sum(one.tested for one in own)
        if tested:
            text += f"; {rough_ones} of {tested} 95% intervals lie below 0.5"
        said.append(text + ".")
    return said


def _intervals(tables: Tables, horizons: Sequence[int]) -> list[str]:
    """How often quantile forecasts keep their promise, before and after calibration."""
    if "coverage" not in tables or not horizons:
        return []
    table = tables["coverage"]
    own = table[(table["horizon"] == horizons[0]) & table["coverage"].notna()]
    if own.empty:
        return []
    widest = own[own["interval"] == own["interval"].max()]
    before, after = (float(widest[column].mean()) for column in ("coverage", "calibrated_coverage"))
    return [
        f"Quantile forecasts, {ahead(horizons[0])}: the {float(widest['interval'].iloc[0]):.0%} intervals hold "
        f"{before:.1%} of the days, and {after:.1%} after calibration (mean over models and targets)."
    ]


def _p(value: float) -> str:
    """``= 0.042``, ``< 0.001``."""
    return p_text(value) if value < 0.001 else f"= {p_text(value)}"


def _span(values: Sequence[float]) -> str:
    low, high = p_text(values[0]), p_text(values[-1])
    return f"all p {_p(values[-1])}" if low == high else f"p from {low} to {high}"
