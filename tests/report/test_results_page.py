"""The page of results: figures of a run beside the paper's, below words that stay."""

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.report import paper
from volforecast.report.claims.lookups import MODELS

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "results_page.py"
MARKER = "<!-- everything below is made by benchmarks/results_page.py -->"


def page(folder: Path, tables: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a page made of these tables, made twice."""
    (folder / "results" / "tables").mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / "results" / "tables" / f"{name}.parquet")
    path = folder / "page.md"
    path.write_text(f"# Words\n\n{MARKER}\nold numbers")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(folder / "results"), str(path)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    text = path.read_text()
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert path.read_text() == text
    assert text.startswith(f"# Words\n\n{MARKER}\n")
    assert "old numbers" not in text
    return text.splitlines()


def test_new_issues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {name: paper.tables()[name] for name in ("table_4", "table_12")}
    relative = paper.figures(3)
    own = relative.assign(ratio=relative["ratio"] + 0.01)
    tables["table_3"] = pd.concat([own, own[own["loss"] == "MSE"].assign(loss="QLIKE")])
    for number in PAIRWISE_TABLES:
        tables[f"table_{number}"] = paper.figures(number).assign(significant=False)
    losses = [("A", "all", model, loss, 1.0) for model in MODELS for loss in ("MSE", "MAE")]
    tables["mean_losses"] = pd.DataFrame(losses, columns=["target", "period", "model", "loss", "mean_loss"])
    lines = page(tmp_path, tables, monkeypatch)
    claim = "MTL beats NF, every class, predictor set and rate (tables 8-11)"
    figures = "MSE 18 of 18 (0 of 1 targets), MAE 18 of 18 (0 of 1 targets)"
    assert f"| {claim} | MSE 18 of 18, MAE 18 of 18 | {figures} | holds |" in lines
    assert any(line.startswith("| TO HAR-STD | 0.757 (0.747) | 1.012 (1.002) |") for line in lines)
    assert any(line.startswith("| NF | - | 0.807 (0.807) | 0.745 (0.745*) |") for line in lines)
    assert any(line.startswith("| MTL-75 XGB-EXT | 3 (3) | 1 (1) |") for line in lines)
    assert any(line.startswith("| Communication Services: DISH |") for line in lines)
    assert "| 8 | 480 | 0 (39) | 0% (8%) | 0 |" in lines
    assert "| MSE 50 | MTL-75 XGB-EXT 0.568 | MTL-75 XGB-EXT 0.558 | 0.568, rank 1 of 31 |" in lines
    # sources listed after the target, and nothing else, have no figure
    assert {line.split(" |")[0] for line in lines if "n/a" in line} == {"| Materials: LIN", "| Materials: WRK"} | {
        "| Information Technology: QRVO"
    }


def test_first_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("table_5", "table_6", "table_15", "table_16", "table_17")
    tables = {name: paper.tables()[name] for name in names}
    tables["table_6"] = tables["table_6"].iloc[1:]
    lines = page(tmp_path, tables, monkeypatch)
    verdicts = [line.rsplit("| ", 1)[1] for line in lines if line.endswith("holds |")]
    assert len(verdicts) == 13
    assert "| Str. 1-1-1 TO HAR-STD | n/a (1.274) | 1.083 (1.083) |" in lines
    assert "| Str. 1-5-5 TO FNN-EXT | > 99 (> 99) | > 99 (> 99) |" in lines
    assert any(line.startswith("| Str. 1-5-5 | 1.104 (1.104) | 1.000 (1.000) | 0.996 (0.996) |") for line in lines)
    assert any(line.startswith("| 22-TO HAR-STD | 19.434 (19.434) | 1.593 (1.593) |") for line in lines)
