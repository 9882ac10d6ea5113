"""Judgements on the cluster's fence devices: does the cluster fence every node, from every disk, in time? Pure."""

from __future__ import annotations

import math

from ... import options
from ...actions.validate_all import FIRST_TRY_SHARE, PACEMAKERS_SECONDS
from ...errors import FenceError, Notice
from ...nearest import nearest
from ..cib import PINNED
from .constraints import FALSE
from .findings import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .configuration import Configuration, Device, Level

_READ = "cibadmin: "
# Given to the resource they would hold for every node; the cluster gives them for each.
_OF_ONE_NODE = ("plug", "key", "nodename", "node")
_ACTIONS = ("on", "off", "monitor", "status", "list")
_STARTED = ("started", "promoted", "master", "unpromoted", "slave")
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "msec": 0.001, "us": 1e-6, "usec": 1e-6, "m": 60.0,
            "min": 60.0, "h": 3600.0, "hr": 3600.0}  # fmt: skip
# Meta attribute → whether it is false where the resource is managed.
_UNMANAGED = (("maintenance", True), ("is-managed", False))
_STATIC = "static-list"
# The fencer has it by itself, where nodes have a watchdog.
_WATCHDOG = "watchdog"
_LISTS = ("pcmk_host_list", "pcmk_host_map")


def judge(found: Configuration, nodes: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with the configuration. nodes: all that must be fenced if they fail, by name."""
    if found.switched_off[0]:
        option, value = found.switched_off
        yield Finding(Notice("fencing-disabled", {"option": option, "value": value}), (f"{_READ}{option}={value}",))
    if not found.devices:
        others = tuple(f"{it.name} ({it.agent})" for it in found.resources if it.fences())
        yield Finding(Notice("fence-device-missing", {"others": others}), (f"{_READ}no fence device of this agent",))
        return
    for device in found.devices:
        yield from _of_device(device)
        yield from _of_hosts(device, [*nodes, *found.guests] if nodes else [])
        yield from _of_times(device, found.timeout)
    for name, node in found.banned:
        if name in [it.name for it in found.devices]:
            fields = {"device": name, "node": node}
            yield Finding(Notice("fence-device-banned", fields), (f"{_READ}rsc_location: {name} not on {node}",))
    for name in found.bound:
        yield Finding(Notice("fence-device-bound", {"device": name}), (f"{_READ}rsc_location {name}-{PINNED}",))
    yield from _of_levels(found)
    yield from _of_coverage(found, nodes)
    yield from _of_orders(found, nodes)


def _of_device(device: Device) -> Iterator[Finding]:
    name, role = device.name, device.meta.get("target-role", "Started")
    if role.lower() not in _STARTED:
        yield Finding(
            Notice("fence-device-off", {"device": name, "value": role}), (f"{_READ}{name}: target-role={role}",)
        )
    for option, well in _UNMANAGED:
        if (given := device.meta.get(option, "")) and (given.lower() in FALSE) is not well:
            fields = {"device": name, "option": option, "value": given}
            yield Finding(Notice("fence-device-unmanaged", fields), (f"{_READ}{name}: {option}={given}",))
    if "unfencing" not in device.meta.get("provides", "").split():
        given = device.meta.get("provides", "")
        evidence = f"{_READ}{name}: provides={given}" if given else f"{_READ}{name} has no meta attribute provides"
        yield Finding(Notice("unfencing-missing", {"device": name}), (evidence,))
    for option in _OF_ONE_NODE:
        if value := device.given.parameters.get(option):
            fields = {"device": name, "option": option, "value": value}
            yield Finding(Notice("plug-in-resource", fields), (f"{_READ}{name}: {option}={value}",))
    if not device.disks():
        yield Finding(Notice("devices-missing", {}), (f"{_READ}{name} has no option devices",))


def hosts(raw: Mapping[str, str]) -> list[str] | None:
    """The nodes that a fence device with these options is said to fence; None if the cluster asks the agent."""
    check = raw.get("pcmk_host_check") or ""
    if check not in ("", _STATIC):
        return None
    listed = raw.get("pcmk_host_list", "").replace(",", " ").replace(";", " ").split()
    mapped = [it.replace("=", ":").partition(":")[0] for it in raw.get("pcmk_host_map", "").replace(";", " ").split()]
    return [*listed, *filter(None, mapped)] if check or any(raw.get(it) for it in _LISTS) else None


def fences(raw: Mapping[str, str], node: str) -> bool:
    """Whether the cluster takes it for one that fences the node. As Pacemaker, by letters of either case."""
    listed = hosts(raw)
    return listed is None or node.lower() in map(str.lower, listed)


def _of_hosts(device: Device, nodes: Sequence[str]) -> Iterator[Finding]:
    for host in hosts(device.raw) or () if nodes else ():
        if host not in nodes:
            fields = {"device": device.name, "node": host, "near": nearest(host, nodes)}
            yield Finding(Notice("host-unknown", fields), (*_lists(device), f"nodes: {' '.join(nodes)}"))


def _lists(device: Device) -> tuple[str, ...]:
    return tuple(f"{_READ}{device.name}: {it}={device.raw[it]}" for it in _LISTS if device.raw.get(it))


def _of_times(device: Device, timeout: str) -> Iterator[Finding]:
    """The agent's own limit against Pacemaker's."""
    for action in _ACTIONS:
        option = f"pcmk_{action}_timeout"
        given, where = (device.raw[option], option) if device.raw.get(option) else (timeout, "stonith-timeout")
        waits = seconds(given) if given else float(PACEMAKERS_SECONDS)
        needs = limit(device, action)
        if waits is None or needs is None:
            continue
        own = device.given.parameters.get("power_timeout", "20")
        told = f"{where}={given}" if given else f"neither {option} nor {where} is set"
        evidence = (f"{_READ}{told}", f"{_READ}{device.name}: power_timeout={own}")
        if needs >= waits:
            fields = {"device": device.name, "action": action, "seconds": round(waits), "limit": round(needs),
                      "option": option, "least": int(needs / FIRST_TRY_SHARE) + 1}  # fmt: skip
            yield Finding(Notice("time-limit-too-short", fields), evidence)
        elif action == "off" and needs > waits * FIRST_TRY_SHARE:
            fields = {"seconds": round(needs), "least": int(needs / FIRST_TRY_SHARE) + 1, "usual": round(waits)}
            yield Finding(Notice("limit-needs-more", fields), evidence)


def limit(device: Device, action: str) -> float | None:
    """The seconds that the agent may take; None if its options are wrong, or there is no limit."""
    try:
        return options.check({**device.given.parameters, "action": action, "plug": "n"}).limit()
    except FenceError:
        return None


def seconds(text: str) -> float | None:
    """A time as Pacemaker's options have it; None if it is none."""
    text = text.strip().lower()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _SECONDS.get(text[len(digits) :].strip())
    try:
        found = float(digits) * unit if unit else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _of_coverage(found: Configuration, nodes: Sequence[str]) -> Iterator[Finding]:
    """Whether every way to fence a node that the cluster may be content with shuts it out of every disk."""
    devices = {it.name: it for it in found.devices}
    everything = frozenset(disk for it in found.devices for disk in it.disks())
    unjoined: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        own = [it for it in found.devices if fences(it.raw, node)]
        levels = found.levels_of(node)
        named = [name for level in levels for name in level.devices]
        # What another agent does, as to switch the node off, is done on all disks.
        others = [it for it in found.resources if it.fences() and fences(it.raw, node)]
        if not own and not named:
            if others:
                continue
            evidence = tuple(line for it in found.devices for line in _lists(it))
            yield Finding(Notice("host-unlisted", {"device": found.devices[0].name, "node": node}), evidence)
            continue
        if levels:
            yield from _unlisted(node, dict.fromkeys(named), devices)
            for it in levels:
                if not _is_whole(it, devices, everything):
                    unjoined.setdefault(it.devices, []).append(node)
            continue
        covered = frozenset(disk for it in own for disk in it.disks())
        if everything - covered:
            fields = {"node": node, "disks": sorted(everything - covered)}
            yield Finding(Notice("disks-not-covered", fields), tuple(line for it in own for line in _lists(it)))
        elif any(it.disks() != everything for it in own):
            unjoined.setdefault(tuple(it.name for it in own), []).append(node)
    for names, left in unjoined.items():
        evidence = tuple(_disks_of(devices[name]) for name in names if name in devices)
        yield Finding(Notice("fence-devices-without-level", {"nodes": left, "devices": names}), evidence)


def _unlisted(node: str, named: Iterable[str], devices: Mapping[str, Device]) -> Iterator[Finding]:
    """A level needs each of its fence devices, and Pacemaker uses none for a node that it does not list."""
    for name in named:
        if name in devices and not fences(devices[name].raw, node):
            yield Finding(Notice("host-unlisted", {"device": name, "node": node}), _lists(devices[name]))


def _of_levels(found: Configuration) -> Iterator[Finding]:
    """Levels that name what is not there: they fail, whatever else they name."""
    known = {_WATCHDOG, *(it.name for it in found.devices), *(it.name for it in found.resources if it.fences())}
    for name in dict.fromkeys(name for level in found.levels for name in level.devices if name not in known):
        evidence = (
            f"{_READ}fencing-level: devices={','.join(it.devices)}" for it in found.levels if name in it.devices
        )
        fields = {"device": name, "near": nearest(name, sorted(known - {_WATCHDOG}))}
        yield Finding(Notice("level-device-unknown", fields), tuple(dict.fromkeys(evidence)))


def _disks_of(device: Device) -> str:
    return f"{_READ}{device.name}: devices={' '.join(sorted(device.disks()))}"


def _is_whole(level: Level, devices: dict[str, Device], everything: frozenset[str]) -> bool:
    """All devices of a level must succeed. One of another agent, which switches off, is enough by itself."""
    if any(name not in devices for name in level.devices):
        return True
    return frozenset(disk for name in level.devices for disk in devices[name].disks()) == everything


def _of_orders(found: Configuration, nodes: Sequence[str]) -> Iterator[Finding]:
    """Two nodes that fence each other must begin with the same device."""
    own = {it.name for it in found.devices}
    orders: dict[frozenset[str], dict[tuple[str, ...], str]] = {}
    for node in nodes:
        for level in found.levels_of(node):
            ours = tuple(name for name in level.devices if name in own)
            orders.setdefault(frozenset(ours), {}).setdefault(ours, node)
    for seen in orders.values():
        if len(seen) > 1:
            values = [f"{node}: {', '.join(order)}" for order, node in seen.items()]
            yield Finding(Notice("level-orders-differ", {"values": values}), tuple(f"{_READ}{it}" for it in values))
