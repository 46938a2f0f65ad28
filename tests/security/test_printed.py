"""Names out of files, on the terminal and in drawings: shown as they are, and no command to what shows them."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from markupsafe import Markup

from cluster.store import ResultStore
from tests.security.conftest import Tally
from tests.security.folders import hostile_panel, new_issues_run, toy_run
from tests.security.hostile import NAMES
from volforecast.cli import main
from volforecast.data.parquet import to_parquet
from volforecast.report.outlook import print_outlook
from volforecast.report.page import plots, plots_forecasts
from volforecast.report.page.evidence import Contrast
from volforecast.report.terminal import print_tables
from volforecast.studies.costs import Fixed, Outlook

# to matplotlib $...$ is a formula and {} a place in one; to rich [...] is a style
FORMULAS = (
    "$x$",
    "$\\frac{1$",
    "a_b",
    "$",
    "\\",
    "$\\undefined$",
    "\\$x$",
    "{}",
    "%(x)s",
    "[bold]",
    "[/bold]",
    "x\\[/]",
)
SHOWN = tuple(name for name in (*NAMES, *FORMULAS) if name.isprintable() and name.strip() == name != "")


def drawings(name: str) -> list[Markup]:
    """Every kind of plot, with the name wherever a name may be."""
    values = np.array([1.0, 2.0, 1.5])
    frame = pd.DataFrame({name: values, "b": values * 2}, index=[1, 2, 3])
    means = pd.Series([0.9, 1.1], index=[name, "TO HAR-STD"])
    contrast = Contrast("MSE", name, name, 0.9, 0.8, 1.0, 3, 2)
    return [
        plots.leads([contrast], [values]),
        plots.relative_errors(means, frame.T, "MSE"),
        plots.by_period(frame, "MSE"),
        plots.by_day(frame, 1, "MSE"),
        plots.advantage(frame, (name, "b"), "MSE"),
        plots_forecasts.forecast_path(name, frame["b"], {name: frame[name]}),
        plots_forecasts.lead_path(name, frame[name], (name, "b"), "MSE", "untested"),
    ]


DRAWN = (*FORMULAS, *(name for name in SHOWN if set(name) & set("<{=")))


@pytest.mark.parametrize("name", DRAWN, ids=ascii)
def test_drawings_take_names_for_what_they_are(name: str, tally: Tally) -> None:
    for drawing in drawings(name):
        picture = ElementTree.fromstring(drawing)
        texts = [" ".join("".join(part.itertext()).split()) for part in picture.iter()]
        assert any(name in text for text in texts[2:]), texts
        assert not {part.tag for part in picture.iter()} & {"script", "img", "foreignObject"}
        assert name in str(picture.get("aria-label"))
        tally["printed: drawings", "drawn"] += 1


@pytest.mark.parametrize("name", [name for name in (*NAMES, *FORMULAS) if name], ids=ascii)
def test_tables_on_the_terminal_take_names_for_what_they_are(
    tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A folder of results may hold any table."""
    rows = [(name, "50", "MSE", 0.9), ("TO HAR-STD", "50", "MSE", 1.0)]
    table = pd.DataFrame(rows, columns=["model", "period", "loss", "ratio"]).assign(targets=1, left_out=0)
    store = ResultStore(str(tmp_path))
    store.objects.replace("tables/table_3.parquet", to_parquet(pa.Table.from_pandas(table, preserve_index=False)))
    print_tables(str(tmp_path))
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.split("\n")), ascii(printed)
    if len(name) < 10 and name in SHOWN:  # a narrow column breaks longer ones
        assert name in printed
    tally["printed: tables", "printed"] += 1


@pytest.mark.parametrize("name", [name for name in (*NAMES, *FORMULAS) if name], ids=ascii)
def test_the_title_of_an_outlook_is_no_markup(tally: Tally, capsys: pytest.CaptureFixture[str], name: str) -> None:
    line = Outlook("HAR", 1, 1, 1.0, 1.0, 1, 1)
    print_outlook(name, [line], Fixed(1.0, 1, 1, 1, 1), {"HAR": 1.0}, 2)
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.split("\n")), ascii(printed)
    if name in SHOWN and len(name) < 60:
        assert name in printed
    tally["printed: outlooks", "printed"] += 1


def test_a_report_of_targets_named_like_formulas(
    tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("$\\frac{1$", "[/bold]_b")
    new_issues_run(hostile_panel(tmp_path / "panel", names), tmp_path / "out")
    assert main(["report", str(tmp_path / "out")]) == 0
    assert main(["status", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == ""
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(f"Forecast and realized variance: {name}" in page for name in names)
    tally["printed: reports", "printed"] += 1


def test_status_of_a_folder_with_another_table_is_one_line(
    tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    """``estimations`` may be any table, and its reasons any words."""
    toy_run(tmp_path)
    objects = ResultStore(str(tmp_path)).objects
    capsys.readouterr()
    evil = pa.table({"target": ["\x1b[2J"], "period": [50], "reason": ["[/]\n\x1b]0;owned\x07"]})
    for table, code in ((evil, 1), (pa.table({"x": [1]}), 2)):
        objects.replace("tables/estimations.parquet", to_parquet(table))
        assert main(["status", str(tmp_path)]) == code
        printed = capsys.readouterr()
        assert all(line.isprintable() for line in (printed.out + printed.err).split("\n"))
        assert printed.err.count("\n") == code - 1
        tally["printed: status", "printed"] += 1
