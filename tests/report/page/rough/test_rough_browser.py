"""The report of the cross-asset study in a real browser: it fits its window, fetches nothing, and its choosers work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import Tab, browser, installed, visit
from tests.report.page.rough.made import NAMED, page, renamed, run
from tests.report.test_browser import COVERED, CUT, OPENED, SHOWN, WIDER

PARTS = """[...document.querySelectorAll('#%s .part')].filter(part => part.getClientRects().length)
  .map(part => part.getAttribute('aria-label'))"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = installed()
    if program is None:
        pytest.skip("no Chromium is installed")
    with browser(program, tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rough") / "report.html"
    path.write_bytes(page(renamed(run(), NAMED)))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_fits_its_window_and_asks_for_nothing(running: str, report: Path, width: int, scheme: str) -> None:
    async def look(tab: Tab) -> None:
        await tab.open(report, width, scheme)
        await tab.value(OPENED)
        for panel in range(1, 5):
            await tab.value(f"document.getElementById('target-{panel}').click()")
            assert await tab.value("document.documentElement.scrollWidth") <= width
            assert await tab.value(WIDER) == []
        for chooser in ("across-2", "rough-2", "rough-by-3", "training-by-2", "prediction-2", "quantile-2"):
            await tab.value(f"document.getElementById('{chooser}').click()")
        assert await tab.value("document.documentElement.scrollWidth") <= width
        assert await tab.value(WIDER) == []
        assert await tab.value(CUT) == []
        assert await tab.value(COVERED) == []
        asked = [request["request"]["url"] for request in tab.told("Network.requestWillBeSent")]
        assert asked == [report.as_uri()]
        assert tab.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []

    visit(running, look)


def test_a_target_and_a_horizon_are_chosen_apart(running: str, report: Path) -> None:
    async def choose(tab: Tab) -> None:
        await tab.open(report, 1280)
        for chooser in ("target", "rough", "training", "prediction", "quantile"):
            assert len(await tab.value(SHOWN % chooser)) == 1
            assert len(await tab.value(PARTS % chooser)) == 1
        first = (await tab.value(PARTS % "target"))[0]
        await tab.value("document.getElementById('target-by-1').focus()")
        await tab.press("ArrowRight", 39)
        second = (await tab.value(PARTS % "target"))[0]
        assert first.endswith("1 day ahead")
        assert second.endswith("5 days ahead")
        await tab.value("document.querySelector('label[for=target-4]').click()")
        assert (await tab.value(PARTS % "target"))[0] == "Target: KO, 5 days ahead"
        await tab.value("document.querySelector('label[for=rough-by-4]').click()")
        assert (await tab.value(PARTS % "rough"))[0].endswith("Variogram")

    visit(running, choose)


def test_everything_wide_can_be_reached_by_keyboard(running: str, report: Path) -> None:
    async def walk(tab: Tab) -> None:
        await tab.open(report, 375)
        await tab.value(OPENED)
        clipped = """[...document.querySelectorAll('*')].filter(part => part.scrollWidth > part.clientWidth + 1
          && ['auto', 'scroll'].includes(getComputedStyle(part).overflowX) && part.tabIndex < 0).length"""
        assert await tab.value(clipped) == 0
        unhinted = """[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 40
          && !(box.previousElementSibling?.matches('.swipe') && box.previousElementSibling.getClientRects().length))
          .map(box => box.innerText.slice(0, 60))"""
        assert await tab.value(unhinted) == []
        await tab.media("print")
        tables = "[...document.querySelectorAll('details table')].every(part => part.getClientRects().length)"
        assert await tab.value(tables)

    visit(running, walk)
