"""How the faults are made that `pr_fence doctor` must find: changes of the configuration, and what is done to nodes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tests.cluster.cib import FENCING
from tests.cluster.inside.stack import LOG
from tests.lab.inside.layout import LUNS
from tests.lab.inside.pr import IGNORE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from xml.etree.ElementTree import Element

    from tests.cluster.cluster import PacemakerCluster

    Making = Callable[[PacemakerCluster], AbstractContextManager[object]]

CONF, DISKS = "/etc/corosync/corosync.conf", "/run/fence_pr_ioctl"
WERO = 3


# ---- the configuration


def device(tree: Element, name: str = FENCING) -> Element:
    """The fence device."""
    return next(it for it in tree.iter("primitive") if it.get("id") == name)


def given(**options: str) -> Callable[[Element, PacemakerCluster], None]:
    """The fence device has these options, in place of what it had."""

    def change(tree: Element, _: PacemakerCluster) -> None:
        attributes = device(tree).find("instance_attributes")
        assert attributes is not None
        for name, value in options.items():
            for pair in attributes.findall(f"nvpair[@name='{name}']"):
                attributes.remove(pair)
            ElementTree.SubElement(attributes, "nvpair", id=f"given-{name}", name=name, value=value)

    return change


def property_of_cluster(name: str, value: str) -> Callable[[Element, PacemakerCluster], None]:
    """An option of the cluster."""

    def change(tree: Element, _: PacemakerCluster) -> None:
        for pair in tree.iterfind(f".//crm_config//nvpair[@name='{name}']"):
            pair.set("value", value)

    return change


def meta(value: str, name: str = "provides") -> Callable[[Element, PacemakerCluster], None]:
    """A meta attribute of the fence device; "" for none."""

    def change(tree: Element, _: PacemakerCluster) -> None:
        attributes = device(tree).find("meta_attributes")
        assert attributes is not None
        for pair in attributes.findall(f"nvpair[@name='{name}']"):
            attributes.remove(pair)
        if value:
            ElementTree.SubElement(attributes, "nvpair", id="given-meta", name=name, value=value)

    return change


def without_device(tree: Element, _: PacemakerCluster) -> None:
    """The cluster has no fence device."""
    resources = tree.find(".//resources")
    assert resources is not None
    resources.remove(device(tree))


def banned(tree: Element, _: PacemakerCluster) -> None:
    """A constraint keeps the fence device from n2."""
    constraints = tree.find(".//constraints")
    assert constraints is not None
    words = {"id": "ban", "rsc": FENCING, "node": "n2", "score": "-INFINITY"}
    ElementTree.SubElement(constraints, "rsc_location", words)


def another_device(tree: Element, cluster: PacemakerCluster, *disks: str) -> None:
    """A second fence device, with other disks."""
    resources = tree.find(".//resources")
    assert resources is not None
    second = ElementTree.fromstring(ElementTree.tostring(device(tree)))
    second.set("id", "more")
    for place, it in enumerate(second.iter()):
        if it is not second and it.get("id"):
            it.set("id", f"more-{place}")
    pair = second.find("instance_attributes/nvpair[@name='devices']")
    assert pair is not None
    pair.set("value", " ".join(disks or (cluster.path("b"),)))
    resources.append(second)


def two_devices(tree: Element, cluster: PacemakerCluster) -> None:
    """The disks are divided between two fence devices."""
    another_device(tree, cluster)
    given(devices=" ".join(cluster.devices()[:-1]))(tree, cluster)


def levels(tree: Element, cluster: PacemakerCluster) -> None:
    """The same, with levels in two orders."""
    two_devices(tree, cluster)
    configuration = tree.find("configuration")
    assert configuration is not None
    topology = ElementTree.SubElement(configuration, "fencing-topology")
    for node, names in (("n1", f"{FENCING},more"), ("n2", f"more,{FENCING}")):
        words = {"id": f"level-{node}", "target": node, "index": "1", "devices": names}
        ElementTree.SubElement(topology, "fencing-level", words)


def remote_node(tree: Element, cluster: PacemakerCluster) -> None:
    """The cluster has a remote node, which the fence device lists."""
    given(pcmk_host_list="n1 n2 remote1")(tree, cluster)
    resources = tree.find(".//resources")
    assert resources is not None
    words = {"id": "remote1", "class": "ocf", "provider": "pacemaker", "type": "remote"}
    ElementTree.SubElement(resources, "primitive", words)


def resource(kind: str, option: str, lun: str) -> Callable[[Element, PacemakerCluster], None]:
    """A resource that names a disk."""

    def change(tree: Element, cluster: PacemakerCluster) -> None:
        resources = tree.find(".//resources")
        assert resources is not None
        words = {"id": "data2", "class": "ocf", "provider": "heartbeat", "type": kind}
        primitive = ElementTree.SubElement(resources, "primitive", words)
        attributes = ElementTree.SubElement(primitive, "instance_attributes", id="data2-given")
        ElementTree.SubElement(attributes, "nvpair", id="data2-disk", name=option, value=cluster.path(lun))

    return change


def kernel_name(tree: Element, cluster: PacemakerCluster) -> None:
    """A disk by the kernel's name."""
    given(devices=" ".join([cluster["n1"].disk("a"), *cluster.devices()[1:]]))(tree, cluster)


def misspelt(tree: Element, cluster: PacemakerCluster) -> None:
    """A disk by a name that leads nowhere."""
    given(devices=" ".join([*cluster.devices(), "/dev/disk/by-id/wwn-0x6001405000"]))(tree, cluster)


def disk_more(tree: Element, cluster: PacemakerCluster) -> None:
    """One more disk."""
    given(devices=" ".join([*cluster.devices(), cluster.path("d")]))(tree, cluster)


# ---- files and processes of nodes


def edited(node: str, path: str, old: str, new: str) -> Making:
    """A file of a node in which every occurrence of a text is another one."""

    @contextmanager
    def make(cluster: PacemakerCluster) -> Iterator[None]:
        host = cluster[node]
        before = host.run(["cat", path], check=True).stdout
        assert old in before
        host.run(["sh", "-c", f"cat > {path}"], stdin=before.replace(old, new), check=True)
        try:
            yield
        finally:
            host.run(["sh", "-c", f"cat > {path}"], stdin=before, check=True)

    return make


def written(node: str, path: str, text: str) -> Making:
    """A file that was not there."""

    @contextmanager
    def make(cluster: PacemakerCluster) -> Iterator[None]:
        host = cluster[node]
        host.run(["sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path}"], stdin=text, check=True)
        try:
            yield
        finally:
            host.run(["rm", path], check=True)

    return make


@contextmanager
def swapped(cluster: PacemakerCluster) -> Iterator[None]:
    """In the list of n2 the nodes stand in the other order."""
    host = cluster["n2"]
    before = host.run(["cat", CONF], check=True).stdout
    head, first, second, *rest = before.split("    node {")
    second, end = second.split("    }\n", 1)
    text = "    node {".join([head, f"{second}    }}\n", first + end, *rest])
    host.run(["sh", "-c", f"cat > {CONF}"], stdin=text, check=True)
    try:
        yield
    finally:
        host.run(["sh", "-c", f"cat > {CONF}"], stdin=before, check=True)


@contextmanager
def moved_link(cluster: PacemakerCluster) -> Iterator[None]:
    """On n2 the name of LUN a leads to LUN c."""
    host, link = cluster["n2"], cluster.path("a")
    before = host.run(["readlink", link], check=True).stdout.strip()
    host.run(["ln", "-sfn", host.disk("c"), link], check=True)
    try:
        yield
    finally:
        host.run(["ln", "-sfn", before, link], check=True)


def state_file(lun: str) -> str:
    """Of a LUN."""
    return f"{DISKS}/{LUNS[lun].wwid}"


# ---- disks


@contextmanager
def failed_fencing(cluster: PacemakerCluster, victim: str = "n9") -> Iterator[None]:
    """Somebody asked for the fencing of a node, by default of one that nobody knows, and it failed."""
    cluster["n1"].run(["ln", "-sf", LOG, "/var/log/pacemaker/pacemaker.log"], check=True)
    assert cluster["n1"].run(["stonith_admin", "--fence", victim, "--timeout", "10"], timeout=60).returncode
    try:
        yield
    finally:
        cluster["n1"].run(["stonith_admin", "--cleanup", "--history", victim], check=True)


def key_of(cluster: PacemakerCluster, node: str, lun: str) -> int:
    """With which the node is registered."""
    return dict(cluster.fabric.lun_reservation(lun).registrations)[node]


@contextmanager
def another_key(cluster: PacemakerCluster) -> Iterator[None]:
    """LVM has put a key of its own in the place of n2's."""
    own = key_of(cluster, "n2", "a")
    assert cluster["n2"].pr("a", "register", 0, 0x1000000000020001, IGNORE_KEY) == 0
    try:
        yield
    finally:
        assert cluster["n2"].pr("a", "register", 0, own, IGNORE_KEY) == 0


@contextmanager
def fenced(cluster: PacemakerCluster) -> Iterator[None]:
    """n1 is fenced on one disk, and the cluster has tried in vain to fence n2."""
    own, other = key_of(cluster, "n1", "a"), key_of(cluster, "n2", "a")
    assert cluster["n2"].pr("a", "preempt", other, own, WERO) == 0
    try:
        with failed_fencing(cluster, "n2"):
            yield
    finally:
        assert cluster["n1"].pr("a", "register", 0, own, IGNORE_KEY) == 0


@contextmanager
def unregistered(cluster: PacemakerCluster) -> Iterator[None]:
    """n2 is not registered on one disk."""
    own, other = key_of(cluster, "n2", "a"), key_of(cluster, "n1", "a")
    assert cluster["n1"].pr("a", "preempt", other, own, WERO) == 0
    try:
        yield
    finally:
        assert cluster["n2"].pr("a", "register", 0, own, IGNORE_KEY) == 0


@contextmanager
def released(cluster: PacemakerCluster) -> Iterator[None]:
    """Nothing is reserved."""
    holder = cluster.fabric.lun_reservation("a").holder
    assert holder
    own = key_of(cluster, holder, "a")
    assert cluster[holder].pr("a", "release", own, WERO) == 0
    try:
        yield
    finally:
        assert cluster[holder].pr("a", "reserve", own, WERO) == 0


@contextmanager
def hanging(cluster: PacemakerCluster) -> Iterator[None]:
    """A disk gives no answer on n1."""
    cluster["n1"].hang("a")
    try:
        yield
    finally:
        cluster["n1"].resume("a")


@contextmanager
def joined(cluster: PacemakerCluster) -> Iterator[None]:
    """Both nodes are registered on a disk that nothing uses."""
    for name in ("n1", "n2"):
        cluster[name].run(["fence_pr_ioctl", "-o", "on", "-n", name, "-d", cluster.path("d")], check=True)
    try:
        yield
    finally:
        for name in ("n1", "n2"):
            cluster[name].run(["sh", "-c", f"rm -f {DISKS}/*{LUNS['d'].naa}*"], check=True)
            if name == "n2":
                assert cluster[name].pr("d", "clear", key_of(cluster, name, "d")) == 0


@contextmanager
def no_guard(cluster: PacemakerCluster) -> Iterator[None]:
    """The guard of n1 does not run."""
    host = cluster["n1"]
    host.run(["killall", "pr_fence_guard"], check=True)
    try:
        yield
    finally:
        start_guard(cluster, "n1")


def start_guard(cluster: PacemakerCluster, name: str) -> None:
    """It only tells what it sees."""
    cluster[name].run(["sh", "-c", "setsid pr_fence_guard --fenced=log >/dev/null 2>&1 </dev/null &"], check=True)
