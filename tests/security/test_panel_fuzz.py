"""Panels that are damaged, strange or hostile: a good panel comes out, or one line that names the file."""

import datetime as dt
import decimal
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.conftest import Tally
from tests.security.hostile import NAMES, damaged, harmless, little_memory
from volforecast.cli import main
from volforecast.data.panel import Panel, read_panel
from volforecast.data.simulate import SimulatorSettings, simulate_panel, write_simulated
from volforecast.errors import InputError, PanelError
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

TABLES = ("assets", "daily", "market")
STUDY = NewIssues(NewIssuesConfig(periods=(50,), horizon_days=20).checked())
Tables = dict[str, pa.Table]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("good")
    sizes = SimulatorSettings(sources=2, targets=1, source_days=90, target_days=72, listing_gap_days=0)
    write_simulated(simulate_panel(sizes, 3), folder)
    STUDY.load(read_panel(str(folder)))  # numba unpickles its own cache the first time
    return {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, good: Tables) -> Path:
    """A folder whose files every example writes anew."""
    return write(tmp_path_factory.mktemp("fuzzed"), good)


def write(folder: Path, tables: Tables) -> Path:
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def loaded(folder: Path, tally: Tally, kind: str) -> str | None:
    """Read the panel as a study does; what is said about it, or None if it is good."""
    try:
        with harmless(folder), np.errstate(all="raise", under="ignore"):
            panel = read_panel(str(folder))
            STUDY.load(panel)
    except InputError as error:
        message = str(error)
        assert message.isprintable(), ascii(message)
        assert len(message) < 1000
        assert any(f"{name}.parquet" in message for name in TABLES), message
        tally[kind, "rejected"] += 1
        return message
    assert_good(panel)
    tally[kind, "read"] += 1
    return None


def assert_good(panel: Panel) -> None:
    """What the science takes for granted."""
    daily = panel.daily
    assert np.isfinite(daily["rv"]).all()
    assert (daily["rv"] > 0).all()
    assert not daily.duplicated(["asset", "date"]).any()
    assert set(daily["asset"]) == set(panel.assets["asset"])
    assert set(panel.assets["role"]) == {"source", "target"}
    assert all(name and name.isprintable() and len(name.encode()) <= 64 for name in panel.assets["asset"])
    assert not panel.market["date"].duplicated().any()


# ------------------------------------------------------------------------------------------------------- bytes


@settings(max_examples=160)
@given(st.data())
def test_damaged_bytes(good: Tables, folder: Path, tally: Tally, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(TABLES))
    path = write(folder, good) / f"{name}.parquet"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    loaded(folder, tally, "panel: damaged bytes")


def test_text_that_is_no_text_is_refused(good: Tables, tmp_path: Path, tally: Tally) -> None:
    """Parquet does not check its text; what breaks much later, in a message or a sort, must be found here."""
    daily = good["daily"]
    broken = pa.array([b"\xff\xfeA"] * daily.num_rows, pa.binary()).view(pa.string())
    write(tmp_path, good | {"daily": daily.set_column(daily.column_names.index("asset"), "asset", broken)})
    assert "not a readable Parquet table" in (loaded(tmp_path, tally, "panel: damaged bytes") or "")


# ------------------------------------------------------------------------------------------------------- types

KINDS: dict[str, Any] = {
    "half floats": lambda n: pa.array(np.ones(n, np.float16)),
    "wide numbers": lambda n: pa.array([2**64 - 1] * n, pa.uint64()),
    "truth values": lambda n: pa.array([True] * n),
    "nothing": pa.nulls,
    "lists": lambda n: pa.array([[1]] * n),
    "records": lambda n: pa.array([{"a": "b\n"}] * n),
    "maps": lambda n: pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())),
    "bytes": lambda n: pa.array([b"\xff\xfe"] * n),
    "bytes of one length": lambda n: pa.array([b"ab"] * n, pa.binary(2)),
    "decimals": lambda n: pa.array([decimal.Decimal("1e70")] * n, pa.decimal256(76, 0)),
    "times": lambda n: pa.array([dt.time(1)] * n),
    "durations": lambda n: pa.array([dt.timedelta(1)] * n),
    "dates": lambda n: pa.array([2**31 - 1] * n, pa.int32()).cast(pa.date32()),
    "dates long ago": lambda n: pa.array([-(2**31)] * n, pa.int32()).cast(pa.date32()),
    "stamps in seconds": lambda n: pa.array([2**52] * n, pa.timestamp("s")),
    "stamps far away": lambda n: pa.array([2**40] * n, pa.timestamp("s", "America/New_York")),
    "stamps of no zone": lambda n: pa.array([0] * n, pa.timestamp("ns", "../../etc/passwd")),
    "categories": lambda n: pa.array(["a"] * n).dictionary_encode(),
    "views of text": lambda n: pa.array(["a"] * n, pa.string_view()),
    "long text": lambda n: pa.array(["x" * 5000] * n),
    "identities": lambda n: pa.array([bytes(16)] * n, pa.uuid()),
    "JSON": lambda n: pa.array(["{}"] * n, pa.json_()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_other_types(good: Tables, folder: Path, tally: Tally, kind: str) -> None:
    for name in TABLES:
        table = good[name]
        for i, column in enumerate(table.column_names):
            write(folder, good | {name: table.set_column(i, column, KINDS[kind](table.num_rows))})
            said = loaded(folder, tally, "panel: other types")
            if column in ("asset", "date", "rv", "role"):
                assert said is not None
    write(folder, good)
    assert loaded(folder, tally, "panel: other types") is None


@pytest.mark.parametrize("column", ["asset", "date", "rv", "close"])
def test_one_name_for_two_columns(good: Tables, tmp_path: Path, tally: Tally, column: str) -> None:
    daily = good["daily"]
    write(tmp_path, good | {"daily": daily.append_column(column, daily[column])})
    assert "daily.parquet" in (loaded(tmp_path, tally, "panel: other types") or "")


# ------------------------------------------------------------------------------------------------------ values

NUMBERS = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e300, -1e300, 5e-324, 1e-200, 1e18, 1.0])
DATES = st.sampled_from([0, 1, -1, 2**61, -(2**61), 1_577_836_800_000_000_000])
WORDS = st.sampled_from([*NAMES, "now", "today", "2020", "01/02/2024", "2020-13-01", "1e400", "0x10"]) | st.text()


@settings(max_examples=140)
@given(st.data())
def test_strange_values(good: Tables, folder: Path, tally: Tally, data: st.DataObject) -> None:
    """Some values of one column, or all of them, or rows twice."""
    name = data.draw(st.sampled_from(TABLES))
    table = good[name].to_pandas()
    column = data.draw(st.sampled_from(list(table.columns)))
    rows = data.draw(st.lists(st.integers(0, len(table) - 1), min_size=1, max_size=5) | st.just(range(len(table))))
    if data.draw(st.integers(0, 9)) == 0:
        table = pd.concat([table, table.iloc[list(rows)]])
    elif pd.api.types.is_numeric_dtype(table[column]):
        table[column] = table[column].astype(float)
        table.iloc[list(rows), table.columns.get_loc(column)] = data.draw(NUMBERS)
    elif pd.api.types.is_datetime64_any_dtype(table[column]) and data.draw(st.booleans()):
        table[column] = table[column].astype("datetime64[ns]")
        table.iloc[list(rows), table.columns.get_loc(column)] = pd.Timestamp(data.draw(DATES))
    else:
        word = data.draw(WORDS.filter(lambda text: text.encode("utf-8", "ignore").decode() == text))
        old = table[column]
        table[column] = old.dt.strftime("%Y-%m-%d") if pd.api.types.is_datetime64_any_dtype(old) else old.astype(object)
        table.iloc[list(rows), table.columns.get_loc(column)] = word
    write(
        folder, good | {name: pa.Table.from_pandas(table.astype({column: table[column].dtype}), preserve_index=False)}
    )
    loaded(folder, tally, "panel: strange values")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_names_of_a_target(good: Tables, folder: Path, tally: Tally, name: str) -> None:
    """The whole panel is consistent, so only the name itself can be refused."""

    def renamed(table: pa.Table) -> pa.Table:
        names = ["" if old is None else (name if old.startswith("NEW") else old) for old in table["asset"].to_pylist()]
        return table.set_column(table.column_names.index("asset"), "asset", pa.array(names))

    write(folder, good | {table: renamed(good[table]) for table in ("assets", "daily")})
    said = loaded(folder, tally, "panel: names of assets")
    acceptable = bool(name) and name.isprintable() and len(name.encode()) <= 64
    assert (said is None) == acceptable, said


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_names_of_columns(good: Tables, folder: Path, tally: Tally, name: str) -> None:
    write(folder, good | {"daily": good["daily"].rename_columns({"rv": name})})
    assert "no column 'rv'" in (loaded(folder, tally, "panel: names of columns") or "")


@pytest.mark.parametrize("day", ["now", "today", "2020", "01/02/2024", "31.12.2024", "12:00"])
def test_dates_that_would_be_guessed(good: Tables, tmp_path: Path, tally: Tally, day: str) -> None:
    """``today`` is another day tomorrow, and nobody knows which number of 01/02/2024 is the month."""
    market = good["market"]
    days = market["date"].cast(pa.date32()).cast(pa.string()).to_pylist()
    changed = market.set_column(market.column_names.index("date"), "date", pa.array([day, *days[1:]]))
    write(tmp_path, good | {"market": changed})
    assert "column date is not a date" in (loaded(tmp_path, tally, "panel: strange values") or "")


# ----------------------------------------------------------------------------------------- bombs, pipes, devices


def test_a_little_file_that_stands_for_terabytes_of_text(good: Tables, tmp_path: Path, tally: Tally) -> None:
    n = 900_000
    once = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 2_000_000]))
    bomb = pa.table({"asset": once, "date": pa.array(np.zeros(n, "datetime64[ns]")), "rv": np.full(n, 1e-4)})
    pq.write_table(bomb, write(tmp_path, good) / "daily.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "daily.parquet").stat().st_size < 100_000
    with little_memory():
        assert "a text of 2,000,000 bytes" in (loaded(tmp_path, tally, "panel: bombs") or "")


def test_a_little_file_that_stands_for_many_rows(good: Tables, tmp_path: Path, tally: Tally) -> None:
    n = 60_000_000
    bomb = pa.table({"asset": pa.nulls(n), "date": pa.nulls(n), "rv": pa.nulls(n)})
    pq.write_table(bomb, write(tmp_path, good) / "daily.parquet", compression="zstd")
    assert (tmp_path / "daily.parquet").stat().st_size < n / 10
    with little_memory():
        assert "claims 60,000,000 rows" in (loaded(tmp_path, tally, "panel: bombs") or "")


def test_many_assets_on_many_days_take_no_square_of_time(tmp_path: Path, tally: Tally) -> None:
    """An asset with every day and very many with one day each: days times assets would be 10**10 steps."""
    n = 100_000
    days = np.datetime64("1700-01-01", "D") + np.arange(n)
    names = pa.array([f"A{i}" for i in range(n)] + ["LONG"] * n)
    daily = pa.table({"asset": names, "date": np.concatenate([days[:1].repeat(n), days]), "rv": np.full(2 * n, 1e-4)})
    daily = daily.set_column(1, "date", daily["date"].cast(pa.timestamp("ns")))
    roles = ["source"] * n + ["target"]
    write(tmp_path, {"daily": daily, "assets": pa.table({"asset": names.unique(), "role": roles})})
    panel = read_panel(str(tmp_path))
    assert len(panel.daily) == 2 * n
    tally["panel: bombs", "read"] += 1


@pytest.mark.parametrize("thing", ["a pipe", "a device", "a link to nowhere", "a link to itself", "an empty folder"])
def test_things_that_are_no_files(good: Tables, tmp_path: Path, tally: Tally, thing: str) -> None:
    path = write(tmp_path, good) / "daily.parquet"
    path.unlink()
    match thing:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "a link to nowhere":
            path.symlink_to(tmp_path / "nowhere")
        case "a link to itself":
            path.symlink_to(path)
        case "an empty folder":
            path.mkdir()
    with little_memory():
        assert loaded(tmp_path, tally, "panel: no files") is not None


# ------------------------------------------------------------------------------------ days, by the calendar and clock


def test_days_on_which_the_clock_is_changed(good: Tables, tmp_path: Path, tally: Tally) -> None:
    """Stamps at the close, in the exchange's zone, over both changes of 2024: every day is one day, none is shifted."""
    days = pd.bdate_range("2024-03-04", periods=180)
    local = (days + pd.Timedelta("16h")).tz_localize("America/New_York")
    rv = np.linspace(1e-4, 2e-4, 180)
    daily = pd.concat([pd.DataFrame({"asset": name, "date": local, "rv": rv}) for name in ("A", "B")])
    assets = pa.table({"asset": ["A", "B"], "role": ["source", "target"]})
    write(tmp_path, {"daily": pa.Table.from_pandas(daily, preserve_index=False), "assets": assets})
    read = read_panel(str(tmp_path)).daily
    assert (read.loc[read["asset"] == "B", "date"].to_numpy() == days.to_numpy()).all()
    # around the clock, the hour that comes twice and the hour that is left out belong to their day
    night = pd.DatetimeIndex(["2024-03-10 03:30", "2024-11-03 01:30"]).tz_localize("America/New_York", ambiguous=[0, 0])
    twice = pd.DataFrame({"asset": "A", "date": night.append(night[1:] - pd.Timedelta("1h")), "rv": 1e-4})
    both = pd.concat([twice, twice.iloc[:2].assign(asset="B")])
    write(tmp_path, {"daily": pa.Table.from_pandas(both, preserve_index=False)})
    with pytest.raises(PanelError, match="asset A has more than one row for 2024-11-03"):
        read_panel(str(tmp_path))
    tally["panel: clocks", "read"] += 1
    tally["panel: clocks", "rejected"] += 1


def test_a_series_that_never_moves_is_read(good: Tables, tmp_path: Path, tally: Tally) -> None:
    daily = good["daily"]
    constant = daily.set_column(daily.column_names.index("rv"), "rv", pa.array(np.full(daily.num_rows, 1e-4)))
    write(tmp_path, good | {"daily": constant})
    assert loaded(tmp_path, tally, "panel: strange values") is None


@pytest.mark.parametrize("rv", [1e-17, 1e5, 1e300, 5e-324])
def test_a_variance_of_no_market_is_refused(good: Tables, tmp_path: Path, tally: Tally, rv: float) -> None:
    daily = good["daily"]
    values = daily["rv"].to_numpy().copy()
    values[100] = rv
    write(tmp_path, good | {"daily": daily.set_column(daily.column_names.index("rv"), "rv", pa.array(values))})
    assert "a decimal daily variance lies between" in (loaded(tmp_path, tally, "panel: strange values") or "")


# --------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 64 + b"PAR1", b"\0" * 4096, b"<html>\x1b[2J"])
def test_the_command_says_it_in_one_line(
    good: Tables, tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str], table: str, content: bytes
) -> None:
    (write(tmp_path, good) / f"{table}.parquet").write_bytes(content)
    out = tmp_path / "out"
    words = ["study", "new-issues", "--panel", str(tmp_path), "--out", str(out), "--periods", "50"]
    with harmless(tmp_path):
        assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err[:-1].isprintable()
    assert f"{table}.parquet" in printed.err
    assert not out.exists()
    tally["panel: the command", "rejected"] += 1
