"""Open a disk by the class of its transport."""

from __future__ import annotations

from .device import MULTIPATH, NVME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..parallel import Patience
    from .device import Device
    from .disk import Disk, Watch


def open_disk(device: Device, watch: Watch, patience: Patience | None = None) -> Disk:
    """Open a disk for reservation commands. Only the transport that is met is loaded.

    patience: how long the paths of a multipath map may take; who does not answer then counts as dead; None: for ever
    Raises ReservationError, Abandoned from `watch`.
    """
    if device.kind == MULTIPATH:
        from .multipath_disk import MultipathDisk

        return MultipathDisk(device, watch, patience)
    if device.kind == NVME:
        from .nvme_disk import NvmeDisk

        return NvmeDisk(device, watch)
    from .scsi_disk import ScsiDisk

    return ScsiDisk(device, watch)
