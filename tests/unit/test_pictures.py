"""The pictures of the documents: whole, without anything from elsewhere, readable on a light and on a dark page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.captures import svg, table
from tests.unit.process import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
CAPTURES = sorted((PROJECT / "docs/pictures").glob("terminal-*.svg"))
PICTURES = sorted((PROJECT / "docs/pictures").glob("*.svg"))
WHITE, BLACK = "#ffffff", "#000000"
# As the guidelines for web content (WCAG 2, level AA) want it of text.
LEAST_CONTRAST = 4.5
# What stands on the page itself; all other text stands on a shape of its own.
ON_THE_PAGE = ("caption", "said")


def brightness(colour: str) -> float:
    """The relative luminance of #rgb or #rrggbb, from 0 to 1."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black and white."""
    dark, light = sorted((brightness(one), brightness(other)))
    return (light + 0.05) / (dark + 0.05)


def fills(picture: Path) -> dict[str, str]:
    """Class → the colour that it is filled with."""
    return dict(re.findall(r"\.([\w-]+) \{[^}]*fill: (#[0-9a-f]+)", picture.read_text()))


def test_contrast_is_what_it_is_known_to_be() -> None:
    assert contrast(WHITE, BLACK) == pytest.approx(21)
    assert contrast("#777", "#777777") == pytest.approx(1)
    assert contrast("#767676", WHITE) == pytest.approx(4.54, abs=0.01)


def test_there_are_pictures() -> None:
    assert [picture.name for picture in PICTURES if picture.name == "fencing.svg"]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_says_in_words_what_it_shows_and_takes_nothing_from_elsewhere(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()
    assert root.findtext(f"{SVG}title")
    assert len(root.findtext(f"{SVG}desc") or "") > 50
    text = picture.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    for word in ("http", "@import", "@font-face", "<image", "<script", "<foreignObject", "href"):
        assert word not in text, word
    family = "monospace" if picture in CAPTURES else "sans-serif"
    assert set(re.findall(r'font-family(?:="|: )([^";}]+)', text)) == {family}


@pytest.mark.parametrize("page", [WHITE, BLACK])
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_can_be_read_on_any_page(picture: Path, page: str) -> None:
    root, colours = ElementTree.parse(picture).getroot(), fills(picture)
    for text in root.iter(f"{SVG}text"):
        name = text.get("class", "").split()[0]
        if name in ON_THE_PAGE:
            assert contrast(colours[name], page) >= LEAST_CONTRAST, text.text
        else:
            assert name == "on", f"{text.text}: neither on the page nor on a shape"
            shapes = [colours[shape] for shape in ("node", "lost", "disk") if shape in colours]
            assert min(contrast(colours[name], shape) for shape in shapes) >= LEAST_CONTRAST


@pytest.mark.parametrize("picture", CAPTURES, ids=lambda picture: picture.stem)
def test_a_capture_has_each_part_in_a_colour_that_can_be_read(picture: Path) -> None:
    root, colours = ElementTree.parse(picture).getroot(), fills(picture)
    used = {part.get("class", "") for part in root.iter(f"{SVG}tspan")}
    assert used <= set(colours)
    for name in used:
        assert contrast(colours[name], colours["disk"]) >= LEAST_CONTRAST, name


def test_there_is_a_picture_for_each_capture() -> None:
    assert [picture.stem for picture in CAPTURES] == sorted(f"terminal-{it.name}" for it in table.CAPTURES)


def test_text_with_colours_becomes_a_picture_and_nothing_of_it_is_lost() -> None:
    lines = ["plain", "", "\x1b[32mgood\x1b[0m < \x1b[1;31mbad\x1b[0m & so on", "x" * 25]
    made = svg.picture("what it is", "try it", lines, 10)
    root = ElementTree.fromstring(made)
    texts = ["".join(it.itertext()) for it in root.iter(f"{SVG}text")]
    assert texts == ["$ try it", "plain", "good < bad & so on", "x" * 10, "x" * 10, "x" * 5]
    assert [(it.get("class"), it.text) for it in root.iter(f"{SVG}tspan")][2:5] == [
        ("good", "good"),
        ("on", " < "),
        ("bad", "bad"),
    ]
    assert root.get("height") == str(7 * 17 + 28)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_is_wide_enough_for_all_that_is_in_it(picture: Path) -> None:
    """As far as positions tell: the texts' own widths depend on the reader's fonts."""
    root = ElementTree.parse(picture).getroot()
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert (root.get("width"), root.get("height")) == (f"{width:g}", f"{height:g}")
    for group in [root, *root.iter(f"{SVG}g")]:
        moved = re.fullmatch(r"translate\((\d+) (\d+)\)", group.get("transform", "translate(0 0)"))
        assert moved
        for shape in group.findall(f"{SVG}rect"):
            right, bottom = (
                float(shape.get(edge, "0")) + float(shape.get(size, "0")) + float(moved[axis])
                for edge, size, axis in (("x", "width", 1), ("y", "height", 2))
            )
            assert right <= width
            assert bottom <= height
