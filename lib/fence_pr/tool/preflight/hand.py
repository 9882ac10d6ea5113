"""One node's hand in a pre-flight: what it is told to do to the disk, it does, and says what came of it.

It decides nothing. What it has registered it removes when it is told to leave, and when whoever told it is gone.
"""

from __future__ import annotations

import errno
import os
import time

from ...actions.this_node import ThisNode
from ...errors import Conflict, FenceError, Notice
from ...storage import nvme, pr_ioctl
from ...storage.device import NVME
from .blocks import BLOCK, SLOTS, Area, Direct, block, number_of, numbers, word
from .stream import OK, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ...storage.disk import Disk, Path
    from ..report import Json

DONE, CONFLICT, FAILED = "done", "conflict", "failed"
_STREAM_SECONDS = 40.0  # until a SCSI command that hangs is given up by the kernel
_LOOK_SECONDS = 0.02


class Unwatched:
    """Whoever asks knows what is under way, and forbids nothing."""

    def announce(self, disk: str, operation: str) -> None:
        """Nothing."""

    def finished(self, disk: str) -> None:
        """Nothing."""


class Hand:
    """The disk of this name, in the hands of this node."""

    def __init__(self, name: str, here: ThisNode | None = None, direct: Callable[[str], Direct] = Direct) -> None:
        self._name, self._direct = name, direct
        self._here = here or ThisNode()
        self._disk: Disk | None = None
        self._identity: str | None = None
        self._ways: Sequence[Path] = ()
        self._nodes: dict[str, Direct] = {}
        # Path → the key that it may have by this hand.
        self._registered: dict[int, int] = {}
        self._area: Area | None = None
        self._kept: bytes | None = None
        self._stream: Stream | None = None
        self._claimed = False

    def answer(self, question: Json) -> Json:
        """Do what is asked: `ask` names a method, the rest are its arguments."""
        given = dict(question)
        ask: Callable[..., Json] = getattr(self, f"do_{given.pop('ask')}")
        try:
            return ask(**given)
        except FenceError as error:
            return {"outcome": FAILED, "notice": error.notice().pack()}
        except OSError as error:
            return {"outcome": FAILED, "notice": self._of_system(error).pack()}

    def _of_system(self, error: OSError) -> Notice:
        return Notice("blocks-unreadable", {"disk": self._name, "answer": word(error)})

    # What it is

    def do_open(self) -> Json:
        """Find the disk, and open it; again, if that was done before."""
        self._close()
        found = self._here.find(self._name)
        # Of a disk that does not say who it is nobody knows whether the name leads to the same one again.
        if self._identity is not None and (not found.identity or found.identity != self._identity):
            raise FenceError("disk-became-another", disk=self._name, identity=found.identity or "none")
        self._identity = found.identity
        self._disk = self._here.open(found, Unwatched(), None)
        # Those that answer now: what dies later must not make another one of the next.
        self._ways = sorted(self._disk.paths(), key=lambda it: it.device.node)
        if self._claimed:
            self._claim()
        return {"identity": found.identity, "device": found.node, "kind": found.kind, "name": found.name,
                "paths": [it.device.node for it in self._ways], "host": os.uname().nodename,
                "kernel": os.uname().release,
                "dead": {path: why.pack() for path, why in self._disk.dead_paths().items()}}  # fmt: skip

    def do_look(self) -> Json:
        """What the target says of itself, and who is registered. Reads only."""
        disk = self._opened()
        snapshot = disk.snapshot()
        told = disk.hosts()
        harm = disk.abort_harm()
        dead = {path: why.pack() for path, why in disk.dead_paths().items()}
        return {**self._capabilities(), **_state(snapshot), "dead": dead,
                "hosts": None if told is None else [[key, sorted(them)] for key, them in told.items()],
                "abort_harm": harm.pack() if harm else None,
                "warnings": [it.pack() for it in disk.warnings()]}  # fmt: skip

    def _capabilities(self) -> Json:
        try:
            said = self._opened().capabilities()
        except FenceError as error:
            return {"types": None, "active": None, "possible": None, "untold": error.notice().pack()}
        types = None if said.types is None else list(said.types)
        return {"types": types, "active": said.persistence_active, "possible": said.persistence_possible,
                "untold": None}  # fmt: skip

    def do_use(self) -> Json:
        """What stands on it, and who has it in use here."""
        from . import signature

        device = self._opened().device
        users = [it.pack() for it in self._here.users(device)]
        if not users:
            try:
                self._claim()
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                users = [Notice("disk-claimed", {"device": device.node}).pack()]
        try:
            reasons = signature.of_disk(device.node, self._node(None)).reasons
        except OSError as error:
            reasons = (self._of_system(error),)
        return {"users": users, "content": [it.pack() for it in reasons]}

    def _claim(self) -> None:
        """Else somebody could format or mount it between this look and the end."""
        self._node(None).claim()
        self._claimed = True

    def do_read(self) -> Json:
        """Registrations and reservation."""
        return _state(self._opened().snapshot())

    def do_clock(self) -> Json:
        """This node's clock, in seconds."""
        return {"at": time.monotonic()}

    # What it does to registrations and the reservation

    def do_register(self, old: int, key: int, path: int = 0) -> Json:
        """REGISTER over one path, from the key that it must have, 0 for none."""
        before = self._registered.get(path)
        self._registered[path] = key
        answer = self._carried_out(lambda: self._path(path).register_once(old, key))
        if answer["outcome"] == CONFLICT:  # what stood there stands there
            self._registered.pop(path)
            self._registered.update({} if before is None else {path: before})
        return answer

    def do_unregister(self, key: int, path: int = 0) -> Json:
        """End the registration of one path."""
        answer = self._carried_out(lambda: self._end(path, key))
        if answer["outcome"] != FAILED:
            self._registered.pop(path, None)
        return answer

    def do_reserve(self, key: int, kind: int, path: int = 0) -> Json:
        """kind: enum pr_type."""
        return self._carried_out(lambda: self._path(path).reserve(key, kind))

    def do_release(self, key: int, kind: int, path: int = 0) -> Json:
        """As `do_reserve`."""
        return self._carried_out(lambda: self._path(path).carry_out("release", pr_ioctl.release, key, kind))

    def do_clear(self, key: int, path: int = 0) -> Json:
        """Everything on the disk goes."""
        answer = self._carried_out(lambda: self._path(path).carry_out("clear", pr_ioctl.clear, key))
        if answer["outcome"] == DONE:
            self._registered.clear()
        return answer

    def do_preempt(self, key: int, victim: int, kind: int, abort: bool, path: int = 0) -> Json:
        """With the victim's commands, if `abort`."""
        return self._carried_out(lambda: self._path(path).preempt(key, victim, kind, abort=abort))

    def do_leave(self) -> Json:
        """End every registration that this hand has made and that still stands."""
        failures = []
        for path, key in list(self._registered.items()):
            try:
                self._end(path, key)
            except (Conflict, IndexError):
                pass  # the registration, or the path, is gone
            except FenceError as error:
                failures.append(error)
                continue
            self._registered.pop(path, None)
        if failures:
            raise failures[0]
        return {"outcome": DONE}

    def _end(self, path: int, key: int) -> None:
        way = self._path(path)
        if way.device.kind == NVME:  # the kernel's own call would leave key 0 in its place
            way.carry_out("unregister", nvme.unregister, key)
        else:
            way.change(key, 0)

    def _carried_out(self, command: Callable[[], None]) -> Json:
        """A change, after a read, which takes what the target has to tell that is not about this command."""
        self._opened().snapshot()
        begun = time.monotonic()
        notice, outcome = None, DONE
        try:
            command()
        except Conflict as error:
            outcome, notice = CONFLICT, error.notice().pack()
        except FenceError as error:
            outcome, notice = FAILED, error.notice().pack()
        ended = time.monotonic()
        return {"outcome": outcome, "notice": notice, "seconds": ended - begun, "begun": begun, "ended": ended}

    # What it does to blocks

    def do_keep(self) -> Json:
        """Keep what stands where will be written."""
        disk = self._node(None)
        try:
            self._area = Area.of(disk.size())
        except ValueError as error:
            return {"outcome": FAILED, "notice": Notice("disk-too-small", {"answer": str(error)}).pack()}
        self._kept = disk.read(self._area.offset, SLOTS * BLOCK)
        return {"outcome": DONE, "offset": self._area.offset}

    def do_put_back(self) -> Json:
        """Write that back."""
        if self._kept is not None and self._area is not None:
            self._node(None).write(self._area.offset, self._kept)
            self._kept = None
        return {"outcome": DONE}

    def do_write(self, run: str, number: int, offset: int, path: int | None = 0) -> Json:
        """One block, over one path, or, path None, as programs write; "ok" or the name of the error."""
        return self._transferred(lambda: self._node(path).write(offset + number % SLOTS * BLOCK, block(run, number)))

    def do_see(self, run: str, number: int, offset: int, path: int | None = 0) -> Json:
        """Read that block: and which one stands there."""
        seen = [0]

        def read() -> None:
            seen[0] = number_of(run, self._node(path).read(offset + number % SLOTS * BLOCK))

        return {**self._transferred(read), "number": seen[0]}

    @staticmethod
    def _transferred(work: Callable[[], None]) -> Json:
        begun, said = time.monotonic(), OK
        try:
            work()
        except OSError as error:
            said = word(error)
        return {"outcome": said, "seconds": time.monotonic() - begun}

    def do_stream(self, run: str, first: int, offset: int, seconds: float) -> Json:
        """Begin to write, as programs do, for so long at most."""
        self._stream = Stream(self._node(None), Area(offset), run, first, seconds)
        return {"outcome": DONE}

    def do_streamed(self) -> Json:
        """How many writes were acknowledged so far."""
        return {"count": self._stream.landed() if self._stream else 0}

    def do_stop(self) -> Json:
        """End the stream: what came of each write, and how many do not come back."""
        assert self._stream
        hanging = self._stream.stop(_STREAM_SECONDS)
        record, self._stream = self._stream.record, None
        return {"writes": [list(it) for it in record], "hanging": hanging}

    def do_cut_off(
        self, key: int, victim: int, kind: int, abort: bool, path: int, run: str, offset: int, seconds: float
    ) -> Json:
        """Preempt, and from the very answer on look at the area for so many seconds: what stood there at first, and
        what came later.
        """
        answer = self.do_preempt(key, victim, kind, abort, path)
        if answer["outcome"] != DONE:
            return answer
        first = self._numbers(run, offset)
        later: list[tuple[float, int]] = []
        last, until = first, time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
            now = self._numbers(run, offset)
            later += [(time.monotonic(), new) for old, new in zip(last, now) if old != new]
            last = now
        return {**answer, "first": first, "later": later}

    def do_numbers(self, run: str, offset: int) -> Json:
        """Which block stands in each place of the area."""
        return {"numbers": self._numbers(run, offset)}

    def _numbers(self, run: str, offset: int) -> list[int]:
        return list(numbers(run, self._node(None).read(offset, SLOTS * BLOCK)))

    # What it has in its hand

    def _opened(self) -> Disk:
        if self._disk is None:
            raise FenceError("blocks-unreadable", disk=self._name, answer="it is not open")
        return self._disk

    def _path(self, number: int) -> Any:
        return self._ways[number]

    def _node(self, path: int | None) -> Direct:
        node = self._opened().device.node if path is None else str(self._path(path).device.node)
        if node not in self._nodes:
            self._nodes[node] = self._direct(node)
        return self._nodes[node]

    def end(self) -> None:
        """Whoever told is gone: take away what this hand has left."""
        for work in (self._stop, self.do_leave, self.do_put_back, self._close):
            try:
                work()
            except (FenceError, OSError):
                continue

    def _stop(self) -> None:
        if self._stream:
            self._stream.stop(_STREAM_SECONDS)

    def _close(self) -> None:
        for it in self._nodes.values():
            it.close()
        self._nodes.clear()
        if self._disk:
            self._disk.close()
            self._disk = None


def _state(snapshot: Any) -> Json:
    return {"generation": snapshot.generation, "keys": list(snapshot.keys), "type": snapshot.type,
            "holder": snapshot.holder}  # fmt: skip
