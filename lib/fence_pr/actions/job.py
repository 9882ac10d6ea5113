"""A request at work: its disks, opened and read, and what the person is to be told."""

from __future__ import annotations

from ..errors import ABORTING, DevicesRefused, DiskNotAsAsked, FenceError, Notice, ReservationError
from ..option_table import ABORT_REQUIRE
from ..parallel import Patience
from ..storage import device as names
from ..storage.snapshot import TYPE_NAMES
from .nodes import Nodes
from .this_node import ThisNode
from .time_budget import TimeBudget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from ..keys import Registrant
    from ..storage.device import Device
    from ..storage.disk import Disk, Watch
    from ..storage.snapshot import Snapshot
    from .registrants import Told
    from .repetition import Repetition
    from .request import Request
    from .shared_disk import SharedDisk

    Result = TypeVar("Result")

# What a reading says of a node holds only if it is still the disk that was opened ('off' asks in its proof).
_ACTIONS_THAT_SAY_OFF = ("status", "list-status")
# How often a target is asked for hosts that does not answer properly. It need not have the command.
_QUESTIONS = 3
_PAIR = 2
_ARRIVAL_PAUSE_SECONDS = 1.0
_ACTIONS_THAT_JUDGE_ABORT = ("off", "monitor", "validate-all")


class Job:
    """A request at work.

    watch     told of each command to a disk, before and after
    say       called with a sentence for the log
    warnings  what the person should know although it is no failure, as it turns up
    here      the machine that this runs on
    Raises FenceError if the cluster's configuration exists but cannot be read.
    """

    def __init__(
        self,
        request: Request,
        watch: Watch,
        say: Callable[[Notice], None],
        warnings: list[Notice],
        here: ThisNode | None = None,
    ) -> None:
        self.request, self.say, self.warnings, self._watch = request, say, warnings, watch
        self.here = here or ThisNode()
        self.on_each = self.here.on_each
        self.nodes = Nodes(request, self.here, self.warn)
        self.time = TimeBudget(request.limit, self.here.monotonic, request.waiting())

    def resolve(self) -> list[Device]:
        """The disks, sorted by identity. Raises DevicesRefused with everything that is wrong with their names.

        While the machine starts, 'on' waits for disks that may still come, for half of its time.
        """
        waits = self.request.action == "on" and self.here.is_starting()
        until = self.time.for_repeating(self.time.clock())
        while waits:
            try:
                return names.resolve_all(self.request.devices, self.here.find)
            except DevicesRefused as error:
                if any(it.code not in names.MAY_COME for it in error.refusals) or self.time.clock() >= until:
                    raise
                self.say(Notice("waiting-for-disks", {"disks": tuple(it.fields["disk"] for it in error.refusals)}))
            self.here.sleep(_ARRIVAL_PAUSE_SECONDS)
        return names.resolve_all(self.request.devices, self.here.find)

    def open(self, device: Device) -> Disk:
        """Open one disk for reservation commands. Raises ReservationError, Abandoned."""
        return self.here.open(device, self._watch, self.time.for_paths())

    def read(
        self,
        devices: list[Device],
        own_keys: Mapping[Device, int | None],
        patience: Patience | None = None,
        victim: Registrant | None = None,
    ) -> list[SharedDisk | FenceError]:
        """Open and read all disks at once; `patience` with those that are slow. victim: the node that it is about.

        Those that answer with what passes by itself are asked again, all at the same time, while there is time.
        """
        return self._read_again(self._reading(devices, own_keys, victim), devices, patience)

    def _reading(
        self, devices: list[Device], own_keys: Mapping[Device, int | None], victim: Registrant | None
    ) -> Callable[[Device], SharedDisk]:
        from .shared_disk import SharedDisk

        guessed = self.nodes.are_guessed(devices)
        asked = guessed or self.request.action == "monitor"

        def open_and_read(device: Device) -> SharedDisk:
            disk = self.open(device)
            try:
                return read(device, disk)
            except FenceError:
                disk.close()  # it may be opened again and again
                raise

        def read(device: Device, disk: Disk) -> SharedDisk:
            snapshot = disk.snapshot()
            known, told = self.nodes.known_at_once(own_keys[device]), None
            if asked or known.strangers(snapshot.keys, None, victim):
                known, told = self.nodes.known(device, own_keys[device]), self.told(disk)
            if self.request.action in _ACTIONS_THAT_SAY_OFF:
                disk.confirm_identity()
            return SharedDisk(device, own_keys[device], disk, snapshot, known, told, self._no_abort(disk))

        return open_and_read

    def _read_again(
        self, work: Callable[[Device], SharedDisk], devices: list[Device], patience: Patience | None
    ) -> list[SharedDisk | FenceError]:
        found = self.on_each(work, devices, patience)
        if not any(isinstance(it, ReservationError) for it in found):
            return found
        again = self.repetition()
        until = self.time.for_repeating(self.time.clock())
        while passing := [
            (at, it) for at, it in enumerate(found) if isinstance(it, FenceError) and again.is_worthwhile(it)
        ]:
            again.pause(passing[0][1])
            asked = [devices[at] for at, _ in passing]
            for (at, _), it in zip(passing, self._in_time(work, asked, until)):
                found[at] = it
        return found

    def _in_time(
        self, work: Callable[[Device], SharedDisk], devices: list[Device], until: float
    ) -> list[SharedDisk | FenceError]:
        """As `on_each`, but nobody waits for a single one for longer, as others have been read by now."""
        patience = Patience(until)
        if len(devices) == 1:
            return [self.here.in_time(work, devices[0], patience)]
        return self.on_each(work, devices, patience)

    def _is_spare(self) -> bool:
        """Whether another node's turn comes when this one gives up. None can unfence in another's place."""
        return self.request.action != "on" and len(self.nodes.cluster.nodes) != _PAIR

    def repetition(self) -> Repetition:
        """Of what fails because of something that passes by itself."""
        from .repetition import Repetition  # most calls meet nothing of the kind

        return Repetition(self.time, self.here.sleep, self.say, spare=self._is_spare())

    def persistently(self, question: Callable[[], Result], *, only_of_target: bool = False) -> Result:
        """The answer to what changes nothing. Raises ReservationError as it came last, and whatever does not pass.

        only_of_target: what this node's own paths answer is raised at once
        """
        again = None
        while True:
            try:
                return question()
            except ReservationError as error:
                again = again or self.repetition()
                if (only_of_target and not _is_of_target(error)) or not again.is_worthwhile(error):
                    raise
                again.pause(error)

    def wait(self, seconds: float) -> None:
        """As the options ask for."""
        self.here.sleep(seconds)
        self.time.has_waited(seconds)

    def victim(self, node: Registrant, disks: Sequence[SharedDisk | FenceError]) -> Registrant:
        """The node with all its keys. Those that it had are looked up only where a key stands that is no node's now."""
        found = [it for it in disks if not isinstance(it, FenceError)]
        if any(self.nodes.known_at_once(it.own_key).strangers(it.snapshot.keys, None, node) for it in found):
            return self.nodes.victim(node, [it.device for it in found])
        return node

    def told(self, disk: Disk) -> Told:
        """The hosts behind the keys, as the target tells them; None if it does not: fewer keys are explained then.

        A question that was lost is asked again: where keys are guessed, nobody would notice that one stands for two
        hosts. A target that never answers it has the time of a path, on a map of two, and no more: fencing does not
        depend on it. But where keys are positions it is no proof either that it is silent, busy, or was never asked:
        raises FenceError then.
        """
        patience = self.time.for_a_question(disk.live_paths())
        found = self.here.in_time(self._hosts, disk, patience) if patience else self._hosts(disk)
        if isinstance(found, FenceError):
            if self.nodes.are_positions() and (not isinstance(found, ReservationError) or _is_of_target(found)):
                raise found
            self.say(Notice("hosts-untold", {"disk": disk.device.label(), "answer": found.notice().pack()}))
            return None
        return found

    def _hosts(self, disk: Disk) -> Told | FenceError:
        """Some drivers answer a command that they do not know as if the path were lost: that is not waited for."""
        for _ in range(_QUESTIONS):
            try:
                return self.persistently(disk.hosts, only_of_target=True)
            except ReservationError as error:
                failure = error
        return failure

    def _no_abort(self, disk: Disk) -> DiskNotAsAsked | None:
        """Asked of the disk only by actions that say so, and before 'off' sends anything."""
        if self.request.abort != ABORT_REQUIRE or self.request.action not in _ACTIONS_THAT_JUDGE_ABORT:
            return None
        return abort_refused(disk.abort_harm())

    def bind(self, disk: SharedDisk) -> None:
        """Remember behind which hosts nodes are seen."""
        seen = disk.known.seen(disk.told, disk.disk.own_ports())
        if self.nodes.bindings(disk.device).with_hosts(seen) == self.nodes.bindings(disk.device):
            return
        noted = self.nodes.bindings_now(disk.device)  # 'on' may have noted more since this call began
        self.here.remember(disk.device, noted.with_hosts(seen), self.warn)

    def warn(self, warning: Notice) -> None:
        """Warn of something that may turn up in several rounds."""
        if warning not in self.warnings:
            self.warnings.append(warning)

    def warn_of_other_disks(self, devices: Sequence[Device]) -> None:
        """Warn of the disks on which this node has registered, and which this call does not name: a node that is
        fenced by another fence device alone can still write to these.
        """
        named = {device.stable_name() for device in devices}
        if others := tuple(disk for disk in self.here.registered_disks() if disk not in named):
            self.warn(Notice("disks-not-named", {"disks": others}))

    def warn_of_type(self, disk: Disk, snapshot: Snapshot) -> None:
        """Warn of a reservation of another type than the options ask for: 'on' leaves one alone that is in force."""
        wanted = self.request.reservation_type
        if wanted and snapshot.type and snapshot.type != wanted:
            fields = {"disk": disk.device.label(), "type": snapshot.type_name(), "wanted": TYPE_NAMES[wanted]}
            self.warn(Notice("type-differs", fields))

    def warn_of_access(self, disk: Disk) -> None:
        """Warn of what may end this node's access to the disk. Raises ReservationError, Abandoned."""
        self.warnings += [warning.about(disk.device.label()) for warning in disk.warnings()]

    def warn_of_paths(self, disk: Disk, snapshot: Snapshot, own_key: int | None) -> None:
        """Warn of each path of a multipath map that does not answer, and of live ones without a registration."""
        label, live = disk.device.label(), disk.live_paths()
        self.warnings += [
            Notice("path-dead", {"disk": label, "path": path, "answer": why.pack()})
            for path, why in disk.dead_paths().items()
        ]
        if live == 1:
            return
        registered = snapshot.keys.count(own_key) if own_key else 0
        if 0 < registered < live and not self.nodes.bindings(disk.device).are_enough(registered, live):
            fields = {"disk": label, "live": live, "registrations": registered}
            self.warnings.append(Notice("paths-unregistered", fields))


def _is_of_target(failure: FenceError) -> bool:
    from ..storage import transient  # most calls meet nothing of the kind

    return transient.whose(failure) == transient.TARGET


def abort_refused(harm: Notice | None) -> DiskNotAsAsked | None:
    """What abort=require comes to where an abort does harm; None where there is none."""
    return DiskNotAsAsked("abort-refused", operation=ABORTING, answer=harm.pack()) if harm else None
