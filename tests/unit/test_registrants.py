"""Which standing keys are explained: every way in which one can be, and each premise broken."""

from __future__ import annotations

import itertools

import pytest

from fence_pr.actions.registrants import Known, Stranger
from fence_pr.keys import Registrant

OWN, PEER, VICTIM, OTHER = 0xA, 0xB, 0xC, 0xD
NODE = Registrant("n2", VICTIM)
H1, H2, H3, NEW = "iqn.n1", "iqn.n2", "iqn.n3", "iqn.new"
PORT_1, PORT_2 = "fc.01", "fc.02"
KNOWN = Known(OWN, {OWN: "n1", VICTIM: "n2", PEER: "n3"}, frozenset({0xFE}), {H1: "n1", H2: "n2", H3: "n3"})


def host(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.mark.promise(11)
def test_own_known_declared_and_the_victims_keys_need_no_more() -> None:
    assert KNOWN.strangers([OWN, PEER, 0xFE, VICTIM, PEER, 0], None, NODE) == ()
    assert KNOWN.strangers([OTHER, OTHER, OWN]) == (Stranger(OTHER),)
    assert Known(None, {}).strangers([OWN, OTHER]) == (Stranger(OWN), Stranger(OTHER))
    assert KNOWN.strangers([0x77], None, Registrant("n2", VICTIM, (0x77,))) == ()


@pytest.mark.promise(11)
@pytest.mark.parametrize(
    "behind", [*itertools.chain(*(itertools.combinations((H1, H2, H3, NEW), n) for n in range(5)))]
)
def test_a_key_is_explained_by_its_hosts_only_if_all_are_known_and_none_is_the_victims(behind: tuple[str, ...]) -> None:
    """Also where the victim's own key is gone: it may have two."""
    (*found,) = KNOWN.strangers([OWN, OTHER], {OTHER: host(*behind)}, NODE)
    explained = bool(behind) and set(behind) <= {H1, H3}
    assert bool(found) == (not explained)
    if found:
        assert found[0].of_victim == (H2 in behind)
        assert found[0].hosts == tuple(sorted(behind))


@pytest.mark.promise(11)
def test_the_host_behind_the_victims_key_is_the_victims() -> None:
    """It may never have been seen before."""
    told = {VICTIM: host(NEW), OTHER: host(NEW)}
    (found,) = KNOWN.strangers([OWN, VICTIM, OTHER], told, NODE)
    assert found.of_victim
    (found,) = KNOWN.strangers([OWN, OTHER], {OTHER: host(NEW)}, NODE, KNOWN.hosts_of(NODE, told))
    assert found.of_victim


def test_a_host_that_nobody_has_seen_explains_nothing() -> None:
    assert KNOWN.strangers([OTHER], {OTHER: host(NEW)}, NODE) == (Stranger(OTHER, (NEW,)),)
    assert KNOWN.strangers([OTHER], {OTHER: host()}, NODE) == (Stranger(OTHER),)
    assert KNOWN.strangers([OTHER], {OTHER: host(H3)}, NODE) == ()


@pytest.mark.promise(11)
def test_without_a_victim_only_hosts_of_nodes_that_are_gone_explain() -> None:
    """A node of the cluster has another key than its name makes: when it must be fenced one day, that key is missed."""
    assert KNOWN.strangers([OTHER], {OTHER: host(H3)}) == (Stranger(OTHER, (H3,), ("n3",)),)
    without_n3 = Known(OWN, {OWN: "n1", VICTIM: "n2"}, frozenset(), KNOWN.hosts)
    assert without_n3.strangers([OTHER], {OTHER: host(H3)}) == ()


@pytest.mark.promise(11)
@pytest.mark.parametrize(
    ("hosts", "is_shared"),
    [
        ((H1,), False), ((H1, H2), True), ((H1, NEW), True), ((PORT_1, PORT_2), False), ((PORT_1, H1), False),
        (("nvme.01", "nvme.02"), True), ((), False),
    ],
)  # fmt: skip
def test_one_key_of_two_hosts_is_no_nodes(hosts: tuple[str, ...], is_shared: bool) -> None:
    """Ports say nothing: a host has several."""
    assert bool(KNOWN.shared({PEER: host(*hosts)}, NODE, host(), host())) == is_shared


def test_two_hosts_of_one_node_are_one_node() -> None:
    known = Known(OWN, KNOWN.nodes, frozenset(), {H3: "n3", NEW: "n3"})
    assert known.shared({PEER: host(H3, NEW)}, NODE, host(), host()) == ()
    assert known.shared({OWN: host(H1, "iqn.b")}, NODE, host(H1, "iqn.b"), host()) == ()
    assert known.shared({OWN: host(H1, "iqn.b")}, NODE, host(H1), host()) != ()
    assert known.shared({VICTIM: host(H1, H2)}, NODE, host(), host()) == ()  # all of them are shut out
    assert known.shared(None, NODE, host(), host()) == ()


OWN_PORTS = host(PORT_1, "fc.0a")


@pytest.mark.promise(11)
@pytest.mark.parametrize(
    ("key", "hosts", "is_shared"),
    [
        # This machine's own, with and without a path to the disk; and another one, which is surely another machine's.
        (OWN, (PORT_1, "fc.0a"), False), (OWN, (PORT_1, PORT_2), True), (OWN, ("fc.0a", PORT_2), True),
        (PEER, (PORT_1, PORT_2), True),
        # Of two ports of which none is this machine's, and of ports of SAS, nobody can tell.
        (PEER, (PORT_2, "fc.03"), False), (OWN, (PORT_2,), False), (OWN, ("sas.01", PORT_1), False),
        (OWN, (PORT_1, H1), False),
    ],
)  # fmt: skip
def test_one_key_of_this_machines_port_and_of_another_is_no_nodes(
    key: int, hosts: tuple[str, ...], is_shared: bool
) -> None:
    told = {key: host(*hosts)}
    (*found,) = KNOWN.shared(told, NODE, host(PORT_1), OWN_PORTS)
    assert found == ([Stranger(key, tuple(sorted(hosts)))] if is_shared else [])
    # What stands for two nodes is no node's, also not in what is remembered. The victim's are all shut out.
    assert set(KNOWN.seen(told, OWN_PORTS)) == (set() if is_shared else set(hosts))
    assert KNOWN.shared(told, Registrant("n4", key), host(PORT_1), OWN_PORTS) == ()


def test_a_port_that_was_this_nodes_may_be_on_an_adapter_that_broke() -> None:
    """Or the kernel has not found it yet. Whoever does not know its own name remembers no ports: it must not judge."""
    told, gone = {OWN: host(PORT_1, PORT_2)}, Known(OWN, KNOWN.nodes, frozenset(), {PORT_2: "n1"})
    assert gone.shared(told, NODE, OWN_PORTS, OWN_PORTS) == ()
    assert gone.seen(told, OWN_PORTS) == {PORT_1: "n1", PORT_2: "n1"}
    for another in (Known(OWN, KNOWN.nodes, frozenset(), {PORT_2: "n3"}), Known(OWN, KNOWN.nodes)):
        assert another.shared(told, NODE, OWN_PORTS, OWN_PORTS)
    for nameless in (Known(OWN, {VICTIM: "n2"}), Known(None, KNOWN.nodes)):
        assert nameless.shared(told, NODE, OWN_PORTS, OWN_PORTS) == ()


@pytest.mark.promise(4, 11)
def test_the_victims_key_may_be_another_nodes() -> None:
    """With positions in different lists the key that this node takes for n2's is a healthy node's."""
    assert KNOWN.of_another({VICTIM: host(H3)}, NODE) == (Stranger(VICTIM, (H3,), ("n3",)),)
    for behind in (host(H2), host(H2, H3), host(NEW), host(H3, NEW), host()):
        assert KNOWN.of_another({VICTIM: behind}, NODE) == ()
    assert KNOWN.of_another(None, NODE) == ()
    assert KNOWN.of_another({VICTIM: host(H3)}, Registrant("", VICTIM)) == ()


def test_what_is_seen_is_bound_where_it_is_clear() -> None:
    told = {OWN: host(H1), PEER: host(H3, NEW), OTHER: host("iqn.x"), VICTIM: host(PORT_1, PORT_2)}
    assert Known(OWN, KNOWN.nodes).seen(told, host()) == {H1: "n1", PORT_1: "n2", PORT_2: "n2"}
    assert Known(OWN, KNOWN.nodes).seen({OWN: host(H1), PEER: host(H1)}, host()) == {}
    assert KNOWN.seen(None, host()) == {}


@pytest.mark.parametrize(
    ("key", "code"), [(0x1000000000000001, "key-of-lvm"), (0xABCD0001, "key-of-fence-scsi"), (1 << 40, "key-of-nobody")]
)
def test_a_key_is_described_by_its_form(key: int, code: str) -> None:
    assert Stranger(key, (H1,), ("n1",)).pack() == {
        "code": code, "standing_key": key, "hosts": (H1,), "nodes": ("n1",)
    }  # fmt: skip
