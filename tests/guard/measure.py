"""python3 -m tests.guard.measure [SECONDS [KERNEL]]: what the guard costs while nothing happens.

First on this machine with disks that are made up, where processor time can be measured to the microsecond; then in a
guest of the lab, with real disks, where the kernel counts in hundredths of a second and a system call costs ten times
as much or more. How often the guard waits for something does not depend on that.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fencing.agent import succeed
from tests.guard.node import GUARD, end, start
from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest

PROJECT = Path(__file__).resolve().parents[2]
KEY = 0x2A
TICKS_A_SECOND = 100

# The guard with made-up disks; prints its processor time in seconds and its memory in KiB.
MADE_UP = f"""
import _thread, fcntl, os, struct, sys, time
sys.path.insert(0, {str(PROJECT / "lib")!r})
from fence_pr import guard, guard_disk, pr_ioctl, state
from fence_pr.device import SCSI, Device
from fence_pr.guard_notify import Notifier
from fence_pr.guard_options import parse
from fence_pr.guard_reaction import Reactor
from fence_pr.guard_threads import Threads
from fence_pr.keys import Registrant

seconds, disks, interval, folder = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
for number in range(disks):
    state.save(f"naa.{{number:032x}}", Registrant("n1", {KEY}), folder)
guard_disk.locate = lambda identity, _places: Device(identity, "/dev/null", identity, SCSI)
key, passes = struct.pack("=Q", {KEY}), 0

def read_keys(fd, request, buffer, mutate):
    global passes
    passes += 1
    _, _, address = struct.unpack("=IIQ", buffer)
    memory = os.open("/proc/self/mem", os.O_WRONLY)
    os.pwrite(memory, key, address)
    os.close(memory)
    buffer[:] = struct.pack("=IIQ", 1, 1, address)
    return 0

def report():
    time.sleep(min(2.0, seconds))
    begun, passed = time.process_time(), passes
    time.sleep(seconds)
    used = time.process_time() - begun
    status = open("/proc/self/status").read().split()
    memory = {{name: int(status[status.index(name + ":") + 1]) for name in ("VmHWM", "RssAnon")}}
    os.write(1, repr({{"seconds": used, "passes": passes - passed, **memory}}).encode())
    os._exit(0)

fcntl.ioctl = read_keys
settings = parse([f"--interval={{interval}}"])
reactor = Reactor(settings.policy, None, lambda level, text: None)
_thread.stack_size(256 * 1024)
_thread.start_new_thread(report, ())
registering = _thread.allocate_lock()
around = guard_disk.Surroundings(settings, reactor, lambda level, text: None, registering, Threads(), folder)
guard.Guard(around, Notifier({{"NOTIFY_SOCKET": "/nonexistent", "WATCHDOG_USEC": "30000000"}})).run()
"""


def made_up(seconds: float, disks: int, interval: float) -> dict[str, Any]:
    """Processor seconds, readings and KiB of a guard of made-up disks, started with the system's own Python."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["/usr/bin/python3", "-ISXutf8", "-c", MADE_UP, str(seconds), str(disks), str(interval), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    said: dict[str, Any] = ast.literal_eval(done.stdout)
    return said


def in_the_lab(seconds: float, name: str) -> dict[str, int]:
    """Of the real guard with three disks, in so many seconds: hundredths of a second of processor time, how often one
    of its threads waited; and KiB.
    """
    with Guest(kernels.source(name).kernel(), root.folder()) as guest:
        lab = Cluster(guest)
        succeed(lab.n1, "on", "n1")
        running = start(lab.n1)
        process = lab.n1.run(["pgrep", "-f", GUARD], check=True).stdout.split()[0]

        def read(file: str) -> str:
            return str(lab.n1.run(["cat", f"/proc/{process}/{file}"], check=True).stdout)

        def ticks() -> int:
            return sum(map(int, read("stat").rpartition(")")[2].split()[11:13]))

        def waits() -> int:
            counts = lab.n1.run(["sh", "-c", f"cat /proc/{process}/task/*/status"], check=True).stdout.splitlines()
            return sum(int(line.split()[1]) for line in counts if line.startswith("voluntary_ctxt_switches"))

        before = ticks(), waits()
        time.sleep(seconds)
        used, waited = ticks() - before[0], waits() - before[1]
        status = dict(line.split(":", 1) for line in read("status").splitlines())
        end(running)
        memory = {key: int(status[key].split()[0]) for key in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}
        return {"ticks": used, "waits": waited, **memory}


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    names = sys.argv[2:] or [source.label() for source in kernels.SOURCES]
    for disks in (1, 3, 16, 64):
        said = made_up(seconds, disks, 1)
        part = said["seconds"] / seconds
        print(f"{disks:3} made-up disks: {part:.3%} of a core at one check a second, {said['VmHWM']} KiB at most")
    for name in names:
        numbers = in_the_lab(seconds, name)
        part = numbers.pop("ticks") / TICKS_A_SECOND / seconds
        waits = numbers.pop("waits") / seconds
        print(f"Linux {name}, 3 disks: {part:.3%} of a core, {waits:.1f} waits a second, KiB: {numbers}")


if __name__ == "__main__":
    main()
