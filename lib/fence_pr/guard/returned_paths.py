"""Register a path that returned, only while another path of this node is registered (returned_paths=register).

Nothing in SPC-4 makes a registration conditional on another I_T nexus: REGISTER with reservation key 0 registers a new
nexus whatever happened to the others, SPEC_I_PT is for nexuses that are not registered themselves, and only the one
holder may REGISTER AND MOVE. So whoever looks first and registers then can be overtaken: by a fencing between the two.
A node that stood still (a paused virtual machine, a starved one) is just the node that is fenced, and when it goes on
it goes on in that gap. What is done here:

* a witness, a path that is registered, is asked right before and right after. Asked by REGISTER(own key → own key):
  that changes nothing, and a path without a registration gets a conflict; it can never register.
* one path at a time, sent once and never repeated: a unit attention may say that this node was just fenced.
* each time the path is first asked which disk it leads to: one that leads to another disk is not registered there.
* if the witness is not registered afterwards, or does not answer, the new path is unregistered at once.

What remains possible: between a late REGISTER and its withdrawal, a few commands (milliseconds) apart, this node
is registered although another node has proved it fenced, and writes over that path land. Longer if this process is
killed or stands still just there, if that path takes the REGISTER and then neither the withdrawal nor anything else,
or if the transport delivers a REGISTER that it has reported as failed. A withdrawal that fails reboots.
"""

from __future__ import annotations

import time

from ..errors import Conflict, DeviceFailure, FenceError, Notice, UnitAttention
from ..record import Record
from .threads import Threads, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

    from ..storage.disk import Watch

    # Sends REGISTER(path, reservation key, new key), 0 for none; raises ReservationError, Abandoned.
    Send = Callable[[str, int, int], None]

# How old the witness's word may be when the registration is sent: a process that was not scheduled asks again.
FRESH_SECONDS = 0.1
_REPETITIONS = 4  # see storage; only of commands that cannot register


class Findings(Record):
    """What came of it.

    registered  paths that were registered, and whose witness was registered afterwards
    refused     for each path that the target did not register why; asking again would not help
    withdrawn   paths that were unregistered again: this node was fenced meanwhile, or nobody could tell
    stuck       for each path that could not be unregistered, as `disk`, why: it may be registered although this node
                was fenced
    witnesses   paths that were registered before
    unknown     for each path of which nobody can tell why; to be asked again
    """

    registered: tuple[str, ...] = ()
    refused: tuple[Notice, ...] = ()
    withdrawn: tuple[str, ...] = ()
    stuck: tuple[Notice, ...] = ()
    witnesses: tuple[str, ...] = ()
    unknown: tuple[Notice, ...] = ()

    def and_of(self, path: Findings) -> Findings:
        """These, and what came of one more path."""
        return Findings(**{name: (*entries, *vars(path)[name]) for name, entries in vars(self).items()})


def register_returned(paths: list[str], own_key: int, send: Send, clock: Callable[[], float]) -> Findings:
    """Register those of `paths` that are not registered, if at least one is. clock: seconds, for FRESH_SECONDS."""
    witnesses: list[str] = []
    missing: list[str] = []
    unknown: list[Notice] = []
    for path in paths:
        try:
            (witnesses if is_registered(path, own_key, send) else missing).append(path)
        except FenceError as error:
            unknown.append(_of_path("path-untold", path, error))
    findings = Findings(witnesses=tuple(witnesses), unknown=tuple(unknown))
    for path in missing if witnesses else []:
        findings = findings.and_of(_register(path, witnesses[0], own_key, send, clock))
    return findings


def is_registered(path: str, own_key: int, send: Send) -> bool:
    """Whether this very path is registered with the key `own_key`; changes nothing. Raises FenceError."""
    try:
        _repeat(lambda: send(path, own_key, own_key))
    except Conflict:
        return False
    return True


def _register(path: str, witness: str, own_key: int, send: Send, clock: Callable[[], float]) -> Findings:
    asked = clock()
    if not _still_registered(witness, own_key, send) or clock() - asked > FRESH_SECONDS:
        return Findings(unknown=(Notice("witness-untold", {"path": path, "witness": witness}),))
    failure: FenceError | None = None
    try:
        send(path, 0, own_key)
    except Conflict as error:
        return Findings(refused=(_of_path("path-refused", path, error),))
    except FenceError as error:
        failure = error  # it may have been carried out nevertheless
    if _still_registered(witness, own_key, send):
        if failure:
            return Findings(unknown=(_of_path("path-untold", path, failure),))
        return Findings(registered=(path,))
    try:
        _repeat(lambda: send(path, own_key, 0))
    except Conflict:
        return Findings(withdrawn=(path,))  # removed with the others
    except FenceError as error:
        return Findings(stuck=(error.notice().about(path),))
    return Findings(withdrawn=(path,))


def _still_registered(witness: str, own_key: int, send: Send) -> bool:
    """Whether the witness says so; if it cannot answer, that is a no."""
    try:
        return is_registered(witness, own_key, send)
    except FenceError:
        return False


def _repeat(command: Callable[[], None]) -> None:
    for _ in range(_REPETITIONS):
        try:
            return command()
        except (DeviceFailure, UnitAttention) as error:
            failure = error
    raise failure


def _of_path(code: str, path: str, error: FenceError) -> Notice:
    return Notice(code, {"path": path, "answer": error.notice().pack()})


class ReturnedPaths(Worker):
    """Registers returned paths of one disk, in a thread; not again for paths and registrations where it did nothing.

    send         sends a REGISTER over a path; what hangs is announced to the first argument
    registering  held while a REGISTER is under way that must be taken back if it came late
    own_key      this node's key now
    tell         called in the thread with what came of it, and the key
    """

    def __init__(
        self,
        threads: Threads,
        send: Callable[[Watch, str, int, int], None],
        registering: LockType,
        own_key: Callable[[], int],
        tell: Callable[[Findings, int], None],
    ) -> None:
        self._send, self._registering, self._own_key, self._tell = send, registering, own_key, tell
        self._asked: tuple[list[str], int] | None = None
        super().__init__(threads, self._register)

    def ask(self, live: list[str], registrations: int, now: float) -> None:
        """These paths answer, and this node is registered so often. In the main thread."""
        if self._asked != (live, registrations) and not self.busy_since:
            self._asked = (live, registrations)
            self.wake(now)

    def _register(self) -> None:
        own_key = self._own_key()
        assert self._asked
        live, _ = self._asked
        with self._registering:
            findings = register_returned(live, own_key, lambda *command: self._send(self, *command), _boot_time)
        if findings.unknown or findings.registered:
            self._asked = None  # what was registered may be lost again before anybody has seen it
        self._tell(findings, own_key)


def _boot_time() -> float:
    """Goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
