"""The agent, whose first commands to register meet what its caller says. Runs in the guest, as a program.

Arguments: what happens to each REGISTER for a nexus without registration, one after the other, then none any more:
`is it carried out?,what is answered,is this node fenced then?`; and by whom: disk, own key, victim, type.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import threading
from typing import Any

sys.path.insert(0, "/project/lib")

from fence_pr import agent
from fence_pr.storage import pr_ioctl

FATES, FENCER = sys.argv[1].split(), sys.argv[2:]
REAL = fcntl.ioctl
ONE_AT_A_TIME = threading.Lock()


def fence() -> None:
    """As another node does it; a unit attention may end the first try."""
    disk, own, victim, kind = FENCER
    fd = pr_ioctl.open_disk(disk)
    for _ in range(2):
        command = bytearray(struct.pack("=QQII", int(own), int(victim), int(kind), 0))
        if not REAL(fd, pr_ioctl.REQUESTS.preempt, command, True):
            break
    os.close(fd)


def ioctl(fd: int, request: int, buffer: Any = 0, mutate: bool = True) -> Any:
    """In place of fcntl.ioctl."""
    if request != pr_ioctl.REQUESTS.register or struct.unpack_from("=Q", buffer)[0]:
        return REAL(fd, request, buffer, mutate)
    with ONE_AT_A_TIME:
        if not FATES:
            return REAL(fd, request, buffer, mutate)
        carried_out, answer, fenced = FATES.pop(0).split(",")
        returned = REAL(fd, request, buffer, mutate) if carried_out == "1" else 0
        if fenced == "1":
            fence()
        return int(answer) or returned


if __name__ == "__main__":
    fcntl.ioctl = ioctl  # type: ignore[assignment]
    os._exit(agent.main([]))
