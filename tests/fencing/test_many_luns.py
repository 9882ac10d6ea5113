"""Many real LUNs at once, and a machine with little of what that takes: fenced, or said in plain words why not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests import told
from tests.fencing.agent import AGENT
from tests.lab import kernels, plugin, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.many import MEMORY_MIB, ManyLuns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.guest import Completed

COUNT, FEW = 256, 16
LIMIT, LATE_SECONDS = 20, 10
REPORT = "/run/used"
LIMITED = ("python3", "-B", "-m", "tests.lab.inside.limited")

pytestmark = pytest.mark.promise(6)


@pytest.fixture(scope="module", params=[plugin.parameter(plugin.NEWEST, group="many-")])
def many(request: pytest.FixtureRequest) -> Iterator[ManyLuns]:
    def boot() -> Guest:
        guest = Guest(kernels.source(str(request.param)).kernel(), root.folder(), memory_mib=MEMORY_MIB)
        guest.boot()
        return guest

    guest = plugin.or_not_covered(boot)
    try:
        yield ManyLuns(Cluster(guest), COUNT)
    finally:
        guest.stop()


def call(
    many: ManyLuns, node: str, action: str, plug: str, count: int, by: Sequence[str] = (), **options: str
) -> Completed:
    """The agent on the first LUNs; by: a command that runs it."""
    devices = ",".join(many.names(count))
    given = {"action": action, "nodename": plug, "devices": devices, "settle_time": "0", "power_timeout": str(LIMIT)}
    text = "".join(f"{name}={value}\n" for name, value in {**given, **options}.items())
    return many.cluster.nodes[node].start([*by, AGENT], stdin=text, timeout=120, cwd="/project").wait()


def join(many: ManyLuns, count: int) -> None:
    many.reset()
    for node in ("n1", "n2"):
        assert call(many, node, "on", node, count, power_timeout="60").returncode == 0


def fenced_or_said(many: ManyLuns, done: Completed) -> bool:
    """Whether n2 is fenced on the few, which the agent says rightly, and says so in time, or what is missing."""
    assert done.seconds < LIMIT + LATE_SECONDS, done
    registered = many.registered()[:FEW]
    if done.returncode == 0:
        assert registered == [{"n1"}] * FEW
        assert many.write("n2", range(FEW)) == ["EBADE"] * FEW
        return True
    assert done.returncode == 1, done
    for line in done.stderr.splitlines():
        told.code_of_failure(line)
    return False


@pytest.mark.parametrize("most", [1, 2, 3, 5, 9, 17, 18])
def test_with_few_processes_it_fences_all_the_same(many: ManyLuns, most: int) -> None:
    """The agent is one, the child is another, and each of its threads, too."""
    join(many, FEW)
    done = call(many, "n1", "off", "n2", FEW, (*LIMITED, str(most), REPORT))
    assert fenced_or_said(many, done) == (most > 1), done
    if most == 1:
        assert "cannot start the process that works on the disks: no more processes may be started" in done.stderr
        assert many.registered()[:FEW] == [{"n1", "n2"}] * FEW


@pytest.mark.parametrize("most", range(4, 28, 3))
def test_with_few_files_it_fences_or_says_so(many: ManyLuns, most: int) -> None:
    """Soft limit and hard limit: it cannot ask for more."""
    join(many, FEW)
    done = call(many, "n1", "off", "n2", FEW, ("prlimit", f"--nofile={most}:{most}"))
    if not fenced_or_said(many, done):
        assert re.search("files open|open files", done.stderr), done
        assert "nothing was changed on any disk" in done.stderr or "cannot start the process" in done.stderr, done
    assert many.registered()[:FEW] in ([{"n1"}] * FEW, [{"n1", "n2"}] * FEW)


@pytest.mark.parametrize("mib", range(12, 44, 4))
def test_with_little_memory_it_fences_or_does_not_say_so(many: ManyLuns, mib: int) -> None:
    """Where there is not even room for the interpreter, that says so itself."""
    join(many, FEW)
    done = call(many, "n1", "off", "n2", FEW, ("prlimit", f"--as={mib << 20}"))
    assert done.seconds < LIMIT + LATE_SECONDS, done
    assert (done.returncode == 0) == (many.registered()[:FEW] == [{"n1"}] * FEW), done
    assert done.returncode == 0 or done.stderr, done


@pytest.mark.slow
def test_256_luns(many: ManyLuns) -> None:
    many.reset()
    used = {}
    for node in ("n1", "n2"):
        done = call(many, node, "on", node, COUNT, (*LIMITED, "0", REPORT), power_timeout="60")
        assert done.returncode == 0, done
        used["on"] = (done.seconds, report(many, node))
    for action, plug, said in (("status", "n2", "ON"), ("off", "n2", "Powered OFF"), ("status", "n2", "OFF")):
        done = call(many, "n1", action, plug, COUNT, (*LIMITED, "0", REPORT), power_timeout="60")
        used[f"{action} {said}"] = (done.seconds, report(many, "n1"))
        assert said in done.stdout, done
    assert many.registered() == [{"n1"}] * COUNT
    assert many.write("n2", range(0, COUNT, 16)) == ["EBADE"] * (COUNT // 16)
    print(used)
    assert all(seconds < 60 for seconds, _ in used.values())
    assert all(it["tasks"] <= 2 + COUNT for _, it in used.values()), used
    assert all(it["files"] <= COUNT + 16 for _, it in used.values()), used


def report(many: ManyLuns, node: str) -> dict[str, int]:
    """What the last call used."""
    used: dict[str, int] = json.loads(many.cluster.nodes[node].run(["cat", REPORT], check=True).stdout)
    return used
