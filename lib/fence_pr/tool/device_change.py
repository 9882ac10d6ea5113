"""Other disks for a fence device of a running cluster, while nothing but the fence device's own monitor is restarted.

Pacemaker restarts whatever needs fencing as soon as a node was unfenced with other parameters than those that are
configured: every node, or the one on which the fence device runs. What it goes by are digests of the parameters. Two
programs keep them, and write them into the CIB anew whenever a node joins, an election is held, or (since 3.0) somebody
else has written there: to change them in the CIB alone only postpones the restart. So each is told in its own way:

1. To each node's digests that of the new parameters is added: with both a node is unfenced by either.
2. The fence device is held, as by maintenance mode: it fences as before, and nobody starts or stops it. Its place is
   kept, since other resources would move if it was started elsewhere.
3. What nodes know of it is forgotten, and with that the digest of what has been started.
4. In one step it gets its disks and is held no more: the cluster starts its monitor, with the new parameters.
5. Its place is free again, and from each node's digests the one of before is removed.

Each change of the CIB is a patch from one version to the next: a change by somebody else is never overwritten. What
the cluster would do is asked (crm_simulate) before the first step, and again before 4.
"""

from __future__ import annotations

import time

from ..errors import FenceError, Notice
from ..option_table import AGENT
from ..record import Record
from . import cib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .pacemaker import Pacemaker, Plan

_POLL_SECONDS = 0.2
# For a fence device that did not run before.
_UNEXPECTED_SECONDS = 5.0
# Nodes write status all the time, which is another version each time, too.
_TRIES = 20
_MAY_DO = ("start",)


class Looked(Record):
    """What was found before anything was changed. text: the CIB; plan: what the cluster is about to do with it."""

    text: str
    plan: Plan


class DeviceChange:
    """The change of one fence device.

    name   its id
    hear   told of each step before it is taken
    until  when it must be over, as time.monotonic() tells it
    """

    def __init__(self, tools: Pacemaker, name: str, hear: Callable[[Notice], None], until: float) -> None:
        self._tools, self._name, self._hear, self._until = tools, name, hear, until

    def look(self) -> Looked:
        """The cluster as it is. Raises FenceError."""
        text = self._tools.cib()
        return Looked(text, self._tools.plan(text))

    def check(self, looked: Looked, wanted: tuple[str, ...]) -> None:
        """Raises FenceError if the cluster would restart or fence anything because of these disks."""
        digests = self._digests(looked.text, wanted, only=False)
        held = cib.forgotten(cib.held(looked.text, self._name), self._name, looked.plan.online())
        held = cib.with_attributes(held, digests)
        for would in (held, cib.with_disks(held, self._name, wanted)):
            self._require_calm(looked.plan, would)

    def carry_out(self, looked: Looked, wanted: tuple[str, ...]) -> None:
        """Give it the disks. Raises FenceError, and takes everything back before that."""
        try:
            self._announce(wanted, only=False)
            self._step("device-held")
            self._replace(looked.text, lambda text: cib.held(text, self._name))
            self._step("device-forgotten")
            self._tools.refresh(self._name)
            nodes = looked.plan.online()
            self._wait("device-forgotten", lambda text: cib.is_forgotten(text, self._name, nodes))
            self._step("disks-set", disks=wanted)
            self._replace(looked.text, lambda text: cib.with_disks(text, self._name, wanted), looked.plan)
        except FenceError as error:
            if self._take_back(wanted, error):
                raise

    def settle(self, looked: Looked, wanted: tuple[str, ...]) -> bool:
        """Wait until the cluster has taken that up, and take away what was there for that alone.

        Returns whether the fence device runs. Raises FenceError if something may be left.
        """
        nodes = looked.plan.online()
        seconds = None if cib.runs(looked.text, self._name, nodes) else _UNEXPECTED_SECONDS
        try:
            self._wait("disks-set", lambda text: cib.runs(text, self._name, nodes), seconds)
            runs = True
        except FenceError:
            runs = False
        self._step("device-released")
        try:
            changed = cib.with_disks(looked.text, self._name, wanted)
            self._replace(changed, lambda text: cib.released(text, self._name))
            self._announce(wanted, only=True)
        except FenceError as error:
            raise FenceError("change-unfinished", name=self._name, answer=error.notice().pack()) from error
        return runs

    def harmed(self, looked: Looked) -> list[str]:
        """What was started or stopped since, and what the cluster is about to do that it was not. Raises FenceError."""
        now = self.look()
        before, after = (cib.started(it.text, self._name) for it in (looked, now))
        ran = [f"{operation} {resource} ({node})" for (node, resource, operation), which in after.items()
               if before.get((node, resource, operation)) != which]  # fmt: skip
        return [*ran, *(f"{action} {whom}" for action, whom in self._new(looked.plan, now.plan))]

    def _digests(self, text: str, wanted: tuple[str, ...], *, only: bool) -> dict[tuple[str, str], str]:
        """The attributes that nodes must have to count as unfenced with these disks."""
        would, found = cib.with_disks(text, self._name, wanted), {}
        for (node, attribute), value in cib.digests(text).items():
            digest = self._tools.digests(would, self._name, node)[cib.DIGESTS[attribute]]
            found[node, attribute] = cib.with_digest(value, self._name, AGENT, digest, only=only)
        return found

    def _announce(self, disks: tuple[str, ...], *, only: bool) -> None:
        """Give every node the digest of these disks, beside or in place of what it has, and wait until it has it."""
        text = self._tools.cib()
        attributes = self._digests(text, disks, only=only)
        nodes = sorted({node for node, _ in attributes})
        self._step("digest-alone" if only else "digest-added", nodes=nodes)
        for (node, name), value in attributes.items():
            self._tools.set_attribute(node, name, value)
        self._wait("digest-added", lambda text: attributes.items() <= cib.digests(text).items(), nodes=nodes)

    def _replace(self, begun: str, change: Callable[[str], str], plan: Plan | None = None) -> None:
        """Change the CIB as it is by now, unless somebody has changed the configuration meanwhile.

        begun: a CIB with the configuration that is expected
        plan: what the cluster was about to do; then it must not do more by the change
        """
        expected = cib.configuration(cib.released(begun, self._name))
        for _ in range(_TRIES):
            text = self._tools.cib()
            if cib.configuration(cib.released(text, self._name)) != expected:
                raise FenceError("configuration-changed", name=self._name)
            changed = change(text)
            if plan:
                self._require_calm(plan, changed)
            if self._tools.replace(text, changed):
                return
        raise FenceError("cluster-not-at-rest", name=self._name)

    def _require_calm(self, plan: Plan, text: str) -> None:
        more = self._new(plan, self._tools.plan(text))
        if more:
            raise FenceError("would-restart", name=self._name, actions=[" ".join(it) for it in more])

    def _new(self, before: Plan, after: Plan) -> list[tuple[str, str]]:
        own = [(action, self._name) for action in _MAY_DO]
        return [it for it in after.actions if it not in before.actions and it not in own]

    def _wait(self, code: str, reached: Callable[[str], bool], seconds: float | None = None, **fields: object) -> None:
        until = self._until if seconds is None else min(self._until, time.monotonic() + seconds)
        while not reached(self._tools.cib()):
            if time.monotonic() > until:
                raise FenceError(
                    "step-without-end", name=self._name, answer=Notice(code, {"name": self._name, **fields}).pack()
                )
            time.sleep(_POLL_SECONDS)

    def _take_back(self, wanted: tuple[str, ...], error: FenceError) -> bool:
        """Take back what was begun, unless the cluster has the disks, though the tool that set them failed or was not
        waited for. Returns whether anything was taken back. A tool may fail while the cluster elects its DC.

        Raises FenceError if the fence device may stay held.
        """
        for _ in range(_TRIES):
            try:
                text = self._tools.cib()
                if cib.disks(text, self._name) == wanted and not cib.is_in_maintenance(text, self._name):
                    return False
                if not cib.is_held(text, self._name) or self._tools.replace(text, cib.released(text, self._name)):
                    break
            except FenceError:
                time.sleep(_POLL_SECONDS)
        else:
            raise FenceError("device-left-held", name=self._name, answer=error.notice().pack())
        self._step("taking-back")
        self._announce(cib.disks(text, self._name), only=True)
        return True

    def _step(self, code: str, **fields: object) -> None:
        self._hear(Notice(code, {"name": self._name, **fields}))
