"""linux/pr.h: request numbers, structures, the order of arguments, and what a return means."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Conflict, DeviceFailure, IncompleteAnswer, Invalid, NotPermitted, NotSupported, PathFailure
from fence_pr.storage import pr_ioctl
from tests.unit import fake_ioctl
from tests.unit.process import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FD = 3
# Of the package, what the module needs to be used on its own.
ALONE = {"", ".storage", ".errors", ".record", ".storage.kernel_status", ".storage.memory", ".storage.snapshot"}


def test_the_example_in_the_docstring_registers_and_reserves(tmp_path: Path) -> None:
    example = textwrap.dedent("\n".join(it for it in (pr_ioctl.__doc__ or "").splitlines() if it[:4] in ("", "    ")))
    (tmp_path / "sdb").touch()
    assert "/dev/sdb" in example
    with fake_ioctl.disk(lambda _request, _buffer: 0) as calls:
        made: dict[str, int] = {}
        exec(example.replace("/dev/sdb", str(tmp_path / "sdb")), {}, made)
    os.close(made["fd"])
    assert [it.request for it in calls if isinstance(it, fake_ioctl.Call)] == [
        pr_ioctl.REQUESTS.register,
        pr_ioctl.REQUESTS.reserve,
    ]


def test_used_on_its_own_it_brings_nothing_of_the_agent() -> None:
    code = "import sys; from fence_pr.storage import pr_ioctl; print(*(it for it in sys.modules if 'fence_pr' in it))"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "lib")}
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    assert set(loaded) == {f"fence_pr{name}" for name in (*ALONE, ".storage.pr_ioctl")}


# name, number, C structure, _IOC_READ, _IOC_WRITE
TABLE = [
    ("register", 200, fake_ioctl.Registration, 0, 1),
    ("reserve", 201, fake_ioctl.Reservation, 0, 1),
    ("release", 202, fake_ioctl.Reservation, 0, 1),
    ("preempt", 203, fake_ioctl.Preempt, 0, 1),
    ("preempt_abort", 204, fake_ioctl.Preempt, 0, 1),
    ("clear", 205, fake_ioctl.Clear, 0, 1),
    ("read_keys", 206, fake_ioctl.ReadKeys, 1, 1),
    ("read_reservation", 207, fake_ioctl.ReadReservation, 1, 0),
]
# asm-generic/ioctl.h; arch/{powerpc,mips,sparc,alpha}: three bits of direction, and write is 4 there
ENCODINGS = [
    (("x86_64", "i686", "aarch64", "armv7l", "s390x", "riscv64", "loongarch64"), 30, 1, 2),
    (("ppc64le", "ppc64", "ppc", "mips", "mips64", "sparc64", "alpha"), 29, 4, 2),
]


@pytest.mark.parametrize(
    ("machine", "shift", "write", "read"),
    [(machine, shift, write, read) for machines, shift, write, read in ENCODINGS for machine in machines],
)
def test_request_numbers_are_those_of_the_c_macros(machine: str, shift: int, write: int, read: int) -> None:
    requests = pr_ioctl.requests_of(machine)
    for name, number, structure, reads, writes in TABLE:
        direction = (read if reads else 0) | (write if writes else 0)
        expected = direction << shift | ctypes.sizeof(structure) << 16 | ord("p") << 8 | number
        assert getattr(requests, name) == expected, name


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("register", 0x401870C8),
        ("reserve", 0x401070C9),
        ("release", 0x401070CA),
        ("preempt", 0x401870CB),
        ("preempt_abort", 0x401870CC),
        ("clear", 0x401070CD),
        ("read_keys", 0xC01070CE),
        ("read_reservation", 0x801070CF),
    ],
)
def test_request_numbers_on_the_common_processors(name: str, number: int) -> None:
    assert getattr(pr_ioctl.requests_of("x86_64"), name) == number


OWN, VICTIM = 0x1122334455667788, 0xFFEEDDCCBBAA9988
COMMANDS: list[tuple[str, Callable[[int], None], ctypes.Structure]] = [
    ("register", lambda flags: pr_ioctl.register(FD, OWN, VICTIM, flags), fake_ioctl.Registration(OWN, VICTIM, 0, 0)),
    ("reserve", lambda flags: pr_ioctl.reserve(FD, OWN, 5, flags), fake_ioctl.Reservation(OWN, 5, 0)),
    ("release", lambda flags: pr_ioctl.release(FD, OWN, 6, flags), fake_ioctl.Reservation(OWN, 6, 0)),
    # The caller's key goes first, whatever Documentation/block/pr.rst says.
    ("preempt", lambda flags: pr_ioctl.preempt(FD, OWN, VICTIM, 3, flags), fake_ioctl.Preempt(OWN, VICTIM, 3, 0)),
    (
        "preempt_abort",
        lambda flags: pr_ioctl.preempt_abort(FD, OWN, VICTIM, 4, flags),
        fake_ioctl.Preempt(OWN, VICTIM, 4, 0),
    ),
    ("clear", lambda flags: pr_ioctl.clear(FD, OWN, flags), fake_ioctl.Clear(OWN, 0, 0)),
]


@pytest.mark.parametrize(("name", "command", "expected"), COMMANDS, ids=[it[0] for it in COMMANDS])
@pytest.mark.parametrize("flags", [0, 1, 0x80000002])
def test_a_command_sends_its_structure_flags_unchanged(
    name: str, command: Callable[[int], None], expected: ctypes.Structure, flags: int
) -> None:
    expected = type(expected).from_buffer_copy(bytes(expected))
    expected.flags = flags
    with fake_ioctl.disk(lambda _request, _buffer: 0) as calls:
        command(flags)
    assert calls == [fake_ioctl.Call(getattr(pr_ioctl.REQUESTS, name), bytes(expected))]


@pytest.mark.parametrize(("name", "command", "_expected"), COMMANDS, ids=[it[0] for it in COMMANDS])
@pytest.mark.parametrize(
    ("returned", "kind"),
    [(0x18, Conflict), (0x118, Conflict), (2, DeviceFailure), (0x10000, PathFailure), (1, Exception)],
)
@pytest.mark.promise(1, 5)
def test_a_positive_return_is_a_failure(
    name: str, command: Callable[[int], None], _expected: object, returned: int, kind: type[Exception]
) -> None:
    with (
        fake_ioctl.disk(lambda _request, _buffer: returned),
        pytest.raises(kind, match=f"status 0x{returned:x}") as failed,
    ):
        command(0)
    assert name.split("_", maxsplit=1)[0] in str(failed.value)
    assert pr_ioctl.device_name(FD) in str(failed.value)


@pytest.mark.parametrize(("_name", "command", "_expected"), COMMANDS, ids=[it[0] for it in COMMANDS])
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EOPNOTSUPP, NotSupported),
        (errno.EINVAL, Invalid),
        (errno.EPERM, NotPermitted),
        (errno.ENODEV, PathFailure),
    ],
)
def test_an_error_number_is_a_failure_with_that_status(
    _name: str, command: Callable[[int], None], _expected: object, number: int, kind: type[DeviceFailure]
) -> None:
    def fail(_request: int, _buffer: bytearray) -> int:
        raise OSError(number, os.strerror(number))

    with fake_ioctl.disk(fail), pytest.raises(kind) as failed:
        command(0x80000000)
    assert failed.value.status == -number


class KeyStore:
    """A disk with these keys, as sd.c fills the caller's buffer."""

    def __init__(self, keys: list[int], generation: int = 7) -> None:
        self.keys, self.generation = keys, generation
        self.capacities: list[int] = []

    def __call__(self, request: int, buffer: bytearray) -> int:
        assert request == pr_ioctl.REQUESTS.read_keys
        asked = fake_ioctl.ReadKeys.from_buffer(buffer)
        self.capacities.append(asked.num_keys)
        fake_ioctl.write_keys(asked.keys_ptr, self.keys[: asked.num_keys])
        asked.generation, asked.num_keys = self.generation, len(self.keys)
        return 0


@pytest.mark.promise(1)
@pytest.mark.parametrize("total", [0, 1, 2, 63, 64, 65, 128, 1000, 8188, 8189])
def test_all_keys_are_read_however_many_there_are(total: int) -> None:
    store = KeyStore([2**64 - 1 - number for number in range(total)])
    with fake_ioctl.disk(store):
        assert pr_ioctl.read_keys(FD) == pr_ioctl.Keys(7, tuple(store.keys))
    assert len(store.capacities) <= 2


@pytest.mark.promise(1)
@pytest.mark.parametrize("total", [63, 64, 65, 200])
def test_a_target_that_counts_only_the_keys_that_had_room_is_given_more_room(total: int) -> None:
    keys = list(range(1, total + 1))

    def cut_off(request: int, buffer: bytearray) -> int:
        return KeyStore(keys[: fake_ioctl.ReadKeys.from_buffer_copy(buffer).num_keys])(request, buffer)

    with fake_ioctl.disk(cut_off):
        assert pr_ioctl.read_keys(FD).keys == tuple(keys)


def test_the_same_key_on_several_nexuses_stays_several_times_in_the_list() -> None:
    with fake_ioctl.disk(KeyStore([1, 1, 2])):
        assert pr_ioctl.read_keys(FD).keys == (1, 1, 2)


@pytest.mark.promise(1)
@pytest.mark.parametrize("total", [8190, 8191, 20000])
def test_more_keys_than_a_kernel_can_list_are_no_answer(total: int) -> None:
    store = KeyStore(list(range(1, total + 1)))
    with fake_ioctl.disk(store), pytest.raises(IncompleteAnswer, match=f"{total} registrations, only fewer than 8190"):
        pr_ioctl.read_keys(FD)
    assert max(store.capacities) == 8190


@pytest.mark.promise(1)
def test_a_list_that_grows_while_it_is_read_is_read_again() -> None:
    store = KeyStore([])

    def growing(request: int, buffer: bytearray) -> int:
        store.keys = list(range(1, 100 * 3 ** len(store.capacities)))
        return store(request, buffer) if len(store.capacities) < 4 else KeyStore([9])(request, buffer)

    with fake_ioctl.disk(growing):
        assert pr_ioctl.read_keys(FD).keys == (9,)
    assert store.capacities == [64, 128, 300, 900]


@pytest.mark.parametrize(
    ("kind", "key", "generation"), [(0, 0, 0), (3, 0xABC, 5), (5, 0, 2**32 - 1), (6, 2**64 - 1, 1)]
)
def test_the_reservation_is_read_field_by_field(kind: int, key: int, generation: int) -> None:
    def answer(request: int, buffer: bytearray) -> int:
        assert request == pr_ioctl.REQUESTS.read_reservation
        fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(key, generation, kind))
        return 0

    with fake_ioctl.disk(answer):
        assert pr_ioctl.read_reservation(FD) == pr_ioctl.Reservation(generation, kind, key)


@pytest.mark.promise(1)
@pytest.mark.parametrize("read", [pr_ioctl.read_keys, pr_ioctl.read_reservation])
def test_a_read_that_returns_a_status_gave_no_answer(read: Callable[[int], object]) -> None:
    with fake_ioctl.disk(lambda _request, _buffer: 2), pytest.raises(DeviceFailure):
        read(FD)


def test_a_disk_is_opened_read_only_without_waiting_and_not_for_children(tmp_path: Path) -> None:
    """Closing a descriptor that was open for writing makes udev rescan the disk."""
    file = tmp_path / "disk"
    file.touch(0o400)
    fd = pr_ioctl.open_disk(str(file))
    try:
        import fcntl

        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        assert flags & os.O_ACCMODE == os.O_RDONLY
        assert flags & os.O_NONBLOCK
        assert not os.get_inheritable(fd)
        assert pr_ioctl.device_name(fd) == str(file)
    finally:
        os.close(fd)


def test_a_descriptor_without_a_name_still_has_one_for_messages() -> None:
    assert pr_ioctl.device_name(99999) == "file descriptor 99999"


def test_the_kernel_itself_refuses_what_is_no_block_device(tmp_path: Path) -> None:
    """No fake: a socket and a regular file answer ENOTTY."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(NotSupported):
        pr_ioctl.reserve(ours.fileno(), 1, 3)
    with (tmp_path / "file").open("w") as file, pytest.raises(NotSupported):
        pr_ioctl.read_keys(file.fileno())


def test_every_type_has_its_number_and_words() -> None:
    assert list(pr_ioctl.TYPE_NAMES) == [1, 2, 3, 4, 5, 6]
    assert len(set(pr_ioctl.TYPE_NAMES.values())) == 6
    assert pr_ioctl.WRITE_EXCLUSIVE_REG_ONLY == 3
    assert pr_ioctl.EXCLUSIVE_ACCESS_ALL_REGS == 6
