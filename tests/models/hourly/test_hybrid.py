"""Averages of two models' forecasts."""

import numpy as np
import pytest

from volforecast.models.hourly.hybrid import HYBRIDS, averaged
from volforecast.models.hourly.protocol import Forecasts

BOTH = HYBRIDS["LSTM x GARCH"]


def test_the_names_of_the_two() -> None:
    assert {name: hybrid.members for name, hybrid in HYBRIDS.items()} == {
        "SXGB x GARCH": ("SXGB", "GARCH"),
        "LSTM x GARCH": ("LSTM", "GARCH"),
    }


def test_every_seed_is_averaged_with_the_only_forecast_of_the_other() -> None:
    network = Forecasts(np.array([[0.1, 0.2], [0.3, 0.4]]), details={"epochs": "3"}, reasons=("", ""))
    alone = Forecasts(np.array([[0.2, 0.0]]), details={"window": "300 hours"})
    found = averaged(BOTH, network, alone)
    np.testing.assert_allclose(found.forecast, [[0.15, 0.1], [0.25, 0.2]])
    assert found.details == {"LSTM: epochs": "3", "GARCH: window": "300 hours"}
    assert found.reasons == ()
    assert found.gates is None
    np.testing.assert_array_equal(averaged(BOTH, alone, network).forecast, found.forecast)


def test_several_seeds_are_averaged_pairwise() -> None:
    one, other = Forecasts(np.array([[1.0], [2.0]])), Forecasts(np.array([[3.0], [8.0]]))
    assert averaged(BOTH, one, other).forecast.tolist() == [[2.0], [5.0]]


def test_a_failed_seed_stays_failed_with_its_reason() -> None:
    network = Forecasts(np.array([[0.1, 0.2], [np.nan, np.nan]]), reasons=("", "the loss is NaN"))
    alone = Forecasts(np.array([[0.2, 0.2]]))
    found = averaged(BOTH, network, alone)
    assert np.isnan(found.forecast).tolist() == [[False, False], [True, True]]
    assert found.reasons == ("", "LSTM: the loss is NaN")
    failed = Forecasts(np.full((1, 2), np.nan), reasons=("no window",))
    assert averaged(BOTH, network, failed).reasons == ("GARCH: no window", "LSTM: the loss is NaN; GARCH: no window")


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (1, 3)])
def test_other_rows_or_seeds_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="LSTM and GARCH cannot be averaged"):
        averaged(BOTH, Forecasts(np.zeros((2, 2))), Forecasts(np.zeros(shape)))
