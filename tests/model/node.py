"""A node in a test: its view of the cluster, and the agent's code run on it against model disks."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from fence_pr import actions, corosync, device, fencing, inspection, request
from fence_pr.errors import FenceError
from fence_pr.keys import of_node
from fence_pr.report import Report
from fence_pr.request import Job, Request

from .runs import in_turn
from .target import Command, ModelDisk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fence_pr.corosync import Cluster
    from fence_pr.device import Device

    from .target import Send


def disk(number: int, kind: str = device.SCSI) -> Device:
    """The disk that sorts at `number`; names sort the other way round."""
    node = f"/dev/sd{chr(ord('z') - number)}" if number < 26 else f"/dev/sdZ{999 - number}"
    return device.Device(node, node, f"naa.{number:032x}", kind)


def conf(folder: Path, names: Sequence[str] = ("n1", "n2", "n3"), cluster: str = "lab") -> Path:
    """A corosync.conf with these nodes."""
    nodes = "".join(
        f"  node {{\n    name: {name}\n    nodeid: {number}\n    ring0_addr: 192.0.2.{number}\n  }}\n"
        for number, name in enumerate(names, 1)
    )
    path = folder / "corosync.conf"
    path.write_text(f"totem {{\n  version: 2\n  cluster_name: {cluster}\n}}\nnodelist {{\n{nodes}}}\n")
    return path


def key_of(node: str, cluster: Cluster) -> int:
    """The default key of a node."""
    return of_node(node, cluster)


class Node:
    """Runs actions as the machine called `name`. folder: keeps corosync.conf and what the node remembers."""

    def __init__(self, name: str, folder: Path, devices: Sequence[Device], conf_file: Path) -> None:
        self.name, self._devices, self._conf = name, list(devices), conf_file
        self.state = folder / f"run-{name}"
        self.said: list[str] = []

    def request(self, action: str, plug: str, **changes: object) -> Request:
        """What the call asks for: defaults, then `changes`."""
        values: dict[str, Any] = {
            "action": action, "plug": plug, "key": "", "devices": tuple(known.name for known in self._devices),
            "key_method": "hash64", "cluster_name": "", "reservation_type": None, "abort": "auto",
            "refuse_foreign": False,
            "power_wait": 0.0, "attempts": 1, "attempt_sleep": 0.0, "limit": None, "corosync_conf": str(self._conf),
            "state_folder": str(self.state),
        }  # fmt: skip
        return Request(**{**values, **changes})

    def run(self, action: str, plug: str, send: Send, *, threads: bool = False, **changes: object) -> Report:
        """The report of one action; a FenceError that it raises becomes a failed report, as in the agent.

        threads: disks are worked on by threads, as in earnest; else one after the other, in order.
        """
        with self._in_place(send), nullcontext() if threads else _without_threads():
            try:
                notes: list[str] = []
                job = Job(self.request(action, plug, **changes), _Unwatched(), self.said.append, notes)
                return actions.ACTIONS[action](job).with_notes(notes)
            except FenceError as error:
                return Report(False, problems=tuple(str(error).splitlines()))

    @contextmanager
    def _in_place(self, send: Send) -> Iterator[None]:
        def open_disk(opened: Device, _watch: object, _patience: object) -> ModelDisk:
            send(opened, Command("open"))
            return ModelDisk(opened, send)

        def resolve_all(names: Sequence[str], _places: object = None) -> list[Device]:
            named = [known for name in names for known in self._devices if known.name == name]
            return sorted(named, key=lambda known: known.identity)

        with (
            patch.object(request, "open_disk", open_disk),
            patch.object(device, "resolve_all", resolve_all),
            patch.object(corosync, "this_machine", lambda: (self.name, frozenset())),
        ):
            yield


@contextmanager
def _without_threads() -> Iterator[None]:
    with (
        patch.object(request, "on_each", in_turn),
        patch.object(fencing, "on_each", in_turn),
        patch.object(inspection, "on_each", in_turn),
    ):
        yield


class _Unwatched:
    def announce(self, disk: str, operation: str) -> None:
        pass

    def finished(self, disk: str) -> None:
        pass
