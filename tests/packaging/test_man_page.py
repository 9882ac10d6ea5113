"""The man page, as the tools of Debian show and judge it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fence_pr.option_table import ACTIONS, LONGDESC, OPTIONS
from tests.documents.man_page import roff
from tests.packaging.builds import PROJECT
from tests.packaging.container import EXCHANGE

if TYPE_CHECKING:
    from tests.packaging.container import Container

pytestmark = pytest.mark.xdist_group("packages")
SECTIONS = (
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "ACTIONS",
    "SUBCOMMANDS",
    "OPTIONS",
    "EXIT STATUS",
    "FILES",
    "EXAMPLES",
    "SECURITY",
    "LIMITS",
    "SEE ALSO",
)
PAGES = sorted(path.name for path in (PROJECT / "man").glob("*.8"))
# Without bold and italics, which are letters overstruck, and without hyphenation.
SHOW = 'MANWIDTH=200 man --warnings -E UTF-8 --no-hyphenation --no-justification -l "$0" | col -b'


def shown(workshop: Container, page: str, text: str = "") -> tuple[str, str]:
    """The page as a person sees it, and what man has to say about it."""
    (workshop.exchange / page).write_text(text or (PROJECT / "man" / page).read_text())
    done = workshop.run(["sh", "-ec", SHOW, f"{EXCHANGE}/{page}"])
    return done.stdout, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_man_and_groff_have_nothing_to_say(workshop: Container, page: str) -> None:
    assert shown(workshop, page)[1] == ""
    assert workshop.run(["groff", "-Tutf8", "-ww", "-man", "-z", f"{EXCHANGE}/{page}"]).stderr == ""


def test_they_would_say_it(workshop: Container) -> None:
    assert "warning" in shown(workshop, "wrong.8", '.TH WRONG 8\n.SH NAME\nwrong \\- page\n.NOMACRO "x"\n')[1]


@pytest.mark.parametrize("page", PAGES)
def test_the_sections_are_the_usual_ones_in_the_usual_order(workshop: Container, page: str) -> None:
    found = re.findall(r"^([A-Z][A-Z ]+)$", shown(workshop, page)[0], re.MULTILINE)
    assert [section for section in SECTIONS if section in found] == found
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"} <= set(found)


def test_every_action_and_option_is_described(workshop: Container) -> None:
    text = shown(workshop, "fence_pr_ioctl.8")[0]
    words = " ".join(text.split())
    for action in ACTIONS:
        assert re.search(rf"^ +{', '.join((action.name, *action.aliases))}\b", text, re.MULTILINE), action.name
        assert action.help[1:] in words
    for option in OPTIONS:
        assert len(re.findall(rf"^ +(-. ?\w*, )?--{option.long()}(=\S+)?$", text, re.MULTILINE)) == option.advertised
        if option.advertised:
            assert option.help.replace("…", "...") in words, option.name
    for paragraph in LONGDESC.split("\n"):
        assert paragraph in words


@pytest.mark.parametrize("text", [".dot", "'quote", "a\\b", "--long-option", "0x… and /dev/…", "a 'quoted' word."])
def test_any_text_of_the_table_is_shown_as_it_is(workshop: Container, text: str) -> None:
    page = f".TH TEXT 8\n.SH NAME\ntext \\- text\n.SH TEXT\n{roff(text)}\n"
    seen, said = shown(workshop, "text.8", page)
    assert said == ""
    assert text.replace("…", "...") in seen


def test_text_that_some_terminals_cannot_show_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        roff("naïve")
