"""The table of messages: complete, in plain words, and none that nothing says. `tests.told` wants each to be seen."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from subprocess import run
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import FenceError, Notice, PathFailure, ReservationError
from fence_pr.messages import sentences
from tests import told
from tests.documents import messages
from tests.documents.commands import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = {
    code: (severity, entry)
    for table in sentences.tables()
    for severity, entries in ((sentences.FAILURE, table.FAILURES), (sentences.WARNING, table.WARNINGS))
    for code, entry in entries.items()
}
STEPS = {code: sentence for table in sentences.tables() for code, sentence in table.STEPS.items()}
# What their options need is said by the sentence, or by --help, to which every such failure leads.
PLAIN_WORDS_ONLY = r"\baction o(n|ff)\b|\bshut(s|ting)? out\b|\bmend(s|ed)?\b|\b(?<!\.)notes?\b|nobod(y|ies)'? keys"
FIELD = re.compile(r"\{(\w+)[^}]*\}")


def test_every_code_stands_in_one_table() -> None:
    tables = [table for it in sentences.tables() for table in (it.FAILURES, it.WARNINGS, it.STEPS)]
    assert len({*ENTRIES, *STEPS}) == sum(map(len, tables))


@pytest.mark.parametrize("code", STEPS)
def test_a_step_is_told_in_plain_words(code: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert not re.search(PLAIN_WORDS_ONLY, STEPS[code])
    assert not STEPS[code].endswith((".", ";"))
    assert sentences.severity(code) == sentences.STEP


@pytest.mark.parametrize("code", ENTRIES)
def test_an_entry_is_complete_and_in_plain_words(code: str) -> None:
    _severity, (sentence, hint, meaning, cause, remedy) = ENTRIES[code]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert sentence
    assert meaning
    assert cause
    assert hint or remedy
    for text in (sentence, hint, meaning, cause, remedy):
        assert not re.search(PLAIN_WORDS_ONLY, text), text
        assert not re.search(r"\brun o(n|ff)\b", text), text
    for text in (meaning, cause, remedy):
        assert not text or text.endswith((".", ")")), text
    for text in (sentence, hint):
        assert not text.endswith((".", ";")), text


@pytest.mark.promise(5)
@pytest.mark.parametrize("code", [code for code, (severity, _) in ENTRIES.items() if severity == sentences.FAILURE])
def test_only_the_time_limit_says_that_it_timed_out(code: str) -> None:
    """Pacemaker looks for these words, and would take any other failure for one of time."""
    sentence, hint = ENTRIES[code][1][:2]
    assert ("imed out" in sentence + hint) == (code == "timed-out")


@pytest.mark.promise(5)
def test_no_answer_of_the_kernel_says_that_it_timed_out() -> None:
    import errno

    from fence_pr.storage import kernel_status

    for status in (*(-number for number in errno.errorcode), 0x30000, 0x2, 0x18, 0xE0000, 0x371):
        said = str(kernel_status.failure("/dev/sda", "read keys", status))
        assert "imed out" not in said, said


@pytest.mark.promise(5)
@pytest.mark.parametrize("code", ENTRIES)
def test_a_sentence_is_made_from_its_fields_and_recognised(code: str) -> None:
    _severity, (sentence, hint, *_) = ENTRIES[code]
    names = set(FIELD.findall(sentence + hint)) - {"number", "who"}
    fields: dict[str, Any] = {name: f"<{name}>" for name in names}
    fields |= {name: 0xBEE for name in names if name.endswith(("key", "keys"))}
    fields |= dict.fromkeys(names & {"seconds", "least", "most"}, 1.5)
    if "{who}" in sentence:
        fields |= {"node": "n2", "key": 0xBEE}
    said = str(Notice(code, {**fields, "disk": "/dev/sda"}))
    assert said.startswith("/dev/sda: ")
    for name, value in fields.items():
        assert (f"<{name}>" if isinstance(value, str) and value.startswith("<") else "") in said
    assert ("0xbee" in said) == (0xBEE in fields.values())
    assert "{" not in said
    assert "[" not in said
    assert not hint or said.endswith(sentences.sentence(code, fields)[-8:])
    assert told.patterns()[code].fullmatch(said)


def test_what_has_no_value_is_left_out() -> None:
    assert PathFailure("/dev/sda", "open", 0).what() == "open: path failure; check the connection to the storage"
    assert PathFailure("/dev/sda", "open", 0x10000, "path failed").what() == (
        "open: path failed (status 0x10000); check the connection to the storage"
    )
    for near, question in (("off", " (did you mean 'off'?)"), ("", "")):
        assert (
            str(Notice("action-unrecognised", {"value": "of", "near": near})) == f"Unrecognised action 'of'{question}"
        )


def test_values_cannot_become_a_template() -> None:
    hostile = "{option} [x] {0} {value.__class__} ]["
    said = str(Notice("not-a-number", {"option": "delay", "value": hostile}))
    assert said == f"option 'delay', value '{hostile}': is not a whole number"


@pytest.mark.promise(5)
@pytest.mark.parametrize("kind", ReservationError.__subclasses__())
def test_an_answer_within_an_answer_says_what_to_do_once(kind: type[ReservationError]) -> None:
    inner = kind("/dev/sdb", "register", 0x2, "these words")
    said = str(Notice("path-dead", {"disk": "/dev/dm-0", "path": "/dev/sdb", "answer": inner.notice().pack()}))
    assert said == (
        "/dev/dm-0: path /dev/sdb does not answer: register: these words (status 0x2); fix it, then run 'on' here"
    )


def codes_in_the_library() -> set[str]:
    """Every string in the code that is a code."""
    folder = PROJECT / "lib/fence_pr"
    paths = [path for path in folder.rglob("*.py") if path.parent.name != "messages"]
    return {text for path in paths for text in strings(path) if text in ENTRIES or text in STEPS}


def test_every_code_is_used() -> None:
    assert codes_in_the_library() == {*ENTRIES, *STEPS}


def test_the_library_uses_no_code_that_is_in_no_table() -> None:
    """What is raised, and what a notice is made of."""
    for path in (PROJECT / "lib/fence_pr").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                makers = {it.__name__ for it in errors_with_codes()} | {"Notice", "_refused", "not_as_asked"}
                if node.func.id in makers and isinstance(first, ast.Constant):
                    assert first.value in {*ENTRIES, *STEPS}, f"{path}:{node.lineno}"


def errors_with_codes(base: type[FenceError] = FenceError) -> list[type[FenceError]]:
    """The classes whose first argument is a code."""
    below = [it for kind in base.__subclasses__() if kind is not ReservationError for it in errors_with_codes(kind)]
    return [base, *below]


@cache
def strings(path: Path) -> set[str]:
    """Every string in the file's code, what is put in left out."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_no_sentence_is_made_before_one_is_needed() -> None:
    """Start-up is part of fencing time."""
    program = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'lib')!r})\n"
        "from fence_pr import agent, errors\n"
        "from fence_pr.storage import nvme_disk, scsi_disk\n"
        "errors.Conflict('/dev/sda', 'register', 0x18).notice().pack()\n"
        "assert not [name for name in sys.modules if 'fence_pr.messages' in name]\n"
    )
    run([sys.executable, "-I", "-S", "-c", program], check=True)


@pytest.mark.promise(6)
@pytest.mark.parametrize("announced", [True, False])
def test_the_agent_says_what_failed_when_nothing_more_can_be_read(announced: bool) -> None:
    """The disk that it lies on may be the one that hangs, while the child works on disks or before."""
    program = (
        f"import signal, sys, time; sys.path.insert(0, {str(PROJECT / 'lib')!r})\n"
        "from fence_pr import agent\n"
        "from fence_pr.actions import perform\n"
        "def work(_, channel):\n"
        f"    channel.announce('/dev/sda', 'read keys') if {announced} else None\n"
        "    time.sleep(60)\n"
        "class Hangs:\n"
        "    def find_spec(self, name, *_):\n"
        "        raise AssertionError(f'{name} is read')\n"
        "perform.carry_out = work\n"
        "signal.signal(signal.SIGALRM, lambda *_: sys.meta_path.insert(0, Hangs()))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.6)\n"
        "options = ['--action=status', '--plug=n1', '--devices=/dev/sda', '--power-timeout=1.2']\n"
        "sys.exit(agent.main(options))\n"
    )
    done = run([sys.executable, "-I", "-S", "-c", program], check=False, capture_output=True, text=True)
    said = ["Failed: Timed out waiting for 'status' after 1.? s"]
    said += ["Failed: /dev/sda: no answer to read keys"] if announced else []
    assert [re.sub(r"1\.\d s$", "1.? s", line.partition(";")[0]) for line in done.stderr.splitlines()] == said
    assert done.returncode == 1


def test_the_guard_has_every_sentence_before_a_disk_can_hang() -> None:
    """The disk that it lies on may be the one that hangs."""
    program = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'lib')!r})\n"
        "from fence_pr import state_file\n"
        "from fence_pr.guard import check, main\n"
        "check.check = lambda *_: 0\n"
        "assert main.main(['--check']) == 0\n"
        "print(*sys.modules)\n"
    )
    loaded = run([sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True).stdout.split()
    names = [path.stem for path in (PROJECT / "lib/fence_pr/messages").glob("[a-z]*.py")]
    tables = [name for name in names if not name.startswith(("tool", "doctor", "preflight", "trial"))]
    assert {f"fence_pr.messages.{name}" for name in tables} <= set(loaded)


def test_every_table_of_messages_is_in_the_document() -> None:
    in_document = {table.__name__ for table in messages.ORDER} | {"fence_pr.messages.answers"}
    assert in_document == {table.__name__ for table in sentences.tables()}
