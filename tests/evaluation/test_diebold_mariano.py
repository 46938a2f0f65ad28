import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import ttest_1samp

from tests.evaluation import naive_evaluation as naive
from volforecast.errors import InputError
from volforecast.evaluation.diebold_mariano import diebold_mariano, diebold_mariano_matrix


def losses_of(days: int, models: int, seed: int) -> np.ndarray:
    """Squared errors of correlated forecasts, as a study has them."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((days, 1)) + 0.3 * rng.standard_normal((days, models))) ** 2


@pytest.mark.parametrize("days", [2, 3, 49, 500])
def test_the_test_follows_the_printed_formula(days: int) -> None:
    losses = losses_of(days, 2, seed=days)
    found = diebold_mariano(losses[:, 0], losses[:, 1])
    statistic, p_value = naive.diebold_mariano(losses[:, 0].tolist(), losses[:, 1].tolist())
    assert found.status == "ok"
    assert found.statistic == pytest.approx(statistic, rel=1e-10)
    assert found.p_value == pytest.approx(p_value, rel=1e-9)


def test_at_horizon_one_the_corrected_test_is_the_one_sample_t_test() -> None:
    """gamma_0 = s^2 (T-1)/T, so the factor sqrt((T-1)/T) turns mean/sqrt(gamma_0/T) into mean/sqrt(s^2/T)."""
    losses = losses_of(100, 2, seed=1)
    found = diebold_mariano(losses[:, 0], losses[:, 1])
    reference = ttest_1samp(losses[:, 0] - losses[:, 1], 0.0, alternative="less")
    assert found.statistic == pytest.approx(reference.statistic, rel=1e-10)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-10)
    regression = sm.OLS(losses[:, 0] - losses[:, 1], np.ones(100)).fit()
    assert found.statistic == pytest.approx(regression.tvalues[0], rel=1e-10)


def test_the_matrix_holds_the_pairs() -> None:
    losses = losses_of(60, 7, seed=2)
    matrix = diebold_mariano_matrix(losses)
    for i in range(7):
        for j in range(7):
            expected = diebold_mariano(losses[:, i], losses[:, j]).p_value
            np.testing.assert_allclose(matrix[i, j], expected, rtol=1e-12)
    np.testing.assert_allclose((matrix + matrix.T)[~np.eye(7, dtype=bool)], 1.0)


def test_the_better_model_gets_the_small_p_value() -> None:
    losses = losses_of(200, 2, seed=3)
    losses[:, 1] += 1.0 + 0.1 * losses[:, 0]
    assert diebold_mariano(losses[:, 0], losses[:, 1]).p_value < 1e-6
    assert diebold_mariano(losses[:, 1], losses[:, 0]).p_value > 1 - 1e-6


def test_close_forecasts_are_told_apart_without_cancellation() -> None:
    losses = losses_of(100, 2, seed=4)
    losses[:, 1] = losses[:, 0] * (1 + 1e-9 * losses[:, 1])
    expected = ttest_1samp(losses[:, 0] - losses[:, 1], 0.0, alternative="less").pvalue
    assert diebold_mariano_matrix(losses)[0, 1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gap", [0.0, 0.3, 1e-14])
def test_a_difference_without_variance_is_not_tested(gap: float) -> None:
    losses = losses_of(50, 1, seed=5)[:, 0]
    found = diebold_mariano(losses, losses + gap)
    assert found.status == "no variance"
    assert np.isnan([found.statistic, found.p_value]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_missing_loss_leaves_that_model_untested(bad: float) -> None:
    losses = losses_of(50, 3, seed=6)
    clean = diebold_mariano_matrix(losses)
    losses[7, 1] = bad
    matrix = diebold_mariano_matrix(losses)
    assert np.isnan(matrix[1]).all()
    assert np.isnan(matrix[:, 1]).all()
    assert matrix[0, 2] == clean[0, 2]
    assert diebold_mariano(losses[:, 0], losses[:, 1]).status == "missing"
    assert np.isnan(diebold_mariano_matrix(losses[:, [1]])).all()


def test_one_day_is_an_error() -> None:
    with pytest.raises(InputError, match="two days"):
        diebold_mariano_matrix(np.ones((1, 3)))
    with pytest.raises(InputError, match="same days"):
        diebold_mariano(np.ones(3), np.ones(4))


def test_the_size_is_five_per_cent_under_equal_accuracy() -> None:
    """8,000 tests at 5%: three standard errors are 0.7 points."""
    rng = np.random.default_rng(7)
    rejected = 0
    for _ in range(4000):
        errors = rng.standard_normal((100, 2))
        p_values = diebold_mariano_matrix(errors**2)
        rejected += int((p_values[[0, 1], [1, 0]] < 0.05).sum())
    assert abs(rejected / 8000 - 0.05) < 0.0075
