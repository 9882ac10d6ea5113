"""LOGICAL UNIT RESET: everything that a SCSI disk has accepted, of all nodes, ends. Registrations and reservation stay.

The kernel sends it as a task management function of the transport. Sources: SAM-5 7.7; SPC-4 5.14.1;
drivers/scsi/scsi_error.c scsi_ioctl_reset; include/scsi/scsi_ioctl.h and sg.h.
"""

from __future__ import annotations

import fcntl
import os
import struct

from ..errors import Notice, NotPermitted, PathFailure
from . import kernel_status
from .device import SYSTEM
from .pr_ioctl import device_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Places

OPERATION = "logical unit reset"

_SG_SCSI_RESET = 0x2284
_DEVICE, _NO_ESCALATE = 0x1, 0x100  # what fails must not grow into a reset of the target, the bus or the host
# Behind these the target itself ends the commands: iSCSI; Fibre Channel, and SRP, which borrows its remote ports.
_TRANSPORTS = ("session", "rport-")


def obstacle(node: str, places: Places = SYSTEM) -> Notice | None:
    """Why a reset of the SCSI disk behind a device node would prove nothing; None if nothing speaks against it.

    An adapter that somebody emulates, as of a virtual machine, ends the reset by itself: its answer says nothing of
    what other machines have sent. So only disks of transports that nobody emulates are reset.
    """
    folder = os.path.realpath(f"{places.sysfs}/class/block/{os.path.basename(node)}/device")
    way = folder.split("/")  # …/host2/session1/target2:0:0/2:0:0:1
    return None if any(part.startswith(_TRANSPORTS) for part in way) else Notice("drain-by-no-network", {})


def reset(fd: int) -> None:
    """Send it, and nothing stronger where it fails. Returns only if the target answered that it is done.

    Everything else proves nothing, and is never tried again: PathFailure, or NotPermitted without CAP_SYS_RAWIO.
    """
    _wait_for_recovery(fd)
    buffer = bytearray(struct.pack("=i", _DEVICE | _NO_ESCALATE))
    try:
        fcntl.ioctl(fd, _SG_SCSI_RESET, buffer, True)
    except OSError as error:
        kind, answer = kernel_status.explain(-(error.errno or 0))
        kind = NotPermitted if kind is NotPermitted else PathFailure
        raise kind(device_name(fd), OPERATION, -(error.errno or 0), answer) from error


def _wait_for_recovery(fd: int) -> None:
    """A descriptor that does not block is refused while the kernel recovers another error of the same host."""
    os.set_blocking(fd, True)
