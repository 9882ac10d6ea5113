"""One disk, step by step: read, ask the plan, take its step, until it says done."""

from __future__ import annotations

from ..errors import (
    ABORTING,
    DiskNotAsAsked,
    FenceError,
    IncompleteAnswer,
    Invalid,
    Notice,
    NotPermitted,
    NotSupported,
    ReservationError,
)
from ..files import what_failed
from ..keys import Registrant
from ..option_table import ABORT_AUTO, ABORT_NEVER, ABORT_REQUIRE
from . import former_key, plan
from .job import abort_refused
from .shared_disk import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..storage.device import Device
    from ..storage.disk import Disk
    from ..storage.snapshot import Snapshot
    from .job import Job
    from .plan import Done, Refused, Step

    # What is read now, and what was read before the last step; None at first.
    Decide = Callable[[Snapshot, Snapshot | None], Step | Done | Refused]

# A step that another node's step made void is planned anew; more rounds than nodes that could interfere at once.
_ROUNDS = 8
# An error that passes may come once. Many kernels in use tell a refused abort by nothing but the number of any error.
_UNCLEAR_REFUSALS = 2


def drive(job: Job, disk: Disk, own_key: int, decide: Decide) -> Snapshot:
    """Take the plan's steps. Raises DiskNotAsAsked, ReservationError, Abandoned.

    A preempt or reserve that fails because of something that passes by itself is sent again, after a look, while there
    is time; a REGISTER if it is the target that says so.
    failure      the last answer that was an error
    unconfirmed  key → the answer to its preempt-and-abort that may not have ended well, and no preempt of it has since
    """
    failure: ReservationError | None = None
    unconfirmed: dict[int, ReservationError] = {}
    before: Snapshot | None = None
    unclear: list[ReservationError] = []
    again, rounds = None, 0
    while rounds < _ROUNDS:
        snapshot = _read_again(job, disk, unconfirmed.values())
        decision = decide(snapshot, before)
        before = snapshot
        if isinstance(decision, plan.Done):
            for answer in unconfirmed.values():
                _refuse_or_warn(job, disk, answer)
            return snapshot
        if isinstance(decision, plan.Refused):
            raise refused(decision.why, snapshot, **({"last_answer": failure.notice().pack()} if failure else {}))
        try:
            if isinstance(decision, plan.Preempt):
                _preempt(job, disk, own_key, decision, unclear, unconfirmed)
            else:
                _register_or_reserve(job, disk, own_key, decision)
        except NotPermitted:
            raise  # nobody gets more rights meanwhile
        except ReservationError as error:
            failure = error
            again = again or job.repetition()
            if again.is_worthwhile(error, of_target=isinstance(decision, plan.Register)):
                again.pause(error)
                continue
            rounds = max(rounds, _ROUNDS - 2) if again.is_over else rounds  # one more look
        rounds += 1
    raise failure or IncompleteAnswer(disk.device.node, "fencing", 0, str(_ROUNDS), "not-settled")


def _read_again(job: Job, disk: Disk, unconfirmed: Iterable[ReservationError]) -> Snapshot:
    """Raises DiskNotAsAsked with both answers where the one to preempt-and-abort was the path's last."""
    try:
        return job.persistently(disk.snapshot)
    except ReservationError as error:
        if not (answer := next(iter(unconfirmed), None)):
            raise
        answers = {"answer": answer.notice().pack(), "then": error.notice().pack()}
        raise DiskNotAsAsked("abort-cut-off", operation=ABORTING, **answers) from error


def _refuse_or_warn(job: Job, disk: Disk, unconfirmed: ReservationError) -> None:
    """The victim's key is gone, but not by a preempt-and-abort that ended well: its answer was lost, or another node's
    preempt came first, and the abort may not have ended yet, or have failed.
    """
    fields = {"disk": disk.device.label(), "operation": ABORTING, "answer": unconfirmed.notice().pack()}
    if job.request.abort == ABORT_REQUIRE:
        raise DiskNotAsAsked("abort-required", **fields)
    disk.aborted = False
    job.warn(Notice("abort-unconfirmed", fields))


def _register_or_reserve(job: Job, disk: Disk, own_key: int, step: plan.Register | plan.Reserve) -> None:
    job.say(step.told(own_key).about(disk.device.label()))
    if isinstance(step, plan.Reserve):
        return disk.reserve(own_key, step.type)
    judge = former_key.judge(job, disk.device, own_key)
    forgotten = _forget_another_key(job, disk.device, own_key)
    noted = (*forgotten, *job.nodes.bindings(disk.device).own_keys)
    former = tuple(key for key in dict.fromkeys(noted) if key != own_key)
    try:
        disk.register(own_key, listed=step.listed, former=former, judge=judge)
    except FenceError:
        if forgotten:
            _put_back(job, disk, own_key)
        raise
    return job.wait(job.request.power_wait)


def _forget_another_key(job: Job, device: Device, own_key: int) -> tuple[int, ...]:
    """The key that this node registered before, if it is another one; its state file is removed.

    Between the new key on the disk and its state file the old one would tell the guard that this node was fenced.
    What cannot be read tells the guard nothing either.
    """
    registered = job.nodes.registered_if_readable(device)
    if not registered or registered.key == own_key:
        return ()
    forget(job, device)
    return (registered.key,)


def forget(job: Job, device: Device) -> None:
    """Remove the disk's state file. Raises DiskNotAsAsked."""
    try:
        job.here.forget(device)
    except OSError as error:
        raise DiskNotAsAsked(
            "state-file-in-the-way", operation="remove", folder=job.here.state_folder, answer=what_failed(error)
        ) from error


def save(job: Job, device: Device, me: Registrant) -> None:
    """Write what this node has registered to the disk's state file. Raises DiskNotAsAsked."""
    try:
        job.here.save(device, me)
    except OSError as error:
        raise DiskNotAsAsked(
            "state-file-unwritable", operation="write", folder=job.here.state_folder, answer=what_failed(error)
        ) from error


def _put_back(job: Job, disk: Disk, own_key: int) -> None:
    """A state file of the key that stands: else the guard would watch nothing there. The former one if this node was
    fenced just then: the guard, and the next 'on', must know that it had been registered.
    """
    registered = job.nodes.registered_if_readable(disk.device)
    try:
        now = disk.snapshot()
        if registered and registered.key not in now.keys and own_key in now.keys:
            registered = Registrant(registered.node, own_key)
        if registered and (registered.key in now.keys or plan.was_fenced(now, (registered.key,))):
            job.here.save(disk.device, registered)
    except (FenceError, OSError):
        return  # nobody can tell what stands; why the registration failed is said


def _preempt(
    job: Job,
    disk: Disk,
    own_key: int,
    step: plan.Preempt,
    unclear: list[ReservationError],
    unconfirmed: dict[int, ReservationError],
) -> None:
    """With abort, unless that is not wanted, does harm or is not to be had; abort=require has it or fails.

    unclear      answers to a preempt-and-abort that may have been refusals, after each of which the victim was still
                 there
    unconfirmed  as for `drive`, which goes by it
    """
    mode = job.request.abort
    why_not = Notice("abort-not-wanted", {}) if mode == ABORT_NEVER else disk.abort_harm()
    if mode == ABORT_AUTO and len(unclear) >= _UNCLEAR_REFUSALS:
        why_not = why_not or unclear[-1].notice()
    if mode == ABORT_REQUIRE and (failure := abort_refused(why_not)):
        raise failure
    if why_not:
        _preempt_without_abort(job, disk, own_key, step, why_not)
    else:
        told = {"disk": disk.device.label(), "step": step.told(own_key).pack()}
        job.say(Notice("preempting-with-abort", told))
        job.time.begin_to_change()
        try:
            disk.preempt(own_key, step.victim, step.type, abort=True)
        except (Invalid, NotSupported) as error:
            if mode == ABORT_REQUIRE:
                unconfirmed[step.victim] = error
                raise
            _preempt_without_abort(job, disk, own_key, step, error.notice())
        except ReservationError as error:
            from ..storage import transient  # most calls meet nothing of the kind

            unconfirmed[step.victim] = error
            if transient.is_unclear(error):
                unclear.append(error)
            raise
    unconfirmed.pop(step.victim, None)
    disk.removed |= {step.victim}


def _preempt_without_abort(job: Job, disk: Disk, own_key: int, step: plan.Preempt, why: Notice) -> None:
    """`why` goes to the log. Where the disk refuses this as well, it was not the abort that it lacks."""
    told = {"disk": disk.device.label(), "step": step.told(own_key).pack(), "answer": why.pack()}
    job.say(Notice("preempting-without-abort", told))
    before, disk.aborted = disk.aborted, False
    job.time.begin_to_change()
    try:
        disk.preempt(own_key, step.victim, step.type, abort=False)
    except (Invalid, NotSupported):
        disk.aborted = before  # nothing was carried out
        raise
