"""What every model class keeps to, whatever it is: the list of models is :data:`volforecast.models.MODELS`."""

import copy
from typing import Any

import msgspec
import numpy as np
import pytest

from volforecast.errors import FitError
from volforecast.models import EXTRA, MODELS
from volforecast.models.protocol import FloatArray, Model, TrainingSet

# settings that make a class quick enough to be tried often
QUICK: dict[str, dict[str, Any]] = {"FNN": {"max_epochs": 12, "patience": 4}}
# classes whose forecasts do not depend on the seed, as they draw nothing
WITHOUT_DRAWS = {"HAR", *EXTRA}
CLASSES = MODELS | EXTRA

SEED = 2**62 + 12345


@pytest.fixture(params=sorted(CLASSES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(name: str) -> Model:
    quick: Model = msgspec.convert(QUICK.get(name, {}), CLASSES[name])
    return quick


def sample(rows: int = 120, width: int = 3, approach: str = "TO", seed: int = 0) -> tuple[TrainingSet, FloatArray]:
    """Right-skewed predictors and labels, as variances are."""
    draw = np.random.default_rng(seed)
    X = draw.lognormal(size=(rows, width))
    y = 0.5 * X[:, 0] + draw.lognormal(sigma=0.3, size=rows)
    return TrainingSet(X, y, approach), draw.lognormal(size=(5, width))  # type: ignore[arg-type]


def run(model: Model, train: TrainingSet, rows: FloatArray, seed: int = SEED) -> bytes:
    forecasts = model.forecast(train, rows, model.tune(train, seed), seed)
    assert forecasts.shape == (len(rows),)
    assert forecasts.dtype == np.float64
    assert np.isfinite(forecasts).all()
    return forecasts.tobytes()


@pytest.mark.parametrize("approach", ["TO", "NP", "MTL"])
@pytest.mark.parametrize("width", [3, 11])
def test_same_seed_same_bytes(model: Model, approach: str, width: int) -> None:
    train, rows = sample(width=width, approach=approach)
    assert run(model, train, rows) == run(copy.deepcopy(model), *sample(width=width, approach=approach))


def test_no_state_is_kept_between_calls(model: Model) -> None:
    train, rows = sample()
    first = run(model, train, rows)
    before = msgspec.json.encode(model)
    run(model, *sample(40, 11, "NP", seed=9), seed=3)
    assert run(model, train, rows) == first
    assert msgspec.json.encode(model) == before


def test_settings_are_one_frozen_value(model: Model, name: str) -> None:
    """Equal settings are equal models, and strict TOML reads them."""
    assert model == msgspec.convert(msgspec.to_builtins(model), CLASSES[name])
    with pytest.raises(msgspec.ValidationError, match="unknown field `no_such_setting`"):
        msgspec.convert({"no_such_setting": 1}, CLASSES[name])


def test_input_is_only_read(model: Model) -> None:
    train, rows = sample()
    expected = run(model, train, rows)
    kept = [array.copy() for array in (train.X, train.y, rows)]
    for array in (train.X, train.y, rows):
        array.flags.writeable = False
    assert run(model, train, rows) == expected
    for array, copied in zip((train.X, train.y, rows), kept, strict=True):
        assert array.tobytes() == copied.tobytes()


def shifted(array: FloatArray, offset: int) -> FloatArray:
    """The same values at another address: ``offset`` bytes past a multiple of 64."""
    memory = np.zeros(array.nbytes + 128, dtype=np.uint8)
    begin = (-memory.ctypes.data) % 64 + offset
    copied = memory[begin : begin + array.nbytes].view(np.float64).reshape(array.shape)
    copied[...] = array
    return copied


@pytest.mark.parametrize("offset", [0, 8, 24, 40])
def test_the_address_of_the_data_does_not_matter(model: Model, offset: int) -> None:
    """Vectorised kernels must not sum in another order for arrays that begin elsewhere (shared memory, slices)."""
    train, rows = sample(301, 11)
    moved = TrainingSet(shifted(train.X, offset), shifted(train.y, offset), train.approach)
    assert run(model, moved, shifted(rows, offset)) == run(model, train, rows)


def test_the_layout_of_the_data_hardly_matters(model: Model) -> None:
    train, rows = sample()
    wide = np.asfortranarray(train.X)
    tuned = model.tune(train, SEED)
    np.testing.assert_allclose(
        model.forecast(TrainingSet(wide, train.y, "TO"), np.asfortranarray(rows), tuned, SEED),
        model.forecast(train, rows, tuned, SEED),
        rtol=1e-6,
    )


@pytest.mark.parametrize("width", [3, 11])
def test_each_row_is_forecast_by_itself(model: Model, width: int) -> None:
    """To the last bit: which other days are forecast may depend on what happens later (a missing predictor)."""
    train, _ = sample(width=width)
    rows = np.random.default_rng(5).lognormal(size=(37, width))
    tuned = model.tune(train, SEED)
    together = model.forecast(train, rows, tuned, SEED)
    for chosen in ([0], [36], [3, 17], [0, 1, 2, 4], list(range(5)), list(range(20, 37))):
        assert model.forecast(train, rows[chosen], tuned, SEED).tobytes() == together[chosen].tobytes()


def test_one_training_row_is_enough(model: Model) -> None:
    train, rows = sample(1)
    run(model, train, rows)
    run(model, train, rows[:1])


@pytest.mark.parametrize("rows", [2, 3, 7, 12])
def test_few_training_rows_are_enough(model: Model, rows: int) -> None:
    run(model, *sample(rows, 11))


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
def test_constant_columns_are_no_obstacle(model: Model, value: float) -> None:
    train, rows = sample()
    train.X[:, 1] = value
    run(model, train, rows)
    train.X[:, :] = value
    run(model, train, rows)


def test_a_constant_label_is_no_obstacle(model: Model) -> None:
    train, rows = sample()
    run(model, TrainingSet(train.X, np.full(len(train.y), 2.0), "TO"), rows)


def test_seeds_matter_or_provably_do_not(model: Model, name: str) -> None:
    train, rows = sample()
    tuned = model.tune(train, 1)
    forecasts = {model.forecast(train, rows, tuned, seed).tobytes() for seed in (1, 2, 3, 2**63 - 1)}
    assert len(forecasts) == (1 if name in WITHOUT_DRAWS else 4)


def test_an_empty_training_set_cannot_be_fitted(model: Model, name: str) -> None:
    train, rows = sample()
    empty = TrainingSet(train.X[:0], train.y[:0], "TO")
    with pytest.raises(FitError, match="training set is empty") as error:
        model.forecast(empty, rows, model.tune(train, SEED), SEED)
    assert "\n" not in str(error.value)


def outcome(model: Model, train: TrainingSet, rows: FloatArray, tuned: Any) -> str | FloatArray:
    """The forecasts, or the line that says why there are none."""
    try:
        return model.forecast(train, rows, tuned, SEED)
    except FitError as error:
        return str(error)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_forecast_rows_that_are_not_finite_have_no_silent_forecast(model: Model, value: float) -> None:
    train, rows = sample()
    tuned = model.tune(train, SEED)
    rows[2, 1] = value
    found = outcome(model, train, rows, tuned)
    assert "\n" not in found if isinstance(found, str) else not np.isfinite(found[2])


def test_values_too_large_for_a_model_are_a_failed_fit(model: Model) -> None:
    train, rows = sample()
    tuned = model.tune(train, SEED)
    for place in (train.X[:, 1], train.y):
        kept, place[11] = place[11], 1e300
        found = outcome(model, train, rows, tuned)
        assert "\n" not in found if isinstance(found, str) else np.isfinite(found).all()
        place[11] = kept


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["X", "y"])
def test_training_rows_that_are_not_finite_cannot_be_fitted(model: Model, place: str, value: float) -> None:
    train, rows = sample()
    tuned = model.tune(train, SEED)
    {"X": train.X[:, 1], "y": train.y}[place][11] = value
    with pytest.raises(FitError) as error:
        model.forecast(train, rows, tuned, SEED)
    assert "\n" not in str(error.value)


def test_a_forecast_follows_its_predictors(model: Model) -> None:
    """Any class tells a calm day from a turbulent one after enough rows."""
    draw = np.random.default_rng(1)
    X = np.abs(draw.standard_normal((600, 3)))
    train = TrainingSet(X, 3.0 * X[:, 0] + 0.1 * np.abs(draw.standard_normal(600)), "TO")
    calm, turbulent = model.forecast(train, np.array([[0.2, 0.7, 0.7], [1.8, 0.7, 0.7]]), 20, SEED)
    assert turbulent > calm + 1.0
