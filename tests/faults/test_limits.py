"""Limits of the machine, with real disks: 256 LUNs, few processes (a control group's pids.max), few descriptors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.disks import SCSI, WERO, ManyDisks, State, many, option
from tests.fencing.agent import key
from tests.lab import plugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.cluster import Cluster

LUNS, SOME = 256, tuple(map(str, range(16)))
NODES = ("n1", "n2")
LIMIT_SECONDS = 60
# A thread for each disk, and another one for a question that is not waited for, each with a file of sysfs at most; and
# the two processes with theirs.
EACH_DISK, OTHERS = 2, 16
TOO_FEW_FILES = 12

# Long: in a guest that had served many other tests the iSCSI daemon was gone when these LUNs went; nobody knows why.
# At least 65 MiB of memory were left each time that was looked at. How the daemon ends is in the guest's console.log.
pytestmark = [pytest.mark.long, pytest.mark.promise(6)]


@pytest.fixture(scope="session", params=[plugin.parameter(plugin.NEWEST, group="faults-")])
def kernel(request: pytest.FixtureRequest) -> str:
    """To make so many LUNs takes the oldest kernel of the lab a minute."""
    return str(request.param)


@pytest.fixture
def disks(lab: Cluster) -> Iterator[ManyDisks]:
    """Of n1 and n2."""
    with many(lab, SCSI, LUNS, NODES) as made:
        yield made


class Limits:
    """What a process of the agent may have: as `limited.py`."""

    def __init__(self, pids: int = 0, files: int = 0, hard_files: int = 0) -> None:
        self._arguments = [str(pids), str(files), str(hard_files)]

    def run(
        self, disks: ManyDisks, node: str, action: str, plug: str, names: Sequence[str] = (), **options: str
    ) -> dict[str, Any]:
        """The agent's end, and what it took."""
        given = {"action": action, "plug": plug, "devices": option(disks, node, names), "settle_time": "0", **options}
        text = "".join(f"{name}={value}\n" for name, value in {"power_timeout": str(LIMIT_SECONDS), **given}.items())
        program = ["/project/tests/faults/limited.py", *self._arguments]
        done = disks.cluster.nodes[node].run(program, stdin=text, check=True, timeout=2 * LIMIT_SECONDS)
        said: dict[str, Any] = json.loads(done.stdout)
        return said


NO_LIMIT = Limits()
REGISTERED = {node: key(node) for node in NODES}


def test_real_disks_as_many_as_may_be_and_less_of_everything_than_needed(disks: ManyDisks) -> None:
    """In one test, because 256 LUNs take their time to come and go."""
    as_many_disks_as_can_be_shared(disks)
    few_processes(disks)
    few_descriptors(disks)


def as_many_disks_as_can_be_shared(disks: ManyDisks) -> None:
    for node in NODES:
        told("on", NO_LIMIT.run(disks, node, "on", node))
    assert disks.states() == [State(WERO, REGISTERED)] * LUNS
    for action, plug, code in (("status", "n2", 0), ("monitor", "", 0), ("off", "n2", 0), ("status", "n2", 2)):
        told(action, NO_LIMIT.run(disks, "n1", action, plug), code)
    assert disks.states() == [State(WERO, {"n1": key("n1")})] * LUNS
    assert {disks.write("n2", disk) for disk in ("0", str(LUNS - 1))} == {"EBADE"}


def told(action: str, end: dict[str, Any], code: int = 0) -> None:
    """The call has ended so, and took no more threads and descriptors than there are disks.

    How many are open is looked at every few milliseconds: they may have been more than was seen.
    """
    print(f"{action}: {end['seconds']:.1f} s, {end['tasks']} processes and threads, {end['files']} descriptors")
    assert (end["returncode"], end["stderr"]) == (code, ""), end
    assert end["tasks"] <= EACH_DISK * LUNS + OTHERS
    assert LUNS // 2 <= end["files"] <= EACH_DISK * LUNS + OTHERS


def few_processes(disks: ManyDisks) -> None:
    """Two are needed: the one that waits, and the one that works."""
    for pids in (2, 3, 9):
        assert NO_LIMIT.run(disks, "n2", "on", "n2", SOME)["returncode"] == 0
        end = Limits(pids).run(disks, "n1", "off", "n2", SOME)
        assert (end["returncode"], end["stderr"], end["tasks"] <= pids) == (0, "", True), end
        assert {disks.write("n2", disk) for disk in SOME} == {"EBADE"}
    assert NO_LIMIT.run(disks, "n2", "on", "n2", SOME)["returncode"] == 0
    end = Limits(1).run(disks, "n1", "off", "n2", SOME)
    assert (end["returncode"], "no more processes may be started" in end["stderr"]) == (1, True), end
    assert {disks.write("n2", disk) for disk in SOME} == {"ok"}


def few_descriptors(disks: ManyDisks) -> None:
    """What the process may ask for is asked for; where that is too little it is said, and nothing is changed."""
    assert NO_LIMIT.run(disks, "n2", "on", "n2", SOME)["returncode"] == 0
    before = disks.states()[: len(SOME)]
    end = Limits(files=TOO_FEW_FILES, hard_files=TOO_FEW_FILES).run(disks, "n1", "off", "n2", SOME, power_timeout="10")
    assert (end["returncode"], "this process may not have more files open" in end["stderr"]) == (1, True), end
    assert disks.states()[: len(SOME)] == before
    end = Limits(files=TOO_FEW_FILES, hard_files=LUNS).run(disks, "n1", "off", "n2", SOME)
    assert (end["returncode"], end["stderr"]) == (0, ""), end
    assert {disks.write("n2", disk) for disk in SOME} == {"EBADE"}
