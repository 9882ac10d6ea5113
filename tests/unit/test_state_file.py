"""What a node remembers of its own registrations."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fence_pr import files, state_file
from fence_pr.keys import Registrant

if TYPE_CHECKING:
    from pathlib import Path

ME = Registrant("n1", 0x2A)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Does not exist yet."""
    return str(tmp_path / "run" / "fence_pr_ioctl")


@pytest.mark.parametrize("me", [ME, Registrant("", 1), Registrant("n=1", 2**64 - 1), Registrant("nö\udcff", 7)])
@pytest.mark.parametrize(
    "identity", ["naa.6001405", "/dev/sda", "t10.ATA     DISK   1", "a/../../b", "ö\udcff", "%2f", "x" * 60]
)
def test_what_is_saved_is_loaded(folder: str, identity: str, me: Registrant) -> None:
    state_file.save(identity, me, folder)
    assert state_file.load(identity, folder) == me
    assert len(os.listdir(folder)) == 1


def test_nothing_saved_is_none(folder: str) -> None:
    assert state_file.load("naa.1", folder) is None
    state_file.save("naa.1", ME, folder)
    assert state_file.load("naa.2", folder) is None


def test_saving_again_replaces(folder: str) -> None:
    state_file.save("naa.1", ME, folder)
    state_file.save("naa.1", Registrant("n1", 0x2B), folder)
    assert state_file.load("naa.1", folder) == Registrant("n1", 0x2B)
    assert len(os.listdir(folder)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("/% .\u0200\u00e90ab2f", min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_two_disks_never_share_a_file(tmp_path: Path, identities: list[str]) -> None:
    one, two = (f"x{identity}" for identity in identities)
    folder = str(tmp_path / "shared")
    state_file.save(one, Registrant("one", 1), folder)
    state_file.save(two, Registrant("two", 2), folder)
    assert state_file.load(one, folder) == Registrant("one", 1)
    assert state_file.load(two, folder) == Registrant("two", 2)


def test_folder_and_file_are_for_root_alone(folder: str) -> None:
    old = os.umask(0)
    try:
        state_file.save("naa.1", ME, folder)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{folder}/naa.1").st_mode) == 0o600


@pytest.mark.promise(7)
def test_saving_is_atomic(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in front of the last step, the old file is still whole, and the next run is not disturbed."""
    state_file.save("naa.1", ME, folder)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            state_file.save("naa.1", Registrant("n1", 0x2B), folder)
    assert state_file.load("naa.1", folder) == ME
    state_file.save("naa.1", Registrant("n1", 0x2C), folder)
    assert state_file.load("naa.1", folder) == Registrant("n1", 0x2C)


@pytest.mark.promise(7)
@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"garbage", b"key=0x2a\n", b"node=n1\n", b"key=\nnode=n1\n", b"key=zz\nnode=n1\n", b"key=0\nnode=n1\n",
     b"key=-5\nnode=n1\n", b"key=10000000000000000\nnode=n1\n", b"key 0x2a\nnode n1\n", b"\0\0\0\0", b"\xff\xfe"],
)  # fmt: skip
def test_a_damaged_file_is_an_error_that_names_it(folder: str, content: bytes) -> None:
    state_file.save("naa.1", ME, folder)
    with open(f"{folder}/naa.1", "wb") as file:
        file.write(content)
    with pytest.raises(ValueError, match="damaged") as damaged:
        state_file.load("naa.1", folder)
    assert f"{folder}/naa.1" in str(damaged.value)


def test_a_link_in_the_way_is_replaced_and_not_followed(folder: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("untouched")
    os.makedirs(folder)
    os.symlink(precious, f"{folder}/naa.1")
    state_file.save("naa.1", ME, folder)
    assert precious.read_text() == "untouched"
    assert not os.path.islink(f"{folder}/naa.1")
    os.symlink(precious, f"{folder}/naa.2.{os.getpid()}~")
    with pytest.raises(OSError, match="symbolic link"):
        state_file.save("naa.2", ME, folder)
    assert precious.read_text() == "untouched"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        state_file.save("naa.1", ME, str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        state_file.load("naa.1", str(tmp_path / "file"))


def test_what_failed_is_said_of_the_file_that_a_person_knows(folder: str) -> None:
    state_file.save("naa.1", ME, folder)
    os.unlink(f"{folder}/naa.1")
    os.mkdir(f"{folder}/naa.1")
    with pytest.raises(OSError, match="directory") as unread:
        state_file.load("naa.1", folder)
    with pytest.raises(OSError, match="directory") as unwritten:
        state_file.save("naa.1", ME, folder)
    for failed in (unread, unwritten):
        assert files.what_failed(failed.value) == f"Is a directory: {folder}/naa.1"
    assert files.what_failed(ValueError("cut off")) == "cut off"
