"""python3 -m tests.guard.measure [SECONDS [KERNEL]]: what the guard costs while nothing happens, and why.

First on this machine with disks that are made up, and what each kind of call costs here (`prices.py`). Then in a guest
of the lab, with real disks: what the guest costs this machine more with the guard than without, targets included, which
calls the guard makes, what they cost there, and what that makes together. The guest's own clock of processor time goes
in steps of 10 ms and counts what other programs of this machine take, too.
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
from tests.guard.prices import WAKES_A_SECOND
from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest

PROJECT = Path(__file__).resolve().parents[2]
PRICES = Path(__file__).with_name("prices.py")
KEY = 0x2A
TICKS_A_SECOND = 100
WAKING_SECONDS = 20.0
# How many calls are made after one wake-up: so many that they cost more than it.
CALLS_EACH = {"call": 20, "handover": 2, "reading": 3}
SETTLING_SECONDS = 3.0

# The guard with made-up disks; prints its processor time in seconds and its memory in KiB.
MADE_UP = f"""
import _thread, fcntl, os, struct, sys, time
sys.path.insert(0, {str(PROJECT / "lib")!r})
from fence_pr import state_file
from fence_pr.guard import attached, main, watched_disk
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import SCSI, Device
from fence_pr.guard.systemd import Notifier
from fence_pr.guard.options import parse
from fence_pr.guard.reaction import Reactor
from fence_pr.guard.threads import Threads
from fence_pr.keys import Registrant

seconds, disks, interval, folder = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
for number in range(disks):
    state_file.save(f"naa.{{number:032x}}", Registrant("n1", {KEY}), folder)
attached.locate = lambda identity: Device(identity, "/dev/null", identity, SCSI)
key, passes = struct.pack("=Q", {KEY}), 0

def read_keys(fd, request, buffer, mutate):
    global passes
    if request != pr_ioctl.REQUESTS.read_keys:
        raise OSError(22, "no such driver")
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
around = watched_disk.Surroundings(settings, reactor, lambda level, text: None, registering, Threads(), folder)
main.Guard(around, Notifier({{"NOTIFY_SOCKET": "/nonexistent", "WATCHDOG_USEC": "30000000"}})).run()
"""


def made_up(seconds: float, disks: int, interval: float) -> dict[str, Any]:
    """Processor seconds, readings and KiB of a guard of made-up disks, started with the system's own Python."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["/usr/bin/python3", "-ISXutf8", "-c", MADE_UP, str(seconds), str(disks), str(interval), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    said: dict[str, Any] = ast.literal_eval(done.stdout)
    return said


class Here:
    """This machine."""

    def once(self) -> dict[str, float]:
        """Microseconds of each kind of call, made again and again."""
        return _prices(self._say("once"))

    def woken(self, call: str, times: int) -> float:
        """Microseconds of a wake-up by the clock with so many calls of one kind."""
        return float(self._say("wakes", str(WAKING_SECONDS), call, str(times)))

    def _say(self, *arguments: str) -> str:
        command = ["/usr/bin/python3", "-ISXutf8", str(PRICES), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Lab:
    """A node of the lab whose disks are registered; counted is what the whole guest costs this machine."""

    def __init__(self, guest: Guest) -> None:
        self._guest, self._node = guest, Cluster(guest).n1
        self._command = ["python3", f"/project/{PRICES.relative_to(PROJECT)}"]
        self._disk = self._node.by_id("a")
        succeed(self._node, "on", "n1")
        self.idle = self.share(WAKING_SECONDS)

    def once(self) -> dict[str, float]:
        """As `Here.once`."""
        return _prices(self._node.run([*self._command, "once", self._disk], check=True).stdout)

    def woken(self, call: str, times: int) -> float:
        """As `Here.woken`."""
        lasting = str(WAKING_SECONDS + 60)
        running = self._node.start([*self._command, "wakes", lasting, call, str(times), self._disk], timeout=120)
        time.sleep(SETTLING_SECONDS)
        share = self.share(WAKING_SECONDS)
        assert running.signal()
        running.wait()
        return (share - self.idle) / WAKES_A_SECOND * 1e6

    def share(self, seconds: float) -> float:
        """Which part of a core of this machine the whole guest takes for so many seconds."""
        begun = self._guest.processor_seconds()
        time.sleep(seconds)
        return (self._guest.processor_seconds() - begun) / seconds

    def guarded(self, seconds: float) -> dict[str, Any]:
        """The guard: which part of a core it costs, how often a second a thread of it waits, calls a second; KiB."""
        running = start(self._node)
        process = self._node.run(["pgrep", "-f", GUARD], check=True).stdout.split()[0]
        time.sleep(SETTLING_SECONDS)
        waits, ticks = self._waits(process), self._ticks(process)
        share = self.share(seconds) - self.idle
        waits, ticks = self._waits(process) - waits, self._ticks(process) - ticks
        status = dict(line.split(":", 1) for line in self._said(f"cat /proc/{process}/status").splitlines())
        memory = {key: int(status[key].split()[0]) for key in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}
        calls = self._calls(process, seconds)
        end(running)
        by_itself = ticks / TICKS_A_SECOND / seconds
        return {
            "share": share,
            "share by the guest's clock": by_itself,
            "waits": waits / seconds,
            **memory,
            "calls": calls,
        }

    def _ticks(self, process: str) -> int:
        return sum(map(int, self._said(f"cat /proc/{process}/stat").rpartition(")")[2].split()[11:13]))

    def _waits(self, process: str) -> int:
        counts = self._said(f"cat /proc/{process}/task/*/status").splitlines()
        return sum(int(line.split()[1]) for line in counts if line.startswith("voluntary_ctxt_switches"))

    def _calls(self, process: str, seconds: float) -> dict[str, float]:
        traced = self._said(f"timeout -s INT {seconds} strace -f -c -U calls,name -p {process} 2>&1", seconds)
        rows = [line.split() for line in traced.splitlines()]
        counts = {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit() and row[1] != "total"}
        return {name: round(count / seconds, 1) for name, count in sorted(counts.items())}

    def _said(self, shell: str, seconds: float = 0.0) -> str:
        return str(self._node.run(["sh", "-c", shell], timeout=seconds + 60).stdout)


def _prices(text: str) -> dict[str, float]:
    found: dict[str, float] = ast.literal_eval(text)
    return found


def after_waking(place: Here | Lab, known: dict[str, float]) -> dict[str, float]:
    """Microseconds of a wake-up, and of calls right after it, when the processor's caches know nothing of them."""
    alone = place.woken("call", 0)
    times = {name: count for name, count in CALLS_EACH.items() if name in known}
    calls = {name: round((place.woken(name, count) - alone) / count, 1) for name, count in times.items()}
    return {"wake-up": round(alone, 1), **calls}


def explained(calls: dict[str, float], prices: dict[str, float]) -> float:
    """The part of a core that the guard's calls cost by these prices, each check with one handover."""
    others = sum(calls.values()) - calls["ioctl"] - calls["clock_nanosleep"]
    parts = {"wake-up": calls["clock_nanosleep"], "reading": calls["ioctl"], "call": others, "handover": 1.0}
    return sum(prices[name] * count for name, count in parts.items()) / 1e6


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    names = sys.argv[2:] or [source.label() for source in kernels.SOURCES]
    for disks in (1, 3, 16, 64):
        said = made_up(seconds, disks, 1)
        part = said["seconds"] / seconds
        print(f"{disks:3} made-up disks: {part:.3%} of a core at one check a second, {said['VmHWM']} KiB at most")
    here = Here()
    known = here.once()
    print(f"here, microseconds: {known}, after waking up: {after_waking(here, known)}", flush=True)
    for name in names:
        with Guest(kernels.source(name).kernel(), root.folder()) as guest:
            lab = Lab(guest)
            found = lab.guarded(seconds)
            print(f"Linux {name}, 3 disks: {found.pop('share'):.3%} of a core of this machine; {found}", flush=True)
            known = lab.once()
            prices = after_waking(lab, known)
            print(f"Linux {name}, microseconds: {known}, after waking up: {prices}", flush=True)
            print(f"Linux {name}: calls and prices make {explained(found['calls'], prices):.3%} of a core", flush=True)


if __name__ == "__main__":
    main()
