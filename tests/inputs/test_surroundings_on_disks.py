"""Hostile surroundings around the work on a real disk: fencing is right all the same, or says what is wrong.

None of this depends on the kernel, so one is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import AGENT, fail, key, succeed
from tests.inputs import traps
from tests.inputs.inside import SURROUNDINGS
from tests.inputs.surroundings import NO_RUN
from tests.lab import plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster, Node
    from tests.lab.guest import Completed

LUN = "a"
STATE = "/run/fence_pr_ioctl"
INSIDE = "/project/tests/inputs/inside.py"


@pytest.fixture(scope="session", params=[plugin.parameter(plugin.NEWEST)])
def kernel(request: pytest.FixtureRequest) -> str:
    """The newest of the lab, by name."""
    return str(request.param)


@pytest.fixture
def cluster(lab: Cluster) -> Cluster:
    """n1 and n2 are unfenced."""
    for node in (lab.n1, lab.n2):
        act(node, "on", node.name)
    return lab


def act(node: Node, action: str, plug: str) -> str:
    """What the agent says when it succeeds."""
    return succeed(node, action, plug, LUN).stdout


def refuse(node: Node, action: str, plug: str = "") -> str:
    """The one line that the agent says when it fails."""
    (line,) = fail(node, action, plug, LUN)
    return line


def sh(node: Node, script: str) -> str:
    """What a shell script on the node says."""
    return node.run(["sh", "-ec", script], check=True).stdout


def keys(lab: Cluster) -> set[str]:
    """The nodes that are registered."""
    return set(lab.reservation(LUN).keys)


def call(node: Node, action: str, plug: str) -> str:
    """Parameters for standard input."""
    return f"action={action}\nplug={plug}\ndevices={node.by_id(LUN)}\n"


def verdict(done: Completed) -> str:
    """The first line; warnings may follow."""
    return "".join(done.stdout.splitlines(keepends=True)[:1])


def remembered(lab: Cluster) -> str:
    """The file in which a node remembers its key."""
    return f"{STATE}/{lab.lun(LUN).wwid}"


@pytest.mark.promise(1, 2)
def test_with_the_memory_of_another_node_nothing_is_fenced(cluster: Cluster) -> None:
    """n1 was fenced, and has the file of n2, whose key is registered: n1 must not take itself for n2."""
    assert act(cluster.n2, "off", "n1").startswith("Success: Powered OFF\n")
    before = cluster.reservation(LUN)
    path = remembered(cluster)
    sh(cluster.n1, f"printf '{sh(cluster.n2, f'cat {path}')}' > {path}")
    for action, plug in (("off", "n3"), ("off", "n2"), ("monitor", "")):
        line = refuse(cluster.n1, action, plug)
        assert f"the state file in {STATE} is of node n2, and this is n1; run 'on' here again" in line
    assert cluster.reservation(LUN) == before
    act(cluster.n1, "on", "n1")
    assert act(cluster.n1, "off", "n3") == "Success: Already OFF\n"
    assert act(cluster.n1, "off", "n2").startswith("Success: Powered OFF\n")


IN_PLACE = {
    "cp $file /run/precious; ln -sf /run/precious $file": "symbolic links",
    "ln -sf /dev/zero $file": "symbolic links",
    "ln -sf $(ls -d /dev/disk/by-id/* | head -n 1) $file": "symbolic links",
    "rm $file; mkfifo $file": "is damaged; run 'on' here again",
    "rm $file; cp -a /dev/zero $file": "File too large",
    "head -c 2000000 /dev/zero > $file": "File too large",
    "head -c 12 $file > /run/half; cp /run/half $file": "is damaged; run 'on' here again",
    ": > $file": "is damaged; run 'on' here again",
}


@pytest.mark.promise(1, 5, 7)
def test_something_else_in_place_of_a_state_file_is_said_and_the_next_on_mends_it(cluster: Cluster) -> None:
    path = remembered(cluster)
    before = cluster.reservation(LUN).registrations
    for script, words in IN_PLACE.items():
        sh(cluster.n1, f"echo precious > /run/precious; file={path}; {script}")
        precious = sh(cluster.n1, "cat /run/precious")
        line = refuse(cluster.n1, "off", "n2")
        assert "the state file cannot be read" in line
        assert path in line
        assert words in line, script
        assert set(cluster.reservation(LUN).registrations) == set(before)
        act(cluster.n1, "on", "n1")
        assert sh(cluster.n1, "cat /run/precious") == precious
    assert act(cluster.n1, "off", "n2").startswith("Success: Powered OFF\n")


def test_a_folder_in_place_of_a_state_file_is_said_by_every_action(cluster: Cluster) -> None:
    path = remembered(cluster)
    sh(cluster.n1, f"rm {path}; mkdir {path}")
    for action, plug in (("off", "n2"), ("on", "n1")):
        line = refuse(cluster.n1, action, plug)
        assert "Is a directory" in line
        assert path in line
    assert keys(cluster) == {"n1", "n2"}


@pytest.fixture
def mounted(lab: Cluster) -> Iterator[None]:
    """What a test mounts over the state folder of n1 is gone afterwards."""
    yield
    lab.n1.run(["umount", STATE])


@pytest.mark.promise(5, 7)
@pytest.mark.usefixtures("mounted")
@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("mount -t tmpfs -o size=4k none {0}; head -c 9999 /dev/zero > {0}/x || true", "No space left on device"),
        ("mount -t tmpfs -o ro none {0}", "Read-only file system"),
    ],
    ids=["full", "read-only"],
)
def test_on_says_that_it_cannot_remember_and_off_works_without_memory(lab: Cluster, mount: str, words: str) -> None:
    act(lab.n2, "on", "n2")
    sh(lab.n1, mount.format(STATE))
    found = sh(lab.n1, f"ls {STATE}")
    line = refuse(lab.n1, "on", "n1")
    assert f"registered, but the state file in {STATE} cannot be written" in line
    assert words in line
    assert sh(lab.n1, f"ls {STATE}") == found, "nothing half done is left"
    assert act(lab.n1, "off", "n2").startswith("Success: Powered OFF\n")
    sh(lab.n1, f"umount {STATE}")
    act(lab.n1, "on", "n1")


def test_without_run_a_node_can_be_unfenced_and_fence(lab: Cluster) -> None:
    act(lab.n2, "on", "n2")
    script = f"DIR=/tmp/no-run; mkdir -p $DIR; {NO_RUN}; [ ! -e $DIR/root/run ]; exec $IN {AGENT}"
    for action, plug in (("on", "n1"), ("off", "n2")):
        done = lab.n1.run(["unshare", "--mount", "sh", "-ec", script], stdin=call(lab.n1, action, plug))
        assert (done.returncode, verdict(done), done.stderr) == (0, f"Success: Powered {action.upper()}\n", "")
    assert lab.reservation(LUN).keys == {"n1": key("n1")}


def hostile(node: Node, surrounding: str, action: str, plug: str) -> Completed:
    """The agent in a surrounding that `inside` makes."""
    command = ["unshare", "--mount", "--propagation", "private", INSIDE, surrounding, AGENT]
    return node.run(command, stdin=call(node, action, plug), timeout=60)


@pytest.mark.promise(1, 6)
@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_a_hostile_surrounding_costs_no_fencing(lab: Cluster, surrounding: str) -> None:
    said = "" if surrounding == "close_streams" else "Success: Powered {}\n"
    act(lab.n2, "on", "n2")
    sh(lab.n1, f"rm -r {STATE}")
    for action, plug in (("on", "n1"), ("off", "n2")):
        done = hostile(lab.n1, surrounding, action, plug)
        assert (done.returncode, verdict(done), done.stderr) == (0, said.format(action.upper()), "")
    assert keys(lab) == {"n1"}
    kept = sh(lab.n1, f"stat -c %a {STATE} {STATE}/*").split()
    assert (kept[0], set(kept[1:])) == ("700", {"600"})
    assert hostile(lab.n2, surrounding, "off", "n1").returncode == 1, "n2 is fenced"
    assert keys(lab) == {"n1"}


@pytest.mark.promise(1)
def test_a_folder_and_an_environment_full_of_traps_cost_no_fencing_and_nothing_of_theirs_runs(cluster: Cluster) -> None:
    make = ["/usr/bin/python3", "-ISB", "/project/tests/inputs/traps.py", "/run/traps", "/run/sprung"]
    cluster.n1.run(make, check=True)
    env = traps.environment("/run/traps")
    for action, plug in (("on", "n1"), ("off", "n2")):
        done = cluster.n1.run([AGENT], stdin=call(cluster.n1, action, plug), env=env, cwd="/run/traps")
        assert (done.returncode, verdict(done), done.stderr) == (0, f"Success: Powered {action.upper()}\n", "")
    assert keys(cluster) == {"n1"}
    assert cluster.n1.run(["ls", "/run/sprung"]).returncode == 2
    assert cluster.n1.run(["/bin/sh", "-c", "sg_persist"], env=env).returncode == 77
    assert cluster.n1.run(["ls", "/run/sprung"]).returncode == 0


@pytest.mark.promise(5)
def test_a_list_that_nobody_can_read_is_a_failure(cluster: Cluster) -> None:
    full = ["sh", "-c", f"exec {AGENT} > /dev/full"]
    done = cluster.n1.run(full, stdin=call(cluster.n1, "list-status", ""))
    assert done.returncode == 1
    assert done.stderr == "Failed: what was asked for cannot be written to standard output; look at the caller\n"
    assert any(line.endswith(done.stderr.strip()) for line in cluster.n1.syslog())
    status = cluster.n1.run(full, stdin=call(cluster.n1, "status", "n2"))
    assert (status.returncode, status.stderr) == (0, ""), "the exit code is the answer"
