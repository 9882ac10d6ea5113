"""Reads one path, in a thread; who asks learns whether it hangs on the disk."""

from __future__ import annotations

from .threads import Threads, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.device import Device
    from ..storage.disk import Disk, Watch
    from .verdict import Finding

# The kind of failure of a path that tells something else than another one.
CONTRADICTION = "paths-contradict"


class PathReader(Worker):
    """A path to a disk, kept open while it answers.

    answered_at    when something was last learned from it, of the guard's clock; 0: never
    registrations  how often the key asked for was in it
    asked_at       when that was last asked
    heard_at       when the question that `registrations` answers was asked
    examined       whether the key is gone there, and it is being found out what that means
    gone           whether the key was gone there when that was last found out
    lost           whether the disk had lost this node's registration when that was last begun
    suspicion      what holds if nobody tells with which keys this node is registered, and since when that is asked
    nexus_at       when that was last answered, or was no answer
    nexus_keys     the answer
    """

    def __init__(
        self,
        threads: Threads,
        device: Device,
        open_disk: Callable[[Device, Watch], Disk],
        look: Callable[[PathReader], None],
    ) -> None:
        self.device, self._open = device, open_disk
        self.answered_at = self.asked_at = self.heard_at = self.nexus_at = 0.0
        self.registrations = 0
        self.examined = self.gone = self.lost = False
        self.suspicion: tuple[Finding, float] | None = None
        self.nexus_keys: tuple[int, ...] | None = None
        self._disk: Disk | None = None
        super().__init__(threads, lambda: look(self))

    def count(self, key: int, now: float, *, confirm: bool) -> int:
        """How often the key is registered. In the thread. Raises ReservationError.

        confirm: if it is, ask as well whether the path still leads to that disk
        """
        self.asked_at = now
        self._disk = self._disk or self._open(self.device, self)
        registrations = self._disk.keys().count(key)
        if registrations and confirm:
            self._disk.confirm_identity()
        self.registrations = registrations
        self.heard_at = now
        return registrations

    def was_heard(self, since: float) -> bool:
        """Whether it has told of the key what it can, of a question that was asked since then."""
        return self.examined or self.heard_at >= since or (self.asked_at >= since and not self.busy_since)

    def contradicts(self, now: float, patience: float) -> bool:
        """Whether the key is gone there and stands elsewhere. Not if it has been silent since then for `patience`."""
        failure = self.failure
        if not (self.gone and failure and failure.code == CONTRADICTION):
            return False
        return not self.busy_since or now - self.busy_since < patience

    def close(self) -> None:
        """Let go of the device node."""
        disk, self._disk = self._disk, None
        if disk:
            disk.close()
