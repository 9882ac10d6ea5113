"""A node of the site as the agent's machine, whose work on many disks is done in turn, without threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fence_pr import parallel
from fence_pr.actions.this_node import ThisNode
from fence_pr.errors import FenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fence_pr.corosync import Cluster
    from fence_pr.errors import Notice
    from fence_pr.storage import device

    from .site import Host


class Pending(BaseException):
    """The code cannot go on without the answers to these commands, each over another channel."""

    def __init__(self, commands: tuple[tuple[Any, Any], ...]) -> None:
        super().__init__(commands)
        self.commands = commands


class Hung(BaseException):
    """The code waits for an answer that never comes."""


def in_turn(work: Callable[[Any], Any], items: Sequence[Any], patience: object = None) -> list[Any]:
    """As `parallel.on_each`, without threads: what waits for answers does not keep the others from going on."""
    results: list[Any] = []
    waiting: list[tuple[Any, Any]] = []
    stuck = False
    for item in items:
        try:
            results.append(work(item))
        except FenceError as error:
            results.append(error)
        except Pending as pending:
            waiting += pending.commands
        except Hung:
            results.append(parallel.Unanswered())
            stuck = stuck or patience is None or len(items) == 1
    if waiting:
        raise Pending(tuple(waiting))
    if stuck:
        raise Hung
    return results


def alone(work: Callable[[Any], Any], item: Any, patience: object) -> Any:  # noqa: ARG001 - as there
    """As `parallel.in_time`, likewise."""
    try:
        return work(item)
    except FenceError as error:
        return error
    except Hung:
        return parallel.Unanswered()


class Here(ThisNode):
    """A node of the site. Whoever is late here is late by order; only pauses take time."""

    on_each = staticmethod(in_turn)
    in_time = staticmethod(alone)

    def __init__(self, host: Host, cluster: Cluster) -> None:
        super().__init__()
        self._host, self._cluster, self._now = host, cluster, 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds

    def is_starting(self) -> bool:
        return False

    def cluster(self, _path: str) -> Cluster:
        return self._cluster

    def names(self) -> tuple[str, frozenset[str]]:
        return self._host.name, frozenset()

    def find(self, name: str) -> device.Device:
        return self._host.devices[name]

    def users(self, _: device.Device) -> list[Notice]:
        return []

    def reset_obstacle(self, _: str) -> None:
        pass

    def tell_multipathd(self, *_: object) -> None:
        pass


class Unwatched:
    def announce(self, disk: str, operation: str) -> None:
        pass

    def finished(self, disk: str) -> None:
        pass


def unheard(_: Notice) -> None:
    pass
