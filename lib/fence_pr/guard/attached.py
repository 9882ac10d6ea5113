"""The disks as they are attached to this machine now: found by what was registered, opened, read."""

from __future__ import annotations

from ..errors import Conflict, DeviceRefused, Notice
from ..storage import device
from ..storage.open import open_disk
from ..storage.scsi_disk import ScsiDisk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..storage.disk import Disk, Watch
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
        """That the key is listed, but nothing is reserved, or it is for no live path of this node. Raises FenceError.

        What the target tells against this node is asked again, by a REGISTER that can bring no node back.
        """
        disk = self.open(found, watch)
        try:
            snapshot = disk.snapshot()
            if own_key not in snapshot.keys:
                return None
            if not snapshot.type:
                return Notice("nothing-reserved", {})
            if disk.tells_registered(own_key) is not False:
                return None
            disk.ask_registered(own_key)
        except Conflict:
            listed = own_key in disk.snapshot().keys
            return Notice("own-key-stale", {"own_key": own_key}) if listed else None
        finally:
            disk.close()
        return None

    def register(self, watch: Watch, identity: str, path: str, old: int, new: int) -> None:
        """One REGISTER over one path to that disk. Raises ReservationError."""
        send_register(watch, identity, path, old, new)


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
