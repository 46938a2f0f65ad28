"""The documentation is true: its links lead somewhere, its commands and programs run, its errors are those printed."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest

import volforecast as vf
from tests.infra.reading import ours, parsed
from volforecast.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("methods/*.md")])
OUR_PAGES = [page for page in PAGES if page.name in ("README.md", "quickstart.md", "own-data.md", "api.md")]
WITH_PROGRAMS = ["quickstart.md", "own-data.md", "api.md"]
# commands that need what a test has not: they are parsed, not run
NOT_RUN = ("demo/results", "s3://", "--bars")
TARGETS = {"NEW00001": "NEW1", "NEW00002": "NEW2"}


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(*block) for block in found]


def commands(page: Path) -> list[str]:
    """The lines of shell in a page's blocks."""
    text = "".join(block.text for block in blocks(page) if block.language in ("", "sh"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.startswith("volforecast ")]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_the_index_has_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    pages = [page.relative_to(DOCS) for page in DOCS.rglob("*.md") if page != DOCS / "README.md"]
    missing = [str(page) for page in pages if f"({page})" not in index and "results" not in page.parts]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_formulas_are_closed(page: Path) -> None:
    text = re.sub(r"`[^`]*`", "", prose(page))
    for paragraph in text.split("\n\n"):
        assert paragraph.count("$") % 2 == 0, paragraph
        for formula in re.findall(r"\$+([^$]+)\$+", paragraph):
            assert formula.count("{") == formula.count("}"), formula


@pytest.mark.parametrize("page", OUR_PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page: Path) -> None:
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page)))
    lines = commands(page) + [span for span in spans if span.startswith("volforecast ") and " --" in span]
    assert lines or page.parent == DOCS
    for line in lines:
        for command in ours(shlex.split(line)):
            if command[1] in ("study", "plan", "submit", "panel", "simulate", "report", "status"):
                parsed(command)


@pytest.mark.parametrize("page", OUR_PAGES, ids=lambda page: page.name)
def test_settings_are_settings(page: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            msgspec.convert(tomllib.loads(block.text), vf.NewIssuesConfig).checked()


def a_users_folder(folder: Path) -> None:
    """What the pages suppose: a CSV file under other names, and the panel of the demonstration."""
    settings = vf.SimulatorSettings(sources=5, targets=2, source_days=330, target_days=160, listing_gap_days=10)
    drawn = vf.simulate(folder / "demo/panel", settings, seed=3)
    names = {"asset": "ticker", "date": "day", "rv": "variance"}
    daily = drawn.daily.assign(asset=drawn.daily["asset"].replace(TARGETS)).rename(columns=names)
    daily[["ticker", "day", "variance"]].to_csv(folder / "mine.csv", index=False)


def script(page: Path) -> str:
    """A page as one program: its Python as it stands, its commands as processes."""
    parts = ["import subprocess, sys"]
    for block in blocks(page):
        if block.language == "python":
            parts.append(block.text)
        elif block.language == "sh":
            for line in block.text.splitlines():
                words = shlex.split(line)
                if words and words[0] == "volforecast" and not any(word in line for word in NOT_RUN):
                    parts.append(f"subprocess.run([sys.executable, '-m', *{words!r}], check=True)")
    return "\n".join(parts)


@pytest.mark.cluster
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_PROGRAMS)
def test_a_page_can_be_followed_to_the_letter(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_users_folder(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = [sys.executable, "-c", script(DOCS / page)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results/report.html").exists()
    if page == "own-data.md":
        # the run from Python at its end found all of the command's work done
        assert len(list((tmp_path / "results/commits").iterdir())) == 16
    if page == "api.md":
        assert (tmp_path / "errors.png").exists()


Damage = Callable[[dict[str, pd.DataFrame]], None]


def _cut(tables: dict[str, pd.DataFrame]) -> None:
    daily = tables["daily"]
    tables["daily"] = daily[(daily["asset"] != "NEW00001") | (daily.groupby("asset").cumcount() < 120)]


def _zero(tables: dict[str, pd.DataFrame]) -> None:
    tables["daily"].loc[7, "rv"] = 0.0


def _rename(tables: dict[str, pd.DataFrame]) -> None:
    tables["daily"] = tables["daily"].rename(columns={"asset": "ticker", "date": "day", "rv": "variance"})


def _no(table: str, column: str) -> Damage:
    def damage(tables: dict[str, pd.DataFrame]) -> None:
        tables[table] = tables[table].drop(columns=column)

    return damage


def _per_cent(tables: dict[str, pd.DataFrame]) -> None:
    tables["daily"]["rv"] *= np.float64(1e4)


def _drop_day(tables: dict[str, pd.DataFrame]) -> None:
    tables["daily"] = tables["daily"].drop(index=40)


DAMAGES: dict[str, Damage] = {
    "no column": _rename,
    "no column role": _no("assets", "role"),
    "asset X has no row": _drop_day,
    "the median rv": _per_cent,
    "rv is 0": _zero,
    "target X has": _cut,
    "the EXT predictors need": _no("daily", "volume"),
}


def errors_of(page: Path) -> list[str]:
    """The first column of the table of errors."""
    rows = page.read_text().partition("## What errors mean")[2].partition("\n\nExit code")[0]
    return re.findall(r"^\| `([^`]+)`", rows, re.MULTILINE)


def pattern_of(quote: str) -> str:
    """Names, dates and numbers may differ; all other words are those of the message."""
    text = re.escape(quote)
    text = re.sub(r"\\\([a-z, \\]+\\\)", r"\\(.*\\)", text)  # columns in brackets
    text = re.sub(r"\d+(\\[.\-]\d+)*", r"[\\d.-]+", text)
    return text.replace("X", r"\w+").replace(r"\.\.\.", ".*").replace("daily\\.parquet", "daily.parquet")


def test_every_error_of_the_table_is_the_one_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_users_folder(tmp_path)
    quotes = errors_of(DOCS / "own-data.md")
    last = [quote for quote in quotes if not any(quote.startswith(words) for words in DAMAGES)]
    assert [quote.partition(":")[0] for quote in last] == ["holds another run", "not empty, and no plan.json"]
    assert len(quotes) == len(DAMAGES) + len(last)
    for words, damage in DAMAGES.items():
        quote = max((one for one in quotes if one.startswith(words)), key=lambda one: one.startswith(words + " "))
        if words == "no column":
            quote = next(one for one in quotes if one.startswith("no column 'rv'"))
        tables = {
            name: pd.read_parquet(tmp_path / f"demo/panel/{name}.parquet") for name in ("assets", "daily", "market")
        }
        damage(tables)
        folder = tmp_path / words.replace(" ", "-")
        folder.mkdir()
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet")
        more = ["--columns", "asset=ticker,date=day"] if words == "no column" else []
        code = main(
            ["study", "new-issues", "--panel", str(folder), "--out", str(tmp_path / "out"), "--periods", "50", *more]
        )
        printed = capsys.readouterr().err
        assert code == 2
        assert re.search(pattern_of(quote), printed), f"{quote} is printed as {printed}"
    full = tmp_path / "thesis"
    full.mkdir()
    (full / "chapter.tex").write_text("all my work")
    assert (
        main(["study", "new-issues", "--panel", str(tmp_path / "demo/panel"), "--out", str(full), "--periods", "50"])
        == 2
    )
    assert "not empty, and no plan.json" in capsys.readouterr().err
