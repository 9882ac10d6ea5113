"""Debian trees whose packages were really installed, by dpkg, for containers to begin with. They stay in the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import cache, packages, root
from tests.packaging.container import EXCHANGE, Container, need_root

if TYPE_CHECKING:
    from collections.abc import Sequence

# A packager's machine and a user's: what is built on the newest Debian runs on the one before.
SUITE, PACKAGERS_SUITE = "bookworm", "trixie"
ESSENTIAL = "?essential"
# A machine of a user: nothing but what every Debian has, and what the agent's package depends on.
CLEAN = ("python3", "systemd-standalone-tmpfiles")
# A machine of a developer, before anything is tried on it: what every installed Debian has, make and Python.
DEVELOPER = ("apt", "make", "mount", "procps", "python3", "systemd", "udev")
# What of that the demo and unit tests need.
UNPACKED = (
    "apt",
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "diffutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "make",
    "mawk",
    "mount",
    "procps",
    "python3",
    "sed",
    "tar",
    "util-linux",
)
# What unit tests need where nothing but Python runs.
FOREIGN = ("base-files", "dash", "python3")
# A machine of a packager. man-db and groff-base judge the man page.
TOOLS = (
    "build-essential",
    "checkpolicy",
    "debhelper",
    "dh-python",
    "groff-base",
    "lintian",
    "man-db",
    "python3",
    "rpm",
    "rpmlint",
    "semodule-utils",
)
# A policy that confines Pacemaker, and what changes and searches it.
SELINUX = ("checkpolicy", "make", "selinux-policy-default", "semodule-utils", "setools")
# What fence-agents' own checks call.
CHECKS = ("gawk", "libxml2-utils", "make", "python3", "time", "xsltproc")
# What shows a page to a person.
BROWSER = ("chromium", "fonts-dejavu-core")
INSTALL = """\
dpkg --force-depends --force-unsafe-io --path-exclude='/usr/share/doc/*' --path-exclude='/usr/share/locale/*' \
    --install "$0"/*.deb
dpkg --audit
"""
# No daemon shall be started, as none is there to start it.
NO_SERVICES = "#!/bin/sh\nexit 101\n"


def clean(suite: str = SUITE) -> Path:
    """The tree of a machine that the agent can be installed on; raises LabUnavailable."""
    return _tree("clean-root", CLEAN, suite)


def developer(suite: str) -> Path:
    """The tree of a machine with what README.md asks for before `make demo`; raises LabUnavailable."""
    return _tree("developer", DEVELOPER, suite)


def unpacked(suite: str) -> Path:
    """The same, but nothing is installed, only unpacked, which takes a third as long; raises LabUnavailable."""
    recipe = repr((1, root.RECIPE, suite, UNPACKED))
    return cache.fill(f"unpacked-{suite}", recipe, lambda tree: root.build(tree, suite, UNPACKED, what="a machine"))


def foreign(debian: str, processor: str) -> Path:
    """The tree of another architecture, by Debian's name, with Python and what runs it here, by qemu's name for it.

    Raises LabUnavailable.
    """

    def build(tree: Path) -> None:
        packages.check_machine()
        print(f"tests: Debian {SUITE}'s Python for {debian}, and qemu (60 MB)", file=sys.stderr, flush=True)
        root.make_skeleton(tree)
        with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
            there, here = (packages.Suite(SUITE, Path(scratch) / it, architecture=it) for it in (debian, "amd64"))
            packages.unpack(there.download_closure(FOREIGN), tree)
            (Path(scratch) / "qemu").mkdir()
            packages.unpack([here.download("qemu-user-static")], Path(scratch) / "qemu")
            name = f"usr/bin/qemu-{processor}-static"
            shutil.copy(Path(scratch) / "qemu" / name, tree / name)

    return cache.fill(f"foreign-{debian}", repr((1, root.RECIPE, debian, FOREIGN)), build)


def tools() -> Path:
    """The tree with what builds and judges packages; raises LabUnavailable."""
    return _tree("package-tools", TOOLS, PACKAGERS_SUITE)


def selinux() -> Path:
    """The tree with Debian's policy for SELinux and its tools; raises LabUnavailable."""
    return _tree("selinux", SELINUX)


def checks() -> Path:
    """The tree with what fence-agents' checks call; raises LabUnavailable."""
    return _tree("fence-agents-checks", CHECKS, PACKAGERS_SUITE)


def fence_agents() -> Path:
    """The source of fence-agents, unpacked, from Debian's archive; raises LabUnavailable."""
    return cache.fill("fence-agents-source", repr((1, PACKAGERS_SUITE)), _unpack_fence_agents)


def _unpack_fence_agents(folder: Path) -> None:
    packages.check_machine()
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        archive = packages.Suite(PACKAGERS_SUITE, Path(scratch) / "apt", "deb-src").download_source("fence-agents")
        command = ["tar", "-x", "-C", str(folder), "--strip-components=1", "--no-same-owner", "-f", str(archive)]
        subprocess.run(command, check=True, capture_output=True)


def browser() -> Path:
    """The tree with a browser; raises LabUnavailable."""
    return _tree("browser", BROWSER)


def _tree(name: str, wanted: Sequence[str], suite: str = SUITE) -> Path:
    need_root()
    recipe = repr((1, suite, wanted, INSTALL, NO_SERVICES))
    name = name if suite == SUITE else f"{name}-{suite}"
    return cache.fill(name, recipe, lambda tree: _build(tree, wanted, suite))


def _build(tree: Path, wanted: Sequence[str], name: str) -> None:
    packages.check_machine()
    print(f"tests: a Debian {name} with {', '.join(wanted)}", file=sys.stderr, flush=True)
    packages.make_merged(tree)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        suite = packages.Suite(name, Path(scratch) / "apt")
        # dpkg and what it needs must be there before dpkg can install itself.
        packages.unpack(suite.download_closure([ESSENTIAL]), tree)
        debs = Path(scratch) / "debs"
        debs.mkdir()
        for deb in suite.download_closure([ESSENTIAL, *wanted]):
            os.link(deb, debs / deb.name)
        (tree / "usr/sbin/policy-rc.d").write_text(NO_SERVICES)
        (tree / "usr/sbin/policy-rc.d").chmod(0o755)
        with Container(tree, debs, keep=True) as container:
            container.run(["sh", "-ec", INSTALL, EXCHANGE])
