"""What a disk says of itself, and what names spell: any bytes go in, lying lengths included.

Each function takes one input and raises AssertionError, or whatever the parser let through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fence_pr.errors import ReservationError
from fence_pr.storage import identity, inquiry, nvme
from tests.inputs.answers import FD, Controller, Target
from tests.inputs.texts import accepted, text_of
from tests.unit import fake_ioctl
from tests.unit.page_83 import kernels_choice

if TYPE_CHECKING:
    from fence_pr.storage.identity import Identity

KINDS = ("uuid.1", "eui." + "1" * 32, "eui." + "1" * 16, "nvme.1", "")
HEX = set("0123456789abcdef")


def page(data: bytes) -> None:
    """Page 83h through SG_IO: statuses, residuals and page data as they come."""
    answering = Target(data)
    with fake_ioctl.disk(scsi=answering):
        found = accepted(lambda: inquiry.designators(FD), ReservationError)
    assert len(answering.rooms) <= 2
    assert max(answering.rooms) <= 0xFFFF
    if found is None:
        return
    who = identity.of_scsi(found)
    assert who.text == kernels_choice(whole(answering.arrived))
    assert_sound(who)


def whole(data: bytes) -> list[bytes]:
    """The designators that lie within the page and within what came (SPC-4 7.8.6.1)."""
    if data[1:2] != b"\x83" or len(data) < 4:
        return []
    left = data[4 : 4 + (data[2] << 8 | data[3])]
    found = []
    while len(left) >= 4 and len(left) >= 4 + left[3]:
        found.append(left[: 4 + left[3]])
        left = left[4 + left[3] :]
    return found


def identify(data: bytes) -> None:
    """Identify through NVMe passthrough: identification descriptors, then the namespace, then the controller."""
    wanted = identity.kind_of(KINDS[data[0] % len(KINDS)]) if data else ""
    answering = Controller(data[1:])
    with fake_ioctl.disk(answering):
        found = accepted(lambda: nvme.identity(FD, wanted), ReservationError)
    asked = [command.cdw10 for command in answering.commands]
    assert asked == [3, 0, 1][: len(asked)]
    if found is not None:
        assert_sound(found)
        assert len(asked) == 3 or wanted in map(identity.kind_of, found.names)


def assert_sound(who: Identity) -> None:
    """It is one disk, by its first name as by all, and what it spells a name may spell."""
    assert who.text in ("", *who.names[:1])
    assert identity.agree(who, who) == bool(who.names)
    assert all(who.names)
    for name in who.names:
        if name.startswith(("naa.", "uuid.")):
            assert identity.spelled_by(name) == (name,) or identity.kind_of(name) == "name"


def name(data: bytes) -> None:
    """A path or WWID, as a person or udev wrote it."""
    written = text_of(data)
    for spelled in identity.spelled_by(written):
        family, _, rest = spelled.partition(".")
        digits = rest.replace("-", "")
        assert set(digits) <= HEX
        assert (family, len(digits)) in {
            ("naa", 16), ("naa", 32), ("eui", 16), ("eui", 24), ("eui", 32), ("uuid", 32),
        }  # fmt: skip
        assert rest in written.lower()
        assert identity.spelled_by(spelled) == (spelled,)
        assert identity.fits((spelled,), identity.known_as(spelled))
