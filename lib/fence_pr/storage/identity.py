"""Who a disk is, by what it says of itself. Pure.

A path is not a disk, and what the kernel remembers of a disk is not the disk: a LUN can be replaced at the array while
sysfs goes on telling the old name. So the disk itself is asked, and of all that it says the name is chosen that the
kernel would choose since October 2020, in the kernel's spelling: all nodes, kernels and versions of this agent must
put their disks in one order.
Sources: SPC-4 7.8.6; NVM Express base specification 2.0, figures 274 to 278; drivers/scsi/scsi_lib.c
(designator_prio, scsi_vpd_lun_id), lib/string_helpers.c (string_escape_mem), drivers/nvme/host/sysfs.c (wwid_show).
"""

from __future__ import annotations

from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .inquiry import Designator

# SPC-4 table 589: what a designator is of, and its type
LOGICAL_UNIT = 0
T10_VENDOR, EUI_64, NAA, NAME_STRING = 1, 2, 3, 8

# The kernel's order. What is not here is no name to it.
_RANK_OF_NAME_STRING, _RANK_OF_T10 = 9, 1
_RANKS_OF_NAA = {6: 8, 5: 5, 4: 4, 3: 1}
_RANKS_OF_EUI = {16: 7, 12: 6, 8: 3}
_NAA_BYTES = (8, 16)

# NVM Express: types of namespace identification descriptors
_NVME_EUI_64, _NVME_NGUID, _NVME_UUID = 1, 2, 3
_NVME_COMMAND_SET = 4
_NVME_BYTES = {_NVME_EUI_64: 8, _NVME_NGUID: 16, _NVME_UUID: 16, _NVME_COMMAND_SET: 1}
_DESCRIPTOR_HEADER = 4

# Names that only repeat a vendor's or a user's words: not worldwide unique.
_LAST_RESORT = ("t10", "nvme")
_ESCAPES = {0x00: "\\0", 0x07: "\\a", 0x0C: "\\f", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x0B: "\\v", 0x1B: "\\e"}

_HEX_DIGITS = frozenset("0123456789abcdef")
_DIGITS_OF_EUI = (16, 24, 32)
_DIGITS_OF_NAA = (16, 32)
_UUID_FORM = (8, 4, 4, 4, 12)
# How udev and multipath begin a name → what follows it. scsi_id puts a digit in front: 3 for NAA, 2 for EUI-64.
_BEGINNINGS = (
    ("wwn-0x", ("naa", "eui")),
    ("scsi-3", ("naa",)),
    ("scsi-2", ("eui",)),
    ("dm-uuid-mpath-3", ("naa",)),
    ("dm-uuid-mpath-2", ("eui",)),
    ("dm-name-3", ("naa",)),
    ("dm-name-2", ("eui",)),
    ("3", ("naa",)),
    ("2", ("eui",)),
)
# Only without a path: what is under /dev may be called anything.
_BARE_BEGINNINGS = (("0x", ("naa", "eui")), ("naa.", ("naa",)), ("", ("naa", "eui")))


class Identity(Record):
    """What a disk says it is.

    text   the name that the kernel chooses, in its spelling; "" if there is none
    names  every name of the disk, that one first, then the strongest
    """

    text: str = ""
    names: tuple[str, ...] = ()


def known_as(text: str) -> Identity:
    """What is known of a disk by its name alone."""
    return Identity(text, (text,) if text else ())


def of_scsi(designators: Iterable[Designator]) -> Identity:
    """By the designators of page 83h."""
    chosen: Designator | None = None
    names: list[tuple[int, str]] = []
    for found in designators:
        name = _spelled(found)
        if not name:
            continue
        rank = _rank(found)
        names.append((rank, name))
        # Of equal ones the kernel takes the last, but a text never instead of something longer, whatever that is.
        shorter = chosen is not None and len(found.data) < len(chosen.data)
        if not rank or (chosen and rank < _rank(chosen)) or (found.type in (T10_VENDOR, NAME_STRING) and shorter):
            continue
        chosen = found
    text = _spelled(chosen) if chosen else ""
    names.reverse()
    names.sort(key=lambda it: -it[0])
    ordered = [name for _, name in names]
    return Identity(text, tuple(dict.fromkeys([text, *ordered] if text else ordered)))


def _rank(designator: Designator) -> int:
    """0: no name to the kernel."""
    if designator.type == NAA:
        return _RANKS_OF_NAA.get(designator.data[0] >> 4, 0)
    if designator.type == EUI_64:
        return _RANKS_OF_EUI.get(len(designator.data), 0)
    return {NAME_STRING: _RANK_OF_NAME_STRING, T10_VENDOR: _RANK_OF_T10}.get(designator.type, 0)


def _spelled(designator: Designator) -> str:
    """As in sysfs `wwid`, blanks around it left out; "" for what is no name of the logical unit."""
    data = designator.data
    if designator.association != LOGICAL_UNIT or not data:
        return ""
    if designator.type == NAA:
        return f"naa.{data.hex()}" if len(data) in _NAA_BYTES else ""
    if designator.type == EUI_64:
        return f"eui.{data.hex()}" if len(data) in _RANKS_OF_EUI else ""
    if designator.type == T10_VENDOR:
        return f"t10.{''.join(_escaped(data))}".strip()
    return data.decode("utf-8", "replace").strip() if designator.type == NAME_STRING else ""


def _escaped(data: bytes) -> Iterator[str]:
    """As the kernel prints bytes with %pE. To it all of Latin-1 is printable."""
    run = b""
    for byte in data:
        if 0x20 <= byte < 0x7F or byte >= 0xA0:
            run += bytes([byte])
            continue
        yield run.decode("utf-8", "replace")
        yield _ESCAPES.get(byte) or f"\\{byte:03o}"
        run = b""
    yield run.decode("utf-8", "replace")


def of_nvme(descriptors: bytes, namespace: bytes = b"", controller: bytes = b"", number: int = 0) -> Identity:
    """By the Identify data of a namespace: its identification descriptors (CNS 03h), and where that is not enough its
    own (00h) and its controller's (01h); b"" for what was not asked. number: of the namespace.
    """
    found = _descriptors(descriptors)
    older = {_NVME_NGUID: namespace[104:120], _NVME_EUI_64: namespace[120:128]}
    names = []
    for kind in (_NVME_UUID, _NVME_NGUID, _NVME_EUI_64):
        data = next(filter(_is_set, (found.get(kind, b""), older.get(kind, b""))), b"")
        if len(data) == _NVME_BYTES[kind]:
            names.append(f"uuid.{_uuid(data.hex())}" if kind == _NVME_UUID else f"eui.{data.hex()}")
    if len(controller) >= 64:
        vendor, serial, model = int.from_bytes(controller[:2], "little"), controller[4:24], controller[24:64]
        words = "-".join(part.rstrip(b" \0").hex() for part in (serial, model))
        names.append(f"nvme.{vendor:04x}-{words}-{number:08x}")
    return Identity(names[0] if names else "", tuple(names))


def _descriptors(data: bytes) -> dict[int, bytes]:
    """Type → identifier, up to the first one that does not fit; of several the last, as the kernel has it."""
    found: dict[int, bytes] = {}
    at = 0
    while at + _DESCRIPTOR_HEADER < len(data) and data[at + 1]:
        kind, length, start = data[at], data[at + 1], at + _DESCRIPTOR_HEADER
        if start + length > len(data) or _NVME_BYTES.get(kind, length) != length:
            break
        found[kind] = data[start : start + length]
        at = start + length
    return found


def _is_set(data: bytes) -> bool:
    return any(data)


def _uuid(digits: str) -> str:
    groups, at = [], 0
    for size in _UUID_FORM:
        groups.append(digits[at : at + size])
        at += size
    return "-".join(groups)


def kind_of(name: str) -> str:
    """What kind of name it is: two names of one kind are of one disk only if they are equal."""
    family, _, rest = _plain(name).partition(".")
    if family == "naa":
        return f"naa.{rest[:1]}"
    if family == "eui":
        return f"eui.{len(rest)}"
    return family if family in ("uuid", *_LAST_RESORT) else "name"


def agree(one: Identity, other: Identity) -> bool:
    """Whether both are of one disk: the strongest kind of name that both have decides; without one they are not."""
    theirs: dict[str, str] = {}
    for name in other.names:
        theirs.setdefault(kind_of(name), _plain(name))
    for name in one.names:
        if kind_of(name) in theirs:
            return theirs[kind_of(name)] == _plain(name)
    return False


def is_last_resort(name: str) -> bool:
    """Whether it is made of a model and a serial number only, which makers repeat."""
    return kind_of(name) in _LAST_RESORT


def fits(spellings: tuple[str, ...], own: Identity) -> bool:
    """Whether a name that a person or udev wrote can be of the disk: one of its spellings is among the disk's names."""
    return not {*spellings}.isdisjoint(map(_plain, own.names))


def spelled_by(name: str) -> tuple[str, ...]:
    """What a path or WWID spells in full, in the kernel's spelling: a NAA, EUI-64 or UUID; () if it is only a name.

    "/dev/disk/by-id/scsi-36001405…" → ("naa.6001405…",). Several where it may be read so or so: one must be right.
    """
    folder, _, last = name.lower().rpartition("/")
    last = last[len("nvme-") :] if last.startswith("nvme-") else last
    family, _, rest = last.partition(".")
    if family == "uuid":
        return (last,) if _is_uuid(rest) else ()
    if family == "eui":
        return (last,) if _is_digits(rest, _DIGITS_OF_EUI) else ()
    for beginning, families in _BEGINNINGS if folder else (*_BEGINNINGS, *_BARE_BEGINNINGS):
        digits = last[len(beginning) :]
        if last.startswith(beginning) and (found := _spellings(digits, families)):
            return found
    return ()


def _spellings(digits: str, families: tuple[str, ...]) -> tuple[str, ...]:
    lengths = {"naa": _DIGITS_OF_NAA, "eui": _DIGITS_OF_EUI}
    return tuple(f"{family}.{digits}" for family in families if _is_digits(digits, lengths[family]))


def _is_digits(text: str, lengths: tuple[int, ...]) -> bool:
    return len(text) in lengths and _HEX_DIGITS.issuperset(text)


def _is_uuid(text: str) -> bool:
    groups = text.split("-")
    return [len(group) for group in groups] == [*_UUID_FORM] and _HEX_DIGITS.issuperset("".join(groups))


def canonical_wwid(text: str) -> str:
    """One spelling for what udev, multipath, people and the kernel write for one WWID. Pure.

    "wwn-0x6001405…", "scsi-36001405…", "36001405…", "0x6001405…", "naa.6001405…" → "naa.6001405…".
    """
    text = text.lower()
    for prefix in ("wwn-", "scsi-", "0x", "naa."):
        text = text[len(prefix) :] if text.startswith(prefix) else text
    digits = len(text) if not text.strip("0123456789abcdef") else 0
    if digits in (17, 33) and text[0] == "3":  # scsi_id puts the identifier's type, 3 for NAA, in front
        text, digits = text[1:], digits - 1
    return f"naa.{text}" if digits in (16, 32) else text


def _plain(name: str) -> str:
    """Without the zeros that fill a SCSI name string up; a number's digits in lower case."""
    name = name.rstrip("\0")
    lower = name.lower()
    return lower if lower.startswith(("naa.", "eui.", "uuid.")) else name
