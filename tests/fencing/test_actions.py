"""The other actions, options and messages, on real disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import AGENT, LUNS, disks, fail, key, run, succeed

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

IGNORE_KEY = 1
WRITE_EXCLUSIVE = 1


def unfence(lab: Cluster, *names: str) -> None:
    for name in names:
        succeed(lab.nodes[name], "on", name)


def test_enable_and_disable_are_on_and_off(lab: Cluster) -> None:
    unfence(lab, "n1")
    assert succeed(lab.n2, "ENABLE", "n2").stdout == "Success: Powered ON\n"
    assert succeed(lab.n1, "Disable", "n2").stdout.startswith("Success: Powered OFF\n")


def test_arguments_do_what_standard_input_does(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    devices = disks(lab.n1, LUNS)
    status = lab.n1.run([AGENT, "--action=status", f"--devices={devices}", "--plug=n2"])
    assert (status.returncode, status.stdout, status.stderr) == (0, "Status: ON\n", "")
    off = lab.n1.run([AGENT, "-o", "off", "-n", "n2", "-d", devices.replace(",", " ")])
    assert (off.returncode, off.stdout.splitlines()[0], off.stderr) == (0, "Success: Powered OFF", "")
    status = lab.n1.run([AGENT, "-o", "status", "-n", "n2", "-d", devices])
    assert (status.returncode, status.stdout, status.stderr) == (2, "Status: OFF\n", "")


@pytest.mark.parametrize("connection", ["node=2\n", "node=2\nport=n2\n"])
def test_without_an_action_it_is_off(lab: Cluster, connection: str) -> None:
    """As dlm_controld calls it: parameters of the device, of the node's connection to it, and when it failed."""
    unfence(lab, "n1", "n2")
    lines = f"devices={disks(lab.n1, LUNS)}\n{connection}fail_time=1790000000\n"
    done = lab.n1.run([AGENT], stdin=lines)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Success: Powered OFF")
    assert lab.reservation("a").keys.keys() == {"n1"}


MALFORMED = (
    "action=offf",
    "action=reboot",
    "action",
    "acton=status",
    "action=",
    "key=xyz",
    "key=0",
    "delay=soon",
    "quiet=maybe",
    "type=none",
    "foreign=yes",
    "power_timeout=-1",
    "plug=n1,n2",
    "devices=/dev/sda,/dev/nowhere",
    "devices=",
)


@pytest.mark.promise(8)
def test_a_malformed_call_touches_nothing(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    before = [lab.reservation(lun) for lun in LUNS]
    for line in MALFORMED:
        done = lab.n1.run([AGENT], stdin=f"plug=n2\ndevices={disks(lab.n1, LUNS)}\n{line}\n")
        assert (done.returncode, done.stdout) == (1, ""), line
        assert len(done.stderr.splitlines()) == 1, line
    assert [lab.reservation(lun) for lun in LUNS] == before


def test_monitor_follows_the_state_of_the_disks(lab: Cluster) -> None:
    assert succeed(lab.n1, "monitor").stdout == ""  # nobody has been unfenced yet
    unfence(lab, "n1", "n2")
    assert succeed(lab.n3, "monitor").stdout == ""
    assert any("not registered" in line for line in lab.n3.syslog())
    succeed(lab.n1, "off", "n2")
    assert succeed(lab.n1, "monitor").stdout == ""
    lines = fail(lab.n2, "monitor")
    assert len(lines) == len(LUNS)
    assert all("not registered any more" in line for line in lines)


def test_monitor_fails_without_a_fitting_reservation(lab: Cluster) -> None:
    unfence(lab, "n1")
    lab.drain()
    assert lab.n1.pr("a", "release", key("n1"), 3) == 0
    (line,) = fail(lab.n1, "monitor")
    assert "nothing is reserved: every node can write" in line
    assert lab.n1.pr("a", "reserve", key("n1"), WRITE_EXCLUSIVE) == 0
    (line,) = fail(lab.n1, "monitor")
    assert "the reservation in force is write exclusive, held with key 0x" in line


def test_on_refuses_a_disk_that_somebody_holds_alone(lab: Cluster) -> None:
    lab.drain()
    assert lab.n3.pr("b", "register", 0, 0x33, IGNORE_KEY) == 0
    assert lab.n3.pr("b", "reserve", 0x33, WRITE_EXCLUSIVE) == 0
    (line,) = fail(lab.n1, "on", "n1")
    assert "held with key 0x33" in line
    assert lab.reservation("b").keys == {"n3": 0x33}
    assert lab.reservation("a").keys == {"n1": key("n1")}


def test_on_accepts_another_type_that_registrants_share(lab: Cluster) -> None:
    lab.drain()
    assert lab.n3.pr("b", "register", 0, 0x33, IGNORE_KEY) == 0
    assert lab.n3.pr("b", "reserve", 0x33, 6) == 0
    succeed(lab.n1, "on", "n1")
    assert lab.reservation("b").type == 6
    assert lab.n1.write("b") == "ok"


@pytest.mark.parametrize(("name", "number"), [("EARO", 4), ("wear", 5), ("EAAR", 6)])
def test_the_type_to_reserve_with_can_be_chosen(lab: Cluster, name: str, number: int) -> None:
    succeed(lab.n1, "on", "n1", type=name)
    assert {lab.reservation(lun).type for lun in LUNS} == {number}


def test_on_for_another_node_is_refused(lab: Cluster) -> None:
    (line,) = fail(lab.n1, "on", "n2")
    assert line == "Failed: 'on' registers the node it runs on; this is n1, not n2; run it on n2"
    assert lab.reservation("a").keys == {}


def test_list_names_the_nodes_and_list_status_their_states(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    assert succeed(lab.n1, "list").stdout == "n1,\nn2,\nn3,\n"
    succeed(lab.n1, "off", "n2")
    assert succeed(lab.n3, "list-status").stdout == "n1,,ON\nn2,,OFF\nn3,,OFF\n"
    succeed(lab.n2, "on", "n2", luns="b")
    assert succeed(lab.n3, "list-status", separator=":").stdout == "n1::ON\nn2::UNKNOWN\nn3::OFF\n"


def test_explicit_keys(lab: Cluster) -> None:
    for number, node in enumerate((lab.n1, lab.n2), 1):
        succeed(node, "on", f"0x{number}")
    assert lab.reservation("a").keys == {"n1": 1, "n2": 2}
    assert run(lab.n1, "status", "0X02").returncode == 0
    done = lab.n1.run([AGENT], stdin=f"action=off\nnodename=n2\nkey=0002\ndevices={disks(lab.n1, LUNS)}\n")
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, "Success: Powered OFF", "")
    assert lab.reservation("a").keys == {"n1": 1}
    lines = fail(lab.n2, "off", "0x1")
    assert "this node's key 0x2 is not registered" in lines[0]


@pytest.mark.parametrize("method", ["id", "hash"])
def test_keys_of_fence_scsi(lab: Cluster, method: str) -> None:
    from hashlib import md5

    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, key_value=method)
    start = md5(b"lab").hexdigest()[:4]
    ends = {"id": ("0000", "0001"), "hash": tuple(md5(name.encode()).hexdigest()[:4] for name in ("n1", "n2"))}
    assert lab.reservation("a").keys == {name: int(start + end, 16) for name, end in zip(("n1", "n2"), ends[method])}
    succeed(lab.n1, "off", "n2", key_value=method)
    assert lab.reservation("a").keys.keys() == {"n1"}


def test_validate_all_checks_without_changing_anything(lab: Cluster) -> None:
    before = [lab.reservation(lun) for lun in LUNS]
    assert succeed(lab.n1, "validate-all", "any-node").stdout == ""
    lines = fail(lab.n1, "validate-all", "any-node", luns=("a", "nopr"))
    assert "the target has no persistent reservations" in lines[0]
    (line,) = fail(lab.n1, "validate-all", devices="/dev/nowhere")
    assert line.startswith("Failed: /dev/nowhere: no such device; ")
    lab.n1.run(["sh", "-c", "echo > /etc/corosync/corosync.conf"], check=True)
    (line,) = fail(lab.n1, "validate-all")
    assert "no cluster name" in line
    assert [lab.reservation(lun) for lun in LUNS] == before


def test_what_syslog_and_the_debug_file_hear(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    done = run(lab.n1, "off", "n2", luns="a", debug_file="/run/debug", quiet="1")
    assert (done.returncode, done.stderr) == (0, "")
    (logged,) = (line for line in lab.n1.syslog() if ": preempt 0x" in line)
    assert logged.startswith("fence_pr_ioctl[")
    assert "without abort: the target is LIO (vendor LIO-ORG)" in logged
    debug = lab.n1.run(["cat", "/run/debug"], check=True).stdout
    assert ": preempt\n" in debug
    fail(lab.n1, "off", "n2", devices="/dev/nowhere")
    assert any("/dev/nowhere: no such device" in line for line in lab.n1.syslog())
    fail(lab.n1, "off", "n2", power_timeout="20s")
    assert any("option 'power_timeout', value '20s'" in line for line in lab.n1.syslog())
    loud = run(lab.n2, "on", "n2", luns="a", verbose="1")
    assert [line for line in loud.stderr.splitlines() if f"register 0x{key('n2'):x}" in line]


def test_a_log_never_goes_to_a_disk(lab: Cluster) -> None:
    lab.n1.write("a", fill=0x11)
    for option in ("logfile", "debug_file"):
        (line,) = fail(lab.n1, "monitor", **{option: lab.n1.disk("a")})
        assert "is a disk, not a file" in line
    assert set(lab.n1.content("a")) == {0x11}


def test_quiet_says_nothing_on_standard_error(lab: Cluster) -> None:
    done = run(lab.n1, "off", "n2", quiet="1")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert any("is not registered" in line for line in lab.n1.syslog())


def test_the_own_key_is_remembered_where_it_cannot_be_computed(lab: Cluster) -> None:
    lab.n1.run(["rm", "/etc/corosync/corosync.conf"], check=True)
    (line,) = fail(lab.n1, "off", "0x2")
    assert "this node's key is unknown" in line
    succeed(lab.n1, "on", "0x1")
    succeed(lab.n2, "on", "0x2")
    names = lab.n1.run(["ls", "/run/fence_pr_ioctl"], check=True).stdout.split()
    assert [name for name in names if name[0] != "+"] == sorted(lab.lun(lun).wwid for lun in LUNS)
    succeed(lab.n1, "off", "0x2")
    lab.n1.run(["sh", "-c", "for f in /run/fence_pr_ioctl/*; do echo rubbish > $f; done"], check=True)
    (line,) = fail(lab.n1, "off", "0x2")
    assert "is damaged" in line


@pytest.mark.promise(10)
def test_documents_for_any_user(lab: Cluster) -> None:
    for action in ("metadata", "meta-data", "manpage"):
        done = lab.n1.run(["setpriv", "--reuid=65534", "--clear-groups", AGENT], stdin=f"action={action}\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith('<?xml version="1.0" ?>\n<resource-agent name="fence_pr_ioctl"')


# Run in a node: RESERVE(6) or RELEASE(6) of SPC-2, past the kernel's reservations.
OLDER_COMMAND = """
import ctypes, fcntl, os, sys
from tests.lab.inside import pr
command, sense = ctypes.create_string_buffer(bytes([int(sys.argv[2], 16)]), 6), ctypes.create_string_buffer(32)
header = pr.SgIo(ord("S"), pr.SG_DXFER_NONE, 6, 32, cmdp=ctypes.addressof(command), sbp=ctypes.addressof(sense))
header.timeout = 5000
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK), pr.SG_IO, header)
sys.exit(header.status)
"""


@pytest.mark.promise(5)
def test_what_the_older_command_reserves_is_named_and_not_sent_to_on(lab: Cluster) -> None:
    for node in (lab.n1, lab.n2):
        node.drain("a")
    reserve, release = (["python3", "-c", OLDER_COMMAND, lab.n2.disk("a"), code] for code in ("16", "17"))
    lab.n2.run(reserve, cwd="/project", check=True)
    for action in ("on", "monitor", "status"):
        (line,) = fail(lab.n1, action, "n1", luns="a")
        assert "reserved the disk by the older command RESERVE(6)" in line
    lab.n2.run(release, cwd="/project", check=True)
    lab.n1.drain("a")
    succeed(lab.n1, "on", "n1", luns="a")


def test_a_dead_machines_reservation_ends_as_the_procedure_says(lab: Cluster) -> None:
    dead, any_key = 0x77, 1
    assert lab.n3.pr("a", "register", 0, dead, IGNORE_KEY) == 0
    assert lab.n3.pr("a", "reserve", dead, WRITE_EXCLUSIVE) == 0
    for action, plug in (("on", "n1"), ("off", hex(dead))):
        (line,) = (it for it in fail(lab.n1, action, plug, luns="a") if "only its holder can write" in it)
        assert "clear the disk (see procedures.md)" in line
    lab.n1.drain("a")
    assert lab.n1.pr("a", "register", 0, any_key, IGNORE_KEY) == 0
    assert lab.n1.pr("a", "clear", any_key) == 0
    succeed(lab.n1, "on", "n1", luns="a")
    assert lab.n1.write("a") == "ok"
