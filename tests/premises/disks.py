"""B: a path is not a disk, and what the kernel remembers is not the disk."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fencing import maps
from tests.fencing.agent import WERO, key
from tests.fencing.maps import PATH_1, PATH_2
from tests.lab.inside.nvme import NAMESPACES
from tests.premises.bench import FAILED, JOINED, LIE, OUT, SILENT, TWO_ORDERS, WARNED, NotAsPlanned, Seen
from tests.premises.table import HOSTS, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Node
    from tests.lab.guest import Completed
    from tests.premises.bench import Bench

# Their NAA identifiers sort one way, their vendors' names the other.
PAIR = ("d", "e")
VENDOR_NAMES = {"d": "LIO-ORG disk-d", "e": "ACME    disk-e"}


@row("B1", "A wwn- link of disk a is stale and leads to disk b", old=LIE, new=FAILED)
def stale_link(bench: Bench) -> Seen:
    n1, n2 = bench.nodes["n1"], bench.nodes["n2"]
    for name in ("n1", "n2"):
        bench.join(name, devices=",".join(map(bench.nodes[name].by_id, "ab")))
    n1.run(["ln", "-sf", n1.disk("b"), n1.by_id("a")], check=True)
    return Seen(bench.call("n1", "off", "n2"), n2.write("a"))


@row(
    "B2",
    "The array gives a LUN's number to another LUN, and nobody rescans: sysfs has the old name",
    old=LIE,
    new=FAILED,
)
def replaced_at_the_array(bench: Bench) -> Seen:
    n1, n2 = bench.nodes["n1"], bench.nodes["n2"]
    for name in ("n1", "n2"):
        bench.join(name, devices=",".join(map(bench.nodes[name].by_id, "ab")))
    with n1.leads_to("a", "b"):
        bench.call("n1", "on", "n1")
        return Seen(bench.call("n1", "off", "n2"), n2.write("a"))


@row(
    "B3",
    "The two paths of a map lead to two LUNs with one serial number: two heads, reservations apart",
    old=LIE,
    new=FAILED,
)
def two_heads(bench: Bench) -> Seen:
    lab = bench.cluster
    n1, n3 = key("n1"), key("n3")
    far = max((lab.n1, lab.n2), key=lambda node: node.disk("a"))  # 0.1.0 reads over the other path
    with lab.twin("a") as twin, far.leads_to("a", twin), lab.n3.leads_to("a", twin), maps.mapped(lab, "a") as name:
        bench.register(PATH_1, 0, n1)
        bench.register(PATH_2, 0, n1)
        bench.register("n3", 0, n3)
        for path in (PATH_1, PATH_2):
            if lab.nodes[path].pr("a", "reserve", n1, WERO):
                raise NotAsPlanned(f"no reservation over {path}")
        return Seen(bench.call("n1", "off", "n3", name), lab.n3.write("a"))


@row(
    "B4",
    "n1's kernel is from before October 2020 and prefers another of the names that a disk has",
    old=TWO_ORDERS,
    new=OUT,
)
def kernels_that_choose_differently(bench: Bench) -> Seen:
    n1, n2 = bench.nodes["n1"], bench.nodes["n2"]
    both = ",".join(map(n1.by_id, PAIR))
    bench.join("n1", "n2", "n3", devices=both)
    with _older_kernels_names(n1):
        done = bench.call("n1", "off", "n3", both, verbose_level="2")
        first = _begins_with(n1, done)
    bench.join("n3", devices=both)
    second = _begins_with(n2, bench.call("n2", "off", "n3", both, verbose_level="2"))
    return Seen(done, bench.nodes["n3"].write("d"), orders=(first, second))


@contextmanager
def _older_kernels_names(node: Node) -> Iterator[None]:
    """While it lasts sysfs shows the disks' vendor names as their `wwid`: the longer designator was preferred."""
    places = {lun: f"/sys/block/{node.disk(lun).removeprefix('/dev/')}/device/wwid" for lun in PAIR}
    try:
        for lun, place in places.items():
            node.run(["tee", f"/run/wwid-{lun}"], stdin=f"t10.{VENDOR_NAMES[lun]}\n", check=True)
            node.run(["sh", "-c", f"mount --bind /run/wwid-{lun} $(readlink -f {place})"], check=True)
        yield
    finally:
        for place in places.values():
            node.run(["sh", "-c", f"umount $(readlink -f {place})"], check=True)


def _begins_with(node: Node, done: Completed) -> str:
    """The LUN that was the first to be sent a preempt."""
    places = {node.disk(lun): lun for lun in PAIR}
    lines = [line for line in done.stderr.splitlines() if "preempt" in line]
    found = [lun for line in lines for disk, lun in places.items() if disk in line]
    if not found:
        raise NotAsPlanned(f"no preempt in {done.stderr}")
    return found[0]


@row(
    "B5",
    "A bare WWID of a namespace, udev's link is missing, the kernel's own multipath",
    old=FAILED,
    new=JOINED,
    needs=HOSTS,
)
def hidden_paths(bench: Bench) -> Seen:
    bench.nodes["n1"].run(["sh", "-c", "rm /dev/disk/by-id/*"], check=True)
    return Seen(bench.call("n1", "on", "n1", NAMESPACES[1].wwid))


@row("B6", "/dev/sdX in the configuration: another disk on another node", old=SILENT, new=WARNED)
def a_name_of_this_boot(bench: Bench) -> Seen:
    done = bench.call("n1", "validate-all", "n2", bench.nodes["n1"].disk("a"), verbose="1")
    return Seen(done, warning="may be another disk")
