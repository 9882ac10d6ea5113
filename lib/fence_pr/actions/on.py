"""'on': register this node on every disk, and see that a reservation is in force."""

from __future__ import annotations

from ..errors import DevicesRefused, FenceError, Notice, ReservationError
from ..storage.device import MULTIPATH
from . import explained, plan, renewal
from .plan import Refused
from .registrants import packed
from .report import Report
from .shared_disk import SharedDisk, not_as_asked
from .steps import drive, save

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..keys import Registrant
    from ..storage.device import Device
    from ..storage.disk import Disk
    from ..storage.snapshot import Snapshot
    from .job import Job
    from .plan import Done, Step
    from .registrants import Known, Told
    from .report import Outcome


_NOT_REBOOTED, _HELD_BACK = "not-rebooted", "held-back"


def on(job: Job) -> Report:
    """Unfence this node: register it everywhere and see that a fitting reservation is in force; all disks at once."""
    me, local = job.nodes.named(), job.nodes.local_name()
    if me.node and local and me.node != local:
        raise FenceError("on-elsewhere", local=local, node=me.node)
    outcomes: dict[str, Outcome] = {}
    tried: dict[str, Device] = {}
    pasts: dict[str, _Past] = {}
    for attempts_left in reversed(range(job.request.attempts)):
        try:
            devices = job.resolve()
        except DevicesRefused:
            if not attempts_left or not job.time.is_left_after(job.request.attempt_sleep):
                raise
        else:
            due = [it for it in devices if _is_due(outcomes.get(it.name), is_new=tried.get(it.name) != it)]
            outcomes = _unfence_all(job, due, me, pasts, outcomes)
            tried.update((it.name, it) for it in due)
            if not attempts_left or not any(_is_due(outcomes[it.name]) for it in devices):
                break
            if not job.time.is_left_after(job.request.attempt_sleep):
                break  # else nobody would learn why
        job.here.sleep(job.request.attempt_sleep)
    return Report.of(devices, [outcomes[it.name] for it in devices], "Powered ON")


def _unfence_all(
    job: Job, devices: list[Device], me: Registrant, pasts: dict[str, _Past], before: dict[str, Outcome]
) -> dict[str, Outcome]:
    """All at once; what came of these, and what had come of the others `before`. Disks from which this node's key is
    gone are first held back, all of them, and let it in when it is known what the others show.
    """

    def unfence(devices: list[Device]) -> dict[str, Outcome]:
        done = job.on_each(lambda it: _unfence(job, it, me, pasts.setdefault(it.name, _Past())), devices)
        return dict(zip((it.name for it in devices), done))

    found = {**before, **unfence(devices)}
    failed = {name: it.code for name, it in found.items() if isinstance(it, FenceError)}
    held = [name for name, code in failed.items() if code in (_NOT_REBOOTED, _HELD_BACK)]
    waived = _let_in({name: pasts[name] for name in held}, all_tell=len(held) == len(failed))
    for name in waived:
        pasts[name].waived = True
    return {**found, **unfence([it for it in devices if it.name in waived])}


def _let_in(held: dict[str, _Past], *, all_tell: bool) -> list[str]:
    """Which of the disks from which this node's key is gone may have it nevertheless. Where one that is used may have
    lost it without a fencing, any other decides: if that shows a fencing it is kept as it is, for the next call to see.

    all_tell: whether of all other disks it is known that they do not show one
    """
    used = [it for it in held.values() if it.used]
    if any(not it.doubted for it in used):
        return [name for name, it in held.items() if not it.used]
    is_shown = used and any(not it.doubted for it in held.values())
    return [*held] if all_tell and not is_shown else []


def _is_due(outcome: Outcome | None, *, is_new: bool = False) -> bool:
    """Whether a disk is to be tried, or tried again, after what came of it before. is_new: its name leads to something
    else by now, as to the map that was made of its paths meanwhile.
    """
    return outcome.code not in plan.FENCED_MEANWHILE if isinstance(outcome, FenceError) else is_new


class _Past:
    """What this call has learnt of a disk by its earlier attempts.

    read    what it read last
    joined  as for `plan.on`
    used    whether something may still write to it
    doubted  whether a missing key may mean a fencing, or a restart of the target
    waived  whether this node is let in nevertheless
    """

    read: Snapshot | None = None
    joined: Snapshot | None = None
    used = doubted = waived = False


def _unfence(job: Job, device: Device, me: Registrant, past: _Past) -> Snapshot:
    disk = job.persistently(lambda: job.open(device))
    known = job.nodes.known(device, me.key)
    if job.nodes.are_guessed([device]):
        _refuse_anothers_key(job, disk, known, me)
    reservation_type = job.request.type_for(device)

    def decide(now: Snapshot, _: Snapshot | None) -> Step | Done | Refused:
        before, past.joined = past.read, past.read if disk.joined else past.joined
        past.read = now
        decision = _lvm(known, now) or plan.on(now, before, me.key, reservation_type, disk.registered, past.joined)
        return (_not_rebooted(job, disk, now, me, past) if isinstance(decision, plan.Register) else None) or decision

    try:
        snapshot = drive(job, disk, me.key, decide)
    finally:
        past.joined = past.read if disk.joined else past.joined
    if device.kind == MULTIPATH:
        job.here.tell_multipathd(device.map_name, me.key, job.warn)
    save(job, device, me)
    told = job.told(disk)
    snapshot = renewal.renewed(job, disk, _without_former_keys(job, disk, snapshot, told, me), me)
    _remember(job, disk, known, told, me, snapshot)
    shared = SharedDisk(device, me.key, disk, snapshot, known, told)
    if strangers := explained.standing(shared, one_is_unknown=job.nodes.one_is_unknown([device])):
        job.warn(explained.left(shared, strangers))
    job.warn_of_paths(disk, snapshot, None)  # every path that answers is registered
    job.warn_of_type(disk, snapshot)
    job.warn_of_access(disk)
    return snapshot


def _not_rebooted(job: Job, disk: Disk, now: Snapshot, me: Registrant, past: _Past) -> Refused | None:
    """What this node had written to the disk before it was fenced, and has not landed, would land over newer data.

    Only since it was started can it have written, so only what it has registered since then counts. A target that
    keeps nothing over a restart loses registrations without any fencing: there it is in doubt, as where nobody can say.
    """
    registered = job.nodes.registered_if_readable(disk.device)
    if past.waived or not registered or not plan.was_fenced(now, (registered.key, me.key)):
        return None
    if _is_registered_otherwise(disk, me):
        return None
    users = job.here.users(disk.device)
    past.used, past.doubted = bool(users), not _keeps(job, disk)
    return Refused(Notice(_NOT_REBOOTED, {"users": [it.pack() for it in users]}) if users else Notice(_HELD_BACK, {}))


def _keeps(job: Job, disk: Disk) -> bool:
    """Whether the target says that it keeps registrations over a restart."""
    try:
        return job.persistently(disk.capabilities, only_of_target=True).persistence_active
    except ReservationError:
        return False


def _is_registered_otherwise(disk: Disk, me: Registrant) -> bool:
    """Whether another program, or a person, has put another key in the place of this node's: it can write all the time,
    so nobody has fenced it.
    """
    try:
        return bool(disk.nexus_keys(me.key))
    except ReservationError:
        return False


def _lvm(known: Known, snapshot: Snapshot) -> Refused | None:
    """LVM replaces whatever a node has registered: who shares a disk with it is no registrant for long."""
    found = [it for it in known.strangers(snapshot.keys) if it.of_lvm()]
    return Refused(Notice("keys-of-lvm", {"standing": packed(found)})) if found else None


def _refuse_anothers_key(job: Job, disk: Disk, known: Known, me: Registrant) -> None:
    """With a key that another node has, both would take themselves for one."""
    snapshot, told = job.persistently(disk.snapshot), job.told(disk)
    own_hosts = disk.own_hosts()
    anothers = [it for it in known.of_another(told, me) if own_hosts.isdisjoint(it.hosts)]
    if anothers:
        fields = {"standing": packed(anothers), "node": me.node, "key": me.key}
        raise not_as_asked("key-of-another-node", snapshot, **fields)


def _without_former_keys(job: Job, disk: Disk, snapshot: Snapshot, told: Told, me: Registrant) -> Snapshot:
    """What is left after this node's own former keys are removed: those that it noted, and that the target tells to
    stand for hosts of this very machine alone.
    """
    own_hosts, nodes = disk.own_hosts(), job.nodes.by_key([disk.device])
    former = [
        key
        for key in job.nodes.bindings(disk.device).own_keys
        if key != me.key
        and nodes.get(key, me.node) == me.node
        and (hosts := (told or {}).get(key))
        and hosts <= own_hosts
    ]
    needed = [key for key in former if me.key != snapshot.holder and any(it.depends_on(key) for it in disk.paths())]
    if needed and (users := job.here.users(disk.device)):
        why = Notice("former-key-needed", {"keys": needed, "users": [it.pack() for it in users]})
        job.warn(why.about(disk.device.label()))
        former = [key for key in former if key not in needed]
    for key in former:
        snapshot = renewal.renewed(job, disk, snapshot, me)  # else the removal of the one before keeps it from this one
        step = plan.Preempt(key, snapshot.type)
        fields = {"disk": disk.device.label(), "step": step.told(me.key).pack()}
        job.say(Notice("preempting-former-key", fields))
        disk.preempt(me.key, key, snapshot.type, abort=False)
    if not former:
        return snapshot
    after = job.persistently(disk.snapshot)
    if me.key not in after.keys:
        raise not_as_asked("key-vanished", after, own_key=me.key)
    return after


def _remember(job: Job, disk: Disk, known: Known, told: Told, me: Registrant, snapshot: Snapshot) -> None:
    """For the time after the next boot, too. Every live path has been registered."""
    noted = job.nodes.bindings(disk.device)
    new = noted.with_own(me.key, job.nodes.parameters(me), me.node or job.nodes.local_name())
    new = new.with_hosts(known.seen(told, disk.own_ports())).with_shared(disk.live_paths(), snapshot.keys.count(me.key))
    if new != noted:
        job.here.remember(disk.device, new, job.warn)
