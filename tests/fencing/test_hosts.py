"""Which host is behind a key, as real targets tell it, and that this machine knows what they call it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import key, succeed
from tests.fencing.test_register import register

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node
    from tests.lab.fabric import Fabric, Host
    from tests.lab.nvme import Namespaces

N1, N2, N3 = map(key, ("n1", "n2", "n3"))

# Run in a node: hosts behind keys, and what this machine is called, of one disk.
ASK = """
import json, sys
sys.path.insert(0, "/project/lib")
from fence_pr.storage import device, open
class Unwatched:
    announce = finished = lambda *_: None
disk = open.open_disk(device.resolve(sys.argv[1]), Unwatched())
hosts = disk.hosts()
told = hosts and {str(key): sorted(names) for key, names in hosts.items()}
print(json.dumps([told, sorted(disk.own_hosts())]))
"""


def asked(node: Node | Host, disk: str) -> tuple[dict[int, set[str]], set[str]]:
    """Key → hosts, and this machine's own names."""
    hosts, own = json.loads(node.run(["python3", "-c", ASK, disk], check=True).stdout)
    return {int(it): set(names) for it, names in hosts.items()}, set(own)


def iscsi(node: str) -> str:
    """What the lab calls a node's initiator."""
    return f"iqn.2026-01.lab.host:{node}"


def nvme(number: int) -> str:
    """The host identifier of the lab's node."""
    return f"nvme.{number:08}111122223333444444444444"


@pytest.mark.promise(1)
def test_a_lun_tells_the_node_behind_each_key_and_each_node_knows_its_own_name(lab: Cluster) -> None:
    assert asked(lab.n1, lab.n1.disk("a")) == ({}, {iscsi("n1")})
    for name, node in lab.nodes.items():
        succeed(node, "on", name, luns="a")
    told = {key(name): {iscsi(name)} for name in lab.nodes}
    for name, node in lab.nodes.items():
        assert asked(node, node.disk("a")) == (told, {iscsi(name)})


@pytest.mark.promise(1)
def test_a_lun_tells_that_two_nodes_have_one_key_and_that_one_has_two(lab: Cluster) -> None:
    assert [register(lab, name, 0, N1) for name in ("n1", "n2")] == [0, 0]
    assert asked(lab.n3, lab.n3.disk("a"))[0] == {N1: {iscsi("n1"), iscsi("n2")}}
    assert register(lab, "n2", N1, N2) == 0
    assert asked(lab.n3, lab.n3.disk("a"))[0] == {N1: {iscsi("n1")}, N2: {iscsi("n2")}}


@pytest.mark.promise(1)
def test_a_map_tells_them_through_a_path(lab: Cluster) -> None:
    """Its two paths are two nodes' here."""
    with maps.mapped(lab, "a") as name:
        succeed(lab.n1, "on", "n1", devices=name)
        succeed(lab.n3, "on", "n3", luns="a")
        both = {iscsi("n1"), iscsi("n2")}
        assert asked(lab.n1, name) == ({N1: both, N3: {iscsi("n3")}}, both)


@pytest.mark.promise(1)
def test_a_namespace_tells_the_host_behind_each_key(fabric: Fabric) -> None:
    for name, host in fabric.hosts.items():
        succeed(host, "on", name, devices=host.namespace(1))
    told = {key(name): {nvme(number)} for number, name in enumerate(fabric.hosts, 1)}
    for number, host in enumerate(fabric.hosts.values(), 1):
        assert asked(host, host.namespace(1)) == (told, {nvme(number)})


@pytest.mark.promise(1)
def test_a_machine_with_several_nvme_host_identifiers_knows_them_all(namespaces: Namespaces) -> None:
    n1 = namespaces.cluster.n1
    succeed(n1, "on", "n1", devices=namespaces.disk("n1"))
    assert asked(n1, namespaces.disk("n1")) == ({N1: {nvme(1)}}, {nvme(1), nvme(2), nvme(3)})
