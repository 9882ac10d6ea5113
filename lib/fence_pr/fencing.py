"""The two actions that change disks: on and off.

Plans are carried out over all disks in the order that keeps two nodes that fence each other from both dying: the
first disk by identity decides alone, whoever loses there touches no other.
"""

from __future__ import annotations

import time

from . import files, multipathd, plan, state
from .device import MULTIPATH
from .errors import DiskNotAsAsked, FenceError, IncompleteAnswer, Invalid, NotPermitted, NotSupported, ReservationError
from .keys import Registrant
from .option_table import ABORT_NEVER, ABORT_REQUIRE
from .parallel import Patience, Unanswered, on_each
from .pr_ioctl import ABORTING
from .record import Record
from .report import Report, from_outcomes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .device import Device
    from .plan import Snapshot
    from .request import Job, Reading
    from .reservation import Disk

    Decide = Callable[[Snapshot], plan.Register | plan.Reserve | plan.Preempt | plan.Done | plan.Refused]

# A step that another node's step made void is planned anew; more rounds than nodes that could interfere at once.
_ROUNDS = 8
# Parts of the time limit: how long the disk that decides may take for a read, since nothing can be done without it;
# after which time fencing goes on without the others; and how much longer than the first one they may take.
_FIRST_READING_SHARE, _READING_SHARE, _READING_GRACE_SHARE = 0.75, 0.25, 0.05

UNTOUCHED = "nothing was changed on any disk"


def on(job: Job) -> Report:
    """Register this node everywhere and see that a fitting reservation is in force; all disks at once."""
    me, local = job.named(), job.local_name()
    if me.node and local and me.node != local:
        raise FenceError(f"the action on registers the node it runs on; this is {local}, not {me.node}")
    devices = job.resolve()
    outcomes = on_each(lambda device: _let_in(job, device, me), devices)
    for _ in range(1, job.request.attempts):
        failed = [position for position, outcome in enumerate(outcomes) if isinstance(outcome, FenceError)]
        if not failed:
            break
        time.sleep(job.request.attempt_sleep)
        again = on_each(lambda position: _let_in(job, devices[position], me), failed)
        for position, outcome in zip(failed, again):
            outcomes[position] = outcome
    notes = foreign_notes(job, devices, outcomes, [me.key] * len(devices))
    return from_outcomes(devices, outcomes, "Powered ON", notes=notes or [])


def _let_in(job: Job, device: Device, me: Registrant) -> Snapshot:
    disk = job.open(device)
    _refuse_shared_host_id(job, disk, me)
    was_listed = False

    def decide(now: Snapshot) -> plan.Register | plan.Reserve | plan.Done | plan.Refused:
        nonlocal was_listed
        decision = plan.on(now, me.key, job.reservation_type(device), disk.registered, was_listed)
        was_listed = me.key in now.keys
        return decision

    snapshot = _drive(job, disk, me.key, decide)
    if device.kind == MULTIPATH:
        multipathd.tell_key(device.map_name, me.key, job.notes.append)
    try:
        state.save(device.stable_name(), Registrant(me.node, me.key), job.request.state_folder)
    except OSError as error:
        raise DiskNotAsAsked(
            f"registered, but {job.request.state_folder} cannot be written: {files.what_failed(error)}"
        ) from error
    job.note_paths(disk, snapshot)
    job.note_cautions(disk)
    return snapshot


def _refuse_shared_host_id(job: Job, disk: Disk, me: Registrant) -> None:
    """Two nodes with one NVMe host identifier are one registrant: fencing one would mean nothing."""
    registered = disk.registered_as()
    if not registered or registered == me.key:  # also key 0: what an unregister by replacing the key left behind
        return
    try:
        remembered = job.remembered(disk.device)
    except FenceError:
        remembered = None  # a damaged file is mended by this very action
    other = job.node_keys().get(registered)
    if other or (remembered and remembered.key == me.key):
        whose = f"of node {other}" if other else f"0x{registered:x}, which this node did not register"
        raise DiskNotAsAsked(
            f"this host's NVMe identifier is registered with the key {whose}: two nodes have one identifier"
            " (give each its own in /etc/nvme/hostid and /etc/nvme/hostnqn, and connect again)"
        )


def off(job: Job) -> Report:
    """Shut the named node out of every disk and prove it, or say where that is not proved."""
    victim = job.named()
    devices = job.resolve()
    owns = _own_keys(job, devices)
    if victim.key in owns:
        raise FenceError(f"{victim} is this node itself; a node cannot shut itself out")
    job.require_keys_made_alike(devices, victim)
    readings = job.read(devices, _patience(job.request.limit))
    task = Task(job, devices, readings, owns, victim)
    first = [task.first_decision(position) for position in range(len(devices))]
    if isinstance(first[0], FenceError) or any(_forbids(decision) for decision in first):
        return from_outcomes(devices, first, problems=[UNTOUCHED])
    if all(isinstance(decision, plan.Done) for decision in first):
        return task.prove("Already OFF")
    outcomes = task.shut_out_everywhere()
    if any(isinstance(outcome, FenceError) for outcome in outcomes):
        return from_outcomes(devices, outcomes, problems=_so_far(victim, outcomes))
    time.sleep(job.request.power_wait)
    return task.prove("Powered OFF")


def _so_far(victim: Registrant, outcomes: list[Snapshot | FenceError]) -> list[str]:
    done = sum(not isinstance(outcome, FenceError) for outcome in outcomes)
    return [f"{victim} is shut out of {done} of {len(outcomes)} disks, which is not enough"] if done else []


def _patience(limit: float | None) -> Patience | None:
    if limit is None:
        return None
    now = time.monotonic()
    return Patience(now + limit * _FIRST_READING_SHARE, now + limit * _READING_SHARE, limit * _READING_GRACE_SHARE)


def _forbids(decision: object) -> bool:
    """Whether nothing at all must be changed. A disk that hangs must not keep the others from being fenced."""
    return isinstance(decision, FenceError) and not isinstance(decision, Unanswered)


def _own_keys(job: Job, devices: list[Device]) -> list[int]:
    owns = [own for own in job.own_keys(devices) if own is not None]
    if len(owns) != len(devices):
        raise FenceError(
            "this node's own key is not known: it did not run the action on since it started,"
            " and it is not in the nodelist of corosync.conf"
        )
    return owns


class Task(Record):
    """Shutting one victim out: devices, what was read from them and this node's keys there, in the same order."""

    job: Job
    devices: list[Device]
    readings: list[Reading | FenceError]
    owns: list[int]
    victim: Registrant

    def decide(self, position: int, snapshot: Snapshot) -> plan.Reserve | plan.Preempt | plan.Done | plan.Refused:
        """The plan's next step for the device at `position`."""
        reservation_type = self.job.reservation_type(self.devices[position])
        return plan.off(snapshot, self.owns[position], self.victim, reservation_type)

    def first_decision(self, position: int) -> object:
        """The plan's first step, or as an error why there is none."""
        reading = self.readings[position]
        if isinstance(reading, FenceError):
            return reading
        decision = self.decide(position, reading.snapshot)
        return DiskNotAsAsked(str(decision)) if isinstance(decision, plan.Refused) else decision

    def shut_out_everywhere(self) -> list[Snapshot | FenceError]:
        """The first disk alone; only if it is won all others at once, each to its end even if another fails."""
        (arbiter,) = on_each(self._shut_out, [0])
        if isinstance(arbiter, FenceError):
            untouched = DiskNotAsAsked(f"not touched, because {self.devices[0].label()} decides and failed")
            return [arbiter, *(untouched for _ in self.devices[1:])]
        return [arbiter, *on_each(self._shut_out, list(range(1, len(self.devices))))]

    def _shut_out(self, position: int) -> Snapshot:
        disk = self._reading(position).disk
        return _drive(self.job, disk, self.owns[position], lambda now: self.decide(position, now))

    def prove(self, verdict: str) -> Report:
        """Read every disk once more, after the last step, and judge by that alone."""
        outcomes = on_each(self._proof, list(range(len(self.devices))))
        foreign = foreign_notes(self.job, self.devices, outcomes, self.owns)
        if self.job.request.refuse_foreign:
            problems = ["foreign=refuse, but which keys the nodes have is not known"] if foreign is None else foreign
            return from_outcomes(self.devices, outcomes, verdict, problems)
        return from_outcomes(self.devices, outcomes, verdict, notes=[*self._type_notes(outcomes), *(foreign or [])])

    def _type_notes(self, outcomes: Sequence[object]) -> list[str]:
        return [
            f"{device.label()}: the reservation in force is {outcome.type_name()}: only its holder can write"
            for device, outcome in zip(self.devices, outcomes)
            if isinstance(outcome, plan.Snapshot) and outcome.type in plan.SINGLE_NEXUS_TYPES
        ]

    def _proof(self, position: int) -> Snapshot:
        disk = self._reading(position).disk
        snapshot = disk.snapshot()
        self.job.note_paths(disk, snapshot)
        decision = self.decide(position, snapshot)
        if not isinstance(decision, plan.Done):
            why = str(decision) if isinstance(decision, plan.Refused) else f"{self.victim} is not shut out"
            raise DiskNotAsAsked(f"{why}; {snapshot}")
        if why := self.job.not_shut_out(self.victim, snapshot):
            raise DiskNotAsAsked(why)
        return snapshot

    def _reading(self, position: int) -> Reading:
        reading = self.readings[position]
        if isinstance(reading, FenceError):
            raise reading
        return reading


def _drive(job: Job, disk: Disk, own: int, decide: Decide) -> Snapshot:
    """Read, ask the plan, take its step, until it says done. Raises DiskNotAsAsked, ReservationError, Abandoned."""
    failure: ReservationError | None = None
    unconfirmed: ReservationError | None = None
    for _ in range(_ROUNDS):
        snapshot = disk.snapshot()
        decision = decide(snapshot)
        if isinstance(decision, plan.Done):
            if unconfirmed:
                _tell_unconfirmed_abort(job, disk, unconfirmed)
            return snapshot
        if isinstance(decision, plan.Refused):
            raise DiskNotAsAsked(f"{decision}" + (f"; last answer to {failure.what()}" if failure else ""))
        job.say(f"{disk.device.label()}: {decision.says(own)}")
        try:
            _take(job, disk, own, decision)
            unconfirmed = None if isinstance(decision, plan.Preempt) else unconfirmed
        except NotPermitted:
            raise  # nobody gets more rights meanwhile
        except ReservationError as error:
            failure = error
            unconfirmed = error if error.operation == ABORTING else unconfirmed
    raise failure or IncompleteAnswer(disk.device.node, "fencing", 0, f"not settled after {_ROUNDS} rounds")


def _take(job: Job, disk: Disk, own: int, step: plan.Register | plan.Reserve | plan.Preempt) -> None:
    if isinstance(step, plan.Register):
        _forget_another_key(job, disk.device, own)
        disk.register(own, listed=step.listed)
        time.sleep(job.request.power_wait)
    elif isinstance(step, plan.Reserve):
        disk.reserve(own, step.type)
    else:
        _preempt(job, disk, own, step)


def _forget_another_key(job: Job, device: Device, own: int) -> None:
    """Between the new key on the disk and its note here the old note would tell the guard that this node was fenced."""
    try:
        remembered = job.remembered(device)
    except FenceError:
        return  # what cannot be read tells the guard nothing either
    if remembered and remembered.key != own:
        try:
            state.forget(device.stable_name(), job.request.state_folder)
        except OSError as error:
            problem = (
                f"not registered, because {job.request.state_folder} cannot be written: {files.what_failed(error)}"
            )
            raise DiskNotAsAsked(problem) from error


def _preempt(job: Job, disk: Disk, own: int, step: plan.Preempt) -> None:
    """With abort, unless that is not wanted, or not to be had and not required."""
    if job.request.abort == ABORT_NEVER:
        disk.preempt(own, step.victim, step.type, abort=False)
        return
    try:
        disk.preempt(own, step.victim, step.type, abort=True)
    except (Invalid, NotSupported) as error:
        if job.request.abort == ABORT_REQUIRE:
            raise
        _preempt_without_abort(job, disk, own, step, error)


def _tell_unconfirmed_abort(job: Job, disk: Disk, answer: ReservationError) -> None:
    """The victim's key is gone, but not by a preempt-and-abort that ended well: its answer was lost, or another node's
    preempt came first, and the abort may not have ended yet, or have failed.
    """
    sentence = f"{answer.what()}; the key is gone, but writes that the disk had accepted may still land"
    if job.request.abort == ABORT_REQUIRE:
        raise DiskNotAsAsked(sentence)
    job.note(f"{disk.device.label()}: {sentence}")


def _preempt_without_abort(job: Job, disk: Disk, own: int, step: plan.Preempt, why: ReservationError) -> None:
    """Say so, unless the disk refuses this as well: then it was not the abort that it lacks, and nothing was done."""
    refused = f"{why.device}: {why.operation}: {why.words}"
    note = f"{refused}; preempted without abort: writes that the disk had accepted may still land"
    try:
        disk.preempt(own, step.victim, step.type, abort=False)
    except (Invalid, NotSupported):
        raise
    except ReservationError:  # it may have been carried out
        job.note(note)
        raise
    job.note(note)


def foreign_notes(
    job: Job, devices: Sequence[Device], outcomes: Sequence[object], owns: Sequence[int]
) -> list[str] | None:
    """A sentence for each disk where keys are registered that belong to no node of corosync.conf.

    None where this node's own key is not the one made from its name: then keys are explicit, and nobody can tell
    whose they are.
    """
    known = job.node_keys()
    if not known or not known.keys() >= set(owns):
        return None
    notes = []
    for device, outcome in zip(devices, outcomes):
        foreign = plan.foreign(outcome, frozenset(known)) if isinstance(outcome, plan.Snapshot) else ()
        if foreign:
            listed = ", ".join(f"0x{key:x}" for key in foreign)
            notes.append(f"{device.label()}: registered, able to write and of no node in corosync.conf: {listed}")
    return notes
