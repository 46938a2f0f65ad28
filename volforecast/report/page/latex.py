r"""The printed tables as LaTeX: each a document of its own that needs nothing but a usual TeX distribution.

Names come from the user's data. Every character that means something to LaTeX is escaped; one that its fonts lack is
written as its code point (``U+4E2D``), so that whatever a name holds, the document compiles.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from cluster.store import ResultStore
from cluster.study import Plan
from volforecast.data.parquet import from_parquet
from volforecast.report.page.bitcoin.printed import BITCOIN, printed_bitcoin
from volforecast.report.page.grids import Cell, Grid, Row
from volforecast.report.page.printed import Printed, printed_tables
from volforecast.report.page.rough.printed import ROUGH, printed_rough

MOST_UPRIGHT: Final = 8  # columns beyond which a page lies on its side
_SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{EN DASH}": r"\textendash{}",
    "\N{DAGGER}": r"\textdagger{}",
    "\N{MINUS SIGN}": r"\textminus{}",
    "\N{PLUS-MINUS SIGN}": r"\textpm{}",
    "\N{SUPERSCRIPT TWO}": r"\texttwosuperior{}",
}
_LIGATURES: Final = "-,"  # a second one in a row would join the first
_PREAMBLE: Final = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage{lmodern}
\usepackage[a4paper,margin=15mm%s]{geometry}
\usepackage{booktabs}
\usepackage[table]{xcolor}
\usepackage{adjustbox}
\definecolor{best}{RGB}{11,87,164}
\definecolor{low}{RGB}{168,40,0}
\pagestyle{empty}
\begin{document}
\begin{center}
"""
_END: Final = r"""\end{center}
\end{document}
"""


def latex_tables(
    tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any], study: str = ""
) -> Iterator[tuple[str, bytes]]:
    """Paths below the results folder and their contents: ``tables/table_3.tex`` and so on, for every printed table.

    Args:
        tables: A run's tables by name.
        config: The plan's configuration.
        study: The plan's study: ``rough-transfer`` and ``bitcoin-mixture`` have tables of their own.
    """
    if study == BITCOIN:
        entries = printed_bitcoin(tables, config)
    else:
        entries = printed_rough(tables, config) if study == ROUGH else printed_tables(tables, config)
    for entry in entries:
        yield f"tables/{entry.name}.tex", document(entry).encode()


def publish_latex(store: ResultStore, plan: Plan) -> int:
    """Write the documents of a results folder's tables beside them, and say how many there are.

    Raises:
        cluster.errors.StoreError: The folder cannot be reached.
    """
    tables = {}
    for name in store.objects.names("tables"):
        payload = store.objects.read(f"tables/{name}") if name.endswith(".parquet") else None
        if payload is not None:
            tables[name.removesuffix(".parquet")] = from_parquet(payload).to_pandas()
    written = 0
    for path, payload in latex_tables(tables, plan.config, plan.study):
        store.objects.replace(path, payload)
        written += 1
    return written


def document(entry: Printed) -> str:
    """A table as a document; best numbers are marked as on the page (bold blue, blue), as in the paper."""
    wide = len(entry.grid.heads) > MOST_UPRIGHT
    lines = [
        _PREAMBLE % (",landscape" if wide else ""),
        rf"\textbf{{{escaped(entry.heading)}}}\par\smallskip",
        rf"{{\small {escaped(entry.grid.caption)}\par}}\medskip",
        r"\begin{adjustbox}{max width=\textwidth,max totalheight=0.88\textheight}",
        tabular(entry.grid),
        r"\end{adjustbox}",
        *_notes(entry.grid),
        _END,
    ]
    return "\n".join(lines)


def tabular(grid: Grid) -> str:
    """The table itself, with booktabs' rules."""
    columns = len(grid.heads)
    lines = [rf"\begin{{tabular}}{{l{'r' * columns}}}", r"\toprule"]
    if grid.groups:
        spans = [rf"\multicolumn{{{span}}}{{c}}{{{escaped(label)}}}" for label, span in grid.groups]
        lines.append(" & ".join(["", *spans]) + r" \\")
        first, rules = 2, []
        for _, span in grid.groups:
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
            first += span
        lines.append("".join(rules))
    lines += [" & ".join([escaped(grid.corner), *map(_head, grid.heads)]) + r" \\", r"\midrule"]
    for number, row in enumerate(grid.rows):
        lines += _row(row, columns, number == 0)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is."""
    parts: list[str] = []
    last = ""
    for character in text:
        if character == last and character in _LIGATURES:
            parts.append("{}")
        parts.append(_character(character))
        last = character
    return "".join(parts)


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    # printable ASCII, and the accented letters of Latin-1, which every T1 font has
    if " " <= character <= "~" or 0xC0 <= ord(character) <= 0xFF:
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"


def _row(row: Row, columns: int, first: bool) -> list[str]:
    lines = []
    if row.section:
        lines += [] if first else [r"\addlinespace"]
        lines.append(rf"\multicolumn{{{columns + 1}}}{{l}}{{\itshape {escaped(row.section)}}} \\")
    elif row.starts and not first:
        lines.append(r"\addlinespace")
    # the braces keep a name such as [x] from being read as an option of the line end before it
    lines.append(" & ".join([f"{{{escaped(row.name)}}}", *map(_cell, row.cells)]) + r" \\")
    return lines


def _head(text: str) -> str:
    """A column's header; one of several words is set on two lines."""
    first, _, rest = text.partition(" ")
    if not rest or len(text) < 10:
        return f"{{{escaped(text)}}}"
    return rf"\shortstack[r]{{{{{escaped(first)}}}\\{{{escaped(rest)}}}}}"


def _cell(cell: Cell) -> str:
    kinds, text = set(cell.kind.split()), escaped(cell.text)
    if "top" in kinds:
        text = rf"\textbf{{{text}}}"
    if kinds & {"top", "best", "star", "high"}:
        text = rf"\textcolor{{best}}{{{text}}}"
    if "low" in kinds:
        text = rf"\textcolor{{low}}{{{text}}}"
    if cell.below:
        lines = [text, *(rf"{{\footnotesize {escaped(line)}}}" for line in cell.below.split("\n"))]
        text = r"\begin{tabular}[t]{@{}r@{}}" + r"\\".join(lines) + r"\end{tabular}"
    return rf"\cellcolor{{gray!25}}{text}" if "same" in kinds else text


def _notes(grid: Grid) -> list[str]:
    """What the marks mean, of those that are there."""
    kinds = {kind for row in grid.rows for cell in row.cells for kind in cell.kind.split()}
    notes = []
    if "top" in kinds:
        notes.append("Bold blue: best of the column" + ("; blue: best of its model class." if "best" in kinds else "."))
    if "star" in kinds:
        notes.append(r"*: significantly smaller for more than half of the targets (Diebold\textendash{}Mariano, 5\%).")
    if any("\N{DAGGER}" in cell.text for row in grid.rows for cell in row.cells):
        notes.append(r"\textdagger: over fewer targets than there are.")
    if grid.layout != "heat" and kinds & {"high", "low"}:
        notes.append(r"Blue, red: better, worse by two-sided Diebold\textendash{}Mariano tests at 5\%.")
    if grid.layout == "heat":
        notes.append(
            "Gray: source of the target's sector; blue and red: far above and below the rate, as in the paper."
        )
    return [r"\par\medskip", rf"{{\footnotesize {' '.join(notes)}\par}}"] if notes else []
