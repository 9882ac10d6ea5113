"""The cluster that other tests rely on: nodes, disks, and everything that can be done to them."""

from __future__ import annotations

import errno
import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab import plugin
from tests.lab.errors import CommandTimedOut, RequestFailed
from tests.lab.inside.layout import LUNS, REPLACEMENT_SECONDS

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node

WRITE_EXCLUSIVE_REGISTRANTS = 3
K1, K2 = 0xA1, 0xB2

pytestmark = plugin.newest


def names_of(node: Node, folder: str) -> list[str]:
    return node.run(["ls", folder], check=True).stdout.split()


def test_nodes_have_names_and_files_of_their_own(lab: Cluster) -> None:
    for name, node in lab.nodes.items():
        assert node.run(["hostname"]).stdout == f"{name}\n"
        assert names_of(node, "/run/fence_pr_ioctl") == []
        assert names_of(node, "/dev/mapper") == ["control"]
        configuration = node.run(["cat", "/etc/corosync/corosync.conf"]).stdout
        assert re.findall(r"cluster_name: (\w+)", configuration) == ["lab"]
        assert re.findall(r"\sname: (\w+)", configuration) == ["n1", "n2", "n3"]
    for folder in ("/run/fence_pr_ioctl", "/var/lib/fence_pr_ioctl", "/etc/corosync", "/dev/disk/by-id"):
        lab.n1.run(["touch", f"{folder}/mark"], check=True)
        assert "mark" in names_of(lab.n1, folder)
        assert "mark" not in names_of(lab.n2, folder)


def test_the_project_is_there_and_read_only(lab: Cluster) -> None:
    assert lab.n1.run(["test", "-f", "/project/tests/lab/test_lab.py"]).returncode == 0
    assert "Read-only" in lab.n1.run(["touch", "/project/mark"]).stderr


def test_nothing_of_the_project_is_compiled_anew_at_each_start(lab: Cluster) -> None:
    load = "import sys; sys.path[:0] = ['/project/lib', '/project']; import fence_pr.agent, tests.faults.tracer"
    said = lab.n1.run(["python3", "-v", "-c", load], check=True).stderr.splitlines()
    found = [line for line in said if "/project/" in line]
    assert sum(" matches /project/" in line for line in found) >= 10
    assert not [line for line in found if "code object from '/project/" in line and ".pyc" not in line]


def test_every_node_has_its_own_disk_of_every_lun(lab: Cluster) -> None:
    disks = {(node.name, lun): node.disk(lun) for node in lab.nodes.values() for lun in LUNS}
    assert len(set(disks.values())) == len(disks)
    for node in lab.nodes.values():
        for lun in LUNS.values():
            targets = node.run(["readlink", "-f", *lun.by_id], check=True).stdout.split()
            assert targets == [node.disk(lun.name)] * 2
            block = node.disk(lun.name).removeprefix("/dev/")
            wwid = node.run(["cat", f"/sys/block/{block}/device/wwid"], check=True).stdout
            assert wwid.strip() == lun.wwid == f"naa.{lun.naa}"


def test_identities_sort_neither_like_names_nor_like_disks(lab: Cluster) -> None:
    by_identity = sorted(LUNS, key=lambda lun: LUNS[lun].naa)
    assert by_identity != sorted(LUNS)
    for node in lab.nodes.values():
        by_disk = sorted(LUNS, key=node.disk)
        assert by_identity not in (by_disk, by_disk[::-1])


def test_disks_are_shared(lab: Cluster) -> None:
    for fill, lun in enumerate(LUNS, 1):
        assert lab.n1.write(lun, fill=fill, offset=8192) == "ok"
        assert lab.n2.read(lun, offset=8192) == "ok"
        assert lab.n2.content(lun, offset=8192) == bytes([fill]) * 4096
    assert lab.n3.write_buffered("a", fill=99) == "ok"
    assert lab.n1.content("a") == bytes([99]) * 4096


def test_a_preempted_node_cannot_write(lab: Cluster) -> None:
    lab.drain()
    assert lab.n1.pr("a", "register", 0, K1) == 0
    assert lab.n2.pr("a", "register", 0, K2) == 0
    assert lab.n1.pr("a", "reserve", K1, WRITE_EXCLUSIVE_REGISTRANTS) == 0
    before = lab.reservation("a")
    assert (before.type, before.holder, before.keys) == (3, "n1", {"n1": K1, "n2": K2})
    assert before.persistent
    assert [node.write("a") for node in lab.nodes.values()] == ["ok", "ok", "EBADE"]

    assert lab.n2.pr("a", "preempt_abort", K2, K1, WRITE_EXCLUSIVE_REGISTRANTS) == 0

    assert lab.n1.write("a") == "EBADE"
    assert lab.n1.write_buffered("a") == "EIO"
    assert lab.n1.read("a") == "ok"
    assert lab.n2.write("a") == "ok"
    after = lab.reservation("a")
    assert (after.type, after.holder, after.registrations) == (3, "n2", (("n2", K2),))
    assert after.generation > before.generation


@pytest.mark.parametrize("kind", range(1, 7))
def test_the_targets_own_view(lab: Cluster, kind: int) -> None:
    lab.drain()
    assert lab.n3.pr("b", "register", 0, 2**64 - 1) == 0
    assert lab.reservation("b").type == 0
    assert lab.n3.pr("b", "reserve", 2**64 - 1, kind) == 0
    seen = lab.reservation("b")
    assert (seen.type, seen.holder, seen.keys) == (kind, "n3", {"n3": 2**64 - 1})
    assert lab.reservation("a").keys == {}


def test_a_conflict_is_told(lab: Cluster) -> None:
    lab.drain()
    assert lab.n1.pr("a", "register", 0, K1) == 0
    assert lab.n1.pr("a", "reserve", K1, WRITE_EXCLUSIVE_REGISTRANTS) == 0
    assert lab.n2.pr("a", "register", 0, K2) == 0
    assert lab.n2.pr("a", "reserve", K2, WRITE_EXCLUSIVE_REGISTRANTS) & 0xFF == 0x18


def test_clearing_leaves_a_unit_attention(lab: Cluster) -> None:
    lab.drain()
    assert lab.n1.pr("c", "register", 0, K1) == 0
    assert lab.n2.pr("c", "register", 0, K2) == 0
    assert lab.n1.pr("c", "clear", K1) == 0
    assert lab.n2.drain("c") == 1
    assert lab.n2.drain("c") == 0


def test_a_lun_without_reservations(lab: Cluster) -> None:
    assert lab.n1.write("nopr") == "ok"
    assert lab.n1.pr("nopr", "register", 0, K1) & 0xFF == 2


def test_reset_brings_everything_back(lab: Cluster) -> None:
    lab.drain()
    for lun in ("a", "d"):
        assert lab.n2.pr(lun, "register", 0, K2) == 0
        assert lab.n2.pr(lun, "reserve", K2, WRITE_EXCLUSIVE_REGISTRANTS) == 0
    lab.n1.run(["rm", "-r", "/etc/corosync/corosync.conf", "/run/fence_pr_ioctl", "/dev/disk/by-id"], check=True)
    sleeper = lab.n1.start(["sleep", "1000"])
    stuck = lab.n3.start(["cat", lab.n3.disk("d")])
    lab.n3.hang("d")
    lab.n1.drop("a")
    lab.n1.cut("b")
    lab.n2.cut()
    lab.n3.set_state("c", "offline")

    assert "sleep 1000" in lab.reset()

    assert sleeper.wait().returncode == -9
    stuck.wait()
    for node in lab.nodes.values():
        assert [node.write(lun) for lun in LUNS] == ["ok"] * len(LUNS)
        assert len(names_of(node, "/dev/disk/by-id")) == 2 * len(LUNS)
    for lun in ("a", "b", "c", "d"):
        now = lab.reservation(lun)
        assert (now.type, now.holder, now.registrations) == (0, None, ())
    test_nodes_have_names_and_files_of_their_own(lab)


def test_reset_removes_device_mapper_devices(lab: Cluster) -> None:
    before = names_of(lab.n1, "/sys/block")
    lab.n1.run(["dmsetup", "create", "linear", "--table", f"0 2048 linear {lab.n1.disk('a')} 0"], check=True)
    assert len(names_of(lab.n1, "/sys/block")) == len(before) + 1
    lab.reset()
    assert names_of(lab.n1, "/sys/block") == before


def test_drop_and_restore(lab: Cluster) -> None:
    lab.n1.drop("a")
    with pytest.raises(RequestFailed, match="n1 has no disk for LUN a"):
        lab.n1.disk("a")
    assert lab.n1.run(["test", "-L", lab.n1.by_id("a")]).returncode == 1
    assert lab.n1.write("b") == lab.n2.write("a") == "ok"
    lab.n1.restore("a")
    assert lab.n1.run(["readlink", "-f", lab.n1.by_id("a")]).stdout.strip() == lab.n1.disk("a")
    assert lab.n1.write("a") == "ok"


def test_offline(lab: Cluster) -> None:
    lab.n1.set_state("a", "offline")
    assert lab.n1.state("a") == "offline"
    assert lab.n1.write("a") == "ENXIO"
    assert lab.n2.write("a") == "ok"
    lab.n1.set_state("a", "running")
    assert lab.n1.write("a") == "ok"


def test_cut_and_heal(lab: Cluster) -> None:
    lab.drain()
    assert lab.n1.pr("a", "register", 0, K1) == 0
    lab.n1.cut("a")
    started = time.monotonic()
    assert lab.n1.write("a") in ("EIO", "ENXIO")
    assert time.monotonic() - started < REPLACEMENT_SECONDS + 3
    assert lab.n1.state("a") == "transport-offline"
    assert lab.n1.pr("a", "register", 0, K1) == -errno.ENXIO
    assert lab.n1.write("b") == lab.n2.write("a") == "ok"
    assert lab.reservation("a").keys == {"n1": K1}
    lab.n1.heal("a")
    assert lab.n1.write("a") == "ok"
    # It is the same nexus: the registration still counts.
    lab.n1.drain("a")
    assert lab.n1.pr("a", "reserve", K1, WRITE_EXCLUSIVE_REGISTRANTS) == 0
    assert lab.n1.write("a") == "ok"


def test_cut_from_all_disks(lab: Cluster) -> None:
    lab.n2.cut()
    assert all(lab.n2.write(lun) in ("EIO", "ENXIO") for lun in LUNS)
    assert [lab.n1.write(lun) for lun in LUNS] == ["ok"] * len(LUNS)
    lab.n2.heal()
    assert [lab.n2.write(lun) for lun in LUNS] == ["ok"] * len(LUNS)


def test_hang_and_resume(lab: Cluster) -> None:
    write = ["dd", "if=/dev/zero", "of=/dev/stdout", "oflag=direct", "bs=4096", "count=1"]
    shell = ["sh", "-c", f"exec {' '.join(write)} >{lab.n1.disk('a')}"]
    lab.n1.hang("a")
    with pytest.raises(CommandTimedOut) as caught:
        lab.n1.run(shell, timeout=0.5)
    assert not caught.value.gone
    assert lab.n1.write("b") == lab.n2.write("a") == "ok"
    waiting = lab.n1.start(["python3", "-c", f"import os; os.open('{lab.n1.disk('a')}', os.O_RDONLY)"])
    time.sleep(0.5)
    assert not waiting.done()
    lab.n1.resume("a")
    assert waiting.wait().returncode == 0
    assert lab.n1.write("a") == "ok"


def test_syslog_is_the_nodes_own(lab: Cluster) -> None:
    say = "import syslog; syslog.openlog('agent', syslog.LOG_PID); syslog.syslog(syslog.LOG_ERR, 'disk\\nlost é')"
    lab.n1.run(["python3", "-c", say], check=True)
    (line,) = lab.n1.syslog()
    assert re.fullmatch(r"agent\[\d+\]: disk lost é", line)
    assert lab.n2.syslog() == []
    lab.reset()
    assert lab.n1.syslog() == []


def test_many_messages_are_kept(lab: Cluster) -> None:
    say = "import syslog\nfor number in range(300): syslog.syslog(f'message {number}')"
    lab.n1.run(["python3", "-c", say], check=True)
    assert [line.split()[-1] for line in lab.n1.syslog()] == [str(number) for number in range(300)]


def test_commands(lab: Cluster) -> None:
    done = lab.n1.run(
        ["sh", "-c", "pwd; echo $WORD; cat; echo no >&2; exit 7"], stdin="in", env={"WORD": "x"}, cwd="/usr"
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "/usr\nx\nin", "no\n")
    assert lab.n1.run(["sh", "-c", "kill -TERM $$"]).returncode == -15
    with pytest.raises(RequestFailed, match="No such file or directory: 'no-such-program'"):
        lab.n1.run(["no-such-program"])


def test_commands_pass_any_bytes(lab: Cluster) -> None:
    data = os.urandom(1_000_000)
    assert lab.n1.run(["cat"], stdin=data).stdout_bytes == data


def test_a_timeout_kills_the_process_group(lab: Cluster) -> None:
    started = time.monotonic()
    with pytest.raises(CommandTimedOut) as caught:
        lab.n1.run(["sh", "-c", "echo begun; sleep 1001 & sleep 1002"], timeout=3)
    assert time.monotonic() - started < 15
    assert caught.value.stdout == "begun\n"
    assert caught.value.gone
    assert "sleep 100" not in lab.n1.run(["ps", "-eo", "args"]).stdout


def test_signals(lab: Cluster) -> None:
    sleeper = lab.n1.start(["sleep", "1000"])
    assert lab.guest.run(["sh", "-c", "until pgrep sleep; do sleep 0.05; done"]).returncode == 0
    assert sleeper.signal(15)
    assert sleeper.wait().returncode == -15
    assert not sleeper.signal(15)


def test_nodes_act_at_the_same_moment(lab: Cluster) -> None:
    started = time.monotonic()
    sleepers = [node.start(["sleep", "1"]) for node in lab.nodes.values() for _ in range(3)]
    assert lab.n1.run(["hostname"]).stdout == "n1\n"
    assert [sleeper.wait().returncode for sleeper in sleepers] == [0] * 9
    assert time.monotonic() - started < 6


def test_requests_are_quick(lab: Cluster) -> None:
    def seconds() -> float:
        started = time.monotonic()
        lab.n1.state("a")
        return time.monotonic() - started

    # The best of some: other work on the machine is none of the lab's.
    assert min(seconds() for _ in range(20)) < 0.02
