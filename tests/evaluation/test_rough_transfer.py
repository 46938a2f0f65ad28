"""Tables 2, 3 and 5 of the cross-asset study: by hand, against loops, whatever the order of the rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr

from tests.evaluation import naive_rough as naive
from tests.report.rough_frames import MODELS, TEST_DAYS, rough_tables
from volforecast.errors import InputError
from volforecast.evaluation.rough_order import BEYOND, GROUPS, HAR, HYBRID, LSTM, PAPER, in_order, model_order
from volforecast.evaluation.rough_transfer import metrics, table_2, table_3, table_5

COLUMNS = ["target", "horizon", "model", "seed", "date", "forecast", "realized", "status"]
DAYS = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"])
REALIZED = (1.0, 2.0, 3.0, 4.0)


def tiny(**errors: list[list[float]]) -> pd.DataFrame:
    """Four days of one target, labels 1 to 4: errors of each model by seed."""
    parts = []
    for model, by_seed in errors.items():
        for seed, values in enumerate(by_seed):
            columns = {
                "target": "BTC",
                "horizon": 1,
                "model": model,
                "seed": seed,
                "date": DAYS,
                "forecast": np.array(REALIZED) + np.array(values),
                "realized": REALIZED,
                "status": "ok",
            }
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return rough_tables(6)["forecasts"]


def test_table_3_by_hand() -> None:
    # seed 0 is off by 1 on each day, seed 1 by 3; errors alternate, so the correlations differ
    forecasts = tiny(HAR=[[0.0, 0.0, 0.0, 2.0]], LSTM=[[1.0, -1.0, 1.0, -1.0], [3.0, 3.0, 3.0, 3.0]])
    table = table_3(forecasts)
    assert table["model"].tolist() == [HAR] * 4 + [LSTM] * 4
    assert table["metric"].tolist() == ["RMSE", "MAE", "R2", "Correlation"] * 2
    har, lstm = table["value"].to_numpy().reshape(2, 4)
    # labels vary by 5 around their mean; forecasts 1 2 3 6: covariance 8, variances 5 and 14
    np.testing.assert_allclose(har, [1.0, 0.5, 1.0 - 4.0 / 5.0, 8.0 / np.sqrt(70.0)])
    # R2 1 - 4/5 and 1 - 36/5; forecasts 2 1 4 3: covariance 3 of 5
    np.testing.assert_allclose(lstm, [2.0, 2.0, -3.0, (0.6 + 1.0) / 2.0])
    np.testing.assert_allclose(table["spread"].iloc[4:], [np.sqrt(2.0), np.sqrt(2.0), 6.4 / np.sqrt(2.0), 0.2828427])
    assert table["spread"].iloc[:4].isna().all()
    assert table["seeds"].tolist() == [1] * 4 + [2] * 4
    assert set(table["days"]) == {4}


def test_table_5_by_hand() -> None:
    errors = {HAR: [[1.0] * 4], HYBRID: [[1.1] * 4], "Residual Boosting": [[0.9] * 4], "Transformer": [[2.0] * 4]}
    table = table_5(table_3(tiny(**errors, Other=[[5.0] * 4])))
    assert table["model"].tolist() == list(errors)
    assert table["group"].tolist() == ["Baseline", "Hybrid architectures", "Error correction", "Beyond the paper"]
    np.testing.assert_allclose(table["versus_har"], [np.nan, -10.0, 10.0, -100.0], atol=1e-9)
    np.testing.assert_allclose(table["rmse"], [1.0, 1.1, 0.9, 2.0])


def test_without_har_nothing_is_relative_to_it() -> None:
    table = table_5(table_3(tiny(**{HYBRID: [[1.0] * 4]})))
    assert table["rmse"].tolist() == [1.0]
    assert table["versus_har"].isna().all()


def test_table_3_equals_the_twin(frame: pd.DataFrame) -> None:
    table = table_3(frame)
    expected = naive.table_3(frame)
    assert len(table) == len(expected) == 3 * 2 * len(MODELS) * 4
    for row in table.itertuples():
        figures = expected[row.target, row.horizon, row.model, row.metric]
        np.testing.assert_allclose((row.value, row.spread, row.seeds, row.days), figures, rtol=1e-9)


def test_a_failed_seed_is_left_out_and_a_failed_model_has_none(frame: pd.DataFrame) -> None:
    table = table_3(frame).set_index(["target", "horizon", "model"])
    partly, wholly = table.loc[("ETH", 5, "Transformer")], table.loc[("LTC", 1, "Regime Ensemble")]
    assert set(partly["seeds"]) == {4}
    assert partly[["value", "spread"]].notna().all(axis=None)
    assert set(wholly["seeds"]) == {0}
    assert wholly[["value", "spread"]].isna().all(axis=None)
    assert set(wholly["days"]) == {TEST_DAYS}
    without = frame[~((frame["model"] == "Transformer") & (frame["seed"] == 3))]
    again = table_3(without).set_index(["target", "horizon", "model"])
    pd.testing.assert_frame_equal(again.loc[[("ETH", 5, "Transformer")]], table.loc[[("ETH", 5, "Transformer")]])


@pytest.mark.parametrize("how", ["a day is missing", "failed but with a number", "infinite", "too large to square"])
def test_a_seed_counts_only_with_every_day(how: str) -> None:
    forecasts = tiny(LSTM=[[1.0] * 4, [2.0] * 4])
    at = 5  # a day of seed 1
    if how == "a day is missing":
        forecasts = forecasts.drop(index=at)
    elif how == "failed but with a number":
        forecasts.loc[at, "status"] = "failed"
    else:
        forecasts.loc[at, "forecast"] = {"infinite": np.inf, "too large to square": 1e200}[how]
    table = table_3(forecasts)
    assert set(table["seeds"]) == {1}
    assert table["value"].iloc[0] == pytest.approx(1.0)
    assert set(table["days"]) == {4}


def test_constants_have_no_correlation() -> None:
    realized = np.array([1.0, 2.0, 4.0])
    found = metrics(np.array([[2.0, 2.0, 2.0], [0.1 + 0.2, 0.3, 0.3], [1.0, 2.0, 4.0]]), realized)
    assert np.isnan(found[:2, 3]).all()
    assert found[2].tolist() == [0.0, 0.0, 1.0, pytest.approx(1.0)]
    flat = metrics(np.array([[1.0, 2.0, 3.0]]), np.array([2.0, 2.0, 2.0]))
    assert np.isnan(flat[0, 2:]).all()
    # a seed whose forecast is constant leaves no mean over seeds that could be compared
    table = table_3(tiny(LSTM=[[0.0, -1.0, -2.0, -3.0], [0.1, 0.0, 0.0, 0.0]]))
    assert np.isnan(table["value"].iloc[3])


@given(arrays(np.float64, (2, 20), elements=st.floats(-20.0, 5.0, width=32)))
def test_measures_are_those_of_numpy_and_scipy(values: np.ndarray) -> None:
    forecast, realized = values
    rmse, mae, r2, correlation = metrics(forecast[None], realized)[0]
    assert rmse == pytest.approx(np.sqrt(np.mean((forecast - realized) ** 2)))
    assert mae == pytest.approx(np.mean(np.abs(forecast - realized)))
    assert mae <= rmse * (1 + 1e-12)
    if realized.std() > 1e-3:
        assert r2 == pytest.approx(1.0 - rmse**2 / realized.var())
        if forecast.std() > 1e-3:
            assert correlation == pytest.approx(pearsonr(forecast, realized).statistic, abs=1e-9)
            assert r2 <= correlation**2 + 1e-9


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    frame = rough_tables_small()
    shuffled = frame.sample(frac=1.0, random_state=seed)
    pd.testing.assert_frame_equal(table_3(shuffled), table_3(frame), check_exact=True)


def rough_tables_small() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return tiny(HAR=[list(rng.standard_normal(4))], LSTM=[list(rng.standard_normal(4)) for _ in range(3)])


def test_targets_may_be_evaluated_apart(frame: pd.DataFrame) -> None:
    table = table_3(frame)
    apart = pd.concat([table_3(rows) for _, rows in frame.groupby(["target", "horizon"])], ignore_index=True)
    pd.testing.assert_frame_equal(apart, table, check_exact=True)
    groups = table.groupby(["target", "horizon"])
    pd.testing.assert_frame_equal(
        pd.concat([table_5(rows) for _, rows in groups], ignore_index=True), table_5(table), check_exact=True
    )
    categories = frame.astype({"model": "category", "target": "category", "status": "category"})
    pd.testing.assert_frame_equal(table_3(categories), table, check_exact=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="seed"), "lacks the column.* seed"),
        (lambda frame: frame.iloc[:0], "no rows"),
        (lambda frame: pd.concat([frame, frame.iloc[[2]]]), "two forecasts of HAR, seed 0"),
        (lambda frame: frame.assign(realized=[np.nan, *frame["realized"][1:]]), "no finite label"),
        (lambda frame: frame.assign(realized=[9.0, *frame["realized"][1:]]), "two labels .* with LSTM"),
    ],
)
def test_wrong_input(change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table_3(change(tiny(HAR=[[1.0] * 4], LSTM=[[1.0] * 4])))


def series(**values: tuple[str, list[float]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"asset": asset, "role": role, "date": pd.bdate_range("2024-01-01", periods=len(x)), "log_rv": x})
        for asset, (role, x) in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_table_2_by_hand() -> None:
    table = table_2(series(BTC=("target", [1.0, 2.0, np.nan, 6.0]), SPX=("source", [0.0, 0.0, 0.0, 4.0])))
    assert table["asset"].tolist() == ["SPX", "BTC"]
    # moments of 0 0 0 4 around 1: second 3, third 6, fourth 21
    expected = [4, 1.0, 2.0, 6.0 / 3.0**1.5, 21.0 / 9.0, 0.0, 4.0]
    np.testing.assert_allclose(table.iloc[0, 2:].to_numpy(dtype=float), expected)
    assert table.loc[1, "observations"] == 3
    assert table.loc[1, ["mean", "minimum", "maximum"]].tolist() == [3.0, 1.0, 6.0]


def test_table_2_of_too_little() -> None:
    table = table_2(series(A=("target", [1.0]), B=("target", [2.0, 2.0, 2.0]), C=("target", [np.nan])))
    assert table["observations"].tolist() == [1, 3, 0]
    assert table["mean"].tolist()[:2] == [1.0, 2.0]
    assert table[["skewness", "kurtosis"]].isna().all(axis=None)
    np.testing.assert_array_equal(table["standard_deviation"], [np.nan, 0.0, np.nan])
    assert table.loc[2, ["mean", "minimum", "maximum"]].isna().all()


def test_table_2_wrong_input() -> None:
    good = series(A=("target", [1.0, 2.0]))
    with pytest.raises(InputError, match="role"):
        table_2(good.drop(columns="role"))
    with pytest.raises(InputError, match="asset A has two values"):
        table_2(pd.concat([good, good.iloc[[1]]]))


def test_order_of_models() -> None:
    assert model_order(["zz", "Transformer", LSTM, HAR, LSTM, "aa"]) == [HAR, LSTM, "Transformer", "aa", "zz"]
    assert len(PAPER) == 13
    grouped = [
        model for group, models in GROUPS.items() if group not in ("Baseline", "Beyond the paper") for model in models
    ]
    assert set(grouped) < set(PAPER)
    assert GROUPS["Beyond the paper"] == BEYOND
    assert not set(PAPER) & set(BEYOND)
    table = pd.DataFrame({"target": ["B", "A", "A"], "horizon": [1, 5, 1], "model": [HAR, HAR, LSTM]})
    assert in_order(table).to_numpy().tolist() == [["A", 1, LSTM], ["A", 5, HAR], ["B", 1, HAR]]
