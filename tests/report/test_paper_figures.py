"""The paper's printed figures as stored, and what is made of them: claims counted, and the page of results."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import paper_claims, paper_figures
from volforecast.evaluation.layout import PAIRWISE_TABLES

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "docs" / "results" / "teller-2026"
PAPER = ROOT.parent / "shared" / "papers" / "teller-2025-new-issues-transfer-learning.txt"
PERIODS = ["50", "150", "250", "350", "450"]


def stored(number: int) -> pd.DataFrame:
    """A table with its figures as printed."""
    return pd.read_csv(STORED / f"table_{number}.csv", dtype=str)


def matrices(loss: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratios and stars of a loss, 31 by 31 models, NaN on the diagonal."""
    numbers = [number for number, (name, _) in PAIRWISE_TABLES.items() if name == loss]
    table = pd.concat([paper_figures.pairwise(STORED, number) for number in numbers])
    shape = {"index": "benchmark", "columns": "model"}
    return table.pivot(**shape, values="ratio"), table.pivot(**shape, values="significant").eq(True)


def test_no_figure_is_missing_or_twice() -> None:
    three, four = stored(3), stored(4)
    assert set(three["model"]) == set(paper_claims.MODELS)
    assert set(four["model"]) == {"NF", *paper_claims.MODELS}
    assert list(dict.fromkeys(three["period"])) == PERIODS
    assert list(dict.fromkeys(four["period"])) == [*PERIODS, "agg", "all"]
    for table, rows in ((three, 30 * 5 * 2), (four, 31 * 7 * 2)):
        assert len(table) == len(table.drop_duplicates(["model", "period", "loss"])) == rows
    for number, (_, predictors) in PAIRWISE_TABLES.items():
        table = stored(number)
        columns = {model for model in paper_claims.MODELS if model.endswith(predictors)}
        columns |= {"NF"} if predictors == "STD" else set()
        assert set(table["column"]) == columns
        assert set(table["row"]) == {"NF", *paper_claims.MODELS}
        assert len(table) == len(table.drop_duplicates(["row", "column"])) == 31 * len(columns) - len(columns)
        assert set(table["star"]) == {"0", "1"}


def test_aggregate_of_table_4_adds_up_the_periods() -> None:
    counts = paper_figures.included(STORED).pivot(index=["model", "loss"], columns="period", values="included")
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


@pytest.mark.parametrize("loss", ["MSE", "MAE"])
def test_all_days_lie_between_the_periods(loss: str) -> None:
    table = paper_figures.relative(STORED)
    wide = table[table["loss"] == loss].pivot(index="model", columns="period", values="ratio")
    # a target's error over all days lies between those of its periods; means over targets may leave them a little
    assert (wide["all"] > 0.98 * wide[PERIODS].min(axis=1)).all()
    assert (wide["all"] < 1.02 * wide[PERIODS].max(axis=1)).all()
    assert len(wide) == 30


@pytest.mark.skipif(not PAPER.exists(), reason="needs the paper's text at ../shared/papers")
@pytest.mark.parametrize("number", [3, 4, *PAIRWISE_TABLES])
def test_each_row_is_as_printed(number: int) -> None:
    # Written back as lines, the figures must follow the table's heading in the paper.
    text = PAPER.read_text().splitlines()
    first = next(i for i, line in enumerate(text) if line.startswith(f"Table {number}:"))
    printed = [line.removeprefix("\\hdashline") for line in text[first + 1 : first + 36]]
    table = stored(number)
    if number in (3, 4):
        lines = [" ".join([model, *rows["value"]]) for model, rows in table.groupby("model", sort=False)]
    else:
        columns = sorted(set(table["column"]), key=printed[0].find)
        assert " ".join(columns) == printed[0]
        figures = table["value"] + table["star"].map({"0": "", "1": "*"})
        wide = figures.set_axis([table["row"], table["column"]]).unstack().fillna("-")[columns]
        wide = wide.rename(index={"MTL-75 FNN-EXT": "MTL-75 FNN-ECT"})
        lines = [" ".join(row) for row in wide.itertuples()]
    assert set(lines) <= set(printed)
    assert len(lines) == (30 if number == 3 else 31)


def test_claims_are_counted_by_hand() -> None:
    table = pd.DataFrame({"x": [0.7, 0.8, 0.9], "y": [0.8, 0.8, np.nan]}, index=["MTL", "NP", "TO"])
    comparisons = [(["MTL"], ["NP"]), (["NP"], ["TO"]), (["TO", "MTL"], ["NP"])]
    # y: 0.8 is a tie; TO is missing
    assert paper_claims.held(comparisons, table).to_numpy().tolist() == [[True, False], [True, False], [True, False]]


def test_claims_of_the_paper() -> None:
    paper = paper_claims.errors(paper_figures.relative(STORED))
    claims = paper_claims.all_claims()
    table = paper_claims.counted(claims, paper, paper)
    assert {name: len(claims[f"{name} beats {other}"]) for name, other in (("MTL", "NP"), ("NP", "TO"))} == {
        "MTL": 18,
        "NP": 6,
    }
    # by NF's rows of tables 8 and 9: MTL-25 and MTL-50 FNN-STD and MTL-25 XGB-STD are not below their NP
    assert table.loc["MTL beats NP", "MSE, 500 days"] == "15 (15) of 18"
    assert table.loc["MTL beats NF", "MAE, 5 periods"] == "90 (90) of 90"
    best = paper_claims.best(paper, paper)
    assert best.loc["MSE 50", "best"] == "MTL-75 XGB-EXT 0.558"
    assert best.loc["MAE all", "best"] == "MTL-50 XGB-EXT, MTL-75 XGB-EXT 0.826"
    assert best.loc["MAE all", "the paper's best here"] == "0.826, rank 1 of 31"


def test_stars_for_and_against_a_claim() -> None:
    paper = pd.concat([paper_figures.pairwise(STORED, number) for number in PAIRWISE_TABLES])
    none = paper.assign(significant=False)
    claims = {"lower": [(["MTL-75 HAR-STD"], ["NF", "TO HAR-STD"])], "upper": [(["NF"], ["MTL-75 HAR-STD"])]}
    table = paper_claims.stars(claims, none, paper)
    assert table.loc["lower"].to_list() == ["0 (1) of 2", "0 (0) of 2", "0 (2) of 2", "0 (0) of 2"]
    assert table.loc["upper"].to_list() == ["0 (0) of 1", "0 (1) of 1", "0 (0) of 1", "0 (1) of 1"]


def test_claims_by_target() -> None:
    models = ["NF", "TO HAR-STD", "NP HAR-STD"]
    values = {"A": [1.0, 0.9, 0.8], "B": [1.0, 0.8, 0.9]}
    rows = [
        (target, "all", model, loss, value)
        for target, column in values.items()
        for loss in ("MSE", "MAE")
        for model, value in zip(models, column, strict=True)
    ]
    losses = pd.DataFrame(rows, columns=["target", "period", "model", "loss", "mean_loss"])
    claim = {"falls": [(["NP HAR-STD"], ["TO HAR-STD"]), (["NP HAR-STD"], ["NF"])]}
    row = paper_claims.by_target(claim, losses).loc["falls"]
    assert row.to_list() == ["3 of 4", "1 of 2", "1 of 2"] * 2


def test_page_shows_both_figures_and_keeps_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tmp_path / "results" / "tables"
    tables.mkdir(parents=True)
    relative = paper_figures.relative(STORED)
    own = relative.assign(ratio=relative["ratio"] + 0.01)
    pd.concat([own, own[own["loss"] == "MSE"].assign(loss="QLIKE")]).to_parquet(tables / "table_3.parquet")
    paper_figures.included(STORED).to_parquet(tables / "table_4.parquet")
    for number in PAIRWISE_TABLES:
        table = paper_figures.pairwise(STORED, number)
        table.assign(significant=False).to_parquet(tables / f"table_{number}.parquet")
    columns = ["target", "period", "model", "loss", "mean_loss"]
    losses = [("A", "all", model, loss, 1.0) for model in ("NF", *paper_claims.MODELS) for loss in ("MSE", "MAE")]
    pd.DataFrame(losses, columns=columns).to_parquet(tables / "mean_losses.parquet")
    (tmp_path / STORED.name).symlink_to(STORED)
    page = tmp_path / "page.md"
    marker = "<!-- everything below is made by benchmarks/results_page.py -->"
    page.write_text(f"# Words\n\n{marker}\nold numbers")

    script = ROOT / "benchmarks" / "results_page.py"
    monkeypatch.syspath_prepend(str(script.parent))
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "results"), str(page)])
    runpy.run_path(str(script), run_name="__main__")

    text = page.read_text()
    assert text.startswith(f"# Words\n\n{marker}\n")
    assert "old numbers" not in text
    lines = text.splitlines()
    assert any(line.startswith("| TO HAR-STD | 0.757 (0.747) | 1.012 (1.002) |") for line in lines)
    assert any(line.startswith("| NF | - | 0.807 (0.807) | 0.745 (0.745*) |") for line in lines)
    assert any(line.startswith("| MTL-75 XGB-EXT | 3 (3) | 1 (1) |") for line in lines)
    assert "| 8 | 480 | 0 (39) | 0% (8%) | 0 |" in lines
    assert "n/a" not in text
    runpy.run_path(str(script), run_name="__main__")
    assert page.read_text() == text
