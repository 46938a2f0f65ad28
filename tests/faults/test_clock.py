"""No result and no decision depends on what a machine's clock says."""

import ast
from collections.abc import Iterator

from tests.faults.machines import ROOT

# reading a wall clock; time.monotonic, process_time and sleep are no such thing
WALL = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
STAMPS = {"st_mtime", "st_mtime_ns", "st_ctime", "getmtime", "getctime", "last_modified"}
# when S3's credentials are asked for again: an interval on one machine, and too early or too late is harmless
ALLOWED = {("cluster/s3.py", "datetime.now")}


def clocks(source: str) -> Iterator[str]:
    """Where a module asks for the time of day or for the age of a file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name in WALL or node.attr in STAMPS:
                yield name
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"time.{alias.name}" for alias in node.names if f"time.{alias.name}" in WALL)
        elif isinstance(node, ast.Constant) and node.value == "last_modified":
            yield "last_modified"


def test_the_search_finds_them() -> None:
    planted = "import time\nfrom time import time_ns\ntime.time()\npath.stat().st_mtime\nmeta['last_modified']\n"
    assert sorted(clocks(planted)) == ["last_modified", "path.stat().st_mtime", "time.time", "time.time_ns"]


def test_nobody_asks_what_time_it_is() -> None:
    found = {
        (str(path.relative_to(ROOT)), name)
        for room in ("cluster", "volforecast", "jobs")
        for path in (ROOT / room).rglob("*.py")
        for name in clocks(path.read_text())
    }
    assert found == ALLOWED
