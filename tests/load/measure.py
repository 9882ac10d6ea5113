"""One row of the table: a node is fenced while all write, and what that did to everybody."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.lab.errors import CommandTimedOut, LabError
from tests.lab.inside.layout import NODES
from tests.lab.inside.load import number_in
from tests.lab.inside.transfers import BLOCK
from tests.lab.load import PATIENCE_SECONDS, REFUSED, WRITERS, Load, writing

if TYPE_CHECKING:
    from tests.lab.load import Place
    from tests.load.agents import Agent
    from tests.load.bench import Bench, SharedDisk

FENCER, VICTIM, SURVIVOR = NODES
SURVIVORS = (FENCER, SURVIVOR)
HOLDERS = {"victim": VICTIM, "other": SURVIVOR}
AT_ANSWER = ["python3", "-B", "-m", "tests.lab.inside.at_answer"]
LIMIT_SECONDS = 150.0
# All write for so long before the node is fenced, and are looked at for so long afterwards.
BEFORE_SECONDS, AFTER_SECONDS = 1.0, 1.5
# Until an initiator has given a session up and has it back.
RECOVERY_SECONDS = 90.0
STILL_SECONDS = 1.0
LONGEST_VERDICT = 80


class NotMeasured(LabError):
    """Something before the fencing did not go as it must."""


@dataclass(frozen=True)
class Case:
    """What is measured. holder: who holds the reservation (of HOLDERS); milliseconds: that a write takes."""

    agent: Agent
    target: str
    milliseconds: int
    load: bool
    holder: str
    abort: str


@dataclass(frozen=True)
class Harm:
    """What a survivor's writes met.

    errors   name of an errno → how many
    longest  seconds, None where it wrote nothing; of these the guest did not let anybody run: paused
    """

    errors: dict[str, int] = field(default_factory=dict)
    longest: float | None = None
    paused: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.errors) or (self.longest or 0.0) - self.paused >= PATIENCE_SECONDS


@dataclass(frozen=True)
class Row:
    """What was seen. landed: writes of the victim's after the answer; out: whether it can write no longer."""

    case: Case
    seconds: float
    verdict: str
    harm: dict[str, Harm]
    landed: int | None
    out: bool


def measure(bench: Bench, case: Case) -> Row:
    """Let all in, let all write, fence; raises LabError."""
    disk = bench.disk(case.target)
    for name in dict.fromkeys((HOLDERS[case.holder], *NODES)):
        _let_in(case.agent, disk.places[name])
    disk.store.hold(case.milliseconds)
    try:
        with writing(list(disk.places.values()) if case.load else [], case.milliseconds) as load:
            time.sleep(BEFORE_SECONDS)
            said = _fence(case, disk)
            return _row(case, disk, load, said)
    finally:
        disk.store.hold(0)


def _let_in(agent: Agent, place: Place) -> None:
    name = place.node.name
    done = place.node.run([agent.program()], stdin=agent.options("on", name, place.path, ""), timeout=LIMIT_SECONDS)
    if done.returncode:
        raise NotMeasured(f"'on' of {name} failed: {done.stdout}{done.stderr}")


def _fence(case: Case, disk: SharedDisk) -> dict[str, Any]:
    """What was answered, when, and what had landed of the victim then."""
    mine, victims = disk.places[FENCER], disk.places[VICTIM]
    look = [disk.store.name, str(victims.offset), str(WRITERS * BLOCK)]
    options = case.agent.options("off", VICTIM, mine.path, case.abort)
    try:
        done = mine.node.run(
            [*AT_ANSWER, *look, case.agent.program()], stdin=options, cwd="/project", timeout=LIMIT_SECONDS, check=True
        )
    except CommandTimedOut:
        return {"returncode": 1, "stdout": "", "stderr": "no answer", "seconds": LIMIT_SECONDS, "landed": [""]}
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _row(case: Case, disk: SharedDisk, load: Load, said: dict[str, Any]) -> Row:
    succeeded, landed = said["returncode"] == 0, None
    time.sleep(max(AFTER_SECONDS, 5 * case.milliseconds / 1000))
    if case.load:
        if succeeded:
            now = load.landed(VICTIM)
            landed = sum(then != number for then, number in zip(_numbers(base64.b64decode(said["landed"][0])), now))
        _wait_until_writes_come_back(load)
        harm = {name: _harm(load, name) for name in SURVIVORS}
        out = all(block.answer == REFUSED for report in load.reports(VICTIM) for block in report.blocks)
    else:
        answers = {name: disk.write(name) for name in SURVIVORS}
        harm = {name: Harm({answer: 1} if answer != "ok" else {}) for name, answer in answers.items()}
        out = disk.write(VICTIM) == REFUSED
    return Row(case, said["seconds"], _verdict(said), harm, landed, out)


def _verdict(said: dict[str, Any]) -> str:
    """Of success the first line, of a failure all; without what stands before the sentence."""
    lines = said["stdout"].splitlines()[:1] if said["returncode"] == 0 else said["stderr"].splitlines()
    sentences = [re.sub(r"^.*?\b(Success|Failed|ERROR): ", "", line).strip() for line in lines]
    return "; ".join(filter(None, sentences))[:LONGEST_VERDICT]


def _numbers(content: bytes) -> list[int]:
    return [number_in(content[start : start + BLOCK]) for start in range(0, len(content), BLOCK)]


def _wait_until_writes_come_back(load: Load) -> None:
    """So that a survivor's errors, and how long it waited for them, are all counted."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while any(
        block.since > STILL_SECONDS for name in SURVIVORS for report in load.reports(name) for block in report.blocks
    ):
        if time.monotonic() > deadline:
            break
        time.sleep(STILL_SECONDS)


def _harm(load: Load, name: str) -> Harm:
    (report,) = load.reports(name)
    return Harm(report.errors, report.longest, report.paused)
