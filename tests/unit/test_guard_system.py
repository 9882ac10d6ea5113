"""Rebooting and stopping, as far as they can be seen without doing them; the lab does them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fence_pr import guard_system
from fence_pr.guard_system import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What would have been done to the machine, in order; sysrq-trigger and kmsg are files."""
    calls: list[str] = []
    for name in ("SYSRQ", "KERNEL_LOG"):
        (tmp_path / name).touch()
        monkeypatch.setattr(guard_system, name, str(tmp_path / name))
    real = os.write

    def write(fd: int, data: bytes) -> int:
        calls.append(f"{os.path.basename(os.readlink(f'/proc/self/fd/{fd}'))} {data.decode()}")
        return real(fd, data)

    monkeypatch.setattr("fence_pr.guard_system.os.write", write)
    monkeypatch.setattr("fence_pr.guard_system.os.kill", lambda pid, number: calls.append(f"kill {pid} {number}"))

    def function(name: str) -> Callable[..., int]:
        def call(*numbers: int) -> int:
            calls.append(f"{name} {numbers}")
            return -1

        return call

    monkeypatch.setattr(guard_system, "_function", function)
    return calls


def test_a_reboot_is_sysrq_then_reboot_then_process_1(done: list[str]) -> None:
    assert "cannot reboot" in Machine().reboot("fenced")
    assert done == ["KERNEL_LOG <0>fenced\n", "SYSRQ b", f"reboot ({0x1234567},)", "kill 1 49"]


def test_without_sysrq_and_kernel_log_there_is_still_reboot(done: list[str], tmp_path: Path) -> None:
    for name in ("SYSRQ", "KERNEL_LOG"):
        (tmp_path / name).unlink()
    Machine().reboot("fenced")
    assert done == [f"reboot ({0x1234567},)", "kill 1 49"]


def test_what_a_reboot_needs_is_opened_before(done: list[str], tmp_path: Path) -> None:
    machine = Machine()
    for name in ("SYSRQ", "KERNEL_LOG"):
        (tmp_path / name).rename(tmp_path / f"{name} out of reach")
    machine.reboot("fenced")
    assert done[1] == "SYSRQ out of reach b"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("true",), ""),
        (("false",), "cannot stop Pacemaker: false ended with 1"),
        (("/no/such/systemctl", "stop"), "cannot stop Pacemaker: /no/such/systemctl stop: No such file or directory"),
    ],
)
def test_stopping_pacemaker_says_what_went_wrong(command: tuple[str, ...], problem: str) -> None:
    assert Machine(command).stop_pacemaker() == problem


def test_memory_is_locked_now_and_later_but_stacks_only_as_far_as_they_are_used(done: list[str]) -> None:
    guard_system.lock_memory()
    assert done == ["mallopt (-8, 1)", "mlockall (1,)", "mlockall (7,)"]
