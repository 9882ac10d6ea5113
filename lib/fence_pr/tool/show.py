"""'show': disks and nodes at a glance."""

from __future__ import annotations

import time

from ..actions.explained import Daylight
from ..actions.job import Job
from ..errors import DeviceRefused, DevicesRefused, FenceError, NotSupported
from ..parallel import Patience, on_each
from ..storage import device as names
from ..storage.snapshot import UNPROVED
from . import disks
from .reading import Reader, ReadingOnly
from .report import examined
from .rights import without_rights
from .sources import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..child import Channel
    from ..errors import Notice
    from ..storage.device import Device
    from .options import Call
    from .report import Json
    from .sources import Source
    from .terminal import Style

# The parts of the time after which what has not been opened and read is given up, or asked for more: so that there is
# some left to tell it.
_READ_SHARE, _MORE_SHARE = 0.6, 0.85
_WITHOUT_RESERVATIONS = (NotSupported,)


def examine(call: Call, channel: Channel) -> Json:
    """Read the disks that the call is about. Raises FenceError."""
    sources = find(call, call.words)
    views = [View(it, ReadingOnly(channel), call.seconds("timeout")) for it in sources.sources]
    for outcome in on_each(lambda view: view.read(skip=sources.everything), views):
        if isinstance(outcome, FenceError):
            raise outcome
    facts = [it for view in views for it in view.facts]
    # Disks that are named are known without it, but not how names make keys there.
    warnings = [*(sources.unasked if call.words else ()), *(it for view in views for it in view.warnings)]
    unseen = [*(() if call.words else sources.unasked), *(it.unseen for it in facts if it.unseen)]
    problems = [*(it.problem for it in facts if it.problem), *(it for view in views for it in view.problems)]
    found = {
        "cluster": next((view.cluster for view in views if view.cluster), ""),
        "local_node": next((view.local for view in views if view.local), ""),
        "nodes": _nodes([it.said for it in facts]),
        "disks": [it.said for it in facts],
        "without_reservations": [it for view in views for it in view.without],
    }
    return examined(found, problems, *without_rights(warnings, unseen))


def text(found: Json, style: Style) -> list[str]:
    """For a person."""
    from . import show_text

    return show_text.lines(found, style)


class View:
    """The disks of one source, as this machine sees them.

    facts     what each disk says
    problems  what is wrong beside single disks
    without   disks that have no reservations, where nobody asked for them by name
    """

    def __init__(self, source: Source, watch: ReadingOnly, seconds: float, here: Reader | None = None) -> None:
        self._source = source
        self._until = time.monotonic() + seconds * _MORE_SHARE
        self._here = here or Reader(seconds * _READ_SHARE)
        self.warnings: list[Notice] = []
        self.problems: list[Notice] = []
        self.facts: list[disks.Facts] = []
        self.without: list[str] = []
        self._job = Job(source.request("monitor"), watch, lambda _: None, self.warnings, self._here)
        self.cluster, self.local = self._job.nodes.cluster.name, self._job.nodes.local_name()

    def read(self, *, skip: bool = False) -> None:
        """All disks at once; skip: those without reservations are no failures."""
        devices = self._resolved()
        own_keys = self._job.nodes.own_keys_if_readable(devices)
        opened = self._job.read(devices, own_keys)
        nodes = self._job.nodes.all(devices)
        rule = Daylight(self._job.nodes.are_guessed(devices), self._job.nodes.one_is_unknown(devices))
        name, patience = self._source.fence_device, Patience(self._until)
        read = [it for it in opened if not isinstance(it, FenceError)]
        facts = iter(self._job.on_each(lambda it: disks.read(self._job, it, nodes, rule, name), read, patience))
        for device, it in zip(devices, opened):
            outcome = it if isinstance(it, FenceError) else next(facts)
            if not isinstance(outcome, FenceError):
                self.facts.append(outcome)
            elif skip and isinstance(outcome, _WITHOUT_RESERVATIONS):
                self.without.append(device.name)
            else:
                self.facts.append(disks.unread(device, outcome, name))
        for it in read:
            self._job.warn_of_paths(it.disk, it.snapshot, it.own_key)
            it.disk.close()

    def _resolved(self) -> list[Device]:
        """The disks that the names lead to, by their identities; a name that leads to none is told of, too."""
        found: list[Device] = []
        for name in self._source.disks:
            try:
                found.append(self._here.find(name))
            except DeviceRefused as refusal:
                self.facts.append(disks.refusal(name, refusal, self._source.fence_device))
        by_name = {it.name: it for it in found}
        try:
            return names.resolve_all(tuple(by_name), by_name.__getitem__)
        except DevicesRefused as error:
            self.problems += error.notices()
            return sorted(by_name.values(), key=lambda it: it.identity)


def _nodes(said: list[Json]) -> list[Json]:
    """Each node with the state that `status` would say: what all disks say, or UNKNOWN."""
    states: dict[str, list[str]] = {}
    for disk in said:
        for it in disk["states"]:
            states.setdefault(it["node"], []).append(it["state"])
    unread = any(disk["registrations"] is None for disk in said)
    return [
        {"node": node, "state": found[0] if len(set(found)) == 1 and not unread else UNPROVED}
        for node, found in states.items()
    ]
