"""What standing keys come to: whether a node may be called fenced although other keys are registered."""

from __future__ import annotations

from .. import keys
from ..errors import DiskNotAsAsked, Notice
from ..record import Record
from .registrants import packed
from .shared_disk import not_as_asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..keys import Registrant
    from ..storage.snapshot import Snapshot
    from .job import Job
    from .registrants import Stranger, Told
    from .shared_disk import SharedDisk


def refusal(disk: SharedDisk, victim: Registrant, guessed: bool) -> DiskNotAsAsked | None:
    """Why fencing the victim's keys would not shut it out, or would shut another node out: known before any step."""
    who = {"node": victim.node, "key": victim.key}
    if guessed and (anothers := disk.known.of_another(disk.told, victim)):
        return not_as_asked("key-of-another-node", disk.snapshot, standing=packed(anothers), **who)
    strangers = disk.known.strangers(disk.snapshot.keys, disk.told, victim)
    if its_own := [it for it in strangers if it.of_victim]:
        return not_as_asked("registered-twice", disk.snapshot, standing=packed(its_own), **who)
    return shared(disk, victim) if guessed else None


def shared(disk: SharedDisk, victim: Registrant | None = None) -> DiskNotAsAsked | None:
    """That one key stands for two hosts: two nodes take themselves for one, and fencing one means nothing."""
    found = on_two_hosts(disk, victim)
    return not_as_asked("key-of-two-hosts", disk.snapshot, standing=packed(found)) if found else None


def on_two_hosts(disk: SharedDisk, victim: Registrant | None = None) -> tuple[Stranger, ...]:
    """The keys that stand for two hosts; the victim's do not matter."""
    return disk.known.shared(disk.told, victim, disk.disk.own_hosts(), disk.disk.own_ports())


def _misplaced(disk: SharedDisk) -> DiskNotAsAsked | None:
    """That a node is registered with what is another node's key here: each would be called off while it is not."""
    found = disk.known.misplaced(disk.told, disk.disk.own_hosts())
    if not found:
        return None
    key = found[0].key
    fields = {"standing": packed(found), "node": disk.known.nodes[key], "key": key}
    return not_as_asked("key-of-another-node", disk.snapshot, **fields)


def why_not_out(
    job: Job, disk: SharedDisk, snapshot: Snapshot, told: Told, victim: Registrant
) -> DiskNotAsAsked | None:
    """Why the victim is not proved out although none of its keys stands. None if it is.

    A key that nothing explains may be the victim's. Only where this call has removed a key of the victim, and the other
    one stood beside it, it is left at a warning (see `left`): that key had the victim's place.
    """
    who = {"node": victim.node, "key": victim.key}
    strangers = disk.known.strangers(snapshot.keys, told, victim, disk.known.hosts_of(victim, disk.told))
    if its_own := [it for it in strangers if it.of_victim]:
        return not_as_asked("registered-twice", snapshot, standing=packed(its_own), **who)
    if other := job.nodes.other_method(victim, [it.key for it in strangers]):
        return not_as_asked("registered-otherwise", snapshot, node=victim.node, key=other[0], method=other[1])
    if strangers and not _is_tolerated(job, disk, victim, strangers):
        return not_as_asked("may-be-registered", snapshot, standing=packed(strangers), **who)
    return None


def _is_tolerated(job: Job, disk: SharedDisk, victim: Registrant, strangers: Sequence[Stranger]) -> bool:
    """Never where positions in a list make keys: the key that was removed may have been another node's."""
    if job.request.refuse_foreign or (job.request.key_method == keys.ID and not job.nodes.is_given(victim)):
        return False
    before = set(disk.snapshot.keys)
    return not before.isdisjoint(victim.all_keys()) and before.issuperset(it.key for it in strangers)


def standing(disk: SharedDisk, *, one_is_unknown: bool) -> tuple[Stranger, ...]:
    """The keys that nothing explains, before any node must be fenced. Where one other node's key cannot be known, one
    key may be that node's.
    """
    strangers = disk.known.strangers(disk.snapshot.keys, disk.told)
    its_key = one_is_unknown and len(strangers) == 1 and not strangers[0].of_lvm()
    return () if its_key else strangers


class Daylight(Record):
    """What monitor and validate-all make of keys, before a node must be fenced: as `Nodes.are_guessed` and
    `Nodes.one_is_unknown`.
    """

    guessed: bool
    one_is_unknown: bool

    def refusal(self, disk: SharedDisk) -> DiskNotAsAsked | None:
        """Why no node could be called fenced there; None if nothing stands in the way."""
        found = standing(disk, one_is_unknown=self.one_is_unknown)
        if found:
            return not_as_asked("keys-unexplained", disk.snapshot, standing=packed(found))
        return (shared(disk) or _misplaced(disk)) if self.guessed else None


def left(disk: SharedDisk, strangers: Sequence[Stranger]) -> Notice:
    """What a success leaves behind, for a warning."""
    return Notice("keys-left", {"disk": disk.device.label(), "standing": packed(strangers)})
