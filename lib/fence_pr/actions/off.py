"""'off': fence a node, and prove it.

The disks are taken in the order that keeps two nodes that fence each other from both dying: the first disk by identity
decides alone, whoever loses there touches no other.
"""

from __future__ import annotations

from ..errors import ABORTING, DiskNotAsAsked, FenceError, Notice
from ..option_table import ABORT_REQUIRE
from ..record import Record
from ..storage.snapshot import SINGLE_HOLDER_TYPES, Snapshot
from . import explained, plan
from .plan import Done, Refused
from .report import Report
from .shared_disk import not_as_asked, refused
from .steps import drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..keys import Registrant
    from ..storage.device import Device
    from .job import Job
    from .plan import Step
    from .registrants import Told
    from .report import Outcome
    from .shared_disk import SharedDisk


def off(job: Job) -> Report:
    """Fence the named node on every disk and prove it, or say where that is not proved."""
    named = job.nodes.named()
    devices = job.resolve()
    own_keys = _own_keys(job, devices)
    if named.key in own_keys.values():
        raise FenceError("victim-is-this-node", node=named.node, key=named.key)
    job.nodes.require_known_key(named, devices)
    job.warn_of_other_disks(devices)
    disks = job.read(devices, own_keys, job.time.for_readings(), named)
    fencing = Fencing(job, job.victim(named, disks), job.nodes.are_guessed(devices))
    first = fencing.first_steps(devices, disks)
    if any(isinstance(step, FenceError) for step in first):
        return Report.of(devices, first, problems=[Notice("nothing-changed", {})])
    opened = [disk for disk in disks if not isinstance(disk, FenceError)]
    if all(isinstance(step, Done) for step in first):
        return fencing.prove(devices, opened, "Already OFF")
    outcomes = fencing.fence_everywhere(devices, opened)
    if any(isinstance(outcome, FenceError) for outcome in outcomes):
        return Report.of(devices, outcomes, problems=_so_far(fencing.victim, outcomes))
    fencing.settle(opened)
    return fencing.prove(devices, opened, "Powered OFF")


def _own_keys(job: Job, devices: list[Device]) -> dict[Device, int | None]:
    own_keys = job.nodes.own_keys(devices)
    if None in own_keys.values():
        raise FenceError("own-key-unknown")
    return own_keys


def _so_far(victim: Registrant, outcomes: Sequence[Outcome]) -> list[Notice]:
    done = sum(not isinstance(outcome, FenceError) for outcome in outcomes)
    fields = {"node": victim.node, "key": victim.key, "done": done, "disks": len(outcomes)}
    return [Notice("fenced-on-some", fields)] if done else []


class Fencing(Record):
    """Fencing one victim, disk by disk. guessed: as `Nodes.are_guessed`."""

    job: Job
    victim: Registrant
    guessed: bool

    def first_steps(
        self, devices: Sequence[Device], disks: Sequence[SharedDisk | FenceError]
    ) -> list[Step | Done | FenceError]:
        """The plan's first step on each disk, or as an error why there is none.

        Whoever cannot finish must not begin: of two nodes that fence each other neither would be left on all disks. So
        a disk that does not answer, or would refuse the step, keeps the others from being touched.
        """
        steps = [self._first_step(disk) for disk in disks]
        if any(isinstance(step, FenceError) for step in steps) or all(isinstance(step, Done) for step in steps):
            return steps
        from . import own_nexus

        due = [it for it, step in zip(disks, steps) if not isinstance(it, FenceError) and not isinstance(step, Done)]
        refusals = own_nexus.refusals(self.job, due)
        return [refusals.get(device, step) for device, step in zip(devices, steps)]

    def _first_step(self, disk: SharedDisk | FenceError) -> Step | Done | FenceError:
        if isinstance(disk, FenceError):
            return disk
        step = self._next_step(disk, disk.snapshot)
        if isinstance(step, Refused):
            return refused(step.why, disk.snapshot)
        if why := explained.refusal(disk, self.victim, self.guessed):
            return why
        if disk.no_abort and not isinstance(step, Done):
            return disk.no_abort
        return step

    def _next_step(self, disk: SharedDisk, snapshot: Snapshot) -> Step | Done | Refused:
        assert disk.own_key
        return plan.off(snapshot, disk.own_key, self.victim, self.job.request.type_for(disk.device))

    def fence_everywhere(self, devices: Sequence[Device], disks: list[SharedDisk]) -> list[Snapshot | FenceError]:
        """The first disk alone; only if it is won all others at once, each to its end even if another fails."""
        (arbiter,) = self.job.on_each(self._fence, disks[:1])
        if isinstance(arbiter, FenceError):
            fields = {"answer": Notice("untouched", {}).pack(), "arbiter": devices[0].label()}
            untouched = DiskNotAsAsked("not-touched", operation="fence", **fields)
            return [arbiter, *(untouched for _ in disks[1:])]
        return [arbiter, *self.job.on_each(self._fence, disks[1:])]

    def _fence(self, disk: SharedDisk) -> Snapshot:
        """Take the plan's steps on one disk, to the end. Raises FenceError."""
        assert disk.own_key
        snapshot = drive(self.job, disk.disk, disk.own_key, lambda now, _before: self._next_step(disk, now))
        if self.job.request.abort == ABORT_REQUIRE and self._was_left_to_another(disk):
            raise DiskNotAsAsked("abort-required", operation=ABORTING, answer=Notice("left-to-another", {}).pack())
        if not set(self.victim.all_keys()).isdisjoint(disk.snapshot.keys):
            from . import written

            written.look_after_removal(self.job, disk, self.victim)
        return snapshot

    def settle(self, disks: Sequence[SharedDisk]) -> None:
        """Wait as the options ask for: where nothing ended what a disk had accepted, until that has likely landed."""
        request = self.job.request
        left = [it for it in disks if not it.disk.aborted or self._was_left_to_another(it)]
        if left and request.drains:
            from . import drain

            left = drain.not_drained(self.job, left, [it.device for it in left if self._was_left_to_another(it)])
        unaborted = len(left)
        self.job.wait(max(request.power_wait, request.settle_time if unaborted else 0.0))
        if unaborted:
            fields = {"unaborted": unaborted, "disks": len(disks), "seconds": request.settle_time}
            self.job.warn(Notice("abort-missing", fields))

    def _was_left_to_another(self, disk: SharedDisk) -> bool:
        """Whether a key of the victim went meanwhile, and not by this call: with abort or without nobody knows."""
        return not disk.disk.removed.issuperset(set(self.victim.all_keys()).intersection(disk.snapshot.keys))

    def prove(self, devices: Sequence[Device], disks: list[SharedDisk], verdict: str) -> Report:
        """Read every disk once more, after the last step, and judge by that alone."""
        outcomes = self.job.on_each(self._proof, disks)
        warnings = _of_single_holders(devices, outcomes)
        return Report.of(devices, outcomes, verdict, warnings=warnings)

    def _proof(self, disk: SharedDisk) -> Snapshot:
        snapshot, told = self.job.persistently(lambda: self._reading(disk))
        self.job.warn_of_paths(disk.disk, snapshot, disk.own_key)
        step = self._next_step(disk, snapshot)
        if isinstance(step, Refused):
            raise refused(step.why, snapshot, after=snapshot.told())
        if not isinstance(step, Done):
            who = {"node": self.victim.node, "key": self.victim.key}
            raise not_as_asked("not-fenced", snapshot, **who, after=snapshot.told())
        if why := explained.why_not_out(self.job, disk, snapshot, told, self.victim):
            raise why
        if strangers := disk.known.strangers(snapshot.keys, told, self.victim):
            self.job.warn(explained.left(disk, strangers))
        return snapshot

    def _reading(self, disk: SharedDisk) -> tuple[Snapshot, Told]:
        snapshot = disk.disk.snapshot()
        told = self._told(disk, snapshot)
        disk.disk.confirm_identity()
        return snapshot, told

    def _told(self, disk: SharedDisk, snapshot: Snapshot) -> Told:
        """The hosts behind what stands now, where something hangs on them."""
        strangers = disk.known.strangers(snapshot.keys, None, self.victim)
        return self.job.told(disk.disk) if self.guessed or strangers else None


def _of_single_holders(devices: Sequence[Device], outcomes: Sequence[Outcome]) -> list[Notice]:
    return [
        Notice("only-holder-writes", {"disk": device.label(), "type": outcome.type_name()})
        for device, outcome in zip(devices, outcomes)
        if isinstance(outcome, Snapshot) and outcome.type in SINGLE_HOLDER_TYPES
    ]
