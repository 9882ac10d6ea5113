"""Debian trees whose packages were really installed, by dpkg, for containers to begin with. They stay in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import cache, packages
from tests.packaging.container import EXCHANGE, Container, need_root

if TYPE_CHECKING:
    from collections.abc import Sequence

# A packager's machine and a user's: what is built on the newest Debian runs on the one before.
SUITE, PACKAGERS_SUITE = "bookworm", "trixie"
ESSENTIAL = "?essential"
# A machine of a user: nothing but what every Debian has, and what the agent's package depends on.
CLEAN = ("python3", "systemd-standalone-tmpfiles")
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


def clean() -> Path:
    """The tree of a machine that the agent can be installed on; raises LabUnavailable."""
    return _tree("clean-root", CLEAN)


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


def _tree(name: str, wanted: Sequence[str], suite_name: str = SUITE) -> Path:
    need_root()
    recipe = repr((1, suite_name, wanted, INSTALL, NO_SERVICES))
    return cache.fill(name, recipe, lambda tree: _build(tree, wanted, suite_name))


def _build(tree: Path, wanted: Sequence[str], suite_name: str) -> None:
    packages.check_machine()
    print(f"tests: a Debian {suite_name} with {', '.join(wanted)}", file=sys.stderr, flush=True)
    packages.make_merged(tree)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        suite = packages.Suite(suite_name, Path(scratch) / "apt")
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
