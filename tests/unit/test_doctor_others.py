"""The doctor asks other nodes over a remote shell, which may hang, fail, or say anything."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import UsageError
from fence_pr.tool import options
from fence_pr.tool.doctor import others as doctor_others
from fence_pr.tool.doctor.findings import Finding
from tests.unit.test_doctor_nodes import ANSWER

if TYPE_CHECKING:
    from pathlib import Path

REPORT = {"program": "pr_fence 0.1.0", "found": ANSWER}


def shell(folder: Path, script: str) -> str:
    """A remote shell that does this."""
    path = folder / "remote shell"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return shlex.quote(str(path))


def printed(folder: Path, text: str) -> str:
    """The command that prints it."""
    (folder / "printed").write_text(f"{text}\n")
    return f"cat {shlex.quote(str(folder / 'printed'))}"


def asked(rsh: str, *arguments: str, seconds: float = 5.0) -> Any:
    return doctor_others.ask("n2", options.parse(["doctor", f"--rsh={rsh}", *arguments]), seconds)


def code_of(found: Any) -> str:
    assert isinstance(found, Finding), found
    assert found.unseen
    return found.notice.code


def test_the_same_program_is_called_there_with_what_says_what_is_examined(tmp_path: Path) -> None:
    script = f'printf "%s\\n" "$@" > "{tmp_path}/asked"\n{printed(tmp_path, json.dumps(REPORT))}'
    rsh = shell(tmp_path, script)
    given = ("--with=n2,n3", "--fence-device=my disks", "--key-value=id", "--timeout=20", "/dev/a b", "--json")
    assert asked(f"{rsh} -p 22", *given) == ANSWER
    *before, line = (tmp_path / "asked").read_text().splitlines()
    assert before == ["-p", "22", "n2"]
    assert shlex.split(line) == [
        "pr_fence", "doctor", "--json", "--timeout=4.0", "--fence-device=my disks", "--key-value=id", "--", "/dev/a b",
    ]  # fmt: skip
    options.parse(shlex.split(line)[1:])


def test_what_a_shell_says_around_the_report_does_not_matter(tmp_path: Path) -> None:
    report = printed(tmp_path, json.dumps(REPORT))
    around = f"echo Welcome to n2\n{report}\necho '{{bye'\necho not a word >&2\nexit 1"
    assert asked(shell(tmp_path, around)) == ANSWER


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("echo 'ssh: connect to host n2: Connection refused' >&2; exit 255", "node-unasked", "Connection refused"),
        ("echo 'sh: pr_fence: not found' >&2; exit 127", "node-unasked", "not found"),
        ("echo \"no subcommand is called 'doctor'\" >&2; exit 2", "node-unasked", "doctor"),
        ("exit 5", "node-unasked", "it ended with 5"),
        ("exit 1", "node-unasked", "it ended with 1"),
        ("", "node-unintelligible", "nothing"),
        ("echo hello", "node-unintelligible", "hello"),
        ("echo '{\"found\": 1}'", "node-unintelligible", "found"),
        ("echo '{}'", "node-unintelligible", "{}"),
        ("head -c 3000 /dev/urandom", "node-unintelligible", ""),
    ],
)  # fmt: skip
def test_what_comes_instead_is_told(tmp_path: Path, script: str, code: str, said: str) -> None:
    found = asked(shell(tmp_path, script))
    assert code_of(found) == code
    assert said in found.notice.fields["answer"]
    assert "n2" in found.notice.fields["command"]


def test_what_is_nested_too_deeply_to_be_read_is_told(tmp_path: Path) -> None:
    deep = '{"found": ' + "[" * 200_000
    assert code_of(asked(shell(tmp_path, printed(tmp_path, deep)))) == "node-unintelligible"


@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 60",
        "sleep 60 & wait",
        "sleep 60 >/dev/null 2>&1 &\nexec sleep 60",
        "trap '' TERM INT HUP; while true; do sleep 1; done",
        "while true; do echo line; done",
        "exec cat /dev/zero",
        "exec >&- 2>&-; exec sleep 60",
    ],
)
def test_one_that_hangs_or_never_stops_is_ended_with_all_that_it_started(tmp_path: Path, script: str) -> None:
    started = time.monotonic()
    assert code_of(asked(shell(tmp_path, f"echo $$ > {tmp_path}/process\n{script}"), seconds=0.6)) == "node-unasked"
    assert time.monotonic() - started < 4.0
    group = int((tmp_path / "process").read_text())
    deadline = time.monotonic() + 5.0
    while _lives(group):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.02)


def _lives(group: int) -> bool:
    """Whether a process of the group runs; one that has ended and that nobody has asked for does not."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/stat") as file:
                state, _, of_group = file.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state != "Z":
            return True
    return False


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = asked(str(tmp_path / "none"))
    assert code_of(found) == "node-unasked"
    assert "No such file" in found.notice.fields["answer"]


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b;c", "n2;reboot", "$(reboot)", "../n2"])
def test_what_can_be_no_name_is_refused(name: str) -> None:
    words = name.replace(" ", ",")
    with pytest.raises(UsageError) as failure:
        doctor_others.names(options.parse(["doctor", f"--with={words}"]))
    assert failure.value.code == "node-name-malformed"


def test_names_and_addresses_are_understood_each_once() -> None:
    call = options.parse(["doctor", "--with=n2,root@n3.example n2,fe80::1"])
    assert doctor_others.names(call) == ["n2", "root@n3.example", "fe80::1"]


def test_a_command_with_an_open_quote_is_refused() -> None:
    with pytest.raises(UsageError) as failure:
        asked("ssh 'x")
    assert failure.value.code == "command-malformed"


@pytest.mark.parametrize("given", [" ", "''", "'' -x"])
def test_a_command_without_a_program_is_refused(given: str) -> None:
    """Else a node's name would be called as one."""
    with pytest.raises(UsageError) as failure:
        asked(given)
    assert failure.value.code == "command-malformed"


def test_a_report_that_is_there_counts_though_something_keeps_the_stream_open(tmp_path: Path) -> None:
    """As ssh does that stays behind for the next call (ControlPersist)."""
    report = printed(tmp_path, json.dumps(REPORT))
    assert asked(shell(tmp_path, f"sleep 60 >&2 &\n{report}"), seconds=1.0) == ANSWER


def test_one_that_belongs_to_another_user_is_left_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As sudo does."""

    def refuse(group: int, _: int) -> None:
        killed.append(group)
        raise PermissionError

    killed: list[int] = []
    kill = os.killpg
    monkeypatch.setattr(os, "killpg", refuse)
    assert code_of(asked(shell(tmp_path, "exec sleep 60"), seconds=0.3)) == "node-unasked"
    kill(killed[0], signal.SIGKILL)


def test_text_that_nobody_can_print_is_no_report(tmp_path: Path) -> None:
    """Half of a surrogate pair; a byte that is no text (a file's name) is well."""
    report = json.dumps({**REPORT, "found": {**ANSWER, "extra": "\ud800"}})
    assert code_of(asked(shell(tmp_path, printed(tmp_path, report)))) == "node-unintelligible"
    report = json.dumps({**REPORT, "found": {**ANSWER, "extra": "\udc80"}})
    assert asked(shell(tmp_path, printed(tmp_path, report)))["extra"] == "\udc80"
