"""'disks': other disks for a fence device of the running cluster, without restarting a resource."""

from __future__ import annotations

import abc
import time

from ..actions.explained import Daylight
from ..actions.job import Job
from ..actions.shared_disk import not_as_asked
from ..actions.this_node import ThisNode
from ..errors import DeviceRefused, DiskNotAsAsked, FenceError, Notice, UsageError
from ..log import one_line
from ..parallel import Patience, in_time, on_each
from ..storage import in_use
from ..storage.snapshot import OFF, ON
from . import cib, disks, terminal
from .deeds import Leave
from .device_change import DeviceChange
from .pacemaker import Pacemaker
from .reading import Reader, ReadingOnly
from .report import examined, told
from .sources import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..actions.shared_disk import SharedDisk
    from ..child import Channel
    from ..storage.disk import Watch
    from .cluster import FenceDevice
    from .device_change import Looked
    from .options import Call
    from .pacemaker import Plan
    from .report import Json
    from .sources import Source
    from .terminal import Style

ADD, REMOVE = "add", "remove"
# The parts of the time for disks that reading them has, and of that for the cluster after which it is not waited for.
_READ_SHARE, _WAIT_SHARE, _LEAVE_SHARE = 0.4, 0.7, 0.4


def examine(call: Call, channel: Channel) -> Json:
    """Look at disks and cluster, and change them if nothing speaks against it. Raises FenceError, UsageError."""
    sources = find(call, call.words[1:])
    if sources.unasked:
        raise FenceError(sources.unasked[0].code, **sources.unasked[0].fields)
    configured = _fence_device(call, sources.configured)
    others = [it for it in sources.configured if it is not configured]
    change = (Adding if call.words[0] == ADD else Removing)(call, sources.sources[0], configured, others, channel)
    return change.carry_out()


def _fence_device(call: Call, configured: Sequence[FenceDevice]) -> FenceDevice:
    """The one that is named, or the only one."""
    name = call.values["fence_device"]
    found = [it for it in configured if name in ("", it.name)]
    if len(found) != 1:
        raise UsageError("fence-device-unnamed", choices=tuple(it.name for it in configured))
    return found[0]


class _Change(abc.ABC):
    """One call."""

    def __init__(
        self, call: Call, source: Source, configured: FenceDevice, others: Sequence[FenceDevice], watch: Watch
    ) -> None:
        self._call, self._source, self._watch = call, source, watch
        self._configured, self._others = configured, others
        self._names, self._force = tuple(dict.fromkeys(call.words[1:])), call.flag("force")
        self._seconds = call.seconds("timeout")
        now, wait = time.monotonic(), call.seconds("wait")
        self._steps: list[Notice] = []
        self._warnings: list[Notice] = []
        self._facts: list[disks.Facts] = []
        self._cluster = DeviceChange(
            Pacemaker(now + self._seconds * _READ_SHARE + wait),
            configured.name,
            self._steps.append,
            now + self._seconds * _READ_SHARE + wait * _WAIT_SHARE,
        )

    def carry_out(self) -> Json:
        """What is found and done."""
        looked = self._cluster.look()
        if cib.disks(looked.text, self._configured.name) != self._configured.disks():
            raise FenceError("configuration-changed", name=self._configured.name)
        self._unfinished = cib.is_unfinished(looked.text, self._configured.name)
        wanted = self.wanted()
        problems = [it.notice() for it in self.refusals(looked.plan)]
        found = {
            "deed": self._call.words[0], "fence_device": self._configured.name, "before": self._configured.disks(),
            "after": self._configured.disks(), "disks": [it.said for it in self._facts], "done": False,
        }  # fmt: skip
        if not problems:
            try:
                self._cluster.check(looked, wanted)
                self._cluster.carry_out(looked, wanted)
                found |= {"after": wanted, "done": True}
                problems += self._settled(looked, wanted)
                problems += [it.notice() for it in self.afterwards(looked.plan)]
            except FenceError as error:
                problems += error.notices()
        return examined({**found, "steps": [told(it) for it in self._steps]}, problems, self._warnings)

    def _settled(self, looked: Looked, wanted: tuple[str, ...]) -> Iterable[Notice]:
        """What went wrong after the cluster had the disks."""
        try:
            if not self._cluster.settle(looked, wanted):
                self._warnings.append(Notice("device-not-running", {"name": self._configured.name}))
            harmed = self._cluster.harmed(looked)
        except FenceError as error:
            return error.notices()
        return [Notice("restarted-nevertheless", {"actions": harmed})] if harmed else []

    @abc.abstractmethod
    def wanted(self) -> tuple[str, ...]:
        """The disks that the fence device shall have. Raises FenceError, UsageError."""

    @abc.abstractmethod
    def refusals(self, plan: Plan) -> Iterable[FenceError]:
        """What speaks against it. plan: what the cluster is about to do."""

    @abc.abstractmethod
    def afterwards(self, plan: Plan) -> Iterable[FenceError]:
        """What is to be done when the cluster has the new disks, and what is wrong then. plan: as in refusals."""

    def _job(self, names: tuple[str, ...], here: ThisNode, watch: Watch, share: float) -> Job:
        source = self._source
        limit = {"power_timeout": f"{self._seconds * share:.3f}", "devices": " ".join(names)}
        return Job(source.request("monitor", **limit), watch, lambda _: None, self._warnings, here)

    def _look(
        self, names: tuple[str, ...], wanted: tuple[str, ...], share: float = _READ_SHARE
    ) -> list[tuple[SharedDisk | FenceError, disks.Facts]]:
        """Read those of the disks that are wanted. Raises FenceError if names do not lead to disks."""
        job = self._job(names, Reader(self._seconds * share), ReadingOnly(self._watch), share)
        devices = [it for it in job.resolve() if it.name in wanted]
        read = job.read(devices, job.nodes.own_keys_if_readable(devices))
        facts = []
        for device, it in zip(devices, read):
            name = self._configured.name
            if isinstance(it, FenceError):
                facts.append(disks.unread(device, it, name))
            else:
                rule = Daylight(job.nodes.are_guessed(devices), job.nodes.one_is_unknown(devices))
                facts.append(disks.read(job, it, job.nodes.all(devices), rule, name))
        return list(zip(read, facts))


class Adding(_Change):
    """Disks come to a fence device. On each every node must be registered before."""

    def wanted(self) -> tuple[str, ...]:
        before = self._configured.disks()
        named = [it for it in self._names if it in before]
        if named and not self._unfinished:
            raise DeviceRefused("disk-named-already", named[0], name=self._configured.name)
        return tuple(dict.fromkeys((*before, *self._names)))

    def refusals(self, plan: Plan) -> Iterable[FenceError]:
        looked = self._looked()
        for disk, facts in looked:
            self._facts.append(facts)
            if not isinstance(disk, FenceError) and disk.device.is_named_by_kernel():
                self._warnings.append(Notice("name-of-this-boot", {"disk": disk.device.label()}))
        yield from self._judged(looked, plan)

    def afterwards(self, plan: Plan) -> Iterable[FenceError]:
        """Who was fenced meanwhile was fenced on the disks of before."""
        return list(self._judged(self._looked(), plan))

    def _looked(self) -> list[tuple[SharedDisk | FenceError, disks.Facts]]:
        """The new disks. What the others tell of who is shut out there is kept."""
        names = tuple(dict.fromkeys((*self._configured.disks(), *self._names)))
        read = self._look(names, names)
        others = [facts for _, facts in read if facts.said["name"] not in self._names]
        self._shut_out = {it["node"] for facts in others for it in facts.said["states"] if it["state"] == OFF}
        return [(disk, facts) for disk, facts in read if facts.said["name"] in self._names]

    def _judged(
        self, looked: Iterable[tuple[SharedDisk | FenceError, disks.Facts]], plan: Plan
    ) -> Iterable[FenceError]:
        for disk, facts in looked:
            if isinstance(disk, FenceError):
                yield disk
            elif facts.problem:
                yield DiskNotAsAsked(facts.problem.code, **facts.problem.fields)
            else:
                yield from self._not_registered(disk, facts.said, plan.nodes)

    def _not_registered(self, disk: SharedDisk, said: Json, nodes: Mapping[str, bool]) -> Iterable[FenceError]:
        """What is unfenced before it does anything else, on the new disk, too, need not be there with force.

        What was shut out of the other disks must not be there: the cluster would not fence it once more.
        """
        states = {it["node"]: it["state"] for it in said["states"]}
        if here := sorted(it for it in self._shut_out if states.get(it) == ON):
            fields = {"nodes": here, "name": self._configured.name}
            yield not_as_asked("node-shut-out-elsewhere", disk.snapshot, disk=disk.device.label(), **fields)
        missing = [it for it in dict.fromkeys((*states, *nodes)) if states.get(it) != ON]
        if self._force:
            missing = [it for it in missing if nodes.get(it, True)]
        if missing or not states:
            fields = {"nodes": sorted(missing), "name": self._configured.name}
            code = "nodes-not-registered" if states else "nodes-of-cluster-unknown"
            yield not_as_asked(code, disk.snapshot, disk=disk.device.label(), **fields)


class Removing(_Change):
    """Disks are taken from a fence device, and this node leaves them."""

    def wanted(self) -> tuple[str, ...]:
        before = self._configured.disks()
        gone = {name: self._configured_as(name) for name in self._names}
        self._names = tuple(gone.values())
        left = tuple(it for it in before if it not in self._names)
        if not left:
            raise FenceError("no-disk-left", name=self._configured.name)
        return left

    def _configured_as(self, name: str) -> str:
        """The configuration's name for a disk, which may be gone here. Raises DeviceRefused."""
        before = self._configured.disks()
        if found := _same_disk(name, before):
            return found
        if self._unfinished:
            return name
        raise DeviceRefused("disk-not-named", name, name=self._configured.name, disks=before)

    def refusals(self, plan: Plan) -> Iterable[FenceError]:
        if self._force:
            return
        if plan.lost:
            yield FenceError("node-not-fenced-yet", nodes=sorted(plan.lost))
        for name in self._names:
            try:
                ((disk, facts),) = self._look((name,), (name,), _READ_SHARE / len(self._names))
                self._facts.append(facts)
            except FenceError as error:
                disk = error
            if isinstance(disk, FenceError):
                yield DiskNotAsAsked("disk-unexamined", disk=name, answer=disk.notice().pack())
            elif users := in_use.users(disk.device):
                yield FenceError("disk-in-use", disk=disk.device.label(), users=[it.pack() for it in users])

    def afterwards(self, _: Plan) -> Iterable[FenceError]:
        """A disk that hangs is not waited for: what has been changed must be told."""
        patience = Patience(time.monotonic() + self._seconds * _LEAVE_SHARE)
        names = list(self._names)
        left = on_each(self._leave, names, patience) if names[1:] else [in_time(self._leave, names[0], patience)]
        for name, it in zip(names, left):
            if isinstance(it, FenceError):
                self._warnings.append(Notice("not-left", {"disk": name, "answer": it.notice().pack()}))
        return ()

    def _leave(self, name: str) -> None:
        """Go out of one disk, as 'repair leave'. Raises FenceError if this node stays registered there."""
        if users := [it.name for it in self._others if _same_disk(name, it.disks())]:
            raise FenceError("disk-in-use", users=[Notice("named-by-fence-device", {"name": users[0]}).pack()])
        job = self._job((name,), ThisNode(), self._watch, _LEAVE_SHARE)
        devices = job.resolve()
        (shared,) = job.read(devices, job.nodes.own_keys_if_readable(devices))
        if isinstance(shared, FenceError):
            raise shared
        shared.disk.confirm_identity()
        keys, known = set(shared.snapshot.keys) - {shared.own_key}, shared.known.nodes
        if others := sorted({known[it] for it in keys if it in known}):
            self._warnings.append(Notice("others-to-leave", {"disk": shared.device.label(), "nodes": others}))
        if shared.own_key not in shared.snapshot.keys:
            return
        leave = Leave(job, shared, self._steps.append, force=False)
        if refusal := leave.refusal():
            raise refusal
        leave.do()


def _same_disk(name: str, among: Sequence[str]) -> str:
    """The one of these names that leads to the same disk, or is the same; "" if none. Raises DeviceRefused."""
    if name in among:
        return name
    here = ThisNode()
    wanted = here.find(name).stable_name()
    for it in among:
        try:
            if here.find(it).stable_name() == wanted:
                return it
        except DeviceRefused:
            continue
    return ""


def text(found: Json, style: Style) -> list[str]:
    """For a person."""
    done = found["done"]
    head = f"{found['deed']}: {'done' if done else 'not done' if found['steps'] else 'nothing was changed'}"
    lines = [style.paint(terminal.GOOD if done else terminal.ODD, head), ""]
    lines += [one_line(f"Fence device {found['fence_device']}")]
    for name, field in (("disks", "before"), *((("now", "after"),) if done else ())):
        lines += style.entry(name, one_line(", ".join(found[field])))
    for number, step in enumerate(found["steps"], 1):
        lines += style.entry(f"step {number}", one_line(step["text"]))
    return lines
