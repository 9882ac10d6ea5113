"""What one call asks for."""

from __future__ import annotations

from .. import corosync
from ..option_table import FENCING_ACTION
from ..record import Record
from ..storage.device import MULTIPATH, NVME, SCSI
from ..storage.snapshot import WRITE_EXCLUSIVE_ALL_REGS, WRITE_EXCLUSIVE_REG_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..storage.device import Device

# A reservation that all registrants hold outlives each of them, and an NVMe target can ignore a preempt by the one
# holder of another type. On SCSI fence_scsi's type, so that both agents can run side by side during a migration.
_DEFAULT_TYPES = {SCSI: WRITE_EXCLUSIVE_REG_ONLY, MULTIPATH: WRITE_EXCLUSIVE_REG_ONLY, NVME: WRITE_EXCLUSIVE_ALL_REGS}


class Request(Record):
    """The options that matter to an action. Times in seconds; limit None: no limit; reservation_type None: by disk."""

    action: str
    plug: str
    key: str
    devices: tuple[str, ...]
    key_method: str
    cluster_name: str
    reservation_type: int | None
    abort: str
    refuse_foreign: bool
    power_wait: float
    settle_time: float
    attempts: int
    attempt_sleep: float
    limit: float | None
    nodeid: str = ""
    corosync_conf: str = corosync.CONF
    nodename: str = ""
    other_nodes: tuple[str, ...] = ()
    node_keys: tuple[tuple[str, int], ...] = ()
    foreign_keys: tuple[int, ...] = ()
    drains: bool = False

    def waiting(self) -> float:
        """How much of the limit the action may wait where nothing is wrong."""
        return max(self.power_wait, self.settle_time if self.action == FENCING_ACTION else 0.0)

    def type_for(self, device: Device) -> int:
        """The type to reserve the disk with where nothing is reserved, enum pr_type."""
        return self.reservation_type or _DEFAULT_TYPES[device.kind]
