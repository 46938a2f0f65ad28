import numpy as np
import pytest
from arch.bootstrap import MCS

from tests.evaluation import naive_evaluation as naive
from volforecast.errors import InputError
from volforecast.evaluation.confidence_set import ConfidenceSet, model_confidence_set
from volforecast.evaluation.resampling import shared_weights, stationary_bootstrap_indices, weights_of


def random_losses(days: int, models: int, seed: int, spread: float = 0.3) -> np.ndarray:
    """Squared errors with a common part, models getting worse from the first to the last."""
    rng = np.random.default_rng(seed)
    errors = rng.standard_normal((days, 1)) + 0.4 * rng.standard_normal((days, models))
    return (errors + np.linspace(0.0, spread, models)) ** 2


def volatility_losses(days: int, models: int, seed: int) -> np.ndarray:
    """Losses of variance forecasts: clustered, heavy-tailed, in pairs of near twins, one model exploding."""
    rng = np.random.default_rng(seed)
    log_variance = np.zeros(days)
    for t in range(1, days):
        log_variance[t] = 0.95 * log_variance[t - 1] + 0.4 * rng.standard_normal()
    realized = np.exp(log_variance + 0.5 * rng.standard_normal(days))
    noise = 0.3 * rng.standard_normal((days, models))
    noise[:, 1::2] = noise[:, : models - 1 : 2] + 1e-3 * rng.standard_normal((days, models // 2))
    losses = (np.exp(log_variance[:, None] + noise) - realized[:, None]) ** 2
    losses[:, -1] *= rng.choice([1.0, 3000.0], days)
    return losses


def compare_with_arch(losses: np.ndarray, replications: int, seed: int, block: int | None = None) -> None:
    oracle = MCS(losses, 0.05, reps=replications, method="R", seed=seed, block_size=block)
    oracle.compute()
    found = model_confidence_set(losses, indices=np.array(oracle._bootstrap_indices))
    np.testing.assert_array_equal(found.elimination_order, oracle.pvalues.index.to_numpy())
    np.testing.assert_array_equal(found.p_values[found.elimination_order], oracle.pvalues["Pvalue"].to_numpy())
    assert np.flatnonzero(found.included).tolist() == oracle.included


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [random_losses, volatility_losses])
def test_equals_arch_on_its_resamples(make, seed: int) -> None:
    compare_with_arch(make(100, 31, seed), 1000, seed)


@pytest.mark.parametrize("days", [100, 500])
@pytest.mark.parametrize("make", [random_losses, volatility_losses])
def test_equals_arch_at_the_size_of_the_paper(make, days: int) -> None:
    compare_with_arch(make(days, 31, 11), 5000, 12)


@pytest.mark.parametrize(("days", "models"), [(2, 2), (5, 3), (23, 8)])
def test_equals_arch_on_small_samples(days: int, models: int) -> None:
    compare_with_arch(random_losses(days, models, 3), 300, 4)


def test_equals_arch_on_integer_losses_where_resamples_tie_with_the_observed_statistic() -> None:
    losses = np.random.default_rng(5).integers(0, 3, (40, 4)).astype(float)
    assert np.unique(losses.mean(axis=0)).size == 4
    compare_with_arch(losses, 2000, 6)


def test_equals_the_slow_twin_across_working_blocks() -> None:
    losses = random_losses(30, 5, 7)
    indices = stationary_bootstrap_indices(30, 20_000, 5, np.random.default_rng(8))
    found = model_confidence_set(losses, indices=indices)
    order, p_values = naive.model_confidence_set(losses, indices)
    assert found.elimination_order.tolist() == order
    np.testing.assert_array_equal(found.p_values[order], p_values)


@pytest.mark.parametrize("replications", [1, 31, 32, 1000, 1024, 1025, 2500])
def test_any_number_of_resamples_equals_the_slow_twin(replications: int) -> None:
    """Around the lanes and the blocks that are walked over together."""
    losses = volatility_losses(25, 6, replications)
    indices = stationary_bootstrap_indices(25, replications, 5, np.random.default_rng(8))
    found = model_confidence_set(losses, indices=indices)
    order, p_values = naive.model_confidence_set(losses, indices)
    assert found.elimination_order.tolist() == order
    np.testing.assert_array_equal(found.p_values[order], p_values)


@pytest.mark.parametrize("days", [7, 100, 300])
def test_weights_say_how_often_each_day_was_drawn(days: int) -> None:
    indices = stationary_bootstrap_indices(days, 4000, 5, np.random.default_rng(8))
    weights = weights_of(indices)
    assert weights.tolist() == [np.bincount(row, minlength=days).tolist() for row in indices]
    losses = random_losses(days, 5, 1)
    by_indices, by_weights = (
        model_confidence_set(losses, **{k: v}) for k, v in (("indices", indices), ("weights", weights))
    )
    np.testing.assert_array_equal(by_indices.p_values, by_weights.p_values)


def test_shared_weights_depend_on_seed_and_length_and_nothing_else() -> None:
    first = shared_weights(40, 300, 1).copy()
    for other in ((41, 300, 1), (40, 301, 1), (40, 300, 2), (40, 300, 1, 9), (42, 300, 1)):  # out of the cache and back
        assert not np.array_equal(shared_weights(*other), first)
    np.testing.assert_array_equal(shared_weights(40, 300, 1), first)
    np.testing.assert_array_equal(shared_weights(40, 300, 1, 6), first)  # floor(sqrt(40))
    assert (first.sum(axis=1) == 40).all()
    with pytest.raises(ValueError, match="read-only"):
        shared_weights(40, 300, 1)[0, 0] = 1


def test_one_seed_gives_one_result_and_columns_may_be_swapped() -> None:
    losses = random_losses(100, 12, 9)
    found = model_confidence_set(losses, rng=np.random.default_rng(1), replications=500)
    again = model_confidence_set(losses, rng=np.random.default_rng(1), replications=500)
    np.testing.assert_array_equal(found.p_values, again.p_values)
    shuffle = np.random.default_rng(2).permutation(12)
    swapped = model_confidence_set(losses[:, shuffle], rng=np.random.default_rng(1), replications=500)
    np.testing.assert_array_equal(swapped.p_values, found.p_values[shuffle])
    np.testing.assert_array_equal(shuffle[swapped.elimination_order], found.elimination_order)


def test_duplicates_share_the_fate_of_one_representative() -> None:
    losses = random_losses(100, 6, 10)
    indices = stationary_bootstrap_indices(100, 500, 10, np.random.default_rng(3))
    alone = model_confidence_set(losses, indices=indices)
    # Column 3 differs from column 0 as a sum in another order would.
    doubled = np.column_stack([losses[:, :3], losses[:, 0] * (1 + 2e-16), losses[:, 3:], losses[:, 2]])
    found = model_confidence_set(doubled, indices=indices)
    assert found.status == ("ok", "ok", "ok", "duplicate", "ok", "ok", "ok", "duplicate")
    assert found.representative.tolist() == [0, 1, 2, 0, 4, 5, 6, 2]
    np.testing.assert_array_equal(found.p_values, alone.p_values[[0, 1, 2, 0, 3, 4, 5, 2]])
    np.testing.assert_array_equal(found.included, alone.included[[0, 1, 2, 0, 3, 4, 5, 2]])
    assert found.elimination_order.size == 6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_missing_series_is_left_out_and_changes_nothing_else(bad: float) -> None:
    losses = random_losses(100, 6, 11)
    indices = stationary_bootstrap_indices(100, 500, 10, np.random.default_rng(3))
    alone = model_confidence_set(losses[:, 1:], indices=indices)
    losses[50, 0] = bad
    found = model_confidence_set(losses, indices=indices)
    assert found.status[0] == "missing"
    assert found.representative[0] == -1
    assert np.isnan(found.p_values[0])
    assert not found.included[0]
    np.testing.assert_array_equal(found.p_values[1:], alone.p_values)


def test_one_series_all_equal_series_and_no_series() -> None:
    rng = np.random.default_rng(1)
    one = model_confidence_set(random_losses(50, 1, 1), rng=rng, replications=100)
    assert (one.p_values.tolist(), one.included.tolist(), one.status) == ([1.0], [True], ("ok",))
    equal = model_confidence_set(np.ones((50, 3)), rng=rng, replications=100)
    assert equal.p_values.tolist() == [1.0, 1.0, 1.0]
    assert equal.status == ("ok", "duplicate", "duplicate")
    none = model_confidence_set(np.full((50, 2), np.nan), rng=rng, replications=100)
    assert np.isnan(none.p_values).all()
    assert not none.included.any()
    assert none.elimination_order.size == 0


@pytest.mark.parametrize("gap", [2.0**-10, 0.001])
def test_a_certain_difference_eliminates_the_worse_series_first(gap: float) -> None:
    """On 64 days and in 64ths, 2^-10 leaves a variance of exactly zero and 0.001 rounding noise: both are certain."""
    losses = np.round(random_losses(64, 3, 12) * 64) / 64
    indices = stationary_bootstrap_indices(64, 500, 8, np.random.default_rng(3))
    alone = model_confidence_set(losses, indices=indices)
    assert alone.included[0]
    worse = np.column_stack([losses[:, 0] + gap, losses[:, 0] + 2 * gap, losses])
    found = model_confidence_set(worse, indices=indices)
    if gap == 2.0**-10:  # both infinitely certain, so the worst goes first
        assert found.elimination_order[:2].tolist() == [1, 0]
    assert set(found.elimination_order[:2]) == {0, 1}
    assert found.p_values[:2].tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(found.p_values[2:], alone.p_values)


def test_tied_means_do_not_stop_it() -> None:
    losses = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 1.0]])
    found = model_confidence_set(losses, rng=np.random.default_rng(1), replications=200)
    assert found.included.all()


@pytest.mark.parametrize(
    "options",
    [
        {"level": 1.0},
        {"replications": 0},
        {"block_length": 0},
        {"rng": None},
        {"indices": np.zeros((3, 9), int)},
        {"weights": np.ones((3, 9), np.uint16)},
    ],
)
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(InputError):
        model_confidence_set(random_losses(10, 3, 1), **{"rng": np.random.default_rng(1), **options})


def test_unusable_input_is_refused() -> None:
    with pytest.raises(InputError, match="two days"):
        model_confidence_set(np.ones((1, 3)), rng=np.random.default_rng(1))
    with pytest.raises(InputError, match="from 0 to 9"):
        model_confidence_set(random_losses(10, 3, 1), indices=np.full((5, 10), 10))


def test_the_level_is_compared_without_binary_surprises() -> None:
    """A p-value of exactly 1 - level is outside, as in arch, although 1 - 0.9 < 0.1 in binary."""
    losses = random_losses(60, 20, 13)
    indices = stationary_bootstrap_indices(60, 200, 7, np.random.default_rng(5))
    p_values = model_confidence_set(losses, indices=indices).p_values
    for p in np.unique(p_values[(p_values > 0) & (p_values < 1)]):
        assert model_confidence_set(losses, indices=indices, level=1 - p).included.tolist() == (p_values > p).tolist()


def test_bootstrap_blocks_have_the_mean_length_start_anywhere_and_wrap() -> None:
    days, length = 50, 7
    indices = stationary_bootstrap_indices(days, 20_000, length, np.random.default_rng(14))
    assert indices.shape == (20_000, days)
    assert indices.min() == 0
    assert indices.max() == days - 1
    # The first entry is uniform: 400 expected a day, chi-square with 49 degrees of freedom.
    counts = np.bincount(indices[:, 0], minlength=days)
    assert ((counts - 400.0) ** 2 / 400.0).sum() < 85.4  # 99.9% quantile
    # So is any later one, and a new block continues the old one by chance once in `days`.
    assert abs(indices[:, 30].mean() - (days - 1) / 2) < 4 * days / np.sqrt(12 * 20_000)
    follows = (indices[:, 1:] - indices[:, :-1]) % days == 1
    expected = 1 - (1 / length) * (1 - 1 / days)
    assert abs(follows.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / follows.size)
    wraps = (indices[:, :-1] == days - 1) & (indices[:, 1:] == 0)
    assert wraps.sum() > 0.9 * (indices[:, :-1] == days - 1).sum() * (1 - 1 / length)


def test_bootstrap_means_vary_as_those_of_the_slow_twin() -> None:
    rng = np.random.default_rng(15)
    series = np.cumsum(rng.standard_normal(40))
    fast = series[stationary_bootstrap_indices(40, 4000, 6, rng)].mean(axis=1)
    slow = np.array([series[naive.stationary_bootstrap(40, 1 / 6, rng)].mean() for _ in range(4000)])
    assert abs(fast.mean() - slow.mean()) < 5 * slow.std() / np.sqrt(2000)
    assert fast.std() == pytest.approx(slow.std(), rel=0.06)


def test_a_block_length_of_one_is_the_iid_bootstrap() -> None:
    indices = stationary_bootstrap_indices(20, 5000, 1, np.random.default_rng(16))
    follows = (indices[:, 1:] - indices[:, :-1]) % 20 == 1
    assert abs(follows.mean() - 1 / 20) < 0.004


def test_the_best_model_is_kept_and_bad_ones_go() -> None:
    """200 samples: the best is kept in at least 95% less two standard errors, the worst goes almost always."""
    rng = np.random.default_rng(17)
    kept = gone = 0
    for _ in range(200):
        errors = rng.standard_normal((100, 1)) * 0.5 + rng.standard_normal((100, 5))
        losses = errors**2 * np.array([1.0, 1.05, 1.1, 1.5, 4.0])
        found: ConfidenceSet = model_confidence_set(losses, rng=rng, replications=300)
        kept += bool(found.included[0])
        gone += not found.included[4]
    assert kept >= 200 * 0.95 - 2 * np.sqrt(200 * 0.95 * 0.05)
    assert gone >= 190
