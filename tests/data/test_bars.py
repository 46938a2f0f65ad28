from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from volforecast.data.bars import bar_minutes, check_bars, iter_bars, read_bars
from volforecast.errors import PanelError

SHARED = Path(__file__).parents[3] / "shared" / "data"


def a_day(start: str = "2025-05-12 09:30", bars: int = 78, minutes: int = 5, price: float = 100.0) -> pd.DataFrame:
    stamps = pd.date_range(start, periods=bars, freq=f"{minutes}min")
    close = price * np.exp(0.001 * np.cumsum(np.sin(np.arange(bars))))
    opens = np.append(price, close[:-1])
    return pd.DataFrame(
        {
            "timestamp": stamps,
            "open": opens,
            "high": np.maximum(opens, close) + 0.01,
            "low": np.minimum(opens, close) - 0.01,
            "close": close,
            "volume": np.arange(bars, dtype=np.int64),
        }
    )


def with_value(column: str, row: int, value: object) -> pd.DataFrame:
    bars = a_day()
    bars[column] = bars[column].astype(object if isinstance(value, str) else type(value))
    bars.loc[row, column] = value
    return bars


def test_checked_bars_are_typed_and_sorted() -> None:
    bars = a_day().sample(frac=1, random_state=1).assign(vwap=1.0)
    checked = check_bars(bars, "ARM")
    pd.testing.assert_frame_equal(checked, check_bars(a_day(), "ARM"))
    assert list(checked.columns) == ["timestamp", "open", "high", "low", "close", "volume"]
    assert checked["timestamp"].dtype == "datetime64[us]"
    assert set(checked.dtypes.iloc[1:].astype(str)) == {"float64"}


def test_input_is_not_changed() -> None:
    bars = a_day().iloc[::-1]
    before = bars.copy()
    check_bars(bars, "ARM")
    pd.testing.assert_frame_equal(bars, before)


@pytest.mark.parametrize(
    ("bars", "message"),
    [
        (a_day().drop(columns=["close", "volume"]), r"no column close, volume \(it has timestamp, .*\); bars need"),
        (a_day().iloc[:0], "no rows"),
        (with_value("close", 3, float("nan")), r"close is nan at 2025-05-12 09:45:00; prices are positive"),
        (with_value("open", 3, float("inf")), r"open is inf at 2025-05-12 09:45:00"),
        (with_value("low", 0, 0.0), r"low is 0 at 2025-05-12 09:30:00"),
        (with_value("open", 77, -1.0), r"open is -1 at 2025-05-12 15:55:00"),
        (with_value("high", 1, 1.0), r"high is 1 at 2025-05-12 09:35:00; high is below low: repair"),
        (with_value("volume", 1, -5.0), r"volume is -5 at 2025-05-12 09:35:00; write 0"),
        (with_value("volume", 1, float("nan")), r"volume is nan at 2025-05-12 09:35:00"),
        (with_value("close", 1, "n/a"), r"column close is not numeric \(.*'n/a'.*\)"),
        (pd.concat([a_day(), a_day()]), r"timestamp 2025-05-12 09:30:00 occurs more than once \(and 77 more\); keep"),
        (a_day().assign(timestamp=range(78)), r"column timestamp holds numbers \(int64\)"),
        (with_value("timestamp", 2, "noon"), r"timestamp 'noon' is not a date and time; write YYYY"),
        (a_day().assign(timestamp=lambda t: t["timestamp"].where(t.index > 1)), "2 bars have no timestamp"),
        (
            a_day(minutes=15, bars=26),
            r"from 2025-05-12 09:30:00 on the column timestamp steps by 15 minutes; aggregate",
        ),
        (a_day(minutes=2), r"steps by 2 minutes"),
        (a_day("2025-05-12 09:31"), r"steps by 5 minutes, but not from full five minutes"),
        (a_day("2025-05-12 09:30:07"), r"timestamp 2025-05-12 09:30:07 is not on a whole minute"),
        (
            pd.concat([a_day(), a_day("2025-05-13 09:30", 390, 1)]),
            r"1-minute bars \(timestamp 2025-05-13 09:31:00\) are mixed with 5-minute bars \(2025-05-12\)",
        ),
    ],
)
def test_broken_bars_are_one_line_that_names_them(bars: pd.DataFrame, message: str) -> None:
    with pytest.raises(PanelError, match=message) as caught:
        check_bars(bars, "ARM")
    assert str(caught.value).startswith("bars of ARM: ")
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_zoned_stamps_become_exchange_time(zone: str) -> None:
    bars = pd.concat([a_day("2025-10-31 09:30"), a_day("2025-11-03 09:30")])  # summer time ends between
    zoned = bars.assign(timestamp=bars["timestamp"].dt.tz_localize("America/New_York").dt.tz_convert(zone))
    pd.testing.assert_frame_equal(check_bars(zoned, "ARM"), check_bars(bars, "ARM"))


def test_the_hour_that_occurs_twice_is_no_duplicate() -> None:
    stamps = pd.date_range("2025-11-02 04:00", periods=48, freq="5min", tz="UTC")  # 00:00 EDT to 03:00 EST
    checked = check_bars(a_day(bars=48).assign(timestamp=stamps), "ARM")
    assert checked["timestamp"].duplicated().sum() == 12


@pytest.mark.parametrize(("bars", "minutes"), [(a_day(), 5), (a_day(minutes=1, bars=390), 1), (a_day(bars=1), 5)])
def test_bar_length(bars: pd.DataFrame, minutes: int) -> None:
    assert bar_minutes(bars["timestamp"], "ARM") == minutes


def test_sparse_bars_keep_their_length() -> None:
    one = a_day(minutes=1, bars=390).sample(frac=0.1, random_state=1).sort_values("timestamp")
    five = a_day(bars=78).sample(frac=0.4, random_state=1).sort_values("timestamp")
    assert bar_minutes(one["timestamp"], "ARM") == 1
    assert bar_minutes(five["timestamp"], "ARM") == 5


Writer = Callable[[pd.DataFrame, str], None]


def to_csv(table: pd.DataFrame, path: str) -> None:
    table.to_csv(path, index=False)


def to_parquet(table: pd.DataFrame, path: str) -> None:
    table.to_parquet(path)


@pytest.mark.parametrize(("ending", "write"), [("csv", to_csv), ("parquet", to_parquet)])
def test_folder_and_single_file_hold_the_same(tmp_path: Path, ending: str, write: Writer) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    tables = {"NA": a_day(), "ARM": a_day(price=50.0)}  # NA is a ticker, not a gap
    for asset, bars in tables.items():
        bars.to_parquet(folder / f"{asset}.parquet")
    together = pd.concat([bars.assign(asset=asset) for asset, bars in tables.items()])
    write(together, str(tmp_path / f"bars.{ending}"))
    from_folder, from_file = read_bars(str(folder)), read_bars(str(tmp_path / f"bars.{ending}"))
    assert list(from_folder["asset"].unique()) == ["ARM", "NA"]
    pd.testing.assert_frame_equal(from_folder, from_file)
    assert [asset for asset, _ in iter_bars(str(folder), assets=["NA"])] == ["NA"]
    assert [asset for asset, _ in iter_bars(str(tmp_path / f"bars.{ending}"), assets=["NA"])] == ["NA"]


def test_file_without_asset_is_named_after_its_asset(tmp_path: Path) -> None:
    a_day().to_parquet(tmp_path / "ARM.parquet")
    assert read_bars(str(tmp_path / "ARM.parquet"))["asset"].unique().tolist() == ["ARM"]


def test_csv_with_offsets_of_both_seasons(tmp_path: Path) -> None:
    bars = pd.concat([a_day("2025-10-31 09:30"), a_day("2025-11-03 09:30")])
    zoned = bars.assign(timestamp=bars["timestamp"].dt.tz_localize("America/New_York").map(lambda t: t.isoformat()))
    zoned.to_csv(tmp_path / "ARM.csv", index=False)
    pd.testing.assert_frame_equal(
        read_bars(str(tmp_path / "ARM.csv")).drop(columns="asset"), check_bars(bars, "ARM"), rtol=1e-12
    )


def test_stamps_partly_zoned_are_refused() -> None:
    text = a_day()["timestamp"].astype(str)
    text[5] = "2025-05-12 09:55:00-04:00"
    with pytest.raises(PanelError, match="2025-05-12 09:30:00 has no time zone, others have one"):
        check_bars(a_day().assign(timestamp=text), "ARM")


def test_remote_folder() -> None:
    system = fsspec.filesystem("memory")
    with system.open("/volforecast-bars/ARM.parquet", "wb") as stream:
        a_day().to_parquet(stream)
    assert len(read_bars("memory://volforecast-bars")) == 78
    assert len(read_bars("memory://volforecast-bars/ARM.parquet")) == 78
    system.rm("/volforecast-bars", recursive=True)


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(PanelError, match="nothing is found at"):
        read_bars(str(tmp_path / "absent"))
    with pytest.raises(PanelError, match=r"holds no \.parquet file"):
        read_bars(str(tmp_path))
    (tmp_path / "ARM.parquet").write_bytes(b"no parquet")
    with pytest.raises(PanelError, match=r"ARM\.parquet cannot be read"):
        read_bars(str(tmp_path))
    a_day().to_parquet(tmp_path / "ARM.parquet")
    with pytest.raises(PanelError, match="has no asset SPY"):
        read_bars(str(tmp_path), assets=["SPY"])
    with pytest.raises(PanelError, match="none is named"):
        read_bars(str(tmp_path), assets=[])


def test_rows_without_asset_are_refused(tmp_path: Path) -> None:
    a_day().assign(asset=["ARM"] * 77 + [None]).to_parquet(tmp_path / "bars.parquet")
    with pytest.raises(PanelError, match="has 1 rows without asset"):
        read_bars(str(tmp_path / "bars.parquet"))


def test_real_bars_are_clean() -> None:
    if not (SHARED / "bars-5min").is_dir():
        pytest.skip("needs ../shared/data/bars-5min")
    bars = read_bars(str(SHARED / "bars-5min"))
    assert bars["asset"].nunique() == 12
    assert len(bars) == 193_987
