"""The table: what the standards say that reservation commands do.

A, B and C are hosts, each with a key of its own name. Most commands are those of the transport-neutral layer; those
that it does not have go to the ioctl module: "ioctl register OLD NEW", with "ignore" for PR_FL_IGNORE_KEY. "leave" is
to unregister, on NVMe with the command that really does it. Sources: SPC-4; NVM Express base specification 2.0;
Documentation/block/pr.rst of Linux where the ioctl promises more than they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.table import Case, case
from tests.conformance.vocabulary import ALL_REGISTRANTS, TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

READING = "SPC-4 5.14.6 reporting; NVMe 8.19.9"
REGISTERING = "SPC-4 5.14.7 registering; NVMe 8.19.2"
RESERVING = "SPC-4 5.14.9 reserving; NVMe 8.19.5"
ACCESS = "SPC-4 5.14.1, table of conflicts; NVMe 8.19.3"
RELEASING = "SPC-4 5.14.11.2 releasing; NVMe 8.19.6"
LEAVING = "SPC-4 5.14.11.3 unregistering; NVMe 8.19.4"
PREEMPTING = "SPC-4 5.14.11.4 preempting; NVMe 8.19.7"
ABORTING = "SPC-4 5.14.11.5 preempting and aborting; NVMe 8.19.7"
CLEARING = "SPC-4 5.14.11.6 clearing; NVMe 8.19.8"
PERSISTENCE = "SPC-4 5.14.5 power loss; Linux pr.rst: reservations survive a power loss"
PATHS = "SPC-4 5.14.1: registrations and reservations belong to an I_T nexus"
ALL_PATHS = "Linux pr.rst: reservations cover all connections in a multi path environment"

ONE_PATH, MULTIPATH = ("lio", "nvmet"), ("multipath",)
SINGLE_HOLDER = tuple(name for name in TYPES if name not in ALL_REGISTRANTS)
# What a registrant that does not hold, and one that is not registered, may do.
REGISTRANT = {"WE": "r", "EA": "-"}
OUTSIDER = {"WE": "r", "EA": "-", "WERO": "r", "EARO": "-", "WEAR": "r", "EAAR": "-"}


def each(name: str, source: str, text: str, types: Iterable[str] = TYPES, only: tuple[str, ...] = ()) -> Iterator[Case]:
    """The case for each type.

    In braces: T the type, other another one; A, B, changed the holder if it is that host, or A with its other key;
    registrant and outsider, what they may do.
    """
    for kind in types:
        everybody = kind in ALL_REGISTRANTS
        yield case(
            f"{name}, {{T}}",
            source,
            text,
            only,
            T=kind,
            other="WERO" if kind == "WE" else "WE",
            A="all" if everybody else "A",
            B="all" if everybody else "B",
            changed="all" if everybody else "A'",
            registrant=REGISTRANT.get(kind, "rw"),
            outsider=OUTSIDER[kind],
        )


def registering() -> Iterator[Case]:
    """Keys come, change and go."""
    yield case(
        "one host goes through all commands",
        "blktests nvme/054, on every transport",
        """
        A ioctl register 0 A  | ok | A  | none | +1
        A ioctl register A A' | ok | A' | none | +1
        A leave with A'       | ok | -  | none | +1
        A register            | ok | A  | none | +1
        A reserve WE          | ok | A  | WE A | +0
        A preempt A EA        | ok | A  | EA A | +1
        A ioctl release A EA  | ok | A  | none | +0
        A reserve WERO        | ok | A  | WERO A | +0
        A ioctl clear A       | ok | -  | none | +1
        """,
        only=ONE_PATH,
    )
    yield case(
        "a key is registered, changed and removed",
        REGISTERING,
        """
        A ioctl register 0 A  | ok | A  | none | +1
        A ioctl register A A' | ok | A' | none | +1
        A ioctl register A' 0 | ok | -  | none | +1
        """,
    )
    yield case(
        "a registered key can be registered anew only on NVMe",
        REGISTERING,
        """
        A ioctl register 0 A | ok | A | none | +1
        A ioctl register 0 A | scsi conflict, nvme ok | A | none | scsi +0, nvme +1
        """,
    )
    yield case(
        "another key is not registered on top",
        REGISTERING,
        """
        A ioctl register 0 A  | ok | A | none | +1
        A ioctl register 0 A' | conflict
        """,
    )
    yield case(
        "a key is not changed by who names a wrong old one",
        REGISTERING,
        """
        A ioctl register 0 A  | ok | A | none | +1
        A ioctl register X 0  | conflict
        A ioctl register X A' | conflict
        A ioctl register X A  | conflict
        """,
    )
    yield case(
        "who has no key cannot name an old one",
        REGISTERING,
        """
        A ioctl register X A | conflict
        A ioctl register A 0 | conflict
        """,
    )
    yield case(
        "with PR_FL_IGNORE_KEY any old key may be named",
        REGISTERING,
        """
        A ioctl register X A ignore  | ok | A  | none | +1
        A ioctl register X A' ignore | ok | A' | none | +1
        """,
    )
    yield case(
        "with PR_FL_IGNORE_KEY no old key need be named",
        REGISTERING,
        """
        A ioctl register 0 A ignore  | ok | A  | none | +1
        A ioctl register 0 A' ignore | ok | A' | none | +1
        """,
    )
    yield case(
        "the neutral layer registers whatever stood before",
        REGISTERING,
        """
        A register    | ok | A  | none | +1
        A register    | ok | A  | none | +1
        A register A' | ok | A' | none | scsi +2, nvme +1
        """,
    )
    yield case(
        "after an unregister by ioctl the neutral layer registers again",
        REGISTERING,
        """
        A register           | ok | A | none | +1
        A ioctl register A 0 | ok | - | none | +1
        A register           | ok | A | none | +1
        """,
    )
    yield case(
        "who has been preempted registers again at the first attempt",
        REGISTERING,
        """
        A register                 | ok | A   | none | +1
        B register                 | ok | A B | none | +1
        B preempt A WERO           | ok | B   | none | +1
        A first-ioctl register 0 A | ok | A B | none | +1
        """,
    )
    yield case(
        "after having been preempted the neutral layer registers again",
        REGISTERING,
        """
        A register       | ok | A   | none | +1
        B register       | ok | A B | none | +1
        B preempt A WERO | ok | B   | none | +1
        A register       | ok | A B | none | +1
        """,
    )
    yield case(
        "a key has 64 bits",
        REGISTERING,
        """
        A register     | ok | A     | none | +1
        B register MAX | ok | A MAX | none | +1
        """,
    )
    yield case(
        "two hosts may have one key",
        REGISTERING,
        """
        B register S | ok | S   | none | +1
        C register S | ok | S S | none | +1
        """,
    )
    yield case(
        "a list that does not fit at first is read whole",
        READING,
        """
        A register | ok | A   | none | +1
        B register | ok | A B | none | +1
        A list     | ok
        """,
    )


def reserving() -> Iterator[Case]:
    """Who may reserve, with what."""
    yield from each(
        "a reservation is made, read back and released",
        RESERVING,
        """
        A register            | ok | A | none    | +1
        A reserve {T}         | ok | A | {T} {A} | +0
        A ioctl release A {T} | ok | A | none    | +0
        """,
    )
    yield from each(
        "holder, registrants and others may do what the type says",
        ACCESS,
        """
        A register    | ok | A   | none    | +1
        B register    | ok | A B | none    | +1
        A reserve {T} | ok | A B | {T} {A} | +0
        access A B    | A rw, B {registrant}
        B leave       | ok | A   | {T} {A} | +1
        access A B    | A rw, B {outsider}
        """,
    )
    yield from each(
        "the holder may reserve again with the same type, not with another",
        RESERVING,
        """
        A register    | ok | A | none    | +1
        A reserve {T} | ok | A | {T} {A} | +0
        A reserve {T} | ok
        A reserve {other} | conflict
        """,
    )
    yield from each(
        "a registrant that does not hold cannot reserve",
        RESERVING,
        """
        A register    | ok | A   | none    | +1
        B register    | ok | A B | none    | +1
        A reserve {T} | ok | A B | {T} {A} | +0
        B reserve {T} | conflict
        """,
        SINGLE_HOLDER,
    )
    yield from each(
        "all registrants hold, so each may reserve with the same type",
        RESERVING,
        """
        A register    | ok | A   | none    | +1
        B register    | ok | A B | none    | +1
        A reserve {T} | ok | A B | {T} all | +0
        B reserve {T} | ok
        """,
        ALL_REGISTRANTS,
    )
    yield case(
        "who is not registered cannot reserve",
        RESERVING,
        """
        A reserve WERO | conflict
        A register     | ok | A | none   | +1
        A reserve WERO | ok | A | WERO A | +0
        B reserve WERO | conflict
        """,
    )
    yield case(
        "a wrong own key cannot reserve",
        RESERVING,
        """
        A register            | ok | A | none | +1
        A reserve WERO with X | conflict
        """,
    )
    yield case(
        "there is no reservation type 0 or 7",
        RESERVING,
        """
        A register  | ok | A | none | +1
        A reserve 0 | invalid
        A reserve 7 | invalid
        """,
    )
    yield case(
        "a reservation does not ignore keys",
        "Linux: block/ioctl.c, drivers/scsi/sd.c; NVMe 7.2, IEKEY",
        """
        A register                    | ok | A | none | +1
        A ioctl reserve A WERO ignore | scsi not supported, nvme invalid
        """,
    )


def releasing() -> Iterator[Case]:
    """Who may release, with what."""
    yield from each(
        "a release by who does not hold has no effect",
        RELEASING,
        """
        A register            | ok | A   | none    | +1
        B register            | ok | A B | none    | +1
        A reserve {T}         | ok | A B | {T} {A} | +0
        B ioctl release B {T} | ok
        """,
        SINGLE_HOLDER,
    )
    yield from each(
        "all registrants hold, so each may release",
        RELEASING,
        """
        A register            | ok | A   | none    | +1
        B register            | ok | A B | none    | +1
        A reserve {T}         | ok | A B | {T} all | +0
        B ioctl release B {T} | ok | A B | none    | +0
        """,
        ALL_REGISTRANTS,
    )
    yield from each(
        "after a release everybody may do everything",
        RELEASING,
        """
        A register            | ok | A | none    | +1
        A reserve {T}         | ok | A | {T} {A} | +0
        A ioctl release A {T} | ok | A | none    | +0
        access A B            | A rw, B rw
        """,
    )
    yield case(
        "a release with nothing reserved has no effect",
        RELEASING,
        """
        A register             | ok | A | none | +1
        A ioctl release A WERO | ok
        """,
    )
    yield case(
        "who is not registered cannot release",
        RELEASING,
        """
        A ioctl release A WERO | conflict
        A register             | ok | A | none   | +1
        A reserve WERO         | ok | A | WERO A | +0
        B ioctl release B WERO | conflict
        """,
    )
    yield case(
        "a wrong own key cannot release",
        RELEASING,
        """
        A register             | ok | A | none   | +1
        A reserve WERO         | ok | A | WERO A | +0
        A ioctl release X WERO | conflict
        """,
    )
    yield case(
        "a release of another type than the one held is refused",
        RELEASING,
        """
        A register           | ok | A | none   | +1
        A reserve WERO       | ok | A | WERO A | +0
        A ioctl release A WE | invalid
        """,
    )


def leaving() -> Iterator[Case]:
    """What becomes of the reservation when a holder is gone, and of who is."""
    yield from each(
        "the reservation goes with its holder",
        LEAVING,
        """
        A register    | ok | A   | none    | +1
        B register    | ok | A B | none    | +1
        A reserve {T} | ok | A B | {T} {A} | +0
        A leave       | ok | B   | none    | +1
        access A B    | A rw, B rw
        """,
        SINGLE_HOLDER,
    )
    yield from each(
        "the reservation of all registrants goes with the last one",
        LEAVING,
        """
        A register    | ok | A   | none    | +1
        B register    | ok | A B | none    | +1
        A reserve {T} | ok | A B | {T} all | +0
        A leave       | ok | B   | {T} all | +1
        access A B    | A {outsider}, B rw
        B leave       | ok | -   | none    | +1
        access A B    | A rw, B rw
        """,
        ALL_REGISTRANTS,
    )
    yield from each(
        "who is left may release the reservation of all registrants",
        LEAVING,
        """
        A register            | ok | A   | none    | +1
        B register            | ok | A B | none    | +1
        A reserve {T}         | ok | A B | {T} all | +0
        A leave               | ok | B   | {T} all | +1
        B ioctl release B {T} | ok | B   | none    | +0
        """,
        ALL_REGISTRANTS,
    )
    yield from each(
        "who unregisters by ioctl is shut out",
        LEAVING,
        """
        A register           | ok | A   | none    | +1
        B register           | ok | A B | none    | +1
        A reserve {T}        | ok | A B | {T} {A} | +0
        B ioctl register B 0 | ok | A   | {T} {A} | +1
        access A B           | A rw, B {outsider}
        """,
    )
    yield from each(
        "a holder that changes its key still holds",
        REGISTERING,
        """
        A register            | ok | A  | none          | +1
        A reserve {T}         | ok | A  | {T} {A}       | +0
        A ioctl register A A' | ok | A' | {T} {changed} | +1
        """,
    )


def clearing() -> Iterator[Case]:
    """All is removed at once."""
    yield from each(
        "any registrant may clear, and nothing is left",
        CLEARING,
        """
        A register      | ok | A   | none    | +1
        B register      | ok | A B | none    | +1
        A reserve {T}   | ok | A B | {T} {A} | +0
        B ioctl clear B | ok | -   | none    | +1
        access A B      | A rw, B rw
        """,
    )
    yield case(
        "with nothing reserved a clear removes the registrations",
        CLEARING,
        """
        A register      | ok | A   | none | +1
        B register      | ok | A B | none | +1
        A ioctl clear A | ok | -   | none | +1
        """,
    )
    yield case(
        "who is not registered cannot clear",
        CLEARING,
        """
        A ioctl clear A | conflict
        A register      | ok | A | none   | +1
        A reserve WERO  | ok | A | WERO A | +0
        B ioctl clear B | conflict
        """,
    )
    yield case(
        "a wrong own key cannot clear",
        CLEARING,
        """
        A register      | ok | A | none | +1
        A ioctl clear X | conflict
        """,
    )


def preempting() -> Iterator[Case]:
    """Who is removed by whom, and what is in force afterwards; aborting or not makes no difference to that."""
    for command, source in (("preempt", PREEMPTING), ("preempt-and-abort", ABORTING)):
        yield from _preempting_a_holder(command, source)
        yield from _preempting_a_registrant(command, source)
    yield from _refused()
    yield from _key_zero()
    yield from _own_key()


def _preempting_a_holder(command: str, source: str) -> Iterator[Case]:
    yield from each(
        f"{command} of the holder passes the reservation on",
        source,
        f"""
        A register             | ok | A   | none      | +1
        B register             | ok | A B | none      | +1
        A reserve {{T}}        | ok | A B | {{T}} {{A}} | +0
        B {command} A {{T}}    | ok | B   | {{T}} {{B}} | +1
        access A B             | A {{outsider}}, B rw
        """,
    )
    yield from each(
        f"{command} of a single holder may change the type",
        source,
        f"""
        A register             | ok | A   | none      | +1
        B register             | ok | A B | none      | +1
        A reserve EARO         | ok | A B | EARO A    | +0
        B {command} A {{T}}    | ok | B   | {{T}} {{B}} | +1
        """,
    )
    yield from each(
        f"{command} of one of all registrants keeps the type in force",
        source,
        f"""
        A register             | ok | A   | none    | +1
        B register             | ok | A B | none    | +1
        A reserve {{T}}        | ok | A B | {{T}} all | +0
        B {command} A WE       | ok | B   | {{T}} all | +1
        """,
        ALL_REGISTRANTS,
    )


def _preempting_a_registrant(command: str, source: str) -> Iterator[Case]:
    yield from each(
        f"{command} of a registrant by the holder removes it",
        source,
        f"""
        A register             | ok | A   | none      | +1
        B register             | ok | A B | none      | +1
        A reserve {{T}}        | ok | A B | {{T}} {{A}} | +0
        A {command} B {{T}}    | ok | A   | {{T}} {{A}} | +1
        access A B             | A rw, B {{outsider}}
        """,
    )
    yield from each(
        f"{command} of a registrant by another one leaves the holder",
        source,
        f"""
        A register             | ok | A     | none      | +1
        B register             | ok | A B   | none      | +1
        C register             | ok | A B C | none      | +1
        A reserve {{T}}        | ok | A B C | {{T}} {{A}} | +0
        B {command} C {{T}}    | ok | A B   | {{T}} {{A}} | +1
        access A C             | A rw, C {{outsider}}
        """,
    )
    yield case(
        f"{command} with nothing reserved removes the key and reserves nothing",
        source,
        f"""
        A register         | ok | A   | none | +1
        B register         | ok | A B | none | +1
        B {command} A WERO | ok | B   | none | +1
        access A B         | A rw, B rw
        """,
    )


def _refused() -> Iterator[Case]:
    yield case(
        "who is not registered cannot preempt",
        PREEMPTING,
        """
        A register                 | ok | A | none   | +1
        A reserve WERO             | ok | A | WERO A | +0
        B preempt A WERO           | conflict
        B preempt-and-abort A WERO | conflict
        """,
    )
    yield case(
        "a wrong own key cannot preempt",
        PREEMPTING,
        """
        A register                        | ok | A   | none   | +1
        B register                        | ok | A B | none   | +1
        A reserve WERO                    | ok | A B | WERO A | +0
        B preempt A WERO with X           | conflict
        B preempt-and-abort A WERO with X | conflict
        """,
    )
    yield case(
        "with own and victim's key the wrong way round nobody is preempted",
        PREEMPTING,
        """
        A register              | ok | A   | none   | +1
        B register              | ok | A B | none   | +1
        A reserve WERO          | ok | A B | WERO A | +0
        B preempt B WERO with A | conflict
        """,
    )
    yield case(
        "nobody has the key to preempt, and nothing is reserved",
        PREEMPTING,
        """
        A register       | ok | A | none | +1
        A preempt X WERO | conflict
        """,
    )
    yield from each(
        "nobody has the key to preempt, and the caller holds",
        PREEMPTING,
        """
        A register                | ok | A | none    | +1
        A reserve {T}             | ok | A | {T} {A} | +0
        A preempt X {T}           | conflict
        A preempt-and-abort X {T} | conflict
        """,
    )
    yield from each(
        "nobody has the key to preempt, and another host holds",
        PREEMPTING,
        """
        A register      | ok | A   | none    | +1
        B register      | ok | A B | none    | +1
        A reserve {T}   | ok | A B | {T} {A} | +0
        B preempt X {T} | conflict
        """,
    )
    yield case(
        "a preempt of the holder with a bad type is refused",
        PREEMPTING,
        """
        A register              | ok | A   | none   | +1
        B register              | ok | A B | none   | +1
        A reserve WERO          | ok | A B | WERO A | +0
        B preempt A 0           | invalid
        B preempt A 7           | invalid
        B preempt-and-abort A 7 | invalid
        """,
    )
    yield case(
        "who has been preempted can do nothing but register again",
        PREEMPTING,
        """
        A register             | ok | A   | none   | +1
        B register             | ok | A B | none   | +1
        A reserve WERO         | ok | A B | WERO A | +0
        B preempt A WERO       | ok | B   | WERO B | +1
        A preempt B WERO       | conflict
        A reserve WERO         | conflict
        A ioctl release A WERO | conflict
        A ioctl clear A        | conflict
        A ioctl register A A'  | conflict
        A register             | ok | A B | WERO B | +1
        access A               | A rw
        """,
    )


def _key_zero() -> Iterator[Case]:
    yield case(
        "with nothing reserved key 0 cannot be preempted",
        PREEMPTING,
        """
        A register       | ok | A | none | +1
        A preempt 0 WERO | scsi invalid, nvme conflict
        """,
    )
    yield from each(
        "a single holder cannot be preempted as key 0",
        PREEMPTING,
        """
        A register      | ok | A   | none    | +1
        B register      | ok | A B | none    | +1
        A reserve {T}   | ok | A B | {T} {A} | +0
        B preempt 0 {T} | invalid
        """,
        SINGLE_HOLDER,
    )
    for command in ("preempt", "preempt-and-abort"):
        yield from each(
            f"{command} of key 0, where all registrants hold, removes all others",
            PREEMPTING,
            f"""
            A register          | ok | A     | none      | +1
            B register          | ok | A B   | none      | +1
            C register          | ok | A B C | none      | +1
            A reserve {{T}}     | ok | A B C | {{T}} all | +0
            B {command} 0 {{T}} | ok | B     | {{T}} all | +1
            access A B C        | A {{outsider}}, B rw, C {{outsider}}
            """,
            ALL_REGISTRANTS,
        )
    yield from each(
        "a preempt of key 0 may put a single holder in place of all registrants",
        PREEMPTING,
        """
        A register     | ok | A   | none    | +1
        B register     | ok | A B | none    | +1
        A reserve {T}  | ok | A B | {T} all | +0
        B preempt 0 WE | ok | B   | WE B    | +1
        """,
        ALL_REGISTRANTS,
    )


def _own_key() -> Iterator[Case]:
    yield from each(
        "a single holder changes the type in force by preempting its own key",
        PREEMPTING,
        """
        A register      | ok | A   | none    | +1
        A reserve EARO  | ok | A   | EARO A  | +0
        A preempt A {T} | ok | A   | {T} {A} | +1
        """,
        only=ONE_PATH,
    )
    yield case(
        "with nothing reserved a preempt of the own key removes it",
        PREEMPTING,
        """
        A register       | ok | A | none | +1
        A preempt A WERO | ok | - | none | +1
        """,
    )
    yield case(
        "a preempt of a key that the holder shares with another host removes that host",
        PREEMPTING,
        """
        B register S            | ok | S   | none   | +1
        C register S            | ok | S S | none   | +1
        B reserve WERO with S   | ok | S S | WERO S | +0
        B preempt S WERO with S | ok | S   | WERO S | +1
        access B C              | B rw, C r
        """,
    )


def power_loss() -> Iterator[Case]:
    """What is left when the target comes back."""
    yield from each(
        "a reservation survives a power loss of the target",
        PERSISTENCE,
        """
        A register      | ok | A   | none    | +1
        B register      | ok | A B | none    | +1
        A reserve {T}   | ok | A B | {T} {A} | +0
        target restarts | ok | A B | {T} {A} | =0
        access A B C    | A rw, B rw, C {outsider}
        """,
        ("WERO", "WEAR", "EAAR"),
    )
    yield case(
        "where the target cannot keep a registration it refuses it",
        PERSISTENCE,
        """
        target loses-its-folder | ok             | - | none | +0
        A ioctl register 0 A    | device failure | - | none | +0
        """,
        only=("lio",),
    )


def paths() -> Iterator[Case]:
    """Host A has two paths: A.1 and A.2. A.map is the device-mapper device on top, to which the agent sends nothing."""
    yield case(
        "a host may write only over registered paths",
        PATHS,
        """
        A.1 register     | ok | A(1 of 2) | none   | +1
        A.1 reserve WERO | ok | A(1 of 2) | WERO A | +0
        access A.1 A.2   | A.1 rw, A.2 r
        """,
        MULTIPATH,
    )
    yield from each(
        "preempt over another path than the holder's leaves the holder",
        PATHS,
        """
        A register        | ok | A   | none    | +1
        B register        | ok | A B | none    | +1
        A.1 reserve {T}   | ok | A B | {T} {A} | +0
        A.2 preempt B {T} | ok | A   | {T} {A} | +1
        access B          | B {outsider}
        """,
        only=MULTIPATH,
    )
    yield from each(
        "preempt-and-abort over another path than the holder's leaves the holder",
        PATHS,
        """
        A register                  | ok | A   | none    | +1
        B register                  | ok | A B | none    | +1
        A.1 reserve {T}             | ok | A B | {T} {A} | +0
        A.2 preempt-and-abort B {T} | ok | A   | {T} {A} | +1
        """,
        only=MULTIPATH,
    )
    yield from each(
        "a preempt of the own key over another path than the holder's loses the holder's path",
        PATHS,
        """
        A register        | ok | A         | none  | +1
        A.1 reserve {T}   | ok | A         | {T} A | +0
        A.2 preempt A {T} | ok | A(1 of 2) | {T} A | +1
        access A.1 A.2    | A.1 {outsider}, A.2 rw
        """,
        SINGLE_HOLDER,
        only=MULTIPATH,
    )
    yield case(
        "a release over another path than the holder's has no effect",
        PATHS,
        """
        A register             | ok | A | none   | +1
        A.1 reserve WERO       | ok | A | WERO A | +0
        A.2 ioctl release A WERO | ok
        """,
        MULTIPATH,
    )
    yield case(
        "the reservation goes with the path that made it",
        PATHS,
        """
        A register       | ok | A         | none   | +1
        A.1 reserve WERO | ok | A         | WERO A | +0
        A.1 leave        | ok | A(1 of 2) | none   | +1
        """,
        MULTIPATH,
    )
    yield case(
        "the reservation of all registrants stays as long as a path is registered",
        PATHS,
        """
        A register       | ok | A         | none     | +1
        A.1 reserve WEAR | ok | A         | WEAR all | +0
        A.1 leave        | ok | A(1 of 2) | WEAR all | +1
        A.2 leave        | ok | -         | none     | +1
        """,
        MULTIPATH,
    )
    yield from each(
        "the map reserves and preempts",
        ALL_PATHS,
        """
        A register          | ok | A   | none    | +1
        B register          | ok | A B | none    | +1
        A.map reserve {T}   | ok | A B | {T} {A} | +0
        A.map preempt B {T} | ok | A   | {T} {A} | +1
        """,
        only=MULTIPATH,
    )
    yield case(
        "the map releases whichever path holds",
        ALL_PATHS,
        """
        A register                 | ok | A | none   | +1
        A.2 reserve WERO           | ok | A | WERO A | +0
        A.map ioctl release A WERO | ok | A | none   | +0
        """,
        MULTIPATH,
    )


CASES = tuple(
    each_case
    for group in (registering, reserving, releasing, leaving, clearing, preempting, power_loss, paths)
    for each_case in group()
)
