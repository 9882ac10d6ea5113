"""Which disks a call is about, and how names make keys there: as the cluster has it, or as the call says."""

from __future__ import annotations

import os

from .. import options
from ..actions import perform
from ..errors import DeviceRefused, FenceError, Notice, UsageError
from ..record import Record
from ..storage import device
from .cluster import FenceDevice, fence_devices
from .subcommands import KEYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..actions.request import Request
    from .options import Call

_KEYS = tuple(option.name for option in KEYS)
# The part of the time that Pacemaker's tool may take.
_CLUSTER_SHARE = 0.3


class Source(Record):
    """Disks, and the agent's options that hold for them.

    fence_device  its id, where the cluster names them, or one whose options hold; "" if none is
    disks         names
    values        options of the agent by name
    """

    fence_device: str
    disks: tuple[str, ...]
    values: dict[str, str]

    def request(self, action: str, **more: str) -> Request:
        """What the agent would be asked for. Raises UsageError."""
        values = {**self.values, "devices": " ".join(self.disks), "action": action, **more}
        return perform.request(options.check(values))


class Sources(Record):
    """What a call is about.

    unasked     why the cluster's configuration could not be read, where there is a cluster
    everything  no disk was named, and none configured
    configured  every fence device
    """

    sources: tuple[Source, ...]
    unasked: tuple[Notice, ...] = ()
    everything: bool = False
    configured: tuple[FenceDevice, ...] = ()


def find(call: Call, names: tuple[str, ...], folder: str = "/sys/block") -> Sources:
    """The disks of these names; without any those of the cluster's fence devices, else all of this machine.

    How names make keys: as the call says, else as the fence device does that is named, or the only one.
    Raises UsageError.
    """
    unasked: tuple[Notice, ...] = ()
    try:
        devices = fence_devices(call.seconds("timeout") * _CLUSTER_SHARE) or ()
    except FenceError as error:
        devices = ()
        if os.path.exists(call.values["corosync_conf"]):
            unasked = (error.notice(),)
    chosen = _chosen(call.values["fence_device"], devices)
    if names:
        only = chosen[0] if len(chosen) == 1 else FenceDevice("", {})
        return Sources((_source(call, only, names),), unasked, configured=devices)
    if found := tuple(_source(call, it, it.disks()) for it in chosen if it.disks()):
        return Sources(found, unasked)
    every = reservable(folder)
    return Sources((_source(call, FenceDevice("", {}), every),) if every else (), unasked, everything=True)


def _chosen(name: str, devices: tuple[FenceDevice, ...]) -> tuple[FenceDevice, ...]:
    if not name:
        return devices
    found = tuple(it for it in devices if it.name == name)
    if not found:
        names = tuple(it.name for it in devices)
        raise UsageError("fence-device-unknown", option="fence_device", value=name, choices=names)
    return found


def _source(call: Call, configured: FenceDevice, disks: tuple[str, ...]) -> Source:
    values = {name: configured.parameters[name] for name in _KEYS if configured.parameters.get(name)}
    values |= {name: call.values[name] for name in _KEYS if name in call.given}
    values.setdefault("corosync_conf", call.values["corosync_conf"])
    return Source(configured.name, disks, values)


def reservable(folder: str = "/sys/block") -> tuple[str, ...]:
    """Every disk of this machine on which reservations are safe, as far as names tell; maps by their own names."""
    found = []
    for name in device.entries(folder):
        map_name = device.read_attribute(f"{folder}/{name}/dm/name")
        path = f"/dev/mapper/{map_name}" if map_name else f"/dev/{name}"
        try:
            device.resolve(path)
        except DeviceRefused:
            continue
        found.append(path)
    return tuple(found)
