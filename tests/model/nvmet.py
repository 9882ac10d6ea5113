"""nvmet's rules for NVMe reservations, behind the nvme driver's ioctls (Linux 7.3). A nexus is a host."""

from __future__ import annotations

from fence_pr.storage.pr_ioctl import FLAG_IGNORE_KEY

from .unit import ALL_REGISTRANTS, CONFLICT, INVALID, NOT_SUPPORTED, OK, TYPES, Unit


class Nvmet(Unit):
    """A namespace of nvmet. A key may be 0: that is what an unregister by the ioctl leaves behind."""

    def holder_key(self) -> int:
        """Whoever made the reservation, whatever its type."""
        return self.keys.get(self.holder, 0)

    def _register(self, nexus: str, old: int, new: int, flags: int) -> int:
        """The driver sends REGISTER where there is no old key, else REPLACE, which alone heeds the flag."""
        if flags & ~FLAG_IGNORE_KEY:
            return NOT_SUPPORTED
        if not old:
            if self.keys.get(nexus, new) != new:
                return CONFLICT
        elif nexus not in self.keys:
            if not flags:
                return CONFLICT
            if not new:
                return INVALID
        elif not flags and self.keys[nexus] != old:
            return CONFLICT
        self.keys[nexus] = new
        self.generation += 1
        return OK

    def _reserve(self, nexus: str, key: int, reservation_type: int, flags: int) -> int:
        if flags & ~FLAG_IGNORE_KEY:
            return NOT_SUPPORTED
        if flags or reservation_type not in TYPES:
            return INVALID
        if not self._registered_as(nexus, key):
            return CONFLICT
        if not self.type:
            self._hold(nexus, reservation_type)
            return OK
        return OK if nexus == self.holder and self.type == reservation_type else CONFLICT

    def _release(self, nexus: str, key: int, reservation_type: int, flags: int) -> int:
        if flags:
            return NOT_SUPPORTED
        if not key:
            return INVALID
        if not self._registered_as(nexus, key):
            return CONFLICT
        if not self.type or nexus != self.holder:
            return OK
        if self.type != reservation_type:
            return CONFLICT
        self.type, self.holder = 0, ""
        return OK

    def _clear(self, nexus: str, key: int, flags: int) -> int:
        if flags:
            return NOT_SUPPORTED
        if not key:
            return INVALID
        if not self._registered_as(nexus, key):
            return CONFLICT
        self.keys.clear()
        self.type, self.holder = 0, ""
        self.generation += 1
        return OK

    def _preempt(self, nexus: str, key: int, victim: int, reservation_type: int, flags: int) -> int:
        if flags:
            return NOT_SUPPORTED
        if reservation_type not in TYPES:
            return INVALID
        if not self._registered_as(nexus, key):
            return CONFLICT
        shared = self.type in ALL_REGISTRANTS
        held = bool(self.type) and not shared and self.keys[self.holder] == victim
        if not victim and self.type and not shared and not held:
            return INVALID
        gone = list(self.keys) if shared and not victim else self._with_key(victim)
        if not gone:
            return CONFLICT
        if held and nexus == self.holder:
            gone = []
        if held or (shared and not victim):
            self._hold(nexus, reservation_type)
            gone = [other for other in gone if other != nexus]
        self._forget(gone)
        self.generation += 1
        return OK
