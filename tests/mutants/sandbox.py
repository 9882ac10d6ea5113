"""Where changed code runs: processes, network, device nodes, /run and the project's folder of its own.

A changed agent may do anything: kill every process, reset the machine, write to disks. Here it sees no other process,
no disk, no watchdog, and a copy of the project in the place of the project.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = (".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "test-logs")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--propagation", "private")
# The first process is the one that tries changes: it ends all others after each.
SCRIPT = """\
set -e
mkdir -p {work}/dev/pts {work}/dev/shm {work}/tmp
for name in {devices}; do touch {work}/dev/$name; mount --bind /dev/$name {work}/dev/$name; done
ln -s /proc/self/fd {work}/dev/fd
ln -s pts/ptmx {work}/dev/ptmx
mount --bind {project}/.venv {work}/copy/.venv
mount --rbind {work}/copy {project}
mount -t proc proc /proc
if [ -e /proc/sysrq-trigger ]; then mount --bind /dev/null /proc/sysrq-trigger; fi
mount --rbind {work}/dev /dev
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs {work}/tmp
chmod 1777 {work}/tmp
cd {project}
exec nice -n 5 {command}
"""


def copied(copy: Path) -> Path:
    """The project without what is made in it, as this folder."""
    shutil.copytree(PROJECT, copy, symlinks=True, ignore=lambda _, names: {*LEFT_OUT} & {*names})
    return copy


def command(work: Path, inner: list[str]) -> list[str]:
    """What starts `inner` there. work: an empty folder; it must stay until that has ended."""
    (copied(work / "copy") / ".venv").mkdir()
    user = ["--user", "--map-current-user", "--keep-caps"] if os.geteuid() else []
    script = SCRIPT.format(
        work=shlex.quote(str(work)),
        project=shlex.quote(str(PROJECT)),
        devices=" ".join(DEVICES),
        command=shlex.join(inner),
    )
    return ["unshare", *user, *NAMESPACES, "sh", "-c", script]
