import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation import naive_evaluation as naive
from volforecast.errors import InputError
from volforecast.evaluation.losses import LOSSES, loss_matrix

variances = st.floats(1e-6, 1e6)


@given(st.sampled_from(list(LOSSES)), variances, variances)
def test_losses_agree_with_the_plain_formulas(name: str, forecast: float, realized: float) -> None:
    found = LOSSES[name](np.array([forecast]), np.array([realized]))[0]
    assert found == pytest.approx(naive.loss(name, forecast, realized), rel=1e-12, abs=1e-15)


@given(st.sampled_from(list(LOSSES)), variances, variances)
def test_losses_are_zero_for_perfect_forecasts_and_never_negative(name: str, forecast: float, realized: float) -> None:
    function = LOSSES[name]
    assert function(np.array([realized]), np.array([realized]))[0] == 0.0
    assert function(np.array([forecast]), np.array([realized]))[0] >= 0.0


@given(variances, st.floats(-1e-6, 1e-6))
def test_qlike_stays_non_negative_where_its_terms_cancel(realized: float, share: float) -> None:
    assert LOSSES["QLIKE"](np.array([realized * (1 + share)]), np.array([realized]))[0] >= 0.0


@given(variances, variances, st.floats(1e-3, 1e3))
def test_qlike_does_not_depend_on_the_unit(forecast: float, realized: float, unit: float) -> None:
    plain = LOSSES["QLIKE"](np.array([forecast]), np.array([realized]))
    scaled = LOSSES["QLIKE"](np.array([forecast * unit]), np.array([realized * unit]))
    np.testing.assert_allclose(scaled, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_missing_number_gives_a_missing_loss_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = LOSSES[name](np.array([np.nan, 1.0, np.inf]), np.array([1.0, np.nan, 1.0]))
        assert np.isnan(found[:2]).all()
        assert not np.isfinite(found[2])
        assert not np.isfinite(LOSSES["MSE"](np.array([1e200]), np.array([1.0]))).any()


def test_qlike_is_undefined_unless_both_variances_are_above_zero() -> None:
    found = LOSSES["QLIKE"](np.array([0.0, -1.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 2.0]))
    assert np.isnan(found).tolist() == [True, True, True, False]


def table() -> pd.DataFrame:
    days = pd.to_datetime(["2020-01-02", "2020-01-03"])
    rows = [
        ("A", 50, 50, days[1], "NF", 2.0, 1.0, "ok"),
        ("A", 50, 50, days[0], "NF", 3.0, 1.0, "ok"),
        ("A", 50, 50, days[0], "TO HAR-STD", 1.5, 1.0, "fallback"),
        ("A", 50, 50, days[1], "TO HAR-STD", 9.0, 1.0, "failed"),
        ("A", 50, 50, days[1], "TO XGB-STD", 1.0, 1.0, "ok"),
    ]
    return pd.DataFrame(rows, columns=["target", "period", "origin", "date", "model", "forecast", "realized", "status"])


def test_loss_matrix_has_days_in_order_and_nan_where_a_forecast_failed_or_is_absent() -> None:
    matrix = loss_matrix(table(), "MSE")
    assert list(matrix.columns) == ["NF", "TO HAR-STD", "TO XGB-STD"]
    assert matrix.index.is_monotonic_increasing
    np.testing.assert_array_equal(matrix.to_numpy(), [[4.0, 0.25, np.nan], [1.0, np.nan, 0.0]])


def test_loss_matrix_takes_categories() -> None:
    categories = table().astype({"target": "category", "model": "category", "status": "category"})
    pd.testing.assert_frame_equal(loss_matrix(categories, "MAE"), loss_matrix(table(), "MAE"))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (table().drop(columns="realized"), "realized"),
        (pd.concat([table(), table().iloc[:1]]), "more than one forecast of NF"),
        (pd.concat([table(), table().assign(target="B")]), "one target"),
        (table().iloc[:0], "no rows"),
    ],
)
def test_a_broken_table_is_named(broken: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loss_matrix(broken, "MSE")


def test_an_unknown_loss_is_named() -> None:
    with pytest.raises(InputError, match="RMSE"):
        loss_matrix(table(), "RMSE")
