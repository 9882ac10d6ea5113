#!/usr/bin/python3 -ISB
"""Carries the table's steps out in the guest: JSON on standard input, JSON on standard output.

In: {"places": [[LUN, {"A": device, …}], …], "cases": [[number of the place, fresh, [step, …]], …]}.
Out, for each case: {"generation": at its beginning, "answers": [answer, …]}, an answer for each step:
{"outcome": …, "state": {…}, "target": {…}} or, for access, {"access": {host: [[write, read] of each path]}}.
`state` is what the disk tells the code under test, `target` what the lab's own code sees of it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

sys.path.insert(0, "/project")
sys.path.insert(0, "/project/lib")

from fence_pr.errors import ReservationError
from fence_pr.storage import device, nvme, pr_ioctl, scsi
from fence_pr.storage.open import open_disk
from tests.conformance.vocabulary import KEYS, type_number
from tests.lab.inside import nvme as lab_nvme
from tests.lab.inside import pr, target, transfers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

AWAY = target.KEPT.with_name("away")


class Watch:
    """Nobody waits for these commands."""

    def announce(self, disk: str, operation: str) -> None:
        """A command is about to be sent."""

    def finished(self, disk: str) -> None:
        """The disk has answered."""


class Host:
    """A way to the disk: a host's, or that of one path of it.

    disk: for the commands of the transport-neutral layer; node: the device for ioctls; paths: the devices below
    """

    def __init__(self, name: str, disk: device.Device) -> None:
        self.key = KEYS[name[0]]
        self.nvme = disk.kind == device.NVME
        self.node, self.paths = disk.node, disk.paths or (disk.node,)
        self.disk = open_disk(disk, Watch())

    def perform(self, verb: str, words: Sequence[str]) -> None:
        """One command; raises ReservationError."""
        own = KEYS[words[-1]] if "with" in words else self.key
        if verb == "register":
            self.disk.snapshot()  # as 'on' does: a REGISTER that adds is sent once, and must not meet a unit attention
            self.disk.register(KEYS[words[0]] if words else own, judge=lambda _key: None)  # any may be replaced
        elif verb == "reserve":
            self.disk.reserve(own, type_number(words[0]))
        elif verb in ("preempt", "preempt-and-abort"):
            self.disk.preempt(own, KEYS[words[0]], type_number(words[1]), abort=verb != "preempt")
        elif verb == "leave":
            self._leave(own)
        elif verb == "ioctl":
            self.drain()
            self._ioctl(self.node, *words)
        else:
            assert verb == "first-ioctl", verb
            self._ioctl(self.node, *words)

    def drain(self) -> None:
        """Take the pending unit attentions, which would end an ioctl on old kernels."""
        for path in () if self.nvme else self.paths:
            pr.drain(path)

    def access(self) -> list[list[str]]:
        """Write and read over each path: "ok" or the name of an errno."""
        return [[transfers.write(path, 1, 0), transfers.read(path, 0)] for path in self.paths]

    def _leave(self, own: int) -> None:
        """Unregister, which the ioctl does not do on NVMe."""
        for path in self.paths:
            self.drain()
            on_device(path, lambda fd: nvme.unregister(fd, own) if self.nvme else pr_ioctl.register(fd, own, 0))

    @staticmethod
    def _ioctl(node: str, name: str, *words: str) -> None:
        """register OLD NEW, reserve KEY TYPE, release KEY TYPE, clear KEY; any with "ignore" behind it."""
        flags = [pr_ioctl.FLAG_IGNORE_KEY] if words[-1] == "ignore" else []
        numbers = [KEYS[word] if word in KEYS else type_number(word) for word in words if word != "ignore"]
        on_device(node, lambda fd: getattr(pr_ioctl, name)(fd, *numbers, *flags))


class Place:
    """A disk: its LUN's name, if it has one, and its hosts by name.

    Of a map there is also each path, such as "A.1", and the map's own device, "A.map".
    """

    def __init__(self, lun: str, disks: dict[str, str]) -> None:
        self.lun = lun
        self.hosts = {}
        for name, path in disks.items():
            disk = device.resolve(path)
            self.hosts[name] = Host(name, disk)
            ways = dict(enumerate(disk.paths, 1)) | ({"map": disk.node} if disk.paths else {})
            for way, node in ways.items():
                single = device.Device(node, node, "", device.SCSI)  # a map has no identity of its own
                self.hosts[f"{name}.{way}"] = Host(name, single)

    def clear(self) -> None:
        """No registration, no reservation, no unit attention."""
        first = self.hosts["A"]
        if first.nvme:
            lab_nvme.clear_disk(first.node)
            return
        pr.clear(first.paths[0])
        for host in self.hosts.values():
            host.drain()

    def carry_out(self, steps: list[str], *, fresh: bool) -> dict[str, Any]:
        """One case, or the part of one up to a restart of the target or from there; fresh: clear the disk first."""
        if fresh:
            self.clear()
        before = self.hosts["A"].disk.snapshot().generation
        try:
            return {"generation": before, "answers": [self._answer(step.split()) for step in steps]}
        finally:
            if AWAY.exists():
                AWAY.rename(target.KEPT)

    def _answer(self, words: list[str]) -> dict[str, Any]:
        """Carry out one step and look what it did."""
        if words[0] == "access":
            return {"access": {name: self.hosts[name].access() for name in words[1:]}}
        if words == ["target", "loses-its-folder"]:
            target.KEPT.rename(AWAY)
        if words[0] == "target":
            return {"outcome": "ok", **self._state(self.hosts["A"])}
        host = self.hosts[words[0]]
        if words[1] == "list":
            with narrow():
                return {"outcome": "ok", **self._state(host)}
        outcome = "ok"
        try:
            host.perform(words[1], words[2:])
        except ReservationError as error:
            outcome = re.sub("(?<=.)([A-Z])", r" \1", type(error).__name__).lower()
        return {"outcome": outcome, **self._state(host)}

    def _state(self, host: Host) -> dict[str, Any]:
        """What is registered and reserved, as `host` reads it and as the lab sees it."""
        seen = host.disk.snapshot()
        said = vars(seen) | {"keys": sorted(seen.keys)}
        return {"state": said, "target": state_of_nvme(host.node) if host.nvme else state_of_lio(self.lun)}


@contextmanager
def narrow() -> Iterator[None]:
    """While it lasts, a list of two keys does not fit into what is asked for at first."""
    usual = pr_ioctl._FIRST_CAPACITY, scsi._FIRST_BYTES
    pr_ioctl._FIRST_CAPACITY, scsi._FIRST_BYTES = 1, 16
    try:
        yield
    finally:
        pr_ioctl._FIRST_CAPACITY, scsi._FIRST_BYTES = usual


def state_of_lio(lun: str) -> dict[str, Any]:
    """The target's own files; they name the holder's node, not its key."""
    said = target.reservation(lun)
    keys = dict(said["registrations"])
    holder = keys[said["holder"]] if 0 < said["type"] < 5 else 0
    listed = sorted(key for _, key in said["registrations"])
    return {"generation": said["generation"], "keys": listed, "type": said["type"], "holder": holder}


def state_of_nvme(node: str) -> dict[str, Any]:
    """The namespace's report, read by the lab's own code."""
    said = lab_nvme.state(node)
    holder = next((key for key, holds in said["hosts"].values() if holds), 0)
    keys = sorted(key for key, _ in said["hosts"].values())
    return {"generation": said["generation"], "keys": keys, "type": said["type"], "holder": holder}


def on_device(node: str, command: Callable[[int], None]) -> None:
    """Call a function on a descriptor of its own."""
    fd = pr_ioctl.open_disk(node)
    try:
        command(fd)
    finally:
        os.close(fd)


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    places = [Place(lun, disks) for lun, disks in request["places"]]
    json.dump([places[number].carry_out(steps, fresh=fresh) for number, fresh, steps in request["cases"]], sys.stdout)


if __name__ == "__main__":
    main()
