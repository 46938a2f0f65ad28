"""The two-sided test at any horizon: against the formula in loops, statsmodels' and scipy's tests, and simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from tests.evaluation import naive_rough as naive
from volforecast.errors import InputError
from volforecast.evaluation.diebold_mariano import diebold_mariano, diebold_mariano_two_sided


def losses_of(days: int, seed: int, overlap: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors of two forecasts of overlapping sums, as horizons above one have them."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((days + overlap - 1, 3))
    sums = np.stack([noise[k : k + days] for k in range(overlap)]).sum(axis=0)
    return (sums[:, 0] + 0.4 * sums[:, 1]) ** 2, (sums[:, 0] + 0.3 * sums[:, 2]) ** 2


@pytest.mark.parametrize("days", [2, 3, 50, 400])
def test_at_horizon_one_it_is_the_two_sided_t_test(days: int) -> None:
    one, other = losses_of(days, seed=days)
    found = diebold_mariano_two_sided(one, other)
    reference = ttest_1samp(one - other, 0.0)
    assert found.statistic == pytest.approx(reference.statistic, rel=1e-10)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-10)
    assert (found.status, found.kernel) == ("ok", "rectangular")
    one_sided = diebold_mariano(one, other)
    assert found.statistic == pytest.approx(one_sided.statistic, rel=1e-10)
    assert found.p_value == pytest.approx(2.0 * min(one_sided.p_value, 1.0 - one_sided.p_value), rel=1e-9)


@pytest.mark.parametrize("horizon", [1, 2, 5, 22])
@pytest.mark.parametrize("days", [23, 60, 300])
def test_it_follows_the_printed_formula(days: int, horizon: int) -> None:
    kernels = set()
    for seed in range(5):
        one, other = losses_of(days, seed, overlap=horizon)
        found = diebold_mariano_two_sided(one, other, horizon)
        statistic, p_value, kernel = naive.two_sided(one.tolist(), other.tolist(), horizon)
        assert found.statistic == pytest.approx(statistic, rel=1e-9)
        assert found.p_value == pytest.approx(p_value, rel=1e-8)
        assert found.kernel == kernel
        kernels.add(kernel)
    if (days, horizon) == (23, 22):
        assert "Bartlett" in kernels


def negative_variance() -> tuple[np.ndarray, np.ndarray]:
    """Differences that alternate: their first autocovariance outweighs the variance."""
    rng = np.random.default_rng(1)
    return np.tile([1.0, 2.0], 50) + 0.01 * rng.standard_normal(100), np.full(100, 1.4)


@pytest.mark.parametrize("horizon", [2, 5, 22])
def test_the_long_run_variance_is_that_of_statsmodels(horizon: int) -> None:
    cases = [("uniform", *losses_of(300, seed, overlap=horizon)) for seed in range(3)]
    cases += [("bartlett", *negative_variance())] if horizon == 2 else []
    for kernel, one, other in cases:
        found = diebold_mariano_two_sided(one, other, horizon)
        assert found.kernel == {"uniform": "rectangular", "bartlett": "Bartlett"}[kernel]
        options = {"maxlags": horizon - 1, "kernel": kernel, "use_correction": False}
        regression = sm.OLS(one - other, np.ones(len(one))).fit(cov_type="HAC", cov_kwds=options)
        days = len(one)
        factor = np.sqrt((days + 1 - 2 * horizon + horizon * (horizon - 1) / days) / days)
        assert found.statistic == pytest.approx(factor * regression.tvalues[0], rel=1e-8)


def test_a_variance_that_is_not_positive_is_replaced_by_one_that_is() -> None:
    found = diebold_mariano_two_sided(*negative_variance(), 2)
    assert found.kernel == "Bartlett"
    assert found.status == "ok"
    assert np.isfinite(found.statistic)
    assert diebold_mariano_two_sided(*negative_variance(), 1).kernel == "rectangular"


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_size_under_equal_accuracy(horizon: int) -> None:
    """2,000 tests at 5%: three standard errors are 1.5 points; at h = 5 the test is known to reject a little more."""
    rejected = 0
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((200 + horizon - 1, 2))
        sums = np.stack([noise[k : k + 200] for k in range(horizon)]).sum(axis=0)
        rejected += diebold_mariano_two_sided(sums[:, 0] ** 2, sums[:, 1] ** 2, horizon).p_value < 0.05
    assert 0.035 < rejected / 2000 < (0.065 if horizon == 1 else 0.085)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(9, 40), st.floats(1e-3, 1e3))
def test_swapping_turns_the_sign_and_units_do_not_matter(seed: int, horizon: int, days: int, unit: float) -> None:
    one, other = losses_of(days, seed, overlap=horizon)
    found, swapped = (diebold_mariano_two_sided(*pair, horizon) for pair in ((one, other), (other, one)))
    scaled = diebold_mariano_two_sided(unit * one, unit * other, horizon)
    assert swapped.statistic == pytest.approx(-found.statistic, rel=1e-9)
    assert swapped.p_value == pytest.approx(found.p_value, rel=1e-9)
    # close to zero variance the choice of kernel is one of rounding
    if scaled.kernel == found.kernel:
        assert scaled.statistic == pytest.approx(found.statistic, rel=1e-5)
    assert 0.0 <= found.p_value <= 1.0


@pytest.mark.parametrize("gap", [0.0, 0.3, 1e-14])
def test_a_difference_without_variance_is_not_tested(gap: float) -> None:
    one, _ = losses_of(50, seed=5)
    found = diebold_mariano_two_sided(one, one + gap, 5)
    assert found.status == "no variance"
    assert np.isnan([found.statistic, found.p_value]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_missing_loss_is_not_tested(bad: float) -> None:
    one, other = losses_of(50, seed=6)
    other[7] = bad
    assert diebold_mariano_two_sided(one, other, 5).status == "missing"


@pytest.mark.parametrize(("days", "horizon"), [(1, 1), (5, 5), (5, 6), (10, 0)])
def test_too_few_days_are_an_error(days: int, horizon: int) -> None:
    with pytest.raises(InputError, match=f"at horizon {horizon}"):
        diebold_mariano_two_sided(np.ones(days), np.ones(days), horizon)
    with pytest.raises(InputError, match="same days"):
        diebold_mariano_two_sided(np.ones(3), np.ones(4))
