"""The simulated table of hours: sizes, gaps, and statistics like those of real hours."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volforecast.cli import main
from volforecast.data.hourly import HOUR
from volforecast.data.hourly_files import check_length, read_hourly
from volforecast.data.simulate_hourly import (
    LEADING,
    HourlySettings,
    draw_hours,
    simulate_hourly,
    simulate_snapshots,
    write_simulated_hours,
)
from volforecast.errors import ConfigError
from volforecast.hourly_diagnostics import autocorrelation
from volforecast.hourly_rows import Sample


@pytest.mark.parametrize(("hours", "gaps"), [(500, 0), (500, 2), (700, 4), (900, 1), (2600, 14)])
def test_any_size_can_be_read_and_has_its_gaps(hours: int, gaps: int) -> None:
    for seed in range(5):
        table = simulate_hourly(HourlySettings(hours=hours, gaps=gaps), seed)
        assert len(table) == hours
        assert int((np.diff(table.times) != HOUR).sum()) == gaps
        check_length(table, "simulated")


def test_every_second_gap_is_long_and_ends_with_an_artefact() -> None:
    table = simulate_hourly(HourlySettings(hours=2600, gaps=4), 1)
    after = np.flatnonzero(np.diff(table.times) != HOUR) + 1
    assert table.artefact[after].tolist() == [True, False, True, False]
    assert table.artefact.sum() == 2
    assert table.vol[table.artefact].min() > 3 * np.median(table.vol)


def test_seeds_and_sizes() -> None:
    settings = HourlySettings(hours=600, gaps=1)
    assert simulate_hourly(settings, 1).fingerprint == simulate_hourly(settings, 1).fingerprint
    assert simulate_hourly(settings, 1).fingerprint != simulate_hourly(settings, 2).fingerprint


def test_hours_look_like_those_of_2018() -> None:
    table = simulate_hourly(HourlySettings(hours=13_000, gaps=0), 1)
    assert 5 < np.median(table.vol) < 10  # real: 7.3 per cent, quartiles 5.5 and 10.4
    assert 1.5 < np.quantile(table.vol, 0.75) / np.quantile(table.vol, 0.25) < 2.5
    assert table.vol.max() > 5 * np.median(table.vol)
    memory = autocorrelation(Sample(table, "clean"), np.arange(13_000), 24)["value"].to_numpy()
    assert 0.4 < memory[0] < 0.75
    assert 0.1 < memory[23] < memory[4] < memory[0]
    by_hour = pd.Series(np.log(table.vol)).groupby(table.times.astype("datetime64[h]").astype(int) % 24).mean()
    assert 12 <= by_hour.idxmax() <= 20
    # a return has the volatility of its hour
    scaled = table.returns[1:] * 100 * np.sqrt(365) / table.vol[:-1]
    assert np.std(scaled) == pytest.approx(1.0, abs=0.03)


def test_leading_features_are_known_before_the_hours_that_they_move() -> None:
    table = simulate_hourly(HourlySettings(hours=13_000, gaps=0), 1)
    y, names = np.log(table.vol), table.feature_names
    before = np.column_stack([np.ones(12_975), *(y[24 - lag : 12_999 - lag] for lag in range(1, 25))])
    surprise = y[24:12_999] - before @ np.linalg.lstsq(before, y[24:12_999], rcond=None)[0]
    for i, name in enumerate(names):
        led = abs(np.corrcoef(table.features[24:12_999, i], surprise)[0, 1])
        if name in LEADING:
            assert led > 0.1, name
        else:
            assert led < 0.05, name


def test_the_command_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "hours"
    words = ["simulate-hourly", "--out", str(out), "--hours", "700", "--gaps", "2", "--seed", "7"]
    assert main(words) == 0
    assert "700 hours, 2 gaps" in capsys.readouterr().out
    assert read_hourly(str(out)).fingerprint == simulate_hourly(HourlySettings(hours=700, gaps=2), 7).fingerprint
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*words[:2], str(tmp_path / "other"), "--hours", "100"]) == 2
    assert "hours is 100" in capsys.readouterr().err


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    drawn = draw_hours(HourlySettings(hours=500, gaps=1), 1)
    for name in ("one", "two"):
        write_simulated_hours(drawn, str(tmp_path / name))
    for file in ("hourly.parquet", "sentiment.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(("field", "value"), [("hours", 499), ("gaps", -1), ("gaps", 15)])
def test_settings_out_of_range(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is {value}"):
        HourlySettings(**{field: value})


def test_snapshots_come_every_half_minute_with_both_sides() -> None:
    snapshots = simulate_snapshots(2, seed=1, levels=15)
    moments = snapshots["timestamp"].drop_duplicates()
    assert set(moments.diff().dropna()) == {pd.Timedelta(seconds=30)}
    assert len(moments) == 240
    assert (snapshots.groupby(["timestamp", "side"]).size() == 15).all()
    best_bid = snapshots[snapshots["side"] == "bid"].groupby("timestamp")["price"].max()
    best_ask = snapshots[snapshots["side"] == "ask"].groupby("timestamp")["price"].min()
    assert (best_bid > best_ask).any()  # some cross
    assert (snapshots["price"] < 0.75 * 7000).any()  # some are far away
