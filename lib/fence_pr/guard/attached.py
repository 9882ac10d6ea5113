"""The disks as they are attached to this machine now: found by what was registered, opened, read."""

from __future__ import annotations

from ..errors import Conflict, DeviceRefused, Notice, ReservationError
from ..storage import device
from ..storage.open import open_disk
from ..storage.scsi_disk import ScsiDisk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..storage.disk import Disk, Path, Watch
    from ..storage.snapshot import Snapshot


class Attached:
    """What the guard asks of disks. Tests put another one in its place."""

    def locate(self, identity: str) -> device.Device:
        """The disk with this `stable_name`. Raises DeviceRefused."""
        return locate(identity)

    def open(self, way: device.Device, watch: Watch) -> Disk:
        """Open a path, as a disk of its own. Raises ReservationError."""
        return open_disk(way, watch)

    def read(self, way: device.Device, watch: Watch) -> Snapshot:
        """A complete reading over a path that leads to that disk. Raises FenceError."""
        disk = self.open(way, watch)
        try:
            snapshot = disk.snapshot()
            disk.confirm_identity()
        finally:
            disk.close()
        return snapshot

    def nexus_keys(self, way: device.Device, watch: Watch, absent: int) -> tuple[int, ...] | None:
        """As `Disk.nexus_keys`, over a path that leads to that disk. Raises FenceError."""
        disk = self.open(way, watch)
        try:
            return disk.nexus_keys(absent)
        finally:
            disk.close()

    def trouble(self, found: device.Device, watch: Watch, own_key: int) -> Notice | None:
        """That the key is listed, but nothing is reserved, or it is for no live path of this node, or the target does
        not go by it over one. Raises FenceError.

        What the target tells against this node is asked again, by a REGISTER that can bring no node back.
        """
        disk = self.open(found, watch)
        try:
            snapshot = disk.snapshot()
            if own_key not in snapshot.keys:
                return None
            if not snapshot.type:
                return Notice("nothing-reserved", {})
            trouble = _stale(disk, own_key) or _unheeded(disk, own_key)
            if not trouble:
                return None
            now = disk.snapshot()
            holds = trouble.code == "own-key-unheeded" and now.holder == own_key  # who holds is refused that question
            return trouble if own_key in now.keys and not holds else None
        finally:
            disk.close()

    def register(self, watch: Watch, identity: str, path: str, old: int, new: int) -> None:
        """One REGISTER over one path to that disk. Raises ReservationError."""
        send_register(watch, identity, path, old, new)


def _stale(disk: Disk, own_key: int) -> Notice | None:
    if disk.tells_registered(own_key) is not False:
        return None
    try:
        disk.ask_registered(own_key)
    except Conflict:
        return Notice("own-key-stale", {"own_key": own_key})
    return None


def _unheeded(disk: Disk, own_key: int) -> Notice | None:
    """Over each path: what meets a reservation conflict over one is tried over no other by the kernel."""
    failure: ReservationError | None = None
    for path in disk.paths():
        try:
            path.ask_heeded(own_key)
        except Conflict as refusal:
            if _is_registered(path, own_key):
                return Notice("own-key-unheeded", {"own_key": own_key, "last_answer": refusal.notice().pack()})
        except ReservationError as error:
            failure = error
    if failure:
        raise failure
    return None


def _is_registered(path: Path, own_key: int) -> bool:
    """A path without a registration is said otherwise (`judge_paths`)."""
    if path.tells_registered(own_key):
        return True
    try:
        path.change(own_key, own_key)
    except Conflict:
        return False
    return True


def locate(identity: str, places: device.Places = device.SYSTEM) -> device.Device:
    """The disk with this `stable_name`, as it is attached now. Raises DeviceRefused."""
    bare = identity[len("naa.") :] if identity.startswith("naa.") else identity
    found = device.resolve(bare, places)
    if found.stable_name() != identity:
        raise DeviceRefused("leads-elsewhere", identity, name=bare, identity=found.stable_name())
    fields = {**vars(found), "name": identity}
    return device.Device(**fields)


def ways(found: device.Device) -> list[device.Device]:
    """The paths to a disk, each as a disk of its own."""
    if found.kind != device.MULTIPATH:
        return [found]
    return [device.Device(found.name, path, found.identity, device.SCSI) for path in found.paths]


def send_register(watch: Watch, identity: str, path: str, old: int, new: int) -> None:
    """One REGISTER over one path of a map. Raises AnotherDisk if it does not lead to that disk, ReservationError."""
    disk = ScsiDisk(device.Device(identity, path, identity, device.SCSI), watch)
    try:
        disk.register_once(old, new)
    finally:
        disk.close()
