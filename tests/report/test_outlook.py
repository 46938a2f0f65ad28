"""What a run says it took, and what `volforecast plan` says it will."""

from pathlib import Path

import pytest

from cluster.study import Unit
from cluster.usage import Usage
from volforecast.report.outlook import print_outlook
from volforecast.report.terminal import GIB, print_usage, write_profile
from volforecast.studies.costs import Fixed, Outlook

FIXED = Fixed(seconds=20.0, shared=GIB // 4, store=GIB // 2, driver=GIB, stored=1_000_000)
LINES = [
    Outlook("HAR", 10, 200, 30.0, 5.0, GIB // 2, 3_000_000),
    Outlook("XGB", 10, 200, 1770.0, 400.0, GIB, 2_000_000),
]


def test_the_plan_scales_costs_by_this_machines_speed(capsys: pytest.CaptureFixture[str]) -> None:
    print_outlook("a study", LINES, FIXED, {"XGB": 2.0}, 4)
    text = capsys.readouterr().out
    cells = [line.split() for line in text.replace("│", " ").splitlines()]
    assert ["HAR", "10", "200", "30", "3.0"] in cells
    assert ["XGB", "10", "200", "3,540", "2.0"] in cells  # half as fast here
    assert ["all", "20", "400", "3,570", "6.0"] in cells
    assert "0.99 core-hours: about 15 minutes on 4 CPUs" in text  # 20 s and a quarter of 3,570 s
    assert "XGB 0.50" in text
    # a driver, shared data, and 4 times a worker and a store
    assert "1.00 GiB by each worker, 0.50 GiB by each source store, 1.00 GiB by the driver, 0.25 GiB shared" in text
    assert "with 4 workers and as many stores 7.2 GiB in all" in text


def test_no_run_is_shorter_than_its_longest_unit(capsys: pytest.CaptureFixture[str]) -> None:
    print_outlook("a study", LINES, FIXED, {}, 1000)
    assert "about 7 minutes" in capsys.readouterr().out  # 20 s and 400 s
    print_outlook("a study", LINES[:1], FIXED, {}, 1)
    assert "about 50 seconds" in capsys.readouterr().out
    print_outlook("a study", LINES, FIXED, {"XGB": 100.0}, 1)
    assert "about 49.2 hours" in capsys.readouterr().out


def usage() -> Usage:
    took = Usage(cpus=2, wall=100.0, scans=12.0, store_peak=GIB // 4)
    took.add(Unit("1", "forecast", "V/50/TO HAR-STD", {}), 60.0, GIB // 2)
    took.add(Unit("2", "forecast", "KO/50/TO HAR-STD", {}), 60.0, GIB)
    took.add(Unit("3", "selection", "KO/50/selection", {}), 18.0, 5)
    return took


def test_a_run_says_what_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    print_usage(usage())
    text = capsys.readouterr().out
    assert "100 s on 2 CPUs, 75% of them busy: 150 core-seconds, 12 of them in source stores." in text
    assert "1.00 GiB by a worker, 0.25 GiB by a source store, " in text


def test_a_profile_names_every_kind_of_unit(tmp_path: Path) -> None:
    write_profile(str(tmp_path / "profile.csv"), usage())
    lines = (tmp_path / "profile.csv").read_text().splitlines()
    assert lines == [
        "unit,units,core_seconds",
        "scans,,12.000",
        "TO HAR-STD,2,120.000",
        "selection,1,18.000",
    ]
