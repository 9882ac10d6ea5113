"""Where targets do otherwise than the standards say: the facts, once each, with the lines of the table that show them.

A fact that the table cannot show, because it takes commands under way, names the test that pins it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.table import Case, Line

ANY_KERNEL = (None, None)
# Linux 6.9 does a command again that ended with a unit attention.
BEFORE_6_9 = (None, (6, 9))


@dataclass(frozen=True)
class Shown:
    """Where a deviation shows. case, step: names, with "*" for anything; found: the cells that are not as expected."""

    case: str
    step: str
    found: str

    def fits(self, case: Case, line: Line, found: str) -> bool:
        """Whether that is what the table shows here."""
        return fnmatchcase(case.name, self.case) and fnmatchcase(line.step, self.step) and found == self.found


@dataclass(frozen=True)
class Deviation:
    """One fact.

    targets  names, with "*" for anything; kernels: the first version that has it and the first that has it no more
    says     what the standard says
    does     what the target does
    why      where that comes from, or what follows from it
    pinned   the test that shows it if the table does not
    """

    targets: tuple[str, ...]
    kernels: tuple[tuple[int, int] | None, tuple[int, int] | None]
    says: str
    does: str
    why: str
    shown: tuple[Shown, ...] = ()
    pinned: str = ""

    def holds(self, target: str, release: tuple[int, int]) -> bool:
        """Whether it is to be found with this target on this kernel."""
        first, end = self.kernels
        fits = any(fnmatchcase(target, pattern) for pattern in self.targets)
        return fits and (first is None or first <= release) and (end is None or release < end)

    def range(self) -> str:
        """The kernels in words."""
        first, end = (".".join(map(str, each)) if each else "" for each in self.kernels)
        words = [f"from {first}"] * bool(first) + [f"before {end}"] * bool(end)
        return f"Linux {' '.join(words)}" if words else "every Linux asked"


def known(target: str, release: tuple[int, int]) -> list[Deviation]:
    """The facts about a target on a kernel."""
    return [each for each in DEVIATIONS if each.holds(target, release)]


SCSI, NVMET = ("lio", "multipath"), ("nvmet-*",)

DEVIATIONS = (
    Deviation(
        SCSI,
        ANY_KERNEL,
        says="unregistering raises the generation (SPC-4 6.16.2)",
        does="LIO leaves the generation as it is",
        why="core_scsi3_emulate_pro_register; whoever reads twice must compare the keys as well",
        shown=(Shown("*", "* leave*", "+0"), Shown("*", "* ioctl register * 0", "+0")),
    ),
    Deviation(
        SCSI,
        ANY_KERNEL,
        says="reserve, release and clear by who is not registered are reservation conflicts (SPC-4 6.17.3)",
        does="LIO ends them with CHECK CONDITION where nothing is reserved, which Linux hands out as 2",
        why="core_scsi3_locate_pr_reg finds nothing: TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE; only reading tells",
        shown=(
            Shown("who is not registered cannot reserve", "A reserve WERO", "device failure"),
            Shown("who is not registered cannot release", "A ioctl release A WERO", "device failure"),
            Shown("who is not registered cannot clear", "A ioctl clear A", "device failure"),
        ),
    ),
    Deviation(
        (*SCSI, *NVMET),
        ANY_KERNEL,
        says="a release of another type than the one in force is an invalid request",
        does="LIO and nvmet answer reservation conflict",
        why="core_scsi3_emulate_pro_release, nvmet_pr_release; nothing is released in either case",
        shown=(Shown("a release of another type than the one held is refused", "A ioctl release A WE", "conflict"),),
    ),
    Deviation(
        SCSI,
        ANY_KERNEL,
        says="where all registrants hold, preempting one of them only removes it (SPC-4 5.14.11.4.4)",
        does="LIO makes a new reservation of the type that the preempt names, here for one holder",
        why="core_scsi3_pro_preempt: every preempt of a holder; hence always preempt with the type in force",
        shown=(
            Shown("preempt* of one of all registrants keeps the type in force, WEAR", "B preempt* A WE", "WE B"),
            Shown("preempt* of one of all registrants keeps the type in force, EAAR", "B preempt* A WE", "WE B"),
        ),
    ),
    Deviation(
        ("lio",),
        ANY_KERNEL,
        says="the generation is 0 after a power loss (SPC-4 6.16.2)",
        does="LIO counts the registrations that it takes back",
        why="__core_scsi3_add_registration",
        shown=(Shown("a reservation survives a power loss of the target, WE*", "target restarts", "=2"),),
    ),
    Deviation(
        ("lio",),
        ANY_KERNEL,
        says="a reservation of type EAAR survives a power loss like any other",
        does="LIO loses it with the registration of the host that made it: everybody may read and write",
        why="its file says res_type=08, which it reads as an octal number (target_pr_res_aptpl_metadata_store)",
        shown=(
            Shown("a reservation survives a power loss of the target, EAAR", "target restarts", "B, none, =1"),
            Shown("a reservation survives a power loss of the target, EAAR", "access *", "A rw, B rw, C rw"),
        ),
    ),
    Deviation(
        ("lio",),
        ANY_KERNEL,
        says="a REGISTER that failed has changed nothing",
        does="LIO registers, and fails when it cannot write to <dbroot>/pr",
        why="core_scsi3_update_and_write_aptpl comes last; the registration is lost with the power",
        shown=(Shown("where the target cannot keep a registration it refuses it", "A ioctl register 0 A", "A, +1"),),
    ),
    Deviation(
        SCSI,
        BEFORE_6_9,
        says="a command that met a unit attention is done again (SAM-5 5.14)",
        does="the SCSI disk driver returns 2, and the command has not been carried out",
        why="it does not retry (drivers/scsi/sd.c); the neutral layer reads before it registers",
        shown=(
            Shown(
                "who has been preempted registers again at the first attempt",
                "A first-ioctl register 0 A",
                "device failure, B, +0",
            ),
        ),
    ),
    Deviation(
        ("multipath",),
        BEFORE_6_9,
        says="a release through the map succeeds",
        does="the map releases what registrants share, and returns 2",
        why="dm asks every path, and the one that releases leaves a unit attention for the next",
        shown=(
            Shown("a reservation is made, read back and released, *", "A ioctl release A *", "device failure"),
            Shown("after a release everybody may do everything, *", "A ioctl release A *", "device failure"),
        ),
    ),
    Deviation(
        ("multipath",),
        ANY_KERNEL,
        says="a REGISTER that failed has changed nothing",
        does="the map takes the key away from every path",
        why="dm_pr_register rolls back by unregistering the new key; hence the agent registers path by path",
        shown=(
            Shown("a registered key can be registered anew only on NVMe", "A ioctl register 0 A", "-"),
            Shown("a key is not changed by who names a wrong old one", "A ioctl register X A", "-"),
        ),
    ),
    Deviation(
        ("multipath",),
        ANY_KERNEL,
        says="a reservation covers all connections in a multi path environment (Linux pr.rst)",
        does="only the path that reserved with WE or EA may write, the host's other path may not",
        why="to the target each path is an I_T nexus (SPC-4); hence types that registrants share",
        shown=(Shown("*, WE", "access A B", "A rw and r, B r"), Shown("*, EA", "access A B", "A rw and -, B -")),
    ),
    Deviation(
        NVMET,
        ANY_KERNEL,
        says="REGISTER with a new key of 0 unregisters (Linux pr.rst)",
        does="the NVMe host driver replaces the key by 0: still registered, and able to write",
        why="nvme_pr_register sends REPLACE; hence leaving takes the NVMe command itself",
        shown=(
            Shown("a key is registered, changed and removed", "A ioctl register A' 0", "0"),
            Shown("after an unregister by ioctl the neutral layer registers again", "A ioctl register A 0", "0"),
            Shown("who unregisters by ioctl is shut out, *", "B ioctl register B 0", "0 A"),
            Shown("who unregisters by ioctl is shut out, *", "access A B", "A rw, B rw"),
        ),
    ),
    Deviation(
        NVMET,
        ANY_KERNEL,
        says="PR_FL_IGNORE_KEY replaces whatever key there is (Linux pr.rst)",
        does="the NVMe host driver does so only if the old key given is not 0",
        why="nvme_pr_register sends REPLACE only then, and REGISTER ignores no key",
        shown=(
            Shown("with PR_FL_IGNORE_KEY no old key need be named", "A ioctl register 0 A' ignore", "conflict, A, +0"),
        ),
    ),
    Deviation(
        NVMET,
        ANY_KERNEL,
        says="where all registrants hold, each may reserve again with the same type, to no effect",
        does="nvmet answers reservation conflict to all but the one that made the reservation",
        why="nvmet_pr_acquire; hence reading before reserving",
        shown=(Shown("all registrants hold, so each may reserve with the same type, *", "B reserve *", "conflict"),),
    ),
    Deviation(
        NVMET,
        ANY_KERNEL,
        says="where all registrants hold, each may release",
        does="nvmet releases only for the one that made the reservation, and succeeds without effect for the others",
        why="nvmet_pr_release",
        shown=(
            Shown("all registrants hold, so each may release, WEAR", "B ioctl release B WEAR", "WEAR all"),
            Shown("all registrants hold, so each may release, EAAR", "B ioctl release B EAAR", "EAAR all"),
        ),
    ),
    Deviation(
        NVMET,
        ANY_KERNEL,
        says="a preempt of a key removes every other host that has it",
        does="nvmet removes nobody if the caller holds with the same key; the other host may still write",
        why="nvmet_pr_preempt; hence each node needs a key of its own",
        shown=(
            Shown("a preempt of a key that the holder shares*", "B preempt S WERO with S", "S S"),
            Shown("a preempt of a key that the holder shares*", "access B C", "B rw, C rw"),
        ),
    ),
    Deviation(
        NVMET,
        ANY_KERNEL,
        says="reservations survive a power loss of the target (Linux pr.rst)",
        does="nvmet forgets everything: everybody may write",
        why="it has no persistence and says so (RESCAP, PTPLS); no key is then no proof of having been fenced",
        shown=(
            Shown("a reservation survives a power loss of the target, *", "target restarts", "-, none"),
            Shown("a reservation survives a power loss of the target, *", "access A B C", "A rw, B rw, C rw"),
        ),
    ),
    Deviation(
        SCSI,
        ANY_KERNEL,
        says="preempt-and-abort aborts the commands of every nexus that it removes (SPC-4 5.14.11.5)",
        does="LIO aborts only those of a victim that holds the reservation; other writes still land afterwards",
        why="core_scsi3_pr_reservation_check",
        pinned="tests/fencing/test_abort.py::test_lio_aborts_nothing_of_a_victim_that_does_not_hold_the_reservation",
    ),
    Deviation(
        SCSI,
        ANY_KERNEL,
        says="preempt-and-abort harms only the nexuses that it removes (SPC-4 5.14.11.5)",
        does="LIO never answers, and the sender's session is lost with its writes (seen on 6.1, 6.12, 7.2, 7.3),"
        " where the victim holds the reservation and the sender has writes in flight on a store that is not instant",
        why="core_tmr_drain_state_list waits in the thread that receives for the sender's session; hence the agent"
        " sends LIO a plain preempt",
        pinned="tests/fencing/test_abort_that_hangs.py::test_until_the_session_is_given_up",
    ),
    Deviation(
        ("multipath",),
        ANY_KERNEL,
        says="preempt-and-abort through the map aborts",
        does="the map sends a preempt without abort, and the victim's writes land afterwards",
        why="dm_pr_preempt; hence the agent sends it to a path",
        pinned="tests/fencing/test_abort.py::test_multipath",
    ),
)
