"""A sequence of reservation ioctls of several nodes on one disk, with what it leads to after each: all in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.lab.inside import nvme, pr, target, transfers

if TYPE_CHECKING:
    from collections.abc import Callable

Step = tuple[str, str, list[int]]  # node, ioctl, numbers


def on_lun(lun: str, paths: dict[str, str], steps: list[Step]) -> list[dict[str, Any]]:
    """Begin with nothing registered and no unit attention. paths: each node's disk.

    A dictionary first for the beginning and then for each step: status, state as of `target.reservation`, and for each
    node what a write and a read come to.
    """
    pr.clear(next(iter(paths.values())))
    for path in paths.values():
        pr.drain(path)
    return _carry_out(paths, steps, lambda: target.reservation(lun))


def on_namespace(number: int, asker: str, paths: dict[str, str], steps: list[Step]) -> list[dict[str, Any]]:
    """As `on_lun`; state as of `nvme.reservation`, as `asker` is told."""
    nvme.clear()
    return _carry_out(paths, steps, lambda: nvme.reservation(asker, number))


def _carry_out(paths: dict[str, str], steps: list[Step], state: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    said = [{"status": 0, "state": state(), "access": {}}]
    for node, name, numbers in steps:
        status = pr.call(paths[node], name, *numbers)
        access = {each: [transfers.write(path, 1, 0), transfers.read(path, 0)] for each, path in paths.items()}
        said.append({"status": status, "state": state(), "access": access})
    return said
