"""The real multipathd: it makes the map, is told this node's key, and registers paths that come back.

The node is n1; its paths to LUN a are n1's and n2's connections. The other node is n3, which uses its disk as it is.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.fencing.agent import fail, key, run, start, succeed
from tests.lab import multipathd, plugin
from tests.lab.multipathd import Multipathd, wait_until
from tests.tool.pr_fence import CIB, configure, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster import Cluster, Node

PARAMETERS = [
    plugin.parameter(plugin.NEWEST, pytest.mark.slow),
    plugin.parameter(plugin.OLDEST, pytest.mark.long),
    plugin.parameter(plugin.NVME, pytest.mark.long),
]
pytestmark = pytest.mark.parametrize("kernel", PARAMETERS, indirect=True)

N1, N3 = key("n1"), key("n3")
PATHS = ("n1", "n2")
REGISTERED = {"n1": N1, "n2": N1}

# How a path goes away and comes back: its connection breaks, or the LUN is taken from the node and given again.
LOSE: dict[str, Callable[[Node], None]] = {"cut": lambda node: node.cut("a"), "drop": lambda node: node.drop("a")}
HOW = pytest.mark.parametrize("how", list(LOSE))


class Mapped:
    """n1 with its multipathd, which has made a map of LUN a."""

    def __init__(self, lab: Cluster, daemon: Multipathd, name: str) -> None:
        self.lab, self.daemon, self.name = lab, daemon, name
        self.path = f"/dev/mapper/{name}"

    def unfence(self) -> None:
        """Both nodes take part."""
        succeed(self.lab.n1, "on", "n1", devices=self.path)
        succeed(self.lab.n3, "on", "n3", luns="a")

    def lose(self, how: str, path: str = "n2") -> None:
        """A path goes away, and multipathd has noticed."""
        LOSE[how](self.lab.nodes[path])
        self.daemon.wait_for_paths(self.name, 1)

    def find(self, how: str, path: str = "n2") -> None:
        """The path is there again and in use."""
        self.bring_back(how, path)
        self.daemon.wait_for_paths(self.name, 2)

    def bring_back(self, how: str, path: str = "n2") -> None:
        """The path is there again; multipathd may not know it yet."""
        if how == "drop":
            self.lab.nodes[path].restore("a")
        else:
            multipathd.bring_back(self.lab, path, "a")

    def keys(self) -> dict[str, int]:
        """The key of each registered nexus, as the target says."""
        return self.lab.reservation("a").keys

    def wait_for_keys(self, expected: dict[str, int]) -> None:
        """Until the target has these registrations."""
        wait_until(lambda: self.keys() == expected, lambda: f"{self.keys()}, expected {expected}")

    def wait_for_log(self, text: str) -> None:
        """Until multipathd has logged it."""
        log = self.daemon.log
        wait_until(lambda: any(text in line for line in log()), lambda: f"no '{text}' in {log()[-20:]}")

    def writes(self) -> str:
        """Direct writes over both paths in turn: "ok", or what dd says."""
        dd = ["dd", "if=/dev/zero", f"of={self.path}", "bs=4096", "count=8", "oflag=direct"]
        done = self.lab.n1.run(dd)
        return "ok" if done.returncode == 0 else str(done.stderr.splitlines()[0])


@pytest.fixture(name="mapped")
def mapped_lun_a(lab: Cluster) -> Iterator[Mapped]:
    """With `reservation_key file`, as the agent wants it."""
    with multipathd.running(lab, lab.n1, "a", PATHS) as (daemon, name):
        yield Mapped(lab, daemon, name)


def test_under_every_name_of_the_map_all_paths_are_registered_and_multipathd_knows_the_key(mapped: Mapped) -> None:
    lab, daemon = mapped.lab, mapped.daemon
    wwid = f"3{lab.lun('a').naa}"
    node = lab.n1.run(["realpath", mapped.path], check=True).stdout.strip()
    names = [
        mapped.path,
        node,
        wwid,
        f"dm-uuid-mpath-{wwid}",
        f"/dev/disk/by-id/dm-name-{mapped.name}",
        *lab.lun("a").by_id,
    ]
    assert (daemon.ask(f"getprstatus map {mapped.name}"), daemon.ask(f"getprkey map {mapped.name}")) == ("0", "none")
    for number, name in enumerate(names, 0x100):
        assert succeed(lab.n1, "on", devices=name, key=f"{number:x}").stdout == "Success: Powered ON\n"
        assert mapped.keys() == {"n1": number, "n2": number}, name
        assert daemon.ask(f"getprkey map {mapped.name}") == f"0x{number:x}"
    assert daemon.ask(f"getprstatus map {mapped.name}") == "1"


@HOW
def test_a_path_that_was_away_during_on_is_registered_when_it_comes(mapped: Mapped, how: str) -> None:
    mapped.lose(how)
    mapped.unfence()
    assert mapped.keys() == {"n1": N1, "n3": N3}
    mapped.find(how)
    mapped.wait_for_keys({**REGISTERED, "n3": N3})
    assert mapped.writes() == "ok"
    for action in ("monitor", "status"):
        succeed(mapped.lab.n1, action, "n1", devices=mapped.path)
    assert not [line for line in mapped.lab.n1.syslog() if "registered 1 times" in line]


def test_a_path_that_was_never_there_before_is_registered_when_it_comes(lab: Cluster) -> None:
    lab.n3.drop("a")
    with multipathd.running(lab, lab.n1, "a", PATHS, later=("n3",)) as (daemon, name):
        mapped = Mapped(lab, daemon, name)
        succeed(lab.n1, "on", "n1", devices=mapped.path)
        assert mapped.keys() == REGISTERED
        lab.n3.restore("a")
        daemon.wait_for_paths(name, 3)
        mapped.wait_for_keys({**REGISTERED, "n3": N1})
        assert mapped.writes() == "ok"


def test_after_a_restart_multipathd_still_registers_a_path_that_is_added(mapped: Mapped) -> None:
    mapped.lose("drop")
    mapped.unfence()
    mapped.daemon.restart()
    assert mapped.daemon.ask(f"getprkey map {mapped.name}") == f"0x{N1:x}"
    mapped.find("drop")
    mapped.wait_for_keys({**REGISTERED, "n3": N3})


def test_where_multipathd_forgot_the_status_monitor_says_so_and_on_mends_it(mapped: Mapped) -> None:
    """As it does when it is started while no path answers at once."""
    mapped.lose("cut")
    mapped.unfence()
    assert mapped.daemon.ask(f"unsetprstatus map {mapped.name}") == "ok"
    mapped.find("cut")
    assert mapped.keys() == {"n1": N1, "n3": N3}
    succeed(mapped.lab.n1, "monitor", devices=mapped.path)
    assert [line for line in mapped.lab.n1.syslog() if "2 paths answer, but this node is registered 1 times" in line]
    mapped.unfence()
    assert mapped.keys() == {**REGISTERED, "n3": N3}
    assert mapped.daemon.ask(f"getprstatus map {mapped.name}") == "1"


@pytest.mark.promise(1, 2)
@HOW
def test_a_path_of_a_fenced_node_that_comes_back_is_not_registered(mapped: Mapped, how: str) -> None:
    """multipathd knows the key, but looks first whether it is still registered."""
    lab, daemon = mapped.lab, mapped.daemon
    mapped.unfence()
    mapped.lose(how)
    assert succeed(lab.n3, "off", "n1", luns="a").stdout.startswith("Success: Powered OFF\n")
    mapped.find(how)
    mapped.wait_for_log("host is not authorised for registration. Skip path")
    assert daemon.ask(f"getprstatus map {mapped.name}") == "1"
    assert mapped.keys() == {"n3": N3}
    assert "Invalid exchange" in mapped.writes()
    daemon.restart()
    daemon.wait_for_paths(mapped.name, 2)
    assert daemon.ask(f"getprstatus map {mapped.name}") == "0"
    assert mapped.keys() == {"n3": N3}
    assert run(lab.n3, "status", "n1", luns="a").returncode == 2
    mapped.unfence()
    assert mapped.keys() == {**REGISTERED, "n3": N3}
    assert mapped.writes() == "ok"


@pytest.mark.promise(1, 2, 9)
def test_fencing_both_ways(mapped: Mapped) -> None:
    lab = mapped.lab
    mapped.unfence()
    for node, devices in ((lab.n1, mapped.path), (lab.n3, lab.n3.by_id("a"))):
        assert succeed(node, "monitor", devices=devices).stdout == ""
        assert succeed(node, "status", "n1", devices=devices).stdout == "Status: ON\n"
    assert succeed(lab.n1, "off", "n3", devices=mapped.path).stdout.startswith("Success: Powered OFF\n")
    assert (mapped.keys(), lab.n3.write("a"), mapped.writes()) == (REGISTERED, "EBADE", "ok")
    assert run(lab.n1, "status", "n3", devices=mapped.path).returncode == 2
    mapped.unfence()
    assert succeed(lab.n3, "off", "n1", luns="a").stdout.startswith("Success: Powered OFF\n")
    assert (mapped.keys(), lab.n3.write("a")) == ({"n3": N3}, "ok")
    assert "Invalid exchange" in mapped.writes()
    assert run(lab.n1, "status", "n1", devices=mapped.path).returncode == 2
    (line,) = fail(lab.n1, "monitor", devices=mapped.path)
    assert f"this node's key 0x{N1:x} is not registered any more; it was fenced" in line
    assert f"this node's key 0x{N1:x} is not registered" in fail(lab.n1, "off", "n3", devices=mapped.path)[0]


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("away", PATHS)
def test_without_key_file_multipathd_refuses_the_key_and_the_node_fences_over_its_other_path(
    lab: Cluster, away: str
) -> None:
    """A path that comes back stays without registration, and the agent does not depend on it."""
    with multipathd.running(lab, lab.n1, "a", PATHS, settings="") as (daemon, name):
        mapped = Mapped(lab, daemon, name)
        mapped.lose("cut", away)
        said = succeed(lab.n1, "on", "n1", devices=mapped.path).stdout
        assert f"multipathd answered 'setprkey map {name} key 0x{N1:x}' with: fail" in said
        succeed(lab.n3, "on", "n3", luns="a")
        mapped.find("cut", away)
        mapped.wait_for_log("checking persistent reservation registration")
        (other,) = set(PATHS) - {away}
        assert mapped.keys() == {other: N1, "n3": N3}
        wait_until(
            lambda: "Invalid exchange" in mapped.writes(), lambda: "the map does not use the path that came back"
        )
        succeed(lab.n1, "monitor", devices=mapped.path)
        assert [line for line in lab.n1.syslog() if "2 paths answer, but this node is registered 1 times" in line]
        assert succeed(lab.n1, "off", "n3", devices=mapped.path).stdout.startswith("Success: Powered OFF\n")
        assert (mapped.keys(), lab.n3.write("a")) == ({other: N1}, "EBADE")


def test_a_key_of_its_own_in_multipath_conf_keeps_multipathd_from_registering(lab: Cluster) -> None:
    with multipathd.running(lab, lab.n1, "a", PATHS, settings="reservation_key 0x123abc") as (daemon, name):
        mapped = Mapped(lab, daemon, name)
        mapped.lose("cut")
        said = succeed(lab.n1, "on", "n1", devices=mapped.path).stdout
        assert f"multipathd answered 'setprkey map {name} key 0x{N1:x}' with: fail" in said
        mapped.find("cut")
        mapped.wait_for_log("host is not authorised for registration. Skip path")
        assert mapped.keys() == {"n1": N1}


class HeldRegistration:
    """multipathd held between READ KEYS, which found the key, and the REGISTER that follows from it."""

    DELAY_SECONDS = 4
    LINE = "pr key found in prin readkeys response"

    def __init__(self, mapped: Mapped) -> None:
        """A path comes back: the REGISTER is the second ioctl of a thread that multipathd starts for it."""
        mapped.lose("cut")
        delay = f"inject=ioctl:delay_enter={self.DELAY_SECONDS * 1000000}:when=2"
        trace = ["strace", "-f", "-e", "trace=ioctl", "-e", delay, "-o", "/run/trace", "-p", mapped.daemon.process()]
        self._tracer = mapped.lab.n1.start(trace, timeout=300)
        attached = ["grep", "-q", "ioctl", "/run/trace"]
        wait_until(lambda: mapped.lab.n1.run(attached).returncode == 0, lambda: "strace sees nothing")
        mapped.bring_back("cut")
        mapped.wait_for_log(self.LINE)
        # Whoever waits for strace goes on waiting while it is stopped.
        self._tracer.signal(signal.SIGSTOP)

    def release(self) -> None:
        """Let it go on."""
        self._tracer.signal(signal.SIGCONT)

    def end(self) -> None:
        """Leave multipathd alone from now on."""
        self._tracer.signal(signal.SIGINT)
        self._tracer.wait()


@pytest.mark.promise(1)
def test_a_registration_under_way_while_its_node_is_fenced_undoes_that_and_power_wait_notices(mapped: Mapped) -> None:
    """multipathd reads and registers in two commands. No target can tell that they belong together."""
    lab = mapped.lab
    mapped.unfence()
    held = HeldRegistration(mapped)
    off = start(lab.n3, "off", "n1", luns="a", power_wait=str(HeldRegistration.DELAY_SECONDS + 5))
    mapped.wait_for_keys({"n3": N3})
    held.release()
    done = off.wait()
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"Failed: .*n1.* is not fenced; registered keys: .*0x" + f"{N1:x}", done.stderr), done
    assert mapped.keys() == {"n2": N1, "n3": N3}
    assert lab.n2.write("a") == "ok"
    held.end()
    assert succeed(lab.n3, "off", "n1", luns="a").stdout.startswith("Success: Powered OFF\n")
    assert mapped.keys() == {"n3": N3}


def _leave(mapped: Mapped) -> dict[str, Any]:
    """The report of n1's `pr_fence repair leave`."""
    lab = mapped.lab
    configure(lab.n1)
    words = "repair", "leave", mapped.path, f"--yes={lab.lun('a').wwid}"
    return reported(lab.n1, *words, CIB_file=CIB)


@pytest.mark.promise(2)
def test_a_node_that_leaves_stays_out_whatever_comes_back_and_can_join_again(mapped: Mapped) -> None:
    """n1 holds the reservation, and multipathd knows its key."""
    lab, daemon = mapped.lab, mapped.daemon
    mapped.unfence()
    assert lab.reservation("a").holder in PATHS
    report = _leave(mapped)
    assert (report["exit_status"], report["found"]["done"], report["warnings"]) == (0, True, []), report
    assert [it["code"] for it in report["found"]["steps"]] == ["handing-over", "unregistering"]
    assert mapped.keys() == {"n3": N3}
    asked = [daemon.ask(f"{word} map {mapped.name}") for word in ("getprstatus", "getprkey")]
    assert asked == ["0", "none"]
    for how in LOSE:
        mapped.lose(how)
        mapped.find(how)
        assert mapped.keys() == {"n3": N3}
    daemon.restart()
    daemon.wait_for_paths(mapped.name, 2)
    assert mapped.keys() == {"n3": N3}
    assert "Invalid exchange" in mapped.writes()
    assert lab.n3.write("a") == "ok"
    mapped.unfence()
    assert (mapped.keys(), mapped.writes()) == ({**REGISTERED, "n3": N3}, "ok")
    assert daemon.ask(f"getprkey map {mapped.name}") == f"0x{N1:x}"


def test_a_node_with_a_dead_path_has_not_left_until_that_is_back(mapped: Mapped) -> None:
    """The target keeps its registration; multipathd renews none meanwhile."""
    lab = mapped.lab
    succeed(lab.n3, "on", "n3", luns="a")
    succeed(lab.n1, "on", "n1", devices=mapped.path)
    assert lab.reservation("a").holder == "n3"
    mapped.lose("cut")
    refused = _leave(mapped)
    assert (refused["exit_status"], [it["code"] for it in refused["problems"]]) == (1, ["still-there"])
    assert mapped.keys() == {"n2": N1, "n3": N3}
    mapped.find("cut")
    assert mapped.keys() == {"n2": N1, "n3": N3}
    assert _leave(mapped)["found"]["done"]
    assert mapped.keys() == {"n3": N3}


LINKS = ("find", "/dev/disk", "-printf", "%p %l\\n")
# What daemons could leave behind: processes, device-mapper devices, time-outs, mounts; device nodes, links and files.
TRACES = """
ps -eo args | grep -E 'udev|multipath' | grep -v grep
dmsetup ls
grep . /sys/class/iscsi_session/*/recovery_tmo
cat /proc/mounts
find /dev /etc /run -printf '%p %l %M %U %G\\n'
"""


def _traces(node: Node) -> set[str]:
    # udevd gives these to everybody when it starts, as every Linux has them.
    public = ("/dev/net/tun ", "/dev/loop-control ")
    lines = node.run(["bash", "-c", TRACES]).stdout.splitlines()
    return {line for line in lines if not line.startswith(public)}


def _use_and_fail(lab: Cluster) -> None:
    others = (lab.n2, lab.n3)
    before = [node.run(LINKS, check=True).stdout for node in others]
    with multipathd.running(lab, lab.n1, "a", PATHS) as (daemon, name):
        lab.n3.drop("a")
        lab.n3.restore("a")
        lab.n1.run(["udevadm", "settle"], check=True)
        assert [node.run(LINKS, check=True).stdout for node in others] == before
        assert daemon.active(name) == sorted(lab.nodes[path].disk("a") for path in PATHS)
        raise ZeroDivisionError


def test_the_daemons_leave_other_nodes_alone_and_nothing_behind_even_if_a_test_fails(lab: Cluster) -> None:
    before = {name: _traces(node) for name, node in lab.nodes.items()}
    with pytest.raises(ZeroDivisionError):
        _use_and_fail(lab)
    for name, node in lab.nodes.items():
        assert _traces(node) ^ before[name] == set(), name


def test_a_reset_ends_daemons_that_were_left_running(lab: Cluster) -> None:
    with multipathd.running(lab, lab.n1, "a", PATHS) as (daemon, _):
        killed = " ".join(lab.reset())
        assert "multipathd" in killed
        assert "systemd-udevd" in killed
        assert daemon.process() == ""
        listed = lab.n1.run(["dmsetup", "ls", "--target", "multipath"], check=True).stdout
        assert "mpath" not in listed
