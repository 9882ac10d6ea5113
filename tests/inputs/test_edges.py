"""What a system that has run out of something, or changes at the wrong moment, does to single steps."""

from __future__ import annotations

import _thread
import socket
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import log, options, state_file
from fence_pr.actions import former_key
from fence_pr.actions.nodes import Nodes
from fence_pr.bindings import Bindings
from fence_pr.errors import DeviceRefused, DiskNotAsAsked, FenceError, UsageError
from fence_pr.keys import Registrant
from fence_pr.parallel import on_each
from fence_pr.storage import device
from tests.unit.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ME = Registrant("n1", 7)


@pytest.mark.promise(1, 6)
@pytest.mark.parametrize("failing", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_where_threads_are_not_to_be_had_the_others_do_all(
    monkeypatch: pytest.MonkeyPatch, failing: tuple[int, ...]
) -> None:
    start, begun = _thread.start_new_thread, iter(range(3))

    def limited(run: Callable[[], None], arguments: tuple[()]) -> int:
        if next(begun) in failing:
            raise RuntimeError("can't start new thread")
        return start(run, arguments)

    monkeypatch.setattr(_thread, "start_new_thread", limited)
    results: list[Any] = on_each(lambda item: item * 10, [0, 1, 2])
    assert results == [0, 10, 20]


class Host:
    """A job on an NVMe host; `remembered` gives what it registered, or raises."""

    request = Namespace(foreign_keys=())

    def __init__(self, remembered: Registrant | FenceError | None) -> None:
        self._remembered = remembered
        self.said: list[str] = []
        self.say = self.said.append

    registered_if_readable = Nodes.registered_if_readable

    @property
    def _here(self) -> Host:
        return self

    nodes = _here

    def registered(self, _disk: object) -> Registrant | None:
        """Of this disk."""
        if isinstance(self._remembered, FenceError):
            raise self._remembered
        return self._remembered

    def know_all(self) -> bool:
        """Keys are made from names."""
        return True

    def by_key(self, _disks: object) -> dict[int, str]:
        """None is known."""
        return {}

    def bindings(self, _disk: object) -> Bindings:
        """Nothing is noted."""
        return Bindings()

    def local_name(self) -> str:
        """Unknown."""
        return ""


@pytest.mark.promise(7)
def test_on_mends_a_damaged_memory_of_an_nvme_disk_too() -> None:
    disk = device.Device("ns", "/dev/nvme0n1", "uuid.1", device.NVME)
    damaged: Any = Host(FenceError("state-file-unreadable", answer="is damaged"))
    former_key.judge(damaged, disk, ME.key)(5)
    assert [str(it) for it in damaged.said] == ["ns (/dev/nvme0n1): replace this node's former key 0x5"]
    cloned: Any = Host(ME)
    with pytest.raises(DiskNotAsAsked, match="two nodes have one identifier"):
        former_key.judge(cloned, disk, ME.key)(5)


@pytest.mark.parametrize("identity", [".", "..", "...", "/", "../../etc/passwd", "~", "%2e", "x~"])
def test_no_identity_of_a_disk_leads_out_of_the_folder(tmp_path: Path, identity: str) -> None:
    folder = tmp_path / "run/fence_pr_ioctl"
    state_file.save(identity, ME, str(folder))
    (made,) = folder.iterdir()
    assert made.is_file()
    assert state_file.load(identity, str(folder)) == ME
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "fence_pr_ioctl", made.name]


def test_a_map_that_goes_away_while_it_is_looked_at_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.disk("sda", 1, "naa.1")
    path = machine.mapped("dm-0", 2, "mpath-1", "mpatha", "sda")
    assert device.resolve(path, machine.places).identity == "naa.1"
    slaves = tmp_path / "sys/devices/dm-0/block/dm-0/slaves"
    (slaves / "sda").unlink()
    slaves.rmdir()
    with pytest.raises(DeviceRefused, match="without a path"):
        device.resolve(path, machine.places)


def test_a_log_daemon_that_is_started_anew_hears_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log.SystemLog, "_PATH", str(tmp_path / "log"))
    sending = log.SystemLog()
    sending.send(log.FAILURE, "nobody listens")
    for number in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(str(tmp_path / "log"))
            sending.send(log.WARNING, f"message {number}")
            assert listening.recv(999, socket.MSG_DONTWAIT).endswith(f": message {number}".encode())
        (tmp_path / "log").unlink()


@pytest.mark.promise(8)
def test_more_names_of_disks_than_anybody_has_are_refused() -> None:
    call = b"action=off\nplug=n1\ndevices="
    assert len(options.from_stdin(call + b"/x " * 1024).devices()) == 1024
    with pytest.raises(UsageError, match="1025 names, at most 1024"):
        options.from_stdin(call + b"/x " * 1025)


def test_thousands_of_unknown_options_are_a_few_warnings() -> None:
    lines = b"".join(b"x%d=\n" % number for number in range(5000))
    warnings = options.from_stdin(b"action=list\n" + lines).warnings
    assert str(warnings[0]).startswith("unknown option 'x0' ignored")
    assert str(warnings[-1]).startswith("4980 more unknown options ignored")
    assert len(warnings) == 21
    assert [it.fields["option"] for it in options.from_stdin(b"action=list\ncolour=1\n").warnings] == ["colour"]


@pytest.mark.promise(5)
def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    message = f"Failed: option 'plug', value '{'n' * 100_000}': is too long"
    shown = log.one_line(message)
    assert shown.startswith("Failed: option 'plug', value 'nnn")
    assert shown.endswith("nnn': is too long")
    assert len(shown) < 9000
    assert log.one_line("Failed: /dev/sdé: no such device") == "Failed: /dev/sdé: no such device"
    assert log.one_line("a\0b\tc\nd\x1b[1m\x85\u2028") == "a\\0b\\x09c\\x0ad\\x1b[1m\\x85\\u2028"
