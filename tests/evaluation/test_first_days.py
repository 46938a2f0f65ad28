"""Transition strategies and the tables of the first days against plain loops."""

import math
from statistics import mean

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.naive_evaluation import loss
from volforecast.evaluation.first_days import (
    PERIODS,
    STRATEGIES,
    base_name,
    by_prefix,
    served,
    strategy_losses,
    strategy_table,
    transition_table,
)

MODELS = ["TO HAR-STD", "NP HAR-STD", "NP XGB-EXT", "MTL-25 HAR-STD", "MTL-75 FNN-EXT"]
DAYS = {1: 4, 5: 17, 22: 28}
LOSS_NAMES = ["MSE", "MAE", "QLIKE"]
BROKEN = ("T1", 22, 40, "22-NP XGB-EXT")  # target, period, origin and model of a forecast that failed


def forecasts_of(targets: int = 3, seed: int = 1) -> pd.DataFrame:
    """A random run in shuffled order: one forecast failed, and one is absurdly large."""
    rng = np.random.default_rng(seed)
    rows = []
    for target in (f"T{number}" for number in range(targets)):
        for period, days in DAYS.items():
            for origin in range(period, period + days):
                date, realized = pd.Timestamp("2015-01-01") + pd.Timedelta(days=origin), float(rng.lognormal())
                names = [(p, f"{p}-{model}") for p in PERIODS if p <= period for model in MODELS]
                for prefix, model in [(None, "NF"), *names]:
                    value, status = realized * float(np.exp(rng.normal(0, 0.5))), "ok"
                    if (target, period, origin, model) == BROKEN:
                        value, status = np.nan, "failed"
                    if (target, origin, model) == ("T2", 7, "5-TO HAR-STD"):
                        value = 1e6
                    rows.append((target, period, origin, date, model, value, realized, status, prefix))
    columns = ["target", "period", "origin", "date", "model", "forecast", "realized", "status", "prefix"]
    return pd.DataFrame(rows, columns=columns).sample(frac=1.0, random_state=seed)


def plain_loss(forecasts: pd.DataFrame, target: str, strategy: str, model: str, name: str) -> float:
    """The mean loss over 49 days of the models that serve, found row by row; NaN where a forecast is missing."""
    first, second, third = map(int, strategy.removeprefix("Str. ").split("-"))
    found = []
    for row in forecasts[forecasts["target"] == target].itertuples():
        prefix = first if row.origin < 5 else second if row.origin < 22 else third
        if row.model == (model if model == "NF" else f"{prefix}-{model}"):
            found.append(loss(name, row.forecast if row.status != "failed" else math.nan, row.realized))
    assert len(found) == 49
    return mean(found)


def plain_ratio(pairs: list[tuple[float, float]]) -> tuple[float, int]:
    ratios = [a / b for a, b in pairs if not math.isnan(a) and not math.isnan(b)]
    return (mean(ratios) if ratios else math.nan), len(ratios)


def test_table_5_agrees_with_plain_loops() -> None:
    forecasts = forecasts_of()
    table = strategy_table(strategy_losses(forecasts))
    assert list(table.columns) == ["loss", "row", "column", "ratio", "pairs", "left_out"]
    assert len(table) == 3 * 9
    pooled = [(target, model) for target in ("T0", "T1", "T2") for model in MODELS if not model.startswith("TO")]
    plain = {
        (name, strategy): [plain_loss(forecasts, *pair[:1], strategy, pair[1], name) for pair in pooled]
        for name in LOSS_NAMES
        for strategy in STRATEGIES
    }
    for row in table.itertuples():
        ratio, count = plain_ratio(list(zip(plain[row.loss, row.column], plain[row.loss, row.row], strict=True)))
        assert row.ratio == pytest.approx(ratio, rel=1e-12)
        assert (row.pairs, row.left_out) == (count, len(pooled) - count)
    failed = table[(table["row"] == "Str. 1-5-22") & (table["column"] == "Str. 1-1-1")]
    assert failed["left_out"].tolist() == [1, 1, 1]


def test_table_6_agrees_with_plain_loops() -> None:
    forecasts = forecasts_of()
    table = transition_table(strategy_losses(forecasts))
    assert list(table.columns) == ["model", "strategy", "loss", "ratio", "targets", "left_out"]
    strategies = table.groupby("model")["strategy"].unique().map(list).to_dict()
    assert strategies.pop("TO HAR-STD") == list(STRATEGIES)
    assert all(names == ["Str. 1-5-22"] for names in strategies.values())
    assert set(strategies) == {model for model in MODELS if not model.startswith("TO")}
    for row in table.itertuples():
        pairs = [
            (
                plain_loss(forecasts, target, row.strategy, row.model, row.loss),
                plain_loss(forecasts, target, row.strategy, "NF", row.loss),
            )
            for target in ("T0", "T1", "T2")
        ]
        ratio, count = plain_ratio(pairs)
        assert row.ratio == pytest.approx(ratio, rel=1e-12)
        assert (row.targets, row.left_out) == (count, 3 - count)
    exploded = table[(table["model"] == "TO HAR-STD") & (table["loss"] == "MSE")].set_index("strategy")["ratio"]
    assert exploded["Str. 1-5-5"] > 99  # shown as it is
    assert exploded["Str. 1-1-1"] < 99


def test_tables_15_to_17_agree_with_plain_loops() -> None:
    forecasts = forecasts_of()
    for prefix in PERIODS:
        table = by_prefix(forecasts, prefix)
        assert list(table.columns) == ["model", "period", "loss", "ratio", "targets", "left_out"]
        assert set(table["model"]) == {f"{prefix}-{model}" for model in MODELS}
        assert set(table["period"]) == {str(period) for period in PERIODS if period >= prefix}
        for row in table.itertuples():
            pairs = []
            for target in ("T0", "T1", "T2"):
                own = forecasts[(forecasts["target"] == target) & (forecasts["period"] == int(row.period))]
                sums = [
                    mean(loss(row.loss, day.forecast, day.realized) for day in own[own["model"] == name].itertuples())
                    for name in (row.model, "NF")
                ]
                pairs.append((sums[0], sums[1]))
            ratio, count = plain_ratio(pairs)
            assert row.ratio == pytest.approx(ratio, rel=1e-12)
            assert (row.targets, row.left_out) == (count, 3 - count)


def test_the_order_of_rows_changes_nothing() -> None:
    one, other = forecasts_of(), forecasts_of().sample(frac=1.0, random_state=9)
    assert strategy_losses(one).equals(strategy_losses(other))
    assert by_prefix(one, 5).equals(by_prefix(other, 5))


def test_a_strategy_serves_every_day_once() -> None:
    forecasts = forecasts_of()
    for strategy, prefixes in STRATEGIES.items():
        series = served(forecasts, strategy)
        assert series.groupby(["target", "model"]).size().eq(49).all()
        assert set(series["model"]) == {"NF", *MODELS}
        joined = series.merge(forecasts, on=["target", "date", "forecast"], suffixes=("", "_of")).dropna(
            subset="prefix"
        )
        assert (joined["prefix"] == joined["period"].map(prefixes)).all()


def test_a_target_whose_periods_are_not_all_there_is_in_no_strategy() -> None:
    forecasts = forecasts_of()
    forecasts = forecasts[(forecasts["target"] != "T0") | (forecasts["period"] != 22)]
    assert set(served(forecasts, "Str. 1-5-5")["target"]) == {"T1", "T2"}
    assert set(strategy_losses(forecasts)["target"]) == {"T1", "T2"}
    counts = by_prefix(forecasts, 1).set_index(["period", "loss", "model"])["targets"]
    assert counts["5", "MSE", "1-NP HAR-STD"] == 3
    assert counts["22", "MSE", "1-NP HAR-STD"] == 2


def test_without_some_prefixes_there_are_fewer_strategies() -> None:
    forecasts = forecasts_of()
    only_1 = forecasts[forecasts["prefix"].isna() | (forecasts["prefix"] == 1)]
    table = strategy_table(strategy_losses(only_1))
    assert set(table["row"]) == set(table["column"]) == {"Str. 1-1-1"}
    only_22 = forecasts[forecasts["prefix"].isna() | (forecasts["prefix"] == 22)]
    assert strategy_losses(only_22).empty
    assert by_prefix(only_22, 5).empty
    assert set(by_prefix(only_22, 22)["period"]) == {"22"}


@pytest.mark.parametrize(
    ("model", "base"),
    [("5-MTL-75 XGB-EXT", "MTL-75 XGB-EXT"), ("MTL-75 XGB-EXT", "MTL-75 XGB-EXT"), ("22-TO HAR-STD", "TO HAR-STD")],
)
def test_the_prefix_comes_off(model: str, base: str) -> None:
    assert base_name(model) == base
    assert base_name("NF") == "NF"
