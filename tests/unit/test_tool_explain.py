"""'explain': what a message means, by its code and by its text."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fence_pr.errors import Notice
from fence_pr.messages import sentences
from fence_pr.tool import explain, terminal
from tests.unit import tooling
from tests.unit.test_messages import ENTRIES, FIELD, STEPS

# So little of these is their own that it stands in other messages, too, or in no message more.
LETTERS = {code: sum(map(str.isalpha, FIELD.sub("", entry[0]))) for code, (_, entry) in ENTRIES.items()}


@pytest.mark.parametrize("code", [*ENTRIES, *STEPS])
def test_every_code_is_explained(code: str, capfd: pytest.CaptureFixture[str]) -> None:
    report = tooling.reported(capfd, "explain", code)
    (entry,) = report["found"]["messages"]
    assert (report["exit_status"], entry["code"]) == (0, code)
    if code in ENTRIES:
        severity, (_, hint, meaning, cause, remedy) = ENTRIES[code]
        assert (entry["severity"], entry["meaning"], entry["cause"]) == (severity, meaning, cause)
        assert entry["remedy"] == remedy or (not remedy and hint[1:20].split("{")[0] in entry["remedy"])
        assert entry["remedy"]
    text = tooling.text_of(report)
    assert text[0].startswith(f"{code} (a ")
    assert max(map(len, text)) <= 100
    assert tooling.call(capfd, "explain", code).out.splitlines() == text


def said(code: str) -> str:
    """A sentence of this code as it may come."""
    template = "".join(sentences.find(code)[1][:2])
    names = set(FIELD.findall(template)) - {"number", "who"}
    fields: dict[str, Any] = {name: f"<{name}>" for name in names}
    fields |= {name: 0xBEE for name in names if name.endswith(("key", "keys"))}
    fields |= dict.fromkeys(names & {"seconds", "least", "most"}, 1.5)
    if "{who}" in template:
        fields |= {"node": "n2", "key": 0xBEE}
    return str(Notice(code, {**fields, "disk": "/dev/sda"}))


@pytest.mark.parametrize("code", [code for code in ENTRIES if LETTERS[code] >= 12])
@pytest.mark.parametrize("before", ["", "Nov 30 07:00:01 n1 fence_pr_ioctl[77]: Failed: "])
def test_a_message_is_found_by_its_text(code: str, before: str) -> None:
    found = explain.by_text(before + said(code))
    same = sentences.find(found)[1][0] == sentences.find(code)[1][0]
    assert found == code or same, f"{found} for {said(code)}"


def test_by_its_text_in_words_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["Failed:", "/dev/sdb:", "this", "node's", "key", "0x2", "is", "not", "registered"]
    for arguments in (words, [" ".join(words)]):
        report = tooling.reported(capfd, "explain", *arguments)
        assert [it["code"] for it in report["found"]["messages"]] == ["own-key-missing"]


def test_several_codes_are_explained_one_after_the_other(capfd: pytest.CaptureFixture[str]) -> None:
    text = tooling.call(capfd, "explain", "no-keys", "path-dead", "no-keys").out
    heads = re.findall(r"^(\S.*)$", text, re.MULTILINE)
    assert heads == ["no-keys (a failure)", "path-dead (a warning)"]


@pytest.mark.parametrize(
    ("words", "near"), [("no-key", "no-keys"), ("own-key-mising", "own-key-missing"), ("what is this", "")]
)
def test_what_is_no_message_is_no_message(words: str, near: str, capfd: pytest.CaptureFixture[str]) -> None:
    report = tooling.reported(capfd, "explain", words)
    assert report["exit_status"] == 2
    (problem,) = report["problems"]
    assert problem["code"] == "message-unknown"
    assert f"no message is like '{words}'" in problem["text"]
    assert (f"'{near}'?" in problem["text"]) == bool(near)


def test_colour_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    reading, writing = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.style(writing).colours
    assert "\x1b" in terminal.style(writing).paint(terminal.BAD, "x")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.style(writing).colours
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert terminal.style(writing).paint(terminal.BAD, "x") == "x"
    for fd in (reading, writing):
        os.close(fd)
    assert terminal.style(os.open(os.devnull, os.O_WRONLY)) == terminal.Style(100, False)
