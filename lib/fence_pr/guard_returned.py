"""Register a path that returned, only while another path of this node is registered (returned_paths=register).

Nothing in SPC-4 makes a registration conditional on another I_T nexus: REGISTER with reservation key 0 registers a new
nexus whatever happened to the others, SPEC_I_PT is for nexuses that are not registered themselves, and only the one
holder may REGISTER AND MOVE. So whoever looks first and registers then can be overtaken: by a fencing between the two.
A node that stood still (a paused virtual machine, a starved one) is just the node that is fenced, and when it goes on
it goes on in that gap. What is done here:

* a witness, a path that is registered, is asked right before and right after. Asked by REGISTER(own key → own key):
  that changes nothing, and a path without a registration gets a conflict; it can never register.
* one path at a time, sent once and never repeated: a unit attention may say that this node was just fenced.
* if the witness is not registered afterwards, or does not answer, the new path is unregistered at once.

What remains possible: between a late REGISTER and its withdrawal, which is one command each (milliseconds), this node
is registered although another node has proved it fenced, and writes over that path land. Longer if this process is
killed or stands still just there, if that path takes the REGISTER and then neither the withdrawal nor anything else,
or if the transport delivers a REGISTER that it has reported as failed. A withdrawal that fails reboots.
"""

from __future__ import annotations

from .errors import Conflict, DeviceFailure, FenceError, UnitAttention
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # Sends REGISTER(path, reservation key, new key), 0 for none; raises ReservationError, Abandoned.
    Send = Callable[[str, int, int], None]

# How old the witness's word may be when the registration is sent: a process that was not scheduled asks again.
FRESH_SECONDS = 0.1
_REPETITIONS = 4  # see reservation.py; only of commands that cannot register


class Outcome(Record):
    """What came of it.

    registered  paths that were registered, and whose witness was registered afterwards
    refused     path → why the target did not register it; asking again would not help
    withdrawn   paths that were unregistered again: this node was fenced meanwhile, or nobody could tell
    stuck       path → why it could not be unregistered: it may be registered although this node was fenced
    witnesses   paths that were registered before
    unknown     path → why nobody can tell; to be asked again
    """

    registered: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    withdrawn: tuple[str, ...] = ()
    stuck: tuple[tuple[str, str], ...] = ()
    witnesses: tuple[str, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


def register_returned(paths: list[str], own: int, send: Send, clock: Callable[[], float]) -> Outcome:
    """Register those of `paths` that are not registered, if at least one is. clock: seconds, for FRESH_SECONDS."""
    witnesses: list[str] = []
    missing: list[str] = []
    unknown: list[tuple[str, str]] = []
    for path in paths:
        try:
            (witnesses if is_registered(path, own, send) else missing).append(path)
        except FenceError as error:
            unknown.append((path, str(error)))
    outcome = Outcome(witnesses=tuple(witnesses), unknown=tuple(unknown))
    for path in missing if witnesses else []:
        outcome = _register(outcome, path, own, send, clock)
    return outcome


def is_registered(path: str, own: int, send: Send) -> bool:
    """Whether this very path is registered with the key `own`; changes nothing. Raises FenceError."""
    try:
        _repeat(lambda: send(path, own, own))
    except Conflict:
        return False
    return True


def _register(outcome: Outcome, path: str, own: int, send: Send, clock: Callable[[], float]) -> Outcome:
    witness = outcome.witnesses[0]
    asked = clock()
    if not _still_registered(witness, own, send) or clock() - asked > FRESH_SECONDS:
        return _with(outcome, unknown=(path, f"{witness} could not be asked in time, or is not registered any more"))
    failure = ""
    try:
        send(path, 0, own)
    except Conflict as error:
        return _with(outcome, refused=(path, f"{error}; it is registered with another key, or as another path"))
    except FenceError as error:
        failure = str(error)  # it may have been carried out nevertheless
    if _still_registered(witness, own, send):
        return _with(outcome, unknown=(path, failure)) if failure else _with(outcome, registered=path)
    try:
        _repeat(lambda: send(path, own, 0))
    except Conflict:
        return _with(outcome, withdrawn=path)  # removed with the others
    except FenceError as error:
        return _with(outcome, stuck=(path, str(error)))
    return _with(outcome, withdrawn=path)


def _still_registered(witness: str, own: int, send: Send) -> bool:
    """Whether the witness says so; if it cannot answer, that is a no."""
    try:
        return is_registered(witness, own, send)
    except FenceError:
        return False


def _repeat(command: Callable[[], None]) -> None:
    for _ in range(_REPETITIONS):
        try:
            return command()
        except (DeviceFailure, UnitAttention) as error:
            failure = error
    raise failure


def _with(outcome: Outcome, **more: object) -> Outcome:
    """The outcome with one more entry in a field."""
    fields = dict(vars(outcome))
    for name, entry in more.items():
        fields[name] = (*fields[name], entry)
    return Outcome(**fields)
