"""G: what breaks a rule that is strict, and fencings that a strict rule would block."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fencing import maps
from tests.fencing.agent import key
from tests.fencing.maps import PATH_1, PATH_2
from tests.fencing.sessions import second_session
from tests.lab.inside.nvme import SUBSYSTEM
from tests.lab.inside.target import KEPT
from tests.premises.bench import FAILED, JOINED, LIE, OUT, SILENT, WARNED, NotAsPlanned, Seen
from tests.premises.table import HOSTS, NVME, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Node
    from tests.lab.guest import Completed
    from tests.premises.bench import Bench

PATHS = (PATH_1, PATH_2)
ALL = ("n1", "n2", "n3")
BACKUP = 0xBAC4
MOVES, SECONDS, TIMES = 10, 20, 20
SETTLED = 1.0  # until a write has gone down both paths, and waits in the map
FILL = 7
WITH_KEYS = "n1:0x1;n2:0x2;n3:0x3"
NGUID = 2
NOTHING = "00000000-0000-0000-0000-000000000000"

# Run in a node: own key → own key, all the time.
RESTLESS = """
import fcntl, os, struct, sys
fd, key = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2])
while True:
    try:
        fcntl.ioctl(fd, 0x401870C8, struct.pack("=QQII", key, key, 0, 0))
    except OSError:
        pass
"""


@row(
    "G1",
    "n1 has two keys: two sessions, one of them dead while the cluster was renamed; n3 has the old name",
    old=LIE,
    new=FAILED,
)
def one_node_two_keys(bench: Bench) -> Seen:
    lab, disk = bench.cluster, bench.nodes["n1"].disk("a")
    with second_session(lab, "a") as second, maps.mapped_over(lab, "a", (disk, second)) as name:
        bench.join("n1", devices=name)
        bench.join("n3")
        state = f"/sys/block/{second.removeprefix('/dev/')}/device/state"
        lab.n1.run(["tee", state], stdin="offline\n", check=True)
        bench.rename_cluster("n1")
        bench.join("n1", devices=name)
        lab.n1.run(["tee", state], stdin="running\n", check=True)
        return Seen(bench.call("n3", "off", "n1"), lab.n1.write("a"))


@row(
    "G1-names",
    "The same with two initiator names: nobody can tell the new key from another program's",
    old=LIE,
    new=WARNED,
)
def two_initiator_names(bench: Bench) -> Seen:
    lab = bench.cluster
    with maps.mapped(lab, "a") as name:
        bench.join("n1", devices=name)
        bench.join("n3")
        lab.nodes[PATH_2].set_state("a", "offline")
        bench.rename_cluster("n1")
        bench.join("n1", devices=name)
        lab.nodes[PATH_2].set_state("a", "running")
        return Seen(bench.call("n3", "off", "n1"), lab.n1.write("a"), warning="no known node has these keys")


@row("G2", "A write of n1 is queued in its map while n1 is fenced; n3 writes newer data; 'on n1'", old=LIE, new=FAILED)
def queued_write(bench: Bench) -> Seen:
    lab, n1 = bench.cluster, bench.nodes["n1"]
    with maps.mapped(lab, "a") as name:
        bench.join("n1", devices=name)
        bench.join("n3")
        _tell_map(n1, name, "queue_if_no_path")
        for path in PATHS:
            lab.nodes[path].set_state("a", "offline")
        queued = n1.start(["dd", "if=/dev/zero", f"of={name}", "bs=4096", "count=1", "oflag=direct"], timeout=SECONDS)
        time.sleep(SETTLED)
        bench.call("n3", "off", "n1")
        newer = lab.n3.write("a", fill=FILL)
        for path in PATHS:
            lab.nodes[path].set_state("a", "running")
        done = bench.call("n1", "on", "n1", name)
        for path in PATHS:
            number = n1.run(["cat", f"/sys/block/{lab.nodes[path].disk('a').removeprefix('/dev/')}/dev"], check=True)
            _tell_map(n1, name, f"reinstate_path {number.stdout.strip()}")
        _tell_map(n1, name, "fail_if_no_path")
        queued.wait()
        overwritten = newer == "ok" and lab.n3.content("a")[0] != FILL
        return Seen(done, "ok" if overwritten else "EBADE")


def _tell_map(node: Node, name: str, message: str) -> None:
    node.run(["dmsetup", "message", name, "0", message], check=True)


@row("G3", "LIO cannot write its reservation file when n2 is removed, and restarts later", old=LIE, new=WARNED)
def forgetful_target(bench: Bench) -> Seen:
    done = _off_unwritten(bench)
    return Seen(done, _write_after_restart(bench), warning="the target could not write that down")


@row(
    "G3-written",
    "The same, but the target can write again, and 'monitor' has run, before it restarts",
    old=LIE,
    new=OUT,
)
def forgetful_target_that_was_reminded(bench: Bench) -> Seen:
    done = _off_unwritten(bench)
    bench.call("n1", "monitor")
    return Seen(done, _write_after_restart(bench))


def _off_unwritten(bench: Bench) -> Completed:
    """n1 fences n2 while LIO has no folder for its reservations."""
    bench.join("n1", "n2")
    guest = bench.cluster.guest
    guest.run(["mv", str(KEPT), f"{KEPT}-away"], check=True)
    try:
        return bench.call("n1", "off", "n2")
    finally:
        guest.run(["mv", f"{KEPT}-away", str(KEPT)], check=True)


def _write_after_restart(bench: Bench) -> str:
    bench.cluster.restart_target("a")
    for node in bench.cluster.nodes.values():
        node.drain("a")
    return bench.nodes["n2"].write("a")


@row("G4", "The cluster is renamed in every file, its restart is planned for tonight", old=FAILED, new=OUT)
def renamed_everywhere(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    bench.rename_cluster(*ALL)
    return Seen(bench.call("n1", "off", "n2"), bench.nodes["n2"].write("a"))


@row("G6", "A third node registers its own key anew all the time", old=FAILED, new=OUT, needs=HOSTS)
def a_restless_node(bench: Bench) -> Seen:
    bench.log_in()
    bench.join(*ALL)
    with _restless(bench, "n3"):
        for _ in range(TIMES):
            done = bench.call("n1", "off", "n2")
            if done.returncode:
                break
        return Seen(done, bench.nodes["n2"].write("a"))


@contextmanager
def _restless(bench: Bench, name: str) -> Iterator[None]:
    node = bench.nodes[name]
    running = node.start(["python3", "-B", "-c", RESTLESS, node.disk("a"), str(key(name))], timeout=120)
    try:
        _see_it_move(bench)
        yield
        _see_it_move(bench)
    finally:
        running.signal(signal.SIGKILL)
        running.wait()


def _see_it_move(bench: Bench) -> None:
    """Every registration counts one on."""
    assert bench.fabric
    before, until = bench.fabric.lun_reservation("a").generation, time.monotonic() + SECONDS
    while bench.fabric.lun_reservation("a").generation < before + MOVES:
        if time.monotonic() > until:
            raise NotAsPlanned("nobody registers all the time")
        time.sleep(0.01)


@row("G8", "Renamed and rebooted: the old key is on the nexus, /run is empty", old=JOINED, new=JOINED)
def renamed_and_rebooted(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    bench.rename_cluster("n1")
    bench.nodes["n1"].run(["sh", "-c", "rm -f /run/fence_pr_ioctl/*"], check=True)
    return Seen(bench.call("n1", "on", "n1"))


@row("G8-lost", "The same, and what outlives a reboot is lost, too", old=JOINED, new=JOINED)
def renamed_and_installed_anew(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    bench.rename_cluster("n1")
    bench.nodes["n1"].run(["sh", "-c", "rm -f /run/fence_pr_ioctl/* /var/lib/fence_pr_ioctl/*"], check=True)
    return Seen(bench.call("n1", "on", "n1"))


@row(
    "G9",
    "A namespace without UUID, NGUID and EUI: model and serial number are all that it says",
    old=SILENT,
    new=WARNED,
    needs=NVME,
)
def weak_identity(bench: Bench) -> Seen:
    with _nameless(bench):
        done = bench.call("n1", "validate-all", "n2", bench.nvme.disk("n1", NGUID), verbose="1")
        return Seen(done, warning="another disk may have the same")


@row(
    "G9-order",
    "Such a namespace beside another disk: nodes could not agree on which is first",
    old=JOINED,
    new=FAILED,
    needs=NVME,
)
def weak_identity_beside_another(bench: Bench) -> Seen:
    with _nameless(bench):
        return Seen(bench.call("n1", "on", "n1", bench.nvme.disks("n1")))


@contextmanager
def _nameless(bench: Bench) -> Iterator[None]:
    """While it lasts namespace 2 has no NGUID."""
    folder = SUBSYSTEM / f"namespaces/{NGUID}"
    known = bench.cluster.guest.run(["cat", str(folder / "device_nguid")], check=True).stdout.strip()
    try:
        _name(bench, NOTHING)
        yield
    finally:
        _name(bench, known)


def _name(bench: Bench, nguid: str) -> None:
    for name in bench.nodes:
        bench.nvme.disconnect(name)
    script = f"echo 0 >enable; echo {nguid} >device_nguid; echo 1 >enable"
    bench.cluster.guest.run(["sh", "-ec", script], cwd=str(SUBSYSTEM / f"namespaces/{NGUID}"), check=True)
    bench.nvme.reset("tcp")


@row("G11-second", "n2 was fenced by n1; n3 fences it, too", old=OUT, new=OUT)
def second_fencing(bench: Bench) -> Seen:
    bench.join(*ALL)
    bench.call("n1", "off", "n2")
    return Seen(bench.call("n3", "off", "n2"), bench.nodes["n2"].write("a"))


@row("G11-cold", "Cold start: n2 never came, and a key stands there that foreign_keys declares", old=OUT, new=OUT)
def cold_start(bench: Bench) -> Seen:
    bench.register("n3", 0, BACKUP)
    bench.join("n1", foreign_keys=f"{BACKUP:#x}")
    done = bench.call("n1", "off", "n2", foreign_keys=f"{BACKUP:#x}")
    return Seen(done, bench.nodes["n2"].write("a"))


@row("G11-map", "Three nodes with explicit keys, the victim's key is all that the call says", old=OUT, new=OUT)
def explicit_keys(bench: Bench) -> Seen:
    for name, own in zip(ALL, ("0x1", "0x2", "0x3")):
        bench.join(name, key=own)
    return Seen(bench.call("n1", "off", "0x2"), bench.nodes["n2"].write("a"))


@row("G11-keys", "The same with node_keys; n3 fences n2 as the second", old=OUT, new=OUT)
def node_keys(bench: Bench) -> Seen:
    for name, own in zip(ALL, ("0x1", "0x2", "0x3")):
        bench.join(name, key=own)
    bench.call("n1", "off", "n2", key="0x2", node_keys=WITH_KEYS)
    return Seen(bench.call("n3", "off", "n2", key="0x2", node_keys=WITH_KEYS), bench.nodes["n2"].write("a"))


@row("G11-backup", "A backup server's key stands beside the victim's, and nobody declared it", old=OUT, new=OUT)
def backup_server(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    bench.register("n3", 0, BACKUP)
    return Seen(bench.call("n1", "off", "n2"), bench.nodes["n2"].write("a"))
