"""Searches on Ray Tune: the trials of a search within a unit, whatever the workers and whatever happens to them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec.structs import replace

from cluster.errors import ClusterError, ClusterLostError, NondeterminismError, PlanMismatchError
from cluster.search.book import ATTEMPTS, LOST
from cluster.search.driver import Searched, Trials, run_searches
from cluster.search.outcome import read_best
from cluster.search.space import Asked, Range, SearchError, Trial, Value, grid_point
from cluster.search.stored import search_plan, trial_output
from cluster.search.study import Search
from cluster.search.within import search_within
from cluster.store import ResultStore
from tests.cluster.search.toy_search import DEFAULTS, SPACE, ToySearch, toy_loss, toy_rows
from tests.cluster.toy_study import files

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(150)]

ASKED = Asked(trials=8)


def run(out: Path | str, study: ToySearch | None = None, asked: Asked = ASKED) -> Searched:
    study = study or ToySearch()
    return run_searches(study, toy_rows(), str(out), asked, quiet=True, early_stopping=study.early_stopping)


@pytest.fixture(scope="module")
def quiet(private_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search in which nothing went wrong."""
    out = tmp_path_factory.mktemp("quiet")
    searched = run(out)
    assert (searched.complete, searched.computed, searched.resumed, searched.lost) == (True, 16, 0, {})
    return out


def plain(offset: float) -> list[Trial]:
    """The same search within a unit, one trial after the other."""

    def objective(values: dict[str, Value], report: object) -> float:
        return offset + toy_loss(values)

    return search_within(objective, SPACE, ASKED, first=DEFAULTS)


def test_the_trials_are_those_of_a_search_within_a_unit(quiet: Path) -> None:
    found = run(quiet).found
    assert [entry.name for entry in found] == ["a", "b"]
    for entry, offset in zip(found, (0.0, 0.5), strict=True):
        assert entry.trials == plain(offset)
        assert entry.best == min(entry.trials, key=lambda trial: trial.loss or 0.0)
        assert entry.default == entry.trials[0].loss


def test_a_search_that_is_done_is_only_read(quiet: Path) -> None:
    before = files(quiet)
    searched = run(quiet)
    assert (searched.computed, searched.resumed) == (0, 16)
    assert files(quiet) == before


def test_what_is_published(quiet: Path) -> None:
    table = pd.read_parquet(quiet / "tables/trials.parquet")
    columns = ["search", "letter", "place", "number", "values", "loss", "status", "chosen", "steps", "reason"]
    assert list(table.columns) == columns
    assert len(table) == 16
    assert list(table["place"]) == [0] * 8 + [1] * 8
    chosen = table[table["chosen"]]
    assert list(chosen["search"]) == ["a", "b"]
    text = pd.read_csv(quiet / "tables/trials.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(text, table, check_dtype=False)
    best = json.loads((quiet / "best.json").read_text())
    assert {name: entry["values"] for name, entry in best.items()} == read_best(str(quiet))
    assert [json.loads(values) for values in chosen["values"]] == list(read_best(str(quiet)).values())
    assert best["a"]["trials"] == 8
    assert best["a"]["median"] == pytest.approx(table[table["search"] == "a"]["loss"].median(), rel=1e-15)


def test_on_s3_as_on_disk(quiet: Path, s3_url: str) -> None:
    assert run(s3_url).complete
    objects = ResultStore(s3_url, create=False).objects
    expected = files(quiet)
    assert {name: objects.read(name) for name in expected} == expected
    assert read_best(s3_url) == read_best(str(quiet))


def test_a_part_that_is_damaged_is_computed_again(quiet: Path, tmp_path: Path) -> None:
    before = files(quiet)
    spoilt = {name for name in before if name.startswith("parts/")}
    spoilt = set(sorted(spoilt)[:3])
    for name, payload in before.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(payload[:-1] if name in spoilt else payload)
    searched = run(tmp_path)
    assert searched.complete
    assert files(tmp_path, history=False) == before
    assert len(list((tmp_path / "quarantine").iterdir())) == 3


def test_workers_that_die_and_trials_that_fail(quiet: Path, tmp_path: Path) -> None:
    """Once: begun again. Always: a failed trial, and the search goes on. An error: a failed trial, and no other try."""
    out, folder = tmp_path / "out", tmp_path / "marks"
    folder.mkdir()
    trouble = {"a/rate=0.05": "die once", "b/rate=0.05": "die", "b/kind=wide": "raise"}
    searched = run(out, ToySearch(trouble=trouble, folder=str(folder)))
    a, b = searched.found
    assert a.trials == run(quiet).found[0].trials
    assert b.trials[0].values == DEFAULTS
    assert (b.trials[0].status, b.trials[0].reason, b.default) == ("failed", LOST, None)
    assert searched.lost == {"a/0": 1, "b/0": ATTEMPTS}
    failed = [trial for trial in b.trials if trial.values["kind"] == "wide"]
    assert {(trial.status, trial.reason) for trial in failed} == {("failed", "ArithmeticError: told to fail")}
    assert not searched.complete, "a trial that takes its worker down is no result to be content with"
    assert b.best is not None
    assert len(list(out.glob("failures/*/*.json"))) == 1 + ATTEMPTS
    table = pd.read_csv(out / "tables/trials.csv", keep_default_na=False)
    assert set(table[table["status"] == "failed"]["reason"]) == {LOST, "ArithmeticError: told to fail"}


def test_trials_that_fall_behind_are_stopped_and_recorded_with_their_curves(private_ray: None, tmp_path: Path) -> None:
    study = ToySearch(steps=9, early_stopping=True, offsets=(0.0, 100.0), gpus=0.5)
    searched = run(tmp_path, study, Asked(trials=16, method="random"))
    assert searched.complete
    for entry, offset in zip(searched.found, (0.0, 100.0), strict=True):
        assert [trial.number for trial in entry.trials] == list(range(16))
        statuses = {trial.status for trial in entry.trials}
        assert statuses == {"complete", "pruned"}, "searches are compared with each other"
        for trial in entry.trials:
            loss = offset + toy_loss(trial.values)
            steps = 9 if trial.status == "complete" else len(trial.curve)
            assert trial.curve == tuple(loss + 1 / step for step in range(1, steps + 1))
            assert trial.loss == (loss if trial.status == "complete" else trial.curve[-1])
            assert trial.status == "complete" or len(trial.curve) < 9
    before = files(tmp_path)
    assert run(tmp_path, study, Asked(trials=16, method="random")).resumed == 32
    assert files(tmp_path) == before


def test_a_whole_grid(private_ray: None, tmp_path: Path) -> None:
    space: dict[str, Any] = {"depth": Range(4, 5, integer=True), "kind": ("plain", "wide"), "rate": (0.003,)}
    (entry,) = run(tmp_path, ToySearch(offsets=(0.0,), space=space), Asked(method="grid", trials=1)).found
    assert [trial.values for trial in entry.trials] == [grid_point(space, i) for i in range(4)]
    assert entry.best is not None
    assert (entry.best.loss, entry.best.values["depth"], entry.default) == (0.0, 5, None)


def test_nothing_is_written_where_nothing_can_be_searched(private_ray: None, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="nothing to search"):
        run(tmp_path / "none", ToySearch(offsets=()))
    with pytest.raises(SearchError, match="a: rate: a range of real numbers has no grid"):
        run(tmp_path / "endless", asked=Asked(method="grid"))
    with pytest.raises(SearchError, match="a: a point of this space has values for x"):
        run(tmp_path / "elsewhere", Elsewhere(space={"x": (1, 2)}))
    assert not list(tmp_path.iterdir())


class Elsewhere(ToySearch, frozen=True):
    """Its defaults are no point of its space."""

    def searches(self, data: Any) -> Sequence[Search]:
        return [replace(search, defaults=DEFAULTS) for search in super().searches(data)]


def test_another_driver_was_first(tmp_path: Path) -> None:
    """With early stopping its trial may have ended elsewhere, and stands; without, that is an alarm."""
    theirs = Trial(0, DEFAULTS, 9.0, "pruned", (9.0,))
    mine = Trial(0, DEFAULTS, 1.0, "complete", (9.0, 1.0))
    searches = tuple(ToySearch(steps=9).searches(toy_rows()))
    for early, folder in ((True, "early"), (False, "whole")):
        plan = search_plan("toy", searches, ASKED, early_stopping=early)
        store = ResultStore(str(tmp_path / folder))
        store.adopt_plan(plan)
        store.commit(plan.units[0].key, trial_output(theirs))
        taken = Trials(store, plan, searches, ASKED)
        if early:
            assert taken.committed(plan.units[0], mine) == theirs
        else:
            with pytest.raises(NondeterminismError):
                taken.committed(plan.units[0], mine)


def test_a_cluster_that_has_gone(private_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a trial runs that would never end: the run ends with what is committed, and goes on later."""
    study = ToySearch(offsets=(0.0,), trouble={"a/rate=0.05": "wait"}, folder=str(tmp_path))
    monkeypatch.setattr("cluster.search.driver.LOOKS", 0.1)
    monkeypatch.setattr("cluster.watch.HEAD_SECONDS", 0.1)
    signs = tmp_path.glob
    monkeypatch.setattr("cluster.session.head", lambda: lambda: not list(signs("a-2-*")))
    with pytest.raises(ClusterLostError, match="what is committed stays"):
        run(tmp_path / "out", study)
    (tmp_path / "go").touch()
    monkeypatch.undo()
    from cluster.search.tune import give_places_back  # not above: it imports Ray, which must come with a session

    give_places_back()  # this cluster has not gone
    assert run(tmp_path / "out", study).found[0].trials == plain(0.0)


def test_other_settings_are_refused(quiet: Path) -> None:
    before = files(quiet)
    with pytest.raises(PlanMismatchError, match=r"trials 8 \(yours: 9\)"):
        run(quiet, asked=Asked(trials=9))
    with pytest.raises(PlanMismatchError, match=r"early_stopping false \(yours: true\)"):
        run(quiet, ToySearch(early_stopping=True))
    assert files(quiet) == before


def test_gpus_that_are_not_there(private_ray: None, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="trials of a ask for 16 GPUs and the cluster has 2"):
        run(tmp_path, ToySearch(gpus=16.0))
    with pytest.raises(ClusterError, match="proxy"):
        run_searches(ToySearch(), toy_rows(), str(tmp_path), ASKED, address="ray://127.0.0.1:1")
