"""Errors of the lab. Each carries its fields and says itself what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class LabError(Exception):
    """Base of all errors of the lab."""


@dataclass
class LabUnavailable(LabError):
    """The lab cannot be set up on this machine."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass
class GuestLost(LabError):
    """A guest died, or does not answer. Nothing is known about the request it was to serve."""

    name: str
    what: str
    log: Path
    tail: str

    def __str__(self) -> str:
        return f"guest {self.name}: {self.what}\n--- the end of {self.log}\n{self.tail}"


@dataclass
class RequestFailed(LabError):
    """Code of the lab inside a guest raised an exception."""

    where: str
    request: str
    kind: str
    message: str
    trace: str

    def __str__(self) -> str:
        return f"{self.where}: {self.request}: {self.kind}: {self.message}\n{self.trace}"


@dataclass
class CommandTimedOut(LabError):
    """A command in a guest ran longer than allowed. Its process group has been killed."""

    where: str
    argv: list[str]
    timeout: float
    stdout: str
    stderr: str
    gone: bool

    def __str__(self) -> str:
        end = "killed" if self.gone else "killed, but it still exists: it hangs in the kernel"
        return f"{self.where}: {self.argv} took longer than {self.timeout} s: {end}\n{self.stdout}{self.stderr}"


@dataclass
class CommandFailed(LabError):
    """A command in a guest ended with another exit status than the caller accepts."""

    where: str
    argv: list[str]
    completed: Any

    def __str__(self) -> str:
        done = self.completed
        return f"{self.where}: {self.argv} ended with {done.returncode}\n{done.stdout}{done.stderr}"
