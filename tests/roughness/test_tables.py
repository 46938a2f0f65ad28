"""Tables and the command: columns of the study, short assets, wrong input, real data."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import volforecast as vf
from benchmarks.hurst_bias import motion
from volforecast.cli import main
from volforecast.errors import InputError
from volforecast.roughness.estimators import METHODS, ORDERS
from volforecast.roughness.tables import TABLE_1, roughness_tables

REAL = Path(__file__).parents[3] / "shared" / "data" / "spx-crypto"
DAYS = pd.bdate_range("2015-01-01", periods=500)


def variances(days: int, hurst: float = 0.1) -> np.ndarray:
    return np.asarray(np.exp(-9 + 0.5 * motion(hurst, days, 1)[0]))


def write_panel(folder: Path, lengths: dict[str, int]) -> Path:
    folder.mkdir()
    parts = [
        pd.DataFrame({"asset": asset, "date": DAYS[-days:], "rv": variances(days)}) for asset, days in lengths.items()
    ]
    pd.concat(parts).to_parquet(folder / "daily.parquet")
    roles = ["source", *["target"] * (len(lengths) - 1)]
    pd.DataFrame({"asset": list(lengths), "role": roles}).to_parquet(folder / "assets.parquet")
    return folder


def test_tables_of_the_study_have_the_fixed_columns() -> None:
    tables = roughness_tables("A", "source", DAYS, variances(500), 1, replications=10)
    first, points, zeta = tables["table_1"], tables["roughness_points"], tables["zeta"]
    assert list(first.columns) == list(TABLE_1)
    assert list(first["method"]) == list(METHODS)
    assert (first["observations"] == 500).all()
    assert ((first["low"] < first["hurst"]) & (first["hurst"] < first["high"])).all()
    np.testing.assert_allclose(first["high"] - first["low"], 2 * 1.959964 * first["standard_error"], rtol=1e-5)
    assert list(points.columns) == ["asset", "method", "log_scale", "log_value", "fitted"]
    assert set(points["method"]) == set(METHODS)
    assert (points["method"] == "Variogram").sum() == 50
    assert list(zeta.columns) == ["asset", "q", "zeta", "hurst", "r_squared"]
    assert tuple(zeta["q"]) == ORDERS
    assert zeta["hurst"].nunique() == 1


def test_tables_depend_on_the_seed_and_the_asset_alone() -> None:
    one, again = (roughness_tables("A", "source", DAYS, variances(500), 1, 10)["table_1"] for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    other = roughness_tables("A", "source", DAYS, variances(500), 2, 10)["table_1"]
    assert (one["hurst"] == other["hurst"]).all()
    assert (one["standard_error"] != other["standard_error"]).all()


@pytest.mark.parametrize(("days", "known"), [(10, 0), (70, 1), (95, 3), (100, 4)])
def test_a_short_asset_has_nan_where_a_method_needs_more(days: int, known: int) -> None:
    tables = roughness_tables("A", "target", DAYS[:days], variances(500)[:days], 1, replications=5)
    assert len(tables["table_1"]) == len(METHODS)
    assert tables["table_1"]["hurst"].notna().sum() == known
    assert tables["roughness_points"]["method"].nunique() == known
    assert len(tables["zeta"]) == len(ORDERS)
    assert tables["zeta"]["zeta"].notna().all() == (known == 4)
    assert tables["table_1"]["standard_error"].notna().sum() == (4 if known == 4 else 0)


@pytest.mark.parametrize(
    ("dates", "rv", "message"),
    [
        (DAYS[:3], [1e-4, 0.0, 1e-4], "rv on 2015-01-02 is 0.0"),
        (DAYS[:3], [1e-4, 1e-4, np.nan], "rv on 2015-01-05 is nan"),
        (DAYS[[0, 2, 1]], [1e-4, 1e-4, 1e-4], "do not ascend"),
        (DAYS[:2], [1e-4, 1e-4, 1e-4], "3 realized variances on 2 dates"),
    ],
)
def test_wrong_variances_are_refused(dates: pd.DatetimeIndex, rv: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        roughness_tables("A", "source", dates, rv, 1)


def test_the_command_prints_the_table_and_the_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel = write_panel(tmp_path / "panel", {"LONG": 500, "YOUNG": 60})
    csv = tmp_path / "hurst.csv"
    assert main(["hurst", str(panel), "--replications", "5", "--csv", str(csv)]) == 0
    printed = capsys.readouterr().out
    assert "LONG" in printed
    assert "YOUNG: no Wavelet: the series has 60 days, but needs at least 65" in printed
    found = pd.read_csv(csv)
    wanted = vf.hurst(vf.read_panel(str(panel), gaps="allow"), replications=5)
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)
    row = found.query("asset == 'LONG' and method == 'DFA'").iloc[0]
    assert f"{row['hurst']:.3f} ({row['standard_error']:.3f})" in printed


def test_the_command_prints_json_with_null_for_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panel = write_panel(tmp_path / "panel", {"LONG": 500, "YOUNG": 60})
    assert main(["hurst", str(panel), "--replications", "5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 * len(METHODS)
    assert rows[0]["reason"] is None
    assert rows[0]["hurst"] > 0
    assert rows[-1]["hurst"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--assets", "NONE"], "NONE is not in the panel"),
        (["--replications", "1"], "replications is 1"),
        (["--assets", "YOUNG"], "no asset has a Hurst exponent"),
        (["--csv", "/no/such/folder/x.csv"], "there is no folder"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    panel = write_panel(tmp_path / "panel", {"LONG": 500, "YOUNG": 60})
    assert main(["hurst", str(panel), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_the_command_runs_as_a_process_and_warns_of_nothing(tmp_path: Path) -> None:
    panel = write_panel(tmp_path / "panel", {"LONG": 500, "OTHER": 300})
    words = ["-W", "error::RuntimeWarning", "-m", "volforecast", "hurst", str(panel), "--assets", "OTHER"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "OTHER" in done.stdout
    assert "LONG" not in done.stdout


@pytest.mark.skipif(not REAL.exists(), reason="needs the spx-crypto panel at ../shared/data/spx-crypto")
def test_real_volatility_is_rough() -> None:
    found = vf.hurst(vf.read_panel(str(REAL), gaps="allow"), ("SPX", "BTC"), replications=50)
    assert len(found) == 2 * len(METHODS)
    assert (found["high"] < 0.3).all()
    assert (found["low"] > 0.05).all()
    assert (found["r_squared"] > 0.9).all()
