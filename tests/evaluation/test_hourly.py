"""Errors of hourly volatility: by hand, against loops, whatever the order of the rows, with seeds that failed."""

import numpy as np
import pandas as pd
import pytest

from tests.evaluation import naive_hourly as naive
from tests.report.hourly_frames import HAR_FAMILY, HOURS, MODELS, MODES, frames
from volforecast.errors import InputError
from volforecast.evaluation.hourly import confidence, spikes, tables
from volforecast.evaluation.hourly_metrics import FLOOR, mean_over_seeds, metrics, qlike, relative
from volforecast.evaluation.hourly_order import (
    ALL,
    HAR,
    HARX,
    IG_TM,
    TABLE_1,
    TABLE_2,
    TM_G,
    group_of,
    in_order,
    mode_order,
    model_order,
)

REALIZED = np.array([0.1, 0.2, 0.3, 0.4])


def tiny(errors: dict[str, list[list[float]]], iteration: int = 1, mode: str = "clean") -> pd.DataFrame:
    """Four hours: errors of each model by seed."""
    parts = []
    for model, by_seed in errors.items():
        for seed, values in enumerate(by_seed):
            columns = {
                "mode": mode,
                "iteration": iteration,
                "model": model,
                "seed": seed,
                "timestamp": pd.date_range(f"2018-08-{iteration:02d}", periods=4, freq="h", tz="UTC"),
                "forecast": REALIZED + np.array(values),
                "realized": REALIZED,
                "status": "ok",
            }
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return frames(4)["forecasts"]


def test_measures_by_hand() -> None:
    table = metrics(tiny({HAR: [[0.0, 0.0, 0.0, 0.2]], TM_G: [[0.1, -0.1, 0.1, -0.1], [0.3, 0.3, 0.3, 0.3]]}))
    one = table[table["iteration"] == 1].set_index(["model", "metric"])
    assert one.loc[(HAR, "RMSE"), "value"] == pytest.approx(0.1)
    assert one.loc[(HAR, "MAE"), "value"] == pytest.approx(0.05)
    assert one.loc[(HAR, "R2"), "value"] == pytest.approx(1.0 - 0.04 / 0.05)
    ratio = (0.4 / 0.6) ** 2
    assert one.loc[(HAR, "QLIKE"), "value"] == pytest.approx((ratio - np.log(ratio) - 1.0) / 4.0)
    assert one.loc[(TM_G, "RMSE"), "value"] == pytest.approx(0.2)
    assert one.loc[(TM_G, "RMSE"), "spread"] == pytest.approx(0.2 / np.sqrt(2.0))
    assert np.isnan(one.loc[(HAR, "RMSE"), "spread"])
    assert one["seeds"].tolist() == [1] * 4 + [2] * 4
    assert set(table["hours"]) == {4}
    assert set(table["failed"]) == {0}


def test_qlike_is_of_variances_and_floored() -> None:
    assert qlike(np.array([0.2]), np.array([0.2]))[0] == 0.0
    assert qlike(np.array([0.1]), np.array([0.2]))[0] == pytest.approx(4.0 - np.log(4.0) - 1.0)
    zero, floor, below = qlike(np.array([0.0, FLOOR, -1.0]), np.array([0.1, 0.1, 0.1]))
    assert zero == floor == below
    assert np.isfinite(qlike(np.array([0.1]), np.array([0.0]))[0])
    assert np.isnan(qlike(np.array([np.nan]), np.array([0.1]))[0])


def test_metrics_equal_the_twin(frame: pd.DataFrame) -> None:
    table, expected = metrics(frame), naive.metrics(frame)
    assert len(table) == len(expected) == len(MODES) * len(MODELS) * 7 * 4
    for row in table.itertuples():
        figures = expected[row.mode, row.iteration, row.model, row.metric]
        np.testing.assert_allclose((row.value, row.spread, row.seeds), figures, rtol=1e-9, atol=1e-15)


def test_hours_and_failures_are_counted(frame: pd.DataFrame) -> None:
    table = metrics(frame)
    own = table[table["metric"] == "RMSE"].set_index(["mode", "iteration", "model"])
    assert own.loc[("clean", 2, TM_G), ["seeds", "failed"]].tolist() == [2, 1]
    assert own.loc[("clean", ALL, TM_G), ["seeds", "failed"]].tolist() == [2, 1]
    assert own.loc[("clean", 3, IG_TM), ["seeds", "failed"]].tolist() == [0, 3]
    assert own.loc[("clean", 3, IG_TM), ["value", "spread"]].isna().all()
    assert np.isnan(own.loc[("clean", ALL, IG_TM), "value"])
    assert own.loc[("paper", 1, HAR), "hours"] == HOURS + 5  # the authors' linear models have five rows more
    assert own.loc[("paper", 1, TM_G), "hours"] == own.loc[("clean", 1, HAR), "hours"] == HOURS
    assert own.loc[("paper", ALL, HAR), "hours"] == 6 * (HOURS + 5)


def test_the_average_forecast(frame: pd.DataFrame) -> None:
    table = mean_over_seeds(frame).set_index(["mode", "iteration", "model", "metric"])["value"]
    runs, labels = naive.plain(frame)
    for model in (HAR, TM_G, IG_TM):
        for iteration in (1, 2, 3):
            seeds = runs["clean", iteration, model]
            if not seeds:
                assert np.isnan(table["clean", iteration, model, "MAE"])
                continue
            expected = naive.measures(naive.average(seeds), labels)
            for metric, value in expected.items():
                assert table["clean", iteration, model, metric] == pytest.approx(value)
    # all hours: the averages of each block after each other, also where a seed has failed in one of them
    path = {hour: v for k in range(1, 7) for hour, v in naive.average(runs["clean", k, TM_G]).items()}
    assert table["clean", ALL, TM_G, "RMSE"] == pytest.approx(naive.measures(path, labels)["RMSE"])
    assert np.isnan(table["clean", ALL, IG_TM, "RMSE"])


def test_ratios_are_over_the_hours_that_all_have(frame: pd.DataFrame) -> None:
    table = relative(frame).set_index(["mode", "iteration", "model"])
    assert (table["hours"].drop(index=ALL, level="iteration") == HOURS).all()
    runs, labels = naive.plain(frame)
    hours = naive.common_hours(runs, "paper", 4)
    paths = {name: [{h: p[h] for h in hours} for p in runs["paper", 4, name].values()] for name in (HAR, TM_G)}
    base = naive.measures(paths[HAR][0], labels)["RMSE"]
    ratios = [naive.measures(path, labels)["RMSE"] / base for path in paths[TM_G]]
    assert table.loc[("paper", 4, TM_G), "ratio"] == pytest.approx(np.mean(ratios))
    assert table.loc[("paper", 4, TM_G), "spread"] == pytest.approx(np.std(ratios, ddof=1))
    assert table.loc[("paper", 4, HAR), "ratio"] == 1.0
    assert relative(frame[frame["model"] != HAR])["ratio"].isna().all()


def test_the_order_of_rows_does_not_matter(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1.0, random_state=3).astype({"model": "category", "mode": "category"})
    found = tables(shuffled)
    for name, table in tables(frame).items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)


def test_spikes_are_the_most_volatile_hours_that_all_have(frame: pd.DataFrame) -> None:
    table = spikes(frame)
    for (mode, iteration), own in table.groupby(["mode", "iteration"]):
        rows = frame[(frame["mode"] == mode) & (frame["iteration"] == iteration) & ~frame["model"].isin(HAR_FAMILY)]
        peak = rows.loc[rows["realized"].idxmax()]
        assert set(own["timestamp"]) == {peak["timestamp"]}
        assert set(own["realized"]) == {peak["realized"]}
        forecasts = rows[(rows["model"] == TM_G) & (rows["timestamp"] == peak["timestamp"])]["forecast"]
        assert own.set_index("model").loc[TM_G, "forecast"] == pytest.approx(forecasts.mean())


def test_a_model_that_is_not_there_yet_has_no_numbers_over_all_hours() -> None:
    both = pd.concat([tiny({HAR: [[0.1] * 4], TM_G: [[0.2] * 4]}), tiny({HAR: [[0.1] * 4]}, iteration=2)])
    own = metrics(both).set_index(["iteration", "model", "metric"])
    assert np.isnan(own.loc[(ALL, TM_G, "RMSE"), "value"])
    assert own.loc[(ALL, HAR, "RMSE"), "value"] == pytest.approx(0.1)
    assert own.loc[(1, TM_G, "RMSE"), "value"] == pytest.approx(0.2)


def test_a_constant_label_has_no_r2() -> None:
    flat = tiny({HAR: [[0.1] * 4]}).assign(realized=0.2)
    own = metrics(flat).set_index(["iteration", "metric"])["value"]
    assert np.isnan(own[1, "R2"])
    assert np.isfinite(own[1, "RMSE"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="seed"), "lacks the column.* seed"),
        (lambda frame: frame.iloc[:0], "no rows"),
        (lambda frame: pd.concat([frame, frame.iloc[[2]]]), "HAR, seed 0, has two forecasts"),
        (lambda frame: frame.assign(realized=[np.nan, *frame["realized"][1:]]), "no finite label"),
        (lambda frame: frame.assign(realized=[9.0, *frame["realized"][1:]]), "two labels .* with TM-G"),
    ],
)
def test_wrong_input(change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        metrics(change(tiny({HAR: [[0.1] * 4], TM_G: [[0.1] * 4]})))


def test_confidence_takes_the_parts_of_units(frame: pd.DataFrame) -> None:
    own = frame[frame["mode"] == "clean"]
    parts = [{"forecasts": rows} for _, rows in own.groupby(["iteration", "model"])]
    (name,) = made = confidence(parts, 0.95, 100, 1)
    assert name == "confidence_sets"
    assert set(made[name]["mode"]) == {"clean"}


def test_order_of_models() -> None:
    assert model_order(["zz", TM_G, HAR, "HARX(5)", HAR, "aa"]) == [HAR, "HARX(5)", TM_G, "aa", "zz"]
    assert group_of("Flexible HARX(3)") == group_of(HARX) == "Linear, with features"
    assert set(TABLE_1) | set(TABLE_2) | {IG_TM} == set(MODELS)
    assert mode_order(["paper", "clean", "paper"]) == ["clean", "paper"]
    table = pd.DataFrame({"mode": ["paper", "clean", "clean"], "iteration": [1, 2, 2], "model": [HAR, TM_G, HAR]})
    assert in_order(table).to_numpy().tolist() == [["clean", 2, HAR], ["clean", 2, TM_G], ["paper", 1, HAR]]
