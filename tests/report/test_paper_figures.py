"""The paper's printed figures as stored: against the paper's text, against each other, and as they are read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volforecast.errors import InputError
from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.report import paper
from volforecast.report.claims.lookups import MODELS

PAPER = Path(__file__).resolve().parents[3] / "shared" / "papers" / "teller-2025-new-issues-transfer-learning.txt"
PERIODS = ["50", "150", "250", "350", "450"]
STRATEGIES = {"Str. 1-1-1": (1, 1, 1), "Str. 1-5-5": (1, 5, 5), "Str. 1-5-22": (1, 5, 22)}
LARGE = ">>> 99"
"""How the paper's text has `> 99`."""


def matrices(loss: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratios and stars of a loss, 31 by 31 models, NaN on the diagonal."""
    numbers = [number for number, (name, _) in PAIRWISE_TABLES.items() if name == loss]
    table = pd.concat([paper.figures(number) for number in numbers])
    shape = {"index": "benchmark", "columns": "model"}
    return table.pivot(**shape, values="ratio"), table.pivot(**shape, values="significant").eq(True)


@pytest.mark.parametrize(
    ("number", "keys", "rows"),
    [
        (1, ["asset"], 10),
        (3, ["model", "period", "loss"], 30 * 5 * 2),
        (4, ["model", "period", "loss"], 31 * 7 * 2),
        (5, ["loss", "row", "column"], 2 * 3 * 3),
        (6, ["model", "strategy", "loss"], (6 * 3 + 6 * 4) * 2),
        (7, ["asset"], 66),
        (8, ["row", "column"], 16 * 30),
        (9, ["row", "column"], 15 * 30),
        (10, ["row", "column"], 16 * 30),
        (11, ["row", "column"], 15 * 30),
        *((number, ["asset", "target"], 66 * 10) for number in (12, 13, 14)),
        *((number, ["model", "period", "loss"], 30 * 3 * 2) for number in (15, 16, 17)),
    ],
)
def test_no_figure_is_missing_or_twice(number: int, keys: list[str], rows: int) -> None:
    table = paper.printed(number)
    assert len(table) == len(table.drop_duplicates(keys)) == rows
    assert (table != "").to_numpy().all()


def test_names_are_those_of_the_models_and_assets() -> None:
    assert set(paper.printed(3)["model"]) == set(MODELS) - {"NF"}
    assert set(paper.printed(4)["model"]) == set(MODELS)
    assert list(dict.fromkeys(paper.printed(3)["period"])) == PERIODS
    assert list(dict.fromkeys(paper.printed(4)["period"])) == [*PERIODS, "agg", "all"]
    for number, (_, predictors) in PAIRWISE_TABLES.items():
        table = paper.printed(number)
        columns = {model for model in MODELS if model.endswith(predictors)}
        assert set(table["column"]) == columns | ({"NF"} if predictors == "STD" else set())
        assert set(table["row"]) == set(MODELS)
        assert set(table["star"]) == {"0", "1"}
    assert set(paper.printed(6)["model"]) == set(MODELS) - {"NF"}
    for number, prefix in paper.FIRST_DAYS_TABLES.items():
        assert {name.removeprefix(f"{prefix}-") for name in paper.printed(number)["model"]} == set(MODELS) - {"NF"}
    sources, targets = paper.printed(7), paper.printed(1)
    assert sources["sector"].value_counts().tolist() == [6] * 11
    assert set(targets["sector"]) < set(sources["sector"])
    for number in paper.SELECTION_TABLES:
        table = paper.printed(number)
        assert table.drop_duplicates("asset")[["asset", "sector"]].to_numpy().tolist() == sources.to_numpy().tolist()
        assert list(table["target"][:10]) == list(targets["asset"])


def test_aggregate_of_table_4_adds_up_the_periods() -> None:
    counts = paper.figures(4).pivot(index=["model", "loss"], columns="period", values="included")
    assert (counts[PERIODS].sum(axis=1) == counts["agg"]).all()
    assert counts[[*PERIODS, "all"]].to_numpy().max() <= 10


@pytest.mark.parametrize("loss", ["MSE", "MAE"])
def test_pairwise_tables_agree_with_themselves(loss: str) -> None:
    ratios, stars = matrices(loss)
    # the means of a positive ratio and of its inverse have a product of at least one, here up to rounding
    product = (ratios + 0.0005) * (ratios.T + 0.0005)
    assert product.min().min() >= 1.0
    assert not (stars & stars.T).to_numpy().any(), "each of two models significantly better than the other"
    assert ratios[stars].max().max() < 1.0


def test_strategies_agree_with_themselves() -> None:
    for _, table in paper.figures(5).groupby("loss"):
        ratios = table.pivot(index="row", columns="column", values="ratio")
        assert (np.diag(ratios) == 1.0).all()
        assert ((ratios + 0.0005) * (ratios.T + 0.0005)).min().min() >= 1.0


@pytest.mark.parametrize("loss", ["MSE", "MAE"])
def test_all_days_lie_between_the_periods(loss: str) -> None:
    table = paper.figures(3)
    wide = table[table["loss"] == loss].pivot(index="model", columns="period", values="ratio")
    # a target's error over all days lies between those of its periods; means over targets may leave them a little
    assert (wide["all"] > 0.98 * wide[PERIODS].min(axis=1)).all()
    assert (wide["all"] < 1.02 * wide[PERIODS].max(axis=1)).all()
    assert len(wide) == 30


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_strategies_of_table_6_lie_between_their_periods_in_tables_15_to_17(strategy: str) -> None:
    first_days = pd.concat([paper.figures(number) for number in paper.FIRST_DAYS_TABLES])
    errors = first_days.set_index(["model", "period", "loss"])["ratio"]
    table = paper.figures(6)
    rows = table[table["strategy"] == strategy]
    for model, loss, ratio in zip(rows["model"], rows["loss"], rows["ratio"], strict=True):
        parts = [
            errors[f"{prefix}-{model}", period, loss]
            for prefix, period in zip(STRATEGIES[strategy], ("1", "5", "22"), strict=True)
        ]
        assert 0.98 * min(parts) < ratio, (model, loss)
        assert ratio <= 1.02 * max(parts), (model, loss)
    assert len(rows) == (60 if strategy == "Str. 1-5-22" else 12)


def test_selection_rates_add_up_to_the_inclusion_rates() -> None:
    rates = {
        inclusion: paper.figures(number).set_index(["asset", "target"])["selection_rate"]
        for number, inclusion in paper.SELECTION_TABLES.items()
    }
    for inclusion, table in rates.items():
        # sources have nearly equal numbers of windows, so the mean over them is nearly the rate
        assert (table.groupby("target").mean() - inclusion / 100).abs().max() < 0.025
        gaps = table[table.isna()].index
        assert set(gaps) == {("LIN", t) for t in ("TWTR", "NCLH", "PSX", "SYF")} | {("QRVO", "PSX"), ("WRK", "PSX")}
    # selections are nested; the exceptions are the paper's
    falls = [(rates[more] < rates[fewer]).sum() for fewer, more in ((25, 50), (50, 75))]
    assert falls == [3, 8]


def test_periods_before_a_model_is_possible_are_missing() -> None:
    found = {number: set(paper.figures(number)["period"]) for number in paper.FIRST_DAYS_TABLES}
    assert found == {15: {"1", "5", "22"}, 16: {"5", "22"}, 17: {"22"}}
    assert sum((paper.printed(number)["value"] == paper.MISSING).sum() for number in (15, 16, 17)) == 60 + 120


def test_figures_as_numbers() -> None:
    three = paper.figures(3).set_index(["model", "period", "loss"])["ratio"]
    assert three["TO HAR-EXT", "50", "MSE"] == 1660.889
    assert three["MTL-75 FNN-EXT", "all", "MSE"] == 0.668
    six = paper.figures(6).set_index(["model", "strategy", "loss"])["ratio"]
    assert six["TO FNN-EXT", "Str. 1-5-5", "MSE"] == np.inf
    assert np.isinf(six).sum() == 4
    eight = paper.figures(8).set_index(["benchmark", "model"])
    assert eight.loc[[("NF", "NP HAR-STD")]].to_numpy().tolist() == [["MSE", 0.745, True]]
    twelve = paper.figures(12).set_index(["asset", "target"])
    assert twelve.loc[[("EA", "TWTR")]].to_numpy().tolist() == [["Communication Services", True, 0.62]]
    assert not twelve.loc[("EA", "LW"), "same_sector"]
    assert paper.figures(1)["first_day"].tolist()[0] == "2013-11-07"
    assert set(paper.tables()) == {f"table_{number}" for number in range(3, 18) if number != 7}


def test_a_reader_cannot_change_the_figures_of_the_next() -> None:
    table = paper.figures(3)
    table.loc[:, "ratio"] = 0.0
    assert paper.figures(3)["ratio"].min() > 0.5


@pytest.mark.parametrize("number", [0, 2, 18])
def test_tables_that_are_not_at_hand(number: int) -> None:
    with pytest.raises(InputError, match=f"table {number} is not at hand"):
        paper.figures(number)


def test_beside_keeps_the_papers_rows_and_says_what_a_run_lacks() -> None:
    three = paper.figures(3)
    own = three[three["model"] != "TO HAR-STD"].assign(ratio=lambda table: table["ratio"] + 0.5, targets=10)
    extra = own[own["model"] == "MTL-75 XGB-EXT"].assign(model="HARQ")
    table = paper.beside({"table_3": pd.concat([extra, own[::-1]])}, 3)
    assert table.columns.to_list() == ["model", "period", "loss", "ours", "paper", "difference"]
    assert table["paper"].to_list() == three["ratio"].to_list()
    lacking = table["model"] == "TO HAR-STD"
    assert table.loc[lacking, ["ours", "difference"]].isna().all(axis=None)
    assert np.allclose(table.loc[~lacking, "difference"], 0.5)


@pytest.mark.parametrize("number", [4, 5, 6, 8, 9, 10, 11, 15, 16, 17])
def test_the_paper_beside_itself(number: int) -> None:
    table = paper.beside(paper.tables(), number)
    assert (table["ours"] == table["paper"]).all()
    assert len(table) == len(paper.figures(number))


def test_beside_takes_periods_as_numbers_and_strategies_without_a_diagonal() -> None:
    numbers = paper.figures(16).assign(period=lambda table: table["period"].astype(int))
    table = paper.beside({"table_16": numbers}, 16)
    assert (table["ours"] == table["paper"]).all()
    five = paper.figures(5)
    table = paper.beside({"table_5": five[five["row"] != five["column"]]}, 5)
    assert (table["difference"] == 0.0).all()


def test_beside_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="table 12 cannot be set beside"):
        paper.beside(paper.tables(), 12)
    with pytest.raises(InputError, match="no table_15"):
        paper.beside({}, 15)


def _lines(number: int) -> list[str]:
    """The stored figures written as the paper's lines."""
    table = paper.printed(number)
    if number == 1:
        days = pd.to_datetime(table["first_day"]).dt.strftime("%d.%m.%Y")
        return [" ".join(row) for row in zip(table["asset"], days, table["kind"], strict=True)]
    value = table["value"].replace(paper.BEYOND, LARGE)
    if number in (3, 4, *paper.FIRST_DAYS_TABLES):
        return [" ".join([model, *values]) for model, values in value.groupby(table["model"], sort=False)]
    if number == 5:
        return [" ".join([row, *values]) for row, values in value.groupby(table["row"], sort=False)]
    if number == 6:
        parts = table["model"].str.extract(r"(?P<approach>\S+) (?P<class>\w+)-(?P<predictors>\w+)")
        keys = table["strategy"] + " " + parts["approach"] + "-" + parts["predictors"]
        assert list(parts["class"][:6]) == ["HAR", "FNN", "XGB"] * 2
        return [" ".join([key, *values]) for key, values in value.groupby(keys, sort=False)]
    if number in paper.SELECTION_TABLES:
        lines = [" ".join([asset, *values]) for asset, values in value.groupby(table["asset"], sort=False)]
        first = ~table.drop_duplicates("asset")["sector"].duplicated()
        sectors = table.drop_duplicates("asset")["sector"]
        return [f"{s} {line}" if new else line for s, new, line in zip(sectors, first, lines, strict=True)]
    figures = value + table["star"].map({"0": "", "1": "*"})
    order = sorted(set(table["column"]), key=_printed(number)[0].find)
    wide = figures.set_axis([table["row"], table["column"]]).unstack().fillna("-")[order]
    wide = wide.rename(index={"MTL-75 FNN-EXT": "MTL-75 FNN-ECT"})
    return [" ".join(order), *(" ".join(row) for row in wide.itertuples())]


def _printed(number: int) -> list[str]:
    """The lines below a table's heading in the paper's text."""
    text = PAPER.read_text().splitlines()
    first = next(i for i, line in enumerate(text) if line.startswith(f"Table {number}:"))
    return [line.removeprefix("\\hdashline") for line in text[first + 1 : first + 75]]


@pytest.mark.skipif(not PAPER.exists(), reason="needs the paper's text at ../shared/papers")
@pytest.mark.parametrize("number", paper.NUMBERS)
def test_each_row_is_as_printed(number: int) -> None:
    # Written back as lines, the figures must follow the table's heading in the paper, in its order.
    printed = _printed(number)
    if number in (1, 7):  # the names of companies are left out
        table = paper.printed(number)
        assert [line.split()[0] for line in printed[1 : len(table) + 1]] == list(table["asset"])
        rows = list(zip(printed[1 : len(table) + 1], table["sector"], strict=True))
        assert [line for line, sector in rows if not line.endswith(f" {sector}")] == []
        if number == 1:
            assert [
                words for words, line in zip(_lines(1), printed[1:11], strict=True) if not line.startswith(words)
            ] == []
        return
    lines = _lines(number)
    if number in PAIRWISE_TABLES:
        assert printed[0] == lines[0]
        assert set(lines[1:]) <= set(printed[1:32])
    else:
        first = printed.index(lines[0])
        assert printed[first : first + len(lines)] == lines
    assert len(lines) == {3: 30, 4: 31, 5: 3, 6: 14, 12: 66, 13: 66, 14: 66, 15: 30, 16: 30, 17: 30}.get(number, 32)
