"""What one call asks for, and what it knows: who the nodes are, which disks are meant, what they say."""

from __future__ import annotations

from . import corosync, device, files, keys, state
from .device import MULTIPATH, NVME, SCSI
from .errors import FenceError, NodeUnknown
from .parallel import on_each
from .pr_ioctl import WRITE_EXCLUSIVE_ALL_REGS, WRITE_EXCLUSIVE_REG_ONLY
from .record import Record
from .reservation import Disk, open_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .corosync import Cluster
    from .device import Device
    from .keys import Registrant
    from .parallel import Patience
    from .plan import Snapshot
    from .reservation import Watch


class Request(Record):
    """The options that matter to an action. Times in seconds; limit None: no limit; reservation_type None: by disk."""

    action: str
    plug: str
    key: str
    devices: tuple[str, ...]
    key_method: str
    cluster_name: str
    reservation_type: int | None
    abort: str
    refuse_foreign: bool
    power_wait: float
    attempts: int
    attempt_sleep: float
    limit: float | None
    nodeid: str = ""
    corosync_conf: str = corosync.CONF
    state_folder: str = state.FOLDER
    places: device.Places = device.SYSTEM


# Part of the time limit after which a path of a multipath map that does not answer counts as dead.
_PATH_SHARE = 0.125


class Reading(Record):
    """An open disk and what was read from it."""

    disk: Disk
    snapshot: Snapshot


class Job:
    """A request at work.

    watch  told of each command to a disk, before and after
    say    called with a sentence for the log
    notes  what the person should know although it is no failure, as it turns up
    Raises FenceError if the cluster's configuration exists but cannot be read.
    """

    def __init__(self, request: Request, watch: Watch, say: Callable[[str], None], notes: list[str]) -> None:
        self.request, self.watch, self.say, self.notes = request, watch, say, notes
        self.cluster = _load_cluster(request)

    def named(self) -> Registrant:
        """The node that the call names. Raises UsageError or NodeUnknown."""
        request = self.request
        plug = keys.plug_of(request.plug, request.key, request.nodeid, self.cluster)
        return keys.named(plug, request.key, self.cluster, request.key_method)

    def local_name(self) -> str:
        """This node's name; "" if there is no nodelist or this machine is not on it."""
        return corosync.local_node(self.cluster, *corosync.this_machine()) if self.cluster.nodes else ""

    def own_keys(self, devices: list[Device]) -> list[int | None]:
        """This node's own key on each disk: what it registered, else what its name makes; None if unknown.

        Raises FenceError if what is remembered cannot be read, or is another node's.
        """
        remembered = [self.remembered(disk) for disk in devices]
        self._refuse_anothers(devices, remembered)
        computed = None if all(remembered) else self._computed_own_key()
        return [entry.key if entry else computed for entry in remembered]

    def _refuse_anothers(self, devices: list[Device], remembered: list[Registrant | None]) -> None:
        """With another node's key, which may well be registered, this node would take itself for one that may fence."""
        local = self.local_name() if any(remembered) else ""
        for disk, entry in zip(devices, remembered):
            if local and entry and entry.node not in ("", local):
                folder, problem = self.request.state_folder, f"is of node {entry.node}, and this is {local}"
                raise FenceError(f"{disk.label()}: what is remembered in {folder} {problem}; run the action on again")

    def require_keys_made_alike(self, devices: list[Device], node: Registrant) -> None:
        """Raises FenceError if `node` is named by its name, and names make other keys by now."""
        problem = self.keys_made_otherwise(devices) if node.node and not self.request.key else ""
        if problem:
            raise FenceError(
                f"{problem}: which key {node.node} has cannot be told (are cluster_name and key_value as they were?"
                " Else run the action on again on every node; explicit keys are for all nodes or for none)"
            )

    def keys_made_otherwise(self, devices: list[Device]) -> str:
        """How this node's own name makes another key than this node registered; "" if it does not.

        If so, the cluster's name or the key method has changed since, keys are explicit, or corosync.conf is half
        written, and the key that another node's name makes tells nothing: nobody has such a key, or, with key_value=id
        and a node removed, a healthy node has. Raises NodeUnknown if a name makes no key at all.
        """
        for disk in devices:
            entry = self._remembered_if_readable(disk)
            name = (entry.node or self.local_name()) if entry else ""
            if not entry or not name:
                continue
            made = keys.of_node(name, self.cluster, self.request.key_method)
            if entry.key != made:
                return f"{disk.label()}: this node registered 0x{entry.key:x}, but its name makes 0x{made:x}"
        return ""

    def not_shut_out(self, node: Registrant, snapshot: Snapshot) -> str:
        """Why the disk does not shut `node` out although its key is absent: it is registered with the key that another
        key method makes from its name, as while key_value changes from node to node. "" if it is not.
        """
        if not node.node or self.request.key:
            return ""
        others = set(snapshot.keys) - self.node_keys().keys() - {node.key}
        for method in keys.METHODS if others else ():
            try:
                key = keys.of_node(node.node, self.cluster, method)
            except NodeUnknown:
                continue
            if key in others:
                return (
                    f"{node.node} is registered with 0x{key:x}, its key with key_value={method}"
                    " (run the action on there, or name the node by this key)"
                )
        return ""

    def _remembered_if_readable(self, disk: Device) -> Registrant | None:
        try:
            return self.remembered(disk)
        except FenceError:
            return None

    def _computed_own_key(self) -> int | None:
        name = self.local_name()
        if not name or not self.cluster.name:
            return None
        return keys.of_node(name, self.cluster, self.request.key_method)

    def remembered(self, disk: Device) -> Registrant | None:
        """What this node registered on the disk since it started; None if nothing. Raises FenceError if unreadable."""
        try:
            return state.load(disk.stable_name(), self.request.state_folder)
        except (OSError, ValueError) as error:
            why = files.what_failed(error)
            raise FenceError(f"{disk.label()}: what this node registered cannot be read: {why}") from error

    def node_keys(self) -> dict[int, str]:
        """Key → node for the nodes of corosync.conf; empty if they cannot be known."""
        try:
            return keys.of_cluster(self.cluster, self.request.key_method)
        except NodeUnknown:
            return {}

    def resolve(self) -> list[Device]:
        """The disks, sorted by identity. Raises DevicesRefused with everything that is wrong with their names."""
        return device.resolve_all(self.request.devices, self.request.places)

    def reservation_type(self, disk: Device) -> int:
        """The type to reserve with where nothing is reserved, enum pr_type."""
        return self.request.reservation_type or _DEFAULT_TYPES[disk.kind]

    def open(self, disk: Device) -> Disk:
        """Open one disk for reservation commands. Raises ReservationError, Abandoned."""
        limit = self.request.limit
        return open_disk(disk, self.watch, None if limit is None else limit * _PATH_SHARE)

    def note(self, sentence: str) -> None:
        """Note something that may turn up in several rounds."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def note_cautions(self, disk: Disk) -> None:
        """Note what the person should know about this node's access. Raises ReservationError, Abandoned."""
        self.notes += [f"{disk.device.label()}: {caution}" for caution in disk.cautions()]

    def note_paths(self, disk: Disk, snapshot: Snapshot) -> None:
        """Note each path of a multipath map that does not answer, and live ones without a registration."""
        label = disk.device.label()
        self.notes += [f"{label}: path {path} does not answer: {why}" for path, why in disk.dead_paths().items()]
        if disk.live_paths() == 1:
            return
        (own,) = self.own_keys([disk.device])
        registered = snapshot.keys.count(own) if own else 0
        if 0 < registered < disk.live_paths():
            self.notes.append(
                f"{label}: {disk.live_paths()} paths answer, but this node is registered {registered} times: run the"
                " action on, unless the target shares one registration between its ports"
            )

    def read(self, devices: list[Device], patience: Patience | None = None) -> list[Reading | FenceError]:
        """Open and read all disks at once; `patience` with those that are slow."""

        def open_and_read(disk: Device) -> Reading:
            opened = self.open(disk)
            return Reading(opened, opened.snapshot())

        return on_each(open_and_read, devices, patience)


# A reservation that all registrants hold outlives each of them, and an NVMe target can ignore a preempt by the one
# holder of another type. On SCSI fence_scsi's type, so that both agents can run side by side during a migration.
_DEFAULT_TYPES = {SCSI: WRITE_EXCLUSIVE_REG_ONLY, MULTIPATH: WRITE_EXCLUSIVE_REG_ONLY, NVME: WRITE_EXCLUSIVE_ALL_REGS}


def _load_cluster(request: Request) -> Cluster:
    try:
        cluster = corosync.load(request.corosync_conf)
    except OSError as error:
        raise FenceError(f"{request.corosync_conf}: {error.strerror}") from error
    return corosync.Cluster(request.cluster_name or cluster.name, cluster.nodes, cluster.missing)
