"""What a run prints."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from cluster.coordinator import Blocked
from cluster.driver import Summary
from cluster.store import Failure, ResultStore
from cluster.study import Output, Plan, Unit
from cluster.usage import Usage
from volforecast.data.parquet import to_parquet
from volforecast.report.terminal import print_outcome, print_status

UNITS = tuple(
    Unit(f"{i:032d}", kind, f"KO/50/{kind}-{i}", {"period": 50}) for i, kind in enumerate(["fit", "fit", "set"])
)
PLAN = Plan("new-issues", {"seed": 5}, "abcdef0123456789", {}, UNITS)


def folder_with_table(path: Path, periods: list[str]) -> ResultStore:
    store = ResultStore(str(path))
    rows = [
        {"model": model, "period": period, "loss": loss, "ratio": ratio, "targets": 1, "left_out": 0}
        for model, ratio in (("TO HAR-STD", 0.91), ("MTL-25 XGB-STD", 0.82))
        for period in periods
        for loss in ("MSE", "MAE")
    ]
    table = pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False)
    store.objects.replace("tables/table_3.parquet", to_parquet(table))
    return store


def test_an_outcome_shows_the_table_and_names_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_with_table(tmp_path, ["50", "150", "all"])
    failure = Failure(UNITS[0].key, "fit", UNITS[0].name, "ValueError: no")
    summary = Summary(PLAN, 1, 0, [(2, failure)], [Blocked(UNITS[2], UNITS[0])], {"fallback": 3, "ok": 97})
    print_outcome(str(tmp_path), summary)
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert any("MTL-25 XGB-STD" in line and line.count("0.820") == 6 for line in lines)
    assert "1 of 3 units are done" in printed.out
    assert "3 forecasts fell back to the STD model" in printed.out
    assert "failed: KO/50/fit-0: ValueError: no (attempt 2)" in printed.err
    assert "not computed: KO/50/set-2 needs KO/50/fit-0" in printed.err


def test_one_sample_period_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_with_table(tmp_path, ["50", "all"])
    print_outcome(str(tmp_path), Summary(PLAN, 3, 0, [], [], {}))
    out = capsys.readouterr().out
    assert "all" not in out.partition("results:")[0].partition("mean over targets")[2]
    assert out.count("0.910") == 2


def test_a_long_list_of_failures_is_cut_and_says_where_the_rest_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = [(1, Failure(f"{i:032d}", "fit", f"unit-{i}", "boom")) for i in range(25)]
    print_outcome(str(tmp_path), Summary(PLAN, 0, 0, failures, [], {}))
    error = capsys.readouterr().err
    assert error.count("failed: ") == 20
    assert "and 5 more: volforecast status" in error


def test_status_counts_by_kind_and_names_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ResultStore(str(tmp_path))
    store.adopt_plan(PLAN)
    assert print_status(store) == 0
    assert "fit: 0 of 2 done" in capsys.readouterr().out
    store.commit(UNITS[0].key, Output(b"x", 1))
    store.record_failure(Failure(UNITS[1].key, "fit", UNITS[1].name, "OutOfMemoryError: 3 GB"))
    assert print_status(store) == 1
    out = capsys.readouterr().out
    assert "fit: 1 of 2 done, 1 failed" in out
    assert "failed: KO/50/fit-1: OutOfMemoryError: 3 GB (attempts 1)" in out


def test_an_outcome_tells_what_was_taken_over_or_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_with_table(tmp_path, ["50"])
    usage = Usage(2, 10.0, continued=1, unkept="O: cannot write \x1b[31mcheckpoints")
    print_outcome(str(tmp_path), Summary(PLAN, 1, 0, [], [], {}, usage, reused=2))
    printed = capsys.readouterr()
    assert "3 of 3 units are done (0 were before this run, 2 were taken over from --reuse)." in printed.out
    assert "Units that went on from the checkpoint of a killed attempt: 1." in printed.out
    assert "a checkpoint could not be kept: O: cannot write" in printed.err
    assert "\x1b" not in printed.err


def test_the_status_does_not_look_at_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ResultStore(str(tmp_path))
    store.adopt_plan(PLAN)
    assert print_status(store) == 0
    before = capsys.readouterr().out
    for name in (UNITS[0].key, "nobody's"):
        store.objects.create(f"checkpoints/{name}", b"?")
    assert print_status(store) == 0
    assert capsys.readouterr().out == before
