"""What a run says to the study's questions, in sentences: the opening of its report."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from volforecast.evaluation.hourly_order import (
    ALL,
    FLEXIBLE_HAR,
    FLEXIBLE_HARX,
    HAR,
    HARX,
    IG_TM,
    LSTM,
    SQUARED_ERROR,
    SXGB,
    SXGB_GCT,
    TM_G,
    TM_SG,
    XGB,
    XGB_GCT,
    model_order,
)
from volforecast.report.page.bitcoin.drawings import of_mode
from volforecast.report.page.bitcoin.grids import SIGNIFICANCE, lines_of, p_text
from volforecast.report.page.bitcoin.names import mode_words
from volforecast.report.page.bitcoin.printed import modes_of
from volforecast.report.page.evidence import Tables
from volforecast.report.page.findings import compared, counted

_ADDITIONS: Final = {
    "Order-book features": ((HARX, HAR), (FLEXIBLE_HARX, FLEXIBLE_HAR)),
    "Sentiment": ((TM_SG, TM_G), (SXGB, XGB), (SXGB_GCT, XGB_GCT)),
}
"""What a model adds to another, by what it adds."""
_CLOSE: Final = 0.0001
_PRINT: Final = 0.05


class Test(NamedTuple):
    """A Diebold-Mariano test over all test hours: the statistic is above zero where the model is better."""

    statistic: float
    p_value: float

    @property
    def word(self) -> str:
        """``better``, ``worse``, ``open``."""
        if np.isnan(self.p_value) or self.p_value >= SIGNIFICANCE:
            return "open"
        return "better" if self.statistic > 0.0 else "worse"


def summary(tables: Tables, config: Mapping[str, Any], *, bars: bool = False) -> list[str]:
    """The findings, each of which holds for this run's tables; the first is the main one.

    They are of clean mode where the run has it, and of the average forecast over a model's seeds, as tests and
    confidence sets are.

    Args:
        tables: The run's tables by name.
        config: The plan's configuration.
        bars: Whether features are made of bars and not of an order book.
    """
    modes = modes_of(tables)
    if not modes:
        return ["There is nothing to compare yet: no model has forecasts."]
    mode = modes[0]
    errors = _rmse(tables, mode)
    found = _tests(tables, mode)
    said = [_lede(errors, found, mode, len(modes) > 1), *_leader(tables, mode, errors, found)]
    said += _sets(tables, mode, config)
    for what, pairs in _ADDITIONS.items():
        name = "Features of past bars" if bars and what == "Order-book features" else what
        said += _addition(name, pairs, errors, found)
    return [*said, *_gate(tables, mode), *_spikes(tables, mode), *_stable(tables, mode), *_print(tables)]


def _lede(errors: "pd.Series[float]", found: Mapping[tuple[str, str], Test], mode: str, several: bool) -> str:
    where = f" in {mode_words(mode).lower()}" if several else ""
    if HAR not in errors.index or len(errors) < 2:
        return f"There is nothing to compare{where}: HAR and another model need forecasts of all test hours."
    others = errors.drop(HAR)
    better = [model for model in others.index if _against(found, model).word == "better"]
    best = str(others.idxmin())
    if better:
        names = _listed(better)
        start = f"Over all test hours{where}, {names} {'beats' if len(better) == 1 else 'beat'} HAR beyond chance"
        if best not in better:
            return f"{start}, though {best} has the smallest RMSE."
        return f"{start} by tests at 5%, one model at a time."
    if others[best] < errors[HAR]:
        return (
            f"Over all test hours{where}, no model beats HAR beyond chance: {best} comes nearest to it, with an RMSE "
            f"{compared(others[best] / errors[HAR])} HAR\N{RIGHT SINGLE QUOTATION MARK}s."
        )
    return f"Over all test hours{where}, HAR, which knows past volatility alone, has the smallest RMSE of all models."


def _leader(tables: Tables, mode: str, errors: "pd.Series[float]", found: Mapping[tuple[str, str], Test]) -> list[str]:
    """The best model against HAR, and how many are worse than it."""
    if HAR not in errors.index or len(errors) < 2:
        return []
    others = errors.drop(HAR)
    best = str(others.idxmin())
    test = _against(found, best)
    ratio = float(others[best] / errors[HAR])
    first = f"The best of {len(others)} other models, {best}," if len(others) > 1 else best
    text = f"{first} has an RMSE of {others[best]:.4f}, "
    text += f"{compared(ratio)} HAR\N{RIGHT SINGLE QUOTATION MARK}s {errors[HAR]:.4f}"
    if not np.isnan(test.p_value):
        text += f" (p {_p(test.p_value)}"
        if ratio < 1.0 and len(others) > 1:
            corrected = min(1.0, test.p_value * len(others))
            text += f", {p_text(corrected)} after Bonferroni\N{RIGHT SINGLE QUOTATION MARK}s correction"
        text += ")"
    worse = [model for model in others.index if _against(found, model).word == "worse"]
    tested = sum(not np.isnan(_against(found, model).p_value) for model in others.index)
    single = of_mode(tables, "metrics", mode)
    single = single[(single["metric"] == "RMSE") & (single["iteration"] == ALL) & (single["model"] == best)]
    if len(single) and int(single["seeds"].iloc[0]) > 1:
        value, spread, seeds = (single[name].iloc[0] for name in ("value", "spread", "seeds"))
        text += (
            f"; that is of the average over {seeds} seeds, while a single seed has {value:.4f} on average "
            f"(\N{PLUS-MINUS SIGN} {spread:.4f})"
        )
    if tested > 1:
        text += f". {len(worse)} of {tested} are worse than HAR beyond chance"
        text += f": {_listed(worse)}" if worse else ""
    text += "."
    if ratio < 1.0 and len(others) > 1:
        text += " The best was picked after the fact, which flatters it."
    return [text]


def _sets(tables: Tables, mode: str, config: Mapping[str, Any]) -> list[str]:
    own = of_mode(tables, "confidence_sets", mode)
    if own.empty:
        return []
    own = own[(own["iteration"] == ALL) & (own["loss"] == SQUARED_ERROR) & (own["status"] != "missing")]
    if own.empty:
        return []
    inside = model_order(own.loc[own["included"].astype(bool), "model"].astype(str))
    level = f"{config.get('confidence', 0.95):.0%}"
    outside = len(own) - len(inside)
    rest = "" if outside else "; the data do not decide between them"
    return [
        f"The {level} model confidence set of all test hours holds {len(inside)} of {counted(len(own), 'model')}: "
        f"{_listed(inside, 16)}{rest}."
    ]


def _addition(
    what: str,
    pairs: tuple[tuple[str, str], ...],
    errors: "pd.Series[float]",
    found: Mapping[tuple[str, str], Test],
) -> list[str]:
    """What a kind of input brings to the models that take it."""
    parts, words = [], []
    for one, other in pairs:
        if not {one, other} <= set(errors.index):
            continue
        test = found.get((one, other), Test(np.nan, np.nan))
        tested = f", p {_p(test.p_value)}" if not np.isnan(test.p_value) else ""
        ratio = float(errors[one] / errors[other])
        parts.append(f"{one} {compared(ratio)} {other}{tested}")
        words.append(test.word)
    if not parts:
        return []
    verb = "brings" if what == "Sentiment" else "bring"
    if "better" in words and "worse" not in words:
        start = f"{what} {verb} something beyond chance"
    elif "worse" in words and "better" not in words:
        start = f"{what} {'does' if verb == 'brings' else 'do'} harm beyond chance"
    elif "better" in words:
        start = f"{what} {'helps' if verb == 'brings' else 'help'} one model and hurt another"
        start = start if verb == "bring" else start.replace("hurt", "hurts")
    else:
        start = f"{what} {verb} nothing beyond chance"
    return [f"{start}, by RMSE: {'; '.join(parts)}."]


def _gate(tables: Tables, mode: str) -> list[str]:
    own = of_mode(tables, "gates", mode)
    if own.empty:
        return []
    own = own[(own["component"] == "volatility") & own["weight"].notna()]
    said = []
    for model in model_order(own["model"].astype(str)):
        means = own[own["model"] == model].groupby("iteration")["weight"].mean()
        span = f" ({means.min():.2f} to {means.max():.2f} by interval)" if len(means) > 1 else ""
        said.append(f"{model} {means.mean():.2f}{span}")
    return [
        f"Weight of past volatility in the mixtures\N{RIGHT SINGLE QUOTATION MARK} gates: {'; '.join(said)}."
    ] * bool(said)


def _spikes(tables: Tables, mode: str) -> list[str]:
    own = of_mode(tables, "spikes", mode)
    if own.empty:
        return []
    wide = own.assign(error=(own["forecast"] - own["realized"]).abs())
    errors = wide.pivot(index="iteration", columns="model", values="error").astype(float)
    if not {LSTM, HAR} <= set(errors.columns):
        return []
    both = errors[[LSTM, HAR]].dropna()
    if both.empty:
        return []
    nearer = int((both[LSTM] < both[HAR]).sum())
    shares = own[own["model"] == LSTM]
    share = float((shares["forecast"] / shares["realized"]).median())
    return [
        f"In the most volatile hour of an interval LSTM is nearer than HAR in {nearer} of {len(both)}; its forecast "
        f"there is {share:.0%} of what came (median)."
    ]


def _stable(tables: Tables, mode: str) -> list[str]:
    """Whether the inverse-gamma mixture, which the paper discards, can be relied on."""
    own = of_mode(tables, "metrics", mode)
    own = own[(own["metric"] == "RMSE") & (own["iteration"] != ALL)] if len(own) else own
    one, other = (own[own["model"] == name].set_index("iteration") for name in (IG_TM, TM_G))
    if one.empty or other.empty:
        return []
    ratios = (one["value"] / other["value"].reindex(one.index)).dropna()
    failed, seeds = int(one["failed"].sum()), int((one["failed"] + one["seeds"]).sum())
    text = f"IG-TM, which the paper discards as unstable: {failed} of {seeds:,} trainings without a forecast"
    if len(ratios):
        text += f"; its RMSE is {ratios.min():.2f} to {ratios.max():.2f} times that of TM-G by interval"
    return [text + "."]


def _print(tables: Tables) -> list[str]:
    """How near a run in the authors' mode comes to what they print."""
    parts = [tables[name] for name in ("table_1", "table_2") if name in tables]
    if not parts:
        return []
    both = pd.concat(parts)
    both = both[(both["mode"] == "paper") & both["rmse"].notna()]
    if both.empty:
        return []
    har = both[both["model"] == HAR]
    near = both["difference"].abs() <= _PRINT * both["corrected"]
    text = f"In paper mode {int(near.sum())} of {len(both)} RMSEs lie within 5% of the printed ones"
    if len(har):
        exact = int((har["difference"].abs() <= _CLOSE).sum())
        text += f"; those of HAR within {_CLOSE:g} in {exact} of {counted(len(har), 'interval')}"
    return [text + "."]


def _rmse(tables: Tables, mode: str) -> "pd.Series[float]":
    """RMSE over all test hours of the average forecast, by model in the order of the tables."""
    own = of_mode(tables, "mean_over_seeds" if "mean_over_seeds" in tables else "metrics", mode)
    own = own[(own["metric"] == "RMSE") & (own["iteration"] == ALL) & own["value"].notna()]
    values = own.set_index("model")["value"].astype(float)
    return values.reindex(model_order(values.index))


def _tests(tables: Tables, mode: str) -> dict[tuple[str, str], Test]:
    own = of_mode(tables, "tests", mode)
    if own.empty:
        return {}
    own = own[(own["iteration"] == ALL) & (own["loss"] == SQUARED_ERROR)]
    return {
        (str(row.model), str(row.benchmark)): Test(float(row.statistic), float(row.p_value)) for row in lines_of(own)
    }


def _against(found: Mapping[tuple[str, str], Test], model: str) -> Test:
    return found.get((model, HAR), Test(np.nan, np.nan))


def _listed(models: list[str], most: int = 5) -> str:
    shown = models[:most]
    if len(models) > most:
        return f"{', '.join(shown)} and {len(models) - most} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def _p(value: float) -> str:
    """``= 0.042``, ``< 0.001``."""
    return p_text(value) if value < 0.001 else f"= {p_text(value)}"
