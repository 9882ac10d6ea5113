"""Whose registration is whose. Pure.

A key that is absent does not say that a node is out: the node may be registered with another one, because its
configuration differs, because it was renamed, or because another program replaced its key. So each standing key needs
an explanation: this node's own, another known node's, declared, or told by the target to be of another node's host.
"""

from __future__ import annotations

from .. import key_form
from ..errors import Notice
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..keys import Registrant

    # Key → the hosts behind its registrations, as the target tells; None: it was not asked, or tells none.
    Told = Mapping[int, frozenset[str]] | None

_CODES = {"lvm": "key-of-lvm", "fence_scsi": "key-of-fence-scsi"}


class Stranger(Record):
    """A registered key that nothing explains.

    hosts      the hosts behind it, where the target tells them
    nodes      the nodes that these hosts are known to be
    of_victim  whether one of these hosts is the node to fence
    """

    key: int
    hosts: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    of_victim: bool = False

    def of_lvm(self) -> bool:
        """Whether the key has the form of LVM's own."""
        return key_form.origin(self.key) == "lvm"

    def pack(self) -> dict[str, object]:
        """As a field of a notice: the key, what its form says, and what is told of its host."""
        code = _CODES.get(key_form.origin(self.key), "key-of-nobody")
        return Notice(code, {"standing_key": self.key, "hosts": self.hosts, "nodes": self.nodes}).pack()


class Known(Record):
    """What this node knows of one disk's registrants.

    own_key   this node's; None if unknown
    nodes     key → node: of all nodes that make their keys from names, or whose keys are given
    declared  keys that the person has declared to be of other programs or clusters
    hosts     host → node, as it was seen
    guessed   whether a key may be another node's than this node takes it for: then hosts say whose it is
    """

    own_key: int | None
    nodes: Mapping[int, str]
    declared: frozenset[int] = frozenset()
    hosts: Mapping[str, str] = {}
    guessed: bool = False

    def strangers(
        self,
        registered: Iterable[int],
        told: Told = None,
        victim: Registrant | None = None,
        hosts: frozenset[str] = frozenset(),
    ) -> tuple[Stranger, ...]:
        """The keys that nothing explains, each once, in order.

        victim  whose keys need no explanation
        hosts   more hosts of the victim, beside those that it is known by
        """
        of_victim = self.hosts_of(victim, told) | hosts if victim else hosts
        mine = () if victim is None else victim.all_keys()
        found = [
            self._stranger(key, (told or {}).get(key, frozenset()), of_victim)
            for key in sorted(set(registered))
            if key and key not in (self.own_key, *mine) and key not in self.declared
        ]
        return tuple(it for it in found if not self._is_explained(it, victim))

    def hosts_of(self, victim: Registrant, told: Told) -> frozenset[str]:
        """The hosts that a node is known by: as it was seen, and behind its keys now."""
        seen = {host for host, node in self.hosts.items() if node == victim.node}
        return frozenset(seen.union(*((told or {}).get(key, frozenset()) for key in victim.all_keys())))

    def shared(
        self, told: Told, victim: Registrant | None, own_hosts: frozenset[str], own_ports: frozenset[str]
    ) -> tuple[Stranger, ...]:
        """Keys behind which more than one host stands, so that they are no node's. The victim's do not matter: all
        hosts behind them are shut out.

        own_hosts, own_ports: as `Disk` has them
        """
        mine = () if victim is None else victim.all_keys()
        return tuple(
            self._stranger(key, hosts, frozenset())
            for key, hosts in sorted((told or {}).items())
            if key not in mine
            and not self._is_one(hosts, own_ports)
            and not (key == self.own_key and hosts <= own_hosts)
        )

    def _is_one(self, hosts: frozenset[str], own_ports: frozenset[str]) -> bool:
        """Whether these are one node's, as far as anybody can tell: the ports of a host say nothing of other ports, but
        this machine knows its own.
        """
        from ..storage.transport_id import is_fc_port, is_whole_host  # only where a target tells hosts

        whole = {host for host in hosts if is_whole_host(host)}
        if len({self.hosts.get(host, host) for host in whole}) > 1:
            return False
        others = {host for host in hosts - own_ports if is_fc_port(host)}
        return own_ports.isdisjoint(hosts) or all(map(self._was_own, others))

    def _was_own(self, port: str) -> bool:
        """Whether a port that this machine does not have may be its own: of an adapter that broke or was replaced, or
        that the kernel has not found yet. Not known where nobody knows who this node is.
        """
        own_node = self.nodes.get(self.own_key or 0)
        return not own_node or self.hosts.get(port) == own_node

    def of_another(self, told: Told, victim: Registrant) -> tuple[Stranger, ...]:
        """The victim's keys that stand for nothing but hosts of another node."""
        found = [self._stranger(key, (told or {}).get(key, frozenset()), frozenset()) for key in victim.all_keys()]
        return tuple(it for it in found if victim.node and self._is_of_another(it, victim))

    def seen(self, told: Told, own_ports: frozenset[str]) -> dict[str, str]:
        """Host → node: behind whose key it stands, where that key stands for one host and the host for one node.

        Where keys are guessed, a host that was seen as one known node's is not taken for another's: that is how one
        notices that nodes differ in whose key is whose.
        """
        found: dict[str, set[str]] = {}
        for key, hosts in (told or {}).items():
            if key in self.nodes and self._is_one(hosts, own_ports):
                for host in hosts:
                    found.setdefault(host, set()).add(self.nodes[key])
        return {
            host: min(names)
            for host, names in found.items()
            if len(names) == 1 and not (self.guessed and self._is_known_as_another(host, min(names)))
        }

    def misplaced(self, told: Told, own_hosts: frozenset[str]) -> tuple[Stranger, ...]:
        """Known nodes' keys that are registered from hosts of other known nodes."""
        return tuple(
            self._stranger(key, hosts, frozenset())
            for key, hosts in sorted((told or {}).items())
            if key in self.nodes
            and not (key == self.own_key and hosts <= own_hosts)
            and any(self._is_known_as_another(host, self.nodes[key]) for host in hosts)
        )

    def _is_known_as_another(self, host: str, node: str) -> bool:
        """Not a host of a node that was renamed or has left."""
        return self.hosts.get(host, node) in {*self.nodes.values()} - {node}

    def _stranger(self, key: int, hosts: frozenset[str], of_victim: frozenset[str]) -> Stranger:
        nodes = {self.hosts[host] for host in hosts if host in self.hosts}
        return Stranger(key, tuple(sorted(hosts)), tuple(sorted(nodes)), bool(hosts & of_victim))

    def _is_explained(self, it: Stranger, victim: Registrant | None) -> bool:
        """Whether it is a known node's key, or of another node's host."""
        if self._is_named(it.key, victim):
            return not (self.guessed and victim and victim.node in it.nodes)
        return not it.of_victim and self._is_of_another(it, victim)

    def _is_named(self, key: int, victim: Registrant | None) -> bool:
        """Whether it is a known node's, and not the victim's."""
        return key in self.nodes and (victim is None or not victim.node or self.nodes[key] != victim.node)

    def _is_of_another(self, it: Stranger, victim: Registrant | None) -> bool:
        """Whether every host behind it is known, and none is the victim's; without a victim, none that of a node that
        may have to be fenced one day: its key would be missed then. A victim that is named by a key alone may be any
        node.
        """
        known = bool(it.hosts) and all(host in self.hosts for host in it.hosts)
        victims = self.nodes.values() if victim is None else (victim.node,)
        return known and "" not in victims and set(it.nodes).isdisjoint(victims)


def packed(strangers: Iterable[Stranger]) -> tuple[dict[str, object], ...]:
    """As a field of a notice."""
    return tuple(it.pack() for it in strangers)
