"""A person at a terminal of a node, at night: what they type, and what they see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from pexpect import fdpexpect

from tests.fencing.agent import AGENT, LUNS, disks, succeed
from tests.lab.guest import PROMPT
from tests.lab.plugin import newest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster

pytestmark = newest

CONTROL_D = "\x04"


@pytest.fixture
def terminal(lab: Cluster) -> Iterator[fdpexpect.fdspawn[str]]:
    """A root shell on the guest's console."""
    console, _ = lab.guest.console(rows=50, columns=200)
    shell = fdpexpect.fdspawn(console, encoding="utf-8", timeout=30)
    shell.expect(PROMPT)
    yield shell
    shell.sendline("exit")


def ask(terminal: fdpexpect.fdspawn[str], command: str) -> tuple[str, int]:
    """Type a command; what it printed, and its exit code."""
    terminal.sendline(f"{command}; echo exit=$?")
    terminal.expect(r"exit=(\d+)\r\n")
    assert terminal.before is not None
    assert isinstance(terminal.match, re.Match)
    printed, code = terminal.before, int(terminal.match[1])
    terminal.expect(PROMPT)
    return printed.replace("\r\n", "\n").partition("\n")[2], code


def test_fencing_by_hand(lab: Cluster, terminal: fdpexpect.fdspawn[str]) -> None:
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name)
    devices = disks(lab.n1, LUNS)
    call = f"n1 {AGENT} -d {devices}"
    assert ask(terminal, f"{call} -n n2 -o status") == ("Status: ON\n", 0)
    said, code = ask(terminal, f"{call} -n n2 -o off")
    success, settled = said.splitlines()
    assert (success, code) == ("Success: Powered OFF", 0)
    assert settled.startswith("3 of 3 disks: no abort confirmed; waited 1 s")
    assert ask(terminal, f"{call} -n n2 -o status") == ("Status: OFF\n", 2)
    assert ask(terminal, f"{call} -o list-status") == ("n1,,ON\nn2,,OFF\nn3,,OFF\n", 0)


@pytest.mark.promise(5)
def test_fencing_from_the_fenced_node_is_explained(lab: Cluster, terminal: fdpexpect.fdspawn[str]) -> None:
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name)
    succeed(lab.n1, "off", "n2", luns="a")
    text, code = ask(terminal, f"n2 {AGENT} -d {lab.n2.by_id('a')} -n n1 -o off")
    assert code == 1
    assert "it was fenced, or 'on' has not run here: run 'on' here" in text


@pytest.mark.promise(5, 8)
def test_a_mistyped_call_is_explained(terminal: fdpexpect.fdspawn[str]) -> None:
    for arguments, words in (
        ("-o of -n n2 -d /dev/sda", "Unrecognised action 'of'"),
        ("off", "unexpected argument"),
        ("--devcies=/dev/sda", "option --devcies is not recognised"),
        ("-o off -d /dev/sda", "You have to enter plug number or machine identification"),
        ("-o off -n n2", "No devices"),
    ):
        text, code = ask(terminal, f"n1 {AGENT} {arguments}")
        assert code == 1
        assert words in text
        assert len(text.splitlines()) == 1
        assert "Please use '-h' for usage" in text


def test_options_typed_line_by_line(lab: Cluster, terminal: fdpexpect.fdspawn[str]) -> None:
    terminal.sendline(f"n1 {AGENT}; echo exit=$?")
    terminal.expect("one name=value a line, Ctrl-D ends")
    for line in ("action=on", "plug=n1", f"devices={lab.n1.by_id('a')}"):
        terminal.sendline(line)
    terminal.send(CONTROL_D)
    terminal.expect("Success: Powered ON\r\nexit=0")
    terminal.expect(PROMPT)
    assert lab.reservation("a").keys.keys() == {"n1"}


def test_help_fits_a_terminal(terminal: fdpexpect.fdspawn[str]) -> None:
    text, code = ask(terminal, f"n1 {AGENT} --help")
    assert code == 0
    assert "--power-timeout=[seconds]" in text
    assert max(map(len, text.splitlines())) <= 100
