"""The bootstrap of innovations: deterministic, honest, and the shipped table of bias and spread."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from benchmarks.hurst_bias import PATHS, RESAMPLED, cell, motion
from volforecast.data.rough import fgn_autocovariance
from volforecast.errors import InputError
from volforecast.roughness.bootstrap import block_length, bootstrap_hurst, resampled
from volforecast.roughness.estimators import METHODS, checked
from volforecast.seeds import generator


def shipped() -> pd.DataFrame:
    with files("volforecast.roughness").joinpath("bias.csv").open() as table:
        return pd.read_csv(table)


def test_equal_seeds_draw_equal_series_whatever_methods_are_asked_for() -> None:
    x = checked(motion(0.1, 400, 1)[0], "Variogram")
    both = bootstrap_hurst(x, 8, generator("a"))
    alone = bootstrap_hurst(x, 8, generator("a"), ["DFA"])
    np.testing.assert_array_equal(both["DFA"], alone["DFA"])
    assert not np.array_equal(both["DFA"], bootstrap_hurst(x, 8, generator("b"))["DFA"])


def test_resampled_series_have_the_increments_of_fractional_noise() -> None:
    hurst, days = 0.15, 2000
    x = checked(motion(hurst, days, 1)[0], "Variogram")
    block = block_length(days)
    starts = generator("starts").integers(0, days - 1, size=(60, -(-2 * (days - 1) // block)))
    increments = np.diff(resampled(x, starts, block), axis=1)
    variance = np.mean(increments**2)
    correlations = [np.mean(increments[:, lag:] * increments[:, :-lag]) / variance for lag in range(1, 6)]
    np.testing.assert_allclose(correlations, fgn_autocovariance(6, hurst)[1:], atol=0.05)
    assert variance == pytest.approx(np.var(np.diff(x)), rel=0.05)


def test_one_replication_is_refused() -> None:
    with pytest.raises(InputError, match="replications is 1"):
        bootstrap_hurst(checked(motion(0.1, 400, 1)[0], "Variogram"), 1, generator("a"))


def test_the_shipped_table_has_every_cell() -> None:
    table = shipped()
    assert len(table) == len(METHODS) * 5 * len(RESAMPLED)
    assert not table.duplicated(["method", "hurst", "days"]).any()
    assert np.isfinite(table[["mean", "bias", "standard_deviation", "standard_error", "coverage"]]).all(axis=None)


def test_a_cell_of_the_shipped_table_is_computed_again() -> None:
    table = shipped().query("hurst == 0.1 and days == 500").reset_index(drop=True)
    # one path in five is bootstrapped again; estimates do not depend on how many are
    again = cell(0.1, 500, PATHS, RESAMPLED[500] // 5)
    assert list(again["method"]) == list(table["method"])
    for column in ("mean", "bias", "standard_deviation"):
        np.testing.assert_allclose(again[column], table[column], atol=2e-4)
    np.testing.assert_allclose(again["standard_error"], table["standard_error"], rtol=0.15)


def test_standard_errors_are_honest() -> None:
    table = shipped()
    ratio = table["standard_error"] / table["standard_deviation"]
    assert ratio.between(0.7, 1.4).all()
    assert ratio.mean() == pytest.approx(1, abs=0.1)
    assert 0.85 < table["coverage"].mean() < 0.99
    assert table["bias"].abs().max() < 0.03
