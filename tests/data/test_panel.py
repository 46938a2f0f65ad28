"""Reading a panel: layouts, column names, dates, roles; the same content always reads as the same panel."""

import decimal
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import naive
from volforecast.data.panel import Columns, Panel, read_panel
from volforecast.errors import PanelError

Tables = dict[str, pd.DataFrame]


def tables(days: int = 30) -> Tables:
    """Three assets, C the target, all trading on the same business days."""
    rng = np.random.default_rng(0)
    dates = pd.bdate_range("2020-01-01", periods=days)
    daily = pd.DataFrame({"asset": np.repeat(["A", "B", "C"], days), "date": np.tile(dates, 3)})
    daily["rv"] = rng.lognormal(-9.0, 0.5, len(daily))
    daily["close"] = 10.0 + rng.random(len(daily))
    daily["volume"] = 100.0 + rng.random(len(daily))
    daily["earnings_next_day"] = rng.random(len(daily)) < 0.1
    assets = pd.DataFrame({"asset": ["A", "B", "C"], "name": ["Ay", "Bee", "Sea"], "sector": "Energy"})
    assets = assets.assign(role=["source", "source", "target"], first_trading_day=dates[0])
    market = pd.DataFrame({"date": dates, "us3m": 1.0, "hsi": 100.0, "ads": 0.0, "epu": 90.0})
    return {"assets": assets, "daily": daily, "market": market.assign(vix=rng.random(days))}


def write(folder: Path, content: Tables) -> str:
    folder.mkdir(exist_ok=True)
    for name, table in content.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return str(folder)


def assert_same(panel: Panel, other: Panel) -> None:
    assert panel.fingerprint == other.fingerprint
    for name in ("assets", "daily", "market"):
        pd.testing.assert_frame_equal(getattr(panel, name), getattr(other, name))


@pytest.fixture
def plain(tmp_path: Path) -> Panel:
    return read_panel(write(tmp_path / "plain", tables()))


def with_daily(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Tables:
    content = tables()
    return content | {"daily": change(content["daily"])}


def test_what_is_read(plain: Panel) -> None:
    assert list(plain.assets.columns) == ["asset", "name", "sector", "role", "first_trading_day"]
    assert list(plain.daily.columns) == ["asset", "date", "rv", "close", "volume", "earnings_next_day"]
    assert list(plain.market.columns) == ["date", "us3m", "hsi", "ads", "epu", "vix"]
    assert plain.with_role("source") == ("A", "B")
    assert plain.with_role("target") == ("C",)
    assert plain.daily["earnings_next_day"].dtype == bool


def test_only_asset_date_and_rv_are_required(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", {"daily": tables()["daily"][["asset", "date", "rv"]]})
    panel = read_panel(folder, targets=("B",))
    assert list(panel.daily.columns) == ["asset", "date", "rv"]
    assert panel.with_role("source") == ("A", "C")
    assert panel.with_role("target") == ("B",)
    assert panel.market.empty


def partitioned(folder: Path, content: Tables, column: str = "asset") -> str:
    write(folder, {name: table for name, table in content.items() if name != "daily"})
    content["daily"].to_parquet(folder / "daily.parquet", partition_cols=[column])
    return str(folder)


def test_a_dataset_partitioned_by_asset_is_the_same_panel(tmp_path: Path, plain: Panel) -> None:
    assert_same(read_panel(partitioned(tmp_path / "p", tables())), plain)


def test_folder_names_stay_text(tmp_path: Path) -> None:
    names = {"A": "005930", "B": "7", "C": "1e3"}
    content = tables()
    for name in ("assets", "daily"):
        content[name] = content[name].assign(asset=content[name]["asset"].map(names))
    panel = read_panel(partitioned(tmp_path / "p", content))
    assert list(panel.assets["asset"]) == ["005930", "1e3", "7"]
    assert_same(panel, read_panel(write(tmp_path / "one", content)))


def test_a_partition_that_repeats_the_asset_inside(tmp_path: Path, plain: Panel) -> None:
    content = tables()
    folder = write(tmp_path / "p", {name: table for name, table in content.items() if name != "daily"})
    for asset, table in content["daily"].groupby("asset"):
        part = tmp_path / "p" / "daily.parquet" / f"asset={asset}"
        part.mkdir(parents=True)
        table.to_parquet(part / "part-0.parquet", index=False)
    assert_same(read_panel(folder), plain)


def test_an_index_that_was_written_is_a_column(tmp_path: Path, plain: Panel) -> None:
    folder = write(tmp_path / "p", tables())
    tables()["daily"].set_index("date").to_parquet(tmp_path / "p" / "daily.parquet")
    assert_same(read_panel(folder), plain)


def test_other_column_names(tmp_path: Path, plain: Panel) -> None:
    content = tables()
    content["daily"] = content["daily"].rename(columns={"asset": "unique_id", "date": "ds", "rv": "y"})
    content["assets"] = content["assets"].rename(columns={"asset": "unique_id"})
    content["market"] = content["market"].rename(columns={"date": "ds"})
    columns = Columns("unique_id", "ds", "y")
    assert_same(read_panel(write(tmp_path / "p", content), columns=columns), plain)
    assert_same(read_panel(partitioned(tmp_path / "q", content, "unique_id"), columns=columns), plain)


def test_a_named_column_wins_over_one_that_has_the_usual_name(tmp_path: Path, plain: Panel) -> None:
    content = with_daily(lambda t: t.rename(columns={"rv": "rv5"}).assign(rv=1.0))
    assert_same(read_panel(write(tmp_path / "p", content), columns=Columns(rv="rv5")), plain)


def test_one_column_named_twice(tmp_path: Path) -> None:
    with pytest.raises(PanelError, match=r"^--columns: asset, date, date name a column twice.*$"):
        read_panel(write(tmp_path / "p", tables()), columns=Columns(rv="date"))


SAME_CONTENT: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "unsorted": lambda t: t.sample(frac=1.0, random_state=3),
    "columns in another order": lambda t: t[t.columns[::-1]],
    "a column of no interest": lambda t: t.assign(bpv=1.0),
    "categorical assets": lambda t: t.assign(asset=t["asset"].astype("category")),
    "text dates": lambda t: t.assign(date=t["date"].dt.strftime("%Y-%m-%d")),
    "dates without time": lambda t: t.assign(date=t["date"].dt.date),
    "dates at the close": lambda t: t.assign(date=t["date"] + pd.Timedelta(hours=16)),
    "dates of an exchange": lambda t: t.assign(
        date=(t["date"] + pd.Timedelta("16h")).dt.tz_localize("America/New_York")
    ),
    "dates in seconds": lambda t: t.assign(date=t["date"].astype("datetime64[s]")),
    "nullable types": lambda t: t.convert_dtypes(),
    "flags as numbers": lambda t: t.assign(earnings_next_day=t["earnings_next_day"].astype(float)),
    "flags left empty": lambda t: t.assign(earnings_next_day=t["earnings_next_day"].astype(object).where(lambda f: f)),
    "text numbers": lambda t: t.assign(volume=t["volume"].map(repr)),
}


@pytest.mark.parametrize("change", SAME_CONTENT.values(), ids=SAME_CONTENT)
def test_the_same_content_is_the_same_panel(change: Callable[[pd.DataFrame], pd.DataFrame], tmp_path: Path) -> None:
    plain = read_panel(write(tmp_path / "plain", tables()))
    assert_same(read_panel(write(tmp_path / "p", with_daily(change))), plain)


@pytest.mark.parametrize("table", ["assets", "market"])
def test_order_and_types_of_the_other_tables_do_not_matter(table: str, tmp_path: Path, plain: Panel) -> None:
    content = tables()
    if table == "assets":
        changed = content[table].astype({"asset": "category", "name": "category", "sector": "category"})
    else:
        changed = content[table].assign(date=content[table]["date"].dt.strftime("%Y-%m-%d"), other=1)
    content[table] = changed.iloc[::-1][changed.columns[::-1]]
    assert_same(read_panel(write(tmp_path / "p", content)), plain)


def test_decimal_numbers(tmp_path: Path) -> None:
    content = with_daily(lambda t: t.assign(rv=t["rv"].map(lambda v: decimal.Decimal(f"{v:.9f}"))))
    panel = read_panel(write(tmp_path / "p", content))
    np.testing.assert_allclose(panel.daily["rv"], [float(f"{v:.9f}") for v in tables()["daily"]["rv"]], rtol=0)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("daily", "rv", 1.23e-4),
        ("daily", "close", 11.11),
        ("daily", "close", np.nan),
        ("daily", "volume", 0.0),
        ("daily", "earnings_next_day", None),
        ("market", "vix", 12.3),
        ("market", "us3m", np.nan),
        ("assets", "sector", "Utilities"),
        ("assets", "name", "Other"),
        ("assets", "role", "target"),
    ],
)
def test_every_value_is_in_the_fingerprint(
    table: str, column: str, value: object, tmp_path: Path, plain: Panel
) -> None:
    content = tables()
    copy = content[table].copy()
    copy.loc[1, column] = not copy.loc[1, column] if column == "earnings_next_day" else value
    assert read_panel(write(tmp_path / "p", content | {table: copy})).fingerprint != plain.fingerprint


def test_a_date_is_in_the_fingerprint(tmp_path: Path, plain: Panel) -> None:
    content = with_daily(lambda t: t.assign(date=t["date"] + pd.Timedelta(days=7)))
    content["assets"] = content["assets"].drop(columns="first_trading_day")
    assert read_panel(write(tmp_path / "p", content)).fingerprint != plain.fingerprint


def test_the_fingerprint_knows_which_column_a_value_is_in(tmp_path: Path) -> None:
    content = tables()
    bare = content["daily"][["asset", "date", "rv"]]
    prints = set()
    for number, column in enumerate(("close", "volume")):
        daily = bare.assign(**{column: 5.0})
        prints.add(read_panel(write(tmp_path / f"daily{number}", content | {"daily": daily})).fingerprint)
    for number, column in enumerate(("ads", "vix")):
        market = content["market"][["date"]].assign(**{column: 5.0})
        prints.add(read_panel(write(tmp_path / f"market{number}", content | {"market": market})).fingerprint)
    assert len(prints) == 4


def test_asset_defaults(tmp_path: Path) -> None:
    content = tables()
    content["assets"] = content["assets"].drop(columns=["sector", "first_trading_day"])
    content["assets"]["name"] = pd.Series(["Ay", None, "Sea"], dtype="category")
    assets = read_panel(write(tmp_path / "p", content)).assets
    assert list(assets["name"]) == ["Ay", "B", "Sea"]
    assert list(assets["sector"]) == ["", "", ""]
    assert set(assets["first_trading_day"]) == {pd.Timestamp("2020-01-01")}


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_first_trading_day_left_empty_is_the_first_row(zone: str | None, as_text: bool, tmp_path: Path) -> None:
    content = tables()
    given = pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-06"])).dt.tz_localize(zone)
    content["assets"]["first_trading_day"] = given.astype(str).where(given.notna()) if as_text else given
    assets = read_panel(write(tmp_path / "p", content)).assets
    assert [f"{day:%Y-%m-%d}" for day in assets["first_trading_day"]] == ["2020-01-01", "2020-01-01", "2020-01-06"]


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NaT])
def test_no_first_trading_day_at_all(nothing: object, tmp_path: Path, plain: Panel) -> None:
    content = tables()
    content["assets"]["first_trading_day"] = nothing
    assert_same(read_panel(write(tmp_path / "p", content)), plain)


def test_rows_before_a_target_is_listed_are_left_out(tmp_path: Path) -> None:
    content = tables()
    content["assets"]["first_trading_day"] = pd.Timestamp("2020-01-10")
    daily = read_panel(write(tmp_path / "p", content)).daily
    first = daily.groupby("asset")["date"].min()
    assert first["C"] == pd.Timestamp("2020-01-10")
    assert first["A"] == pd.Timestamp("2020-01-01")  # a source is used as far back as it goes


def test_targets_that_are_not_asked_for_are_no_sources(tmp_path: Path) -> None:
    content = tables()
    content["assets"]["role"] = ["source", "target", "target"]
    folder = write(tmp_path / "p", content)
    assert read_panel(folder).with_role("target") == ("B", "C")
    panel = read_panel(folder, targets=("B",))
    assert panel.with_role("target") == ("B",)
    assert panel.with_role("source") == ("A",)
    assert set(panel.daily["asset"]) == {"A", "B"}
    assert panel.fingerprint != read_panel(folder).fingerprint


def test_targets_give_roles_to_a_panel_without_them(tmp_path: Path) -> None:
    content = tables()
    content["assets"] = content["assets"].drop(columns="role")
    panel = read_panel(write(tmp_path / "p", content), targets=("A", "C"))
    assert panel.with_role("target") == ("A", "C")
    assert panel.with_role("source") == ("B",)


def test_gaps_stop_or_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", with_daily(lambda t: t.drop(index=[7, 9])))
    with pytest.raises(PanelError) as error:
        read_panel(folder)
    message = str(error.value)
    assert "\n" not in message
    for words in ("asset A", "2020-01-10", "1 more", "column date", "--gaps allow"):
        assert words in message
    assert len(read_panel(folder, gaps="allow").daily) == 88


def test_a_gap_is_a_day_on_which_most_of_the_panel_trades(tmp_path: Path) -> None:
    """A day on which two of three assets rest, or which lies before an asset's first row or after its last, is none."""
    day = pd.Timestamp("2020-01-15")
    rests = with_daily(lambda t: t[(t["asset"] == "A") | (t["date"] != day)])
    read_panel(write(tmp_path / "p", rests))
    shorter = with_daily(lambda t: t[(t["asset"] != "A") | t["date"].between(day, pd.Timestamp("2020-01-31"))])
    read_panel(write(tmp_path / "q", shorter))


def test_real_panel() -> None:
    panel = naive.dj30()
    assert len(panel.with_role("source")) == 20
    assert len(panel.with_role("target")) == 10
    assert len(panel.daily) == 140_975
    assert panel.daily.groupby("asset")["date"].is_monotonic_increasing.all()


# ---------------------------------------------------------------------------------------------------------- on S3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", address),
        ("AWS_CONFIG_FILE", str(tmp_path / "none")),
        ("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none")),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="panels")
    yield "s3://panels"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def upload(folder: Path, url: str) -> None:
    import boto3

    client = boto3.client("s3")
    for file in sorted(folder.rglob("*.parquet")):
        if file.is_file():
            client.upload_file(str(file), "panels", f"{url.removeprefix('s3://panels/')}/{file.relative_to(folder)}")


@pytest.mark.s3
def test_s3_reads_as_a_local_folder_does(bucket: str, tmp_path: Path, plain: Panel) -> None:
    upload(tmp_path / "plain", f"{bucket}/study/one")
    partitioned(tmp_path / "parts", tables())
    upload(tmp_path / "parts", f"{bucket}/study/parts")
    assert_same(read_panel(f"{bucket}/study/one"), plain)
    assert_same(read_panel(f"{bucket}/study/parts"), plain)
    for url in (f"{bucket}/nothing", "s3://no-such-bucket/p"):
        with pytest.raises(PanelError, match=r"no daily\.parquet in this folder") as error:
            read_panel(url)
        assert url in str(error.value)


@pytest.mark.s3
def test_s3_without_credentials_is_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(PanelError, match=r"^s3://panels/p: cannot be reached \(.*\); check address and credentials$"):
        read_panel(f"{bucket}/p")


def test_an_address_of_a_kind_nobody_knows() -> None:
    with pytest.raises(PanelError, match=r"^s4://panels/p: cannot be reached \(.*\); check address and credentials$"):
        read_panel("s4://panels/p")


# ------------------------------------------------------------------------------------------------ not a panel at all


def test_a_folder_without_a_panel(tmp_path: Path) -> None:
    with pytest.raises(PanelError, match=r"no daily\.parquet in this folder; a panel holds .*$"):
        read_panel(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"junk", json.dumps({"asset": "A"}).encode(), b"PAR1" + bytes(40) + b"PAR1"])
def test_a_file_that_is_no_parquet(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "daily.parquet").write_bytes(content)
    with pytest.raises(PanelError, match=r"daily\.parquet: not a readable Parquet table .* write it again$") as error:
        read_panel(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_truncated_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", tables())
    file = tmp_path / "p" / "daily.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(PanelError, match=r"not a readable Parquet table"):
        read_panel(folder)


@pytest.mark.parametrize("column", ["asset", "date", "rv"])
def test_a_required_column_that_is_missing(column: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "p", with_daily(lambda t: t.drop(columns=column)))
    with pytest.raises(
        PanelError, match=rf"^daily\.parquet: no column '{column}' \(it has .*\); name .* --columns .*$"
    ):
        read_panel(folder)
