"""Pinball loss, coverage and width of quantile forecasts."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation import naive_rough as naive
from tests.report.rough_frames import rough_tables
from volforecast.errors import InputError
from volforecast.evaluation.quantiles import LEVELS, coverage, intervals, pinball_loss

COLUMNS = ["target", "horizon", "model", "seed", "date", "level", "quantile", "calibrated", "realized"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return rough_tables(5)["quantile_forecasts"]


def tiny() -> pd.DataFrame:
    """Two days: raw quantiles -2 ... 2, calibrated ones twice as wide; 1.5 and 3 are realized."""
    rows = [
        ("BTC", 1, "Quantile HAR", 0, pd.Timestamp(f"2024-01-0{day}"), level, q, 2.0 * q, y)
        for day, y in ((1, 1.5), (2, 3.0))
        for level, q in zip(LEVELS, (-2.0, -1.0, 0.0, 1.0, 2.0), strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_by_hand() -> None:
    table = coverage(tiny())
    assert table["interval"].tolist() == [0.5, 0.9]
    assert table["coverage"].tolist() == [0.0, 0.5]
    assert table["calibrated_coverage"].tolist() == [0.5, 1.0]
    assert table["width"].tolist() == [2.0, 4.0]
    assert table["calibrated_width"].tolist() == [4.0, 8.0]
    # y = 1.5: .05 x 3.5 + .25 x 2.5 + .5 x 1.5 + .75 x .5 + .05 x .5 = 1.95; y = 3: .25 + 1 + 1.5 + 1.5 + .95 = 5.2
    assert table["pinball"].tolist() == pytest.approx([(1.95 + 5.2) / 10] * 2)
    # calibrated: .275 + .875 + .75 + .125 + .125 = 2.15 and .35 + 1.25 + 1.5 + .75 + .05 = 3.9
    assert table["calibrated_pinball"].tolist() == pytest.approx([(2.15 + 3.9) / 10] * 2)
    assert table["spread_coverage"].isna().all()
    assert table[["seeds", "days"]].to_numpy().tolist() == [[1, 2], [1, 2]]


def test_pinball_loss_equals_the_twin_and_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    quantiles, realized = rng.standard_normal((40, 5)), rng.standard_normal(40)
    found = pinball_loss(quantiles, realized, LEVELS)
    for k, level in enumerate(LEVELS):
        expected = [naive.pinball(q, y, level) for q, y in zip(quantiles[:, k], realized, strict=True)]
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-12)
    oracle = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn (extra: bench)")
    for k, level in enumerate(LEVELS):
        expected = oracle.mean_pinball_loss(realized, quantiles[:, k], alpha=level)
        assert found[:, k].mean() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_the_quantile_minimises_the_pinball_loss(level: float) -> None:
    """A regression on a constant (statsmodels) finds it, and no other value has a smaller loss."""
    realized = np.random.default_rng(2).standard_normal(501)
    best = float(sm.QuantReg(realized, np.ones(501)).fit(q=level).params[0])
    losses = [pinball_loss(np.full((501, 1), best + step), realized, [level]).mean() for step in (0.0, -0.1, 0.1)]
    assert losses[0] == min(losses)


def test_ends_belong_to_an_interval() -> None:
    quantiles = np.array([[-1.0, 0.0, 1.0]] * 3)
    assert intervals(quantiles, np.array([-1.0, 1.0, 1.1]), (0.25, 0.5, 0.75)) == [(0.5, pytest.approx(2 / 3), 2.0)]


def test_equals_the_twin(frame: pd.DataFrame) -> None:
    table = coverage(frame).set_index(["target", "horizon", "model", "interval"])
    for (target, horizon, model), rows in frame.groupby(["target", "horizon", "model"]):
        for interval, low, high in ((0.5, 0.25, 0.75), (0.9, 0.05, 0.95)):
            shares = []
            for _, own in rows.groupby("seed"):
                value = dict(zip(zip(own["date"], own["level"], strict=True), own["quantile"], strict=True))
                label = dict(zip(own["date"], own["realized"], strict=True))
                hits = [value[day, low] <= label[day] <= value[day, high] for day in label]
                shares.append(sum(hits) / len(hits))
            found = table.loc[(target, horizon, model, interval)]
            expected = naive.mean_and_spread(shares)
            np.testing.assert_allclose([found["coverage"], found["spread_coverage"]], expected, rtol=1e-12)


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random) -> None:
    frame = tiny()
    order = list(range(len(frame)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(coverage(frame.iloc[order]), coverage(frame))


def test_targets_may_be_evaluated_apart(frame: pd.DataFrame) -> None:
    apart = pd.concat([coverage(rows) for _, rows in frame.groupby(["target", "horizon"])], ignore_index=True)
    shuffled = frame.sample(frac=1.0, random_state=1)
    pd.testing.assert_frame_equal(apart, coverage(shuffled))
    assert coverage(frame)["interval"].value_counts().to_dict() == {0.5: 18, 0.9: 18}


def test_a_failed_seed_is_left_out_and_a_failed_model_has_none(frame: pd.DataFrame) -> None:
    chosen = (frame["target"] == "BTC") & (frame["horizon"] == 1)
    lost = chosen & (
        ((frame["model"] == "Quantile LSTM") & (frame["seed"] == 2) & (frame["level"] == 0.25))
        | (frame["model"] == "Quantile HAR")
    )
    holed = frame.assign(quantile=frame["quantile"].mask(lost))
    table = coverage(holed).set_index(["target", "horizon", "model"])
    assert table.loc[("BTC", 1, "Quantile LSTM"), "seeds"].tolist() == [4, 4]
    assert table.loc[("BTC", 1, "Quantile HAR"), "seeds"].tolist() == [0, 0]
    assert table.loc[("BTC", 1, "Quantile HAR"), ["coverage", "pinball"]].isna().all(axis=None)
    without = frame[~(chosen & (frame["model"] == "Quantile LSTM") & (frame["seed"] == 2))]
    expected = coverage(without).set_index(["target", "horizon", "model"])
    pd.testing.assert_frame_equal(table.loc[[("BTC", 1, "Quantile LSTM")]], expected.loc[[("BTC", 1, "Quantile LSTM")]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="calibrated"), "lack the column"),
        (lambda frame: frame.iloc[:0], "no rows"),
        (lambda frame: pd.concat([frame, frame.iloc[[3]]]), "two quantiles 0.75 of Quantile HAR"),
        (lambda frame: frame.assign(realized=range(len(frame))), "no label, or two"),
        (lambda frame: frame.assign(realized=np.nan), "no label, or two"),
        (lambda frame: frame[frame["level"] != 0.25], "symmetric"),
    ],
)
def test_wrong_input(change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        coverage(change(tiny()))
