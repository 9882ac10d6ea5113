"""One check of every disk: what is said, and the exit status that the watchdog daemon resets the machine for."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fence_pr import child, state_file
from fence_pr.child import Ending
from fence_pr.errors import DeviceFailure, DeviceRefused, FenceError, Notice, NotPermitted
from fence_pr.guard import check
from fence_pr.guard.machine import Machine
from fence_pr.guard.options import parse
from fence_pr.keys import Registrant
from fence_pr.storage.device import SCSI, Device
from fence_pr.storage.snapshot import Snapshot

OWN, OTHER, LVM = 0x2A, 0x2B, 0x1000000000000001
A, B = "naa.a", "naa.b"
HERE, GONE, CLEARED = Snapshot(1, (OWN, OTHER), 3, 0), Snapshot(1, (OTHER,), 3, 0), Snapshot(1, (), 0, 0)
OK, UNREADABLE, REFUSED, REBOOT = 0, 5, 13, 254
DAEMON, PERSON = "test", "--check"


class Disks:
    """What is attached: identity → a snapshot, or why there is none; and with which keys this node is registered."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot | FenceError] = {}
        self.nexus: tuple[int, ...] | FenceError | float | None = ()

    def locate(self, identity: str) -> Device:
        if identity not in self.snapshots:
            raise DeviceRefused("wwid-unknown", identity)
        return Device(identity, "/dev/sda", identity, SCSI)

    def open(self, found: Device, _watch: object, _patience: object) -> Any:
        return Opened(self, found.identity)


class Opened:
    """In place of disk.Disk."""

    def __init__(self, disks: Disks, identity: str) -> None:
        self._disks, self._identity = disks, identity

    def snapshot(self) -> Snapshot:
        told = self._disks.snapshots[self._identity]
        if isinstance(told, FenceError):
            raise told
        return told

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:
        assert absent == OWN
        told = self._disks.nexus
        if isinstance(told, float):
            threading.Event().wait(told)
            return None
        if isinstance(told, FenceError):
            raise told
        return told

    def close(self) -> None:
        """As disk.Disk has it."""


class Checked:
    """How a check ended."""

    def __init__(self, disks: Disks, folder: str, *arguments: str) -> None:
        self.said: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check, "locate", disks.locate)
            patch.setattr(check, "open_disk", disks.open)
            settings = parse([*arguments, "--confirm-after=0.01"])
            self.code = check.check(settings, self._say, folder)

    def _say(self, _level: int, notice: Notice) -> None:
        self.said.append(str(notice))


@pytest.fixture
def disks() -> Disks:
    """Two disks, on which this node is registered."""
    it = Disks()
    it.snapshots = {A: HERE, B: HERE}
    return it


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """What this node has noted: both disks."""
    path = str(tmp_path / "run")
    for identity in (A, B):
        state_file.save(identity, Registrant("n1", OWN), path)
    return path


@pytest.mark.parametrize("word", [DAEMON, PERSON])
def test_all_is_well(disks: Disks, folder: str, tmp_path: Path, word: str) -> None:
    done = Checked(disks, folder, word)
    assert done.code == OK
    assert done.said == [f"{it} (/dev/sda): this node is registered (key 0x2a)" for it in (A, B)]
    done = Checked(disks, str(tmp_path / "nothing"), word)
    assert (done.code, done.said) == (OK, [])


@pytest.mark.parametrize("word", [DAEMON, PERSON])
@pytest.mark.parametrize("nexus", [(), None, DeviceFailure("/dev/sda", "register", 2)])
def test_a_fenced_node_is_reset(disks: Disks, folder: str, nexus: tuple[int, ...] | None, word: str) -> None:
    disks.snapshots[A], disks.nexus = GONE, nexus
    done = Checked(disks, folder, word)
    assert done.code == REBOOT
    assert "this node was fenced" in done.said[-1]
    assert Checked(disks, folder, word, "--fenced=log").code == OK


def test_a_disk_that_does_not_say_how_this_node_is_registered_does_not_keep_it_alive(disks: Disks, folder: str) -> None:
    disks.snapshots[A], disks.nexus = GONE, 30.0
    begun = time.monotonic()
    assert Checked(disks, folder, DAEMON).code == REBOOT
    assert time.monotonic() - begun < check._LIMIT_SECONDS


@pytest.mark.parametrize("word", [DAEMON, PERSON])
def test_a_node_that_is_registered_with_another_key_is_told_so_and_not_reset(
    disks: Disks, folder: str, word: str
) -> None:
    disks.snapshots[A], disks.nexus = Snapshot(1, (LVM, OTHER), 3, 0), (LVM,)
    done = Checked(disks, folder, word, "--unprotected=reboot")
    assert done.code == OK
    assert f"{A} (/dev/sda): this node is registered with another key, 0x{LVM:x} (LVM's form)" in done.said[-1]


def test_lost_registrations(disks: Disks, folder: str) -> None:
    disks.snapshots[A] = CLEARED
    assert Checked(disks, folder, DAEMON).code == OK
    assert Checked(disks, folder, DAEMON, "--unprotected=reboot").code == REBOOT


@pytest.mark.parametrize("word", [DAEMON, PERSON])
def test_who_comes_back_first_after_a_loss_fences_nobody(disks: Disks, folder: str, word: str) -> None:
    for seen, code in ((CLEARED, OK), (GONE, OK), (GONE, OK), (HERE, OK), (GONE, REBOOT)):
        disks.snapshots[A] = seen
        assert Checked(disks, folder, word).code == code


def test_an_on_that_comes_after_a_loss_while_the_check_asks_is_no_fencing(
    disks: Disks, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(_opened: Opened, _absent: int) -> None:
        state_file.save(A, Registrant("n1", OWN), folder)

    disks.snapshots[A] = CLEARED
    assert Checked(disks, folder, DAEMON).code == OK
    disks.snapshots[A] = GONE
    monkeypatch.setattr(Opened, "nexus_keys", on)
    assert Checked(disks, folder, DAEMON).code == OK
    assert Checked(disks, folder, DAEMON).code == REBOOT


@pytest.mark.parametrize("what", ["gone", "fails", "state file", "folder"])
def test_what_cannot_be_read_is_never_well_to_a_person_and_a_reset_only_if_asked_for(
    disks: Disks, folder: str, what: str
) -> None:
    """The watchdog daemon resets the machine for anything but 0."""
    words = {
        "gone": "no disk with this WWID",  # it may have left the cluster on purpose; its state file has not
        "fails": "read keys: ",
        "state file": "is damaged",
        "folder": "not watched before 'on' has run here again",
    }[what]
    if what == "gone":
        del disks.snapshots[A]
    elif what == "fails":
        disks.snapshots[A] = DeviceFailure("/dev/sda", "read keys", 2)
    elif what == "state file":
        (Path(folder) / A).write_text("cut off")
    else:
        folder = f"{folder}/{A}"  # not a folder: nobody can list it
    for arguments, code in (
        ((PERSON,), UNREADABLE),
        ((DAEMON,), OK),
        ((DAEMON, "--unreadable=reboot"), UNREADABLE),
        ((PERSON, "--unreadable=reboot"), UNREADABLE),
    ):
        done = Checked(disks, folder, *arguments)
        assert done.code == code, arguments
        assert any(words in text for text in done.said), done.said


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("what", ["folder", "state file", "device", "disk"])
@pytest.mark.parametrize(
    "arguments", [(PERSON,), (DAEMON,), (DAEMON, "--unreadable=log"), (DAEMON, "--unreadable=stop")]
)
def test_what_this_process_may_not_ask_is_never_well(
    disks: Disks, folder: str, monkeypatch: pytest.MonkeyPatch, number: int, what: str, arguments: tuple[str, ...]
) -> None:
    """Confined by SELinux the guard would be silently inert; the watchdog daemon tells what 13 means."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), folder)

    def not_found(name: str) -> None:
        try:
            refuse()
        except OSError as error:
            raise DeviceRefused("device-unreadable", name, answer=os.strerror(number)) from error

    if what == "folder":
        monkeypatch.setattr(os, "listdir", refuse)
    elif what == "state file":
        monkeypatch.setattr(state_file, "load", refuse)
    elif what == "device":
        monkeypatch.setattr(disks, "locate", not_found)
    else:
        disks.snapshots[A] = NotPermitted("/dev/sda", "read keys", -number)
    done = Checked(disks, folder, *arguments)
    assert done.code == REFUSED
    assert any(words in text for text in done.said for words in (os.strerror(number), "not permitted")), done.said


def test_a_process_to_which_disks_are_not_shown_is_never_well(
    disks: Disks, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del disks.snapshots[A]
    assert Checked(disks, folder, DAEMON).code == OK
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert Checked(disks, folder, DAEMON).code == REFUSED


def test_a_check_for_which_there_is_no_process_is_never_well(
    disks: Disks, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", none)
    done = Checked(disks, folder, PERSON)
    assert done.code == UNREADABLE
    assert len(done.said) == 2
    assert "no more processes may be started" in done.said[0]


def test_a_fenced_disk_beside_one_that_cannot_be_read_is_a_reset(disks: Disks, folder: str) -> None:
    disks.snapshots = {A: GONE, B: DeviceFailure("/dev/sda", "read keys", 2)}
    assert Checked(disks, folder, PERSON).code == REBOOT


@pytest.mark.parametrize("word", [DAEMON, PERSON])
@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (Ending(pending={A: "read keys"}), ("no answer in time", A, "read keys")),
        (Ending(pending={}), ("no answer in time",)),
        (Ending(crash="Traceback: KeyError\n"), ("Traceback: KeyError",)),
        (Ending(lost=Notice("child-unintelligible", {})), ("internal error",)),
    ],
)
def test_a_check_that_does_not_come_to_its_end_has_read_no_disk(
    disks: Disks, folder: str, monkeypatch: pytest.MonkeyPatch, word: str, ending: Ending, told: tuple[str, ...]
) -> None:
    """The watchdog daemon resets the machine then, once its own time for that is over."""
    monkeypatch.setattr(child, "run", lambda *_: ending)
    done = Checked(disks, folder, word, "--unreadable=reboot")
    assert done.code == UNREADABLE
    assert len(done.said) == 2
    for said in done.said:
        assert all(words in said for words in told), said


def test_a_disk_that_is_not_watched_any_more_is_not_judged(
    disks: Disks, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'off' of this node's own key, or an 'on' that is about to write another one, removes the state file."""
    disks.snapshots[A] = GONE
    monkeypatch.setattr(state_file, "identities", lambda _folder: [A, B, "naa.gone"])
    state_file.forget(A, folder)
    done = Checked(disks, folder, DAEMON)
    assert done.code == OK
    assert [folder in said for said in done.said] == [True, False, True]


@pytest.mark.parametrize(
    "problem", [None, Notice("pacemaker-not-stopped", {"command": "systemctl stop", "answer": "no"})]
)
def test_pacemaker_is_stopped_where_the_options_say_so(
    disks: Disks, folder: str, monkeypatch: pytest.MonkeyPatch, problem: Notice | None
) -> None:
    disks.snapshots[A] = CLEARED
    monkeypatch.setattr(Machine, "stop_pacemaker", lambda _: problem)
    done = Checked(disks, folder, DAEMON, "--unprotected=stop")
    assert done.code == OK
    assert done.said[-1] == str(problem or Notice("pacemaker-stopping", {}))
