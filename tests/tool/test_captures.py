"""The terminal captures of the documents still are what the programs print; `make captures` makes them anew."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.captures import svg
from tests.captures.__main__ import PICTURES
from tests.captures.table import CAPTURES, COLUMNS, Capture, same
from tests.lab.plugin import newest

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

pytestmark = newest

TEXT = "{http://www.w3.org/2000/svg}text"


def shown(picture: str) -> str:
    """The text of a picture, without what differs from run to run: where lines break, too."""
    lines = (same("".join(it.itertext())) for it in ElementTree.fromstring(picture).iter(TEXT))
    return "".join("".join(lines).split())


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda it: it.name)
def test_a_capture_shows_what_is_printed(lab: Cluster, capture: Capture) -> None:
    printed = svg.picture(capture.says, capture.typed(lab), capture.printed(lab), COLUMNS)
    assert shown((PICTURES / f"terminal-{capture.name}.svg").read_text()) == shown(printed)
