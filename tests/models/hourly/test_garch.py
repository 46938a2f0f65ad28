"""GARCH against a twin that walks from row to row, its rule after a gap, and what must not change a forecast."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from tests.examples import examples
from tests.models.hourly.naive_hourly import changed, consecutive, garch_forecast, made_table, real_table
from volforecast.data.hourly import FloatArray, HourlyTable, IntArray
from volforecast.errors import FitError
from volforecast.hourly_rows import Mode, Sample
from volforecast.models.hourly import garch, garch_estimate
from volforecast.models.hourly.garch_estimate import Parameters, estimate, next_variance
from volforecast.models.hourly.protocol import Forecasts, rmse

NO_ROWS: IntArray = np.arange(0)


def forecasts(table: HourlyTable, rows: list[int], window: int, mode: Mode = "clean") -> Forecasts:
    return garch.MODEL.forecast(Sample(table, mode), NO_ROWS, np.array(rows), {"window": window}, [0])


def test_every_hour_is_its_twin_before_and_after_a_gap() -> None:
    table = made_table()  # gaps before rows 260 and 430, whose artefacts are runs of their own
    rows = [200, 259, 291, 320, 360, 361, 362, 429, 461, 530, 531, 532, 600]
    assert [len(consecutive(table, row)) for row in (259, 291, 361, 461)] == [259, 30, 100, 30]
    found = forecasts(table, rows, 100)
    np.testing.assert_allclose(found.forecast[0], [garch_forecast(table, row, 100) for row in rows], rtol=1e-9)
    assert found.details["hours soon after a gap, parameters of an earlier run"] == "5 of 13"


def test_parameters_are_the_likeliest() -> None:
    """No better ones by another optimiser and a likelihood written from its definition."""
    returns = 100.0 * made_table(400, ()).returns[1:]
    weights = 0.94 ** np.arange(75)
    before = (weights * returns[:75] ** 2).sum() / weights.sum()

    def loss(parameters: FloatArray) -> float:
        omega, alpha, beta = parameters
        variance, total = omega + (alpha + beta) * before, 0.0
        for value in returns:
            total += 0.5 * (np.log(variance) + value**2 / variance)
            variance = omega + alpha * value**2 + beta * variance
        return float(total)

    found = estimate(returns)
    assert found.settled
    bounds = [(1e-6, None), (0.0, 1.0), (0.0, 1.0)]
    starts = ([0.01, 0.1, 0.8], [0.005, 0.3, 0.5])
    others = [minimize(loss, start, method="L-BFGS-B", bounds=bounds).fun for start in starts]
    assert loss(np.array(found[:3])) <= min(others) + 1e-2


def test_rows_do_not_know_each_other() -> None:
    """One by one, in any grouping, the same numbers: no estimate begins where the last one ended."""
    table, rows = made_table(), [250, 251, 300, 380, 381]
    together = forecasts(table, rows, 90).forecast[0]
    apart = [forecasts(table, [row], 90).forecast[0, 0] for row in rows]
    assert together.tolist() == apart


@examples(8, deadline=None)
@given(row=st.integers(130, 499), labels=st.booleans())
def test_the_future_never_changes_a_forecast(row: int, labels: bool) -> None:
    table = made_table(500, (300,))
    other = changed(table, row, labels=labels)
    for mode in ("clean", "paper"):
        rows = [row] if row != 300 else [row + 1]
        before, after = (forecasts(t, rows, 60, mode).forecast for t in (table, other if row != 300 else table))
        assert before.tolist() == after.tolist()


def test_in_paper_mode_windows_go_over_gaps_and_end_an_hour_earlier() -> None:
    table = made_table()
    without = Sample(made_table(gaps=()), "paper")
    row = 300
    returns = 100.0 * table.returns[row - 80 : row]
    parameters = estimate(returns)
    expected = next_variance(returns, parameters, garch_estimate.first_variance(returns, parameters))
    assert forecasts(table, [row], 80, "paper").forecast[0, 0] == pytest.approx(np.sqrt(365.0 * expected) / 100.0)
    assert np.array_equal(without.returns_before(row, 80), table.returns[row - 80 : row])


def test_a_hole_in_the_returns_breaks_a_window() -> None:
    table = made_table()
    table.returns[200] = np.nan
    found = forecasts(table, [230], 100)
    assert found.forecast[0, 0] == pytest.approx(garch_forecast(table, 230, 100), rel=1e-9)
    assert found.details["hours soon after a gap, parameters of an earlier run"] == "1 of 1"


def test_without_a_full_window_before_there_is_no_forecast() -> None:
    with pytest.raises(FitError, match=r"no 300 consecutive hourly returns are known before 2020-01-"):
        forecasts(made_table(), [259], 300)


def test_an_estimation_that_does_not_converge_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        convergence_flag = 9
        params = np.array([0.1, 0.2, 0.7])

    class Model:
        def fit(self, **_: object) -> Refusing:
            return Refusing()

    monkeypatch.setattr("arch.arch_model", lambda *_, **__: Model())
    table = made_table()
    found = forecasts(table, [200, 201], 100)
    assert found.details["estimations that did not converge, RiskMetrics' weights instead"] == "2 of 2"
    variance = np.mean((returns := 100.0 * table.returns[101:201]) ** 2)
    riskmetrics = Parameters(0.0, 0.06, 0.94, float(variance), False)
    expected = next_variance(returns, riskmetrics, garch_estimate.first_variance(returns, riskmetrics))
    assert found.forecast[0, 0] == pytest.approx(np.sqrt(365.0 * expected) / 100.0, rel=1e-9)


def test_returns_of_zero_are_no_estimation_but_no_error() -> None:
    assert estimate(np.zeros(100)) == pytest.approx((0.0, 0.06, 0.94, 0.0, False))


def test_it_follows_the_volatility_of_real_hours() -> None:
    """Better than the mean of the hours before, in units of the label."""
    sample = Sample(real_table(), "clean")
    rows = sample.blocks(3).test[::10]
    found = garch.MODEL.forecast(sample, NO_ROWS, rows, {"window": 300}, [0]).forecast[0]
    assert np.corrcoef(found, sample.y[rows])[0, 1] > 0.3
    assert 0.5 < found.mean() / sample.y[rows].mean() < 2.0
    assert rmse(found, sample.y[rows]) < 0.15
