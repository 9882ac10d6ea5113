"""What happened in a round, as it was seen from outside of the nodes. Data only; times are seconds of one clock."""

from __future__ import annotations

from dataclasses import dataclass, field

Landed = dict[str, tuple[int, ...]]  # disk → the number of the last write in each block of a node


@dataclass(frozen=True)
class Call:
    """A call of the agent that has ended.

    landed  where it was 'off': what had landed of the victim's writes as it answered; {} if it gave no answer
    """

    node: str
    action: str
    plug: str
    begun: float
    ended: float
    status: int
    said: str = ""
    landed: Landed = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it says that it did what it was asked."""
        return self.status == 0


@dataclass(frozen=True)
class Look:
    """What had landed of a node's writes, by the disks themselves."""

    at: float
    node: str
    landed: Landed


@dataclass(frozen=True)
class Stand:
    """Who was registered on each disk where something is reserved, as the targets say; where nothing is, nobody is shut
    out. able: who was alive, with a way to every disk.
    """

    at: float
    registered: dict[str, frozenset[str]]
    able: frozenset[str]


@dataclass(frozen=True)
class Answers:
    """How a node's writes ended, between two of its starts: name of an errno → how many; "ok" is none."""

    at: float
    node: str
    errors: dict[str, int]


@dataclass
class History:
    """Everything that was seen; whole: when every node could write to every disk again, None if never.

    nodes   of the round
    begun   when all nodes were in and wrote; healed: when the last fault ended
    limit   what a call may take, in seconds
    """

    nodes: tuple[str, ...]
    limit: float
    calls: list[Call] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    stands: list[Stand] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    begun: float = 0.0
    healed: float = 0.0
    whole: float | None = None
    missing: str = ""
