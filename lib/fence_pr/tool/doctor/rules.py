"""Judgements on what surrounds the fence devices: names, members, resources, the past, and this machine. Pure."""

from __future__ import annotations

from ...errors import Notice
from ...storage.device import MULTIPATH
from ...storage.snapshot import ON
from . import devices
from .findings import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...corosync import Cluster
    from ..report import Json
    from .configuration import Configuration
    from .machine import Machine
    from .status import Status

_CIB, _MON = "cibadmin: ", "crm_mon: "
# Resource agents that place reservations themselves.
_RESERVING = ("sg_persist", "mpathpersist")
_FROM_FILE = "file"
_RECORDED = ("start", "monitor", "on", "off")


def nodes_to_fence(cluster: Cluster, found: Configuration) -> list[str]:
    """Whom fence devices must fence, by the names that are known."""
    return list(dict.fromkeys([*cluster.names(), *found.names(), *found.remotes]))


def of_names(cluster: Cluster, conf: str, found: Configuration, status: Status) -> Iterator[Finding]:
    """What the nodes are called: here, and by Pacemaker. conf: the path of corosync.conf."""
    if cluster.nameless():
        addresses = [node.addresses[0] for node in cluster.nodes if not node.name and node.addresses]
        yield Finding(Notice("nodes-without-names", {"addresses": addresses}), (f"{conf}: nodelist",))
    if not cluster.nodes or cluster.nameless():
        return
    known = cluster.names()
    of_devices = [_other_nodes(it.given.parameters) for it in found.devices]
    for node in status.online:
        if node not in known and not any(node in others for others in of_devices):
            seen = (f"{_MON}{node} is online", f"{conf}: nodelist {' '.join(known)}")
            yield Finding(Notice("node-not-in-nodelist", {"node": node, "nodes": known}), seen)
    for node in (*found.remotes, *found.guests):
        for device, others in zip(found.devices, of_devices):
            if node not in known and node not in others and node in (devices.hosts(device.raw) or ()):
                fields = {"node": node, "device": device.name}
                given = device.given.parameters.get("other_nodes", "")
                evidence = (
                    f"{_CIB}{device.name}: other_nodes={given}" if given else f"{_CIB}{device.name} has no other_nodes"
                )
                yield Finding(Notice("remote-node-unknown", fields), (evidence,))


def other_nodes(found: Configuration) -> tuple[str, ...]:
    """Nodes that the fence devices' options name."""
    return tuple(dict.fromkeys(node for it in found.devices for node in _other_nodes(it.given.parameters)))


def _other_nodes(parameters: Mapping[str, str]) -> list[str]:
    given = parameters.get("node_keys", "").replace(";", " ").replace(",", " ").split()
    named = [it.partition(":")[0] for it in given]
    return [*parameters.get("other_nodes", "").replace(",", " ").split(), *named]


def of_members(status: Status, disks: Sequence[Json], local: str) -> Iterator[Finding]:
    """Members that are not registered. Of this node the agent's monitor says it."""
    for disk in disks:
        for it in disk["states"]:
            if it["node"] in status.online and it["node"] != local and it["state"] != ON:
                keys = " ".join(key["key"] for key in disk["registrations"]) or "none"
                evidence = (f"{_MON}{it['node']} is online", f"registered on the disk: {keys}")
                yield Finding(Notice("member-not-registered", {"disk": disk["name"], "node": it["node"]}), evidence)


def has_failed(status: Status) -> bool:
    """Whether the last fencing of any node failed."""
    return not all(event.succeeded for event in status.last())


def of_history(status: Status, devices: Sequence[str], said: Sequence[str] = ()) -> Iterator[Finding]:
    """What failed last. said: what the agent has complained about last on this node."""
    log = tuple(f"the agent's last failure here: {it}" for it in said)
    for event in status.last():
        if not event.succeeded:
            fields = {"action": event.action, "node": event.target, "at": event.at, "answer": event.answer}
            evidence = f"{_MON}fence history: {event.action} of {event.target}, by {event.by or 'nobody'}"
            yield Finding(Notice("fencing-failed", fields), (evidence, *log))
    for node in status.unclean:
        yield Finding(Notice("node-unclean", {"node": node}), (f"{_MON}{node} is unclean",))
    for failure in status.failures:
        if failure.resource in devices and failure.action in _RECORDED:
            fields = {"device": failure.resource, "action": failure.action, "node": failure.node,
                      "answer": failure.answer}  # fmt: skip
            evidence = f"{_MON}failed: {failure.action} of {failure.resource} on {failure.node}"
            yield Finding(Notice("fence-device-failed", fields), (evidence,))


def words(found: Configuration) -> dict[str, list[str]]:
    """Resource → the device names among the values of its options."""
    return {
        it.name: [
            word for value in it.raw.values() for word in value.replace(",", " ").split() if word.startswith("/dev/")
        ]
        for it in found.resources
    }


def of_resources(found: Configuration, own: frozenset[str], identities: Mapping[str, str]) -> Iterator[Finding]:
    """What other resources do with disks. own: identities of the fence devices' disks; identities: by device name."""
    named = words(found)
    guarded = {
        identities[word]: it for it in found.resources if it.fences() for word in named[it.name] if word in identities
    }
    for it in found.resources:
        for word in named[it.name]:
            identity = identities.get(word, "")
            fields = {"resource": it.name, "agent": it.agent, "device": word}
            evidence = (f"{_CIB}{it.name} ({it.agent}): {word}",)
            if not identity:
                continue
            if it.fences():
                if identity in own:
                    yield Finding(Notice("disk-of-two-agents", fields), evidence)
            elif it.agent.rpartition(":")[2] in _RESERVING and identity in own:
                yield Finding(Notice("resource-reserves", fields), evidence)
            elif identity in guarded and identity not in own:
                fields["guard"] = guarded[identity].name
                yield Finding(Notice("resource-guarded-by-another", fields), evidence)
            elif own and identity not in own:
                yield Finding(Notice("resource-disk-unfenced", fields), evidence)


def of_machine(machine: Machine, disks: Sequence[Json], node: str) -> Iterator[Finding]:
    """The guard, and the neighbours' settings."""
    if not machine.guard and any(disk["registrations"] is not None for disk in disks):
        yield Finding(Notice("guard-missing", {}), ("/proc: no process pr_fence_guard",), node)
    if machine.enforcing:
        for link in machine.watchdog_links:
            evidence = ("/sys/fs/selinux/enforce: 1", f"{link} is a link to the guard")
            yield Finding(Notice("guard-confined", {"path": link}), evidence, node)
        if machine.dlm:
            evidence = ("/sys/fs/selinux/enforce: 1", f"{machine.dlm}: fence_pr_ioctl")
            yield Finding(Notice("dlm-confined", {"path": machine.dlm}), evidence, node)
    if any(disk["kind"] == MULTIPATH for disk in disks):
        fixed = [(path, key) for path, key in machine.multipath_keys if key != _FROM_FILE]
        if fixed:
            seen = tuple(f"{path}: reservation_key {key}" for path, key in fixed)
            yield Finding(Notice("multipath-key-fixed", {"path": fixed[0][0], "value": fixed[0][1]}), seen, node)
        elif not machine.multipath_keys:
            yield Finding(Notice("multipath-key-missing", {}), ("/etc/multipath.conf: no reservation_key",), node)
    if machine.lvm_key:
        yield Finding(Notice("lvm-key-set", {"path": machine.lvm_key}), (f"{machine.lvm_key}: pr_key",), node)
