"""python3 -m tests.lab.shell [KERNEL]: a cluster of three nodes on a real kernel, for a person to play with."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from typing import TYPE_CHECKING

from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.errors import LabUnavailable
from tests.lab.guest import Guest
from tests.lab.inside import layout

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.lab.lines import Answer

CONTROL_D = b"\x04"


def main() -> int:
    """0, or 1 with a sentence why the lab cannot be set up."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else kernels.NEWEST.name
    try:
        guest = Guest(kernels.source(wanted).kernel(), root.folder())
    except LabUnavailable as error:
        print(f"lab: not available: {error}", file=sys.stderr)
        return 1
    with guest:
        _introduce(Cluster(guest))
        size = shutil.get_terminal_size()
        terminal, end = guest.console(rows=size.lines, columns=size.columns)
        _relay(terminal, end)
    return 0


def _introduce(cluster: Cluster) -> None:
    print(f"Linux {cluster.guest.kernel.release}, log: {cluster.guest.log}\n")
    print(f"{'LUN':6}{'/dev/disk/by-id/':42}" + "".join(f"{name:6}" for name in cluster.nodes))
    for lun in layout.LUNS.values():
        disks = [node.disk(lun.name).removeprefix("/dev/") for node in cluster.nodes.values()]
        name = lun.by_id[0].removeprefix("/dev/disk/by-id/")
        remark = "" if lun.reservations else "knows no reservations"
        print(f"{lun.name:6}{name:42}" + "".join(f"{disk:6}" for disk in disks) + remark)
    print("\nThe project is /project. `n1` opens a shell in node n1, `n1 COMMAND` runs a command there.")
    print("`exit` ends the guest.\n")


def _relay(terminal: int, end: Future[Answer]) -> None:
    """Join the caller's standard input and output with the guest's console until the shell there ends."""
    ended, signal_end = os.pipe()
    end.add_done_callback(lambda _: os.close(signal_end))
    inputs = [terminal, ended]
    listening = False
    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    try:
        if before:
            tty.setraw(sys.stdin)
        sys.stdout.flush()
        while inputs:
            for source in select.select(inputs, [], [])[0]:
                if source == ended:
                    inputs.clear()
                elif source == terminal:
                    os.write(sys.stdout.fileno(), os.read(terminal, 65536))
                    if not listening:  # what is typed before the first prompt could get lost
                        inputs.append(sys.stdin.fileno())
                        listening = True
                elif typed := os.read(source, 1024):
                    os.write(terminal, typed)
                else:
                    os.write(terminal, CONTROL_D)
                    inputs.remove(source)
    finally:
        os.close(ended)
        if before:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


if __name__ == "__main__":
    sys.exit(main())
