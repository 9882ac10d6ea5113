"""The lab's cache: folders that are either complete or not there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEEP_UNUSED_DAYS = 14


def folder() -> Path:
    """Where the cache is: $FENCE_PR_LAB, or a folder of the user's cache."""
    chosen = os.environ.get("FENCE_PR_LAB")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "fence_pr_ioctl"


def place(name: str, recipe: str) -> Path:
    """The folder that what `recipe` describes has in the cache, whether it is there yet or not."""
    return folder() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def fill(name: str, recipe: str, build: Callable[[Path], None]) -> Path:
    """The complete folder of `recipe`; `build(folder)` makes it if it is not there.

    Several processes may ask at once: one builds, the others wait for it. A build that fails leaves nothing.
    """
    final = place(name, recipe)
    if not final.is_dir():
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder() / f".{name}.lock"):
            if not final.is_dir():
                _remove_leftovers(name, keep=final)
                _build(name, final, build)
    os.utime(final)
    return final


def _build(name: str, final: Path, build: Callable[[Path], None]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f".{name}.unfinished-", dir=folder()))
    try:
        build(unfinished)
        # mkdtemp gives 0700, which would hide a guest's root folder from its own daemons.
        unfinished.chmod(0o755)
        unfinished.rename(final)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove_leftovers(name: str, keep: Path) -> None:
    """Remove builds that were interrupted, and what no run has used for a while (lock held)."""
    for path in folder().glob(f".{name}.unfinished-*"):
        shutil.rmtree(path, ignore_errors=True)
    oldest = time.time() - KEEP_UNUSED_DAYS * 86400
    for path in folder().glob(f"{name}-{'[0-9a-f]' * 12}"):
        if path != keep and path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
