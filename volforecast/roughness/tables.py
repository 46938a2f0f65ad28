"""Roughness of assets as tables: Table 1 of Dhansoia (2025), the points of its log-log plots, scaling of moments."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from volforecast.data.panel import Panel
from volforecast.errors import InputError
from volforecast.roughness.bootstrap import bootstrap_hurst
from volforecast.roughness.estimators import ESTIMATORS, METHODS, ORDERS, SHORTEST, checked, moment_scaling
from volforecast.roughness.scaling import FloatArray, HurstEstimate
from volforecast.seeds import generator

REPLICATIONS = 200
TABLE_1 = [
    "asset",
    "role",
    "method",
    "hurst",
    "standard_error",
    "low",
    "high",
    "slope",
    "r_squared",
    "observations",
]  # column order of the published table


class Measured(NamedTuple):
    """One estimate with its uncertainty.

    Attributes:
        estimate: The estimate.
        standard_error: By block bootstrap of innovations.
        low, high: 95% interval, normal around the estimate.
    """

    estimate: HurstEstimate
    standard_error: float
    low: float
    high: float


def measure(
    x: ArrayLike, rng: np.random.Generator, replications: int = REPLICATIONS
) -> tuple[dict[str, Measured], dict[str, str]]:
    """Every method's estimate of one series, with standard errors.

    Args:
        x: Shape (n,), log realized variance on consecutive trading days.
        rng: Source of the bootstrap's randomness.
        replications: Resampled series of the bootstrap.

    Returns:
        What could be estimated, by method; why the others could not.

    Raises:
        InputError: There are fewer than 2 replications.
    """
    estimates: dict[str, HurstEstimate] = {}
    reasons: dict[str, str] = {}
    for method in METHODS:
        try:
            estimates[method] = ESTIMATORS[method](x)
        except InputError as error:
            reasons[method] = str(error).removeprefix(f"{method}: ")
    if not estimates:
        return {}, reasons
    errors = _standard_errors(np.asarray(x, dtype=np.float64), list(estimates), replications, rng)
    half = {method: float(norm.ppf(0.975)) * error for method, error in errors.items()}
    measured = {
        method: Measured(estimate, errors[method], estimate.hurst - half[method], estimate.hurst + half[method])
        for method, estimate in estimates.items()
    }
    return measured, reasons


def hurst(panel: Panel, assets: Sequence[str] = (), *, replications: int = REPLICATIONS, seed: int = 1) -> pd.DataFrame:
    """Hurst exponents of the log realized variance of a panel's assets.

    Args:
        panel: Any panel; rows of an asset are its consecutive trading days.
        assets: Those wanted, in this order; all of the panel's when empty.
        replications: Resampled series of the bootstrap.
        seed: Seed of the bootstrap; an asset's figures do not depend on which others are asked for.

    Returns:
        One row an asset and method: ``asset, role, method, hurst, standard_error, low, high, slope, r_squared,
        observations, reason``; figures are NaN where ``reason`` says why there are none (None otherwise).

    Raises:
        InputError: An asset is not in the panel, or there are fewer than 2 replications.
    """
    roles = {str(row.asset): str(row.role) for row in panel.assets.itertuples()}
    unknown = [asset for asset in assets if asset not in roles]
    if unknown:
        raise InputError(f"assets: {unknown[0]} is not in the panel (it has {', '.join(sorted(roles)[:10])}); check it")
    by_asset = {str(name): rows["rv"].to_numpy() for name, rows in panel.daily.groupby("asset", sort=True)}
    rows: list[dict[str, Any]] = []
    for asset in dict.fromkeys(assets) or sorted(roles):
        x = np.log(by_asset[asset])
        measured, reasons = measure(x, generator("hurst", seed, asset), replications)
        rows += [
            _row(asset, roles[asset], method, len(x), measured.get(method)) | {"reason": reasons.get(method)}
            for method in METHODS
        ]
    return pd.DataFrame(rows, columns=[*TABLE_1, "reason"])


def roughness_tables(
    asset: str, role: str, dates: ArrayLike, rv: ArrayLike, seed: int, replications: int = REPLICATIONS
) -> dict[str, pd.DataFrame]:
    """Everything that the study publishes on the roughness of one asset.

    Args:
        asset: Its name.
        role: "source" or "target".
        dates: Shape (n,), its trading days, ascending.
        rv: Shape (n,), its realized variances, decimal and positive.
        seed: Seed of the study.
        replications: Resampled series of the bootstrap.

    Returns:
        ``table_1`` (one row a method), ``roughness_points`` (one row a point of each method's log-log plot) and
        ``zeta`` (one row an order q; its r_squared is that of the order's line over lags 1 to 50, its hurst the slope
        of zeta on q). What cannot be estimated is NaN in ``table_1`` and ``zeta`` and has no points.

    Raises:
        InputError: Dates do not ascend or do not match, a variance is not positive, or there are fewer than 2
            replications.
    """
    x = _log_rv(asset, dates, rv)
    measured, _ = measure(x, generator("hurst", seed, asset), replications)
    table = [_row(asset, role, method, len(x), measured.get(method)) for method in METHODS]
    points = [
        pd.DataFrame(
            {
                "asset": asset,
                "method": method,
                "log_scale": found.estimate.log_scale,
                "log_value": found.estimate.log_value,
                "fitted": found.estimate.fitted,
            }
        )
        for method, found in measured.items()
    ]
    no_points = pd.DataFrame(columns=["asset", "method", "log_scale", "log_value", "fitted"]).astype(
        {"log_scale": float, "log_value": float, "fitted": float}
    )
    return {
        "table_1": pd.DataFrame(table, columns=TABLE_1),
        "roughness_points": pd.concat(points, ignore_index=True) if points else no_points,
        "zeta": _zeta(asset, x, estimable="Variogram" in measured),
    }


def _standard_errors(
    x: FloatArray, methods: list[str], replications: int, rng: np.random.Generator
) -> dict[str, float]:
    """Standard deviations of the bootstrap; NaN for a series too short for the variogram, which whitens it."""
    if len(x) < SHORTEST["Variogram"]:
        return dict.fromkeys(methods, np.nan)
    drawn = bootstrap_hurst(checked(x, "Variogram"), replications, rng, methods)
    kept = {method: values[np.isfinite(values)] for method, values in drawn.items()}
    return {method: float(values.std(ddof=1)) if len(values) > 1 else np.nan for method, values in kept.items()}


def _row(asset: str, role: str, method: str, observations: int, measured: Measured | None) -> dict[str, Any]:
    found: tuple[float, ...] = (np.nan,) * 6
    if measured is not None:
        estimate, *uncertainty = measured
        found = (estimate.hurst, *uncertainty, estimate.slope, estimate.r_squared)
    return dict(zip(TABLE_1, (asset, role, method, *found, observations), strict=True))


def _zeta(asset: str, x: FloatArray, *, estimable: bool) -> pd.DataFrame:
    nothing = (np.nan,) * len(ORDERS)
    orders, zeta, r_squared, exponent = moment_scaling(x) if estimable else (ORDERS, nothing, nothing, np.nan)
    return pd.DataFrame({"asset": asset, "q": orders, "zeta": zeta, "hurst": exponent, "r_squared": r_squared})


def _log_rv(asset: str, dates: ArrayLike, rv: ArrayLike) -> FloatArray:
    days = pd.DatetimeIndex(np.asarray(dates))
    values = np.asarray(rv, dtype=np.float64)
    if values.shape != days.shape:
        raise InputError(f"{asset}: {len(values)} realized variances on {len(days)} dates; give one a date")
    if not (days.is_monotonic_increasing and days.is_unique):
        raise InputError(f"{asset}: its dates do not ascend, but scales are counted in days: sort them, each once")
    bad = np.flatnonzero(~((values > 0) & np.isfinite(values)))
    if len(bad):
        raise InputError(
            f"{asset}: rv on {days[bad[0]]:%Y-%m-%d} is {values[bad[0]]}, which has no logarithm: drop that day"
        )
    return np.log(values)
