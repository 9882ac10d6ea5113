"""The guard on a node of the lab, and guests that may reboot."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.cluster import Node
    from tests.lab.guest import Completed, Guest, Running

GUARD = "/project/pr_fence_guard"
NAME = "pr_fence_guard"
WATCHED = ": watched, this node is registered"
# A guest whose kernel ends when it reboots.
NO_REBOOT = ("noreboot",)
SECONDS = 60.0
LIFE_SECONDS = 3600.0
REBOOT_SECONDS = 3.0  # from the success of off to the end of the fenced node


def allowed_seconds() -> float:
    """REBOOT_SECONDS, and as many times more as this machine has work for more processors than it has."""
    return REBOOT_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def start(node: Node, *options: str, watching: int = 3, path: str = "") -> Running:
    """Start the guard, and return when it watches so many disks. path: a folder with programs to be found first."""
    before = len(said(node, WATCHED))
    environment = {"PATH": f"{path}:/usr/sbin:/usr/bin"} if path else None
    running = node.start([GUARD, *options], env=environment, timeout=LIFE_SECONDS)
    wait_until(lambda: len(said(node, WATCHED)) >= before + watching or running.done())
    assert not running.done(), running.wait()
    return running


def end(running: Running) -> Completed:
    """End the guard as systemd does."""
    running.signal(15)
    return running.wait()


def said(node: Node, words: str) -> list[str]:
    """What the guard has logged with these words in it."""
    return [line for line in node.syslog() if line.startswith(NAME) and words in line]


def check(node: Node, *options: str) -> Completed:
    """One check, as the watchdog daemon does it."""
    return node.run([GUARD, *options, "test"], timeout=SECONDS)


def wait_until(condition: Callable[[], object]) -> None:
    """Until the condition holds; it must within a minute."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS} s"
        time.sleep(0.01)


def seconds_until_its_end(guest: Guest, since: float) -> float:
    """When the guest ended, counted from `since` of time.monotonic()."""
    wait_until(lambda: not guest.alive())
    return time.monotonic() - since
