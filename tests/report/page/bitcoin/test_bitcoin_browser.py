"""The page in a real browser: nothing wider than the window, no text cut or covered, whatever is chosen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import Tab, browser, installed, visit
from tests.report.page.bitcoin.made import HOSTILE, PLAIN, page, plain, plan_of, run
from tests.report.test_browser import COVERED, CUT, OPENED, WIDER

CHOICES = "document.querySelectorAll('input[type=radio]')"
VISIBLE = "[...document.querySelectorAll('#%s > .panel')].filter(part => part.getClientRects().length).length"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = installed()
    if program is None:
        pytest.skip("no Chromium is installed")
    with browser(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    tables = run()
    named = tables | {"granger": tables["granger"].replace({"cause": {"spread": HOSTILE}})}
    written = {"whole": page(named), "plain": page(plain(), plan=plan_of(("clean",), PLAIN, ""))}
    for name, made in written.items():
        (folder / f"{name}.html").write_bytes(made)
    return {name: folder / f"{name}.html" for name in written}


@pytest.mark.parametrize("which", ["whole", "plain"])
@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (375, "dark"), (1280, "light"), (1280, "dark")])
def test_the_page_fits_whatever_is_chosen(
    address: str, pages: dict[str, Path], width: int, scheme: str, which: str
) -> None:
    async def look(tab: Tab) -> None:
        await tab.open(pages[which], width, scheme)
        await tab.value(OPENED)
        count = await tab.value(f"{CHOICES}.length")
        assert count > 3
        every = range(count) if scheme == "light" else range(1)  # colours do not move anything
        for number in every:
            await tab.value(f"{CHOICES}[{number}].checked = true")
            assert await tab.value("document.documentElement.scrollWidth") <= width
            assert await tab.value(WIDER) == []
            assert await tab.value(CUT) == []
            assert await tab.value(COVERED) == []
        asked = [request["request"]["url"] for request in tab.told("Network.requestWillBeSent")]
        assert asked == [pages[which].as_uri()]
        assert tab.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []

    visit(address, look)


def test_one_choice_is_shown_at_a_time(address: str, pages: dict[str, Path]) -> None:
    async def choose(tab: Tab) -> None:
        await tab.open(pages["whole"], 1280)
        for chooser in ("rank", "interval", "test", "gate", "spike", "span", "search"):
            assert await tab.value(VISIBLE % chooser) == 1
        shown = "[...document.querySelectorAll('#gate .part')].filter(part => part.getClientRects().length)"
        assert await tab.value(f"{shown}.map(part => part.getAttribute('aria-label'))") == ["Model: TM-G, Interval 1"]
        await tab.value("document.querySelector('label[for=gate-2]').click()")
        await tab.value("document.querySelector('label[for=gate-by-4]').click()")
        assert await tab.value(f"{shown}.map(part => part.getAttribute('aria-label'))") == ["Model: TM-SG, Interval 4"]

    visit(address, choose)
