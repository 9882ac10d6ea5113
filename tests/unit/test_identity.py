"""Who a disk is by what it says: each kind of name, the kernel's order and spelling, and what people and udev write."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr.errors import AnotherDisk, DeviceFailure, PathFailure
from fence_pr.storage import disk as disk_layer
from fence_pr.storage import identity, inquiry, nvme, single_path
from fence_pr.storage.device import NVME, SCSI, Device
from fence_pr.storage.identity import Identity, agree, is_last_resort, kind_of, known_as, of_nvme, of_scsi, spelled_by
from fence_pr.storage.nvme_disk import NvmeDisk
from fence_pr.storage.open import open_disk
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, NvmeCommand, Unwatched
from tests.unit.page_83 import designator, kernels_choice, of_naa, page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.promise(12)

T10, EUI, NAA, NAME = 1, 2, 3, 8
NAA_6, NAA_5 = "6001405" + "a" * 25, "5000c500a1b2c3d4"
WWID, OTHER = f"naa.{NAA_6}", f"naa.6001405{'b' * 25}"
ILLEGAL_REQUEST = Answer(status=2, sense=bytes([0x72, 5, 0x24, 0, 0, 0, 0, 0]))
BUSY = Answer(status=8)


def said(*found: bytes) -> Identity:
    """By page 83h with these designators."""
    return of_scsi(inquiry.parse(page(*found)))


def naa(digits: str) -> bytes:
    return designator(NAA, bytes.fromhex(digits))


# From the strongest to the weakest, each as drivers/scsi/scsi_lib.c spells it.
RANKED = [
    (designator(NAME, b"iqn.2026-01.example:disk.1"), "iqn.2026-01.example:disk.1"),
    (naa(NAA_6), f"naa.{NAA_6}"),
    (designator(EUI, bytes(range(16))), "eui.000102030405060708090a0b0c0d0e0f"),
    (designator(EUI, bytes(range(12))), "eui.000102030405060708090a0b"),
    (naa(NAA_5), f"naa.{NAA_5}"),
    (naa("4000000000000001"), "naa.4000000000000001"),
    (designator(EUI, bytes(range(8))), "eui.0001020304050607"),
    (designator(T10, b"ACME    disk 1"), "t10.ACME    disk 1"),
]


@pytest.mark.promise(3)
@pytest.mark.parametrize("strong", range(len(RANKED)))
def test_the_strongest_name_is_chosen_wherever_it_stands(strong: int) -> None:
    weaker = [data for data, _ in RANKED[strong + 1 :]]
    data, text = RANKED[strong]
    # A name string that is shorter than the name chosen so far is passed over: the kernel does so.
    orders = [[data, *weaker], *([[*weaker, data], [*weaker[::-1], data]] if strong or len(data) > 20 else [])]
    for order in orders:
        assert said(*order).text == text
    assert set(said(data, *weaker).names) == {text for _, text in RANKED[strong:]}
    assert said(data, *weaker).names[0] == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        designator(0, b"vendor specific"),
        designator(4, bytes(4)),
        designator(5, bytes(4)),
        designator(6, bytes(4)),
        designator(7, bytes(16)),
        designator(9, b"PROTOCOL"),
        designator(10, bytes(16)),
        designator(NAA, b""),
        designator(NAA, bytes.fromhex(NAA_6)[:12]),
        designator(EUI, bytes(9)),
        designator(NAA, bytes.fromhex(NAA_6), 1),
        designator(NAME, b"iqn.2026-01.example:target", 2),
        designator(T10, b"ACME    port", 3),
    ],
)
def test_what_is_no_name_of_the_disk_is_not_chosen(data: bytes) -> None:
    assert said(data) == Identity()
    assert said(data, naa(NAA_5), data).text == f"naa.{NAA_5}"


@pytest.mark.parametrize("digits", ["2000000000000001", "1000000000000001", "0000000000000001"])
def test_a_naa_that_the_kernel_does_not_choose_is_still_a_name(digits: str) -> None:
    """udev makes links of it."""
    assert said(naa(digits)) == Identity("", (f"naa.{digits}",))
    found = said(naa(digits), designator(T10, b"ACME    1"))
    assert found == Identity("t10.ACME    1", ("t10.ACME    1", f"naa.{digits}"))


def test_of_equal_ones_the_kernel_takes_the_last_but_the_longer_text() -> None:
    second = "6001405" + "b" * 25
    assert said(naa(NAA_6), naa(second)) == Identity(f"naa.{second}", (f"naa.{second}", f"naa.{NAA_6}"))
    long, short = designator(T10, b"ACME    long one"), designator(T10, b"ACME    1")
    assert said(long, short).text == said(short, long).text == "t10.ACME    long one"
    locally = naa("3000000000000001")
    assert said(designator(T10, b"ACME    1"), locally).text == "naa.3000000000000001"
    assert said(locally, designator(T10, b"A")).text == "naa.3000000000000001"
    # Lengths are compared whatever the shorter one is: a strong name can lose to a weak one before it.
    name = designator(NAME, b"iqn.short")
    assert said(naa(NAA_6), name).text == f"naa.{NAA_6}"
    assert said(name, naa(NAA_6)).text == "iqn.short"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"LIO-ORG disk:a1\0", "t10.LIO-ORG disk:a1\\0"),
        (b"A\x01B\x7f\x9fC", "t10.A\\001B\\177\\237C"),
        (b"\a\f\n\r\t\v\x1b", "t10.\\a\\f\\n\\r\\t\\v\\e"),
        (b'"back\\slash"', 't10."back\\slash"'),
        (b"ATA     DISK   1   ", "t10.ATA     DISK   1"),
        ("ÄÖ".encode(), "t10.\ufffd\\204\ufffd\\226"),
        (b"\xc3\xa4", "t10.ä"),
    ],
)
def test_a_vendors_words_are_spelled_as_the_kernel_prints_bytes(data: bytes, text: str) -> None:
    """lib/string_helpers.c with ESCAPE_ANY_NP; to lib/ctype.c everything from 0xa0 on is printable."""
    assert said(designator(T10, data)).text == text


def test_a_name_string_keeps_the_zeros_that_fill_it_up_but_they_do_not_count() -> None:
    found = said(designator(NAME, b"iqn.2026-01.example:disk\0\0\0\0"))
    assert found.text == "iqn.2026-01.example:disk\0\0\0\0"
    assert agree(found, known_as("iqn.2026-01.example:disk"))


DESIGNATOR = st.builds(
    designator,
    st.sampled_from([0, T10, EUI, NAA, 6, NAME]),
    st.one_of(
        st.sampled_from([bytes.fromhex(NAA_6), bytes.fromhex(NAA_5), bytes(8), bytes(12), bytes(16), b"\x40" * 8]),
        st.binary(max_size=20),
    ),
    st.sampled_from([0, 0, 0, 1, 2]),
)


@given(st.lists(DESIGNATOR, max_size=8))
def test_the_choice_is_the_kernels(found: list[bytes]) -> None:
    assert said(*found).text == kernels_choice(found)


UUID, NGUID, EUI_8 = bytes(range(16)), bytes(range(0x20, 0x30)), bytes(range(0x40, 0x48))
UUID_TEXT = "uuid.00010203-0405-0607-0809-0a0b0c0d0e0f"
NGUID_TEXT, EUI_TEXT = "eui.202122232425262728292a2b2c2d2e2f", "eui.4041424344454647"


def descriptors(*found: tuple[int, bytes]) -> bytes:
    """The list of CNS 03h."""
    return b"".join(struct.pack("BBxx", kind, len(data)) + data for kind, data in found).ljust(4096, b"\0")


def namespace_data(nguid: bytes = bytes(16), eui: bytes = bytes(8)) -> bytes:
    """Identify Namespace."""
    return bytes(104) + nguid + eui + bytes(4096 - 128)


CONTROLLER = (b"\x36\x1d" + bytes(2) + b"SN 1".ljust(20) + b"Disk".ljust(40, b"\0")).ljust(4096, b"\0")
LAST_RESORT = f"nvme.1d36-{b'SN 1'.hex()}-{b'Disk'.hex()}-00000003"


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("found", "namespace", "names"),
    [
        ([(1, EUI_8), (2, NGUID), (3, UUID), (4, b"\0")], b"", (UUID_TEXT, NGUID_TEXT, EUI_TEXT)),
        ([(2, NGUID)], b"", (NGUID_TEXT,)),
        ([(3, bytes(16)), (1, EUI_8)], b"", (EUI_TEXT,)),
        ([(4, b"\0")], namespace_data(NGUID, EUI_8), (NGUID_TEXT, EUI_TEXT)),
        ([(3, UUID)], namespace_data(eui=EUI_8), (UUID_TEXT, EUI_TEXT)),
        ([(2, NGUID)], namespace_data(EUI_8 * 2), (NGUID_TEXT,)),
        ([], namespace_data(), ()),
        # Unknown types are passed over, wrong lengths end the list; of two the last counts.
        ([(9, b"?" * 30), (3, UUID)], b"", (UUID_TEXT,)),
        ([(2, NGUID), (3, UUID[:15]), (1, EUI_8)], b"", (NGUID_TEXT,)),
        ([(3, NGUID), (3, UUID)], b"", (UUID_TEXT,)),
    ],
)
def test_a_namespace_is_called_as_the_kernel_calls_it(
    found: list[tuple[int, bytes]], namespace: bytes, names: tuple[str, ...]
) -> None:
    assert of_nvme(descriptors(*found), namespace) == Identity(names[0] if names else "", names)
    told = of_nvme(descriptors(*found), namespace, CONTROLLER, 3)
    assert told.names == (*names, LAST_RESORT)


def test_a_list_of_descriptors_that_is_cut_short_gives_what_is_whole() -> None:
    whole = descriptors((3, UUID), (2, NGUID))
    for length, names in ((40, (UUID_TEXT, NGUID_TEXT)), (39, (UUID_TEXT,)), (24, (UUID_TEXT,)), (19, ()), (0, ())):
        assert of_nvme(whole[:length]).names == names
    assert of_nvme(struct.pack("BBxx", 9, 255) * 20).names == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (known_as(WWID), Identity(WWID, (WWID, "t10.A")), True),
        (known_as("t10.A"), Identity(WWID, (WWID, "t10.A")), True),  # as kernels before October 2020 have it
        (known_as(OTHER), Identity(WWID, (WWID, "t10.A")), False),
        (Identity(OTHER, (OTHER, "t10.A")), Identity(WWID, (WWID, "t10.A")), False),
        (Identity("iqn.x", ("iqn.x", WWID)), Identity(WWID, (WWID, "t10.A")), True),
        (known_as(NGUID_TEXT), Identity(UUID_TEXT, (UUID_TEXT, NGUID_TEXT)), True),
        (known_as(EUI_TEXT), Identity(NGUID_TEXT, (NGUID_TEXT,)), False),
        (known_as(f"naa.{NAA_5}"), known_as(WWID), False),
        (known_as(WWID.upper().replace("NAA", "naa")), known_as(WWID), True),
        (Identity(), Identity(), False),
        (known_as(WWID), Identity(), False),
    ],
)
def test_the_strongest_name_that_both_have_decides(one: Identity, other: Identity, same: bool) -> None:
    assert agree(one, other) == same
    assert agree(other, one) == same


@pytest.mark.parametrize(
    ("name", "last_resort"),
    [(WWID, False), (UUID_TEXT, False), ("t10.ACME    1", True), (LAST_RESORT, True), ("iqn.x", False), ("", False)],
)
def test_model_and_serial_number_are_a_last_resort(name: str, last_resort: bool) -> None:
    assert is_last_resort(name) == last_resort


BY_ID, MAPPER = "/dev/disk/by-id/", "/dev/mapper/"
U = UUID_TEXT.removeprefix("uuid.")
EITHER = (f"naa.{NAA_6}", f"eui.{NAA_6}")


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        (f"{BY_ID}wwn-0x{NAA_6}", EITHER),
        (f"{BY_ID}wwn-0x{NAA_6.upper()}", EITHER),
        (f"{BY_ID}wwn-0x{NAA_5}", (f"naa.{NAA_5}", f"eui.{NAA_5}")),
        (f"{BY_ID}scsi-3{NAA_6}", (WWID,)),
        (f"{BY_ID}scsi-2{NAA_5}", (f"eui.{NAA_5}",)),
        (f"{BY_ID}dm-uuid-mpath-3{NAA_6}", (WWID,)),
        (f"{BY_ID}dm-name-3{NAA_6}", (WWID,)),
        (f"{MAPPER}3{NAA_6}", (WWID,)),
        (f"{MAPPER}3{NAA_5}", (f"naa.{NAA_5}",)),
        (f"{BY_ID}nvme-{UUID_TEXT}", (UUID_TEXT,)),
        (f"{BY_ID}nvme-{NGUID_TEXT}", (NGUID_TEXT,)),
        (f"{BY_ID}nvme-{EUI_TEXT}", (EUI_TEXT,)),
        (NAA_6, EITHER),
        (f"0x{NAA_6}", EITHER),
        (f"3{NAA_6}", (WWID,)),
        (f"naa.{NAA_6}", (WWID,)),
        (f"wwn-0x{NAA_6}", EITHER),
        (UUID_TEXT, (UUID_TEXT,)),
        (NGUID_TEXT, (NGUID_TEXT,)),
        *((name, ()) for name in (
            "/dev/sda", "/dev/nvme0n1", f"{MAPPER}mpatha", f"{MAPPER}{NAA_5}", f"{BY_ID}scsi-0QEMU_disk",
            f"{BY_ID}scsi-1LIO-ORG_{NAA_6}", f"{BY_ID}nvme-Disk_SN1", f"{BY_ID}nvme-{LAST_RESORT}", f"{BY_ID}wwn-0x123",
            f"{BY_ID}wwn-0x{NAA_6}-part1", f"{BY_ID}nvme-uuid.{U[:-1]}", f"{BY_ID}nvme-uuid.{U[:-1]}g", "", "/",
            "t10.ACME",
            f"{MAPPER}3{NAA_6}p1", f"{BY_ID}scsi-3{NAA_6[:-1]}x", "uuid.", "eui.", "naa.",
        )),
    ],
)  # fmt: skip
def test_what_a_name_spells(name: str, spelled: tuple[str, ...]) -> None:
    assert spelled_by(name) == spelled
    assert all(kind_of(it) != "name" for it in spelled)


class Opened:
    """A disk whose node is a file. scsi: the answer to each INQUIRY, the last for ever."""

    def __init__(self, folder: Path, *scsi: bytes | Answer) -> None:
        self.node = str(folder / "sda")
        (folder / "sda").touch()
        self.answers = list(scsi)

    def answer(self, _command: bytes, room: int) -> Answer:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Answer) else Answer(answer[:room])

    def open(self, known: str, name: str = "shared") -> ScsiDisk:
        disk = open_disk(Device(name, self.node, known, SCSI), Unwatched())
        assert isinstance(disk, ScsiDisk)
        return disk


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("answer", [of_naa(OTHER), page(), b"", ILLEGAL_REQUEST])
@pytest.mark.parametrize("known", [WWID, "t10.ACME    1"])
def test_a_disk_that_is_another_one_or_does_not_say_is_sent_nothing_and_closed(
    tmp_path: Path, answer: bytes | Answer, known: str
) -> None:
    machine = Opened(tmp_path, answer)
    before = set(os.listdir("/proc/self/fd"))
    with fake_ioctl.disk(scsi=machine.answer) as calls, pytest.raises(AnotherDisk) as refused:
        machine.open(known)
    assert set(os.listdir("/proc/self/fd")) == before
    assert {bytes(call)[:3] for call in calls if isinstance(call, bytes)} == {b"\x12\1\x83"}
    said_by_disk = OTHER if answer == of_naa(OTHER) else "nothing"
    assert str(refused.value) == (
        f"{machine.node}: identity: leads to another disk: asked who it is it says {said_by_disk}, and the kernel has"
        f" {known}; let the kernel look again: echo 1 > /sys/block/sda/device/rescan, or log out of the target and in"
        " again"
    )


@pytest.mark.promise(1)
def test_a_disk_that_says_it_is_itself_is_opened_with_one_command(tmp_path: Path) -> None:
    machine = Opened(tmp_path, page(naa(NAA_6), designator(T10, b"ACME    1")))
    for known in (WWID, "t10.ACME    1", ""):
        with fake_ioctl.disk(scsi=machine.answer) as calls:
            machine.open(known).close()
        assert len(calls) == 1


@pytest.mark.promise(1, 5)
def test_a_name_that_spells_another_disk_is_refused(tmp_path: Path) -> None:
    machine = Opened(tmp_path, of_naa(WWID))
    with fake_ioctl.disk(scsi=machine.answer):
        for name in (f"{BY_ID}wwn-0x{NAA_6}", f"{MAPPER}3{NAA_6}", WWID, f"{BY_ID}scsi-0ACME"):
            machine.open(WWID, name).close()
        for name in (f"{BY_ID}wwn-0x{OTHER[4:]}", f"{MAPPER}3{OTHER[4:]}", OTHER, NGUID_TEXT):
            with pytest.raises(AnotherDisk) as refused:
                machine.open(WWID, name)
            said_by_disk = f"leads to another disk: asked who it is it says {WWID}, which is not what {name} spells"
            assert said_by_disk in str(refused.value)
            assert "udevadm trigger" in str(refused.value)


@pytest.mark.promise(1)
def test_a_disk_is_asked_again_before_it_proves_anything(tmp_path: Path) -> None:
    machine = Opened(tmp_path, of_naa(WWID), of_naa(WWID), of_naa(OTHER))
    with fake_ioctl.disk(scsi=machine.answer):
        disk = machine.open(WWID)
        disk.confirm_identity()
        with pytest.raises(AnotherDisk):
            disk.confirm_identity()


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize(("found", "refused"), [(WWID, False), (OTHER, True), ("", True), (None, False)])
def test_where_the_driver_passes_no_commands_on_sysfs_must_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str | None, refused: bool
) -> None:
    """None: no block device."""
    machine = Opened(tmp_path)
    monkeypatch.setattr(single_path, "identity_of_open", lambda _fd, _kind: found)
    with fake_ioctl.disk():
        if refused:
            with pytest.raises(AnotherDisk):
                machine.open(WWID)
        else:
            machine.open(WWID).close()


def test_a_disk_that_is_busy_is_asked_again_and_a_path_that_is_dead_is_not(tmp_path: Path) -> None:
    machine = Opened(tmp_path, BUSY, BUSY, of_naa(WWID))
    with fake_ioctl.disk(scsi=machine.answer) as calls:
        machine.open(WWID).close()
    assert len(calls) == 3
    for answer, error, times in ((BUSY, DeviceFailure, 4), (Answer(host=1), PathFailure, 1)):
        machine = Opened(tmp_path, answer)
        with fake_ioctl.disk(scsi=machine.answer) as calls, pytest.raises(error) as failed:
            machine.open(WWID)
        assert not isinstance(failed.value, AnotherDisk)
        assert len(calls) == times


def test_the_longest_page_is_read_whole_and_a_length_that_lies_is_no_crash(tmp_path: Path) -> None:
    many = [designator(NAA, bytes([0x60]) + at.to_bytes(15, "big")) for at in range(3276)]
    machine = Opened(tmp_path, page(*many)[:65535])
    with fake_ioctl.disk(scsi=machine.answer) as calls:
        assert machine.open(f"naa.60{3275:030x}").device.identity
    assert len(calls) == 2
    machine = Opened(tmp_path, struct.pack(">BBH", 0, 0x83, 0xFFFF) + naa(NAA_6))
    with fake_ioctl.disk(scsi=machine.answer):
        machine.open(WWID).close()


class Controller:
    """Answers Identify. answers: what is asked (CNS) → data, or the status of a refusal."""

    def __init__(self, **answers: bytes | int) -> None:
        self.answers = {"list": 3, "namespace": 0, "controller": 1}
        self.by_number = {self.answers[name]: answer for name, answer in answers.items()}
        self.asked: list[int] = []

    def __call__(self, _request: int, buffer: bytearray) -> int:
        command = NvmeCommand.from_buffer_copy(buffer)
        assert (command.opcode, command.nsid, command.data_len) == (6, fake_ioctl.NAMESPACE, 4096)
        self.asked.append(command.cdw10)
        answer = self.by_number.get(command.cdw10, 0x4002)
        if isinstance(answer, int):
            if answer < 0:
                raise OSError(-answer, os.strerror(-answer))
            return answer
        ctypes.memmove(command.addr, answer, 4096)
        return 0


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("known", "controller", "asked"),
    [
        (UUID_TEXT, Controller(list=descriptors((3, UUID))), [3]),
        (NGUID_TEXT, Controller(list=descriptors((3, UUID), (2, NGUID))), [3]),
        (NGUID_TEXT, Controller(list=descriptors((3, UUID)), namespace=namespace_data(NGUID)), [3, 0]),
        (EUI_TEXT, Controller(namespace=namespace_data(eui=EUI_8)), [3, 0]),
        (LAST_RESORT, Controller(list=descriptors(), namespace=namespace_data(), controller=CONTROLLER), [3, 0, 1]),
        # The kernel passes over identifiers that are known to be wrong; what it has then must still be right.
        (
            LAST_RESORT,
            Controller(list=descriptors((2, NGUID)), namespace=namespace_data(), controller=CONTROLLER),
            [3, 0, 1],
        ),
    ],
)
def test_a_namespace_is_asked_until_it_has_told_what_the_kernel_has(
    tmp_path: Path, known: str, controller: Controller, asked: list[int]
) -> None:
    (tmp_path / "nvme0n1").touch()
    with fake_ioctl.disk(controller):
        disk = open_disk(Device("ns", str(tmp_path / "nvme0n1"), known, NVME), Unwatched())
    assert isinstance(disk, NvmeDisk)
    assert controller.asked == asked
    codes = [warning.code for warning in disk_layer.Disk.warnings(disk)]
    assert codes == (["identity-weak"] if known == LAST_RESORT else [])


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize(
    ("known", "controller"),
    [
        (UUID_TEXT, Controller(list=descriptors((2, NGUID)), namespace=namespace_data(), controller=CONTROLLER)),
        (UUID_TEXT, Controller(list=descriptors((3, NGUID)), namespace=namespace_data(), controller=CONTROLLER)),
        (EUI_TEXT, Controller(namespace=namespace_data(), controller=CONTROLLER)),
        (LAST_RESORT, Controller(namespace=namespace_data(), controller=bytes(4096))),
        (UUID_TEXT, Controller()),
    ],
)
def test_another_namespace_is_refused(tmp_path: Path, known: str, controller: Controller) -> None:
    (tmp_path / "nvme0n1").touch()
    with fake_ioctl.disk(controller), pytest.raises(AnotherDisk, match="nvme ns-rescan"):
        open_disk(Device("ns", str(tmp_path / "nvme0n1"), known, NVME), Unwatched())


@pytest.mark.parametrize("found", [UUID_TEXT, None])
def test_a_namespace_whose_paths_the_kernel_hides_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    """The command would go to one controller, and may hang there while others work."""
    (tmp_path / "nvme0n1").touch()
    controller = Controller(list=descriptors((3, UUID)))
    device = Device("ns", str(tmp_path / "nvme0n1"), UUID_TEXT, NVME, head=True)
    monkeypatch.setattr(single_path, "identity_of_open", lambda _fd, _kind: found)
    with fake_ioctl.disk(controller):
        open_disk(device, Unwatched()).confirm_identity()
        monkeypatch.setattr(single_path, "identity_of_open", lambda _fd, _kind: NGUID_TEXT)
        with pytest.raises(AnotherDisk):
            open_disk(device, Unwatched())
    assert controller.asked == []


def test_a_controller_that_is_gone_is_no_other_namespace(tmp_path: Path) -> None:
    (tmp_path / "nvme0n1").touch()
    for answer, error in ((-errno.EAGAIN, PathFailure), (6, DeviceFailure)):
        controller = Controller(list=answer)
        with fake_ioctl.disk(controller), pytest.raises(error) as failed:
            open_disk(Device("ns", str(tmp_path / "nvme0n1"), UUID_TEXT, NVME), Unwatched())
        assert not isinstance(failed.value, AnotherDisk)


def test_identity_of_a_namespace_by_its_descriptor() -> None:
    ask: Callable[[int, str], Identity] = nvme.identity
    with fake_ioctl.disk(Controller(list=descriptors((3, UUID)))):
        assert ask(3, identity.kind_of(UUID_TEXT)).text == UUID_TEXT
