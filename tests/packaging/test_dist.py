"""`make dist`: the source archive of a commit, always the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

from tests.packaging import builds

if TYPE_CHECKING:
    from pathlib import Path


def made(source: Path, **surroundings: str) -> bytes:
    """The archive that make writes there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    mask = surroundings.pop("umask", "022")
    command = ["sh", "-c", f"umask {mask}; exec make -s dist"]
    subprocess.run(command, cwd=source, env={**environment, **surroundings}, check=True, capture_output=True)
    return (source / f"fence_pr_ioctl-{builds.version()}.tar.gz").read_bytes()


def test_two_archives_of_a_commit_are_the_same(tmp_path: Path) -> None:
    """Made later, elsewhere, by another person, whatever git and gzip are told for themselves."""
    one, other = tmp_path / "one", tmp_path / "other"
    builds.copy(one)
    builds.commit(one)
    shutil.copytree(one, other)
    for path in other.rglob("*.py"):
        os.utime(path, (0, 0))
    (other / "debris").write_text("not committed")
    for setting in (["tar.umask", "077"], ["core.autocrlf", "false"], ["tar.tar.gz.command", "gzip -1"]):
        subprocess.run(["git", "config", *setting], cwd=other, check=True)
    archive = made(one)
    assert archive[3:8] == bytes(5), "RFC 1952: no name, no time"
    assert made(one) == archive
    assert made(other, umask="077", TZ="Asia/Tokyo", LC_ALL="C", HOME=str(tmp_path)) == archive


def test_it_has_what_is_committed_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    builds.copy(source)
    builds.commit(source)
    (source / "debris").write_text("not committed")
    made(source)
    listed = subprocess.run(["git", "ls-files"], cwd=source, check=True, capture_output=True, text=True).stdout.split()
    name = f"fence_pr_ioctl-{builds.version()}"
    with tarfile.open(source / f"{name}.tar.gz") as archive:
        found = {it.name for it in archive if not it.isdir()}
    assert found == {f"{name}/{path}" for path in listed}
    assert f"{name}/fence_pr_ioctl" in found
