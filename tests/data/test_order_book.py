"""Features of an order book: by hand, by a loop over entries, and from files too long to be read at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from volforecast.data import order_book
from volforecast.data.order_book import BOOK_FEATURES, book_features, snapshot_features
from volforecast.data.simulate_hourly import simulate_snapshots
from volforecast.errors import PanelError

BTC_2018 = Path(__file__).parents[3] / "shared" / "data" / "btc-2018"
BARS = Path(__file__).parents[3] / "shared" / "data" / "btc-bars-1m"

Entries = list[tuple[float, float]]


def naive(bids: Entries, asks: Entries) -> list[float] | None:
    """Features of one snapshot, entry by entry."""
    if not bids or not asks:
        return None
    lowest_ask, highest_bid = min(p for p, _ in asks), max(p for p, _ in bids)
    bids = [(p, v) for p, v in bids if p <= lowest_ask]
    asks = [(p, v) for p, v in asks if p >= highest_bid]
    if not bids or not asks:
        return None
    lowest_ask, highest_bid = min(p for p, _ in asks), max(p for p, _ in bids)
    bids = sorted(((p, v) for p, v in bids if p >= 0.75 * highest_bid), key=lambda x: (-x[0], -x[1]))
    asks = sorted(((p, v) for p, v in asks if p <= 1.25 * lowest_ask), key=lambda x: (x[0], -x[1]))
    first_bids, first_asks = bids[: max(1, len(bids) // 10)], asks[: max(1, len(asks) // 10)]
    bid_volume, ask_volume = sum(v for _, v in bids), sum(v for _, v in asks)
    return [
        lowest_ask - highest_bid,
        len(bids),
        len(asks),
        len(asks) - len(bids),
        bid_volume,
        ask_volume,
        ask_volume - bid_volume,
        sum(p * v for p, v in first_bids) - sum(p * v for p, v in first_asks),
        sum(v for _, v in first_bids),
        sum(v for _, v in first_asks),
    ]


def found(bids: Entries, asks: Entries) -> list[float] | None:
    features = snapshot_features(np.array(bids).reshape(-1, 2), np.array(asks).reshape(-1, 2))
    return None if features is None else features.tolist()


entries = st.lists(st.tuples(st.integers(60, 140).map(float), st.integers(1, 50).map(float)), max_size=40)


def test_a_book_by_hand() -> None:
    bids = [(100.0 - i, 1.0 + i) for i in range(20)]  # 100 to 81: all within 25%
    asks = [(101.0 + 2 * i, 10.0) for i in range(10)]  # 101 to 119
    bids += [(75.0, 2.0), (74.99, 1000.0), (101.5, 500.0)]  # at the edge; too far; above the lowest ask
    asks += [(126.25, 3.0), (126.26, 1000.0)]
    # the bid at 101.5 is above the asks at 101, so these cross, too
    asks_left = len(asks) - 2
    assert found(bids, asks) == pytest.approx(
        [
            103.0 - 100.0,
            21,
            asks_left + 1,  # 103 * 1.25 = 128.75 lets both of the far ones in
            asks_left + 1 - 21,
            210.0 + 2.0,
            90.0 + 3.0 + 1000.0,
            1093.0 - 212.0,
            100.0 * 1 + 99.0 * 2 - 103.0 * 10,
            3.0,
            10.0,
        ]
    )


def test_a_book_without_a_side_has_no_features() -> None:
    assert found([], [(100.0, 1.0)]) is None
    assert found([(100.0, 1.0)], []) is None
    assert found([(102.0, 1.0)], [(100.0, 1.0)]) is None  # each crosses the other


@examples(200)
@given(entries, entries)
def test_features_as_a_loop_over_entries_finds_them(bids: Entries, asks: Entries) -> None:
    expected, ours = naive(bids, asks), found(bids, asks)
    assert (expected is None) == (ours is None)
    if expected is not None and ours is not None:
        assert ours == pytest.approx(expected)
        assert ours[0] >= 0


@pytest.mark.parametrize("count", range(1, 41))
def test_a_tenth_of_any_number_of_entries(count: int) -> None:
    draw = np.random.default_rng(count)
    bids = [(float(p), float(v)) for p, v in zip(draw.uniform(90, 100, count), draw.uniform(1, 9, count), strict=True)]
    asks = [(210.0 - p, v) for p, v in bids]
    assert found(bids, asks) == pytest.approx(naive(bids, asks))


@examples(100)
@given(entries, entries, st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(bids: Entries, asks: Entries, shuffling: object) -> None:
    mixed = [list(bids), list(asks)]
    for side in mixed:
        shuffling.shuffle(side)  # type: ignore[attr-defined]
    assert found(*mixed) == found(bids, asks)


@examples(100)
@given(entries, entries, st.floats(1.0, 1e6), st.floats(0.01, 0.7))
def test_orders_far_away_do_not_matter(bids: Entries, asks: Entries, volume: float, share: float) -> None:
    expected = found(bids, asks)
    if expected is not None:
        far_bid, far_ask = share * 60.0, 140.0 * 1.6 / share
        assert found([*bids, (far_bid, volume)], [*asks, (far_ask, volume)]) == expected


def test_hours_of_a_file_are_those_of_each_last_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = simulate_snapshots(5, seed=2, levels=10)
    whole = tmp_path / "whole.parquet"
    snapshots.to_parquet(whole, row_group_size=1 << 20)
    table = book_features(str(whole))
    assert list(table.columns) == ["timestamp", *BOOK_FEATURES]
    assert len(table) == 5
    for row in table.to_dict("records"):
        stamp = row.pop("timestamp")
        last = snapshots[snapshots["timestamp"] == stamp]  # there is one at t itself, which is the last known at t
        sides = [last[last["side"] == side][["price", "volume"]].to_numpy().tolist() for side in ("bid", "ask")]
        assert list(row.values()) == pytest.approx(naive(*sides))
    # snapshots that straddle row groups and batches
    monkeypatch.setattr(order_book, "BATCH_ROWS", 7)
    snapshots.to_parquet(tmp_path / "pieces.parquet", row_group_size=1000)
    pd.testing.assert_frame_equal(book_features(str(tmp_path / "pieces.parquet")), table)


@examples(15)
@given(st.integers(1, 3), st.integers(0, 1000))
def test_no_snapshot_after_t_matters_and_none_before_the_last_minute(
    tmp_path_factory: pytest.TempPathFactory, hour: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("books")
    snapshots = simulate_snapshots(4, seed=3, levels=12)
    t = snapshots["timestamp"].iloc[0].floor("h") + pd.Timedelta(hours=hour)
    later = snapshots["timestamp"] > t
    early = snapshots["timestamp"] <= t - pd.Timedelta(seconds=60)
    draw = np.random.default_rng(seed)
    changed = snapshots.assign(
        volume=np.where(later | early, draw.exponential(9.0, len(snapshots)), snapshots["volume"])
    )
    changed = changed[~early | (draw.random(len(changed)) < 0.5)]
    rows = []
    for name, table in (("one", snapshots), ("two", changed)):
        table.to_parquet(folder / f"{name}.parquet")
        features = book_features(str(folder / f"{name}.parquet")).set_index("timestamp")
        rows.append(features.loc[t].tolist())
    assert rows[0] == rows[1]


def test_an_hour_without_a_snapshot_in_its_last_minute_has_no_row(tmp_path: Path) -> None:
    snapshots = simulate_snapshots(3, seed=2)
    second = snapshots["timestamp"].iloc[0].floor("h") + pd.Timedelta(hours=2)
    gone = (snapshots["timestamp"] > second - pd.Timedelta(seconds=60)) & (snapshots["timestamp"] <= second)
    snapshots[~gone].to_parquet(tmp_path / "books.parquet")
    assert list(book_features(str(tmp_path / "books.parquet"))["timestamp"]) == [
        second - pd.Timedelta(hours=1),
        second + pd.Timedelta(hours=1),
    ]


def test_a_long_file_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    with pq.ParquetWriter(path, pa.Schema.from_pandas(simulate_snapshots(1, seed=0), preserve_index=False)) as writer:
        for day in range(6):
            part = simulate_snapshots(24, seed=day)
            part["timestamp"] += pd.Timedelta(days=day)
            writer.write_table(pa.Table.from_pandas(part, preserve_index=False), row_group_size=50_000)
    whole = pq.read_table(path).nbytes
    before = pa.total_allocated_bytes()
    most = []
    for _, snapshot in order_book._last_snapshots(str(path)):
        most.append(pa.total_allocated_bytes() - before)
        assert len(snapshot) == 80
    assert len(most) == 144
    assert max(most) < whole / 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.iloc[::-1], "not in order of time"),
        (lambda t: t.assign(side=t["side"].replace("ask", "sell")), "side is sell at 2018-06-04 .*bid or ask"),
        (lambda t: t.assign(price=-1.0), "price is -1.0 at"),
        (lambda t: t.assign(volume=np.nan), "volume is nan at"),
        (lambda t: t.drop(columns="side"), "has no column side"),
        (lambda t: t.assign(timestamp=1), "column timestamp holds no times"),
        (lambda t: t[t["side"] == "bid"], "no two-sided snapshot"),
    ],
)
def test_snapshots_that_break_a_rule(tmp_path: Path, change: object, message: str) -> None:
    change(simulate_snapshots(1, seed=2)).to_parquet(tmp_path / "books.parquet")  # type: ignore[operator]
    with pytest.raises(PanelError, match=message) as error:
        book_features(str(tmp_path / "books.parquet"))
    assert "\n" not in str(error.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "books.parquet").write_bytes(b"PAR1")
    with pytest.raises(PanelError, match="cannot be read"):
        book_features(str(tmp_path / "books.parquet"))


@pytest.mark.skipif(not (BTC_2018.exists() and BARS.exists()), reason="needs hours and bars at ../shared/data")
def test_the_definitions_fit_the_published_table() -> None:
    table = pd.read_parquet(BTC_2018 / "hourly.parquet")
    np.testing.assert_array_equal(table["difference"], table["ask_depth"] - table["bid_depth"])
    np.testing.assert_allclose(table["volume_difference"], table["ask_volume"] - table["bid_volume"], atol=1e-9)
    assert (table[["bid_depth", "ask_depth"]] % 1 == 0).all().all()  # one snapshot, not the mean of several
    assert table["spread"].min() == 0.0  # a bid may equal the lowest ask
    # price times volume: bids of the first tenth lie a little below the last price, asks a little above
    bars = pd.read_parquet(BARS / "BTCUSD.parquet")
    known = bars.set_index(bars["timestamp"] + pd.Timedelta(minutes=1))["close"].astype(float)
    price = known.reindex(pd.DatetimeIndex(table["timestamp"]), method="ffill").to_numpy()
    X = np.column_stack([price * table["bid_slope"], price * table["ask_slope"]])
    weights, *_ = np.linalg.lstsq(X, table["weighted_spread"].to_numpy(), rcond=None)
    np.testing.assert_allclose(weights, [0.995, -1.014], atol=0.002)
    assert np.corrcoef(X[:, 0] - X[:, 1], table["weighted_spread"])[0, 1] > 0.9998
