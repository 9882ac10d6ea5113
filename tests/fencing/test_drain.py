"""drain=reset on LIO: what the target had accepted of the victim is over when 'off' answers. And its price.

The target holds each write for some seconds. Without a reset, and LIO is never asked to abort, the victim's lands later
(`test_abort`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.silence import FROZEN, silence
from tests.fencing import maps
from tests.fencing.agent import key, run, start, succeed
from tests.fencing.loaded import is_out, load_on
from tests.fencing.test_abort import LIO_DISK, LIO_LUN, held_write
from tests.lab import kernels, plugin, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.nvme import Namespaces

LIMIT_SECONDS, BUSY_SECONDS = 8, 4
LONGEST_SECONDS = 90
DIRECT = ("oflag=direct",)

pytestmark = [pytest.mark.slow, pytest.mark.promise(4)]
of_namespaces = pytest.mark.parametrize("namespaces", ["loop"], indirect=True)


@of_namespaces
@pytest.mark.parametrize("holder", ["n1", "n2"])
def test_what_was_accepted_is_over(namespaces: Namespaces, holder: str) -> None:
    """Whoever holds, and the survivors' writes that the reset ended were repeated by their kernels: none failed."""
    lab = namespaces.cluster
    for node in (lab.nodes[holder], lab.n1, lab.n2, lab.n3):
        succeed(node, "on", node.name, luns=LIO_LUN)
    with held_write(lab, lab.n2, lab.n2.disk(LIO_LUN), LIO_DISK) as held:
        others = [lab.nodes[name] for name in ("n1", "n3")]
        writes = [
            node.start(["dd", "if=/dev/zero", f"of={node.disk(LIO_LUN)}", "bs=4096", f"seek={at}", "count=1", *DIRECT])
            for at, node in enumerate(others, 1)
        ]
        done = succeed(lab.n1, "off", "n2", luns=LIO_LUN, drain="reset", settle_time="9")
        assert (done.stdout, done.seconds < LIMIT_SECONDS) == ("Success: Powered OFF\n", True), done
        assert [write.wait().returncode for write in writes] == [0, 0]
        assert not held.landed_later()
    assert lab.n2.write(LIO_LUN) == "EBADE"
    assert lab.reservation(LIO_LUN).keys == {"n1": key("n1"), "n3": key("n3")}


@of_namespaces
def test_a_map_is_reset_over_one_path(namespaces: Namespaces) -> None:
    lab = namespaces.cluster
    with maps.mapped(lab, LIO_LUN) as path:
        succeed(lab.n3, "on", "n3", luns=LIO_LUN)
        succeed(lab.n1, "on", "n1", devices=path)
        with held_write(lab, lab.n3, lab.n3.disk(LIO_LUN), LIO_DISK) as held:
            done = run(lab.n1, "off", "n3", devices=path, drain="reset", settle_time="9", verbose="1")
            assert (done.returncode, done.stdout) == (0, "Success: Powered OFF\n"), done
            assert done.stderr.count("logical unit reset over") == 1
            assert not held.landed_later()
        assert lab.n3.write(LIO_LUN) == "EBADE"


@of_namespaces
def test_two_victims_at_once_while_all_write(namespaces: Namespaces) -> None:
    """Two resets of one disk by one node, at the same moment: both end well, and no write of the survivor is lost."""
    lab = namespaces.cluster
    for node in (lab.n2, lab.n1, lab.n3):
        succeed(node, "on", node.name, luns=LIO_LUN)
    with load_on(namespaces, 2, LIO_LUN) as load:
        calls = [start(lab.n1, "off", victim, luns=LIO_LUN, drain="reset") for victim in ("n2", "n3")]
        for done in [call.wait() for call in calls]:
            assert (done.returncode, done.stderr) == (0, ""), done
            assert done.stdout == "Success: Powered OFF\n"
        for victim in ("n2", "n3"):
            is_out(load, victim)
        load.unharmed("n1")


@pytest.fixture(params=[plugin.parameter(plugin.NEWEST, pytest.mark.long, group="hangs-")])
def own(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that nobody uses afterwards."""
    source = plugin.or_not_covered(lambda: kernels.source(str(request.param)).kernel())
    with Guest(source, root.folder()) as guest:
        yield Cluster(guest)


@pytest.mark.promise(6)
def test_the_price_where_the_victim_is_dead_and_has_a_write_under_way(own: Cluster) -> None:
    """LIO waits for it, and this node for the reset, with all that it has on the disk; the node is fenced all the same.

    The call ends in time. A later one finds the victim out, once the session is there again; nobody's write is lost.
    """
    for node in (own.n2, own.n1, own.n3):
        succeed(node, "on", node.name, luns=LIO_LUN)
    with silence(own) as silent, held_write(own, own.n2, own.n2.disk(LIO_LUN), LIO_DISK):
        silent.begin(FROZEN, "n2", LIO_LUN)
        done = run(own.n1, "off", "n2", luns=LIO_LUN, drain="reset", power_timeout=str(LIMIT_SECONDS))
        assert done.seconds < LIMIT_SECONDS + BUSY_SECONDS
        assert own.reservation(LIO_LUN).keys == {"n1": key("n1"), "n3": key("n3")}
        begun = time.monotonic()
        while (again := run(own.n1, "off", "n2", luns=LIO_LUN, drain="reset")).returncode:
            assert time.monotonic() - begun < LONGEST_SECONDS, again
        print(f"{done}; found out after {time.monotonic() - begun:.0f} s more")
        assert again.stdout == "Success: Already OFF\n"
        assert (own.n1.write(LIO_LUN, offset=8192), own.n3.write(LIO_LUN, offset=16384)) == ("ok", "ok")
        silent.end()
