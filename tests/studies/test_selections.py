"""The stored selections, and the way back from them to training rows."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from tests import naive
from tests.studies.test_rolling import TARGET, market, selector, world
from volforecast.config import load_settings
from volforecast.data.parquet import from_parquet, to_parquet
from volforecast.errors import ConfigError
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.selections import SELECTION_SCHEMA, selected_rows, selection_table
from volforecast.transfer.dtw import DTW
from volforecast.transfer.selection import INCLUSION_RATES, Selection, select
from volforecast.transfer.subsequences import make_shards, measure, queries_at

ORIGINS = [50, 55, 60]


def selections(origins: list[int]) -> list[Selection]:
    rows = market().rows
    queries = [queries_at(rows, TARGET, [origin], 22) for origin in origins]
    shards = make_shards(rows, market().sources, 3)
    return [select([measure(shard, query)[0] for shard in shards]) for query in queries]


def test_one_row_for_each_origin_and_block() -> None:
    table = selection_table(market().rows, TARGET, 50, ORIGINS, selections(ORIGINS))
    assert table.schema == SELECTION_SCHEMA
    frame, expected = table.to_pandas(), []
    for origin in ORIGINS:
        blocks = world().distances(TARGET, origin)
        limits = {rate: naive.quantile([block.distance for block in blocks], rate) for rate in INCLUSION_RATES}
        for asset, start, distance in blocks:
            date = world().dates[asset][start - 1].date()
            chosen = [distance <= limits[rate] for rate in INCLUSION_RATES]
            expected.append((TARGET, 50, origin, asset, date, distance, *chosen))
    slow = pd.DataFrame(expected, columns=SELECTION_SCHEMA.names)
    np.testing.assert_allclose(frame["distance"], slow["distance"], rtol=1e-12)
    for column in frame.columns.drop("distance"):
        assert frame[column].tolist() == slow[column].tolist(), column


@pytest.mark.parametrize("rate", INCLUSION_RATES)
def test_the_rows_of_a_selection_survive_storage(rate: int) -> None:
    table = selection_table(market().rows, TARGET, 50, ORIGINS, selections(ORIGINS))
    found = selected_rows(market().rows, from_parquet(to_parquet(table)), rate, 22)
    assert list(found) == ORIGINS
    for origin in ORIGINS:
        assert found[origin].tolist() == selector(market(), rate)(origin).tolist()
        pairs = world().training_pairs(TARGET, origin, f"MTL-{rate}") - set(naive.own_pairs(TARGET, origin))
        rows = {market().rows.first_row(asset) + t - 1 for asset, t in pairs}
        assert set(found[origin].tolist()) == rows
        assert len(found[origin]) == len(rows)


def test_the_same_selections_are_the_same_bytes() -> None:
    one, two = (to_parquet(selection_table(market().rows, TARGET, 50, ORIGINS, selections(ORIGINS))) for _ in range(2))
    assert one == two


def test_rows_of_overlapping_windows_are_chosen_once() -> None:
    rows, dtw = market().rows, DTW(windows="overlapping")
    shards = make_shards(rows, market().sources, 2, 22, dtw)
    answers = [measure(shard, queries_at(rows, TARGET, ORIGINS, 22)) for shard in shards]
    found = [select([answer[i] for answer in answers]) for i in range(len(ORIGINS))]
    table = selection_table(rows, TARGET, 50, ORIGINS, found)
    for rate in INCLUSION_RATES:
        chosen = selected_rows(rows, from_parquet(to_parquet(table)), rate, 22)
        for origin, selection in zip(ORIGINS, found, strict=True):
            starts = selection.start[selection.selected[rate]]
            assert chosen[origin].tolist() == sorted({int(start) + i for start in starts for i in range(22)})
            assert len(chosen[origin]) < 22 * len(starts)


def test_no_blocks_give_an_empty_table() -> None:
    nothing = select([measure(shard, queries_at(market().rows, TARGET, [50], 49))[0] for shard in []] or [empty()])
    table = selection_table(market().rows, TARGET, 50, [50], [nothing])
    assert table.num_rows == 0
    assert table.schema == SELECTION_SCHEMA


def empty() -> Selection:
    return Selection(np.empty(0, dtype=np.int64), np.empty(0), {})


# -------------------------------------------------------------------------------------------------------- the settings


def keys(settings: NewIssuesConfig) -> dict[str, str]:
    study = NewIssues(settings.checked())
    return {unit.name: unit.key for unit in study.plan(market()).units}


def test_the_settings_change_selections_and_what_needs_them_and_nothing_else() -> None:
    small = NewIssuesConfig(periods=(50,), models=("HAR-STD",), horizon_days=10)
    before = keys(small)
    for dtw in (DTW(windows="overlapping"), DTW(precision="float32"), DTW(device="cuda")):
        after = keys(msgspec.structs.replace(small, dtw=dtw))
        changed = {name.partition("/50/")[2] for name in before if after[name] != before[name]}
        assert changed == {"selection", "confidence", *(f"MTL-{rate} HAR-STD" for rate in INCLUSION_RATES)}


@pytest.mark.parametrize(("key", "value"), [("windows", "rolling"), ("precision", "float16"), ("device", "gpu")])
def test_a_wrong_setting_is_named_in_one_line(key: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f'[dtw]\n{key} = "{value}"\n')
    with pytest.raises(ConfigError) as error:
        load_settings(NewIssuesConfig, str(file), {})
    assert all(word in str(error.value) for word in (value, f"dtw.{key}"))
    assert "\n" not in str(error.value)


def test_the_study_scans_as_its_settings_say() -> None:
    for dtw in (DTW(), DTW(windows="overlapping"), DTW(precision="float32")):
        study = NewIssues(NewIssuesConfig(periods=(50,), horizon_days=10, dtw=dtw).checked())
        unit = next(unit for unit in study.plan(market()).units if unit.kind == "selection")
        query = study.query(market(), unit)
        answers = [study.scan(shard, query) for shard in study.shards(market(), 2)]
        table = from_parquet(study.run(unit, market(), {}, answers).payload)
        shard = make_shards(market().rows, market().sources, 1, 22, dtw)[0]
        expected = [select([found]) for found in measure(shard, queries_at(market().rows, TARGET, [50, 55], 22))]
        assert table.equals(selection_table(market().rows, TARGET, 50, [50, 55], expected))
