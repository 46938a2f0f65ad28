"""Tests between models of hourly volatility: against scipy, over common hours, with models that have failed."""

import numpy as np
import pandas as pd
import pytest

from tests.evaluation import naive_hourly as naive
from tests.evaluation.test_hourly import tiny
from tests.report.hourly_frames import HOURS, MODELS, frames
from volforecast.evaluation.confidence_set import model_confidence_set
from volforecast.evaluation.hourly_order import ALL, COUNTERPARTS, HAR, IG_TM, LOSSES, TM_G, TM_SG
from volforecast.evaluation.hourly_tests import against_benchmarks, confidence_sets
from volforecast.evaluation.resampling import shared_weights

ITERATIONS = [1, 2, 3, 4, 5, 6]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return frames(4)["forecasts"]


@pytest.mark.parametrize("mode", ["clean", "paper"])
def test_statistics_equal_scipys(frame: pd.DataFrame, mode: str) -> None:
    table = against_benchmarks(frame)
    runs, labels = naive.plain(frame)
    checked = 0
    for row in table[table["mode"] == mode].itertuples():
        if row.iteration not in (ALL, 3) or row.model not in (TM_G, TM_SG, IG_TM):
            continue
        iterations = ITERATIONS if row.iteration == ALL else [row.iteration]
        pair = [naive.losses(runs, labels, mode, iterations, name, row.loss) for name in (row.benchmark, row.model)]
        if pair[0] is None or pair[1] is None:
            assert row.status == "missing"
            assert np.isnan(row.statistic)
            continue
        np.testing.assert_allclose((row.statistic, row.p_value), naive.two_sided(pair[0], pair[1]), rtol=1e-7)
        assert row.hours == len(pair[0]) == (6 * HOURS if row.iteration == ALL else HOURS)
        checked += 1
    assert checked >= 10


def test_each_model_meets_har_and_what_it_adds_to(frame: pd.DataFrame) -> None:
    table = against_benchmarks(frame)
    own = table[(table["mode"] == "clean") & (table["iteration"] == ALL) & (table["loss"] == LOSSES[0])]
    pairs = set(zip(own["model"], own["benchmark"], strict=True))
    assert pairs == {(name, HAR) for name in MODELS if name != HAR} | set(COUNTERPARTS.items())


def test_a_worse_model_has_a_statistic_below_zero() -> None:
    rng = np.random.default_rng(1)
    small, large = 0.01 * rng.standard_normal(4), np.array([0.3, -0.2, 0.25, -0.3])
    table = against_benchmarks(tiny({HAR: [list(small)], TM_G: [list(large)]}))
    assert (table["statistic"] < 0.0).all()
    assert set(table["benchmark"]) == {HAR}
    assert (table["p_value"] < 0.05).any()


def test_statuses() -> None:
    same = against_benchmarks(tiny({HAR: [[0.1] * 4], TM_G: [[0.1] * 4]}))
    assert set(same["status"]) == {"no variance"}
    failed = tiny({HAR: [[0.1] * 4], TM_G: [[0.2, 0.1, 0.1, 0.3]]})
    failed.loc[failed["model"] == TM_G, "status"] = "failed"
    assert set(against_benchmarks(failed)["status"]) == {"missing"}
    hour = tiny({HAR: [[0.1] * 4], TM_G: [[0.2] * 4]}).groupby("model").head(1)
    assert set(against_benchmarks(hour)["status"]) == {"too few hours"}
    assert confidence_sets(hour, seed=1, replications=100).empty
    assert against_benchmarks(tiny({TM_G: [[0.1] * 4]})).empty


def test_sets_are_those_of_the_losses(frame: pd.DataFrame) -> None:
    table = confidence_sets(frame, seed=7, replications=200)
    runs, labels = naive.plain(frame)
    for loss in LOSSES:
        own = table[(table["mode"] == "paper") & (table["iteration"] == ALL) & (table["loss"] == loss)]
        models = sorted(own["model"])
        columns = [naive.losses(runs, labels, "paper", ITERATIONS, name, loss) for name in models]
        hours = 6 * HOURS
        weights = shared_weights(hours, 200, 7, int(np.sqrt(hours)))
        expected = model_confidence_set(np.array(columns).T, weights=weights)
        found = own.set_index("model").loc[models]
        np.testing.assert_allclose(found["p_value"], expected.p_values)
        assert found["included"].tolist() == expected.included.tolist()


def test_a_failed_model_takes_no_part_where_it_failed(frame: pd.DataFrame) -> None:
    table = confidence_sets(frame, seed=7, replications=100).set_index(["mode", "iteration", "loss", "model"])
    for iteration, status in ((1, "ok"), (3, "missing"), (ALL, "missing")):
        row = table.loc[("clean", iteration, LOSSES[0], IG_TM)]
        assert row["status"] == status
        assert np.isnan(row["p_value"]) == (status == "missing")
        assert not (row["included"] and status == "missing")
    assert table.groupby(level=["mode", "iteration", "loss"])["included"].any().all()


def test_modes_may_be_done_apart(frame: pd.DataFrame) -> None:
    apart = [confidence_sets(rows, seed=3, replications=100) for _, rows in frame.groupby("mode")]
    together = confidence_sets(frame, seed=3, replications=100)
    pd.testing.assert_frame_equal(pd.concat(apart, ignore_index=True), together, check_exact=True)
