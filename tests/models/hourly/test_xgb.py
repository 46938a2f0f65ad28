"""The exponentially weighted loss, boosting with it, and the four models of boosted trees."""

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.models.hourly.naive_hourly import changed, columns, made_table, real_table
from volforecast.data.hourly import FloatArray, IntArray
from volforecast.errors import FitError
from volforecast.hourly_diagnostics import chosen_features
from volforecast.hourly_rows import Mode, Sample
from volforecast.models.hourly import xgb, xgb_both, xgb_granger, xgb_sentiment
from volforecast.models.hourly.boosting import GRID, boosted
from volforecast.models.hourly.exponential_loss import derivatives, loss, objective, weights
from volforecast.models.hourly.protocol import Values, rmse

MODELS = {"XGB": xgb.MODEL, "SXGB": xgb_sentiment.MODEL, "XGB-GCT": xgb_granger.MODEL, "SXGB-GCT": xgb_both.MODEL}
MODES: tuple[Mode, ...] = ("clean", "paper")
POINT: Values = {"depth": 3, "rounds": 50, "lambda": 0.1, "gamma": 0.1, "alpha": 3}


def drawn(rows: int = 300) -> tuple[FloatArray, FloatArray, FloatArray]:
    draw = np.random.default_rng(0)
    X = draw.lognormal(size=(rows, 4))
    return X, X[:, 0] + 0.5 * draw.lognormal(size=rows), draw.lognormal(size=(20, 4))


# ---------------------------------------------------------------------------------------------------------------- loss


@given(
    y=st.lists(st.floats(0.0, 50.0), min_size=1, max_size=6),
    shift=st.floats(-5.0, 5.0),
    alpha=st.sampled_from(GRID["alpha"]),
)
def test_derivatives_are_finite_differences_of_the_loss(y: list[float], shift: float, alpha: float) -> None:
    labels = np.array(y)
    forecast = labels * 0.5 + shift
    gradient, hessian = derivatives(forecast, labels, float(alpha))
    step = 1e-2  # a central difference of a parabola is exact up to rounding
    for row in range(len(labels)):
        move = np.where(np.arange(len(labels)) == row, step, 0.0)
        above, at, below = (loss(forecast + sign * move, labels, float(alpha)) for sign in (1.0, 0.0, -1.0))
        scale = max(1.0, at)
        assert gradient[row] == pytest.approx((above - below) / (2.0 * step), rel=1e-6, abs=1e-9 * scale)
        assert hessian[row] == pytest.approx((above - 2.0 * at + below) / step**2, rel=1e-4, abs=1e-7 * scale)


def test_large_labels_weigh_more_and_alpha_zero_is_the_squared_error() -> None:
    y = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(weights(y, 5.0), np.exp([1.25, 2.5, 5.0]))
    assert loss(np.zeros(3), y, 0.0) == pytest.approx(21.0)
    assert weights(np.zeros(3), 7.0).tolist() == [1.0, 1.0, 1.0]


# ------------------------------------------------------------------------------------------------------------ boosting


@pytest.mark.parametrize("mode", MODES)
def test_alpha_zero_is_the_librarys_squared_error(mode: Mode) -> None:
    """Its gradient is half of ours, so half of lambda and gamma and of the least Hessian of a leaf give the same."""
    X, y, rows = drawn()
    point = {**POINT, "alpha": 0, "lambda": 1.0, "gamma": 0.5}
    expected = by_library(X, y, rows, point, np.ones(len(y)), mode)
    np.testing.assert_allclose(boosted(X, y, rows, point, mode, [50])[0], expected, rtol=1e-5)


@pytest.mark.parametrize("alpha", [3, 5])
def test_the_loss_is_weights_of_rows(alpha: int) -> None:
    X, y, rows = drawn()
    point = {**POINT, "alpha": alpha}
    expected = by_library(X, y, rows, point, np.exp(alpha * y / y.max()), "clean")
    np.testing.assert_allclose(boosted(X, y, rows, point, "clean", [50])[0], expected, rtol=2e-3)


def by_library(
    X: FloatArray, y: FloatArray, rows: FloatArray, point: Values, weight: FloatArray, mode: Mode
) -> FloatArray:
    sampled = {"subsample": 0.8, "colsample_bytree": 0.8} if mode == "paper" else {}
    regressor = xgboost.XGBRegressor(
        n_estimators=int(point["rounds"]),
        max_depth=int(point["depth"]),
        learning_rate=0.1,
        gamma=float(point["gamma"]) / 2.0,
        reg_lambda=float(point["lambda"]) / 2.0,
        min_child_weight=0.5,
        tree_method="exact",
        base_score=0.5 if mode == "paper" else float(y.mean()),
        random_state=42,
        n_jobs=1,
        **sampled,
    )
    return np.asarray(regressor.fit(X, y, sample_weight=weight).predict(rows))


@pytest.mark.parametrize("mode", MODES)
def test_shorter_trainings_are_the_beginning_of_longer_ones(mode: Mode) -> None:
    X, y, rows = drawn()
    together = boosted(X, y, rows, POINT, mode, [50, 100, 200])
    apart = [boosted(X, y, rows, POINT, mode, [rounds])[0] for rounds in (50, 100, 200)]
    assert together.tobytes() == np.array(apart).tobytes()


def test_gamma_forbids_no_more_splits_than_it_should() -> None:
    """In decimals a gamma of 0.1 would leave the mean; in per cent the largest of the grid still lets trees grow."""
    X, y, rows = drawn()
    point = {**POINT, "gamma": 1.0, "alpha": 0}
    assert np.ptp(boosted(X, y, rows, point, "clean", [50])) > 1.0
    assert np.ptp(boosted(X, y / 1000.0, rows, point, "clean", [50])) == 0.0


def test_rows_with_holes_and_no_rows_are_refused() -> None:
    X, y, rows = drawn()
    with pytest.raises(FitError, match="at least one row"):
        boosted(X[:0], y[:0], rows, POINT, "clean", [50])
    X[3, 1] = np.nan
    with pytest.raises(FitError, match="take for missing"):
        boosted(X, y, rows, POINT, "clean", [50])


# -------------------------------------------------------------------------------------------------------------- models


def test_the_grid_is_the_papers() -> None:
    assert np.prod([len(values) for values in GRID.values()]) == 960
    assert GRID["rounds"] == (50, 100, 200)


@pytest.mark.parametrize("mode", MODES)
def test_columns_are_lags_means_sentiment_and_features(mode: Mode) -> None:
    """A twin that trains with plain numpy columns and the loss as an objective."""
    sample = Sample(made_table(), mode)
    blocks = sample.blocks(3)
    names = chosen_features(sample, blocks.train)
    assert mode == "paper" or "lead" in names
    places = [sample.table.feature_names.index(name) for name in names]
    behind = 1 if mode == "paper" else 0

    def naive(rows: IntArray) -> FloatArray:
        lags = np.array([[sample.table.vol[row - lag] for lag in range(1, 6)] for row in rows])
        means = 100.0 * columns(sample, rows, (1, 6, 24), -1)
        mood = np.column_stack([sample.aggregate[rows - behind], sample.orthogonal(rows, blocks.train)])
        return np.column_stack([lags, means, mood, sample.table.features[rows - behind][:, places]])

    y = sample.table.vol[blocks.train]
    point = {**POINT, "rounds": 50}
    expected = boosted(naive(blocks.train), y, naive(blocks.test), point, mode, [50])[0] / 100.0
    found = MODELS["SXGB-GCT"].forecast(sample, blocks.train, blocks.test, point, [0])
    assert found.details["features"] == ", ".join(names)
    assert MODELS["SXGB-GCT"].needs == {"sentiment", "features"}
    np.testing.assert_allclose(found.forecast[0], expected, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_grid_at_once_is_the_grid_point_by_point(name: str) -> None:
    sample = Sample(made_table(), "clean")
    blocks = sample.blocks(2)
    points = [{**POINT, "depth": d, "rounds": r, "alpha": a} for r in (200, 50, 100) for d in (3, 5) for a in (0, 10)]
    points.append(dict(points[0]))
    found = MODELS[name].grid_losses(sample, blocks.train, blocks.valid, points)
    realized = sample.y[blocks.valid]
    apart = [
        rmse(MODELS[name].forecast(sample, blocks.train, blocks.valid, point, [0]).forecast[0], realized)
        for point in points
    ]
    assert found == apart


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MODELS)
@examples(3, deadline=None)
@given(place=st.integers(0, 30), labels=st.booleans())
def test_the_future_never_changes_a_forecast(name: str, mode: Mode, place: int, labels: bool) -> None:
    table = made_table(500, gaps=(300,))
    sample = Sample(table, mode)
    blocks = sample.blocks(2)
    row = int(blocks.test[place])
    other = Sample(changed(table, row, labels=labels), mode)
    before, after = (
        MODELS[name].forecast(s, blocks.refit, blocks.test, POINT, [0]).forecast[0] for s in (sample, other)
    )
    np.testing.assert_allclose(after[: place + 1], before[: place + 1], rtol=1e-12)
    assert not np.allclose(after[place + 2 :], before[place + 2 :])


def test_labels_learnt_from_matter() -> None:
    sample = Sample(made_table(), "clean")
    blocks = sample.blocks(2)
    half = blocks.train[::2]
    found, other = (xgb.MODEL.forecast(sample, rows, blocks.test, POINT, [0]).forecast for rows in (blocks.train, half))
    assert not np.allclose(found, other)


def test_the_future_of_the_objective_is_fixed() -> None:
    """The weights belong to the labels learnt from, whatever the booster asks about."""
    y = np.array([1.0, 3.0])
    gradient, hessian = objective(y, 5.0)(np.zeros(2), None)
    assert gradient.tolist() == (-hessian * y).tolist()
    assert hessian.tolist() == (2.0 * np.exp(5.0 * y / 3.0)).tolist()


def test_forecasts_beat_the_mean_and_move_with_real_hours() -> None:
    point = {"depth": 3, "rounds": 50, "lambda": 1.0, "gamma": 1.0, "alpha": 0}
    sample = Sample(made_table(), "clean")
    blocks = sample.blocks(3)
    realized, mean = sample.y[blocks.test], sample.y[blocks.refit].mean()
    for model in MODELS.values():
        found = model.forecast(sample, blocks.refit, blocks.test, point, [0]).forecast[0]
        assert rmse(found, realized) < rmse(np.full(len(realized), mean), realized)
    sample = Sample(real_table(), "clean")
    blocks = sample.blocks(2)
    for model in MODELS.values():
        found = model.forecast(sample, blocks.refit, blocks.test, point, [0]).forecast[0]
        assert 0.5 < found.mean() / sample.y[blocks.test].mean() < 2.0
        assert np.ptp(found) > 0.01
