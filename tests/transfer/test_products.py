"""Sums of products against extended precision, and what later rows may not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from volforecast.models.har import from_products
from volforecast.predictors import EXT, PREDICTOR_SETS, build_rows
from volforecast.transfer.products import FloatArray, IntArray, running_sums, sums_of_products
from volforecast.transfer.training import make_pool


def sample(rows: int, width: int = 11, seed: int = 0, holes: float = 0.0) -> tuple[FloatArray, FloatArray]:
    draw = np.random.default_rng(seed)
    X = draw.lognormal(size=(rows, width))
    X[draw.random(X.shape) < holes] = np.nan
    return X, draw.lognormal(size=rows)


def plain(X: FloatArray, y: FloatArray, chosen: IntArray, width: int) -> FloatArray:
    """The definition, in extended precision."""
    total = np.zeros((width + 2, width + 2), dtype=np.longdouble)
    for row in chosen:
        if not np.isnan(X[row, :width]).any():
            z = np.array([1.0, *X[row, :width], y[row]], dtype=np.longdouble)
            total += np.outer(z, z)
    return total.astype(np.float64)


@pytest.mark.parametrize("width", [1, 3, 5, 6, 7, 11])
@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 100])
def test_sums_are_those_of_the_definition(rows: int, width: int) -> None:
    X, y = sample(120, seed=rows, holes=0.02)
    chosen = np.random.default_rng(rows).permutation(120)[:rows]
    np.testing.assert_allclose(sums_of_products(X, y, chosen, width), plain(X, y, chosen, width), rtol=1e-14)


@pytest.mark.parametrize("width", [len(predictors) for predictors in PREDICTOR_SETS.values()])
def test_real_rows_keep_twelve_digits(width: int) -> None:
    panel = naive.dj30()
    rows = build_rows(panel)
    pool = make_pool(rows, panel.with_role("source")[:3])
    for cut in pool.dates[[0, 30, len(pool.dates) // 2, -1]]:
        known = pool.known_at(int(cut))
        expected = plain(rows.X, rows.y, known, width)
        np.testing.assert_allclose(pool.products_at(int(cut), width), expected, rtol=1e-12)
        np.testing.assert_allclose(sums_of_products(rows.X, rows.y, known, width), expected, rtol=1e-12)
    assert not pool.products_at(int(pool.dates[0]) - 1, width).any()


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 60))
def test_later_rows_change_no_bit_of_earlier_sums(seed: int, before: int, after: int) -> None:
    X, y = sample(before + after, 5, seed, holes=0.05)
    draw = np.random.default_rng(seed)
    ends = np.unique(np.append(draw.integers(1, before + 1, 4), before))
    early = running_sums(X, y, np.arange(before), ends, 5)
    X[before:], y[before:] = draw.lognormal(size=X[before:].shape) * 1e6, 1e9
    later = np.append(ends, before + after)
    assert running_sums(X, y, np.arange(before + after), later, 5)[: len(ends)].tobytes() == early.tobytes()


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_disjoint_sets_add_up(seed: int, cut: int) -> None:
    X, y = sample(40, 4, seed, holes=0.05)
    both = sums_of_products(X, y, np.arange(cut), 4) + sums_of_products(X, y, np.arange(cut, 40), 4)
    np.testing.assert_allclose(both, sums_of_products(X, y, np.arange(40), 4), rtol=1e-13)


def test_running_sums_end_with_all_rows_and_take_rows_as_they_come() -> None:
    X, y = sample(90)
    chosen = np.random.default_rng(1).permutation(90)
    sums = running_sums(X, y, chosen, np.array([10, 50, 90]), 11)
    for table, end in zip(sums, (10, 50, 90), strict=True):
        np.testing.assert_allclose(table, plain(X, y, chosen[:end], 11), rtol=1e-13)


class TestWhenRegressionsTrustThem:
    """The rows themselves are needed only where sums do not settle nine digits; on real sets they do."""

    def solved(self, X: FloatArray, y: FloatArray) -> bool:
        return from_products(sums_of_products(X, y, np.arange(len(y)), X.shape[1])) is not None

    def test_not_with_too_few_rows_or_values_out_of_range(self) -> None:
        X, y = sample(14, 3)
        assert self.solved(X, y)
        assert not self.solved(X[:5], y[:5])
        X[3, 1] = 1e200
        with np.errstate(over="ignore"):
            assert not self.solved(X, y)

    def test_not_with_equal_columns_or_means_far_above_deviations(self) -> None:
        X, y = sample(200, 3)
        assert not self.solved(np.column_stack([X, X[:, 0]]), y)
        assert not self.solved(X + np.array([1e6, 0.0, 0.0]), y)
        assert not self.solved(np.column_stack([X, np.full(200, 0.1)]), y)
        assert self.solved(np.column_stack([X, np.zeros(200)]), y)

    @pytest.mark.parametrize("target", ["V", "CRM", "DOW", "GS"])
    def test_on_real_pooled_sets(self, target: str) -> None:
        """With all predictors, some of which do not vary in the first years."""
        panel = naive.dj30()
        rows = build_rows(panel)
        pool = make_pool(rows, panel.with_role("source"))
        first = rows.first_row(target)
        for origin in (50, 295, 545):
            cut = int(rows.date[first + origin - 1])
            assert from_products(pool.products_at(cut, 3)) is not None
            assert from_products(pool.products_at(cut, len(EXT))) is not None
