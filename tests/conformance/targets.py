"""The targets that the table is asked of, and how: its steps go to the guest, and the answers become lines."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.conformance.cases import CASES
from tests.conformance.table import Case, Line
from tests.conformance.vocabulary import ALL_REGISTRANTS, CAME_BACK, KEYS, RESTART, key_name, type_name
from tests.fencing import maps
from tests.lab.inside.nvme import NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster import Cluster
    from tests.lab.nvme import Namespaces

    Place = tuple[str, dict[str, str]]

INSIDE = "/project/tests/conformance/inside.py"
RUN_SECONDS = 300.0
LUNS = ("a", "b", "c")
HOSTS = {"A": "n1", "B": "n2", "C": "n3"}
# One command for each path; the others go to one.
FOR_EACH_PATH = ("register", "leave", "ioctl register", "first-ioctl register")


@dataclass(frozen=True)
class Target:
    """A kind of disk. paths: host A's number of paths to it."""

    name: str
    title: str
    standard: str
    hosts: str = "ABC"
    paths: int = 1

    @property
    def kind(self) -> str:
        """What a case may be about: "lio", "multipath" or "nvmet"."""
        return self.name.partition("-")[0]

    @property
    def transport(self) -> str:
        """How NVMe hosts are connected."""
        return self.name.partition("-")[2]

    def cases(self) -> list[Case]:
        """The cases that are asked of this target."""
        return [case for case in CASES if not self._excuse(case)]

    def excuses(self) -> dict[str, str]:
        """The cases that are not, by name, and why."""
        return {case.name: reason for case in CASES if (reason := self._excuse(case))}

    def expected(self, case: Case) -> list[Line]:
        """What the standard says, here: a host with two paths registers twice."""
        return [self._for_paths(line) for line in case.expected(self.standard)]

    def _excuse(self, case: Case) -> str:
        if case.only and self.kind not in case.only:
            return f"it is about {' and '.join(case.only)}"
        if case.restarts and self.kind == "multipath":
            return "it is the same as lio's"
        missing = sorted(case.hosts - set(self.hosts))
        return f"there is no host {', '.join(missing)}" if missing else ""

    def _for_paths(self, line: Line) -> Line:
        host, _, command = line.step.partition(" ")
        if host == "A" and command.startswith(FOR_EACH_PATH) and line.generation.startswith("+"):
            return replace(line, generation=f"+{int(line.generation) * self.paths}")
        return line


LIO = Target("lio", "LIO over iSCSI", "scsi")
MULTIPATH = Target("multipath", "dm-multipath over two paths to LIO", "scsi", hosts="AB", paths=2)
NVMET_LOOP = Target("nvmet-loop", "nvmet, loop transport", "nvme")
NVMET_TCP = Target("nvmet-tcp", "nvmet over TCP", "nvme")
TARGETS = {target.name: target for target in (LIO, MULTIPATH, NVMET_LOOP, NVMET_TCP)}


@dataclass(frozen=True)
class Bench:
    """A target that runs.

    places   disks alike, as they are now: the LUN's name, and each host's device; all cases need one of them, but
             those that restart the target can share the restart
    restart  restarts all places
    """

    cluster: Cluster
    places: Callable[[], list[Place]]
    restart: Callable[[], None]


@contextmanager
def scsi(target: Target, lab: Cluster) -> Iterator[Bench]:
    """LIO, with or without a map on host A; a map takes two nodes, so that there are two hosts."""
    if target is LIO:
        places = [(lun, {host: lab.nodes[node].disk(lun) for host, node in HOSTS.items()}) for lun in LUNS]
        yield Bench(lab, lambda: places, lambda: lab.restart_target(*LUNS))
        return
    lun = LUNS[0]
    # The map tries its paths in the order in which the neutral layer does: by the kernel's names.
    first, second = sorted((maps.PATH_1, maps.PATH_2), key=lambda node: lab.nodes[node].disk(lun))
    with maps.mapped(lab, lun, (first, second)) as path:
        node = lab.n1.run(["readlink", path], check=True).stdout.strip()
        mapped = [(lun, {"A": node, "B": lab.n3.disk(lun)})]
        yield Bench(lab, lambda: mapped, lambda: None)


def nvme(target: Target, namespaces: Namespaces) -> Bench:
    """nvmet, its hosts connected by the target's transport."""

    def places() -> list[Place]:
        return [("", {host: namespaces.disk(node, number) for host, node in HOSTS.items()}) for number in NAMESPACES]

    return Bench(namespaces.cluster, places, lambda: namespaces.restart_target(target.transport))


def run(target: Target, bench: Bench) -> dict[str, list[Line]]:
    """Ask the target every case; the lines of each, by the case's name."""
    cases = target.cases()
    plain = [case for case in cases if not case.restarts]
    restarting = [case for case in cases if case.restarts]
    answers = dict(zip((case.name for case in plain), _ask(bench, [(0, True, steps(case)) for case in plain])))
    share = len(bench.places())
    for start in range(0, len(restarting), share):
        answers.update(_ask_around_restart(bench, restarting[start : start + share]))
    return {case.name: _lines(target, steps(case), answers[case.name]) for case in cases}


def steps(case: Case) -> list[str]:
    """The steps alone."""
    return [line.step for line in case.expected("scsi")]


def _ask_around_restart(bench: Bench, cases: list[Case]) -> dict[str, Any]:
    """Ask each in a place of its own. What a target says after a restart stands as the answer to it."""
    wanted = [(steps(case), steps(case).index(RESTART)) for case in cases]
    before = _ask(bench, [(place, True, each[:end]) for place, (each, end) in enumerate(wanted)])
    bench.restart()
    came_back = [(place, False, [CAME_BACK, *each[end + 1 :]]) for place, (each, end) in enumerate(wanted)]
    for first, second in zip(before, _ask(bench, came_back)):
        first["answers"] += second["answers"]
    return {case.name: said for case, said in zip(cases, before)}


def _ask(bench: Bench, cases: list[tuple[int, bool, list[str]]]) -> list[dict[str, Any]]:
    """cases: number of the place, whether nothing must be left there of other cases, steps."""
    request = {"places": bench.places(), "cases": cases}
    command = ["/usr/bin/python3", "-ISB", INSIDE]
    done = bench.cluster.guest.run(command, stdin=json.dumps(request), check=True, timeout=RUN_SECONDS)
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def _lines(target: Target, wanted: list[str], said: dict[str, Any]) -> list[Line]:
    lines, generation = [], said["generation"]
    assert len(said["answers"]) == len(wanted)
    for step, answer in zip(wanted, said["answers"]):
        if "access" in answer:
            lines.append(Line(step, ", ".join(f"{host} {_access(over)}" for host, over in answer["access"].items())))
            continue
        state = answer["state"]
        now = state["generation"]
        counted = f"={now}" if step == RESTART else f"+{now - generation}"
        generation = now
        keys, reservation = _keys(target, state["keys"]), _reservation(state)
        if answer["target"] != state:
            keys += f" (but the target says {answer['target']})"
        lines.append(Line(step, answer["outcome"], keys, reservation, counted))
    return lines


def _keys(target: Target, keys: list[int]) -> str:
    """Names of registered keys, in order; a host whose key stands there once for each of its paths once."""
    names = []
    for key in sorted(set(keys), key=lambda key: list(KEYS.values()).index(key) if key in KEYS.values() else key):
        paths = target.paths if key_name(key)[0] == "A" else 1
        count = keys.count(key)
        whole, rest = divmod(count, paths)
        names += [key_name(key)] * whole + [f"{key_name(key)}({rest} of {paths})"] * bool(rest)
    return " ".join(names) or "-"


def _reservation(state: dict[str, Any]) -> str:
    if not state["type"]:
        return "none"
    name = type_name(state["type"])
    return f"{name} {'all' if name in ALL_REGISTRANTS else key_name(state['holder'])}"


def _access(over: list[list[str]]) -> str:
    """What write and read gave over each path, in short: "rw", "r", "w", "-"; another errno than EBADE by its name."""
    words = []
    for write, read in over:
        others = [each for each in (write, read) if each not in ("ok", "EBADE")]
        words.append("r" * (read == "ok") + "w" * (write == "ok") + "/".join(others) or "-")
    return words[0] if len(set(words)) == 1 else " and ".join(words)
