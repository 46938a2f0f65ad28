"""The mixtures as models: what they may know, what they survive, and how they do on the real table."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.hourly.mixture_tables import btc, table
from volforecast.data.hourly import FloatArray, HourlyTable, IntArray
from volforecast.errors import FitError
from volforecast.hourly_rows import Mode, Sample
from volforecast.mixtures.training import BOUND
from volforecast.models.hourly import mixture
from volforecast.models.hourly.ig_tm import IG_TM
from volforecast.models.hourly.mixture import REPORTS, TemporalMixture
from volforecast.models.hourly.protocol import HourlyModel, Value, rmse
from volforecast.models.hourly.tm_g import TM_G
from volforecast.models.hourly.tm_g_granger import TM_G_GRANGER
from volforecast.models.hourly.tm_sg import TM_SG

MODELS = {"TM-G": TM_G, "GCT TM-G": TM_G_GRANGER, "TM-SG": TM_SG, "IG-TM": IG_TM}
VALUES: dict[str, Value] = {"lookback": 3, "ridge": 10.0, "hinge": 0.1, "rate": 0.01}
TRAIN, TEST = np.arange(60, 160), np.arange(165, 190)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "EPOCHS", REPORTS)
    monkeypatch.setattr(mixture, "PUBLISHED_EPOCHS", REPORTS)


def spoilt(known: HourlyTable, row: int) -> HourlyTable:
    """The table with everything changed that is not known at row's t: labels from it on, the rest of later rows."""
    draw = np.random.default_rng(row)
    vol, returns, features, indices = (
        part.copy() for part in (known.vol, known.returns, known.features, known.indices)
    )
    vol[row:] *= draw.uniform(0.1, 10.0, len(vol) - row)
    for part in (returns, features, indices):
        part[row + 1 :] = draw.uniform(0.0, 1.0, part[row + 1 :].shape)
    return replace(known, vol=vol, returns=returns, features=features, indices=indices)


@pytest.mark.parametrize("mode", ["clean", "paper"])
@pytest.mark.parametrize("name", MODELS)
@given(place=st.integers(0, len(TEST) - 1), seed=st.integers(0, 3))
@settings(max_examples=6)
def test_a_forecast_knows_nothing_of_its_label_or_later(name: str, mode: Mode, place: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixture, "EPOCHS", 8)
        patch.setattr(mixture, "PUBLISHED_EPOCHS", 8)
        known = table(200, seed)
        asked = (TRAIN, TEST, VALUES, [1, 2])
        first = MODELS[name].forecast(Sample(known, mode), *asked)
        again = MODELS[name].forecast(Sample(spoilt(known, int(TEST[place])), mode), *asked)
        np.testing.assert_array_equal(first.forecast[:, : place + 1], again.forecast[:, : place + 1])
        assert first.gates is not None
        assert again.gates is not None
        np.testing.assert_array_equal(first.gates[:, :, : place + 1], again.gates[:, :, : place + 1])
        if place + 2 < len(TEST):
            assert (first.forecast[:, place + 2 :] != again.forecast[:, place + 2 :]).any()


@pytest.mark.parametrize("mode", ["clean", "paper"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("short")
def test_the_answer_has_its_shapes_and_the_last_known_hour_matters(name: str, mode: Mode) -> None:
    model: HourlyModel = MODELS[name]
    known = table(200, 1)
    asked = (TRAIN, TEST, VALUES, [1, 2, 3])
    found = model.forecast(Sample(known, mode), *asked)
    assert found.forecast.shape == (3, len(TEST))
    assert found.gates is not None
    assert found.gates.shape == (3, len(found.components), len(TEST))
    assert found.components[:2] == ("volatility", "features")
    np.testing.assert_allclose(found.gates.sum(axis=1), 1.0)
    assert found.reasons == ("", "", "")
    assert model.random
    assert not model.har
    assert {"lookback", "ridge", "rate"} <= set(model.grid)
    # one hour earlier in paper mode, as in the authors' program
    vol = known.vol.copy()
    vol[TEST[5] - (1 if mode == "clean" else 2)] *= 2.0
    assert (model.forecast(Sample(replace(known, vol=vol), mode), *asked).forecast[:, 5] != found.forecast[:, 5]).all()


def adversarial(kind: str) -> HourlyTable:
    known = table(420, 9)
    vol, features = known.vol.copy(), known.features.copy()
    if kind == "spikes":
        vol[100:400:37] *= 20.0
    if kind == "spikes in the test":
        vol[362] *= 20.0
        features[361:] *= 50.0
    if kind == "constant features":
        features[:] = 3.0
    if kind == "constant in training":
        features[:350, 1] = 3.0
    if kind == "tiny volatility":
        vol *= 1e-8
    if kind == "zeros":
        vol[::3] = 0.0
    if kind == "constant volatility":
        vol[:] = 5.0
    return replace(known, vol=vol, features=features)


@pytest.mark.parametrize(
    "kind",
    [
        "spikes",
        "spikes in the test",
        "constant features",
        "constant in training",
        "tiny volatility",
        "zeros",
        "constant volatility",
    ],
)
def test_inverse_gammas_are_stable_for_a_hundred_seeds(kind: str) -> None:
    sample = Sample(adversarial(kind), "clean")
    train, test = np.arange(150, 350), np.arange(355, 395)
    values: dict[str, Value] = {"lookback": 2, "ridge": 10.0, "rate": 0.01}
    found = IG_TM.forecast(sample, train, test, values, range(1, 101))
    assert set(found.reasons) == {""}
    assert np.isfinite(found.forecast).all()
    assert (found.forecast > 0.0).all()
    assert found.forecast.max() <= BOUND * sample.y[train].max()
    losses = [rmse(forecast, sample.y[test]) for forecast in found.forecast]
    assert max(losses) < 1.5 * np.std(sample.y[test]) + 0.2 * np.mean(sample.y[train])


@pytest.mark.parametrize("name", ["TM-G", "TM-SG"])
@pytest.mark.parametrize("kind", ["spikes in the test", "constant features", "tiny volatility", "constant volatility"])
def test_gaussian_mixtures_stay_finite_too(name: str, kind: str) -> None:
    found = MODELS[name].forecast(
        Sample(adversarial(kind), "clean"), np.arange(60, 350), np.arange(355, 415), VALUES, [1, 2, 3]
    )
    assert np.isfinite(found.forecast).all()
    assert (found.forecast >= 0.0).all()


@pytest.mark.usefixtures("short")
def test_reports_are_losses_of_the_first_seed_and_may_end_a_training() -> None:
    sample, heard = Sample(table(200, 1), "clean"), list[tuple[int, float]]()
    found = TM_G.forecast(sample, TRAIN, TEST, VALUES, [4, 5], lambda epoch, loss: heard.append((epoch, loss)))
    assert [epoch for epoch, _ in heard] == list(range(1, REPORTS + 1))
    assert heard[-1][1] == pytest.approx(rmse(found.forecast[0], sample.y[TEST]), rel=1e-8)

    def enough(epoch: int, loss: float) -> None:
        raise StopIteration

    with pytest.raises(StopIteration):
        TM_G.forecast(sample, TRAIN, TEST, VALUES, [1], enough)


@pytest.mark.usefixtures("short")
def test_a_seed_whose_loss_is_not_finite_is_a_row_of_nan_with_a_reason() -> None:
    wild = TemporalMixture(family="inverse gamma")
    found = wild.forecast(Sample(table(200, 1), "paper"), TRAIN, TEST, VALUES | {"rate": 1e200}, [1, 2])
    assert np.isnan(found.forecast).all()
    assert all("not finite" in reason for reason in found.reasons)


def test_a_feature_that_is_not_finite_is_named_with_its_hour() -> None:
    known = table(200, 1)
    features = known.features.copy()
    features[100, 1] = np.nan
    with pytest.raises(FitError, match="features at 2018-06-0"):
        TM_G.forecast(Sample(replace(known, features=features), "clean"), TRAIN, TEST, VALUES, [1])


def test_the_models_can_be_named_without_pytorch() -> None:
    words = "import sys, volforecast.models.hourly.tm_sg, volforecast.models.hourly.lstm; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", MODELS)
def test_on_the_real_hours_a_mixture_is_near_an_autoregression(name: str) -> None:
    sample = Sample(btc(), "clean")
    blocks = sample.blocks(5)
    expected = rmse(autoregression(sample, blocks.refit, blocks.test), sample.y[blocks.test])
    values = VALUES | {"lookback": 10}
    found = MODELS[name].forecast(sample, blocks.refit, blocks.test, values, range(1, 6))
    losses = [rmse(forecast, sample.y[blocks.test]) for forecast in found.forecast]
    assert max(losses) < 1.1 * expected


def autoregression(sample: Sample, learnt: IntArray, rows: IntArray) -> FloatArray:
    """Forecasts of least squares on five lags."""
    X, tested = (np.column_stack([np.ones(len(part)), sample.vol_lags(part, 5)]) for part in (learnt, rows))
    return np.asarray(tested @ np.linalg.lstsq(X, sample.y[learnt], rcond=None)[0])
