"""The stored selections, and the way back from them to training rows."""

import numpy as np
import pandas as pd
import pytest

from tests import naive
from tests.studies.test_rolling import TARGET, market, selector, world
from volforecast.data.parquet import from_parquet, to_parquet
from volforecast.studies.rolling import query_at
from volforecast.studies.selections import SELECTION_SCHEMA, selected_rows, selection_table
from volforecast.transfer.selection import INCLUSION_RATES, Selection, select
from volforecast.transfer.subsequences import make_shards, measure

ORIGINS = [50, 55, 60]


def selections(origins: list[int]) -> list[Selection]:
    rows = market().rows
    queries = [query_at(rows, TARGET, origin, 22) for origin in origins]
    shards = make_shards(rows, market().sources, 3)
    return [select([measure(shard, query) for shard in shards]) for query in queries]


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


def test_no_blocks_give_an_empty_table() -> None:
    nothing = select([measure(shard, query_at(market().rows, TARGET, 50, 49)) for shard in []] or [empty()])
    table = selection_table(market().rows, TARGET, 50, [50], [nothing])
    assert table.num_rows == 0
    assert table.schema == SELECTION_SCHEMA


def empty() -> Selection:
    return Selection(np.empty(0, dtype=np.int64), np.empty(0), {})
