"""The report in a real browser: nothing wider than the window, nothing fetched, and the selectors work by keyboard."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import Tab, browser, installed, visit
from tests.report.pages import first_days_report, forecasts_of, report_of, selection_tables
from volforecast.report.page.html import render_report

OPENED = "document.querySelectorAll('details').forEach(part => { part.open = true; })"
WIDER = """[...document.querySelectorAll('body *')].filter(part => !part.closest('.scroll, svg, .skip, .chips')
  && part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(part => part.outerHTML.slice(0, 90))"""
SHOWN = """[...document.querySelectorAll('#%s > .panel')].filter(part => part.getClientRects().length)
  .map(part => part.getAttribute('aria-label'))"""
CUT = """[...document.querySelectorAll('svg')].filter(drawing => drawing.getClientRects().length).flatMap(drawing => {
  const frame = drawing.getBoundingClientRect();
  return [...drawing.querySelectorAll('text')].filter(text => { const box = text.getBoundingClientRect();
    return box.left < frame.left - 3 || box.right > frame.right + 3 || box.bottom > frame.bottom + 3; })
    .map(text => text.textContent); })"""
COVERED = """[...document.querySelectorAll('svg')].filter(one => one.getClientRects().length).flatMap(drawing => {
  const boxes = [...drawing.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], place) => boxes.slice(place + 1).filter(([, b]) => a.left < b.right - 1
    && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
    .map(([other]) => one + ' / ' + other)); })"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = installed()
    if program is None:
        pytest.skip("no Chromium is installed")
    with browser(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of either study, with every kind of section."""
    folder = tmp_path_factory.mktemp("pages")
    report = report_of(forecasts_of(("A name that goes on and on without_any_break_" + 60 * "x", "KO", "GE")))
    full = report._replace(tables={**report.tables, **selection_tables(tuple(report.forecasts["target"].unique()), 9)})
    written = {"new-issues": full, "first-days": first_days_report()}
    for name, made in written.items():
        (folder / f"{name}.html").write_bytes(render_report(made))
    return {name: folder / f"{name}.html" for name in written}


@pytest.mark.parametrize("study", ["new-issues", "first-days"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_fits_its_window_and_asks_for_nothing(
    address: str, pages: dict[str, Path], width: int, scheme: str, study: str
) -> None:
    async def look(tab: Tab) -> None:
        await tab.open(pages[study], width, scheme)
        await tab.value(OPENED)
        assert await tab.value("document.documentElement.scrollWidth") <= width
        assert await tab.value(WIDER) == []
        assert await tab.value(CUT) == []
        assert await tab.value(COVERED) == []
        assert await tab.value("[...document.images].filter(image => !image.alt).length") == 0
        assert await tab.value("[...document.querySelectorAll('svg')].every(one => one.getAttribute('aria-label'))")
        asked = [request["request"]["url"] for request in tab.told("Network.requestWillBeSent")]
        assert asked == [pages[study].as_uri()]
        said = tab.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        assert said == []

    visit(address, look)


def test_selectors_show_one_set_of_plots_at_a_time_and_follow_the_keyboard(
    address: str, pages: dict[str, Path]
) -> None:
    async def choose(tab: Tab) -> None:
        await tab.open(pages["new-issues"], 1280)
        for chooser, labels in (("loss", ["MSE", "MAE", "QLIKE"]), ("rate", ["MTL-25", "MTL-50", "MTL-75"])):
            first = await tab.value(SHOWN % chooser)
            assert len(first) == 1
            assert first[0].endswith(": " + labels[0])
            await tab.value(f"document.getElementById('{chooser}-1').focus()")
            for label in labels[1:]:
                await tab.press("ArrowRight", 39)
                shown = await tab.value(SHOWN % chooser)
                assert [name.rpartition(": ")[2] for name in shown] == [label]
        await tab.value("document.querySelector('label[for=target-3]').click()")
        assert [name.rpartition(": ")[2] for name in await tab.value(SHOWN % "target")] == ["KO"]
        ring = "getComputedStyle(document.querySelector('label[for=rate-3]')).outlineStyle"
        assert await tab.value(ring) == "none"
        await tab.value("document.getElementById('rate-3').focus()")
        await tab.press("Shift", 16)  # the keyboard has been used last, so focus must be seen
        assert await tab.value(ring) == "solid"

    visit(address, choose)


def test_everything_can_be_reached_by_keyboard(address: str, pages: dict[str, Path]) -> None:
    async def walk(tab: Tab) -> None:
        await tab.open(pages["new-issues"], 375)
        await tab.press("Tab", 9)
        assert await tab.value("document.activeElement.textContent") == "Skip to the findings"
        assert await tab.value("document.activeElement.getBoundingClientRect().left") >= 0
        await tab.value(OPENED)
        clipped = """[...document.querySelectorAll('*')].filter(part => part.scrollWidth > part.clientWidth + 1
          && ['auto', 'scroll'].includes(getComputedStyle(part).overflowX) && part.tabIndex < 0).length"""
        assert await tab.value(clipped) == 0
        many = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1).length"
        assert await tab.value(many) > 0
        unhinted = """[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 40
          && !(box.previousElementSibling?.matches('.swipe') && box.previousElementSibling.getClientRects().length))
          .map(box => box.innerText.slice(0, 60))"""
        assert await tab.value(unhinted) == []

    visit(address, walk)


def test_print_shows_what_is_chosen_and_what_is_folded(address: str, pages: dict[str, Path]) -> None:
    async def print_it(tab: Tab) -> None:
        await tab.open(pages["new-issues"], 1280)
        await tab.media("print")
        hidden = "[...document.querySelectorAll('nav, fieldset, .skip, .swipe')].every(p => !p.getClientRects().length)"
        assert await tab.value(hidden)
        assert len(await tab.value(SHOWN % "target")) == 1
        tables = "[...document.querySelectorAll('details table')].every(part => part.getClientRects().length)"
        assert await tab.value(tables)
        assert "can be chosen on the screen" in await tab.value("document.body.innerText")
        answer = await tab.call("Page.printToPDF", preferCSSPageSize=True)
        assert base64.b64decode(answer["data"]).startswith(b"%PDF")

    visit(address, print_it)
