"""What an hourly table's series are like: stationarity, autocorrelation, and what leads volatility.

Gaps: tests of stationarity need one unbroken series and take the longest unbroken stretch of the rows that they are
given; autocorrelations count pairs of hours of one run only; a Granger regression leaves out rows whose lags would
reach over a gap. In paper mode rows are taken as if they were consecutive, as the authors did.

The clock of the Granger test: lag i of volatility is the hour that ends i - 1 hours before t; lag i of a cause is its
value i - 1 hours before the last one known at t. In clean mode the first lag of a feature is thus row t itself.
"""

import warnings
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.hourly_rows import Sample

LEVEL: Final = 0.05
MOST_LAGS: Final = 30
DECISIVE_LAGS: Final = 5
LJUNG_BOX_LAGS: Final = (5, 24)
PAPER_FEATURES: Final = ("ask_depth", "bid_depth", "bid_volume", "spread", "volume_difference")
VOLATILITY, SENTIMENT, ORTHOGONAL = "volatility", "aggregate", "orthogonal"
_NORMAL_95 = 1.959963984540054


def chosen_features(sample: Sample, rows: IntArray) -> tuple[str, ...]:
    """Features that a model with "GCT" in its name reads.

    Args:
        sample: In paper mode the five that the paper names, whatever the rows, where the table has them.
        rows: Rows whose labels may be read; everywhere else those of :func:`significant_features` on them.
    """
    if sample.mode == "paper" and set(PAPER_FEATURES) <= set(sample.table.feature_names):
        return PAPER_FEATURES
    return significant_features(sample, rows)


def significant_features(sample: Sample, rows: IntArray) -> tuple[str, ...]:
    """Features that Granger-cause volatility at the 5% level at every lag from 1 to 5, in the table's order.

    When there is none: the one with the smallest p-value at lag 5 (the first of them in a tie).

    Args:
        sample: A table with features.
        rows: Rows whose labels may be read.
    """
    names = sample.table.feature_names
    p = np.array([granger(sample, rows, name, DECISIVE_LAGS)["p_value"].fillna(1.0) for name in names])
    found = tuple(name for name, own in zip(names, p, strict=True) if (own < LEVEL).all())
    return found or (names[int(np.argmin(p[:, -1]))],)


def causes(sample: Sample) -> tuple[str, ...]:
    """What may lead volatility: the features, the mean of the sentiment indices, what it leaves of the first one."""
    indices = len(sample.table.index_names)
    return sample.table.feature_names + (SENTIMENT,) * (indices > 0) + (ORTHOGONAL,) * (indices > 1)


def diagnostics(sample: Sample, iteration: int, rows: IntArray | None) -> dict[str, pd.DataFrame]:
    """All tables of one span of hours.

    Args:
        sample: The table in its mode.
        iteration: Number that the span has in the tables.
        rows: The span; None for the whole table, in clean mode without artefacts.

    Returns:
        ``diagnostics`` (:func:`stationarity`) and ``granger`` (:func:`granger_table`) and, of the whole table only,
        ``autocorrelation``; each with ``mode`` first, the first two with ``iteration``, too.
    """
    whole = np.arange(len(sample.table))
    span = (whole if sample.mode == "paper" else whole[~sample.table.artefact]) if rows is None else rows
    tables = {"diagnostics": stationarity(sample, span), "granger": granger_table(sample, span)}
    for table in tables.values():
        table.insert(0, "iteration", iteration)
    if rows is None:
        tables["autocorrelation"] = autocorrelation(sample, span)
    for table in tables.values():
        table.insert(0, "mode", sample.mode)
    return tables


def granger_table(sample: Sample, rows: IntArray) -> pd.DataFrame:
    """:func:`granger` of all causes: ``cause, lag, statistic, p_value, rejected, rows``."""
    parts = [granger(sample, rows, cause).assign(cause=cause) for cause in causes(sample)]
    columns = ["cause", "lag", "statistic", "p_value", "rejected", "rows"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def granger(sample: Sample, rows: IntArray, cause: str, most_lags: int = MOST_LAGS) -> pd.DataFrame:
    """Test whether lags of a series explain volatility beside its own lags: the F test of sums of squared residuals.

    Args:
        sample: The table in its mode.
        rows: Targets, ascending. Each number of lags uses those that have as many hours before them.
        cause: A feature, ``aggregate`` or ``orthogonal`` sentiment (estimated on ``rows`` in clean mode).
        most_lags: Numbers of lags 1 to this are tested.

    Returns:
        ``lag, statistic, p_value, rejected`` (at 5%), ``rows``. A statistic that does not exist (too few rows, or a
        cause that does not change) is NaN and rejects nothing.
    """
    room = rows if sample.mode == "paper" else sample.table.position[rows]
    found = []
    for lag in range(1, most_lags + 1):
        targets = rows[room >= lag]
        own, other = sample.vol_lags(targets, lag), _lags_of(sample, targets, cause, lag, rows)
        known = np.isfinite(other).all(axis=1)
        statistic = _f_statistic(sample.y[targets][known], own[known], other[known])
        count = int(known.sum())
        p = float(fdtrc(lag, count - 2 * lag - 1, statistic)) if np.isfinite(statistic) else np.nan
        found.append((lag, statistic, p, bool(p < LEVEL), count))
    return pd.DataFrame(found, columns=["lag", "statistic", "p_value", "rejected", "rows"])


def stationarity(sample: Sample, rows: IntArray) -> pd.DataFrame:
    """ADF, KPSS and Ljung-Box tests of volatility, and ADF and KPSS of every feature and of aggregate sentiment.

    Args:
        sample: The table in its mode.
        rows: Ascending. ADF (constant, lags by AIC) and KPSS (around a level) take their longest unbroken stretch.

    Returns:
        ``series, test, statistic, p_value, rejected`` (at 5%), ``lags, rows``. ADF rejects a unit root, KPSS rejects
        stationarity (its p-value is cut to 0.01 to 0.1), Ljung-Box that there is no autocorrelation. NaN of a series
        that does not change.
    """
    stretch = longest_stretch(sample, rows)
    series = {VOLATILITY: sample.y[stretch]}
    series |= {name: sample.table.features[stretch, i] for i, name in enumerate(sample.table.feature_names)}
    if sample.table.index_names:
        mood = sample.aggregate[stretch]
        series[SENTIMENT] = mood[np.isfinite(mood)]
    found = []
    for name, values in series.items():
        for test, run in (("ADF", _adf), ("KPSS", _kpss)):
            statistic, p, lags = run(values) if len(values) and np.ptp(values) > 0 else (np.nan, np.nan, 0)
            found.append((name, test, statistic, p, bool(p < LEVEL), lags, len(values)))
    table = autocorrelation(sample, rows, max(LJUNG_BOX_LAGS))
    for lags in LJUNG_BOX_LAGS:
        statistic = _ljung_box(table["value"].to_numpy()[:lags], table["pairs"].to_numpy()[:lags], len(rows))
        p = float(chdtrc(lags, statistic)) if np.isfinite(statistic) else np.nan
        found.append((VOLATILITY, "Ljung-Box", statistic, p, bool(p < LEVEL), lags, len(rows)))
    return pd.DataFrame(found, columns=["series", "test", "statistic", "p_value", "rejected", "lags", "rows"])


def autocorrelation(sample: Sample, rows: IntArray, lags: int = MOST_LAGS) -> pd.DataFrame:
    """Autocorrelation of volatility over pairs of rows of one run.

    The mean product of deviations over the pairs, over the mean square of all rows; times (N - k) / N, so that without
    gaps it is the usual estimator.

    Returns:
        ``series, lag, value, bound, pairs``. Beyond the bound (Bartlett's, 5%) a value rejects that the series is a
        moving average of fewer lags. NaN without a pair.
    """
    rows = np.asarray(rows)
    deviation = np.zeros(len(sample.table))
    inside = np.zeros(len(sample.table), dtype=bool)
    inside[rows] = True
    deviation[rows] = sample.y[rows] - sample.y[rows].mean()
    square, count = float(np.square(deviation).sum()), len(rows)
    run = np.zeros(len(sample.table), dtype=np.int64) if sample.mode == "paper" else sample.table.run
    found = []
    spread = 1.0  # 1 + 2 (sum of squared autocorrelations of smaller lags)
    for lag in range(1, lags + 1):
        both = inside[lag:] & inside[:-lag] & (run[lag:] == run[:-lag])
        pairs = int(both.sum())
        if not pairs or square == 0.0:
            found.append((VOLATILITY, lag, np.nan, np.nan, pairs))
            continue
        value = float((deviation[lag:] * deviation[:-lag])[both].sum()) / square * (count - lag) / pairs
        found.append((VOLATILITY, lag, value, _NORMAL_95 * np.sqrt(spread / pairs * (count - lag) / count), pairs))
        spread += 2 * value**2
    return pd.DataFrame(found, columns=["series", "lag", "value", "bound", "pairs"])


def longest_stretch(sample: Sample, rows: IntArray) -> IntArray:
    """The longest unbroken part of the rows (the first of equal ones); all of them in paper mode."""
    rows = np.asarray(rows)
    if sample.mode == "paper" or not len(rows):
        return rows
    run = sample.table.run[rows]
    edges = np.flatnonzero((np.diff(rows) != 1) | (np.diff(run) != 0)) + 1
    parts = np.split(rows, edges)
    return parts[int(np.argmax([len(part) for part in parts]))]


def _lags_of(sample: Sample, rows: IntArray, cause: str, lags: int, learnt: IntArray) -> FloatArray:
    """Lags 1 to ``lags`` of a cause, shape (rows, lags); NaN before there is sentiment."""
    if cause == SENTIMENT:
        return sample.sentiment_lags(rows, lags)
    if cause == ORTHOGONAL:
        published = learnt[np.isfinite(sample.aggregate[learnt])]
        back = rows[:, None] - np.arange(lags)
        return sample.orthogonal(back.ravel(), published).reshape(back.shape)
    return sample.feature_lags(rows, lags, [cause])[:, :, 0]


def _f_statistic(y: FloatArray, own: FloatArray, other: FloatArray) -> float:
    """F statistic of leaving ``other`` out of the regression of y on a constant, ``own`` and ``other``.

    The last column of the triangular factor of [1, own, other, y] holds y in a basis in which the columns come in one
    after the other, so both sums of squared residuals are sums of squares of its tail.
    """
    count, lags = other.shape
    free = count - 2 * lags - 1
    if free < 1:
        return np.nan
    columns = np.column_stack([np.ones(count), own, other, y])
    triangle: FloatArray = np.asarray(np.linalg.qr(columns, mode="r"))
    size = np.sqrt(np.square(columns).sum(axis=0))
    if (np.abs(np.diag(triangle))[:-1] <= 1e-10 * size[:-1]).any() or not size[-1]:
        return np.nan
    tail = np.square(triangle[lags + 1 :, -1])
    return float(tail[:-1].sum() / lags / (tail[-1] / free)) if tail[-1] > 0 else np.nan


def _adf(values: FloatArray) -> tuple[float, float, int]:
    if len(values) < 30:  # its own lags need as many
        return np.nan, np.nan, 0
    from statsmodels.tsa.stattools import adfuller  # seconds, which who only asks for a study does not need

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # newer versions offer an object in place of the tuple
        statistic, p, lags = adfuller(values)[:3]
    return float(statistic), float(p), int(lags)


def _kpss(values: FloatArray) -> tuple[float, float, int]:
    if len(values) < 30:
        return np.nan, np.nan, 0
    from statsmodels.tools.sm_exceptions import InterpolationWarning
    from statsmodels.tsa.stattools import kpss

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", InterpolationWarning)  # its table ends at 0.01 and 0.1; we say so
        statistic, p, lags = kpss(values, nlags="auto")[:3]
    return float(statistic), float(p), int(lags)


def _ljung_box(values: FloatArray, pairs: IntArray, count: int) -> float:
    """Ljung and Box's statistic, each lag with the pairs that it has; the usual one without gaps."""
    lags = np.arange(1, len(values) + 1)
    return float(count * (count + 2) * np.sum(np.square(values) * pairs / np.square(count - lags)))
