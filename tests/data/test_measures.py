"""Realized measures of a panel: read when asked for, checked, and outside of the panel's own fingerprint."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import naive
from volforecast.data.measures import MEASURES
from volforecast.data.panel import Panel, read_panel
from volforecast.data.realized import EXTRA, daily_from_bars
from volforecast.data.simulate import SimulatorSettings, simulate_panel, write_simulated
from volforecast.errors import PanelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("measures") / "panel"
    settings = SimulatorSettings(sources=2, targets=1, source_days=120, target_days=80)
    write_simulated(simulate_panel(settings, 5), out)
    return out


def changed(folder: Path, out: Path, **columns: object) -> Path:
    """The panel with other columns in its daily table; None drops one."""
    daily = pd.read_parquet(folder / "daily.parquet")
    daily = daily.assign(**{name: values for name, values in columns.items() if values is not None})
    daily = daily.drop(columns=[name for name, values in columns.items() if values is None])
    out.mkdir()
    (out / "assets.parquet").write_bytes((folder / "assets.parquet").read_bytes())
    daily.to_parquet(out / "daily.parquet")
    return out


def read(folder: Path, *measures: str) -> Panel:
    return read_panel(str(folder), measures=measures)


def test_measures_are_read_when_asked_for(folder: Path) -> None:
    assert sorted(MEASURES) == sorted(EXTRA)  # bars give all of them
    plain, some = read(folder), read(folder, "rs_pos", "bpv")
    assert not set(MEASURES) & set(plain.daily)
    assert not plain.measures
    assert list(some.daily)[-2:] == ["bpv", "rs_pos"]
    assert list(some.measures) == ["bpv", "rs_pos"]
    written = pd.read_parquet(folder / "daily.parquet").sort_values(["asset", "date"])
    np.testing.assert_array_equal(some.daily["bpv"], written["bpv"])


def test_a_panel_is_the_same_with_and_without_measures(folder: Path, tmp_path: Path) -> None:
    """What models that do not use a measure have computed stays valid when it is added, corrected or removed."""
    plain = read(folder)
    bare = changed(folder, tmp_path / "bare", **dict.fromkeys(MEASURES))
    rq = pd.read_parquet(folder / "daily.parquet")["rq"].to_numpy().copy()
    rq[7] *= 1.5
    corrected = changed(folder, tmp_path / "corrected", rq=rq)
    dropped_market = read(changed(folder, tmp_path / "same"))
    prints = {read(bare, *MEASURES).fingerprint, read(corrected, *MEASURES).fingerprint, dropped_market.fingerprint}
    assert len(prints) == 1
    assert read(folder, *MEASURES).fingerprint == plain.fingerprint
    before, after = read(folder, *MEASURES).measures, read(corrected, *MEASURES).measures
    assert {name for name in MEASURES if before[name] != after[name]} == {"rq"}
    assert read(bare, "rq").measures == {}


def test_the_fingerprint_of_the_dow_30_is_what_it_was_before_there_were_measures() -> None:
    panel = naive.dj30()
    assert panel.fingerprint == "e2898293e9bbbebbf21f6d759b0187128627caf688a774716201b005d684fbc0"
    assert read_panel(str(naive.DJ30), measures=("bpv",)).fingerprint == panel.fingerprint


def test_bipower_variation_of_the_dow_30_has_its_factor() -> None:
    """Near rv without jumps; without the factor pi/2 the median would be about 0.6."""
    naive.dj30()
    daily = read_panel(str(naive.DJ30), measures=("bpv",)).daily
    assert 0.9 < (daily["bpv"] / daily["rv"]).median() < 1.0


def test_a_column_that_no_model_asks_for_may_hold_anything(folder: Path, tmp_path: Path) -> None:
    odd = changed(folder, tmp_path / "odd", rq="none")
    assert read(odd).fingerprint == read(changed(folder, tmp_path / "same")).fingerprint
    with pytest.raises(PanelError, match="rq is 'none', not a number"):
        read(odd, "rq")


def test_days_without_a_measure_are_allowed(folder: Path, tmp_path: Path) -> None:
    bpv = pd.read_parquet(folder / "daily.parquet")["bpv"].to_numpy().copy()
    bpv[3] = np.nan
    assert read(changed(folder, tmp_path / "gap", bpv=bpv), "bpv").daily["bpv"].isna().sum() == 1


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("rq", -1e-9, "rq is -1e-09"),
        ("bpv", np.inf, "bpv is inf"),
        ("rs_neg", 2e4, "rs_neg is 20000"),
    ],
)
def test_values_that_no_measure_can_have(folder: Path, tmp_path: Path, name: str, change: float, words: str) -> None:
    values = pd.read_parquet(folder / "daily.parquet")[name].to_numpy().copy()
    values[5] = change
    with pytest.raises(
        PanelError, match=rf"^daily.parquet: asset \w+, \d{{4}}-\d\d-\d\d: {words}.*correct it"
    ) as error:
        read(changed(folder, tmp_path / "bad", **{name: values}), name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "factor"), [("bpv", 1e4), ("rs_neg", 1e4), ("rs_pos", 1e4), ("rq", 1e8)])
def test_per_cent_is_not_taken_for_decimals(folder: Path, tmp_path: Path, name: str, factor: float) -> None:
    values = pd.read_parquet(folder / "daily.parquet")[name].to_numpy()
    with pytest.raises(PanelError, match=f"median {name} is .* must be decimal as rv is") as error:
        read(changed(folder, tmp_path / "per-cent", **{name: factor * values}), name)
    assert "\n" not in str(error.value)


def test_an_unknown_measure_is_named(folder: Path) -> None:
    with pytest.raises(PanelError, match="measures: medrv is none of bpv, rq, rs_neg, rs_pos"):
        read(folder, "medrv")


def test_simulated_measures_are_those_of_simulated_bars() -> None:
    settings = SimulatorSettings(sources=2, targets=0, source_days=40, target_days=1, bars_days=9)
    panel = simulate_panel(settings, 11)
    bars = pd.concat([table.assign(asset=asset) for asset, table in panel.bars.items()], ignore_index=True)
    made = daily_from_bars(bars, extra=True).daily.set_index(["asset", "date"])
    last = panel.daily.set_index(["asset", "date"]).loc[made.index]
    for name in ("rv", *EXTRA):
        np.testing.assert_allclose(last[name], made[name], rtol=1e-12)
    everything = panel.daily
    np.testing.assert_allclose(everything["rs_neg"] + everything["rs_pos"], everything["rv"], rtol=1e-12)
    assert (everything["rq"] >= everything["rv"] ** 2 / 3 * (1 - 1e-12)).all()  # Cauchy and Schwarz


def test_a_column_of_lists_is_no_measure(folder: Path, tmp_path: Path) -> None:
    lists = [[1.0]] * len(pd.read_parquet(folder / "daily.parquet"))
    with pytest.raises(PanelError, match="rq") as error:
        read(changed(folder, tmp_path / "lists", rq=lists), "rq")
    assert "\n" not in str(error.value)
