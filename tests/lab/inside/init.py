"""Process 1 of a guest: a writable root, a service for the guest and for each node, and then only wait.

The kernel's command line hands over, as environment: LAB_MODULES (the host's folder of kernel modules, if any),
LAB_HOST (the folder through which the host passes large requests), LAB_NODES ("n1,n2,n3") and, where another program
is to be process 1 in the end, LAB_INIT (its path).
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.inside import guest_calls, service, system
from tests.lab.inside.node_calls import Node

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = "/usr/lib/modules"
MOVED = ("/proc", "/sys", "/dev", "/project", "/host", MODULES)
NODE_PRIVATE = ("/run", "/etc/corosync", "/dev/disk", "/var/lib/fence_pr_ioctl")


def main() -> None:
    """Boot, then wait for the services: the guest ends when one of them does."""
    try:
        os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        _mount_first()
        _make_root_writable()
        _mount_rest()
        if "LAB_INIT" in os.environ and os.fork():
            os.execv(os.environ["LAB_INIT"], ["init"])
        _start_services()
    except BaseException:  # whatever it is, the host must see it: nobody else can
        traceback.print_exc()
    sys.stderr.flush()
    system.power_off()


def _mount_first() -> None:
    system.mount("proc", "/proc")
    system.mount("sysfs", "/sys")
    system.mount("hostfs", "/host", options=os.environ["LAB_HOST"], flags=system.MS_RDONLY)
    if "LAB_MODULES" in os.environ:
        system.mount("hostfs", MODULES, options=os.environ["LAB_MODULES"], flags=system.MS_RDONLY)
        subprocess.run(["modprobe", "overlay"], check=True)


def _make_root_writable() -> None:
    """Lay memory over the read-only root folder of the host."""
    system.mount("tmpfs", "/overlay")
    new = Path("/overlay/new")
    for name in ("new", "upper", "work"):
        Path("/overlay", name).mkdir()
    options = "lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work"
    system.mount("overlay", new, options=options)
    for path in MOVED:
        if os.path.ismount(path):
            system.mount("", f"{new}{path}", source=path, flags=system.MS_MOVE)
    system.pivot_root(new, new / "overlay")
    system.unmount("/overlay")


def _mount_rest() -> None:
    for path in ("/run", "/tmp", "/dev/shm"):
        system.mount("tmpfs", path)
    system.mount("devpts", "/dev/pts", options="ptmxmode=0666")
    Path("/dev/fd").symlink_to("/proc/self/fd")
    if "LAB_INIT" not in os.environ:  # else that program has a log of its own
        Path("/dev/log").symlink_to("/run/log")
    for path in NODE_PRIVATE:
        Path(path).mkdir(parents=True, exist_ok=True)
    Path("/dev/mapper").mkdir(exist_ok=True)
    if "LAB_LINES" in os.environ:
        Path("/lines").mkdir()
        system.mount("hostfs", "/lines", options=os.environ["LAB_LINES"])


def _start_services() -> None:
    """A process for the guest and for each node; returns when one of them has ended."""
    names = {_fork(partial(_serve, "", "/dev/ttyS0")): "the guest"}
    for line, node in enumerate(filter(None, os.environ["LAB_NODES"].split(",")), 1):
        pid = _fork(partial(_serve, node, f"/dev/ttyS{line}"))
        names[pid] = node
        _write_enter_script(node, pid)
    while True:
        pid, status = os.wait()
        if pid in names:
            print(f"the service of {names[pid]} ended with {os.waitstatus_to_exitcode(status)}", file=sys.stderr)
            return


def _write_enter_script(node: str, pid: int) -> None:
    """A command by the name of the node, for people: a shell in the node, or a command that runs there."""
    script = Path("/usr/local/bin", node)
    script.parent.mkdir(parents=True, exist_ok=True)
    enter = f"nsenter --target {pid} --mount --uts --wd=/"
    script.write_text(f'#!/bin/sh\n[ $# -gt 0 ] || set -- bash --norc\nexec {enter} "$@"\n')
    script.chmod(0o755)


def _serve(node: str, line: str) -> None:
    if node:
        system.unshare(system.CLONE_NEWNS | system.CLONE_NEWUTS)
        for path in NODE_PRIVATE:
            Path(path).mkdir(parents=True, exist_ok=True)
            system.mount("tmpfs", path, options="mode=0755")
    system.set_host_name(node or "guest")
    service.serve(line, Node(node).calls() if node else guest_calls.calls())


def _fork(task: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            task()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid
