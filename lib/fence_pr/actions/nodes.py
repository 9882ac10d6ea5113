"""Who the nodes of the cluster are, and which keys they have."""

from __future__ import annotations

from .. import corosync, keys
from ..errors import FenceError, NodeUnknown, Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..bindings import Bindings, Parameters
    from ..corosync import Cluster
    from ..keys import Registrant
    from ..storage.device import Device
    from .registrants import Known
    from .request import Request
    from .this_node import ThisNode

_PAIR = 2


class Nodes:
    """The nodes as corosync.conf, the options, and what this node has kept of the disks tell.

    Raises FenceError if corosync.conf exists but cannot be read.
    """

    def __init__(self, request: Request, here: ThisNode, warn: Callable[[Notice], None]) -> None:
        self._request, self._here, self._warn = request, here, warn
        self.cluster = _load_cluster(request, here)
        self._bindings: dict[Device, Bindings] = {}
        self._registered: dict[Device, Registrant | None] = {}
        self._local: str | None = None
        self._made: dict[Parameters | None, dict[int, str]] = {}

    def named(self) -> Registrant:
        """The node that the call names, by the key that its name makes now. Raises UsageError or NodeUnknown."""
        request = self._request
        cluster, method = self.cluster, request.key_method
        plug = keys.plug_of(request.plug, request.key, request.nodeid, cluster, request.nodename, method)
        return keys.named(plug, request.key, cluster, method)

    def victim(self, node: Registrant, devices: Sequence[Device]) -> Registrant:
        """The same node, with the keys that its name made when 'on' ran here."""
        if self.is_given(node):
            return node
        return self._with_former(node, devices)

    def require_known_key(self, node: Registrant, devices: Sequence[Device]) -> None:
        """Raises FenceError if `node` is named by its name, and names make other keys than they did for this node."""
        if changed := None if self.is_given(node) else self.keys_changed(devices):
            raise FenceError("keys-changed", **changed, node=node.node)

    def all(self, devices: Sequence[Device]) -> list[Registrant]:
        """Every node that is known by its name, with its keys; empty if they cannot be known."""
        found = [keys.Registrant(name, key) for key, name in self.by_key().items()]
        return found if self._request.node_keys else [self._with_former(it, devices) for it in found]

    def _with_former(self, node: Registrant, devices: Sequence[Device]) -> Registrant:
        others = {key for key, name in self.by_key(devices).items() if name != node.node}
        noted = [keys.of_node(node.node, self._with(it), it.method) for it in self._noted(devices)]
        former = [key for key in noted if key not in others and key != node.key]
        return keys.Registrant(node.node, node.key, tuple(dict.fromkeys(former)))

    def is_given(self, node: Registrant) -> bool:
        """Whether the node's key was given, not made from its name."""
        return not node.node or bool(self._request.key or self._request.node_keys)

    def local_name(self) -> str:
        """This node's name; "" if nothing names this machine."""
        if self._local is None:
            self._local = corosync.local_node(self.cluster, *self._here.names())
        return self._local

    def by_key(self, devices: Sequence[Device] = ()) -> dict[int, str]:
        """Key → node of all nodes, as names make keys now, and made them when 'on' ran here for these disks; empty if
        they cannot be known.
        """
        found: dict[int, str] = {}
        for parameters in (None, *self._noted(devices)):
            if parameters not in self._made:
                self._made[parameters] = self._of_all(parameters)
            found = {**self._made[parameters], **found}
        return found

    def _of_all(self, parameters: Parameters | None) -> dict[int, str]:
        """Key → node, empty if they cannot be known. parameters None: those of now."""
        try:
            if parameters is None:
                return keys.of_cluster(self.cluster, self._request.key_method)
            return keys.of_cluster(self._with(parameters), parameters.method)
        except NodeUnknown:
            return {}

    def own_keys(self, devices: Sequence[Device]) -> dict[Device, int | None]:
        """This node's own key on each disk: what it registered, else what its name makes; None if unknown.

        Raises FenceError if a state file cannot be read, or is another node's.
        """
        registered = {device: self.registered(device) for device in devices}
        self._refuse_anothers(registered)
        made = None if all(registered.values()) else self._made_from_own_name()
        return {device: entry.key if entry else made for device, entry in registered.items()}

    def own_keys_if_readable(self, devices: Sequence[Device]) -> dict[Device, int | None]:
        """The same for an action that does not depend on it: None where nobody can tell."""
        registered = {device: self.registered_if_readable(device) for device in devices}
        try:
            made = None if all(registered.values()) else self._made_from_own_name()
        except NodeUnknown:
            made = None
        return {device: entry.key if entry else made for device, entry in registered.items()}

    def _refuse_anothers(self, registered: dict[Device, Registrant | None]) -> None:
        """With another node's key, which may well be registered, this node would take itself for one that may fence."""
        local = self.local_name() if any(registered.values()) else ""
        for device, entry in registered.items():
            if local and entry and entry.node not in ("", local):
                raise FenceError(
                    "state-file-of-another",
                    disk=device.label(),
                    folder=self._here.state_folder,
                    node=entry.node,
                    local=local,
                )

    def _made_from_own_name(self) -> int | None:
        name = self.local_name()
        return self._made_from(name) if name and (self.cluster.name or self.cluster.node_keys) else None

    def _made_from(self, name: str) -> int:
        return keys.of_node(name, self.cluster, self._request.key_method)

    def keys_changed(self, devices: Sequence[Device]) -> dict[str, Any] | None:
        """Where this node's own name makes another key than this node registered, by what makes keys now and by all
        that is noted: disk, own_key and made_key.

        If so, the cluster's name or the key method has changed since, keys are explicit, or corosync.conf is half
        written, and the key that another node's name makes tells nothing: nobody has such a key, or, with key_value=id
        and a node removed, a healthy node has. Raises NodeUnknown if a name makes no key at all.
        """
        for device in devices:
            entry = self.registered_if_readable(device)
            name = (entry.node or self.local_name()) if entry else ""
            if not entry or not name:
                continue
            made = self._made_from(name)
            if entry.key == made:
                continue
            if entry.key not in [keys.of_node(name, self._with(it), it.method) for it in self._noted([device])]:
                return {"disk": device.label(), "own_key": entry.key, "made_key": made}
        return None

    def require_names(self, devices: Sequence[Device]) -> None:
        """Raises FenceError if names made this node's keys, and nothing that is noted makes them any more."""
        changed = self.keys_changed(devices) if any(self.bindings(it).parameters for it in devices) else None
        if changed:
            raise FenceError("keys-changed", **changed, node="another node")

    def made_otherwise(self, device: Device) -> Notice | None:
        """That this node's name makes another key by now than it has on a disk; None if it does not."""
        entry = self.registered_if_readable(device)
        made = self.by_key()
        if not entry or not made or entry.key in made or entry.key not in self.by_key([device]):
            return None
        return Notice("keys-made-otherwise", {"disk": device.label(), "own_key": entry.key})

    def are_guessed(self, devices: Sequence[Device]) -> bool:
        """Whether a key may be another node's than this node takes it for: positions in a list, and keys that people
        give, can differ from node to node. A name makes one key everywhere, or one that nobody has.
        """
        request = self._request
        given = bool(request.key or request.node_keys) or self._is_given_number(request.plug)
        return given or request.key_method == keys.ID or self._are_given(devices)

    def _is_given_number(self, plug: str) -> bool:
        """Whether the plug is a key that no name makes. Raises UsageError if it is a malformed one."""
        return keys.is_number(plug) and keys.parse_key("plug", plug) not in self.by_key()

    def are_positions(self) -> bool:
        """Whether a key is a place in a list, which nothing but the target can tell to be another one elsewhere."""
        request = self._request
        given = request.key or request.node_keys or keys.is_number(request.plug)
        return request.key_method == keys.ID and not given

    def know_all(self) -> bool:
        """Whether a key that is no known node's is no node's; not where this node has got its key alone."""
        request = self._request
        return bool(request.node_keys) or not (request.key or keys.is_number(request.plug))

    def one_is_unknown(self, devices: Sequence[Device]) -> bool:
        """Whether there is one other node, and nobody here can know its key. One key may then stand unexplained."""
        if self._request.node_keys:
            return False
        if self._are_given(devices):
            return len(self.cluster.nodes) <= _PAIR
        return self.cluster.nameless() == 1 or not self.cluster.names()

    def _are_given(self, devices: Sequence[Device]) -> bool:
        """Whether this node has a key that no name makes."""
        try:
            return self.keys_changed(devices) is not None
        except NodeUnknown:
            return True

    def registered(self, device: Device) -> Registrant | None:
        """What this node had registered on the disk when this call began; None if nothing. Raises FenceError."""
        if device not in self._registered:
            self._registered[device] = self._here.registered(device)
        return self._registered[device]

    def registered_if_readable(self, device: Device) -> Registrant | None:
        """The same; None also if nobody can tell."""
        try:
            return self.registered(device)
        except FenceError:
            return None

    def bindings(self, device: Device) -> Bindings:
        """What is remembered of the disk; nothing, and a warning, if that cannot be read, or was written by a node of
        another name: a machine that was cloned must not take the other one's keys for its own.
        """
        if device not in self._bindings:
            self._bindings[device] = self.bindings_now(device)
        return self._bindings[device]

    def bindings_now(self, device: Device) -> Bindings:
        """The same, read again."""
        return self._here.bindings(device, self.local_name(), self._warn)

    def known_at_once(self, own_key: int | None) -> Known:
        """What this node knows of registrants without a look at what it remembers: enough where nothing is strange."""
        from .registrants import Known

        return Known(own_key, self.by_key(), frozenset(self._request.foreign_keys))

    def known(self, device: Device, own_key: int | None) -> Known:
        """What this node knows of one disk's registrants."""
        from .registrants import Known

        hosts = dict(self.bindings(device).hosts)
        declared, guessed = frozenset(self._request.foreign_keys), self.are_guessed([device])
        return Known(own_key, self.by_key([device]), declared, hosts, guessed)

    def other_method(self, node: Registrant, among: Sequence[int]) -> tuple[int, str] | None:
        """A key that another key method makes from the node's name, and the method, if it is among these: as while
        key_value changes from node to node.
        """
        for method in () if self.is_given(node) else keys.METHODS:
            try:
                key = keys.of_node(node.node, self.cluster, method)
            except NodeUnknown:
                continue
            if key in among:
                return key, method
        return None

    def _noted(self, devices: Sequence[Device]) -> list[Parameters]:
        """How names made keys when 'on' ran here. Positions of then, and methods unknown here, tell nothing."""
        if self._request.node_keys:
            return []
        found = [it for device in devices for it in self.bindings(device).parameters]
        return [it for it in dict.fromkeys(found) if it.method in keys.METHODS and it.method != keys.ID]

    def parameters(self, me: Registrant) -> Parameters | None:
        """How this node's name made its key; None if the key was given."""
        from ..bindings import Parameters

        if self.is_given(me):
            return None
        return Parameters(self._request.key_method, self.cluster.name)

    def _with(self, parameters: Parameters) -> Cluster:
        now = self.cluster
        return corosync.Cluster(parameters.cluster, now.nodes, other_nodes=now.other_nodes, own_name=now.own_name)


def _load_cluster(request: Request, here: ThisNode) -> Cluster:
    try:
        cluster = here.cluster(request.corosync_conf)
    except OSError as error:
        raise FenceError("corosync-conf-unreadable", path=request.corosync_conf, answer=error.strerror) from error
    return corosync.Cluster(
        request.cluster_name or cluster.name,
        cluster.nodes,
        cluster.missing,
        request.other_nodes,
        request.node_keys,
        request.foreign_keys,
        corosync.own_name(cluster, *here.names()) if not all(node.name for node in cluster.nodes) else "",
    )
