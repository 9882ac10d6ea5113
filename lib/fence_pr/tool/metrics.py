"""'metrics': what 'show' reads, as numbers for Prometheus, in the form of OpenMetrics."""

from __future__ import annotations

import os
import time

from .. import __version__, last_action, state_file
from ..errors import Notice
from ..files import UNFINISHED, what_failed
from ..storage.device import entries, read_attribute
from ..storage.snapshot import SINGLE_HOLDER_TYPES
from . import disks, show
from .report import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..child import Channel
    from .options import Call
    from .report import Json
    from .terminal import Style

_GUARD = "pr_fence_guard"
# Calls of the guard's program that are no guard.
_NO_GUARD = ("--check", "--forget", "test", "repair", "-h", "-V")
# Name → what it says. All are gauges: the generation and the counts may fall, too.
HELP = {
    "fence_pr_build_info": "1, with the version",
    "fence_pr_collected_timestamp_seconds": "When this was collected",
    "fence_pr_disk_readable": "1 if the disk could be read",
    "fence_pr_disk_problem": "1 if something is wrong with the disk, as pr_fence show says",
    "fence_pr_disk_registered": "1 if this node is registered on the disk",
    "fence_pr_disk_writable": "1 if the reservation lets this node write",
    "fence_pr_disk_reserved": "1 if the disk is reserved",
    "fence_pr_disk_reservation_type": "The reservation's type as linux/pr.h numbers it, 0 for none",
    "fence_pr_disk_registrations": "Registrations on the disk",
    "fence_pr_disk_foreign_keys": "Registered keys that nothing on this node explains",
    "fence_pr_disk_paths": "Paths: live, dead, and live ones beyond the number of this node's registrations",
    "fence_pr_disk_generation": "PRgeneration of the disk",
    "fence_pr_last_action_success": "1 if the last on or off on this node succeeded",
    "fence_pr_last_action_duration_seconds": "How long it took",
    "fence_pr_last_action_timestamp_seconds": "When it ended",
    "fence_pr_guard_running": "1 if pr_fence_guard runs on this node",
}


def examine(call: Call, channel: Channel) -> Json:
    """Read the disks as 'show' does. Raises FenceError."""
    seen = show.examine(call, channel)
    found = [*_of_node(), *(sample for disk in seen["found"]["disks"] for sample in _of_disk(disk))]
    return {**seen, "found": {"metrics": found, "file": call.values["output"]}}


def _sample(name: str, value: float, **labels: str) -> Json:
    return {"name": f"fence_pr_{name}", "labels": labels, "value": value}


def _of_node(folder: str = state_file.FOLDER, processes: str = "/proc") -> Iterator[Json]:
    yield _sample("build_info", 1, version=__version__)
    yield _sample("collected_timestamp_seconds", round(time.time(), 3))
    yield _sample("guard_running", int(guard_runs(processes)))
    for action in last_action.ACTIONS:
        if last := last_action.load(action, folder):
            labels = {"action": action, "node": last.node}
            yield _sample("last_action_success", int(last.ok), **labels)
            yield _sample("last_action_duration_seconds", last.seconds, **labels)
            yield _sample("last_action_timestamp_seconds", last.at, **labels)


def guard_runs(processes: str = "/proc") -> bool:
    """Whether there is such a process."""
    for process in filter(str.isdigit, entries(processes)):
        if read_attribute(f"{processes}/{process}/comm") == _GUARD:
            words = read_attribute(f"{processes}/{process}/cmdline").split("\0")
            if not any(word.startswith(_NO_GUARD) for word in words[1:] if not word.endswith(_GUARD)):
                return True
    return False


def _of_disk(disk: Json) -> Iterator[Json]:
    labels = {"disk": disk["name"], "identity": disk["identity"]}
    registrations, held = disk["registrations"], disk["reservation"]
    yield _sample("disk_readable", int(registrations is not None), **labels)
    yield _sample("disk_problem", int(disk["problem"] is not None), **labels)
    if registrations is None:
        return
    own = [it["key"] for it in registrations if it["own"]]
    writes = not held or (held["holder_key"] in own if held["type"] in SINGLE_HOLDER_TYPES else bool(own))
    foreign = sum(it["owner"] == disks.FOREIGN for it in registrations)
    yield _sample("disk_registered", int(bool(own)), **labels)
    yield _sample("disk_writable", int(writes), **labels)
    yield _sample("disk_reserved", int(held is not None), **labels)
    yield _sample("disk_reservation_type", held["type"] if held else 0, **labels)
    yield _sample("disk_registrations", sum(it["count"] for it in registrations), **labels)
    yield _sample("disk_foreign_keys", foreign, **labels)
    paths = disk["paths"]
    for state, count in (
        ("live", paths["live"]),
        ("dead", len(paths["dead"])),
        ("unregistered", paths["unregistered"]),
    ):
        yield _sample("disk_paths", count, **labels, state=state)
    yield _sample("disk_generation", disk["generation"], **labels)


def text(found: Json, _: Style) -> list[str]:
    """In the form of OpenMetrics, which Prometheus' older one takes as well."""
    lines: list[str] = []
    for name, said in HELP.items():
        samples = [it for it in found["metrics"] if it["name"] == name]
        if samples:
            lines += [f"# TYPE {name} gauge", f"# HELP {name} {said}.", *map(_line, samples)]
    return [*lines, "# EOF"]


def _line(sample: Json) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample["labels"].items())
    return f"{sample['name']}{{{labels}}} {sample['value']}" if labels else f"{sample['name']} {sample['value']}"


def _escaped(value: str) -> str:
    plain = value.encode("utf-8", "replace").decode()
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write(made: Json, style: Style) -> Json:
    """The report after its metrics were written to the file that it names, which all can read: all of it or nothing."""
    path = made["found"]["file"]
    data = "".join(f"{line}\n" for line in text(made["found"], style)).encode()
    unfinished = f"{path}.{os.getpid()}{UNFINISHED}"
    try:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, 0o644)
                file.write(data)
            os.rename(unfinished, path)
        except OSError:
            os.unlink(unfinished)
            raise
    except OSError as error:
        failure = Notice("metrics-unwritable", {"path": path, "answer": what_failed(error)})
        return {**made, "problems": [*made["problems"], told(failure)], "exit_status": 1}
    return made
