"""Ordinary least squares against statsmodels and numpy, and what it does where the design has no full rank."""

from collections.abc import Sequence

import numpy as np
import pytest
import statsmodels.api as sm

from tests import naive
from volforecast.errors import FitError
from volforecast.models.har import HAR, WELL_CONDITIONED, least_squares
from volforecast.models.protocol import FloatArray, TrainingSet
from volforecast.predictors import EXT, STD, build_rows
from volforecast.transfer.training import assemble, make_pool, target_pairs


def forecast(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    return HAR().forecast(TrainingSet(X, y, "TO"), rows, None, 1)


def statsmodels_forecast(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    fit = sm.OLS(y, sm.add_constant(X, has_constant="add")).fit(method="qr")
    return np.asarray(fit.predict(sm.add_constant(rows, has_constant="add")))


def minimum_norm_forecast(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    """The pseudo-inverse of the standardised design, constant columns centred only."""
    spread = X.std(axis=0)
    spread[spread <= 1e-12 * np.abs(X.mean(axis=0))] = np.inf
    slopes = np.linalg.pinv((X - X.mean(axis=0)) / spread, rcond=1e-12) @ (y - y.mean())
    return np.asarray(y.mean() + (rows - X.mean(axis=0)) / spread @ slopes)


def sample(rows: int, width: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    draw = np.random.default_rng(seed)
    X = draw.lognormal(size=(rows, width))
    return X, X @ np.arange(1.0, width + 1.0) + draw.standard_normal(rows), draw.lognormal(size=(5, width))


@pytest.mark.parametrize("columns", [STD, EXT], ids=["STD", "EXT"])
@pytest.mark.parametrize(("target", "origin"), [("V", 50), ("V", 545), ("CRM", 100), ("GS", 295)])
@pytest.mark.parametrize("approach", ["TO", "NP"])
def test_real_training_sets_agree_with_statsmodels(
    target: str, origin: int, approach: str, columns: Sequence[str]
) -> None:
    panel = naive.dj30()
    rows = build_rows(panel)
    days = rows.first_row(target) + origin - 1 + np.arange(5)
    pool = make_pool(rows, panel.with_role("source")[:4])
    sources = pool.known_at(int(rows.date[days[0]]))
    own = target_pairs(rows, target, origin)
    train = assemble(rows, pool, own, sources if approach == "NP" else own[:0], len(columns), "NP")
    varying = train.X.std(axis=0) > 0  # no earnings date is known before 2012: a column of zeros
    X, new = train.X[:, varying], rows.X[days, : len(columns)][:, varying]
    expected = statsmodels_forecast(X, train.y, new)
    np.testing.assert_allclose(forecast(train.X, train.y, rows.X[days, : len(columns)]), expected, rtol=1e-8)


def test_a_row_of_the_mean_gets_the_mean() -> None:
    X, y, _ = sample(50, 4)
    np.testing.assert_allclose(forecast(X, y, X.mean(axis=0)[None, :]), [y.mean()], rtol=1e-12)


@pytest.mark.parametrize("closeness", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_nearly_collinear_columns_keep_eight_digits_far_from_the_training_set(closeness: float) -> None:
    """On either side of the limit between normal equations and decomposition."""
    X, _, rows = sample(300, 4)
    X[:, 3] = X[:, 2] + closeness * X[:, 3]
    y = X.sum(axis=1) + np.random.default_rng(1).standard_normal(300)
    expected = y.mean() + (rows - X.mean(axis=0)) @ np.linalg.lstsq(X - X.mean(axis=0), y - y.mean(), rcond=None)[0]
    np.testing.assert_allclose(forecast(X, y, rows), expected, rtol=1e-8)
    assert 1e-10 < WELL_CONDITIONED < 1e-4


def test_two_rows_make_one_direction() -> None:
    """Centring leaves a second singular value of the size of rounding; by hand: +-1 in the columns that vary."""
    X = np.array([[3.0, 3.07306162, 0.53264808], [3.0, 2.87058391, 1.58117039]])
    y = np.array([1.20382536, 0.67453685])
    (middle, half), row = (X.mean(axis=0), (X[0] - X[1])[1:] / 2), np.array([0.47548705, 1.86798397, 0.43828666])
    expected = y.mean() + (y[0] - y[1]) / 4 * ((row - middle)[1:] / half).sum()
    np.testing.assert_allclose(forecast(X, y, row[None, :]), [expected], rtol=1e-9)


def test_equal_columns_share_the_slope() -> None:
    X, y, rows = sample(60, 3)
    twice = np.column_stack([X, X[:, 0]])
    _, slopes = least_squares(twice, y)
    _, alone = least_squares(X, y)
    np.testing.assert_allclose(slopes, [alone[0] / 2, alone[1], alone[2], alone[0] / 2], rtol=1e-10)
    new = np.column_stack([rows, rows[:, 0]])
    np.testing.assert_allclose(forecast(twice, y, new), forecast(X, y, rows), rtol=1e-10)
    np.testing.assert_allclose(forecast(twice, y, new), minimum_norm_forecast(twice, y, new), rtol=1e-8)


@pytest.mark.parametrize(("rows", "width"), [(1, 3), (2, 3), (3, 3), (4, 3), (6, 11), (11, 11), (12, 11)])
def test_fewer_rows_than_slopes_give_the_minimum_norm(rows: int, width: int) -> None:
    X, y, new = sample(rows, width, seed=rows)
    np.testing.assert_allclose(forecast(X, y, new), minimum_norm_forecast(X, y, new), rtol=1e-7)
    if rows <= width:
        np.testing.assert_allclose(forecast(X, y, X), y, rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -7.3, 1e9])
def test_a_constant_column_changes_nothing(value: float) -> None:
    X, y, new = sample(40, 3)
    wide, wide_new = np.insert(X, 1, value, axis=1), np.insert(new, 1, 3.0, axis=1)
    assert least_squares(wide, y)[1][1] == 0.0
    np.testing.assert_allclose(forecast(wide, y, wide_new), forecast(X, y, new), rtol=1e-12)


def test_nothing_but_constant_columns_forecasts_the_mean() -> None:
    y = np.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(forecast(np.full((3, 2), 0.3), y, np.array([[5.0, 9.0]])), [3.0], rtol=1e-15)


def test_a_constant_label_is_forecast() -> None:
    X, _, new = sample(40, 11)
    np.testing.assert_allclose(forecast(X, np.full(40, 2.5), new), np.full(5, 2.5), rtol=1e-13)


def test_units_do_not_matter() -> None:
    X, y, new = sample(80, 5)
    scale = np.array([1e-9, 1.0, 1e6, 1e-3, 1e9])
    np.testing.assert_allclose(forecast(X * scale, y, new * scale), forecast(X, y, new), rtol=1e-10)
    deficient, deficient_new = np.column_stack([X, X[:, 0]]), np.column_stack([new, new[:, 0]])
    scale = np.array([*scale, 1e4])
    np.testing.assert_allclose(
        forecast(deficient * scale, y, deficient_new * scale), forecast(deficient, y, deficient_new), rtol=1e-8
    )


def test_a_large_offset_costs_few_digits() -> None:
    X, y, new = sample(80, 3)
    np.testing.assert_allclose(forecast(X + 1e6, y, new + 1e6), forecast(X, y, new), rtol=1e-8)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("place", ["X", "y"])
def test_absurd_training_rows_are_an_error(place: str, value: float) -> None:
    X, y, new = sample(20, 3)
    if place == "y" and value == 1e200:
        assert np.isfinite(forecast(X, y, new)).all()
        return
    {"X": X[:, 1], "y": y}[place][7] = value
    with pytest.raises(FitError, match="training rows hold NaN, infinite or absurdly large values"):
        forecast(X, y, new)
