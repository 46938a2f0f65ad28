"""The papers' claims, one by one: what a study's paper found beside what a run's tables say.

The paper of ``new-issues`` and ``first-days`` is Teller, Pigorsch & Pigorsch (2026), that of ``rough-transfer``
Dhansoia (2025).

Each claim is counted by one function in both sets of tables. The share of its comparisons that hold, by MSE and by MAE
together (in ``rough-transfer``: over targets, one day ahead), makes the verdict:

* of a claim about all comparisons: ``holds`` from 90% on, ``fails`` below half, ``partly`` between;
* of a claim about most comparisons: ``holds`` above half, ``fails`` below a quarter, ``partly`` between;
* of a claim about a size (33.2% below ...): as of all, the share being the size found over the size claimed;
* ``not tested`` if the run lacks the tables, the periods or all of the models.

Comparisons with models that the run lacks are left out; the figures tell how many were made.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

import pandas as pd

from volforecast.errors import InputError
from volforecast.report import paper, paper_rough
from volforecast.report.claims.counts import Count, Statement
from volforecast.report.claims.first_days import FIRST_DAYS
from volforecast.report.claims.new_issues import NEW_ISSUES
from volforecast.report.claims.rough_transfer import ROUGH_TRANSFER
from volforecast.report.claims.selection import SELECTION

ROUGH: Final = "rough-transfer"
STATEMENTS: Final[Mapping[str, tuple[Statement, ...]]] = {
    "new-issues": (*NEW_ISSUES, *SELECTION),
    "first-days": FIRST_DAYS,
    ROUGH: ROUGH_TRANSFER,
}
"""The claims by study."""
HOLDS, PARTLY, FAILS, NOT_TESTED = "holds", "partly", "fails", "not tested"


class Claim(NamedTuple):
    """One claim of the paper.

    Attributes:
        text: What is claimed, and the tables it rests on.
        paper: In how many comparisons it holds by the paper's tables.
        ours: In how many by this run's; in brackets, where the run has ``mean_losses``, on how many targets more than
            half of the comparisons hold. Empty if it is not tested.
        verdict: ``holds``, ``partly``, ``fails`` or ``not tested``.
    """

    text: str
    paper: str
    ours: str
    verdict: str


def claims(tables: Mapping[str, pd.DataFrame], study: str) -> list[Claim]:
    """All claims about a study, in the paper's order.

    Args:
        tables: The run's tables by name (``table_3``, ..., ``mean_losses``), long; those it lacks are not tested.
        study: ``new-issues`` (sections 6.1 and 6.2), ``first-days`` (6.3), or ``rough-transfer`` (the other paper).

    Raises:
        InputError: No paper has such a study.
    """
    if study not in STATEMENTS:
        raise InputError(f"the paper has no study {study!r} to compare with; choose from {', '.join(STATEMENTS)}")
    found = []
    for statement, theirs in zip(STATEMENTS[study], _of_the_paper(study), strict=True):
        ours = statement.test(tables)
        there = theirs.text if theirs else statement.stated
        found.append(Claim(statement.text, there, ours.text if ours else "", verdict(ours, most=statement.most)))
    return found


def claims_table(tables: Mapping[str, pd.DataFrame], study: str) -> pd.DataFrame:
    """:func:`claims` as a table: columns ``text, paper, ours, verdict``."""
    return pd.DataFrame(claims(tables, study), columns=list(Claim._fields))


def verdict(count: Count | None, *, most: bool = False) -> str:
    """The verdict on a count, by the rule at the head of this file.

    Args:
        count: The comparisons, None if there are none.
        most: The claim is about most comparisons, not about all.
    """
    if count is None:
        return NOT_TESTED
    share = count.held / count.of
    if share > 0.5 if most else share >= 0.9:
        return HOLDS
    return FAILS if share < (0.25 if most else 0.5) else PARTLY


@cache
def _of_the_paper(study: str) -> tuple[Count | None, ...]:
    tables = paper_rough.tables() if study == ROUGH else paper.tables()
    return tuple(statement.test(tables) for statement in STATEMENTS[study])
