"""The kernels that guests run on: user-mode Linux, ready to start from a folder of the cache."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import cache, kernel_build, packages
from tests.lab.errors import LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Kernel:
    """One kernel in the cache.

    The folder holds `linux`, started with the folder as working directory; `modules/RELEASE/`, if it has
    modules; and `ld.so` with `libc.so.6`, if it brings a C library of its own. arguments: for its command line.
    """

    release: str
    folder: Path
    arguments: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The version in short, such as "6.1"."""
        return ".".join(self.release.split(".")[:2])


@dataclass(frozen=True)
class Source:
    """How one kernel comes into the cache. `build(folder)` fills the folder and writes its file `release`."""

    name: str
    recipe: str
    build: Callable[[Path], None]
    arguments: tuple[str, ...] = ()

    def kernel(self) -> Kernel:
        """The kernel, made on first use; raises LabUnavailable."""
        return replace(_read(cache.fill(f"linux-{self.name}", self.recipe, self.build)), arguments=self.arguments)

    def label(self) -> str:
        """The kernel's label if it is in the cache, the name of the source otherwise."""
        folder = cache.place(f"linux-{self.name}", self.recipe)
        return _read(folder).label if folder.is_dir() else self.name


def packaged(name: str, suite: str, at_least: tuple[int, int]) -> Source:
    """The user-mode Linux of a Debian suite."""

    def build(folder: Path) -> None:
        _build_packaged(folder, suite, at_least)

    return Source(name, repr((1, suite, at_least)), build)


def built(name: str, suite: str, version: str, more: str = "", arguments: tuple[str, ...] = ()) -> Source:
    """User-mode Linux with what kernel.config asks for, from a suite's kernel source of that version or its newest.

    more: further lines of configuration; arguments: for its command line
    """
    recipe = kernel_build.recipe(suite, version, more)
    return Source(name, recipe, lambda folder: kernel_build.build(folder, suite, version, more), arguments)


# The oldest kernel that is supported (raw statuses, no ioctls to read reservations); the one that most clusters have
# (statuses of linux/pr.h, no such ioctls); and one that has them (Linux 6.19 and later).
SOURCES = OLDEST, COMMON, NEWEST = (
    packaged("6.1", "bookworm", (6, 1)),
    packaged("6.12", "trixie", (6, 12)),
    packaged("7", "forky", (6, 19)),
)
# Debian's packages have no NVMe.
NVME = built("nvme", "trixie-backports", "7.3")
# Hosts of NVMe disks as clusters have them for years to come.
OLDER_NVME_HOST = built("nvme-6.1", "bookworm", "6.1")
COMMON_NVME_HOST = built("nvme-6.12", "trixie", "6.12")
# With several processors, which user-mode Linux can have since 6.19.
SEVERAL_PROCESSORS = built(
    "smp", "trixie-backports", "7.3", f"{kernel_build.LEANER}CONFIG_SMP=y\nCONFIG_NR_CPUS=4\n", ("ncpus=2",)
)
USUAL = (NEWEST, NVME)
IN_CI = (OLDEST, COMMON, *USUAL, OLDER_NVME_HOST)
ALL = (*IN_CI, COMMON_NVME_HOST, SEVERAL_PROCESSORS)


def source(name: str) -> Source:
    """The source called `name`, by its name or the label of its kernel."""
    wanted = name.removeprefix("linux-")
    for candidate in ALL:
        if wanted == candidate.name:
            return candidate
    for candidate in ALL:
        if wanted == candidate.label():
            return candidate
    known = ", ".join(each.label() for each in ALL)
    raise LabUnavailable(f"there is no kernel {name}; there are {known}")


def _read(folder: Path) -> Kernel:
    return Kernel((folder / "release").read_text().strip(), folder)


def _build_packaged(folder: Path, suite: str, at_least: tuple[int, int]) -> None:
    packages.check_machine()
    print(f"lab: user-mode Linux, from Debian {suite} (about 40 MB)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        debian = packages.Suite(suite, Path(scratch) / "apt")
        tree = Path(scratch) / "tree"
        packages.make_merged(tree)
        packages.unpack([debian.download("user-mode-linux"), debian.download("libc6")], tree)
        release = _take_modules(tree / "usr/lib/uml/modules", folder)
        if tuple(int(part) for part in release.split(".")[:2]) < at_least:
            raise LabUnavailable(f"user-mode-linux of {suite} is {release}, the lab needs {at_least[0]}.{at_least[1]}")
        _take_program(tree, folder)
    (folder / "release").write_text(release)


def _take_modules(source_folder: Path, folder: Path) -> str:
    (found,) = source_folder.iterdir()
    shutil.move(source_folder, folder / "modules")
    return found.name


def _take_program(tree: Path, folder: Path) -> None:
    """The kernel with the C library of its own suite, which may be newer than the machine's.

    The kernel starts itself again through /proc/self/exe, so it cannot be run as "ld.so linux". A relative
    interpreter is looked up in the working directory, hence in `folder`, however long the folder's path is.
    """
    program = (tree / "usr/bin/linux.uml").read_bytes()
    if program.count(INTERPRETER) == 1:
        program = program.replace(INTERPRETER, b"ld.so".ljust(len(INTERPRETER), b"\0"))
        shutil.copy(tree / LIBRARIES / "ld-linux-x86-64.so.2", folder / "ld.so")
        shutil.copy(tree / LIBRARIES / "libc.so.6", folder)
    (folder / "linux").write_bytes(program)
    (folder / "linux").chmod(0o755)
