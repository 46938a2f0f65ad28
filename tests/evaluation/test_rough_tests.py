"""Tests between the models of the cross-asset study: tables 4 and 6, confidence sets, and all targets together."""

from math import isqrt

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from tests.evaluation import naive_rough as naive
from tests.evaluation.test_rough_transfer import tiny
from tests.report.rough_frames import MODELS, TARGETS, rough_tables
from volforecast.evaluation.confidence_set import model_confidence_set
from volforecast.evaluation.diebold_mariano import diebold_mariano_two_sided
from volforecast.evaluation.intervals import mean_interval
from volforecast.evaluation.resampling import shared_weights
from volforecast.evaluation.rough_order import HAR, LSTM, TRANSFER_LSTM
from volforecast.evaluation.rough_tests import confidence_sets, table_4, table_6, table_across
from volforecast.evaluation.rough_transfer import table_3


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return rough_tables(7)["forecasts"]


def one_of(frame: pd.DataFrame, target: str, horizon: int) -> pd.DataFrame:
    return frame[(frame["target"] == target) & (frame["horizon"] == horizon)]


def test_table_4_by_hand() -> None:
    scratch = [[2.0, -2.0, 2.0, -2.0], [1.0, 1.0, 1.0, 1.0], [9.0, 9.0, 9.0, 9.0]]
    transfer = [[1.0, -1.0, 1.0, -1.0], [2.0, 2.0, 2.0, 2.0]]
    table = table_4(tiny(**{LSTM: scratch, TRANSFER_LSTM: transfer})).set_index("metric")
    # seed 0 halves the RMSE, seed 1 doubles it, seed 2 is without a counterpart
    assert table.loc["RMSE", "improvement"] == pytest.approx(-25.0)
    assert table.loc["RMSE", "spread"] == pytest.approx(150.0 / np.sqrt(2.0))
    assert table["wins"].tolist() == [1, 1, 1, 1]
    assert set(table["seeds"]) == {2}
    # R2 of scratch: 1 - 16/5 and 1 - 4/5; of transfer 1 - 4/5 and 1 - 16/5
    assert table.loc["R2", "improvement"] == pytest.approx(100.0 * (2.4 / 2.2 - 2.4 / 0.2) / 2.0)
    assert table.loc[["R2", "Correlation"], "p_value"].isna().all()


def test_seeds_without_a_counterpart_do_not_count() -> None:
    two, three = [[1.0, 0.0, 1.0, 2.0]] * 2, [[2.0, 0.0, 2.0, 4.0]] * 3
    for scratch, transfer, expected in ((two, three, -100.0), (three, two, 50.0)):
        table = table_4(tiny(**{LSTM: scratch, TRANSFER_LSTM: transfer})).set_index("metric")
        assert table.loc["RMSE", ["improvement", "seeds"]].tolist() == [pytest.approx(expected), 2]


def test_tables_4_and_6_equal_the_twins(frame: pd.DataFrame) -> None:
    four, six = naive.table_4(frame), naive.table_6(frame)
    table = table_4(frame)
    assert len(table) == len(four)
    for row in table.itertuples():
        found = (row.improvement, row.spread, row.p_value, row.wins, row.seeds)
        np.testing.assert_allclose(found, four[row.target, row.horizon, row.metric], rtol=1e-7)
    table = table_6(frame)
    tested = table[table["status"] == "ok"]
    assert len(tested) == len(six)
    for row in tested.itertuples():
        expected = six[row.target, row.horizon, row.benchmark, row.model]
        np.testing.assert_allclose((row.statistic, row.p_value), expected, rtol=1e-7)
    assert set(table["days"]) == {120}


def test_a_networks_loss_is_the_mean_of_its_seeds_losses(frame: pd.DataFrame) -> None:
    rows = one_of(frame, "BTC", 5)
    squared = rows.assign(loss=(rows["forecast"] - rows["realized"]) ** 2).groupby(["model", "date"])["loss"].mean()
    expected = diebold_mariano_two_sided(squared[HAR].to_numpy(), squared["Transformer"].to_numpy(), 5)
    found = table_6(rows).set_index(["benchmark", "model"]).loc[(HAR, "Transformer")]
    assert (found["statistic"], found["p_value"]) == pytest.approx(expected[:2])


def test_tables_4_and_6_agree_on_transfer(frame: pd.DataFrame) -> None:
    four = table_4(frame)
    four = four[four["metric"] == "RMSE"].set_index(["target", "horizon"])
    six = table_6(frame)
    six = six[(six["benchmark"] == LSTM) & (six["model"] == TRANSFER_LSTM)].set_index(["target", "horizon"])
    pd.testing.assert_series_equal(four["p_value"], six["p_value"])
    assert ((six["statistic"] > 0.0) == (four["improvement"] > 0.0)).all()


def test_signs_are_the_papers() -> None:
    errors = {HAR: [[0.1, 0.2, -0.1, 0.0]], LSTM: [[1.0, 2.0, -1.0, 3.0]], "Transformer": [[0.01, 0.02, 0.0, 0.0]]}
    table = table_6(tiny(**errors)).set_index(["benchmark", "model"])
    assert table.loc[(HAR, LSTM), "statistic"] < 0.0 < table.loc[(HAR, "Transformer"), "statistic"]
    assert table.loc[(LSTM, HAR), "statistic"] == pytest.approx(-table.loc[(HAR, LSTM), "statistic"])


def test_what_cannot_be_tested_says_so(frame: pd.DataFrame) -> None:
    table = table_6(frame).set_index(["target", "horizon", "benchmark", "model"])
    lost = table.loc[("LTC", 1, HAR, "Regime Ensemble")]
    assert lost["status"] == "missing"
    assert np.isnan(lost["p_value"])
    same = {HAR: [[0.1, 0.2, -0.1, 0.0]], "Transfer Residual": [[0.1, 0.2, -0.1, 0.0]]}
    found = table_6(tiny(**same))
    assert found["status"].tolist() == ["no variance"]
    assert found["statistic"].isna().all()
    short = table_6(tiny(**{HAR: [[0.1, 0.2, -0.1, 0.0]], LSTM: [[1.0] * 4]}).assign(horizon=5))
    assert short["status"].tolist() == ["too few days"] * 2
    failed = frame.assign(status=frame["status"].mask(frame["model"] == HAR, "failed"))
    against_har = table_6(failed).query("benchmark == 'HAR'")
    assert set(against_har["status"]) == {"missing"}


def test_a_table_without_rows_has_the_types_of_one_with_rows(frame: pd.DataFrame) -> None:
    alone = tiny(Transformer=[[1.0, 2.0, 3.0, 4.0]])
    for make in (table_4, table_6):
        empty, full = make(alone), make(one_of(frame, "BTC", 1))
        assert empty.empty
        pd.testing.assert_series_equal(pd.concat([empty, full]).dtypes, full.dtypes)
        pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_without_a_benchmark_or_a_pair_there_are_no_rows() -> None:
    table = table_6(tiny(Transformer=[[1.0, 2.0, 3.0, 4.0]], HAR=[[0.0, 1.0, 0.0, 1.0]]))
    assert table[["benchmark", "model"]].to_numpy().tolist() == [[HAR, "Transformer"]]
    assert table_4(tiny(LSTM=[[1.0] * 4])).empty
    failed = tiny(**{LSTM: [[1.0, 0.0, 1.0, 0.0]], TRANSFER_LSTM: [[1.0, 2.0, 3.0, np.nan]]})
    table = table_4(failed)
    assert table["seeds"].tolist() == table["wins"].tolist() == [0, 0, 0, 0]
    assert table[["improvement", "spread", "p_value"]].isna().all(axis=None)


@pytest.mark.parametrize("horizon", [1, 5])
def test_confidence_sets_are_those_of_the_losses(frame: pd.DataFrame, horizon: int) -> None:
    rows = one_of(frame, "ETH", horizon)
    table = confidence_sets(rows, seed=3, replications=300).set_index("model")
    kept = rows[rows["status"] == "ok"]
    losses = kept.assign(loss=(kept["forecast"] - kept["realized"]) ** 2).pivot_table("loss", "date", "model")
    weights = shared_weights(120, 300, 3, max(isqrt(120), horizon))
    expected = model_confidence_set(losses.to_numpy(), weights=weights)
    assert table.index.tolist() == list(MODELS)
    np.testing.assert_allclose(table.loc[losses.columns, "p_value"], expected.p_values)
    assert set(table["loss"]) == {"squared error"}
    assert table.loc[HAR, "included"]
    assert not table.loc["Moving Average", "included"]


def test_blocks_are_as_long_as_the_horizon() -> None:
    close = rough_tables(8)["forecasts"].query("target == 'BTC' and horizon == 1 and model.str.startswith('Quantile')")
    by_horizon = [confidence_sets(close.assign(horizon=h), seed=1)["p_value"].tolist() for h in (1, 10, 40)]
    # isqrt(120) is 10: only a longer horizon changes the resamples
    assert by_horizon[0] == by_horizon[1]
    assert by_horizon[0] != by_horizon[2]


def test_failed_and_equal_models_in_a_confidence_set(frame: pd.DataFrame) -> None:
    table = confidence_sets(one_of(frame, "LTC", 1), seed=3, replications=100).set_index("model")
    assert table.loc["Regime Ensemble", "status"] == "missing"
    assert not table.loc["Regime Ensemble", "included"]
    assert np.isnan(table.loc["Regime Ensemble", "p_value"])
    rows = one_of(frame, "BTC", 1)
    copy = rows[rows["model"] == HAR].assign(model="Transfer Residual")
    both = pd.concat([rows[rows["model"] != "Transfer Residual"], copy])
    table = confidence_sets(both, seed=3, replications=100).set_index("model")
    assert table.loc["Transfer Residual", "status"] == "duplicate"
    assert table.loc["Transfer Residual", "p_value"] == table.loc[HAR, "p_value"]


def test_order_and_shards_do_not_matter(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1.0, random_state=2)
    groups = [rows for _, rows in shuffled.groupby(["target", "horizon"])]
    for make in (table_4, table_6, lambda rows: confidence_sets(rows, seed=4, replications=100)):
        whole = make(frame)
        pd.testing.assert_frame_equal(make(shuffled), whole, check_exact=True)
        pd.testing.assert_frame_equal(pd.concat(map(make, groups), ignore_index=True), whole, check_exact=True)
    three, six = table_3(frame), table_6(frame)
    whole = table_across(three, six)
    mixed = [table.sample(frac=1.0, random_state=5) for table in (three, six)]
    pd.testing.assert_frame_equal(table_across(*mixed), whole, check_exact=False, rtol=1e-12)


def across(*ratios: float, p_value: float = 0.01, horizon: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table 3 and 6 of targets on which LSTM has these ratios to HAR's RMSE."""
    three = [
        (f"T{k}", horizon, model, "RMSE", value)
        for k, ratio in enumerate(ratios)
        for model, value in ((HAR, 2.0), (LSTM, 2.0 * ratio))
    ]
    six = [
        (f"T{k}", horizon, benchmark, model, sign * (1.0 - ratio), p_value)
        for k, ratio in enumerate(ratios)
        for benchmark, model, sign in ((HAR, LSTM, 1.0), (LSTM, HAR, -1.0))
    ]
    return (
        pd.DataFrame(three, columns=["target", "horizon", "model", "metric", "value"]),
        pd.DataFrame(six, columns=["target", "horizon", "benchmark", "model", "statistic", "p_value"]),
    )


def test_across_by_hand() -> None:
    table = table_across(*across(0.8, 1.1, 1.4, np.nan)).set_index("model")
    lstm = table.loc[LSTM]
    assert lstm["ratio"] == pytest.approx(1.1)
    half = student.ppf(0.975, 2) * 0.3 / np.sqrt(3.0)
    assert (lstm["low"], lstm["high"]) == pytest.approx((1.1 - half, 1.1 + half))
    assert lstm["targets"] == 3
    assert (lstm["better_than_har"], lstm["worse_than_har"]) == (1, 2)
    assert pd.isna(lstm["better_than_lstm"])
    assert (table.loc[HAR, "better_than_lstm"], table.loc[HAR, "worse_than_lstm"]) == (2, 1)
    assert table.loc[HAR, "ratio"] == 1.0
    unclear = table_across(*across(0.8, 1.1, p_value=0.05)).set_index("model").loc[LSTM]
    assert (unclear["better_than_har"], unclear["worse_than_har"]) == (0, 0)
    assert pd.isna(unclear["low"])


def test_across_counts_what_was_tested(frame: pd.DataFrame) -> None:
    three, six = table_3(frame), table_6(frame)
    table = table_across(three, six).set_index(["horizon", "model"])
    assert len(table) == 2 * len(MODELS)
    assert table.loc[(1, "Regime Ensemble"), "targets"] == 2
    clear = six[(six["benchmark"] == HAR) & (six["model"] == LSTM) & (six["horizon"] == 1) & (six["p_value"] < 0.05)]
    assert table.loc[(1, LSTM), "worse_than_har"] == (clear["statistic"] < 0.0).sum() == len(TARGETS)
    no_har = frame[frame["model"] != HAR]
    table = table_across(table_3(no_har), table_6(no_har))
    assert table[["ratio", "better_than_har"]].isna().all(axis=None)
    assert set(table["targets"]) == {0}


def test_intervals_of_means() -> None:
    values = np.array([0.9, 1.0, 1.3])
    low, high = mean_interval(values)
    expected = student.interval(0.95, 2, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(3.0))
    assert (low, high) == pytest.approx(expected)
    assert mean_interval(np.array([0.0, 0.0, 9.0]))[0] == 0.0
    assert mean_interval(np.array([0.0, 0.0, 9.0]), least=-np.inf)[0] < 0.0
    assert np.isnan(mean_interval(values[:2])).all()
