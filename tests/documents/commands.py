"""Every command in *.md, the documents and the examples of the manual pages, and which test runs it.

In these documents what is indented by four blanks is commands, a line each; what shows a file or an output is fenced by
three backticks. Between single backticks, more than one word is a command, too, or one of PHRASES.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = tuple(
    str(path.relative_to(PROJECT))
    for place in ("*.md", "docs/*.md", "docs/upstream/*.md", "tests/*.md", "man/*.8")
    for path in sorted(PROJECT.glob(place))
)
MESSAGES = "docs/messages.md"
# What is indented there are steps of one story, which tests/migration/test_guide.py and
# tests/cluster/test_remote_node.py follow.
STORIES = ("docs/migrate.md", "docs/remote.md")

# Which test runs all commands that begin with a word: it takes them from here, so a new command of one of these
# programs is run without further ado. A new program needs a test that runs it.
PACKAGING, PROGRAMS, UNIT = "tests/packaging/builds.py", "tests/programs/documented.py", "tests/unit/test_documents.py"
REPORT = "tests/conformance/test_upstream.py"
RUN_BY = {
    "crm": PROGRAMS,
    "crm_resource": PROGRAMS,
    "dpkg-buildpackage": PACKAGING,
    "fence_pr_ioctl": PROGRAMS,
    "git": PACKAGING,
    "grep": PROGRAMS,
    "make": UNIT,
    "man": UNIT,
    "pcs": PROGRAMS,
    "pr_fence": UNIT,
    "pr_fence_guard": UNIT,
    "printf": PROGRAMS,
    "python3": UNIT,
    "rpmbuild": PACKAGING,
    "sg_persist": PROGRAMS,
    "sh": REPORT,
    "stonith_admin": PROGRAMS,
    "systemctl": UNIT,
}
# Between backticks, of several words, and no command.
PHRASES = frozenset(
    {"-I -S", "Already OFF", "TYPE_CHECKING = False", "nvme connect", "reservation_key file", "two_node: 1"}
)

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)
_CONTINUED = re.compile(r"\\\n\s*")
_QUOTED = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
_FILE = re.compile(r"(?:debian|docs|lib|rpm|systemd|tests)/[\w./-]*")
_EXAMPLE = re.compile(r"^\.nf\n(.*?)^\.fi$", re.MULTILINE | re.DOTALL)
_MESSAGE = re.compile(r"^\| (`.*?) \|", re.MULTILINE)  # the first cell of a row


@dataclass(frozen=True)
class Command:
    """One command line of a document, without its comment."""

    document: str
    text: str

    @property
    def program(self) -> str:
        """The first word."""
        return self.text.split()[0]

    @property
    def words(self) -> list[str]:
        """What a shell makes of it."""
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def all_commands() -> list[Command]:
    """All of them, each once, in the order of the documents."""
    found: dict[str, Command] = {}
    for name in DOCUMENTS:
        for text in commands_in(_text(name)):
            found.setdefault(text, Command(name, text))
    return list(found.values())


def run_by(test: str) -> list[Command]:
    """Those that this test must run."""
    return [command for command in all_commands() if RUN_BY.get(command.program) == test]


def files_in(name: str) -> list[str]:
    """What a document shows of files, in its order."""
    return [fenced.split("\n", 1)[1].removesuffix("```") for fenced in _FENCED.findall((PROJECT / name).read_text())]


def commands_in(text: str) -> list[str]:
    """The commands in the text of a document, in its order."""
    text = _FENCED.sub("", text)
    found: list[tuple[int, str]] = []
    for block in _BLOCK.finditer(text):
        lines = _CONTINUED.sub("", _COMMENT.sub("", block[0])).splitlines()
        found += [(block.start(), line.strip()) for line in lines if line.strip()]
    for quoted in _QUOTED.finditer(_BLOCK.sub(lambda block: " " * len(block[0]), text)):
        words = " ".join(quoted[1].split())
        if " " in words and words not in PHRASES:
            found.append((quoted.start(), words))
    return [command for _, command in sorted(found, key=lambda place: place[0])]


def pictures_and_links(name: str) -> list[str]:
    """What a document leads to, other than pages of other places and parts of itself."""
    found = [link or picture for link, picture in _LINK.findall(_FENCED.sub("", (PROJECT / name).read_text()))]
    return [place.partition("#")[0] for place in found if not place.startswith(("http://", "https://", "#"))]


def files_named(name: str) -> list[str]:
    """The project's files that a document names between backticks, from the project's folder."""
    quoted = _QUOTED.findall(_FENCED.sub("", (PROJECT / name).read_text()))
    return [place for place in quoted if _FILE.fullmatch(place)]


def _text(name: str) -> str:
    text = (PROJECT / name).read_text()
    if name.endswith(".8"):
        return _examples(text)
    if name in STORIES:
        return _BLOCK.sub("", text)
    return _MESSAGE.sub("|", text) if name == MESSAGES else text


def _examples(roff: str) -> str:
    """The blocks of a manual page's examples as Markdown."""
    blocks = _EXAMPLE.findall(roff.partition("\n.SH EXAMPLES\n")[2].partition("\n.SH ")[0])
    lines = [line for block in blocks for line in ("", *block.splitlines())]
    shown = "\n".join(f"    {line}" if line else "" for line in lines)
    return shown.replace("\\e", "\\").replace("\\-", "-").replace("...", "…") + "\n"
