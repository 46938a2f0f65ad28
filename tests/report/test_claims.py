"""The paper's claims: its own tables bear them out, other tables do not, and absent ones leave them untested."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from volforecast.errors import InputError
from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.report import paper
from volforecast.report.claims.counts import Count, below, best_in_periods, leads, most_included, tally
from volforecast.report.claims.lookups import errors
from volforecast.report.claims.selection import RARE
from volforecast.report.claims.verdicts import (
    FAILS,
    HOLDS,
    NOT_TESTED,
    PARTLY,
    STATEMENTS,
    Claim,
    claims,
    claims_table,
    verdict,
)

Tables = dict[str, pd.DataFrame]
STUDIES = ["new-issues", "first-days"]
PAIRS = [f"table_{number}" for number in PAIRWISE_TABLES]
RATIOS = ["table_3", "table_5", "table_6", *PAIRS, *(f"table_{number}" for number in paper.FIRST_DAYS_TABLES)]


def by_time(*rates: float) -> pd.DataFrame:
    """Selection rates by distance in time, the same for three targets and rates; a last bin that is to be left out."""
    rows = [
        (inclusion, target, 100 * place, rate)
        for inclusion in (25, 50, 75)
        for target in "ABC"
        for place, rate in enumerate([*rates, 9.9])
    ]
    return pd.DataFrame(rows, columns=["inclusion", "target", "bin", "selection_rate"])


def full() -> Tables:
    """The paper's tables, and selections by time as it describes them."""
    return paper.tables() | {"selection_by_time": by_time(0.3, 0.25, 0.25)}


def inverted() -> Tables:
    """Better is worse: the inverse of every ratio, no star, the least often included models are the most."""
    tables = full()
    for name in RATIOS:
        tables[name] = tables[name].assign(ratio=1.0 / tables[name]["ratio"])
    tables |= {name: tables[name].assign(significant=False) for name in PAIRS}
    tables["table_4"] = tables["table_4"].assign(included=50 - tables["table_4"]["included"])
    for number, inclusion in paper.SELECTION_TABLES.items():
        table = tables[f"table_{number}"]
        rates = np.where(table["asset"].isin(RARE[inclusion]), 0.02, np.where(table["same_sector"], 0.0, 0.01))
        tables[f"table_{number}"] = table.assign(selection_rate=rates)
    return tables | {"selection_by_time": by_time(0.5, 0.4, 0.1, 0.1)}


def constant(ratio: float) -> Tables:
    """Every ratio the same, everything starred, only sources of the target's sector selected."""
    tables = full()
    tables |= {name: tables[name].assign(ratio=ratio) for name in RATIOS}
    tables |= {name: tables[name].assign(significant=True) for name in PAIRS}
    for number in paper.SELECTION_TABLES:
        table = tables[f"table_{number}"]
        tables[f"table_{number}"] = table.assign(selection_rate=np.where(table["same_sector"], 0.9, 0.1))
    return tables


def by_text(tables: Mapping[str, pd.DataFrame], study: str) -> dict[str, Claim]:
    return {claim.text: claim for claim in claims(tables, study)}


def one(start: str, tables: Mapping[str, pd.DataFrame], study: str = "new-issues") -> Claim:
    """The claim that starts so."""
    return starting(claims(tables, study), start)


def starting(found: Sequence[Claim], start: str) -> Claim:
    (claim,) = [claim for claim in found if claim.text.startswith(start)]
    return claim


@pytest.mark.parametrize(
    ("held", "of", "most", "expected"),
    [
        (9, 10, False, HOLDS),
        (89, 100, False, PARTLY),
        (5, 10, False, PARTLY),
        (49, 100, False, FAILS),
        (6, 10, True, HOLDS),
        (5, 10, True, PARTLY),
        (25, 100, True, PARTLY),
        (24, 100, True, FAILS),
        (-0.1, 0.3, False, FAILS),
    ],
)
def test_verdicts(held: float, of: float, most: bool, expected: str) -> None:
    assert verdict(Count(held, of, ""), most=most) == expected
    assert verdict(None, most=most) == NOT_TESTED


@pytest.mark.parametrize("study", STUDIES)
def test_the_papers_tables_bear_out_what_it_says(study: str) -> None:
    found = by_text(full(), study)
    assert len(found) == len(STATEMENTS[study])
    # TO FNN-STD has 1.018 times NF's MAE in table 10
    exceptions = {text for text, claim in found.items() if claim.verdict != HOLDS}
    expected = {"TO HAR-STD and FNN-STD beat NF and their EXT counterparts (tables 8-11)"}
    assert exceptions == (expected if study == "new-issues" else set())
    for text, claim in found.items():
        if "figures 4-6" not in text:
            assert claim.paper == claim.ours != "", text


@pytest.mark.parametrize("study", STUDIES)
def test_every_claim_can_fail(study: str) -> None:
    others = [by_text(tables, study) for tables in (inverted(), constant(3.0), constant(0.3))]
    for text in by_text(full(), study):
        assert FAILS in [found[text].verdict for found in others], text


@pytest.mark.parametrize("study", STUDIES)
def test_without_tables_nothing_is_tested(study: str) -> None:
    for claim in claims({}, study):
        assert claim.verdict == NOT_TESTED
        assert claim.ours == ""
        assert claim.paper != ""


@pytest.mark.parametrize(
    ("lacking", "start", "study"),
    [
        ("table_3", "MTL beats NF in every sample period", "new-issues"),
        ("table_4", "NP XGB is in more sets", "new-issues"),
        ("table_9", "MTL-75 FNN-EXT: MSE 33.2% below NF", "new-issues"),
        ("selection_by_time", "the selection rate does not depend", "new-issues"),
        ("table_5", "Str. 1-5-22 beats", "first-days"),
        ("table_6", "an MTL model is the best of each class", "first-days"),
    ],
)
def test_a_lacking_table_takes_its_claims_along(lacking: str, start: str, study: str) -> None:
    left = {name: table for name, table in full().items() if name != lacking}
    assert one(start, left, study).verdict == NOT_TESTED
    assert {claim.verdict for claim in claims(left, study)} > {HOLDS}


def test_the_tables_of_one_study_do_not_test_the_other() -> None:
    own = {"table_5", "table_6", *(f"table_{number}" for number in paper.FIRST_DAYS_TABLES)}
    first_days = {name: table for name, table in full().items() if name in own}
    others = {name: table for name, table in full().items() if name not in own}
    assert {claim.verdict for claim in claims(first_days, "new-issues")} == {NOT_TESTED}
    assert {claim.verdict for claim in claims(others, "first-days")} == {NOT_TESTED}


def test_figures_by_hand() -> None:
    found = claims(full(), "new-issues")
    assert starting(found, "MTL-75 XGB-EXT is at or below").ours == "MSE 30 of 30, MAE 30 of 30"
    assert starting(found, "MTL-75 FNN-EXT: MSE 33.2% below NF").ours == "MSE 33.2% below"
    assert starting(found, "every MTL model beats every TO").ours == "MSE 108 of 108, MAE 108 of 108"
    assert starting(found, "MTL STD beats NP STD").ours == "MSE 6 of 9, MAE 9 of 9"
    # table 3: MTL-25 XGB-STD at s = 250 has 1.445 times NF's MSE
    assert starting(found, "MTL beats NF in every sample period").ours == "MSE 89 of 90, MAE 90 of 90"
    sets = starting(found, "single periods: MTL-75 XGB-EXT is in more sets")
    assert sets.ours == "MSE MTL-75 XGB-EXT in 8, ahead of 30 of 30; MAE MTL-25 XGB-EXT in 11, ahead of 30 of 30"
    assert starting(found, "TO HAR-STD and FNN-STD beat").ours == "MSE 4 of 4, MAE 3 of 4"
    early = claims(full(), "first-days")
    assert starting(early, "Str. 1-5-22 beats").ours == "MSE 6 of 6, MAE 5 of 6"
    rates = starting(early, "by MAE another inclusion rate")
    assert rates.ours == "MTL-50 HAR-EXT, MTL-25 FNN-EXT, MTL-75 XGB-STD"
    time = starting(found, "the selection rate does not depend")
    assert time.ours == "MTL-25 3 of 3, MTL-50 3 of 3, MTL-75 3 of 3; nearer preferred in 0, farther in 0"
    assert one("the selection rate does not depend", inverted()).ours.endswith("nearer preferred in 9, farther in 0")


def test_a_run_of_few_models_is_counted_as_far_as_it_goes() -> None:
    tables = full()
    for name in ("table_3", "table_4"):
        tables[name] = tables[name][tables[name]["model"].str.contains("NF|HAR-STD")]
    for name in PAIRS:
        both = tables[name][["benchmark", "model"]].apply(lambda names: names.str.contains("NF|HAR-STD")).all(axis=1)
        tables[name] = tables[name][both]
    found = claims(tables, "new-issues")
    assert starting(found, "MTL beats TO of the same class").ours == "MSE 3 of 3, MAE 3 of 3"
    assert starting(found, "MTL-75 FNN-EXT: MSE 33.2%").verdict == NOT_TESTED
    assert starting(found, "EXT improves MTL, in").verdict == NOT_TESTED
    assert starting(found, "an MTL model is the best one").ours == "MSE 5 of 5, MAE 5 of 5"


def test_other_models_are_never_counted() -> None:
    tables = full()
    three, four = tables["table_3"], tables["table_4"]
    own = three[three["model"] == "TO HAR-STD"].assign(model="HARQ", ratio=0.001)
    tables["table_3"] = pd.concat([three, own])
    tables["table_4"] = pd.concat([four, four[four["model"] == "NF"].assign(model="HARQ", included=10)])
    eight = tables["table_8"]
    other = eight[eight["model"] == "NF"].assign(model="HARQ", ratio=0.001, significant=True)
    tables["table_8"] = pd.concat([eight, other])
    six = tables["table_6"]
    tables["table_6"] = pd.concat([six, six[six["model"] == "NP HAR-STD"].assign(model="NP HAR-J", ratio=0.001)])
    for study in STUDIES:
        assert claims(tables, study) == claims(full(), study)


def test_targets_stand_in_brackets() -> None:
    losses = {"A": (1.0, 0.9, 0.8), "B": (1.0, 0.8, 0.9), "C": (1.0, np.nan, 0.9)}
    rows = [
        (target, "all", model, loss, value)
        for target, values in losses.items()
        for loss in ("MSE", "MAE")
        for model, value in zip(("NF", "TO HAR-STD", "NP HAR-STD"), values, strict=True)
    ]
    tables = full() | {"mean_losses": pd.DataFrame(rows, columns=["target", "period", "model", "loss", "mean_loss"])}
    # C lacks TO HAR-STD; NP beats it on A only
    count = below([("NP HAR-STD", "TO HAR-STD")])(tables)
    assert count is not None
    assert count.text == "MSE 1 of 1 (1 of 2 targets), MAE 1 of 1 (1 of 2 targets)"
    # two comparisons: more than half means both, on A; on C only the second can be made
    count = below([("NP HAR-STD", "TO HAR-STD"), ("NP HAR-STD", "NF")])(tables)
    assert count is not None
    assert count.text == "MSE 2 of 2 (2 of 3 targets), MAE 2 of 2 (2 of 3 targets)"


def test_errors_leave_out_models_that_lack_targets_unless_all_do() -> None:
    rows = [
        ("TO HAR-STD", "50", "MSE", 0.7, 1),
        ("NP HAR-STD", "50", "MSE", 0.8, 0),
        ("NP HAR-STD", "150", "MSE", 0.9, 2),
    ]
    table = pd.DataFrame(rows, columns=["model", "period", "loss", "ratio", "left_out"])
    wide = errors({"table_3": table})
    assert wide["50", "MSE"].dropna().to_dict() == {"NP HAR-STD": 0.8, "NF": 1.0}
    assert wide["150", "MSE"].dropna().to_dict() == {"NP HAR-STD": 0.9, "NF": 1.0}


def test_strategies_compare_models_over_the_same_targets() -> None:
    tables = full()
    lacking = tables["table_6"]["model"] == "NP FNN-STD"
    tables["table_6"] = tables["table_6"].assign(left_out=np.where(lacking, 3, 0))
    found = claims(tables, "first-days")
    assert starting(found, "NP and MTL beat NF over").ours == "MSE 23 of 23, MAE 23 of 23"


def test_ranks_and_ties() -> None:
    rows = [
        (model, period, "MSE", ratio)
        for period in ("50", "all")
        for model, ratio in (("TO HAR-STD", 0.8), ("NP HAR-STD", 0.8004), ("MTL-25 HAR-STD", 0.9))
    ]
    tables = {"table_3": pd.DataFrame(rows, columns=["model", "period", "loss", "ratio"])}
    second = leads([("MSE", "MTL-25 HAR-STD"), ("MAE", "TO HAR-STD")])(tables)
    assert second == Count(0, 1, "MSE MTL-25 HAR-STD 0.900, rank 3 of 4")
    # equal at three decimals: both are the best
    assert best_in_periods(["NP HAR-STD"])(tables) == Count(1, 1, "MSE 1 of 1")
    assert below([("TO HAR-STD", "NP HAR-STD")])({}) is None


def test_ahead_of_models_with_as_many_sets_is_nobody() -> None:
    rows = [("NF", "agg", "MSE", 3), ("TO HAR-STD", "agg", "MSE", 3), ("NP HAR-STD", "agg", "MSE", 2)]
    table = {"table_4": pd.DataFrame(rows, columns=["model", "period", "loss", "included"])}
    assert most_included([("MSE", "NF")])(table) == Count(1, 2, "MSE NF in 3, ahead of 1 of 2")
    assert most_included([("MAE", "NF")])(table) is None


def test_tally() -> None:
    assert tally({"MSE": [True, False], "MAE": []}) == Count(1, 2, "MSE 1 of 2")
    assert tally({"MSE": []}) is None


def test_as_a_table() -> None:
    table = claims_table(full(), "first-days")
    assert table.columns.to_list() == ["text", "paper", "ours", "verdict"]
    assert len(table) == len(STATEMENTS["first-days"])
    assert claims_table({}, "first-days")["verdict"].unique().tolist() == [NOT_TESTED]


def test_a_study_that_the_paper_does_not_have() -> None:
    with pytest.raises(InputError, match="no study 'rolling'"):
        claims({}, "rolling")
