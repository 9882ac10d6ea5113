"""dm-multipath: one node reaches a disk over two paths, another over one.

The node is n1; the second path of its map is n2's connection, which is another I_T nexus of the same target. The
other node is n3. There is no multipathd here: a path that fails stays failed for the map, but not for the agent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import fail, key, run, succeed
from tests.fencing.maps import NAME, PATH_1, PATH_2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster, Node

N1, N3 = key("n1"), key("n3")
WERO = 3


@pytest.fixture(name="mapped")
def mapped_lun_a(lab: Cluster) -> Iterator[str]:
    """n1's map over both paths to LUN a."""
    with maps.mapped(lab, "a") as path:
        yield path


def unfence(lab: Cluster, mapped: str) -> None:
    succeed(lab.n1, "on", "n1", devices=mapped)
    succeed(lab.n3, "on", "n3", luns="a")


def write(node: Node, path: str) -> str:
    """A direct write by a program of the node: "ok", or what dd says."""
    done = node.run(["dd", "if=/dev/zero", f"of={path}", "bs=4096", "count=1", "oflag=direct"])
    return "ok" if done.returncode == 0 else done.stderr.splitlines()[0]


@pytest.mark.promise(1)
def test_every_path_is_registered_and_shut_out(lab: Cluster, mapped: str) -> None:
    unfence(lab, mapped)
    state = lab.reservation("a")
    assert state.keys == {PATH_1: N1, PATH_2: N1, "n3": N3}
    assert (state.type, write(lab.n1, mapped), lab.n3.write("a")) == (WERO, "ok", "ok")
    assert run(lab.n3, "status", "n1", luns="a").stdout == "Status: ON\n"
    assert succeed(lab.n3, "off", "n1", luns="a").stdout.startswith("Success: Powered OFF\n")
    assert lab.reservation("a").keys == {"n3": N3}
    assert "Invalid exchange" in write(lab.n1, mapped)
    assert run(lab.n1, "status", "n1", devices=mapped).returncode == 2
    lines = fail(lab.n1, "off", "n3", devices=mapped)
    assert f"this node's key 0x{N1:x} is not registered" in lines[0]
    unfence(lab, mapped)
    assert write(lab.n1, mapped) == "ok"


@pytest.mark.promise(1)
def test_fencing_through_a_map(lab: Cluster, mapped: str) -> None:
    unfence(lab, mapped)
    assert succeed(lab.n1, "off", "n3", devices=mapped).stdout.startswith("Success: Powered OFF\n")
    assert lab.reservation("a").keys == {PATH_1: N1, PATH_2: N1}
    assert lab.n3.write("a") == "EBADE"
    assert succeed(lab.n1, "off", "n3", devices=mapped).stdout == "Success: Already OFF\n"
    assert succeed(lab.n1, "monitor", devices=mapped).stdout == ""
    assert succeed(lab.n1, "list-status", devices=mapped).stdout == "n1,,ON\nn2,,OFF\nn3,,OFF\n"


@pytest.mark.promise(4)
def test_a_preempt_goes_to_a_path_never_to_the_map(lab: Cluster, mapped: str) -> None:
    unfence(lab, mapped)
    node = lab.n1.run(["readlink", mapped], check=True).stdout.strip()
    trace = ["strace", "-f", "-e", "trace=openat,ioctl", "-o", "/run/trace"]
    call = f"action=off\nplug=n3\ndevices={mapped}\n"
    lab.n1.run([*trace, "/project/fence_pr_ioctl"], stdin=call, check=True, timeout=60)
    trace_text = lab.n1.run(["cat", "/run/trace"], check=True).stdout
    assert f'"{node}"' not in trace_text
    assert len(re.findall(r"IOC_PR_PREEMPT\b|0x70, 0xcb", trace_text)) == 1
    assert any(f'"{lab.nodes[path].disk("a")}"' in trace_text for path in (PATH_1, PATH_2))


@pytest.mark.parametrize("name", ["map", "dm", "wwid", "by-id"])
def test_every_name_of_a_map_leads_to_it(lab: Cluster, mapped: str, name: str) -> None:
    node = lab.n1.run(["readlink", mapped], check=True).stdout.strip()
    lab.n1.run(["ln", "-sf", node, f"/dev/disk/by-id/dm-uuid-mpath-3{lab.lun('a').naa}"], check=True)
    names = {
        "map": NAME,
        "dm": node,
        "wwid": f"dm-uuid-mpath-3{lab.lun('a').naa}",
        "by-id": f"/dev/disk/by-id/dm-uuid-mpath-3{lab.lun('a').naa}",
    }
    succeed(lab.n1, "on", "n1", devices=names[name])
    assert lab.reservation("a").keys == {PATH_1: N1, PATH_2: N1}


@pytest.mark.promise(5)
def test_one_path_of_a_map_is_refused_and_the_map_named(lab: Cluster, mapped: str) -> None:
    (line,) = fail(lab.n1, "on", "n1", devices=lab.n1.disk("a"))
    assert f"is only one path of the multipath map {NAME}; name {mapped}" in line


@pytest.mark.parametrize(("state", "words"), [(0x3, "is unavailable"), (0xF, "is changing its state")])
def test_while_one_port_of_the_storage_is_no_way_to_the_disk_fencing_goes_through_another(
    lab: Cluster, mapped: str, state: int, words: str
) -> None:
    """As where one controller of a storage array is restarted."""
    unfence(lab, mapped)
    with lab.nodes[PATH_2].port_state("a", state):
        said = succeed(lab.n1, "off", "n3", devices=mapped).stdout
        assert f"path {lab.nodes[PATH_2].disk('a')} does not answer" in said
        assert f"the target port {words} (ALUA)" in said
        assert lab.reservation("a").keys == {PATH_1: N1, PATH_2: N1}
    assert succeed(lab.n1, "monitor", devices=mapped).stdout == ""


def test_a_path_that_is_taken_away_from_under_the_map_does_not_keep_the_others_from_fencing(
    lab: Cluster, mapped: str
) -> None:
    """As after an iSCSI logout or Fibre Channel's dev_loss_tmo, until multipathd makes the map anew."""
    unfence(lab, mapped)
    gone = lab.nodes[PATH_2].disk("a")
    lab.nodes[PATH_2].drop("a")
    said = succeed(lab.n1, "off", "n3", devices=mapped).stdout
    assert said.startswith("Success: Powered OFF\n")
    assert f"path {gone} does not answer: open: the device is gone" in said
    assert succeed(lab.n1, "on", "n1", devices=mapped).stdout.startswith("Success: Powered ON\n")
    assert lab.reservation("a").keys == {PATH_1: N1, PATH_2: N1}


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("dead", [PATH_1, PATH_2])
def test_a_path_that_is_dead_before_on_is_tolerated_and_named(lab: Cluster, mapped: str, dead: str) -> None:
    disk = lab.nodes[dead].disk("a")
    lab.nodes[dead].set_state("a", "offline")
    text = succeed(lab.n1, "on", "n1", devices=mapped).stdout
    assert text.startswith("Success: Powered ON\n")
    assert f"path {disk} does not answer" in text
    live = PATH_2 if dead == PATH_1 else PATH_1
    assert lab.reservation("a").keys == {live: N1}


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("dead", [PATH_1, PATH_2])
def test_a_path_that_dies_between_on_and_off(lab: Cluster, mapped: str, dead: str) -> None:
    unfence(lab, mapped)
    disk = lab.nodes[dead].disk("a")
    lab.nodes[dead].set_state("a", "offline")
    text = succeed(lab.n1, "off", "n3", devices=mapped).stdout
    assert text.startswith("Success: Powered OFF\n")
    assert f"path {disk} does not answer" in text
    assert lab.n3.write("a") == "EBADE"


@pytest.mark.promise(6)
def test_a_path_that_hangs_does_not_hold_up_the_others(lab: Cluster, mapped: str) -> None:
    unfence(lab, mapped)
    lab.nodes[PATH_1].hang("a")
    done = run(lab.n1, "off", "n3", devices=mapped, power_timeout="8")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Success: Powered OFF")
    assert done.seconds < 11
    assert lab.n3.write("a") == "EBADE"


def test_a_path_that_returns_is_noticed_and_registered_by_on(lab: Cluster, mapped: str) -> None:
    lab.nodes[PATH_2].set_state("a", "offline")
    succeed(lab.n1, "on", "n1", devices=mapped)
    lab.nodes[PATH_2].set_state("a", "running")
    assert lab.reservation("a").keys == {PATH_1: N1}
    for action in ("monitor", "status"):
        assert run(lab.n1, action, "n1", devices=mapped).returncode == 0
        noted = [line for line in lab.n1.syslog() if "2 paths answer, but this node is registered 1 times" in line]
        assert noted
    succeed(lab.n1, "on", "n1", devices=mapped)
    assert lab.reservation("a").keys == {PATH_1: N1, PATH_2: N1}


@pytest.mark.promise(1, 5, 6)
def test_without_any_path_off_fails_in_time(lab: Cluster, mapped: str) -> None:
    unfence(lab, mapped)
    before = lab.reservation("a")
    for path in (PATH_1, PATH_2):
        lab.nodes[path].set_state("a", "offline")
    done = run(lab.n1, "off", "n3", devices=mapped)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the device is gone" in done.stderr
    assert done.seconds < 20
    assert lab.reservation("a") == before


@pytest.mark.promise(1)
def test_the_last_path_dies_during_off(lab: Cluster, mapped: str) -> None:
    """The connections break just before: the commands are on their way when the paths fail."""
    unfence(lab, mapped)
    for path in (PATH_1, PATH_2):
        lab.nodes[path].cut("a")
    done = run(lab.n1, "off", "n3", devices=mapped, power_timeout="6")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.seconds < 10
    assert lab.reservation("a").keys.get("n3") == N3
