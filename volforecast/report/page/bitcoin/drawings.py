"""The numbers behind each plot of the page, with headings and captions."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.hourly_order import ALL, HAR, LSTM, TM_G, TM_SG, model_order
from volforecast.report.page.bitcoin import names, plots
from volforecast.report.page.bitcoin.diagnostics import words
from volforecast.report.page.drawings import Choice, Drawing
from volforecast.report.page.evidence import Tables
from volforecast.report.page.svg import FloatArray

HOURS_DRAWN: Final = 240  # around the most volatile one: more would be a blur at this width
AROUND: Final = 36  # hours before and after a spike


class Hourly:
    """Forecasts of one mode, mean over seeds, by interval.

    Args:
        forecasts: The run's forecasts.
        mode: The mode meant.
    """

    def __init__(self, forecasts: pd.DataFrame, mode: str) -> None:
        own = forecasts[(forecasts["mode"] == mode) & (forecasts["status"] == "ok")] if len(forecasts) else forecasts
        self.parts: dict[int, tuple[pd.DataFrame, pd.Series[float]]] = {}
        if own.empty:
            return
        own = own.assign(timestamp=pd.to_datetime(own["timestamp"], utc=True).dt.tz_localize(None))
        keys = ["iteration", "timestamp", "model"]
        means = own.groupby(keys, observed=True)["forecast"].mean().reset_index()
        labels = own.drop_duplicates(["iteration", "timestamp"]).set_index("timestamp")
        for iteration, rows in means.groupby("iteration"):
            wide = rows.pivot(index="timestamp", columns="model", values="forecast").astype(float).sort_index()
            realized = labels.loc[labels["iteration"] == iteration, "realized"].astype(float).sort_index()
            self.parts[int(str(iteration))] = (wide, realized.reindex(wide.index))

    def around(self, iteration: int, before: int, after: int, middle: int | None = None) -> slice:
        """Rows of an interval around its most volatile hour, as many as there are up to ``before + after``."""
        realized = self.parts[iteration][1]
        peak = int(realized.to_numpy().argmax()) if middle is None else middle
        first = max(0, min(peak - before, len(realized) - before - after))
        return slice(first, first + before + after)


def forest(tables: Tables, mode: str, modes: Sequence[str]) -> list[Drawing]:
    """RMSE relative to HAR by model, over all test hours and by interval."""
    if "relative" not in tables:
        return []
    table = tables["relative"]
    own = table[(table["mode"] == mode) & (table["model"] != HAR)]
    whole = own[(own["iteration"] == ALL) & own["ratio"].notna()].set_index("model")
    whole = whole.reindex(model_order(whole.index))
    if whole.empty:
        return []
    single = own[own["iteration"] != ALL].pivot(index="model", columns="iteration", values="ratio").astype(float)
    caption = (
        f"Marks: all {int(whole['hours'].iloc[0]):,} test hours that every model has, mean over seeds, bars their "
        "standard deviation; strokes: single intervals. Left of the dashed line a model is better than HAR."
    )
    heading = f"RMSE relative to HAR{names.in_mode(mode, modes)}"
    return [Drawing(heading, plots.forest(whole, single), caption, tall=True)]


def gating(hourly: Hourly, gates: pd.DataFrame, model: str, iteration: int) -> list[Drawing]:
    """Figure 1: predicted against actual volatility above, the weights of the mixture's components below.

    Args:
        hourly: Forecasts of the mode.
        gates: The mode's rows of ``gates``.
        model: A mixture.
        iteration: The interval.
    """
    if iteration not in hourly.parts or model not in hourly.parts[iteration][0].columns:
        return []
    wide, realized = hourly.parts[iteration]
    rows = hourly.around(iteration, HOURS_DRAWN // 2, HOURS_DRAWN // 2)
    shown, truth = wide[model].iloc[rows], realized.iloc[rows]
    if not shown.notna().any():
        return []
    times = shown.index.to_numpy(dtype="datetime64[s]")
    where = names.block_words(iteration).lower()
    cut = f"the {len(shown)} hours around its peak" if len(shown) < len(wide) else f"all {len(shown)} test hours"
    drawn = [
        Drawing(
            f"{model}, {where}: forecast and actual",
            plots.against_actual(times, np.asarray(truth), {model: np.asarray(shown)}, height=120.0),
            f"Dots: realized; line: mean over seeds; {cut}.",
        )
    ]
    own = gates[(gates["model"] == model) & (gates["iteration"] == iteration)]
    stamps = pd.to_datetime(own["timestamp"], utc=True).dt.tz_localize(None)
    own = own.assign(timestamp=stamps)
    own = own[own["timestamp"].isin(shown.index)]
    weights: dict[str, tuple[FloatArray, FloatArray]] = {}
    present = set(own["component"].astype(str))
    for component in [*(name for name in names.COMPONENTS if name in present), *sorted(present - {*names.COMPONENTS})]:
        part = own[own["component"] == component].set_index("timestamp").reindex(shown.index)
        mean, spread = (np.asarray(part[column], dtype=np.float64) for column in ("weight", "spread"))
        if np.isfinite(mean).any():
            weights[component] = mean, spread
    if weights:
        means = ", ".join(f"{name} {np.nanmean(mean):.2f}" for name, (mean, _) in weights.items())
        caption = f"Mean over seeds, band: their standard deviation. On average {means}."
        drawn.append(Drawing(f"{model}, {where}: gate", plots.gates(times, weights), caption))
    return drawn


def spike(hourly: Hourly, tables: Tables, mode: str) -> list[Choice]:
    """Figure 2: the hours around each interval's most volatile one, with LSTM, HAR and the best other model.

    The interval with the largest of all comes first.
    """
    peaks = {block: float(realized.max()) for block, (_, realized) in hourly.parts.items()}
    best = _best(tables, mode)
    choices = []
    for block in sorted(peaks, key=lambda block: -peaks[block]):
        wide, realized = hourly.parts[block]
        wanted = [name for name in (LSTM, HAR) if name in wide.columns and wide[name].notna().any()]
        wanted += [name for name in best if name in wide.columns and wide[name].notna().any()][:1]
        rows = hourly.around(block, AROUND, AROUND)
        shown, truth = wide[wanted].iloc[rows], realized.iloc[rows]
        wanted = [name for name in wanted if shown[name].notna().any()]
        if not wanted:
            continue
        times = shown.index.to_numpy(dtype="datetime64[s]")
        lines = {name: np.asarray(shown[name], dtype=np.float64) for name in wanted}
        at = int(truth.to_numpy().argmax())
        made = [f"{name} {path[at]:.3f}" for name, path in lines.items() if np.isfinite(path[at])]
        caption = (
            f"The most volatile test hour begins {pd.Timestamp(times[at]):%Y-%m-%d %H:%M} UTC: volatility "
            f"{truth.max():.3f}; forecast {', '.join(made)}. Means over seeds."
        )
        if wanted[-1] not in (LSTM, HAR):
            caption += f" {wanted[-1]}: the smallest RMSE of the other models."
        drawn = plots.against_actual(times, np.asarray(truth, dtype=np.float64), lines)
        label = names.block_words(block)
        choices.append(Choice(label, [Drawing(f"The largest spike of {label.lower()}", drawn, caption)]))
    return choices


def autocorrelations(tables: Tables, mode: str, modes: Sequence[str]) -> list[Drawing]:
    """Autocorrelation of each series."""
    if "autocorrelation" not in tables:
        return []
    table = tables["autocorrelation"]
    own = table[(table["mode"] == mode) & table["value"].notna() & (table["lag"] > 0)]
    drawn = []
    for series, rows in own.groupby("series", sort=False):
        rows = rows.sort_values("lag")
        lags, values, bound = (rows[name].to_numpy(dtype=float) for name in ("lag", "value", "bound"))
        name = words(str(series))
        heading = f"Autocorrelation of {name}{names.in_mode(mode, modes)}"
        caption = "Within the shaded band a value is not significant at 5%."
        drawn.append(Drawing(heading, plots.autocorrelation(name, lags, values, bound), caption))
    return drawn


def mixtures(gates: pd.DataFrame) -> list[str]:
    """Models with gates: TM-G first, as in the paper's figure."""
    every = model_order(gates["model"])
    first = [name for name in (TM_G, TM_SG) if name in every]
    return [*first, *(name for name in every if name not in first)]


def of_mode(tables: Mapping[str, pd.DataFrame], name: str, mode: str) -> pd.DataFrame:
    """One mode's rows of a table; empty without it."""
    if name not in tables:
        return pd.DataFrame({"model": [], "iteration": []})
    table = tables[name]
    return table[table["mode"] == mode]


def _best(tables: Tables, mode: str) -> list[str]:
    """Models beside LSTM and HAR by their RMSE over all test hours, the best first."""
    own = of_mode(tables, "metrics", mode)
    if own.empty:
        return []
    own = own[(own["metric"] == "RMSE") & (own["iteration"] == ALL) & own["value"].notna()]
    ranked = own.sort_values("value", kind="stable")["model"].astype(str)
    return [name for name in ranked if name not in (LSTM, HAR)]
