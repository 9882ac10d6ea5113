"""A throw-away copy of a Debian tree, with processes, mounts and a network of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.lab.errors import CommandFailed, LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

EXCHANGE = "/exchange"  # Inside: the folder that is shared with the outside.
TOOLS = ("unshare", "nsenter", "mount", "chroot")
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
# Arguments: tree, mount point, shared folder, "keep" or "throw away", Python, WAIT. Lives until a line comes on its
# standard input or that ends, and with it all mounts and processes of the container.
HOLD = """\
set -e
tree=$1 top=$2 exchange=$3
mount -t tmpfs tmpfs "$top"
mkdir "$top/root" "$top/changes" "$top/work"
if [ "$4" = keep ]; then
    mount --bind "$tree" "$top/root"
else
    mount -t overlay -o "lowerdir=$tree,upperdir=$top/changes,workdir=$top/work" overlay "$top/root"
fi
cd "$top/root"
mkdir -p proc dev exchange
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
mkdir -m 1777 dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount --bind "$exchange" exchange
exec "$5" -ISc "$6"
"""
# As process 1 there: whoever is orphaned and ends is forgotten, as by any init.
WAIT = """\
import signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.readline()
"""


class Container:
    """A running container; as a context manager it ends with the block.

    exchange  the folder outside that is EXCHANGE inside
    keep      what is done in the container stays in the tree
    network   that of this machine, to fetch packages with, instead of none
    Raises LabUnavailable.
    """

    def __init__(self, tree: Path, exchange: Path, *, keep: bool = False, network: bool = False) -> None:
        need_root()
        self._namespaces = ("ipc", "uts") if network else ("ipc", "uts", "net")
        self.exchange = exchange
        self._top = tempfile.mkdtemp(prefix="fence_pr_container-")
        arguments = [str(tree), self._top, str(exchange), "keep" if keep else "throw away", sys.executable, WAIT]
        apart = [f"--{name}" for name in self._namespaces]
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--pid", *apart, "--fork", "--kill-child", "sh", "-c", HOLD, "hold", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout
        if self._holder.stdout.readline() != "ready\n":
            said = self._holder.communicate()[1].strip()
            self.stop()
            raise LabUnavailable(f"a container cannot be made here: {said}")

    def run(self, argv: Sequence[str], *, check: bool = True, cwd: str = "/") -> subprocess.CompletedProcess[str]:
        """Run a command to its end as root of the container; if `check`, raise CommandFailed unless it succeeds."""
        done = subprocess.run(
            self.command(argv, cwd),
            check=False, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        if check and done.returncode:
            raise CommandFailed("container", list(argv), done)
        return done

    def start(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command there, with pipes for what it reads and says."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(argv, "/"), env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe)

    def command(self, argv: Sequence[str], cwd: str) -> list[str]:
        """What runs argv in the container; the environment is the caller's."""
        return [*self.entered(), "env", f"--chdir={cwd}", *argv]

    def entered(self) -> list[str]:
        """What runs the words that follow in the container, without a folder to run in."""
        namespaces = f"/proc/{self._holder.pid}/ns"
        enter = ["nsenter", f"--mount={namespaces}/mnt", f"--pid={namespaces}/pid_for_children"]
        enter += [f"--{name}={namespaces}/{name}" for name in self._namespaces]
        return [*enter, "chroot", f"{self._top}/root"]

    def stop(self) -> None:
        """End everything in the container and forget what was done."""
        if self._holder.poll() is None:
            # To close its input is not enough: a process that was forked here meanwhile may have it open as well.
            self._holder.communicate("end\n")
        os.rmdir(self._top)

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def need_root() -> None:
    """Raise LabUnavailable unless containers can be tried here."""
    if os.geteuid() != 0:
        raise LabUnavailable("packages are built and installed in containers, which only root can make")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise LabUnavailable(f"containers need {', '.join(missing)}")
