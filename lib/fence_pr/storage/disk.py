"""What every open disk can do, whatever the transport: read a snapshot, register, reserve, preempt."""

from __future__ import annotations

import abc

from ..errors import FenceError, Notice
from .identity import is_last_resort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from .device import Device
    from .pr_ioctl import Capabilities
    from .snapshot import Snapshot

    class Watch(Protocol):
        """Whoever wants to know which command is under way on which disk."""

        def announce(self, disk: str, operation: str) -> None:
            """A command is about to be sent; raises Abandoned to forbid it."""

        def finished(self, disk: str) -> None:
            """The disk has answered."""

    class Path(Protocol):
        """A path, for what no method of the disk is for."""

        device: Device

        def change(self, old: int, key: int) -> None:
            """REGISTER from the key that this very nexus must have, 0 to end that. Raises Conflict if it has not."""

        def carry_out(self, operation: str, command: Callable[..., None], *values: int) -> None:
            """Send a command of this name: a function of a descriptor and values."""

        def depends_on(self, key: int) -> bool:
            """Whether this nexus would not be heeded any more if the registrations with `key` were removed."""

        def tells_registered(self, key: int) -> bool | None:
            """As `Disk.tells_registered`, of this very nexus."""

        def ask_heeded(self, own_key: int) -> None:
            """As `Disk.ask_heeded`."""

        def renew(self, own_key: int) -> None:
            """End the registration that this very nexus must have, and add it again. Raises Conflict if it has not."""

    # Called with a key that this nexus has: raises FenceError if it must not be replaced.
    Judge = Callable[[int], None]


class Disk(abc.ABC):
    """An open disk. Methods raise `errors.ReservationError`, or Abandoned from the watch.

    registered  whether every live path of this node was registered through this object
    aborted     whether the commands of every victim were ended, as far as this object preempted any
    removed     the keys whose preempt through this object the target answered with success
    blindly     whether a key was replaced that the disk told nobody of
    joined      whether this node may have got a registration through this object, or have been seen to have one: a
                REGISTER that adds one was sent, and the answer does not prove that it came to nothing
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.registered = False
        self.aborted = True
        self.removed: frozenset[int] = frozenset()
        self.blindly = False
        self.joined = False

    @abc.abstractmethod
    def snapshot(self) -> Snapshot:
        """Registrations and reservation of one moment."""

    @abc.abstractmethod
    def keys(self) -> tuple[int, ...]:
        """Every registration, one a nexus: what a snapshot begins with, in one command."""

    @abc.abstractmethod
    def confirm_identity(self) -> None:
        """Ask the disk once more who it is, after a reading that is to prove something.

        Raises AnotherDisk if it is not the one that was opened any more; other errors if it does not answer.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the device nodes; the object cannot be used any more."""

    @abc.abstractmethod
    def register(
        self, key: int, *, listed: bool = False, former: Sequence[int] = (), judge: Judge | None = None
    ) -> None:
        """Register this node with `key`; the reservation stays as it is.

        listed  the key is on the disk by now; raises Conflict if it is gone when the command is carried out
        former  keys that this node may have had there, which are tried first
        judge   asked before another key is replaced: two nodes may have one nexus, and other programs register, too;
                without it none is, and Conflict is raised. Where the disk tells nobody which key that is, it is
                replaced unseen (`blindly`), unless this node may have lost it just then: DiskNotAsAsked
        What can add a registration is sent once, after a reading: this node may be fenced before the next time.
        """

    @abc.abstractmethod
    def tells_registered(self, key: int) -> bool | None:
        """Whether over a live path this very node is registered with a key that the last reading listed.

        None if the target does not tell. Reads only. A map sends over such a path what it is told from then on.
        """

    @abc.abstractmethod
    def ask_registered(self, key: int) -> None:
        """The same, asked by REGISTER from the key to itself, which changes nothing; raises Conflict if it is not."""

    def ask_heeded(self, own_key: int) -> None:  # noqa: ARG002 - for targets that may forget it
        """Raises Conflict if this node is registered, and the target refuses it as if it were not. Changes nothing.

        None also where nobody has to ask, or can. May raise what a reserve may.
        """
        return

    @abc.abstractmethod
    def reserve(self, own_key: int, reservation_type: int) -> None:
        """Take the reservation, type as enum pr_type."""

    @abc.abstractmethod
    def preempt(self, own_key: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        """Remove the victim's registrations, and with `abort` its commands; keep `reservation_type` in force."""

    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """What the target says it can do."""

    @abc.abstractmethod
    def paths(self) -> Sequence[Path]:
        """Those that answer."""

    def abort_harm(self) -> Notice | None:
        """Why this target must not be sent preempt-and-abort; None if nothing speaks against it."""
        return None

    def unwritten(self, own_key: int) -> Notice | None:  # noqa: ARG002 - for targets that need a REGISTER
        """Why the target will not know after a restart what it was told last; None if nothing says so. May raise, and
        send, the same as `ask_registered`.
        """
        return None

    def live_paths(self) -> int:
        """Number of paths that answer; each should be registered."""
        return 1

    def dead_paths(self) -> dict[str, Notice]:
        """Device node → what is wrong, for each path that does not answer."""
        return {}

    def away(self, *, again: bool = False) -> list[FenceError]:  # noqa: ARG002 - for disks with several paths
        """Why each of these paths is dead. again: each is asked anew, and used again if it answers as this disk."""
        return []

    def registered_as(self) -> int | None:
        """The key that the target has for this very host, where it tells hosts apart; None if it cannot say."""
        return None

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:  # noqa: ARG002 - for those that can tell
        """The keys with which this very node is registered over its live paths; () if surely with none.

        None if nobody can tell. Changes nothing, and no answer of the target makes it register anything.
        absent: a key that the last reading did not list, to see whether the target refuses what it must
        """
        return None

    def hosts(self) -> dict[int, frozenset[str]] | None:
        """Key → the hosts behind its registrations (`transport_id`), for each key of which the target tells them all.

        None if the target tells nothing of the kind. A key of the last snapshot that is missing here has no
        registration by now, or one of which nobody tells the host.
        Raises IncompleteAnswer if the answer contradicts itself, and whatever other reads raise.
        """
        return None

    def own_hosts(self) -> frozenset[str]:
        """What this disk's target calls this very machine, in the words of `hosts`; empty if nobody knows."""
        return frozenset()

    def own_ports(self) -> frozenset[str]:
        """All ports of this machine whose transport names no hosts, in the same words; empty if nobody knows all."""
        from . import own_hosts

        return own_hosts.fc_ports()

    def warnings(self) -> list[Notice]:
        """What may end this node's access to the disk, or make it another disk's."""
        found = [Notice("registered-blindly", {})] if self.blindly else []
        if is_last_resort(self.device.identity):
            found.append(Notice("identity-weak", {"identity": self.device.identity}))
        return found
