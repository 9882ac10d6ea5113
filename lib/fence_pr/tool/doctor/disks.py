"""What the disks of one fence device say, and what the agent itself says of them: its monitor, its validate-all, and
what 'show' finds. Nothing is changed.
"""

from __future__ import annotations

import os
import time

from ... import option_table, options, state_file
from ...actions import perform
from ...actions.job import Job
from ...actions.monitor import monitor
from ...actions.validate_all import validate
from ...errors import DeviceRefused, FenceError, Notice
from ...parallel import Patience, in_time, on_each
from ...record import Record
from ...storage import in_use, own_hosts
from ...storage.device import NVME, read_attribute
from ..reading import Reader, ReadingOnly
from ..show import View
from .findings import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ...actions.report import Report
    from ...storage.device import Device
    from ..report import Json
    from ..sources import Source

# Not that something is wrong, but that nobody could look.
_UNSEEN = frozenset({
    "not-permitted", "no-answer-in-time", "no-answer", "not-begun", "too-late", "machine-lacks", "out-of-descriptors",
    "out-of-memory",
})  # fmt: skip
# What the doctor judges itself, with the cluster's configuration before it; and what it causes by only reading.
_OWN = frozenset({"limit-needs-more", "disks-not-named", "command-forbidden"})
_LIMIT = "power_timeout"
_SIGNS = ("E:ID_FS_TYPE=", "E:ID_PART_TABLE_TYPE=")
# The parts of the time after which disks, and then everything, is waited for no longer.
_READ_SHARE, _ALL_SHARE = 0.4, 0.9


class Examiner(Reader):
    """This machine, as one has it that asks the agent's own actions. seconds: for each round over the disks: one that
    was silent in the first must not take the others' time in the next.
    """

    def __init__(self, seconds: float, **folders: str) -> None:
        super().__init__(seconds, **folders)
        self._seconds = seconds

    def on_each(
        self, work: Callable[[Any], Any], items: list[Any], patience: Patience | None = None
    ) -> list[Any | FenceError]:
        """As that of one that only looks."""
        return super().on_each(work, items, patience or Patience(time.monotonic() + self._seconds))

    def is_unwritten(self, _: Device) -> bool:
        """To ask the target again takes a REGISTER. What 'off' has noted is told instead."""
        return False


class Looked(Record):
    """What is found of one fence device's disks.

    said      each disk's part, as 'show' has it
    disks     the same for comparison with other nodes
    hosts     what the storage calls this machine
    findings  what is wrong, or could not be seen
    """

    said: tuple[Json, ...]
    disks: tuple[Json, ...]
    hosts: tuple[str, ...]
    findings: tuple[Finding, ...]


def examine(
    source: Source,
    given: Mapping[str, str],
    watch: ReadingOnly,
    seconds: float,
    examiner: Callable[[float], Reader] = Examiner,
) -> Looked:
    """given: the agent's options that the cluster would call it with. Waits for disks for a part of the seconds.

    Raises FenceError where not even the disks' names can be made sense of.
    """
    here, until = examiner(seconds * _READ_SHARE), Patience(time.monotonic() + seconds * _ALL_SHARE)
    view = View(source, watch, seconds, here)
    values = {**given, "devices": " ".join(source.disks), **_shorter(given, seconds * _READ_SHARE)}
    works: list[Callable[[], list[Finding]]] = [
        lambda: _shown(view),
        lambda: _of_agent("monitor", monitor, values, watch, examiner(seconds * _READ_SHARE)),
        lambda: _of_agent("validate-all", validate, values, watch, examiner(seconds * _READ_SHARE)),
    ]
    found: list[Finding] = []
    for outcome in on_each(_done, works, until):
        found += [Finding(it) for it in outcome.notices()] if isinstance(outcome, FenceError) else outcome
    said, devices = [it.said for it in view.facts], _devices(source.disks, here)
    found += _noted(devices, here)
    uses = _uses(devices, until)
    return Looked(
        tuple(said),
        tuple(_comparable(it, used=uses.get(it["name"], True)) for it in said),
        tuple(sorted({host for device in devices for host in hosts_of(device)})),
        tuple(_as_judged(found)),
    )


def _uses(devices: list[Device], until: Patience) -> dict[str, bool]:
    """Name → whether something uses it. What does not tell is used: nobody is to be told otherwise."""
    if os.geteuid() != 0:
        return {}
    told = on_each(is_used, devices, until) if len(devices) > 1 else [in_time(is_used, it, until) for it in devices]
    return {device.name: it is not False for device, it in zip(devices, told)}


def _done(work: Callable[[], list[Finding]]) -> list[Finding]:
    return work()


def _shown(view: View) -> list[Finding]:
    """What 'show' finds."""
    view.read()
    problems = [*(it.problem for it in view.facts if it.problem and not it.unseen), *view.problems]
    unseen = [Finding(it.unseen, unseen=True) for it in view.facts if it.unseen]
    return [*map(Finding, (*problems, *view.warnings)), *unseen]


def _of_agent(
    action: str, work: Callable[[Job], Report], given: Mapping[str, str], watch: ReadingOnly, here: Reader
) -> list[Finding]:
    """What an action of the agent's says that only reads. Raises FenceError."""
    asked = options.from_stdin(_lines({**given, "action": action}))
    warnings = list(asked.warnings)
    report = work(Job(perform.request(asked), watch, lambda _: None, warnings, here))
    told = [*report.failures(), *warnings, *report.warnings]
    return [Finding(it, (f"the agent's '{action}'",)) for it in told]


def _noted(devices: Iterable[Device], here: Reader) -> Iterable[Finding]:
    for device in devices:
        if state_file.is_marked(state_file.UNWRITTEN, device.stable_name(), here.state_folder):
            noted = f"{here.state_folder}: a note of 'off'"
            yield Finding(Notice("removal-noted", {"disk": device.label()}), (noted,))


def _shorter(given: Mapping[str, str], seconds: float) -> dict[str, str]:
    """The agent's time limit, for which it repeats what may pass, where it is longer than so many seconds."""
    option = next(it for it in option_table.OPTIONS if it.name == _LIMIT)
    try:
        return {_LIMIT: f"{seconds:.1f}"} if float(given.get(_LIMIT, option.default)) > seconds else {}
    except ValueError:
        return {}  # the agent says so


def _lines(given: Mapping[str, str]) -> bytes:
    """As Pacemaker gives options to the agent; what is for itself it does not."""
    lines = (f"{name}={value}\n" for name, value in given.items() if not name.startswith(("pcmk_", "crm_")))
    return "".join(lines).encode("utf-8", "surrogateescape")


def _as_judged(found: Iterable[Finding]) -> Iterable[Finding]:
    for it in found:
        if it.notice.code not in _OWN:
            yield Finding(it.notice, it.evidence, it.node, it.unseen or it.notice.code in _UNSEEN)


def _devices(names: Iterable[str], here: Reader) -> list[Device]:
    found = []
    for name in names:
        try:
            found.append(here.find(name))
        except DeviceRefused:
            continue  # told by what reads it
    return found


def _comparable(said: Json, *, used: bool) -> Json:
    registrations = said["registrations"] or ()
    return {
        "name": said["name"],
        "identity": said["identity"],
        "own_key": next((it["key"] for it in registrations if it["own"]), ""),
        "keys": [it["key"] for it in registrations],
        "read": said["registrations"] is not None,
        "used": used,
    }


def is_used(device: Device) -> bool:
    """Whether this machine uses the disk, or something lies on it, as far as udev has seen."""
    try:
        number = os.stat(device.node).st_rdev
    except OSError:
        return False
    known = read_attribute(f"/run/udev/data/b{os.major(number)}:{os.minor(number)}")
    return any(line.startswith(_SIGNS) for line in known.splitlines()) or bool(in_use.users(device))


def hosts_of(device: Device) -> frozenset[str]:
    """What the storage calls this machine behind that disk, as far as sysfs tells."""
    if device.kind == NVME:
        return own_hosts.of_nvme(device.host_id) if device.host_id else frozenset()
    try:
        numbers = [os.stat(path).st_rdev for path in device.paths or (device.node,)]
    except OSError:
        return frozenset()
    return frozenset(host for number in numbers for host in own_hosts.of_scsi(number))
