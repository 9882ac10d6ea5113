"""An NVMe namespace."""

from __future__ import annotations

from ..errors import DeviceFailure, Invalid, Notice, NotSupported, PathFailure
from . import nvme, pr_ioctl
from .identity import kind_of
from .single_path import REPETITIONS, SinglePath
from .snapshot import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ParamSpec, TypeVar

    from .disk import Judge
    from .identity import Identity
    from .pr_ioctl import Capabilities
    from .single_path import Command

    Result = TypeVar("Result")
    Arguments = ParamSpec("Arguments")


class NvmeDisk(SinglePath):
    """An NVMe namespace: a registrant is one host, whatever its controllers.

    With the kernel's own multipath no path has a device node, and each command may take another one: that they all
    lead to one namespace is the kernel's check, by the identifiers that it has read from each. So what it says is
    trusted there. To ask would take a command to one controller, which hangs where that one's path has just died, while
    others work (seen on Linux 6.1).
    """

    def _identity(self) -> Identity | None:
        return None if self.device.head else super()._identity()

    def _ask_identity(self) -> Identity:
        return self._read("identify", nvme.identity, kind_of(self.device.identity))

    _last_report: nvme.ReservationReport | None = None

    def snapshot(self) -> Snapshot:
        report = self._last_report = self._report()
        holder = next((it.key for it in report.registrants if it.holder), 0)
        keys = tuple(it.key for it in report.registrants)
        self._last_snapshot = Snapshot(report.generation, keys, report.type, holder)
        return self._last_snapshot

    def keys(self) -> tuple[int, ...]:
        return tuple(it.key for it in self._report().registrants)

    def add(self, key: int, _former: Sequence[int], judge: Judge | None) -> bool:
        """Without a registration REGISTER sets the key; with one only REPLACE does, which the kernel sends for an old
        key, and the report tells that. One that is 0 is left by an unregister through the kernel; only IEKEY replaces
        it.
        """
        before = self._last_snapshot
        if not self._register_from(0, key):
            return False
        old = self.registered_as()
        if old:
            self._replace(old, key, judge)
        elif old == 0:
            self._add(key, key, pr_ioctl.FLAG_IGNORE_KEY, "replace key")
        else:
            self._replace_unseen("replace key", key, key, before)
            self.blindly = True
        return True

    def _unregister(self, key: int) -> None:
        self._ask("unregister", nvme.unregister, key)

    def capabilities(self) -> Capabilities:
        return self._read("identify", nvme.capabilities)

    def registered_as(self) -> int | None:
        mine = self._host_identifier()
        if not mine.strip(b"\0"):
            return None
        return next((it.key for it in self._report().registrants if it.host_id == mine), None)

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:  # noqa: ARG002 - the report tells
        """Of every identifier that this machine has, if the report has identifiers of that form; 0 is a key, too."""
        from . import transport_id

        mine = self._host_identifier()
        registrants = self._report().registrants
        if not mine.strip(b"\0") or any(len(it.host_id) != len(mine) for it in registrants):
            return None
        own_hosts = self.own_hosts()
        return tuple(it.key for it in registrants if transport_id.nvme_host(it.host_id) in own_hosts)

    def tells_registered(self, key: int) -> bool | None:
        """By the snapshot's own report, if it has identifiers of this host's form."""
        mine = self._host_identifier()
        registrants = (self._last_report or self._report()).registrants
        if not mine.strip(b"\0") or any(len(it.host_id) != len(mine) for it in registrants):
            return None
        return any(it.key == key and it.host_id == mine for it in registrants)

    def hosts(self) -> dict[int, frozenset[str]] | None:
        """By the snapshot's own report. A host without identifier is not told."""
        from . import transport_id  # most calls meet no key whose host they want to know

        try:
            report = self._last_report or self._report()
        except (NotSupported, Invalid):
            return None
        found: dict[int, set[str]] = {}
        for it in report.registrants:
            found.setdefault(it.key, set()).add(transport_id.nvme_host(it.host_id))
        return {key: frozenset(names) for key, names in found.items() if "" not in names}

    def own_hosts(self) -> frozenset[str]:
        """By all controllers of this machine, not only this disk's: it may have several identifiers."""
        from . import own_hosts

        return own_hosts.of_nvme(self._host_identifier())

    def warnings(self) -> list[Notice]:
        """A controller takes each connection of a host without identifier for another host."""
        found, mine = super().warnings(), self._host_identifier()
        if not mine or mine.strip(b"\0"):
            return found
        return [*found, Notice("host-identifier-untold", {})]

    def _host_identifier(self) -> bytes:
        """b"" if nobody tells."""
        if self.device.host_id:
            return self.device.host_id
        try:
            return self._read("get features", nvme.host_identifier)
        except (NotSupported, Invalid, DeviceFailure):
            return b""

    def _report(self) -> nvme.ReservationReport:
        return self._read("reservation report", nvme.report)

    def _read(
        self, operation: str, command: Command[Arguments, Result], *values: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """The kernel's multipath does not move a command of ours to another path, but takes one for the next."""
        for _ in range(REPETITIONS):
            try:
                return self._ask(operation, command, *values, **named)
            except (PathFailure, DeviceFailure) as error:
                failure = error
        raise failure
