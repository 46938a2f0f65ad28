"""What any backend of the results store must do: in memory, in a local folder, on S3, and on an S3 that fails."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from msgspec.structs import replace

from cluster.errors import CorruptPartError, NondeterminismError, PlanMismatchError, StoreError
from cluster.objects import Objects
from cluster.store import Failure, ResultStore
from cluster.study import Output, Plan, Unit

KEY = "0" * 32
OUTPUT = Output(b"some bytes", 3, {"rows": 3, "fallback": 1})


def a_plan(**changes: object) -> Plan:
    unit = Unit(KEY, "fit", "KO/50/HAR", {"target": "KO", "period": 50})
    config = {"seed": 1, "periods": [50, 150], "fnn": {"epochs": 100, "widths": [8, 4]}}
    plan = Plan("new-issues", config, "ab" * 32, {"numpy": "2.0", "volforecast": "0.1"}, (unit,))
    return msgspec.structs.replace(plan, **changes)


class StoreConformance:
    """Objects, commits, ledger and plan; a subclass gives the address of an empty folder as fixture ``url``."""

    MANY = 1003  # objects: more than S3 lists at a time

    @pytest.fixture
    def objects(self, url: str) -> Objects:
        return Objects(url)

    @pytest.fixture
    def store(self, url: str) -> ResultStore:
        return ResultStore(url)

    # -- objects

    def test_only_the_first_creates(self, objects: Objects) -> None:
        assert objects.create("a/b", b"first")
        assert not objects.create("a/b", b"second")
        assert objects.read("a/b") == b"first"

    def test_replace_writes_whole(self, objects: Objects) -> None:
        objects.replace("a/b", b"a long first content")
        objects.replace("a/b", b"short")
        assert objects.read("a/b") == b"short"

    def test_what_is_not_there(self, objects: Objects) -> None:
        assert objects.read("nothing") is None
        assert not objects.exists("nothing")
        assert objects.names("nothing") == []
        objects.delete("nothing")

    def test_names_are_those_below_a_folder(self, objects: Objects) -> None:
        for path in ("a/2", "a/1", "a/deep/er", "ab/1", "b"):
            objects.create(path, b"")
        assert objects.names("a") == ["1", "2", "deep/er"]
        assert objects.exists("a/deep/er")
        assert not objects.exists("a")

    @pytest.mark.parametrize("name", ["BRK.B.parquet", "target=KO/two words.csv", "Größe 100%.csv", "ßλ.txt"])
    def test_unusual_names_come_back_as_they_were(self, objects: Objects, name: str) -> None:
        assert objects.create(f"tables/{name}", b"1")
        assert objects.names("tables") == [name]
        assert objects.read(f"tables/{name}") == b"1"
        objects.delete(f"tables/{name}")
        assert objects.names("tables") == []

    @pytest.mark.parametrize("path", ["/a", "../a", "a/../b", "a//b", "", ".", "a/"])
    def test_no_path_leads_out(self, objects: Objects, path: str) -> None:
        for action in (objects.read, objects.delete, objects.names, objects.exists):
            with pytest.raises(StoreError, match="not a path below"):
                action(path)
        with pytest.raises(StoreError, match="not a path below"):
            objects.create(path, b"")

    def test_more_objects_than_a_page_lists(self, objects: Objects) -> None:
        wanted = [f"{i:04d}" for i in range(self.MANY)]
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda name: objects.create(f"many/{name}", b""), wanted))
        assert objects.names("many") == wanted

    def test_empty_but_for_a_plan(self, objects: Objects) -> None:
        assert objects.empty()
        objects.create("plan.json", b"{}")
        assert objects.empty()
        objects.create("other/file", b"")
        assert not objects.empty()

    # -- commits

    def test_a_unit_is_committed_once(self, store: ResultStore) -> None:
        assert not store.is_committed(KEY)
        assert store.load(KEY) is None
        assert store.commit(KEY, OUTPUT)
        assert not store.commit(KEY, OUTPUT)
        assert store.is_committed(KEY)
        assert store.committed() == {KEY}
        assert store.load(KEY) == OUTPUT.payload
        commit = store.commits([KEY, "1" * 32])[KEY]
        assert (commit.rows, commit.size, commit.counts) == (3, 10, {"fallback": 1, "rows": 3})
        assert len(store.objects.names("parts")) == len(store.objects.names("commits")) == 1

    def test_other_bytes_for_a_done_unit_raise_an_alarm(self, store: ResultStore) -> None:
        store.commit(KEY, OUTPUT)
        with pytest.raises(NondeterminismError, match=KEY):
            store.commit(KEY, Output(b"other bytes", 3))
        assert store.load(KEY) == OUTPUT.payload

    def test_killed_between_part_and_commit(self, store: ResultStore) -> None:
        store.commit(KEY, OUTPUT)
        store.objects.delete(f"commits/{KEY}.json")
        before = store.objects.names("parts")
        assert store.committed() == set()
        assert store.commit(KEY, OUTPUT)
        assert store.objects.names("parts") == before

    @pytest.mark.parametrize("damage", [b"", b"some bytf", b"some bytfs"], ids=["empty", "cut", "changed"])
    def test_a_damaged_part_is_set_aside_and_its_unit_open_again(self, store: ResultStore, damage: bytes) -> None:
        store.commit(KEY, OUTPUT)
        part = f"parts/{store.objects.names('parts')[0]}"
        store.objects.replace(part, damage)
        with pytest.raises(CorruptPartError, match="damaged") as caught:
            store.load(KEY)
        assert caught.value.key == KEY
        assert store.committed() == set()
        assert store.objects.names("parts") == []
        assert [store.objects.read(f"quarantine/{name}") for name in store.objects.names("quarantine")] == [damage]
        assert store.commit(KEY, OUTPUT)
        assert store.load(KEY) == OUTPUT.payload

    def test_a_missing_part_opens_its_unit_again(self, store: ResultStore) -> None:
        store.commit(KEY, OUTPUT)
        store.objects.delete(f"parts/{store.objects.names('parts')[0]}")
        with pytest.raises(CorruptPartError, match="missing"):
            store.load(KEY)
        assert store.committed() == set()

    def test_a_damaged_part_without_commit_is_repaired_by_the_next_attempt(self, store: ResultStore) -> None:
        store.commit(KEY, OUTPUT)
        store.objects.replace(f"parts/{store.objects.names('parts')[0]}", b"cut")
        store.objects.delete(f"commits/{KEY}.json")
        store.commit(KEY, OUTPUT)
        assert store.load(KEY) == OUTPUT.payload

    @pytest.mark.parametrize("rest", [b"", b'{"part":"parts/0', b"\x00\x00\x00", b"\xff"])
    def test_a_commit_cut_short_opens_its_unit_again(self, store: ResultStore, rest: bytes) -> None:
        store.commit(KEY, OUTPUT)
        store.objects.replace(f"commits/{KEY}.json", rest)
        with pytest.raises(CorruptPartError):
            store.load(KEY)
        assert store.committed() == set()
        store.objects.replace(f"commits/{KEY}.json", rest)
        assert store.commit(KEY, OUTPUT)
        assert store.load(KEY) == OUTPUT.payload

    def test_a_commit_of_another_version_is_left_alone(self, store: ResultStore) -> None:
        store.objects.create(f"commits/{KEY}.json", b'{"version":2}')
        with pytest.raises(StoreError, match=r"commits.*version"):
            store.load(KEY)
        assert store.committed() == {KEY}

    def test_all_damaged_parts_at_once(self, store: ResultStore) -> None:
        keys = [f"{i:032d}" for i in range(6)]
        for key in keys:
            store.commit(key, Output(key.encode(), 1))
        for key in keys[1:4]:
            (name,) = store.objects.names(f"parts/{key}")
            store.objects.replace(f"parts/{key}/{name}", b"")
        assert store.set_damaged_aside(keys) == keys[1:4]
        assert store.committed() == {*keys[:1], *keys[4:]}

    # -- ledger

    def test_entries_are_counted_and_the_last_is_shown(self, store: ResultStore) -> None:
        for i in (1, 2, 3):
            assert store.record_failure(Failure(KEY, "fit", "KO/50/HAR", f"reason {i}")) == i
        store.record_failure(Failure("1" * 32, "fit", "PG/50/HAR", "other", "trace"))
        assert store.failures() == {
            KEY: (3, Failure(KEY, "fit", "KO/50/HAR", "reason 3")),
            "1" * 32: (1, Failure("1" * 32, "fit", "PG/50/HAR", "other", "trace")),
        }

    def test_a_unit_that_is_done_after_all_is_no_failure(self, store: ResultStore) -> None:
        store.record_failure(Failure(KEY, "fit", "KO/50/HAR", "worker died"))
        store.commit(KEY, OUTPUT)
        assert store.failures() == {}

    def test_an_entry_cut_short_does_not_hide_the_failure(self, store: ResultStore) -> None:
        store.objects.create(f"failures/{KEY}/001.json", b'{"key"')
        count, failure = store.failures()[KEY]
        assert count == 1
        assert "damaged" in failure.reason

    # -- plan

    def test_the_same_plan_again(self, store: ResultStore, url: str) -> None:
        store.adopt_plan(a_plan())
        before = store.objects.read("plan.json")
        ResultStore(url).adopt_plan(a_plan())
        assert store.plan() == a_plan()
        assert store.objects.read("plan.json") == before

    def test_better_estimates_and_what_is_known_about_the_data_make_no_other_run(self, store: ResultStore) -> None:
        """The stored plan stands; who goes on works by the newer estimates."""
        (unit, *rest), about = a_plan().units, {"names": {"a": "A"}}
        store.adopt_plan(replace(a_plan(), about=about))
        before = store.objects.read("plan.json")
        better = replace(a_plan(), units=(replace(unit, cost=unit.cost + 1.0, memory=7), *rest))
        assert store.adopt_plan(better) == replace(better, about=about)
        assert store.objects.read("plan.json") == before
        with pytest.raises(PlanMismatchError, match="units differ"):
            store.adopt_plan(replace(a_plan(), units=(replace(unit, key="1" * 32), *rest)))

    def test_the_order_of_settings_does_not_matter(self, store: ResultStore) -> None:
        store.adopt_plan(a_plan(config={"a": 1, "b": {"c": 2, "d": 3}}))
        store.adopt_plan(a_plan(config={"b": {"d": 3, "c": 2}, "a": 1}))

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"study": "first-days"}, "study new-issues (yours: first-days)"),
            (
                {"config": {"seed": 2, "periods": [50, 150], "fnn": {"epochs": 100, "widths": [8, 4]}}},
                "seed 1 (yours: 2)",
            ),
            (
                {"config": {"seed": 1, "periods": [50, 150], "fnn": {"epochs": 9, "widths": [8, 4]}}},
                "fnn.epochs 100 (yours: 9)",
            ),
            (
                {"config": {"seed": 1, "periods": [50, 250], "fnn": {"epochs": 100, "widths": [8, 4]}}},
                "periods 2 with [150] (yours: 2 with [250])",
            ),
            (
                {"config": {"seed": 1, "periods": [50, 150], "fnn": {"epochs": 100, "widths": [4, 8]}}},
                "fnn.widths [8, 4] (yours: [4, 8])",
            ),
            ({"data": "cd" * 32}, "data abababababab (yours: cdcdcdcdcdcd)"),
            ({"versions": {"numpy": "2.1", "volforecast": "0.1"}}, 'numpy "2.0" (yours: "2.1")'),
            ({"units": ()}, "its units differ"),
        ],
    )
    def test_another_run_is_refused_by_what_differs(
        self, store: ResultStore, changes: dict[str, object], words: str
    ) -> None:
        store.adopt_plan(a_plan())
        with pytest.raises(PlanMismatchError) as caught:
            store.adopt_plan(a_plan(**changes))
        assert words in str(caught.value)
        assert "numpy" not in str(caught.value) or "numpy" in words, "names what does not differ"
        assert store.plan() == a_plan()

    def test_a_folder_of_something_else_is_left_alone(self, store: ResultStore) -> None:
        store.objects.create("thesis/chapter.tex", b"")
        with pytest.raises(StoreError, match="not empty"):
            store.adopt_plan(a_plan())
        assert not store.has_plan()

    @pytest.mark.parametrize("rest", [b"", b'{"study":"new', b'{"study":1}', b"[]", b"\xff\xfe"])
    def test_a_plan_cut_short(self, store: ResultStore, rest: bytes) -> None:
        store.objects.create("plan.json", rest)
        with pytest.raises(StoreError, match=r"plan\.json"):
            store.plan()
        with pytest.raises(StoreError, match=r"plan\.json"):
            store.adopt_plan(a_plan())

    def test_no_plan(self, store: ResultStore) -> None:
        with pytest.raises(StoreError, match="no run was started here"):
            store.plan()
