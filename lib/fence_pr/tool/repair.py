"""'repair': leave a disk, clear it, or end a dead host's reservation: what stands there, the deed, and its proof."""

from __future__ import annotations

import os

from ..actions.explained import Daylight
from ..actions.job import Job
from ..actions.this_node import ThisNode
from ..errors import DeviceRefused, FenceError, Notice, UsageError
from ..keys import parse_key
from ..log import one_line, write_line
from ..storage import in_use
from . import disks, show_text, terminal
from .deeds import LEAVE, RELEASE, Release, deed
from .report import examined, told
from .sources import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..actions.shared_disk import SharedDisk
    from ..child import Channel
    from ..storage.device import Device
    from .deeds import Deed
    from .options import Call
    from .report import Json
    from .sources import Sources
    from .terminal import Style

# The part of the time that the commands have.
_SHARE = 0.85
_MOST_TYPED_BYTES = 4096


def examine(call: Call, channel: Channel) -> Json:
    """Look at the disk, and where its identity is confirmed, do it. Raises FenceError, UsageError."""
    holder = _holder(call)
    sources = find(call, call.words[1:2])
    repair = Repair(call, sources, channel)
    shared = repair.read()
    act = deed(call.words[0])(repair.job, shared, repair.hear, force=call.flag("force"))
    if isinstance(act, Release):
        act.holder = holder
    return repair.carry_out(act, shared)


def _holder(call: Call) -> int:
    given = call.values["holder"]
    if (call.words[0] == RELEASE) != bool(given):
        raise UsageError("word-missing" if not given else "option-of-another-subcommand", option="holder",
                         subcommand=f"repair {call.words[0]}", words="--holder=key")  # fmt: skip
    return parse_key("holder", given) if given else 0


class Repair:
    """A deed at work."""

    def __init__(self, call: Call, sources: Sources, channel: Channel) -> None:
        self._call, self._sources = call, sources
        self._source = sources.sources[0]
        self._steps: list[Notice] = []
        self._warnings: list[Notice] = [*sources.unasked]
        limit = {"power_timeout": f"{call.seconds('timeout') * _SHARE:.3f}"}
        request = self._source.request("monitor", **limit)
        self.job = Job(request, channel, lambda _: None, self._warnings, ThisNode())

    def hear(self, step: Notice) -> None:
        """A step that is taken."""
        self._steps.append(step)

    def read(self) -> SharedDisk:
        """The disk, open. Raises FenceError if it cannot be read."""
        devices = self.job.resolve()
        (shared,) = self.job.read(devices, self.job.nodes.own_keys_if_readable(devices))
        if isinstance(shared, FenceError):
            raise shared
        shared.disk.confirm_identity()
        return shared

    def carry_out(self, act: Deed, shared: SharedDisk) -> Json:
        """Refuse, ask for a confirmation, or do it."""
        users = self._users(shared)
        before = self._facts(shared)
        found = {"deed": self._call.words[0], "identity": shared.device.stable_name(), "before": before,
                 "users": [told(it) for it in users], "done": False, "steps": [], "after": None}  # fmt: skip
        failure = act.refusal()
        if users and not self._call.flag("force"):
            failure = FenceError("disk-in-use", disk=shared.device.label(), users=[it.pack() for it in users])
        if not failure and self._call.values["yes"] == shared.device.stable_name():
            try:
                act.do()
            except FenceError as error:
                failure = error
            found |= {"done": failure is None, "steps": [told(it) for it in self._steps], "after": self._after(shared)}
        label = shared.device.label()
        problems = [it.about(label) for it in failure.notices()] if failure else []
        return examined(found, problems, self._warnings)

    def _facts(self, shared: SharedDisk) -> Json:
        nodes = self.job.nodes
        devices = [shared.device]
        rule = Daylight(nodes.are_guessed(devices), nodes.one_is_unknown(devices))
        return disks.read(self.job, shared, nodes.all(devices), rule, self._source.fence_device).said

    def _after(self, shared: SharedDisk) -> Json | None:
        """The disk as it says it is now; None if it does not."""
        from ..actions.shared_disk import SharedDisk

        try:
            now = shared.disk.snapshot()
            again = SharedDisk(
                shared.device, shared.own_key, shared.disk, now, shared.known, self.job.told(shared.disk)
            )
            return self._facts(again)
        except FenceError:
            return None

    def _users(self, shared: SharedDisk) -> list[Notice]:
        """What the disk is used for. Where nobody can tell whether the cluster does, that counts, too; not for who
        leaves: on a node that goes out the cluster is usually down.
        """
        found = [
            Notice("named-by-fence-device", {"name": it.name})
            for it in self._sources.configured
            if self._names(it.disks(), shared.device)
        ]
        if self._call.words[0] != LEAVE:
            found += self._sources.unasked
            nodes = sorted({shared.known.nodes[key] for key in shared.snapshot.keys if key in shared.known.nodes})
            found += [Notice("nodes-are-registered", {"nodes": nodes})] if nodes else []
        return [*found, *in_use.users(shared.device)]

    def _names(self, names: tuple[str, ...], wanted: Device) -> bool:
        for name in names:
            try:
                if self.job.here.find(name).stable_name() == wanted.stable_name():
                    return True
            except DeviceRefused:
                continue
        return False


def confirmed(call: Call, made: Json, style: Style) -> Call:
    """The call with the disk's identity, as somebody types it on the terminal who has seen what stands there.

    Raises UsageError if that is not the disk's, or if nobody can be asked.
    """
    identity, given = made["found"]["identity"], call.values["yes"]
    if not given and os.isatty(0):
        for line in ["", *show_text.of_disk(made["found"]["before"], style), ""]:
            write_line(2, line)
        os.write(2, f"{call.words[0]}: type the disk's identity to go on: ".encode())
        given = os.read(0, _MOST_TYPED_BYTES).decode("utf-8", "replace").strip()
    if given != identity:
        raise UsageError("identity-unconfirmed", disk=made["found"]["before"]["name"], identity=identity, value=given)
    return call.with_value("yes", given)


def text(found: Json, style: Style) -> list[str]:
    """For a person."""
    shown = found["after"] or found["before"]
    lines = [f"{found['deed']}: {_STATES[found['done'], bool(found['steps'])]}", ""]
    lines += show_text.of_disk(found["before"], style)
    for number, step in enumerate(found["steps"], 1):
        lines += style.entry(f"step {number}", one_line(step["text"]))
    if found["steps"] and shown is not found["before"]:
        lines += ["", "Afterwards:", *show_text.of_disk(shown, style)]
    lines[0] = style.paint(terminal.GOOD if found["done"] else terminal.ODD, lines[0])
    return lines


_STATES = {
    (True, True): "done",
    (True, False): "done",
    (False, True): "not done, or not wholly",
    (False, False): "nothing was changed",
}
