"""The packages, built from a copy of the project: this version, and an older one to upgrade from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.documents import commands
from tests.documents.commands import PACKAGING
from tests.packaging.container import EXCHANGE, Container

PROJECT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "fence-agents-pr-ioctl"
MODULES = "lib/fence_pr"
# The older version's own module and package, which an upgrade has to take away.
DROPPED = "dropped"
OLDER = "0.0.1"
RPM = f"rpm/RPMS/noarch/{PACKAGE}-[0-9]*.rpm"
# What no build needs.
LEFT_OUT = ("tests", "test-logs")


def version() -> str:
    """The project's version."""
    found = re.search(r'__version__ = "(.*)"', (PROJECT / MODULES / "__init__.py").read_text())
    assert found
    return found[1]


@dataclass(frozen=True)
class Binaries:
    """What a person installs. All paths are below the container's shared folder."""

    deb: Path
    rpm: Path


@dataclass(frozen=True)
class Packages(Binaries):
    """All that can be built of one version."""

    source: Path
    changes: Path
    source_rpm: Path
    policy_rpm: Path


def build(container: Container) -> Packages:
    """Build this version's packages, sources included, in the container's shared folder."""
    source = _source(container, version())
    folder = source.parent
    inside = f"{EXCHANGE}/{folder.name}"
    container.run(["tar", "-czf", f"{source.name}.tar.gz", source.name], cwd=inside)
    container.run(["dpkg-buildpackage", "-us", "-uc"], cwd=f"{inside}/{source.name}")
    container.run(["rpmbuild", "-ta", *_rpm_options(folder), f"{source.name}.tar.gz"], cwd=inside)
    return Packages(
        source=source,
        deb=_only(folder, "*.deb"),
        changes=_only(folder, "*.changes"),
        rpm=_only(folder, RPM),
        source_rpm=_only(folder, "rpm/SRPMS/*.rpm"),
        policy_rpm=_only(folder, f"rpm/RPMS/noarch/{PACKAGE}-selinux-*.rpm"),
    )


def build_rpm(container: Container, packages: Packages, *defines: str) -> Path:
    """Build this version's rpm as with these macros, which distributions tell themselves by."""
    folder = packages.source.parent
    target = folder / "-".join(defines).replace(" ", "-")
    macros = [word for macro in defines for word in ("--define", macro)]
    options = [*_rpm_options(folder, target.name), "--without", "selinux"]
    archive = f"{packages.source.name}.tar.gz"
    container.run(["rpmbuild", "-tb", *options, *macros, archive], cwd=f"{EXCHANGE}/{folder.name}")
    return _only(target, "RPMS/noarch/*.rpm")


def build_older(container: Container) -> Binaries:
    """Build an older version with more modules, by the commands of the documents, in a git repository of its own."""
    source = _source(container, OLDER)
    folder = source.parent
    commit(source)
    _git(source, ["make", "-s", "dist"])
    for command in commands.run_by(PACKAGING):
        words = [word.replace("VERSION", OLDER) for word in command.words]
        if command.program == "git":
            _git(source, words)
            continue
        more = _rpm_options(folder) if command.program == "rpmbuild" else []
        container.run([*words, *more], cwd=f"{EXCHANGE}/{folder.name}/{source.name}")
    return Binaries(deb=_only(folder, "*.deb"), rpm=_only(folder, RPM))


def _source(container: Container, wanted: str) -> Path:
    folder = container.exchange / wanted
    source = folder / f"fence_pr_ioctl-{wanted}"
    copy(source)
    if wanted != version():
        _make_older(source, wanted)
    # rpm's own scripts are written for distributions where sh is bash.
    container.run(["ln", "-sf", "bash", "/usr/bin/sh"])
    return source


def _rpm_options(folder: Path, top: str = "rpm") -> list[str]:
    """Debian's rpm knows of no Debian package, so it cannot see that what the build needs is there."""
    return ["--nodeps", "--define", f"_topdir {EXCHANGE}/{folder.name}/{top}"]


def commit(source: Path) -> None:
    """Make a copy of the project a git repository with one commit."""
    assert not (source / ".git").exists(), "this is for a repository of its own"
    person = (["config", "user.name", "test"], ["config", "user.email", "test@example.org"])
    for words in (["init", "--quiet"], *person, ["add", "--all"], ["commit", "--quiet", "--message=all"]):
        _git(source, ["git", *words])


def _git(source: Path, words: list[str]) -> None:
    """Run git in the repository that is here, whatever repository the environment names."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(words, cwd=source, env=environment, check=True)


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def copy(target: Path) -> None:
    """Copy of the project what builds need, into a new folder."""
    target.mkdir(parents=True)
    for path in PROJECT.iterdir():
        if path.is_dir() and not path.name.startswith((".", *LEFT_OUT)):
            shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file() and path.name != ".git":  # in a worktree it is a file, and leads to the repository
            shutil.copy2(path, target / path.name)


def _make_older(source: Path, wanted: str) -> None:
    for name in (f"{MODULES}/__init__.py", "debian/changelog", "rpm/fence-agents-pr-ioctl.spec"):
        text = (source / name).read_text()
        assert version() in text
        (source / name).write_text(text.replace(version(), wanted))
    (source / MODULES / DROPPED).mkdir()
    for module in (f"{DROPPED}.py", f"{DROPPED}/__init__.py", f"{DROPPED}/more.py"):
        (source / MODULES / module).write_text('"""A module that the next version does without."""\n')
