"""A node that is fenced while its own 'on' is under way stays out; nodes that join at the same moment all get in."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests import seed
from tests.faults.forms import newest
from tests.fencing import maps
from tests.fencing.agent import LIMIT_SECONDS, LUNS, WERO, disks, fail, key, succeed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.lab.cluster import Cluster, Node
    from tests.lab.guest import Running

N1, N2, N3 = map(key, ("n1", "n2", "n3"))
PATH_FAILED, ERROR = 0x10000, 2
PROGRAM = "/project/tests/fencing/overtaken.py"
JOINS = 50


def start(node: Node, devices: str, fates: Iterable[str], fencer: Node | None = None, **options: str) -> Running:
    """'on', whose REGISTERs meet these fates (`overtaken`)."""
    by = [fencer.disk("a"), str(N3), str(key(node.name)), str(WERO)] if fencer else []
    given = {"action": "on", "port": node.name, "nodename": node.name, "devices": devices, **options}
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    command = ["python3", PROGRAM, " ".join(fates), *by]
    return node.start(command, stdin=text, timeout=LIMIT_SECONDS, cwd="/")


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize("answer", [PATH_FAILED, ERROR])
@pytest.mark.parametrize("retry_on", ["1", "3"])
def test_a_node_whose_register_was_not_answered_and_that_was_fenced_meanwhile_stays_out(
    lab: Cluster, answer: int, retry_on: str
) -> None:
    succeed(lab.n3, "on", "n3", luns="a")
    overtaken = start(lab.n1, lab.n1.by_id("a"), [f"1,{answer},1"], lab.n3, retry_on=retry_on)
    done = overtaken.wait()
    assert done.returncode == 1
    assert "may have been registered a moment ago" in done.stderr
    assert lab.reservation("a").keys == {"n3": N3}
    lab.n1.drain("a")
    assert lab.n1.write("a") == "EBADE"
    succeed(lab.n1, "on", "n1", luns="a")
    assert lab.n1.write("a") == "ok"


@pytest.mark.promise(2, 13)
def test_a_node_whose_second_path_was_slow_and_that_was_fenced_meanwhile_stays_out(lab: Cluster) -> None:
    """It is in for a moment: what was sent cannot be recalled. But it takes itself out again."""
    succeed(lab.n3, "on", "n3", luns="a")
    with maps.mapped(lab, "a") as name:
        done = start(lab.n1, name, ["1,0,1"], lab.n3, retry_on="2").wait()
        assert done.returncode == 1
        assert lab.reservation("a").keys == {"n3": N3}
        succeed(lab.n1, "on", "n1", devices=name)
        assert lab.reservation("a").keys == {"n1": N1, "n2": N1, "n3": N3}


OPENED = "import os, sys, time; os.open(sys.argv[1], int(sys.argv[2])); print('opened', flush=True); time.sleep(60)"
HELD = "until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q ' {}$'; do sleep 0.1; done"


@contextmanager
def opened(node: Node, flags: int) -> Iterator[None]:
    """While it lasts, a program of the node has LUN a open."""
    disk = node.disk("a")
    program = node.start(["python3", "-c", OPENED, disk, str(flags)], timeout=LIMIT_SECONDS)
    node.run(["sh", "-c", HELD.format(disk)], check=True)
    try:
        yield
    finally:
        program.signal(signal.SIGKILL)
        program.wait()


@pytest.mark.promise(13)
@newest
@pytest.mark.parametrize(
    ("flags", "said"),
    [(os.O_RDWR, "has it open for writing"), (os.O_RDONLY | os.O_EXCL, "is mounted, or part of something else")],
    ids=["open for writing", "claimed, as by a mount"],
)
def test_a_node_that_was_fenced_comes_back_without_a_reboot_only_if_nothing_can_write(
    lab: Cluster, flags: int, said: str
) -> None:
    for node in (lab.n3, lab.n1):
        succeed(node, "on", node.name, luns="a")
    with opened(lab.n1, flags):
        succeed(lab.n1, "on", "n1", luns="a")  # it was not fenced
        succeed(lab.n3, "off", "n1", luns="a")
        (line,) = fail(lab.n1, "on", "n1", luns="a")
        assert said in line
        assert "; reboot this node" in line
        assert lab.reservation("a").keys == {"n3": N3}
    with opened(lab.n1, os.O_RDONLY):
        succeed(lab.n1, "on", "n1", luns="a")
    assert lab.n1.write("a") == "ok"
    with opened(lab.n1, flags):
        lab.guest.call("clear")  # as a target that has lost everything
        succeed(lab.n1, "on", "n1", luns="a")


@pytest.mark.promise(7, 13)
@newest
@pytest.mark.parametrize("rounds", [4, pytest.param(JOINS, marks=pytest.mark.long)])
def test_three_nodes_that_join_at_the_same_moment_all_get_in(lab: Cluster, rounds: int) -> None:
    """The storage comes up with them: any of their commands to register is lost, and answered as if it was not."""
    chance = seed.chance("three nodes that join")
    for _ in range(rounds):
        joining = [
            start(node, disks(node, LUNS), [f"0,{chance.choice((PATH_FAILED, ERROR))},0"] * chance.randrange(4))
            for node in lab.nodes.values()
        ]
        assert [done.stderr for done in (it.wait() for it in joining)] == [""] * 3
        assert [lab.reservation(lun).keys for lun in LUNS] == [{"n1": N1, "n2": N2, "n3": N3}] * 3
        lab.guest.call("clear")
