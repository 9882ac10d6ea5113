"""A: a name is not a node. A computed key that is absent was taken for a node that is out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.inside.pr import IGNORE_KEY
from tests.premises.bench import FAILED, JOINED, LIE, OUT, WARNED, Seen
from tests.premises.table import HOSTS, row

if TYPE_CHECKING:
    from tests.premises.bench import Bench

LVM = 0x1000000000010001
ALL = ("n1", "n2", "n3")


@row("A1", "One node calls the cluster otherwise; corosync does not mind", old=LIE, new=FAILED)
def another_name(bench: Bench) -> Seen:
    bench.rename_cluster("n2", cluster="oldname")
    bench.join("n1", "n2")
    return Seen(bench.call("n1", "off", "n2"), bench.nodes["n2"].write("a"))


@row("A2", "The cluster is renamed in the file, n1 runs 'on' again, n2 hangs", old=LIE, new=OUT)
def renamed_here(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    bench.rename_cluster(*ALL)
    bench.join("n1")
    return Seen(bench.call("n1", "off", "n2"), bench.nodes["n2"].write("a"))


@row("A3", "Explicit keys: the map said 0x2 for n2, now it says 0x22", old=LIE, new=FAILED)
def changed_in_the_map(bench: Bench) -> Seen:
    bench.join("n1", key="0x1")
    bench.join("n2", key="0x2")
    return Seen(bench.call("n1", "off", "0x22"), bench.nodes["n2"].write("a"))


@row(
    "A4", "key_value=id; the nodelist is n1, n2, n3 here and n2, n1, n3 there: two nodes, one key", old=LIE, new=FAILED
)
def positions(bench: Bench) -> Seen:
    bench.write_conf("n2", ("n2", "n1", "n3"))
    bench.join("n1", "n2", key_value="id")
    return Seen(bench.call("n1", "off", "n2", key_value="id"), bench.nodes["n2"].write("a"))


@row("A4-NVMe", "The same on NVMe", old=LIE, new=FAILED, needs=HOSTS)
def positions_on_a_namespace(bench: Bench) -> Seen:
    bench.write_conf("n2", ("n2", "n1", "n3"))
    for name in ("n1", "n2"):
        bench.join(name, devices=bench.hosts[name].namespace(), key_value="id")
    done = bench.call("n1", "off", "n2", bench.hosts["n1"].namespace(), key_value="id")
    return Seen(done, bench.hosts["n2"].write_to())


@row("A5", "key_value=id; the middle one of three nodes was removed from the list", old=LIE, new=FAILED)
def removed_from_the_middle(bench: Bench) -> Seen:
    bench.join("n1", "n3", key_value="id")
    for name in ("n1", "n3"):
        bench.write_conf(name, ("n1", "n3"))
    return Seen(bench.call("n1", "off", "n3", key_value="id"), bench.nodes["n3"].write("a"))


@row(
    "A5-on",
    "The last of the three follows the advice to run 'on' again: its new key is the removed one's",
    old=JOINED,
    new=FAILED,
)
def on_after_the_removal(bench: Bench) -> Seen:
    bench.join(*ALL, key_value="id")
    bench.call("n3", "monitor", key_value="id")
    bench.write_conf("n3", ("n1", "n3"))
    return Seen(bench.call("n3", "on", "n3", key_value="id"))


@row(
    "A6",
    "A node called db3 is missing from this node's list: its name has hexadecimal digits only",
    old=LIE,
    new=FAILED,
)
def a_name_of_digits(bench: Bench) -> Seen:
    bench.write_conf("n2", ("n1", "db3"))
    bench.write_conf("n1", ("n1", "n3"))
    bench.join("n1")
    with bench.host_name("n2", "db3"):
        done = bench.call("n2", "on", "db3")
        assert done.returncode == 0, done
    return Seen(bench.call("n1", "off", "db3"), bench.nodes["n2"].write("a"))


@row("A7", "LVM's own reservations: its register-and-ignore has replaced n2's key", old=LIE, new=FAILED)
def lvm(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    bench.register("n2", 0, LVM, IGNORE_KEY)
    return Seen(bench.call("n1", "off", "n2"), bench.nodes["n2"].write("a"))


@row("A8", "plug=n1 was left over in the resource, and Pacemaker sends nodename=n2", old=LIE, new=FAILED)
def two_names(bench: Bench) -> Seen:
    bench.join(*ALL)
    return Seen(bench.call("n3", "off", "n2", port="n1"), bench.nodes["n2"].write("a"))


@row(
    "A9",
    "NVMe: two nodes with one host identifier; both run 'on', with explicit keys",
    old=LIE,
    new=FAILED,
    needs=HOSTS,
)
def one_host_identifier(bench: Bench) -> Seen:
    n1, n2, n3 = bench.hosts.values()
    n2.detach()
    n2.attach(like="n1")
    for host, own in ((n3, "0x3"), (n1, "0x1")):
        bench.join(host.name, devices=host.namespace(), key=own)
    second = bench.call("n2", "on", "n2", n2.namespace(), key="0x2")
    if second.returncode:
        return Seen(second, n1.write_to())
    return Seen(bench.call("n3", "off", "0x1", n3.namespace()), n1.write_to())


@row("A10", "SCSI: two nodes over one I_T nexus, as with pass-through or a cloned initiator", old=LIE, new=FAILED)
def one_nexus(bench: Bench) -> Seen:
    bench.join("n3", "n1")
    second = bench.call("n2", "on", "n2", bench.nodes["n1"].disk("a"))
    if second.returncode:
        return Seen(second, bench.nodes["n1"].write("a"))
    return Seen(bench.call("n3", "off", "n1"), bench.nodes["n1"].write("a"))


@row("A11", "Two fence devices with a disk each and no topology level: Pacemaker runs one", old=LIE, new=WARNED)
def two_fence_devices(bench: Bench) -> Seen:
    for lun in "ab":
        for name in ("n1", "n2"):
            bench.join(name, devices=bench.nodes[name].by_id(lun))
    done = bench.call("n1", "off", "n2")
    return Seen(done, bench.nodes["n2"].write("b"), warning="this call does not name")
