"""Whether a disk that says who it is is the one that was asked for. Pure."""

from __future__ import annotations

import os

from ..errors import AnotherDisk
from .device import NVME
from .identity import agree, fits, known_as, spelled_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device
    from .identity import Identity


def why(device: Device, said: Identity) -> AnotherDisk | None:
    """Why a disk that says it is `said` is not the one that its name and the kernel take it for; None if it is."""
    answer = said.text or "nothing"
    if device.identity and not agree(known_as(device.identity), said):
        code = "namespace-replaced" if device.kind == NVME else "disk-replaced"
        fields = {"known": device.identity, "kernel_name": os.path.basename(device.node)}
        return AnotherDisk(device.node, "identity", 0, answer, code, **fields)
    spellings = spelled_by(device.name)
    if spellings and not fits(spellings, said):
        return AnotherDisk(device.node, "identity", 0, answer, "name-of-another-disk", name=device.name)
    return None
