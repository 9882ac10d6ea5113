"""What a node keeps of its disks: state files and copies of bindings in memory, bindings that outlive a reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fence_pr.bindings import Bindings
from fence_pr.keys import Registrant

if TYPE_CHECKING:
    from collections.abc import Mapping

    Content = Registrant | Bindings | None
    Writes = Mapping[tuple[str, str], Content]  # (kind, disk) → what was written there last; None: it was removed

STATE, MEMORY, LASTING = "state", "memory", "lasting"


class Files(NamedTuple):
    """A node's files. entries: (kind, disk) and content, in order."""

    entries: tuple[tuple[tuple[str, str], Content], ...] = ()

    def read(self, kind: str, disk: str) -> Content:
        """What stands there; None if nothing does."""
        return dict(self.entries).get((kind, disk))

    def written(self, writes: Writes) -> Files:
        """After these were written."""
        if not writes:
            return self
        left = {name: content for name, content in {**dict(self.entries), **writes}.items() if content is not None}
        return Files(tuple(sorted(left.items(), key=lambda it: it[0])))

    def without(self, *kinds: str) -> Files:
        """After all of these kinds are lost."""
        return Files(tuple(it for it in self.entries if it[0][0] not in kinds))


NONE = Files()


class Opened:
    """A node's files as one call sees them: as they were when it began, and what it has written since."""

    def __init__(self, kept: Files) -> None:
        self._kept = kept
        self.writes: dict[tuple[str, str], Content] = {}

    def _read(self, kind: str, disk: str) -> Content:
        return self.writes[kind, disk] if (kind, disk) in self.writes else self._kept.read(kind, disk)

    def write(self, disk: str, kind: str, content: Content, *copies: str) -> None:
        """Of these kinds; None removes."""
        self.writes.update({(it, disk): content for it in (kind, *copies)})

    def registered(self, disk: str) -> Registrant | None:
        """As `state_file.load`."""
        found = self._read(STATE, disk)
        assert found is None or isinstance(found, Registrant)
        return found

    def disks(self) -> list[str]:
        """As `state_file.identities`."""
        written = self._kept.written(self.writes)
        return [disk for (kind, disk), _ in written.entries if kind == STATE]

    def bindings(self, disk: str) -> Bindings:
        """As `bindings.load`: the copy in memory, else the one that outlives a reboot."""
        found = self._read(MEMORY, disk) or self._read(LASTING, disk) or Bindings()
        assert isinstance(found, Bindings)
        return found
