"""Rebooting and stopping, as far as they can be seen without doing them; the lab does them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fence_pr.guard.machine import STOP_PACEMAKER, Machine, System, lock_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Recorded:
    """A machine that says what would have been done to it, in order; sysrq-trigger and kmsg are files."""

    def __init__(self, folder: Path) -> None:
        self.done: list[str] = []
        self.kills = True
        for name in ("sysrq", "kmsg"):
            (folder / name).touch()
        self.system = System(str(folder / "sysrq"), str(folder / "kmsg"), self._write, self._kill, self._function)

    def _write(self, fd: int, data: bytes) -> int:
        written = os.write(fd, data)
        self.done.append(f"{os.path.basename(os.readlink(f'/proc/self/fd/{fd}'))} {data.decode()}")
        return written

    def _kill(self, pid: int, number: int) -> None:
        self.done.append(f"kill {pid} {number}")
        if not self.kills:
            raise PermissionError(1, "Operation not permitted")

    def _function(self, name: str) -> Callable[..., int]:
        def call(*numbers: int) -> int:
            self.done.append(f"{name} {numbers}")
            return -1

        return call


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_a_reboot_is_sysrq_then_reboot_then_process_1(recorded: Recorded) -> None:
    failure = Machine(system=recorded.system).reboot("fenced")
    assert str(failure).startswith(
        f"cannot reboot: neither {recorded.system.sysrq} nor reboot(2) worked; process 1 was"
    )
    assert recorded.done == ["kmsg <0>fenced\n", "sysrq b", f"reboot ({0x1234567},)", "kill 1 49"]


def test_a_reboot_that_nothing_does_says_what_was_tried(recorded: Recorded) -> None:
    recorded.kills = False
    failure = Machine(system=recorded.system).reboot("fenced")
    tried = f"neither {recorded.system.sysrq} nor reboot(2) worked, nor a signal to process 1: Operation not permitted"
    assert str(failure) == f"cannot reboot: {tried}; reset this machine"


def test_without_sysrq_and_kernel_log_there_is_still_reboot(recorded: Recorded, tmp_path: Path) -> None:
    for name in ("sysrq", "kmsg"):
        (tmp_path / name).unlink()
    Machine(system=recorded.system).reboot("fenced")
    assert recorded.done == [f"reboot ({0x1234567},)", "kill 1 49"]


def test_what_a_reboot_needs_is_opened_before(recorded: Recorded, tmp_path: Path) -> None:
    machine = Machine(system=recorded.system)
    for name in ("sysrq", "kmsg"):
        (tmp_path / name).rename(tmp_path / f"{name} out of reach")
    machine.reboot("fenced")
    assert recorded.done[1] == "sysrq out of reach b"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("false",), "cannot stop Pacemaker: false ended with 1; stop it by hand"),
        (
            ("/no/such/systemctl", "stop"),
            "cannot stop Pacemaker: /no/such/systemctl stop: No such file or directory; stop it by hand",
        ),
    ],
)
def test_stopping_pacemaker_says_what_went_wrong(recorded: Recorded, command: tuple[str, ...], problem: str) -> None:
    assert str(Machine((command, ("false", "too")), recorded.system).stop_pacemaker()) == problem


@pytest.mark.parametrize("commands", [(("true",), ("false",)), (("false",), ("true",)), (("true",), ("true",))])
def test_pacemaker_that_is_being_stopped_is_no_problem(
    recorded: Recorded, commands: tuple[tuple[str, ...], ...]
) -> None:
    """A node has one of the two units, or both."""
    assert Machine(commands, recorded.system).stop_pacemaker() is None


def test_a_remote_node_has_a_pacemaker_too() -> None:
    assert [command[-1] for command in STOP_PACEMAKER] == ["pacemaker.service", "pacemaker_remote.service"]
    assert {command[:-1] for command in STOP_PACEMAKER} == {("systemctl", "--no-block", "stop")}


def test_memory_is_locked_now_and_later_but_stacks_only_as_far_as_they_are_used(recorded: Recorded) -> None:
    lock_memory(recorded.system)
    assert recorded.done == ["mallopt (-8, 1)", "mlockall (1,)", "mlockall (7,)"]
