"""How the lab gets onto a machine: the cache, the packages, and what is said where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests import proof
from tests.inputs import proof as inputs
from tests.lab import cache, packages
from tests.lab.errors import LabUnavailable
from tests.lab.guest import PROJECT, Guest
from tests.lab.kernels import Kernel
from tests.model import proof as model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FENCE_PR_LAB", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_is_filled_once(empty_cache: Path) -> None:
    builds = []

    def build(folder: Path) -> None:
        builds.append(folder)
        time.sleep(0.2)
        (folder / "file").write_text("complete")

    def fill() -> None:
        assert (cache.fill("thing", "recipe", build) / "file").read_text() == "complete"

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert [path for path in empty_cache.iterdir() if path.is_dir()] == [cache.place("thing", "recipe")]


def test_another_recipe_is_another_folder(empty_cache: Path) -> None:
    del empty_cache
    one, two = (cache.fill("thing", recipe, lambda _: None) for recipe in ("one", "two"))
    assert one != two
    assert one.is_dir()


def test_what_is_unfinished_or_unused_goes(empty_cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "file").touch()
        raise LabUnavailable("no network")

    old = cache.fill("thing", "old", lambda _: None)
    os.utime(old, (0, 0))
    (empty_cache / ".thing.unfinished-1").mkdir()
    (empty_cache / ".thing-other.unfinished-1").mkdir()
    with pytest.raises(LabUnavailable, match="no network"):
        cache.fill("thing", "recipe", fail)
    left = [path.name for path in empty_cache.iterdir() if path.is_dir()]
    assert left == [".thing-other.unfinished-1"], "somebody else's build is under way"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("http://m/debian/\tbookworm\tmain\tDebian", "http://m/debian/"),
        ("http://m/x/\tbookworm\tmain\tDebian\nhttp://other/debian/\tbookworm\tmain\tOther", "http://m/x/"),
        ("http://other/\ttrixie\tmain\t\nhttp://m/debian\ttrixie\tmain\t", "http://m/debian"),
        ("http://s/debian-security/\tbookworm-security\tmain\tDebian\nhttp://m/\tstable\tmain\t", "http://m/"),
    ],
)
def test_the_machines_mirror(listed: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_apt", lambda *_: listed)
    assert packages.mirror() == expected


@pytest.mark.parametrize(
    "listed",
    ["", "cdrom:[Debian]/\tbookworm\tmain\tDebian", "http://m/debian/\tbookworm\tstable\tOther"],
)
def test_no_mirror(listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_apt", lambda *_: listed)
    with pytest.raises(LabUnavailable, match="no Debian mirror"):
        packages.mirror()


def test_a_machine_that_cannot_run_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "linux").write_text("#!/bin/sh\necho 'Checking that ptrace can change system call numbers...no'\n")
    (tmp_path / "linux").chmod(0o755)
    guest = Guest(Kernel("6.1.0", tmp_path), tmp_path, logs=tmp_path)
    with pytest.raises(LabUnavailable, match=r"(?s)does not start here: .*ptrace"):
        guest.boot()
    assert not guest.alive()


def test_a_machine_without_room(tmp_path: Path) -> None:
    guest = Guest(Kernel("6.1.0", tmp_path), tmp_path, logs=tmp_path, memory_mib=10**9)
    with pytest.raises(LabUnavailable, match="no folder with 1000000000 MiB"):
        guest.boot()


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_machine_without_apt(empty_cache: Path, ci: str) -> None:
    """Skipped loudly, or failed in CI; never passed over."""
    environment = {**os.environ, "PATH": str(empty_cache / "none"), "CI": ci}
    command = [sys.executable, "-m", "pytest", "tests/lab/test_lab.py", "-k", "the_project_is_there", "-p", "no:xdist"]
    done = subprocess.run(command, check=False, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert "apt-get" in done.stdout
    if ci:
        assert done.returncode == 1
    else:
        assert done.returncode == 0
        assert "NOT COVERED" in done.stdout
        assert "1 tests did not run: " in done.stdout


@pytest.mark.parametrize(
    ("note", "words"), [("", "apt-get"), (f"{inputs.NOT_COVERED}: there is no fuzzer", "there is no fuzzer")]
)
def test_a_proof_in_which_something_could_not_be_tried_does_not_hold(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], note: str, words: str
) -> None:
    """No kernel, or nothing that makes inputs; the other parts are left out here."""
    monkeypatch.setenv("PATH", str(empty_cache / "none"))
    monkeypatch.setenv("CI", "")
    monkeypatch.setattr(model, "lines", lambda _long: [])
    monkeypatch.setattr(inputs, "run", lambda _long: [inputs.Row("parser", 1, 0.1, note)])
    if note:
        monkeypatch.setattr(proof, "FAULTS", [sys.executable, "-c", ""])
    assert proof.main([]) == 1
    said = capfd.readouterr().out
    assert words in said
    assert "NOT EVERYTHING HELD" in said
