"""LaTeX tables: any name is set as it is, every document compiles alone, and marks are those of the page."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.store import ResultStore
from cluster.study import Plan
from tests.report.pages import HOSTILE, first_days_report, forecasts_of, report_of, selection_tables
from tests.security.folders import hostile_panel, new_issues_run
from volforecast.cli import main
from volforecast.data.parquet import to_parquet
from volforecast.report.page.html import Report
from volforecast.report.page.latex import document, escaped, latex_tables, publish_latex
from volforecast.report.page.printed import printed_tables

NAMES = (
    HOSTILE,
    "\\input{/etc/passwd}",
    "a_b^c~d",
    "100% {of} $x$ #1 & more",
    "[x]",
    "*",
    "--- ,, `` '' << >> !` ?`",
    "\N{LATIN SMALL LETTER E WITH ACUTE}t\N{LATIN SMALL LETTER E WITH ACUTE} \u4e2d\u6587 \U0001f600 \x1b[31m\x00\n",
    "\\\\",
    "\\end{tabular}",
)
# what a document may use besides text: these commands, and a backslash before a character that it escapes
COMMANDS = set(
    re.findall(
        r"\w+",
        """
        documentclass usepackage definecolor pagestyle begin end textbf textcolor par smallskip medskip small
        footnotesize toprule midrule bottomrule cmidrule addlinespace multicolumn itshape shortstack cellcolor textwidth
        textheight textbackslash textasciicircum textasciitilde textless textgreater textbar textquotedbl
        textquotesingle textasciigrave textendash textdagger textminus textpm texttwosuperior texttt
        """,
    )
)


def hostile_report() -> Report:
    """A run whose assets and sectors have the worst names."""
    report = report_of(forecasts_of(noise={"NF": 0.9, "TO HAR-STD": 0.6, "NP FNN-STD": 0.5, "MTL-75 HAR-STD": 0.2}))
    tables = selection_tables(NAMES, 6)
    for name in ("table_12", "table_13", "table_14"):
        tables[name]["asset"] = [NAMES[int(str(asset)[1:])] for asset in tables[name]["asset"]]
        tables[name]["sector"] = [HOSTILE if "Energy" in str(sector) else "\\" for sector in tables[name]["sector"]]
    return report._replace(tables={**report.tables, **tables})


def documents(report: Report) -> dict[str, str]:
    return {path: text.decode() for path, text in latex_tables(report.tables, report.plan.config)}


def checked(text: str) -> None:
    """Braces and environments balance, and nothing but known commands is called."""
    bare = re.sub(r"\\[\\{}$&%#_]", "", text)
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    opened: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", bare):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    assert set(re.findall(r"\\([A-Za-z]+)", bare)) <= COMMANDS
    assert not re.search(r"[$#%^~\"`\x00-\x09\x0b-\x1f]", bare.replace("all~days~(s*)", "").replace("s~=~", ""))


@given(st.text(max_size=40))
def test_any_text_is_only_text(text: str) -> None:
    checked(escaped(text).replace("~", ""))  # a no-break space is a tie
    assert escaped(text).isascii() or set(escaped(text)) - set(map(chr, range(128))) <= set(text)


def test_every_character_stays_recognisable() -> None:
    assert escaped("a_b & 5%") == r"a\_b \& 5\%"
    assert escaped("a--b") == "a-{}-b"
    assert escaped("\u4e2d") == r"\texttt{U+4E2D}"
    assert escaped("\\x{}") == r"\textbackslash{}x\{\}"


@pytest.mark.parametrize("report", [hostile_report(), first_days_report()], ids=["new-issues", "first-days"])
def test_documents_are_balanced_whatever_the_names(report: Report) -> None:
    found = documents(report)
    assert len(found) >= 5
    assert all(re.fullmatch(r"tables/\w+\.tex", path) for path in found)
    for text in found.values():
        checked(text)
        body = text[text.index("\\midrule") :].partition("\\bottomrule")[0]
        columns = len(re.search(r"\\begin\{tabular\}\{(l r*|lr*)\}", text)[1].replace(" ", ""))  # type: ignore[index]
        for line in body.split("\n"):
            if line.endswith(r"\\") and not line.startswith("\\multicolumn"):
                assert len(re.findall(r"(?<!\\)&", line)) == columns - 1


def test_marks_are_those_of_the_page() -> None:
    report = report_of(forecasts_of())
    for entry in printed_tables(report.tables, report.plan.config):
        text = document(entry)
        kinds = [cell.kind for row in entry.grid.rows for cell in row.cells]
        assert len(re.findall(r"\\textbf\{", text)) - 1 == kinds.count("top")  # one is the heading
        assert len(re.findall(r"\\textcolor\{best\}", text)) == sum(kinds.count(k) for k in ("top", "best", "star"))
    stars = documents(report)["tables/table_8.tex"].count("*}")
    assert stars == report.tables["table_8"]["significant"].sum()


def test_selection_tables_shade_as_the_paper_does() -> None:
    report = report_of(forecasts_of())
    table = selection_tables()["table_12"]
    text = documents(report._replace(tables={"table_12": table}))["tables/table_12.tex"]
    shown = table[table["windows"] > 0]
    assert text.count("\\cellcolor") == table["same_sector"].sum()
    assert text.count("\\textcolor{best}") == (shown["selection_rate"] > 0.45).sum()
    assert text.count("\\textcolor{low}") == (shown["selection_rate"] < 0.05).sum()


def test_documents_lie_beside_the_tables_they_are_made_of(tmp_path: Path) -> None:
    report = report_of(forecasts_of())
    store = ResultStore(str(tmp_path))
    for name, table in report.tables.items():
        stored = pa.Table.from_pandas(table, preserve_index=False)
        store.objects.replace(f"tables/{name}.parquet", to_parquet(stored))
    plan = Plan("new-issues", report.plan.config, "0", {}, ())
    written = publish_latex(store, plan)
    found = documents(report)
    assert written == len(found)
    assert {path: (tmp_path / path).read_text() for path in found} == found


def test_the_report_command_writes_them_when_asked_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_issues_run(hostile_panel(tmp_path / "panel", ("A_B", "50%")), tmp_path / "out")
    tables = tmp_path / "out" / "tables"
    assert main(["report", str(tmp_path / "out")]) == 0
    assert not list(tables.glob("*.tex"))
    assert main(["report", str(tmp_path / "out"), "--latex"]) == 0
    found = list(tables.glob("*.tex"))
    assert f"({len(found)} documents *.tex)" in capsys.readouterr().out
    assert {"table_3.tex", "table_4.tex", "table_8.tex"} <= {path.name for path in found}
    for path in found:
        checked(path.read_text())


def test_every_document_compiles_alone(tmp_path: Path) -> None:
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        pytest.skip("no pdflatex is installed")
    for report in (hostile_report(), first_days_report()):
        for path, text in documents(report).items():
            file = tmp_path / Path(path).name
            file.write_text(text)
            command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", file.name]
            ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
            assert ended.returncode == 0, ended.stdout[-1500:]
            assert "Overfull \\hbox" not in ended.stdout
            pages = re.search(r"\((\d+) page", ended.stdout)
            assert pages is not None
            assert pages[1] == "1"


def test_no_table_no_document() -> None:
    assert list(latex_tables({"table_3": pd.DataFrame({"model": []}), "estimations": pd.DataFrame()}, {})) == []
