"""The machine that a call runs on: its clock, its names, its disks, and what it keeps in state files."""

from __future__ import annotations

import time

from .. import corosync, state_file
from ..errors import FenceError, Notice
from ..files import what_failed
from ..parallel import in_time, on_each
from ..storage import device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bindings import Bindings
    from ..corosync import Cluster
    from ..keys import Registrant
    from ..parallel import Patience
    from ..storage.device import Device
    from ..storage.disk import Disk, Watch

_STARTING_SECONDS = 600.0


class ThisNode:
    """Tests put another one in its place: no other part of an action asks the machine for anything."""

    on_each = staticmethod(on_each)
    in_time = staticmethod(in_time)

    def __init__(self, state_folder: str = state_file.FOLDER, lasting_folder: str = "") -> None:
        self.state_folder, self._lasting_folder = state_folder, lasting_folder

    def monotonic(self) -> float:
        """The clock of the time limit, in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait as the options ask for."""
        time.sleep(seconds)

    def is_starting(self) -> bool:
        """Whether this machine started so short a time ago that a disk may not be there yet."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) < _STARTING_SECONDS

    def cluster(self, path: str) -> Cluster:
        """What corosync.conf says. Raises OSError."""
        return corosync.load(path)

    def names(self) -> tuple[str, frozenset[str]]:
        """Host name and addresses."""
        return corosync.this_machine()

    def find(self, name: str) -> Device:
        """The disk that a name leads to. Raises DeviceRefused."""
        return device.resolve(name)

    def open(self, found: Device, watch: Watch, patience: Patience | None) -> Disk:
        """Open a disk for reservation commands. Raises ReservationError, Abandoned."""
        from ..storage.open import open_disk  # no name may lead to a disk

        return open_disk(found, watch, patience)

    def registered(self, found: Device) -> Registrant | None:
        """What this node registered on the disk since it started; None if nothing. Raises FenceError if unreadable."""
        try:
            return state_file.load(found.stable_name(), self.state_folder)
        except (OSError, ValueError) as error:
            fields = {"disk": found.label(), "operation": "read", "answer": what_failed(error)}
            raise FenceError("state-file-unreadable", **fields) from error

    def save(self, found: Device, registrant: Registrant) -> None:
        """Write what this node registered to the disk's state file. Raises OSError."""
        state_file.save(found.stable_name(), registrant, self.state_folder)

    def forget(self, found: Device) -> None:
        """Remove the disk's state file. Raises OSError."""
        state_file.forget(found.stable_name(), self.state_folder)

    def is_unwritten(self, found: Device) -> bool:
        """Whether 'off' has noted that the disk's target could not write down what was removed."""
        return state_file.is_marked(state_file.UNWRITTEN, found.stable_name(), self.state_folder)

    def note_unwritten(self, found: Device, *, unwritten: bool) -> None:
        """Note that, or that it is over. What cannot be noted was said already."""
        try:
            state_file.mark(state_file.UNWRITTEN, found.stable_name(), self.state_folder, holds=unwritten)
        except OSError:
            return

    def registered_disks(self) -> list[str]:
        """The identities of all disks on which this node has registered since it started; none if nobody can tell."""
        try:
            return state_file.identities(self.state_folder)
        except OSError:
            return []

    def bindings(self, found: Device, local: str, warn: Callable[[Notice], None]) -> Bindings:
        """What is remembered of the disk by the node called `local`; nothing, and a warning, if that cannot be read, or
        is another node's.
        """
        from .. import bindings

        try:
            kept = bindings.load(found.stable_name(), self._lasting_folder or bindings.FOLDER, self.state_folder)
        except (OSError, ValueError) as error:
            warn(Notice("bindings-unreadable", {"disk": found.label(), "answer": what_failed(error)}))
            return bindings.Bindings()
        if local and kept.node not in ("", local):
            warn(Notice("bindings-of-another", {"disk": found.label(), "node": kept.node, "local": local}))
            return bindings.Bindings()
        return kept

    def remember(self, found: Device, what: Bindings, warn: Callable[[Notice], None]) -> None:
        """Write down what is to be remembered of the disk; a warning if that cannot be written."""
        from .. import bindings

        try:
            bindings.save(found.stable_name(), what, self._lasting_folder or bindings.FOLDER, self.state_folder)
        except OSError as error:
            warn(Notice("bindings-unwritable", {"disk": found.label(), "answer": what_failed(error)}))

    def users(self, found: Device) -> list[Notice]:
        """Who may still write to the disk."""
        from ..storage import in_use

        return in_use.users(found)

    def reset_obstacle(self, node: str) -> Notice | None:
        """Why a reset of the SCSI disk behind a device node would prove nothing; None if nothing speaks against it."""
        from ..storage import unit_reset

        return unit_reset.obstacle(node)

    def tell_multipathd(self, map_name: str, own_key: int, warn: Callable[[Notice], None]) -> None:
        """Have multipathd register the map's paths that return."""
        from ..storage import multipathd

        multipathd.tell_key(map_name, own_key, warn)
