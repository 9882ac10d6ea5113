"""'plan': what 'on' or 'off' would do now, step by step, and what it would say; no command that changes is sent."""

from __future__ import annotations

from ..actions import perform
from ..actions.report import Report
from ..errors import FenceError, Notice, UsageError
from ..log import one_line
from ..messages import sentences
from . import terminal
from .dry_run import DryJob, DryNode
from .reading import ReadingOnly
from .report import examined, sentence, told
from .rights import without_rights
from .sources import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..child import Channel
    from ..storage.device import Device
    from ..storage.disk import Watch
    from .options import Call
    from .report import Json
    from .sources import Source
    from .terminal import Style

# The part of the time that the action has.
_SHARE = 0.85
# What the log hears of an action before it changes something.
_STEPS = (
    "registering", "replacing-former-key", "reserving", "preempting-with-abort", "preempting-without-abort",
    "preempting-former-key", "nexus-asked-by-register", "multipathd-told",
)  # fmt: skip
_NO_RIGHT = "not-permitted"
_OF_AGENT = ("key", "type", "abort", "foreign")


def examine(call: Call, channel: Channel) -> Json:
    """Have the action run on disks that are only read: once for each fence device, as the cluster would. Raises
    FenceError.
    """
    action, node, *disks = call.words
    sources = find(call, tuple(disks))
    if sources.everything:
        raise UsageError("disks-unknown", after=[it.pack() for it in sources.unasked])
    seconds = call.seconds("timeout") * _SHARE / len(sources.sources)
    runs = [Run(it, call, channel, seconds) for it in sources.sources]
    said = [run.run(action, node) for run in runs]
    problems = [it for run in runs for it in run.report.failures()]
    unseen: list[Notice] = []
    if any(it.code == _NO_RIGHT for it in problems):
        problems, unseen = [], problems  # nobody knows what the action would find
    warnings, unseen = without_rights([*sources.unasked, *(it for run in runs for it in run.warnings)], unseen)
    return examined({"action": action, "node": node, "calls": said}, problems, warnings, unseen)


class Run:
    """One call of the agent. warnings: what is said of the look, not by the action."""

    def __init__(self, source: Source, call: Call, watch: Watch, seconds: float) -> None:
        self._source, self._call, self._seconds = source, call, seconds
        self._watch = ReadingOnly(watch)
        self._steps: list[Notice] = []
        self.warnings: list[Notice] = []
        self.report = Report(ok=False)

    def run(self, action: str, node: str) -> Json:
        """What the action would do and say. Raises UsageError if the agent would refuse the call."""
        given = {name: self._call.values[name] for name in _OF_AGENT if self._call.values[name]}
        limit = {"power_timeout": f"{self._seconds:.3f}"}
        request = self._source.request(action, plug=node, **given, **limit)
        said: list[Notice] = []
        devices: tuple[Device, ...] = ()
        here = DryNode(self._seconds)
        here.say = self._hear
        try:
            job = DryJob(request, self._watch, self._hear, said, here)
            devices = tuple(job.resolve())
            self.report = perform.action(action)(job)
        except UsageError:
            raise
        except FenceError as error:
            self.report = Report.failed(*error.notices())
        report = self.report.with_warnings(said)
        return {
            "fence_device": self._source.fence_device,
            "ok": report.ok,
            "verdict": report.verdict,
            "warnings": [told(it) for it in report.warnings],
            "disks": [self._of_disk(it) for it in devices],
        }

    def _hear(self, notice: Notice) -> None:
        if sentences.severity(notice.code) != sentences.STEP:
            self.warnings.append(notice)
        elif notice.code in _STEPS:
            self._steps.append(notice)

    def _of_disk(self, device: Device) -> Json:
        label = device.label()
        problem = next((it.problem for it in self.report.disks if it.label == label), None)
        return {
            "name": device.name,
            "device": device.node,
            "identity": device.identity,
            "steps": [told(it) for it in self._steps if it.fields.get("disk") in (label, device.map_name)],
            "problem": told(problem) if problem else None,
        }


def text(found: Json, style: Style) -> list[str]:
    """For a person."""
    lines = [one_line(f"'{found['action']}' of {found['node']}: what it would do. Nothing was changed.")]
    for call in found["calls"]:
        lines += ["", *_call(found["action"], call, style)]
    return lines


def _call(action: str, call: Json, style: Style) -> list[str]:
    lines = [one_line(f"Fence device {call['fence_device']}")] if call["fence_device"] else []
    for disk in call["disks"]:
        alias = "" if disk["device"] == disk["name"] else f" ({disk['device']})"
        lines += [one_line(f"{disk['name']}{alias}"), *style.entry("identity", disk["identity"] or "none")]
        steps = [it["text"] for it in disk["steps"]] or ["nothing to do" if not disk["problem"] else "none"]
        for number, step in enumerate(steps, 1):
            lines += style.entry(f"step {number}" if disk["steps"] else "steps", one_line(step))
        if disk["problem"]:
            lines += style.entry("refused", one_line(disk["problem"]["text"]))
    verdict = f"It would end with: Success: {call['verdict']}" if call["ok"] else f"'{action}' would fail"
    lines += [style.paint(terminal.GOOD if call["ok"] else terminal.BAD, verdict)]
    for it in call["warnings"]:
        lines += style.entry("would warn", one_line(sentence(it)))
    return lines
