"""What the cluster does and has done, as far as fencing is concerned: read from the XML that crm_mon prints. Pure."""

from __future__ import annotations

from xml.etree import ElementTree

from ...errors import FenceError
from ...record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

QUERY = ("--one-shot", "--output-as=xml", "--inactive", "--fence-history=3")
PROGRAM = "crm_mon"
# What the cluster asks for is "reboot" where the agent is asked for "off".
_TAKES_OUT = ("off", "reboot")
_PENDING = "pending"


class Event(Record):
    """A fencing that has ended. action: on or off; by: which node ran the agent; answer: why it failed, if it did."""

    action: str
    target: str
    by: str
    at: str
    succeeded: bool
    answer: str = ""


class Failure(Record):
    """A failed action of a resource."""

    resource: str
    action: str
    node: str
    answer: str = ""


class Status(Record):
    """The cluster as this node sees it.

    online    nodes that are members and ready
    unclean   nodes that are lost, and not fenced yet
    history   newest first
    history_unread  why it could not be read, "" if it could
    """

    online: tuple[str, ...] = ()
    history: tuple[Event, ...] = ()
    failures: tuple[Failure, ...] = ()
    history_unread: str = ""
    unclean: tuple[str, ...] = ()

    def last(self) -> list[Event]:
        """The newest event of each node: what came well afterwards is over."""
        found: dict[str, Event] = {}
        for event in self.history:
            found.setdefault(event.target, event)
        return list(found.values())


def parse(xml: bytes) -> Status:
    """Raises FenceError if it is no such answer."""
    try:
        tree = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise FenceError("status-unread", program=PROGRAM, answer=str(error)) from error
    if tree.find("nodes") is None:
        raise FenceError("status-unread", program=PROGRAM, answer="no list of nodes")
    code = next((it.get("status", "0") for it in tree.iterfind("fence_history")), "0")
    return Status(
        tuple(it.get("name", "") for it in tree.iterfind("nodes/node") if _is_ready(it)),
        tuple(_events(tree)),
        tuple(map(_failure, tree.iterfind("failures/failure"))),
        "" if code == "0" else f"{PROGRAM} has code {code} for it",
        tuple(it.get("name", "") for it in tree.iterfind("nodes/node") if it.get("unclean") == "true"),
    )


def _is_ready(node: Element) -> bool:
    wanted = {"online": "true", "unclean": "false", "pending": "false", "shutdown": "false"}
    return node.get("type", "member") == "member" and all(node.get(it, said) == said for it, said in wanted.items())


def _events(tree: Element) -> Iterator[Event]:
    for it in tree.iterfind("fence_history/fence_event"):
        action, state = it.get("action", ""), it.get("status", "")
        if state == _PENDING:
            continue
        yield Event(
            "off" if action in _TAKES_OUT else action,
            it.get("target", ""),
            it.get("delegate", "") or it.get("origin", ""),
            it.get("completed", ""),
            state == "success",
            it.get("exit-reason", ""),
        )


def _failure(it: Element) -> Failure:
    resource, _, _ = it.get("op_key", "").rpartition(f"_{it.get('task', '')}_")
    reason = it.get("exitreason", "")
    answer = reason if reason not in ("", "none") else it.get("exitstatus", "")
    return Failure(it.get("id", "") or resource, it.get("task", ""), it.get("node", ""), answer)
