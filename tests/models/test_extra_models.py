"""The models beside the paper's against statsmodels and their formulas, on real rows where there are some."""

import functools
from collections.abc import Sequence

import numpy as np
import pytest
import statsmodels.api as sm

from tests import naive
from volforecast.data.panel import read_panel
from volforecast.measured_rows import measured_rows
from volforecast.models.har import HAR
from volforecast.models.har_j import HARJ
from volforecast.models.harq import HARQ
from volforecast.models.insanity import sane
from volforecast.models.log_har import LogHAR
from volforecast.models.protocol import FloatArray, TrainingSet
from volforecast.models.shar import SHAR
from volforecast.predictors import PredictorRows, build_rows
from volforecast.transfer.training import assemble, make_pool, target_pairs

PLACES = [("V", 50), ("V", 545), ("CRM", 100), ("GS", 295)]


@functools.cache
def dj30_rows(predictors: str) -> PredictorRows:
    """Rows of the Dow 30, of its volatility predictors or of those of HAR-J."""
    naive.dj30()
    panel = read_panel(str(naive.DJ30), measures=("bpv",))
    rows = build_rows(panel)
    return rows if predictors == "STD" else measured_rows(panel, rows, predictors)


def fitted(X: FloatArray, y: FloatArray) -> "sm.regression.linear_model.RegressionResults":
    return sm.OLS(y, sm.add_constant(X, has_constant="add")).fit(method="qr")


def training_set(
    rows: PredictorRows, sources: Sequence[str], target: str, origin: int, approach: str
) -> tuple[TrainingSet, FloatArray]:
    """What a model is estimated on at an origin, and the rows it forecasts."""
    days = rows.first_row(target) + origin - 1 + np.arange(5)
    pool = make_pool(rows, tuple(sources))
    known = pool.known_at(int(rows.date[days[0]])) if approach == "NP" else np.empty(0, dtype=np.int64)
    width = rows.volatilities
    train = assemble(rows, pool, target_pairs(rows, target, origin), known, width, "NP")
    return train, rows.X[days, :width]


@pytest.mark.parametrize(("target", "origin"), PLACES)
@pytest.mark.parametrize("approach", ["TO", "NP"])
def test_log_har_agrees_with_statsmodels_on_real_rows(target: str, origin: int, approach: str) -> None:
    sources = naive.dj30().with_role("source")[:4]
    train, new = training_set(dj30_rows("STD"), sources, target, origin, approach)
    fit = fitted(np.log(train.X), np.log(train.y))
    mean = fit.predict(sm.add_constant(np.log(new), has_constant="add"))
    found = LogHAR().forecast(train, new, None, 1)
    np.testing.assert_allclose(found, np.exp(mean + fit.mse_resid / 2), rtol=1e-8)
    median = LogHAR(bias_correction=False).forecast(train, new, None, 1)
    np.testing.assert_allclose(median, np.exp(mean), rtol=1e-8)
    assert (found > median).all()


@pytest.mark.parametrize(("target", "origin"), PLACES)
@pytest.mark.parametrize("approach", ["TO", "NP"])
def test_har_j_agrees_with_statsmodels_on_real_rows(target: str, origin: int, approach: str) -> None:
    sources = naive.dj30().with_role("source")[:4]
    train, new = training_set(dj30_rows("HAR-J"), sources, target, origin, approach)
    expected = fitted(train.X, train.y).predict(sm.add_constant(new, has_constant="add"))
    np.testing.assert_allclose(HARJ().forecast(train, new, None, 1), expected, rtol=1e-8)


def returns(days: int, seed: int) -> FloatArray:
    """78 returns a day whose scale moves slowly, decimal."""
    draw = np.random.default_rng(seed)
    scale = np.exp(np.cumsum(0.2 * draw.standard_normal(days)) * 0.5) * 1e-3
    return np.asarray(scale[:, None] * draw.standard_t(5, size=(days, 78)))


def test_harq_is_the_regression_of_the_paper_whatever_is_subtracted() -> None:
    """With the mean of the root of quarticity subtracted, as in the paper, and without it."""
    r = 100 * returns(400, 1)
    rv, rq = (r**2).sum(axis=1), 26 * (r**4).sum(axis=1)
    means = [np.array([rv[max(t - k + 1, 0) : t + 1].mean() for t in range(400)]) for k in (5, 22)]
    X = np.column_stack([rv, *means, rv * np.sqrt(rq)])[21:-1]
    y = rv[22:]
    centred = X.copy()
    root = np.sqrt(rq)[21:-1]
    centred[:, 3] = X[:, 0] * (root - root[:300].mean())
    slow = np.column_stack([np.ones(300), centred[:300]])
    coefficients = np.linalg.lstsq(slow, y[:300], rcond=None)[0]
    expected = np.column_stack([np.ones(len(X) - 300), centred[300:]]) @ coefficients
    found = HARQ().forecast(TrainingSet(X[:300], y[:300], "TO"), X[300:], None, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_shar_with_equal_weights_on_falls_and_rises_is_har() -> None:
    """Where labels depend on the sum of the semivariances alone, SHAR and HAR forecast the same."""
    r = 100 * returns(300, 2)
    negative, positive = (np.where(r < 0, r, 0) ** 2).sum(axis=1), (np.where(r > 0, r, 0) ** 2).sum(axis=1)
    rv = negative + positive
    means = [np.array([rv[max(t - k + 1, 0) : t + 1].mean() for t in range(300)]) for k in (5, 22)]
    own, usual = np.column_stack([negative, positive, *means]), np.column_stack([rv, *means])
    y = 0.3 + 0.4 * rv + 0.2 * means[0] + 0.1 * means[1]
    one = SHAR().forecast(TrainingSet(own[:200], y[:200], "TO"), own[200:], None, 1)
    np.testing.assert_allclose(one, y[200:], rtol=1e-9)
    two = HAR().forecast(TrainingSet(usual[:200], y[:200], "TO"), usual[200:], None, 1)
    np.testing.assert_allclose(one, two, rtol=1e-9)
    y = 0.3 + 0.6 * negative + 0.2 * positive  # and where they do not, SHAR tells them apart
    one = SHAR().forecast(TrainingSet(own[:200], y[:200], "TO"), own[200:], None, 1)
    np.testing.assert_allclose(one, y[200:], rtol=1e-9)


def test_log_har_forecasts_the_mean_of_a_lognormal_label() -> None:
    draw = np.random.default_rng(3)
    X = draw.lognormal(size=(60_000, 3))
    y = np.exp(0.2 + np.log(X) @ [0.5, 0.2, 0.1] + 0.6 * draw.standard_normal(60_000))
    row = np.array([[1.3, 0.8, 2.0]])
    mean = np.exp(0.2 + np.log(row) @ [0.5, 0.2, 0.1] + 0.18)
    np.testing.assert_allclose(LogHAR().forecast(TrainingSet(X, y, "TO"), row, None, 1), mean, rtol=0.02)


def test_insane_forecasts_become_the_mean_of_the_labels() -> None:
    labels = np.array([1.0, 2.0, 6.0])
    found, replaced = sane(np.array([-3.0, 0.99, 1.0, 4.0, 6.0, 6.01]), labels)
    assert found.tolist() == [3.0, 3.0, 1.0, 4.0, 6.0, 3.0]
    assert replaced.tolist() == [True, True, False, False, False, True]
