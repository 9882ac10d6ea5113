"""LIO, Linux's own SCSI target, recognised by what it says of itself, because its preempt-and-abort does harm. Pure.

LIO carries PREEMPT AND ABORT out in the thread that receives for the sender's session, and there it waits for every
command of the disk that came while the victim held the reservation, the sender's own among them. These end only with
acknowledgements that this very thread would receive. So where the sender has writes in flight on a store that is not
instant, nobody ever answers, and the sender loses its session and its writes (seen over iSCSI on Linux 6.1, 6.12, 7.2
and 7.3). Of a victim that does not hold the reservation LIO aborts nothing.

Nor does it go by the nexus where it refuses who is not registered: it keeps one mark for an initiator's name and LUN.
Each new registration sets it, and the end of any clears it. So where the registration of a former iSCSI session goes,
the present one is told by READ FULL STATUS, and may REGISTER, but its writes and preempts meet a reservation conflict
unless its initiator holds the reservation. Only to end its registration and to add it again helps (seen on 7.2).
Sources: drivers/target/target_core_pr.c core_scsi3_pro_preempt, target_scsi3_pr_reservation_check,
core_scsi3_pr_seq_non_holder, __core_scsi3_add_registration, __core_scsi3_free_registration;
target_core_tmr.c core_tmr_drain_state_list; target_core_spc.c spc_emulate_evpd_83, spc_gen_naa_6h_vendor_specific.
"""

from __future__ import annotations

from ..errors import Notice
from .identity import LOGICAL_UNIT, NAA, T10_VENDOR
from .inquiry import vendor_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .inquiry import Designator

VENDOR, COMPANY = "LIO-ORG", "001405"
# NAA 6: one digit for the format, six for the company, and 25 that LIO makes from the serial number.
_REGISTERED_EXTENDED, _NAA_DIGITS, _COMPANY_END = "6", 32, 7
# A serial number with fewer digits than that could spell an identifier by chance.
_FEWEST_DIGITS = 8
_HEX_DIGITS = frozenset("0123456789abcdef")


def sign(vendor: str, designators: Iterable[Designator]) -> Notice | None:
    """What shows that the target is LIO; None if nothing does.

    vendor: of the standard INQUIRY data. Vendors of appliances give LIO a name of their own, and may give it their
    company identifier. What they cannot change is how it makes the NAA identifier from the serial number, and that it
    shows that number in its T10 vendor designator.
    """
    of_unit = [it for it in designators if it.association == LOGICAL_UNIT]
    named = [it for it in of_unit if it.type == T10_VENDOR]
    if VENDOR in (vendor, *map(vendor_of, named)):
        return Notice("lio-by-vendor", {"vendor": VENDOR})
    identifiers = [it.data.hex() for it in of_unit if it.type == NAA]
    extended = [it for it in identifiers if it[:1] == _REGISTERED_EXTENDED and len(it) == _NAA_DIGITS]
    if any(it[1:_COMPANY_END] == COMPANY for it in extended):
        return Notice("lio-by-company", {"company": COMPANY})
    if any(it[_COMPANY_END:] in map(_spelled, named) for it in extended):
        return Notice("lio-by-serial-number", {})
    return None


def _spelled(named: Designator) -> str:
    """The digits that LIO would make from the serial number in its T10 vendor designator, MODEL:SERIAL and a zero."""
    _, _, serial = named.data[8:].decode("ascii", "replace").partition(":")
    digits = "".join(character for character in serial.lower() if character in _HEX_DIGITS)
    if not serial.endswith("\0") or len(digits) < _FEWEST_DIGITS:
        return ""
    room = _NAA_DIGITS - _COMPANY_END
    return digits[:room].ljust(room, "0")
