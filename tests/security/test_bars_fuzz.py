"""Intraday bars that are damaged, strange or hostile: a panel that can be read, or one line that names the file."""

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.conftest import Tally
from tests.security.hostile import NAMES, damaged, harmless, little_memory
from tests.security.test_panel_fuzz import KINDS
from volforecast.cli import main
from volforecast.data.bars import COLUMNS, read_bars
from volforecast.data.build import build_panel
from volforecast.data.panel import read_panel
from volforecast.errors import InputError

DAYS = ("2025-03-07", "2025-03-10", "2025-03-11")  # New York's clock goes forward on the 9th
BESIDE = {
    "assets": "asset,name,role,first_trading_day\nA,Aa,source,\nB,Bb,target,2025-03-07\n",
    "earnings": "asset,date\nA,2025-03-10\n",
}


def some_bars(seed: int) -> pd.DataFrame:
    """Five-minute bars of three days."""
    rng = np.random.default_rng(seed)
    stamps = np.concatenate([pd.date_range(f"{day} 09:30", periods=78, freq="5min").to_numpy() for day in DAYS])
    close = 100 * np.exp(np.cumsum(0.002 * rng.standard_normal(len(stamps))))
    prices = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}
    return pd.DataFrame({"timestamp": stamps} | prices | {"volume": np.full(len(stamps), 100.0)})


GOOD = {"A": some_bars(1), "B": some_bars(2)}
N = len(GOOD["A"])
TOGETHER = pd.concat([bars.assign(asset=asset) for asset, bars in GOOD.items()])
ONE_DAY = TOGETHER[TOGETHER["timestamp"] < "2025-03-08"].to_csv(index=False, float_format="%.2f").encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose files every example writes anew."""
    place = write(tmp_path_factory.mktemp("fuzzed") / "bars")
    build_panel(str(place), None, str(place.parent / "panel"))  # the library of calendars reads its own files once
    return place


def write(folder: Path, table: pa.Table | pd.DataFrame | None = None) -> Path:
    """Good bars of the assets A and B, or something else for A."""
    folder.mkdir(exist_ok=True)
    pq.write_table(arrow(GOOD["A"]) if table is None else arrow(table), folder / "A.parquet")
    pq.write_table(arrow(GOOD["B"]), folder / "B.parquet")
    return folder


def arrow(table: pa.Table | pd.DataFrame) -> pa.Table:
    return table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)


def replaced(name: str, values: pa.Array) -> pa.Table:
    """The bars of A with another column."""
    return arrow(GOOD["A"]).set_column(COLUMNS.index(name), name, values)


def said(bars: Path, tally: Tally, kind: str, *, named: Path | None = None, **beside: str) -> str | None:
    """Make a panel as the command does; what is said about the bars, or None if the panel is good."""
    out = bars.parent / "panel"
    try:
        with harmless(bars.parent), np.errstate(all="raise", under="ignore"):
            built = build_panel(
                str(bars),
                beside.get("assets"),
                str(out),
                calendar=beside.get("calendar", "XNYS"),
                earnings_path=beside.get("earnings"),
                overwrite=True,
            )
    except InputError as error:
        message = str(error)
        assert message.isprintable(), ascii(message)
        assert len(message) < 1000
        assert str(named or bars) in message, message
        tally[kind, "rejected"] += 1
        return message
    names = built.assets["asset"]
    if len(names) > 1 and "assets" not in beside:
        read = read_panel(str(out), targets=(names.iloc[0],), gaps="allow")
        assert len(read.daily) == len(built.daily), "what is written can be read"
    assert all(name and name.isprintable() and len(name.encode()) <= 64 for name in names)
    tally[kind, "read"] += 1
    return None


# ------------------------------------------------------------------------------------------------------- bytes


@settings(max_examples=60)
@given(st.data())
def test_damaged_bytes(folder: Path, tally: Tally, data: st.DataObject) -> None:
    path = write(folder) / "A.parquet"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    said(folder, tally, "bars: damaged bytes")


@settings(max_examples=40)
@given(st.data())
def test_damaged_text(folder: Path, tally: Tally, data: st.DataObject) -> None:
    path = folder.parent / "bars.csv"
    path.write_bytes(data.draw(damaged(ONE_DAY)))
    said(path, tally, "bars: damaged text")


@settings(max_examples=40)
@given(st.data())
def test_damaged_tables_beside_the_bars(folder: Path, tally: Tally, data: st.DataObject) -> None:
    write(folder)
    what, ending = data.draw(st.sampled_from(sorted(BESIDE))), data.draw(st.sampled_from(["csv", "parquet"]))
    good = io.BytesIO(BESIDE[what].encode())
    if ending == "parquet":
        table = pd.read_csv(good, dtype=str)
        good = io.BytesIO()
        table.to_parquet(good)
    path = folder.parent / f"{what}.{ending}"
    path.write_bytes(data.draw(damaged(good.getvalue())))
    message = said(folder, tally, "bars: tables beside them", named=folder.parent, **{what: str(path)})
    assert message is None or what in message


# ------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_other_types(folder: Path, tally: Tally, kind: str) -> None:
    for column in ("timestamp", "close", "volume"):
        write(folder, replaced(column, KINDS[kind](N)))
        message = said(folder, tally, "bars: other types")
        if column == "timestamp" or kind not in ("half floats", "truth values", "wide numbers"):
            assert message is not None, column
    beside = folder.parent / "assets.parquet"
    for column in ("asset", "name", "first_trading_day"):
        given = pd.DataFrame({"asset": ["A", "B"], "name": "x", "role": "source", "country": "US"})
        table = arrow(given.assign(first_trading_day=pd.Timestamp("2025-03-07")))
        place = table.column_names.index(column)
        pq.write_table(table.set_column(place, column, KINDS[kind](2)), beside)
        write(folder)
        said(folder, tally, "bars: other types", named=folder.parent, assets=str(beside))


@pytest.mark.parametrize("column", [*COLUMNS, "asset"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_one_name_for_two_columns(folder: Path, tally: Tally, column: str, ending: str) -> None:
    path = folder.parent / f"twice.{ending}"
    table = arrow(TOGETHER)
    twice = table.append_column(column, table[column])
    if ending == "parquet":
        pq.write_table(twice, path)
    else:
        names = [name.replace("\0", "") for name in twice.column_names]
        path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    assert said(path, tally, "bars: other types") is not None


# ------------------------------------------------------------------------------------------------------ values

PRICES = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e300, 5e-324, 1e-17, 1e17, 100 + 1e-13, 1.0])
STAMPS = st.sampled_from([0, 1, -1, 2**61, -(2**61), 1_741_354_200_000_000_000, 1_741_354_207_000_000_000])
WORDS = st.sampled_from(
    ["now", "today", "2025", "03/07/2025", "2025-03-07", "2025-13-01 10:00", "2025-03-07 10:00:00+99:00", *NAMES]
)


@settings(max_examples=60)
@given(st.data())
def test_strange_values(folder: Path, tally: Tally, data: st.DataObject) -> None:
    """Some values of a column, or all of them, or rows twice."""
    table = GOOD["A"].copy()
    column = data.draw(st.sampled_from([*COLUMNS, "timestamp"]))
    rows = data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=5) | st.just(range(N)))
    if data.draw(st.integers(0, 9)) == 0:
        table = pd.concat([table, table.iloc[list(rows)]])
    elif column != "timestamp":
        changed = list(COLUMNS[1:5]) if data.draw(st.booleans()) else [column]
        table.loc[list(rows), changed] = data.draw(PRICES)
    elif data.draw(st.booleans()):
        table["timestamp"] = table["timestamp"].astype("datetime64[ns]")
        table.iloc[list(rows), 0] = pd.Timestamp(data.draw(STAMPS))
    else:
        table["timestamp"] = table["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S").astype(object)
        table.iloc[list(rows), 0] = data.draw(WORDS)
    said(write(folder, table), tally, "bars: strange values")


@pytest.mark.parametrize("price", [1e-19, 1e19, 1e300, 5e-324, -1.0, 0.0, np.inf, np.nan])
def test_prices_of_no_market_are_refused(folder: Path, tally: Tally, price: float) -> None:
    table = GOOD["A"].copy()
    table.loc[100, ["open", "high", "low", "close"]] = price
    message = said(write(folder, table), tally, "bars: strange values")
    assert message is not None
    assert "open is" in message
    assert "2025-03-10 11:20:00" in message


def test_a_day_that_no_panel_may_hold_is_refused_before_anything_is_written(tmp_path: Path, tally: Tally) -> None:
    """Each price may be; their ratio of 10 to the power of 34 within a day may not."""
    wild = GOOD["A"].copy()
    wild.loc[100, ["open", "high", "low", "close"]] = 1e-17
    wild.loc[101::2, ["open", "high", "low", "close"]] = 1e17
    message = said(write(tmp_path / "bars", wild), tally, "bars: strange values")
    assert message is not None
    assert "asset A, 2025-03-10: rv is" in message
    assert not (tmp_path / "panel").exists()


@pytest.mark.parametrize("years", ["1899-12-31", "2100-01-01", "2261-12-31"])
def test_times_of_no_market_are_refused(folder: Path, tally: Tally, years: str) -> None:
    table = GOOD["A"].copy()
    table["timestamp"] = table["timestamp"].astype("datetime64[ns]")
    table.loc[0, "timestamp"] = pd.Timestamp(years)
    assert "lies before 1900 or after 2099" in (said(write(folder, table), tally, "bars: strange values") or "")


@pytest.mark.parametrize("stamp", ["now", "today", "2025", "03/07/2025 10:00", "7.3.2025 10:00", "10:00"])
def test_times_that_would_be_guessed(folder: Path, tally: Tally, stamp: str) -> None:
    text = ["2025-03-07 09:30", stamp, *GOOD["A"]["timestamp"].astype(str).iloc[2:]]
    message = said(write(folder, replaced("timestamp", pa.array(text))), tally, "bars: strange values")
    assert "is not a date and time" in (message or "")


def test_one_stamp_for_two_bars_is_refused(folder: Path, tally: Tally) -> None:
    stamps = GOOD["A"]["timestamp"].astype("datetime64[ns]").to_numpy().copy()
    for later in (0, 1, 999):  # nanoseconds, of which a panel knows nothing
        stamps[5] = stamps[4] + np.timedelta64(later, "ns")
        message = said(write(folder, replaced("timestamp", pa.array(stamps))), tally, "bars: strange values")
        assert "2025-03-07 09:50:00 occurs more than once" in (message or "")


# ------------------------------------------------------------------------------------------------------- names


def acceptable(name: str) -> bool:
    return bool(name.strip()) and name.isprintable() and len(name.encode()) <= 64


@pytest.mark.parametrize(
    ("name", "ending"),
    [*((name, "csv") for name in NAMES), *((name, "parquet") for name in NAMES if not acceptable(name))],
    ids=ascii,
)
def test_hostile_names_in_one_file(folder: Path, tally: Tally, name: str, ending: str) -> None:
    table = TOGETHER.assign(asset=TOGETHER["asset"].replace("A", name))
    path = folder.parent / f"named.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    message = said(path, tally, "bars: names of assets")
    assert (message is None) == acceptable(name), message


@pytest.mark.parametrize("name", [name for name in NAMES if "/" not in name and "\0" not in name], ids=ascii)
def test_hostile_names_of_files(tmp_path: Path, tally: Tally, name: str) -> None:
    bars = write(tmp_path / "bars")
    try:
        os.rename(bars / "A.parquet", bars / f"{name}.parquet")
    except OSError:
        assert len(name.encode()) > 240, "the system itself takes it"
        return
    message = said(bars, tally, "bars: names of files")
    if name == "":  # a file ".parquet" has no other name
        assert message is None
    elif name.strip():
        assert (message is None) == acceptable(name), message


def test_a_name_that_is_no_text(tmp_path: Path, tally: Tally) -> None:
    bars = write(tmp_path / "bars")
    os.rename(bars / "A.parquet", os.fsencode(bars) + b"/\xff\xfe.parquet")
    assert "cannot be printed" in (said(bars, tally, "bars: names of files") or "")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_names_of_columns(folder: Path, tally: Tally, name: str) -> None:
    records = pa.array([[{"x": 1}]] * N)
    write(folder, arrow(GOOD["A"]).rename_columns({"close": name}).append_column("more", records))
    assert "no column close" in (said(folder, tally, "bars: names of columns") or "")


def test_what_is_not_needed_is_not_read(folder: Path, tally: Tally) -> None:
    write(folder, arrow(GOOD["A"]).append_column("more", pa.array([[{"x": 1}]] * N)))
    assert said(folder, tally, "bars: names of columns") is None


# ----------------------------------------------------------------------------------------- bombs, pipes, devices


@pytest.mark.parametrize("column", ["timestamp", "close", "asset"])
def test_a_little_file_that_stands_for_terabytes_of_text(tmp_path: Path, tally: Tally, column: str) -> None:
    n = 900_000
    path = tmp_path / "bomb.parquet"
    columns = {name: pa.array(np.ones(n)) for name in (*COLUMNS, "asset")}
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 2_000_000]))
    pq.write_table(pa.table(columns | {column: text}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 100_000
    with little_memory():
        assert "a text of 2,000,000 bytes" in (said(path, tally, "bars: bombs") or "")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_text_that_no_panel_may_hold_is_not_written_into_one(folder: Path, tally: Tally, ending: str) -> None:
    write(folder)
    for length in (1000, 1001):
        table = pd.DataFrame({"asset": ["A", "B"], "name": "x", "\x1b[2J": ["x" * length, ""]})
        path = folder.parent / f"long.{ending}"
        table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
        message = said(folder, tally, "bars: bombs", named=path, assets=str(path))
        assert (message is None) == (length == 1000)
        assert message is None or "a text of 1,001 bytes" in message


def test_long_texts_for_times_are_not_searched(tmp_path: Path, tally: Tally) -> None:
    table = arrow(GOOD["A"]).set_column(0, "timestamp", pa.array(["2025-03-07 " + "1:" * 490] * N))
    assert "is longer than a date and time" in (said(write(tmp_path / "bars", table), tally, "bars: bombs") or "")


def test_more_text_than_a_file_can_account_for(tmp_path: Path, tally: Tally) -> None:
    """Rows enough for their file, and each text short enough, but all of them a thousand times the file."""
    n = 2_000_000
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 1000]))
    noise = pa.array(np.random.default_rng(1).random(n))
    columns = {name: noise if name == "open" else pa.array(np.ones(n)) for name in COLUMNS}
    pq.write_table(pa.table(columns | {"asset": text}), tmp_path / "bomb.parquet", store_schema=False)
    with little_memory(1.5):
        message = said(tmp_path / "bomb.parquet", tally, "bars: bombs")
    assert "holds 2,000,000,000 bytes of text in a file of" in (message or "")


def test_a_little_file_that_stands_for_many_rows(tmp_path: Path, tally: Tally) -> None:
    n = 60_000_000
    bars = write(tmp_path / "bars")
    pq.write_table(pa.table({name: pa.nulls(n) for name in COLUMNS}), bars / "A.parquet", compression="zstd")
    assert (bars / "A.parquet").stat().st_size < n / 10
    with little_memory():
        assert "claims 60,000,000 rows" in (said(bars, tally, "bars: bombs") or "")


@pytest.mark.parametrize("what", ["columns", "a field", "a line without end", "nothing", "quotes"])
def test_little_texts_that_stand_for_large_tables(tmp_path: Path, tally: Tally, what: str) -> None:
    """Readers that fill up short rows make 10**10 cells of the first."""
    path = tmp_path / "bomb.csv"
    head = ",".join(COLUMNS)
    text = {
        "columns": head + "," * 50_000 + "\n" + "1\n" * 200_000,
        "a field": head + "\n" + "1" * 5_000_000 + ",1,1,1,1,1\n",
        "a line without end": "x" * 5_000_000,
        "nothing": "\n" * 1_000_000,
        "quotes": head + '\n"' + "\n" * 5_000_000,
    }[what]
    path.write_text(text)
    with little_memory(1.0):
        assert said(path, tally, "bars: bombs") is not None


@pytest.mark.parametrize("thing", ["a pipe", "a device", "a link to nowhere", "a link to itself", "a folder"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_things_that_are_no_files(tmp_path: Path, tally: Tally, thing: str, ending: str) -> None:
    bars = write(tmp_path / "bars")
    path = bars / "A.parquet" if ending == "parquet" else bars / "A.csv"
    path.unlink(missing_ok=True)
    match thing:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "a link to nowhere":
            path.symlink_to(tmp_path / "nowhere")
        case "a link to itself":
            path.symlink_to(path)
        case "a folder":
            path.mkdir()
    with little_memory():
        assert said(path if ending == "csv" else bars, tally, "bars: no files") is not None


# ------------------------------------------------------------------------------------ days, by the calendar and clock


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "+05:30"])
def test_days_on_which_the_clock_is_changed(tmp_path: Path, tally: Tally, zone: str) -> None:
    """Stamps of the two weekends and the days around them: every session keeps all of its bars, whatever the zone."""
    spans = [
        pd.date_range(pd.Timestamp(day) - pd.Timedelta("3D"), periods=1152, freq="5min")
        for day in ("2025-03-10", "2025-11-03")
    ]
    both = pd.DatetimeIndex(np.concatenate([span.to_numpy() for span in spans]))
    local = both.tz_localize("America/New_York", ambiguous="NaT", nonexistent="NaT").dropna()
    twice = pd.date_range("2025-11-02 05:00", periods=24, freq="5min", tz="UTC")  # the hour that New York has twice
    stamps = pd.Series(local.tz_convert(zone).append(twice.tz_convert(zone)))
    close = pd.Series(100 + np.arange(len(stamps)) % 7, dtype=float)
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    bars = tmp_path / "bars"
    bars.mkdir()
    pq.write_table(arrow(pd.DataFrame({"timestamp": stamps} | prices)), bars / "A.parquet")
    assert said(bars, tally, "bars: clocks") is None
    daily = pd.read_parquet(tmp_path / "panel" / "daily.parquet")
    assert daily["date"].astype(str).tolist() == ["2025-03-07", "2025-03-10", "2025-10-31", "2025-11-03"]
    read = read_bars(str(bars))["timestamp"]
    session = read[(read.dt.hour * 60 + read.dt.minute).between(570, 959)]
    assert session.groupby(session.dt.date).size().loc[daily["date"].dt.date].tolist() == [78] * 4


def test_a_stamp_that_no_clock_shows_is_out_of_hours(folder: Path, tally: Tally) -> None:
    """02:30 of 9 March 2025 is left out in New York; without a zone it is a time like others, in no session."""
    night = GOOD["A"].iloc[:1].assign(timestamp=pd.Timestamp("2025-03-09 02:30"))
    assert said(write(folder, pd.concat([GOOD["A"], night])), tally, "bars: clocks") is None


def test_a_bar_a_century_takes_no_memory_for_the_days_between(tmp_path: Path, tally: Tally) -> None:
    far = GOOD["A"].iloc[:1].assign(timestamp=pd.Timestamp("1950-01-03 09:30"))
    bars = write(tmp_path / "bars", pd.concat([far, GOOD["A"]]))
    with little_memory(1.0):
        assert said(bars, tally, "bars: clocks") is None


# --------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 64 + b"PAR1", b"\0" * 4096, b"<html>\x1b[2J"])
@pytest.mark.parametrize("where", ["A.parquet", "\x1b[2J.parquet", "A.csv", "assets", "earnings"])
def test_the_command_says_it_in_one_line(
    tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str], content: bytes, where: str
) -> None:
    bars, out = write(tmp_path / "bars"), tmp_path / "panel"
    beside = where in BESIDE
    path = (tmp_path if beside else bars) / where
    path.write_bytes(content)
    words = ["panel", "--out", str(out), "--bars", str(path if where.endswith("csv") else bars)]
    with harmless(tmp_path):
        assert main([*words, f"--{where}={path}"] if beside else words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err[:-1].isprintable()
    assert (where if "\x1b" not in where else "\\x1b[2J.parquet") in printed.err
    assert not out.exists()
    tally["bars: the command", "rejected"] += 1


@pytest.mark.parametrize("option", ["--bars", "--out", "--assets", "--earnings"])
@pytest.mark.parametrize("address", ["nowhere://x", "://", "", "[::1", "\x1b[2J/nothing.csv", "zip://a::nothing"])
def test_addresses_of_nothing(
    tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str], option: str, address: str
) -> None:
    given = {"--bars": str(write(tmp_path / "bars")), "--out": str(tmp_path / "panel")} | {option: address}
    if option == "--out" and "nowhere" not in address:
        return  # folders that can be made
    with harmless(tmp_path):
        assert main(["panel", *(f"{name}={value}" for name, value in given.items())]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.err[:-1].isprintable()
    tally["bars: the command", "rejected"] += 1


def test_an_asset_that_has_no_bars_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "assets.csv").write_text(BESIDE["assets"] + "\x1b[2JC,,source,\n")
    words = ["panel", "--bars", str(write(tmp_path / "bars")), "--out", str(tmp_path / "panel")]
    assert main([*words, "--assets", str(tmp_path / "assets.csv")]) == 0
    printed = capsys.readouterr().out
    assert "left out: \\x1b[2JC: no bars" in printed


def test_a_calendar_that_is_not_known(folder: Path) -> None:
    with pytest.raises(InputError, match="calendar"):
        build_panel(str(write(folder)), None, str(folder.parent / "none"), calendar="\x1b[2J")
