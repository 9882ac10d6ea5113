"""The root folders of the guests: Debian trees that no machine was ever installed from."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import cache, packages

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = "bookworm"
LIBRARIES, LOADER = "usr/lib/x86_64-linux-gnu", "ld-linux-x86-64.so.2"
INTERPRETERS = "python3.*[0-9]"
GUESTS = "the guests' programs"
PACKAGES = (
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "dmsetup",
    "findutils",
    "grep",
    "hostname",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libc-bin",
    "make",
    "mawk",
    "mount",
    "multipath-tools",
    "open-iscsi",
    "pacemaker-cli-utils",
    "procps",
    "python3",
    "sed",
    "sg3-utils",
    "strace",
    "udev",
    "util-linux",
)

# What the packages' installation scripts would have made, as far as a guest needs it.
LINKS = {"usr/bin/awk": "mawk", "usr/bin/sh": "dash", "etc/mtab": "../proc/self/mounts"}
ACCOUNTS = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\n"
        "hacluster:x:189:189:cluster:/var/lib/pacemaker:/usr/sbin/nologin\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "etc/group": "root:x:0:\ndisk:x:6:\ntty:x:5:\nhaclient:x:189:hacluster\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n10.99.0.1 n1\n10.99.0.2 n2\n10.99.0.3 n3\n",
}
MOUNT_POINTS = ("project", "host", "overlay", "proc", "sys", "dev", "run", "tmp", "usr/lib/modules")

# Process 1. It lives in the tree only because the project is not mounted yet when a kernel starts it.
FIRST = """\
#!/usr/bin/python3 -ISB
import ctypes, os, sys
if ctypes.CDLL(None).mount(b"project", b"/project", b"hostfs", 1, os.environb[b"LAB_PROJECT"]):
    sys.exit("cannot mount the project")
sys.path.insert(0, "/project")
from tests.lab.inside import init
init.main()
"""

RECIPE = repr((1, SUITE, PACKAGES, packages.UNWANTED, LINKS, ACCOUNTS, MOUNT_POINTS, FIRST))


def folder() -> Path:
    """The guests' root folder, made on first use; raises LabUnavailable."""
    return cache.fill("root", RECIPE, lambda tree: build(tree, SUITE, PACKAGES, what=f"{GUESTS} (about 80 MB)"))


@once
def write_byte_code(tree: Path, project: Path) -> None:
    """Let the Python of a tree compile what guests with that tree run of the project, whose folder they cannot write.

    Else each start of a program there, and each boot, compiles everything anew: that takes half as long again. Where
    this process may not write either, it stays so.
    """
    if _has_python(tree):
        folders = [str(project / name) for name in ("lib", "tests")]
        run_python(tree, "-m", "compileall", "-qq", *folders, check=False)


def run_python(tree: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run the tree's Python as an ordinary program of this machine, in no container.

    With the loader and the libraries of the tree, found where they really are: /lib64/ld-linux-x86-64.so.2, the place
    that programs name, is an absolute link in some trees, and would lead to this machine's, which fits no other libc.
    """
    libraries, programs = tree / LIBRARIES, tree / "usr/bin"
    (interpreter,) = programs.glob(INTERPRETERS)
    loader = [str(libraries / LOADER), "--library-path", str(libraries)]
    environment = {"PYTHONHOME": str(tree / "usr"), "LC_ALL": "C.UTF-8"}
    command = [*loader, str(interpreter), "-S", *arguments]
    return subprocess.run(command, check=check, env=environment, stdin=subprocess.DEVNULL)


def _has_python(tree: Path) -> bool:
    return any(tree.glob(f"usr/bin/{INTERPRETERS}"))


def build(tree: Path, suite: str, wanted: Sequence[str], alone: Sequence[str] = (), what: str = GUESTS) -> None:
    """Fill `tree` with these packages of a suite and what they depend on, and with packages `alone`.

    what: a word for people who wait for it
    """
    packages.check_machine()
    print(f"lab: {what}, from Debian {suite}", file=sys.stderr, flush=True)
    make_skeleton(tree)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        debian = packages.Suite(suite, Path(scratch) / "apt")
        debs = debian.download_closure(wanted)
        packages.unpack([*debs, *map(debian.download, alone)], tree)
    _finish(tree)
    _compile_python(tree)


def make_skeleton(tree: Path) -> None:
    """Folders and links that every tree begins with."""
    packages.make_merged(tree)
    for name in MOUNT_POINTS:
        (tree / name).mkdir(parents=True, exist_ok=True)


def _finish(tree: Path) -> None:
    for name, target in LINKS.items():
        link = tree / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    for name, content in ACCOUNTS.items():
        (tree / name).write_text(content)
    first = tree / "first"
    first.write_text(FIRST)
    first.chmod(0o755)


def _compile_python(tree: Path) -> None:
    """Compile the tree's Python files with the tree's own Python: they start much faster."""
    (library,) = (tree / "usr/lib").glob("python3.*")
    compileall = ("-m", "compileall", "-q", "-s", str(tree), "-p", "/", "--invalidation-mode", "unchecked-hash")
    run_python(tree, *compileall, str(library))
