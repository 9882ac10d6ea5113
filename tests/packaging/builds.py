"""The packages, built from a copy of the project: this version, and an older one to upgrade from."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.container import EXCHANGE, Container

PROJECT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "fence-agents-pr-ioctl"
MODULES = "lib/fence_pr"
# The older version's own module, which an upgrade has to take away.
DROPPED = "dropped"
OLDER = "0.0.1"
# What no build needs.
LEFT_OUT = ("tests", "test-logs", "metadata")


def version() -> str:
    """The project's version."""
    found = re.search(r'__version__ = "(.*)"', (PROJECT / MODULES / "__init__.py").read_text())
    assert found
    return found[1]


@dataclass(frozen=True)
class Packages:
    """What was built of one version. All paths are below the container's shared folder."""

    source: Path
    deb: Path
    changes: Path
    rpm: Path
    source_rpm: Path


def build(container: Container, wanted: str) -> Packages:
    """Build all packages of the version in the container's shared folder."""
    folder = container.exchange / wanted
    source = folder / f"fence_pr_ioctl-{wanted}"
    _copy(source)
    if wanted != version():
        _make_older(source, wanted)
    # rpm's own scripts are written for distributions where sh is bash.
    container.run(["ln", "-sf", "bash", "/usr/bin/sh"])
    inside = f"{EXCHANGE}/{wanted}"
    container.run(["tar", "-czf", f"{source.name}.tar.gz", source.name], cwd=inside)
    container.run(["dpkg-buildpackage", "-us", "-uc"], cwd=f"{inside}/{source.name}")
    # Debian's rpm knows of no Debian package, so it cannot see that what the build needs is there.
    rpmbuild = ["rpmbuild", "-ta", "--nodeps", "--define", f"_topdir {inside}/rpm"]
    container.run([*rpmbuild, f"{source.name}.tar.gz"], cwd=inside)

    def only(pattern: str) -> Path:
        (found,) = folder.glob(pattern)
        return found

    return Packages(
        source=source,
        deb=only("*.deb"),
        changes=only("*.changes"),
        rpm=only("rpm/RPMS/noarch/*.rpm"),
        source_rpm=only("rpm/SRPMS/*.rpm"),
    )


def _copy(target: Path) -> None:
    target.mkdir(parents=True)
    for path in PROJECT.iterdir():
        if path.is_dir() and not path.name.startswith((".", *LEFT_OUT)):
            shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file():
            shutil.copy2(path, target / path.name)


def _make_older(source: Path, wanted: str) -> None:
    for name in (f"{MODULES}/__init__.py", "debian/changelog", "rpm/fence-agents-pr-ioctl.spec"):
        text = (source / name).read_text()
        assert version() in text
        (source / name).write_text(text.replace(version(), wanted))
    (source / MODULES / f"{DROPPED}.py").write_text('"""A module that the next version does without."""\n')
