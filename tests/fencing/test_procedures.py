"""docs/procedures.md: a cluster's name, nodes and keys change, and at every step each node can be fenced, or it is said
why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import fail, key, run, succeed
from tests.lab import plugin
from tests.lab.inside import layout

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node

# It is about names; what an older kernel does with keys is tested elsewhere.
pytestmark = [
    pytest.mark.promise(11),
    pytest.mark.parametrize("kernel", [plugin.parameter(plugin.NEWEST)], indirect=True),
]

# LUN a tells hosts, as all of LIO's do.
LUN = "a"
CONF = "/etc/corosync/corosync.conf"


@pytest.fixture
def unfenced(lab: Cluster) -> Cluster:
    """All three nodes have run 'on'."""
    _join(lab)
    return lab


def test_a_cluster_is_renamed(unfenced: Cluster) -> None:
    """The file first, on all nodes; then one node after the other registers anew. Who dies on the way is fenced."""
    for node in unfenced.nodes.values():
        _rename(node)
    _assert_each_can_be_fenced(unfenced)
    for done, node in enumerate(unfenced.nodes.values(), 1):
        succeed(node, "on", node.name, [LUN])
        assert len(set(unfenced.reservation(LUN).keys.values()) & _keys()) == len(layout.NODES) - done
        _assert_each_can_be_fenced(unfenced, renamed=done)
    _assert_well(unfenced)


def test_a_node_that_is_renamed_alone_is_unknown_to_the_others_until_they_are_told(unfenced: Cluster) -> None:
    """Where the target tells hosts, too: n1 has seen n2's, and could not fence it."""
    n1, n2, _ = unfenced.nodes.values()
    succeed(n1, "monitor", luns=[LUN])
    _rename(n2)
    succeed(n2, "on", "n2", [LUN])
    own = f"0x{unfenced.reservation(LUN).keys['n2']:x}"
    for action in ("monitor", "validate-all", "off", "status"):
        assert own in " ".join(fail(n1, action, "n2", [LUN])), action
    _rename(n1)
    succeed(n1, "off", "n2", [LUN])


def test_a_cluster_is_renamed_and_keeps_its_keys(unfenced: Cluster) -> None:
    for node in unfenced.nodes.values():
        _rename(node)
        succeed(node, "monitor", luns=[LUN], cluster_name=layout.CLUSTER)
    assert set(unfenced.reservation(LUN).keys.values()) == _keys()
    assert succeed(unfenced.n1, "off", "n2", [LUN], cluster_name=layout.CLUSTER).stdout.startswith(
        "Success: Powered OFF"
    )


def test_a_node_is_added(lab: Cluster) -> None:
    """Its key is unknown wherever the list is the old one, and the monitor says so."""
    for node in (lab.n1, lab.n2):
        _unlist(node, "n3")
        succeed(node, "on", node.name, [LUN])
    succeed(lab.n3, "on", "n3", [LUN])
    assert f"0x{key('n3'):x}" in " ".join(fail(lab.n1, "monitor", luns=[LUN]))
    for node in (lab.n1, lab.n2):
        _write(node, layout.corosync_conf())
    _assert_well(lab)
    succeed(lab.n1, "off", "n3", [LUN])


def test_a_node_is_removed(unfenced: Cluster) -> None:
    n1, n2, _ = unfenced.nodes.values()
    succeed(n1, "off", "n3", [LUN])
    assert run(n1, "status", "n3", [LUN]).returncode == 2
    for node in (n1, n2):
        _unlist(node, "n3")
        succeed(node, "monitor", luns=[LUN])
    succeed(n1, "off", "n2", [LUN])


def test_a_node_that_was_removed_too_early_is_fenced_by_its_name(unfenced: Cluster) -> None:
    n1, n2, _ = unfenced.nodes.values()
    for node in (n1, n2):
        _unlist(node, "n3")
        assert f"0x{key('n3'):x}" in " ".join(fail(node, "monitor", luns=[LUN]))
    (line,) = fail(n1, "off", "n3", [LUN])
    assert "not known" in line
    succeed(n1, "off", "n3", [LUN], other_nodes="n3")
    assert unfenced.reservation(LUN).keys.keys() == {"n1", "n2"}
    for node in (n1, n2):
        succeed(node, "monitor", luns=[LUN])


def test_key_value_is_changed_from_hash_to_hash64(lab: Cluster) -> None:
    """Any node can be fenced by its name, whichever key it has."""
    for others in (("n2", "n3"), ("n2",), ()):
        _join(lab, key_value="hash")
        for node in lab.nodes.values():
            if node.name not in others:
                succeed(node, "on", node.name, [LUN])
        for victim in ("n2", "n3"):
            succeed(lab.n1, "off", victim, [LUN])
            assert victim not in lab.reservation(LUN).keys
        _forget(lab)


def test_key_value_is_changed_from_id_to_hash64(lab: Cluster) -> None:
    """A position is not remembered: what is left is named, and can be fenced by what its key was made from."""
    _join(lab, key_value="id")
    succeed(lab.n1, "on", "n1", [LUN])
    lines = fail(lab.n1, "off", "n2", [LUN])
    assert "n2" in lines[0]
    succeed(lab.n1, "off", "n2", [LUN], key_value="id")
    assert lab.reservation(LUN).keys.keys() == {"n1", "n3"}
    succeed(lab.n3, "on", "n3", [LUN])
    succeed(lab.n2, "on", "n2", [LUN])
    _assert_well(lab)


@pytest.mark.parametrize("before", ["explicit keys", "names"])
def test_node_keys_name_the_keys_that_nodes_have(lab: Cluster, before: str) -> None:
    """Nothing changes on the disks, and nodes can be fenced before, meanwhile and after."""
    for node in lab.nodes.values():
        own = {"key": f"0x{node.name[1:]}"} if before == "explicit keys" else {}
        succeed(node, "on", node.name, [LUN], **own)
    listed = [_own_key(node) for node in lab.nodes.values()]
    node_keys = ";".join(f"{name}:{own}" for name, own in zip(layout.NODES, listed))
    for node in lab.nodes.values():
        succeed(node, "monitor", luns=[LUN], node_keys=node_keys)
    succeed(lab.n1, "off", "n2", [LUN], node_keys=node_keys)
    succeed(lab.n3, "off", "n2", [LUN], node_keys=node_keys)
    assert lab.reservation(LUN).keys.keys() == {"n1", "n3"}
    succeed(lab.n2, "on", "n2", [LUN], node_keys=node_keys)
    assert sorted(hex(it) for it in lab.reservation(LUN).keys.values()) == sorted(listed)


def test_whose_key_it_is_each_node_knows(unfenced: Cluster) -> None:
    for node in unfenced.nodes.values():
        knows = [name for name in layout.NODES if _has_had(node, key(name))]
        assert knows == [node.name]


def _join(lab: Cluster, **options: str) -> None:
    for node in lab.nodes.values():
        succeed(node, "on", node.name, [LUN], **options)


def _forget(lab: Cluster) -> None:
    """As when all have been rebooted, the storage has lost all, and nobody remembers anything."""
    succeed(lab.n1, "on", "n1", [LUN])
    assert lab.n1.pr(LUN, "clear", lab.reservation(LUN).keys["n1"]) == 0
    for node in lab.nodes.values():
        node.renew()
        node.drain(LUN)


def _assert_well(lab: Cluster) -> None:
    for node in lab.nodes.values():
        succeed(node, "monitor", luns=[LUN])
        assert succeed(node, "list-status", luns=[LUN]).stdout == "n1,,ON\nn2,,ON\nn3,,ON\n"


def _assert_each_can_be_fenced(lab: Cluster, renamed: int = 0) -> None:
    """By each that lives, one at a time; it comes back with the key that it had."""
    for victim in layout.NODES:
        by = next(node for node in lab.nodes.values() if node.name != victim)
        succeed(by, "off", victim, [LUN])
        assert victim not in lab.reservation(LUN).keys
        own = {} if layout.NODES.index(victim) < renamed else {"cluster_name": layout.CLUSTER}
        succeed(lab.nodes[victim], "on", victim, [LUN], **own)


def _keys() -> set[int]:
    return set(map(key, layout.NODES))


def _rename(node: Node) -> None:
    _write(node, layout.corosync_conf().replace(f"cluster_name: {layout.CLUSTER}", "cluster_name: newname"))


def _unlist(node: Node, name: str) -> None:
    head, nodelist = layout.corosync_conf().split("nodelist {\n")
    entries = nodelist.removesuffix("}\n").split("    node {\n")[1:]
    kept = "".join(f"    node {{\n{entry}" for entry in entries if f"name: {name}\n" not in entry)
    _write(node, f"{head}nodelist {{\n{kept}}}\n")


def _write(node: Node, conf: str) -> None:
    node.run(["sh", "-c", f"cat > {CONF}"], stdin=conf, check=True)


def _own_key(node: Node) -> str:
    """As docs/procedures.md has it read."""
    said = node.run(["sh", "-c", "grep -hs key= /run/fence_pr_ioctl/[!+]*"], check=True).stdout
    return said.strip().partition("=")[2]


def _has_had(node: Node, number: int) -> bool:
    folders = "/run/fence_pr_ioctl /var/lib/fence_pr_ioctl"
    return bool(node.run(["sh", "-c", f"grep -rs 0x{number:x} {folders}"]).stdout)
