"""The numbers behind each plot of the page, with headings and captions."""

from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.rough_order import DYNAMIC_ATTENTION, HAR, HYBRID, LSTM, TRANSFER_LSTM, model_order
from volforecast.report.page.drawings import Drawing
from volforecast.report.page.evidence import Tables
from volforecast.report.page.plots import MOST_MARKS
from volforecast.report.page.rough import plots, plots_forecasts, plots_training
from volforecast.report.page.rough.grids import lines_of
from volforecast.report.page.rough.names import ahead

DAYS_DRAWN: Final = 250  # of a target's forecasts: more would be a blur at this width
DAYS_OF_FAN: Final = 120
_ALPHAS: Final = (HYBRID, "Transfer Hybrid", DYNAMIC_ATTENTION)
_LABELS: Final = {
    "R/S": ("log window, days", "log R/S"),
    "DFA": ("log window, days", "log fluctuation"),
    "Variogram": ("log lag, days", "log variogram"),
    "Wavelet": ("octave of scale", "log2 variance of coefficients"),
}


def forest(tables: Tables, horizon: int) -> list[Drawing]:
    """RMSE relative to HAR by model."""
    across = tables["table_across"]
    own = across[(across["horizon"] == horizon) & (across["model"] != HAR)].set_index("model")
    own = own[own["ratio"].notna()]
    own = own.reindex(model_order(own.index))
    if own.empty:
        return []
    single = plots.relative_by_target(tables.get("table_3", _NO_ERRORS), horizon)
    targets = max(int(own["targets"].max()), single.shape[1])
    interval = ", bars their 95% intervals" if own["low"].notna().any() else ""
    each = ""
    if targets > 1:
        each = "; strokes: single targets" if targets <= MOST_MARKS else "; thin lines: the middle 80% of targets"
    marks = f"means over {targets:,} targets" if targets > 1 else "the one target's"
    caption = f"Marks are {marks}{interval}{each}. Left of the dashed line a model is better than HAR."
    heading = f"RMSE relative to HAR, {ahead(horizon)}"
    return [Drawing(heading, plots.forest(own, single.reindex(own.index)), caption, tall=True)]


def log_series(tables: Tables, asset: str) -> list[Drawing]:
    """Figure 1, top: log RV of an asset."""
    if "series" not in tables:
        return []
    own = tables["series"]
    own = own[(own["asset"] == asset) & own["log_rv"].notna()].sort_values("date")
    if len(own) < 2:
        return []
    values = own["log_rv"].to_numpy(dtype=float)
    dates = own["date"].astype(str).str[:10]
    caption = f"{len(own):,} days, {dates.iloc[0]} to {dates.iloc[-1]}; natural log of the daily variance."
    return [Drawing(f"Log RV of {asset}", plots.log_series(asset, own["date"], values), caption)]


def scaling(tables: Tables, asset: str, method: str) -> list[Drawing]:
    """Figure 1, bottom: a method's log-log plot of an asset."""
    if "roughness_points" not in tables:
        return []
    points = tables["roughness_points"]
    own = points[(points["asset"] == asset) & (points["method"] == method)].dropna()
    if len(own) < 2:
        return []
    hurst, caption = np.nan, "Line: the regression whose slope gives H."
    if "table_1" in tables:
        found = tables["table_1"]
        for row in lines_of(found[(found["asset"] == asset) & (found["method"] == method)]):
            hurst = float(row.hurst)
            fit = f"R\N{SUPERSCRIPT TWO} of the line {row.r_squared:.3f}"
            caption = f"Slope {row.slope:.3f}, so H = {hurst:.3f}; {fit}."
    drawn = plots.scaling(asset, method, own, hurst, _LABELS.get(method, ("log scale", "log value")))
    return [Drawing(f"{method}: {asset}", drawn, caption)]


def pretraining(tables: Tables, horizon: int) -> list[Drawing]:
    """Figure 2, first phase: losses of each encoder on its sources."""
    curves = tables["curves"]
    own = curves[(curves["phase"] == "pre-training") & (curves["horizon"] == horizon)]
    drawn = []
    for (name, model), rows in own.groupby(["name", "model"], sort=True):
        lines = _losses(rows, {"train_loss": ("training", "c-muted"), "valid_loss": ("validation", "c-mtl")})
        if lines:
            heading = f"Pre-training of {model} on {name}"
            drawn.append(Drawing(heading, plots_training.losses(heading, lines), _about(rows)))
    return drawn


def fine_tuning(tables: Tables, target: str, horizon: int) -> list[Drawing]:
    """Figure 2, second phase: Transfer LSTM and the LSTM from scratch on a target, and the hybrids' weights."""
    curves = tables["curves"]
    own = curves[(curves["phase"] != "pre-training") & (curves["horizon"] == horizon) & (curves["name"] == target)]
    drawn = []
    for model, what, colour in ((TRANSFER_LSTM, "Fine-tuning of", "c-mtl"), (LSTM, "Training from scratch of", "c-to")):
        rows = own[own["model"] == model]
        if len(rows):
            lines = _losses(rows, {"train_loss": ("training", "c-muted"), "valid_loss": ("validation", colour)})
            heading = f"{what} {model} on {target}"
            if lines:
                drawn.append(Drawing(heading, plots_training.losses(heading, lines), _about(rows)))
    colours = ("c-np", "c-mtl", "c-to")
    paths = [
        (model, colour, path)
        for model, colour in zip(_ALPHAS, colours, strict=True)
        if len(rows := own[(own["model"] == model) & own["alpha"].notna()])
        and (path := plots_training.path_of(rows, "alpha")) is not None
    ]
    if paths:
        kept = own[own["best"].astype(bool) & own["alpha"].notna()].groupby("model")["alpha"].mean()
        said = ", ".join(f"{model} {kept[model]:.3f}" for model, _, _ in paths if model in kept.index)
        caption = f"Alpha of the weights that are kept, mean over seeds: {said}. At 1 the forecast is HAR's."
        heading = f"How much weight HAR gets on {target}"
        drawn.append(Drawing(heading, plots_training.weights(heading, paths), caption))
    return drawn


def predictions(forecasts: pd.DataFrame, tables: Tables, target: str, horizon: int) -> list[Drawing]:
    """Figure 3: predictions of Transfer LSTM, HAR and the best other model against what came.

    Args:
        forecasts: Of this target and horizon, means over seeds: ``model, date, forecast, realized``, and ``error``, the
            squared error.
        tables: The run's tables.
        target: Its name.
        horizon: Days ahead.
    """
    wide = forecasts.pivot(index="date", columns="model", values="forecast").astype(float).sort_index()
    realized = forecasts.drop_duplicates("date").set_index("date")["realized"].astype(float).sort_index()
    realized = realized[np.isfinite(realized)].iloc[-DAYS_DRAWN:]
    wanted = [name for name in (TRANSFER_LSTM, HAR) if name in wide.columns and wide[name].notna().any()]
    best = _smallest(tables, target, horizon, set(wide.columns) - set(wanted))
    models = [*wanted, *([best] if best is not None else [])]
    if realized.empty or not models:
        return []
    lines = {model: wide[model].reindex(realized.index) for model in models}
    dates = [str(date)[:10] for date in (realized.index[0], realized.index[-1])]
    last = "The last " if wide.shape[0] > len(realized) else ""
    caption = (
        f"{last}{len(realized)} days of the test part, {dates[0]} to {dates[1]}, by the day on which the label ends; "
        "forecasts are means over seeds."
    )
    if best is not None:
        caption += f" {best}: the smallest RMSE of the other models."
    heading = f"Predictions against actual log RV: {target}, {ahead(horizon)}"
    drawn = [Drawing(heading, plots_forecasts.against_actual(target, realized, lines), caption)]
    return [*drawn, *_gains(forecasts, target, [name for name in models if name != HAR])]


def fan(quantiles: pd.DataFrame, tables: Tables, target: str, horizon: int) -> list[Drawing]:
    """Calibrated quantile forecasts of the model with the smallest pinball loss, of its first seed.

    Args:
        quantiles: Rows of ``quantile_forecasts`` of this target and horizon.
        tables: The run's tables.
        target: Its name.
        horizon: Days ahead.
    """
    usable = quantiles[quantiles["calibrated"].notna()]
    if usable.empty:
        return []
    model = _best_quantiles(tables, target, horizon, set(usable["model"].astype(str)))
    own = usable[usable["model"] == model]
    own = own[own["seed"] == own["seed"].min()]
    wide = own.pivot(index="date", columns="level", values="calibrated").astype(float).sort_index().dropna()
    wide = wide.iloc[-DAYS_OF_FAN:]
    realized = own.drop_duplicates("date").set_index("date")["realized"].astype(float).reindex(wide.index)
    if len(wide) < 2:
        return []
    caption = (
        f"{model}, one seed, after calibration: intervals around the median, and what came. "
        f"The last {len(wide)} days of the test part."
    )
    heading = f"Quantile forecasts: {target}, {ahead(horizon)}"
    return [Drawing(heading, plots_forecasts.fan(target, realized, wide), caption)]


def _gains(forecasts: pd.DataFrame, target: str, models: list[str]) -> list[Drawing]:
    """Where models' distance from HAR comes from, over the whole test part."""
    errors = forecasts.pivot(index="date", columns="model", values="error").astype(float).sort_index()
    if HAR not in errors.columns or not models:
        return []
    both = errors[[HAR, *models]].dropna()
    if len(both) < 2:
        return []
    gains = {model: (both[HAR] - both[model]).cumsum() for model in models}
    caption = (
        "Squared errors of HAR minus those of the model (mean over seeds), added up over the whole test part: rising "
        "where the model is better than HAR, above zero where it has been so far."
    )
    return [
        Drawing(
            f"Where the distance from HAR comes from: {target}", plots_forecasts.gain_on_har(target, gains), caption
        )
    ]


_NO_ERRORS: Final = pd.DataFrame({"metric": [], "horizon": [], "model": [], "target": [], "value": []})


def _losses(rows: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> list[tuple[str, str, plots_training.Path]]:
    found = [(words, colour, plots_training.path_of(rows, column)) for column, (words, colour) in columns.items()]
    return [(words, colour, path) for words, colour, path in found if path is not None]


def _about(rows: pd.DataFrame) -> str:
    best = rows.loc[rows["best"].astype(bool), "epoch"].astype(float)
    seeds = rows["seed"].nunique()
    band = f" Mean of {seeds} seeds, band: their range, as long as half of them train." if seeds > 1 else ""
    if best.empty:
        return band.strip()
    epochs = f"{best.min():.0f}" + (f" to {best.max():.0f}" if best.max() > best.min() else "")
    return f"Weights are kept of epoch {epochs}.{band}"


def _smallest(tables: Tables, target: str, horizon: int, among: set[str]) -> str | None:
    if "table_3" not in tables:
        return None
    table = tables["table_3"]
    own = table[(table["target"] == target) & (table["horizon"] == horizon) & (table["metric"] == "RMSE")]
    own = own[own["model"].isin(among) & own["value"].notna()]
    return None if own.empty else str(own.sort_values("value", kind="stable")["model"].iloc[0])


def _best_quantiles(tables: Tables, target: str, horizon: int, among: set[str]) -> str:
    first = model_order(among)[0]
    if "coverage" not in tables:
        return first
    table = tables["coverage"]
    own = table[(table["target"] == target) & (table["horizon"] == horizon) & table["model"].isin(among)]
    means = own.groupby("model")["calibrated_pinball"].mean().dropna()
    return first if means.empty else str(means.idxmin())
