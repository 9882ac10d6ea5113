"""The page of 'preflight --html' in a real browser: in the light, in the dark, and on paper."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.plugin import or_not_covered
from tests.packaging import trees
from tests.packaging.browser import Browser
from tests.packaging.container import EXCHANGE, Container
from tests.unit.preflight_world import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("packages"), pytest.mark.slow]
# The least contrast of text to what is behind it, WCAG 2.2, 1.4.3.
CONTRAST = 4.5
# Every text with its colour and the page's, as red, green and blue.
COLOURS = """
[...document.querySelectorAll("h1, h2, p, td, th, small, figcaption, .plot text")].map(it => [
    getComputedStyle(it)[it.closest("svg") ? "fill" : "color"],
    getComputedStyle(it.closest("svg") || document.body).backgroundColor, it.textContent])
"""
# Texts of the picture that are outside of it.
OUTSIDE = """
[...document.querySelectorAll(".plot")].flatMap(plot => [...plot.querySelectorAll("text")].filter(it => {
    const inner = it.getBoundingClientRect(), outer = plot.getBoundingClientRect();
    return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
}).map(it => it.textContent))
"""
PAPER_MILLIMETRES = 210
SCROLL_BAR = 15


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A machine with a browser."""
    folder = tmp_path_factory.mktemp("page")
    with or_not_covered(lambda: Container(trees.browser(), folder)) as made:
        yield made


@pytest.fixture
def browser(
    container: Container, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Browser]:
    """The page of a pre-flight that saw blocks land too late is open."""
    site = Site(monkeypatch, capfd)
    site.store.hold, site.store.aborts = 0.02, False
    site.types = (1, 2, 3)
    folder: Path = container.exchange
    report = site.fly("--with=n2", f"--html={folder}/page.html")
    assert report["found"]["streams"][0]["landed_later"]
    with Browser(container) as made:
        made.open(f"file://{EXCHANGE}/page.html")
        yield made


@pytest.mark.parametrize(("media", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "dark")])
def test_it_can_be_read_in_the_light_in_the_dark_and_on_paper(browser: Browser, media: str, scheme: str) -> None:
    browser.media(media, scheme)
    found = browser.value(COLOURS)
    assert len(found) > 100
    for ink, paper, text in found:
        assert contrast(ink, paper) >= CONTRAST, (ink, paper, text)
    (behind,) = {luminance(browser.value("getComputedStyle(document.body).backgroundColor"))}
    assert (behind < 0.1) == (media == "screen" and scheme == "dark")
    assert not browser.complaints


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 has it."""
    parts = [int(it) / 255 for it in re.findall(r"\d+", colour)[:3]]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("pixels", [360, 800, 1600])
def test_nothing_is_wider_than_the_window(browser: Browser, pixels: int) -> None:
    browser.width(pixels)
    inside = browser.value("document.documentElement.clientWidth")
    assert pixels - SCROLL_BAR <= inside <= pixels
    assert browser.value("document.documentElement.scrollWidth") <= inside
    assert browser.value(OUTSIDE) == []
    assert not browser.complaints


def test_it_is_printed_on_a_few_pages_and_nothing_is_cut_off(browser: Browser) -> None:
    paper: dict[str, Any] = {"paperWidth": PAPER_MILLIMETRES / 25.4, "paperHeight": 297 / 25.4}
    data = base64.b64decode(
        browser.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=False, **paper)["data"]
    )
    assert data.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type /Page\b", data))
    assert 1 <= pages <= 8
    browser.media("print")
    browser.width(round((PAPER_MILLIMETRES - 30) / 25.4 * 96))
    wide = "[...document.querySelectorAll('.wide')].filter(it => it.scrollWidth > it.clientWidth + 1).length"
    assert browser.value(wide) == 0
    assert not browser.complaints
