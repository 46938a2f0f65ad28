"""Hourly tables for the tests of the models, and slow, obvious twins of the models, written row by row."""

import functools
from pathlib import Path

import numpy as np
import pytest
from arch import arch_model
from numpy.typing import NDArray

from volforecast.data.hourly import FloatArray, HourlyTable, IntArray
from volforecast.data.hourly_files import read_hourly
from volforecast.hourly_rows import Sample

BTC = Path(__file__).parents[4] / "shared" / "data" / "btc-2018"
START = np.datetime64("2020-01-01T00:00:00", "s")


@functools.cache
def real_table() -> HourlyTable:
    """The authors' 2,605 hours; skips where they are not there."""
    if not BTC.is_dir():
        pytest.skip(f"no hourly table at {BTC}")
    return read_hourly(str(BTC))


def made_table(rows: int = 700, gaps: tuple[int, ...] = (260, 430), seed: int = 1) -> HourlyTable:
    """Hours of a volatility that comes back to its mean, with three features, of which the first leads volatility.

    Args:
        rows: n.
        gaps: Rows before which 72 hours are missing; the label of the first row after a gap is an artefact.
        seed: Of the draws.
    """
    draw = np.random.default_rng(seed)
    features = draw.standard_normal((rows, 3)) + 5.0
    log_vol = np.empty(rows)
    state = 0.0
    for row in range(rows):
        state = 0.85 * state + 0.25 * (features[row, 0] - 5.0) + 0.3 * draw.standard_normal()
        log_vol[row] = np.log(4.0) + state
    vol = np.exp(log_vol)
    returns = np.append(np.nan, vol[:-1] / 100.0 / np.sqrt(365.0) * draw.standard_normal(rows - 1))
    hours = np.arange(rows)
    artefact = np.zeros(rows, dtype=bool)
    for gap in gaps:
        hours[gap:] += 72
        artefact[gap] = True
        vol[gap] *= 15.0
    days = (hours // 24).astype(np.float64)
    indices = np.column_stack([0.5 + 0.3 * np.sin(days), 0.5 + 0.2 * np.cos(0.7 * days)])
    return HourlyTable(
        times=START + hours.astype("timedelta64[h]"),
        vol=vol,
        returns=returns,
        features=features,
        feature_names=("lead", "noise", "other"),
        indices=indices,
        index_names=("fng", "cbbi"),
        artefact=artefact,
        orthogonal=indices[:, 0] - indices.mean(axis=1),
    )


def changed(table: HourlyTable, row: int, *, labels: bool) -> HourlyTable:
    """The same table with another future.

    Args:
        table: Any.
        row: From which on it differs.
        labels: Whether labels differ from ``row`` on; what is known at t only after it. Otherwise nothing is changed
            at ``row`` itself.
    """
    vol, returns, features, indices = (
        values.copy() for values in (table.vol, table.returns, table.features, table.indices)
    )
    first = row if labels else row + 1
    vol[first:] *= 3.7
    returns[row + 1 :] *= -5.1
    features[row + 1 :] += 9.0
    indices[row + 1 :] = 1.0 - indices[row + 1 :]
    return HourlyTable(
        table.times,
        vol,
        returns,
        features,
        table.feature_names,
        indices,
        table.index_names,
        table.artefact,
        table.orthogonal,
    )


def columns(sample: Sample, rows: IntArray, windows: tuple[int, ...], lags: int) -> FloatArray:
    """Means of volatility, then features at lags 0 to ``lags``, number by number; ``lags = -1`` is without features."""
    behind = 1 if sample.mode == "paper" else 0
    found = []
    for row in rows:
        line = []
        for window in windows:
            past = [sample.table.vol[i] / 100.0 for i in range(row - window, row) if i >= 0]
            line.append(sum(past) / len(past))
        for lag in range(lags + 1):
            line += [sample.table.features[row - behind - lag, column] for column in range(3)]
        found.append(line)
    return np.array(found)


def ordinary(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    """Least squares by the library's decomposition, cut at 0."""
    slopes = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0]
    return np.asarray(np.maximum(np.column_stack([np.ones(len(rows)), rows]) @ slopes, 0.0))


def consecutive(table: HourlyTable, row: int) -> list[int]:
    """Rows whose returns are known at a row's t and are of consecutive hours up to it, ascending (clean mode).

    Back from the row: stop where an hour is missing before it (its return spans the gap), at an artefact, or at a hole.
    """
    found: list[int] = []
    while row > 0:
        one_hour = table.times[row] - table.times[row - 1] == np.timedelta64(1, "h")
        if not one_hour or table.artefact[row] or table.artefact[row - 1] or np.isnan(table.returns[row]):
            break
        found.insert(0, row)
        row -= 1
    return found


def garch_forecast(table: HourlyTable, row: int, window: int) -> float:
    """One forecast of GARCH in clean mode, step by step, in units of ``vol / 100``."""
    own = consecutive(table, row)
    if len(own) >= window:
        returns = 100.0 * table.returns[own[-window:]]
        fit = _fit(returns)
        variance = float(fit.forecast(horizon=1).variance.iloc[-1, 0])
        return float(np.sqrt(365.0 * variance) / 100.0)
    earlier = row
    while len(consecutive(table, earlier)) < window:
        earlier -= 1
    seen = 100.0 * table.returns[consecutive(table, earlier)[-window:]]
    omega, alpha, beta = np.asarray(_fit(seen).params)
    variance = sum(value**2 for value in seen) / window
    for value in 100.0 * table.returns[own]:
        variance = omega + alpha * value**2 + beta * variance
    return float(np.sqrt(365.0 * variance) / 100.0)


def _fit(returns: NDArray[np.float64]):  # type: ignore[no-untyped-def]
    return arch_model(returns, mean="Zero", vol="GARCH", p=1, q=1, rescale=False).fit(disp="off", show_warning=False)
