"""Boosted trees: that the settings arrive, and what they do on real training sets."""

import json

import msgspec
import numpy as np
import pytest
import xgboost

from tests import naive
from volforecast.errors import ConfigError
from volforecast.models.protocol import FloatArray, TrainingSet
from volforecast.models.xgb import XGB
from volforecast.predictors import build_rows
from volforecast.transfer.training import assemble, make_pool, target_pairs


def sample(rows: int = 400, width: int = 4) -> tuple[TrainingSet, FloatArray]:
    draw = np.random.default_rng(0)
    X = draw.lognormal(size=(rows, width))
    return TrainingSet(X, X.sum(axis=1) + draw.lognormal(size=rows), "NP"), draw.lognormal(size=(7, width))


@pytest.fixture
def boosters(monkeypatch: pytest.MonkeyPatch) -> list[xgboost.Booster]:
    """Every booster that is trained from here on."""
    trained: list[xgboost.Booster] = []
    train = xgboost.train

    def keep(*arguments: object, **options: object) -> xgboost.Booster:
        trained.append(train(*arguments, **options))
        return trained[-1]

    monkeypatch.setattr(xgboost, "train", keep)
    return trained


def configuration(booster: xgboost.Booster) -> dict[str, str]:
    """What the booster itself says it was trained with, every level of it in one dictionary."""
    flat: dict[str, str] = {}

    def collect(part: object) -> None:
        if isinstance(part, dict):
            flat.update({key: value for key, value in part.items() if isinstance(value, str)})
            for value in part.values():
                collect(value)

    collect(json.loads(booster.save_config()))
    return flat


def test_the_settings_of_the_specification_reach_the_booster(boosters: list[xgboost.Booster]) -> None:
    train, rows = sample()
    XGB().forecast(train, rows, None, 2**40 + 11)
    found = configuration(boosters[0])
    numbers = {
        "max_depth": 5,
        "eta": 0.1,
        "gamma": 0.1,
        "alpha": 0,
        "lambda": 1,
        "subsample": 0.75,
        "min_child_weight": 1,
        "nthread": 1,
        "seed": 11,
    }
    assert {name: float(found[name]) for name in numbers} == pytest.approx(numbers)
    assert found["tree_method"] == "hist"
    assert found["name"] == "reg:squarederror"
    assert boosters[0].num_boosted_rounds() == 40
    assert float(found["base_score"].strip("[]")) == pytest.approx(train.y.mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [
        ("depth", 3, "max_depth"),
        ("learning_rate", 0.3, "eta"),
        ("gamma", 2.0, "gamma"),
        ("reg_alpha", 0.5, "alpha"),
        ("reg_lambda", 3.0, "lambda"),
        ("subsample", 1.0, "subsample"),
        ("min_child_weight", 9.0, "min_child_weight"),
    ],
)
def test_other_settings_reach_the_booster_and_change_forecasts(
    setting: str, value: float, name: str, boosters: list[xgboost.Booster]
) -> None:
    train, rows = sample()
    usual = XGB().forecast(train, rows, None, 1)
    other = msgspec.convert({setting: value}, XGB).forecast(train, rows, None, 1)
    assert float(configuration(boosters[1])[name]) == pytest.approx(value)
    assert not np.array_equal(usual, other)


def test_trees_and_method_are_settings(boosters: list[xgboost.Booster]) -> None:
    train, rows = sample()
    XGB(trees=7, tree_method="exact").forecast(train, rows, None, 1)
    assert boosters[0].num_boosted_rounds() == 7
    assert configuration(boosters[0])["tree_method"] == "exact"


def test_forecasts_are_those_of_the_library_itself() -> None:
    train, rows = sample()
    regressor = xgboost.XGBRegressor(
        n_estimators=40,
        max_depth=5,
        learning_rate=0.1,
        gamma=0.1,
        reg_alpha=0.0,
        reg_lambda=1.0,
        subsample=0.75,
        min_child_weight=1,
        tree_method="hist",
        base_score=float(train.y.mean()),
        random_state=5,
        n_jobs=1,
    )
    theirs = regressor.fit(train.X, train.y).predict(rows)
    assert XGB().forecast(train, rows, None, 5).tobytes() == theirs.astype(np.float64).tobytes()


def test_a_tree_by_hand() -> None:
    """One split of two rows each, no subsampling: leaf = residual sum / (rows + lambda), gain 2 * 2**2 / 3 > gamma."""
    train = TrainingSet(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([1.0, 1.0, 3.0, 3.0]), "TO")
    forecasts = XGB(trees=1, subsample=1.0).forecast(train, np.array([[0.0], [1.0]]), None, 1)
    np.testing.assert_allclose(forecasts, [2.0 - 0.1 * 2.0 / 3.0, 2.0 + 0.1 * 2.0 / 3.0], rtol=1e-6)


def test_gamma_forbids_splits_of_decimal_variances() -> None:
    """Why models are given per cent squared."""
    train, rows = sample()
    decimal = TrainingSet(train.X, 1e-4 * train.y, "NP")
    assert np.ptp(XGB().forecast(decimal, rows, None, 1)) == 0.0
    assert np.ptp(XGB().forecast(train, rows, None, 1)) > 0.5


def test_the_seed_chooses_the_rows_of_each_tree() -> None:
    train, rows = sample()
    first, again, other = (XGB().forecast(train, rows, None, seed).tobytes() for seed in (1, 1, 2))
    assert first == again != other
    without = XGB(subsample=1.0)
    assert without.forecast(train, rows, None, 1).tobytes() == without.forecast(train, rows, None, 2).tobytes()
    assert np.isfinite(XGB().forecast(train, rows, None, 2**63 - 1)).all()


@pytest.mark.parametrize(("target", "origin"), [("V", 300), ("CRM", 300), ("GS", 300), ("V", 50)])
def test_binned_and_exact_splits_differ_as_two_seeds_do_on_real_data(target: str, origin: int) -> None:
    """In the middle of the forecasts; single ones may differ much more (GS after the crisis)."""
    panel = naive.dj30()
    rows = build_rows(panel)
    days = rows.first_row(target) + origin - 1 + np.arange(100)
    pool = make_pool(rows, panel.with_role("source")[:3])
    known = pool.known_at(int(rows.date[days[0]]))
    train = assemble(rows, pool, target_pairs(rows, target, origin), known, 11, "NP")
    binned, other_seed = (XGB().forecast(train, rows.X[days], None, seed) for seed in (1, 2))
    exact = XGB(tree_method="exact").forecast(train, rows.X[days], None, 1)
    from_exact, from_seed = (np.median(np.abs(other / binned - 1.0)) for other in (exact, other_seed))
    assert 0.0 < from_exact < min(0.15, 2.0 * from_seed)


@pytest.mark.parametrize(
    "settings",
    [{"trees": 0}, {"depth": 0}, {"learning_rate": 0.0}, {"subsample": 1.5}, {"gamma": -1.0}, {"reg_lambda": np.nan}],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"^XGB: .* must"):
        msgspec.convert(settings, XGB)
