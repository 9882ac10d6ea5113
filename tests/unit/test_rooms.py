"""The rooms of the package, drawn from its imports: what is lower knows nothing of what is higher."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from fence_pr.actions.job import Job
from fence_pr.actions.off import off
from fence_pr.actions.request import Request
from fence_pr.actions.this_node import ThisNode
from fence_pr.corosync import Cluster
from fence_pr.keys import Registrant
from fence_pr.storage.device import SCSI, Device
from fence_pr.storage.pr_ioctl import REQUESTS
from fence_pr.storage.snapshot import WRITE_EXCLUSIVE_REG_ONLY
from tests.documents.rooms import (
    ARROWS,
    AT_THE_ROOT,
    FLOORS,
    MODULES,
    PACKAGE,
    PROJECT,
    ROOMS,
    between_rooms,
    floor_of,
    imported,
    inside,
    room_of,
)
from tests.unit import fake_ioctl

if TYPE_CHECKING:
    from pathlib import Path

MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 350, 60
MOST_FRAMES = 10


def drawing() -> str:
    """Rooms from the highest, each with its modules and with arrows to what it knows."""
    lines = []
    for rooms in FLOORS:
        for room in rooms:
            known = [f"{other} ({count})" for (start, other), count in sorted(between_rooms().items()) if start == room]
            lines.append(f"{room:8} {' '.join(inside(room))}\n" + (f"         → {', '.join(known)}\n" if known else ""))
    lines.append(f"{sum(between_rooms().values())} imports from room to room, {sum(map(len, ARROWS.values()))} in all")
    return "\n".join(lines)


def test_every_module_is_in_a_room() -> None:
    assert {room_of(module) for module in MODULES} == set(ROOMS)
    assert {module for listed in AT_THE_ROOT.values() for module in listed} == {it for it in MODULES if "." not in it}


def test_the_page_on_architecture_shows_these_rooms() -> None:
    """Each with its files, and no other."""
    page = (PROJECT / "docs/architecture.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("|")]
    shown: dict[str, set[str]] = {}
    for row in rows:
        if len(row) == 5:  # a room may have several
            room, _, folder = row[1].strip(" `/").partition("/")
            shown.setdefault(room, set()).update(f"{folder}.{it}".strip(".") for it in re.findall(r"`(\w+)`", row[3]))
    for room in ROOMS:
        assert shown[room] == set(inside(room)), room


def test_no_arrow_leads_up_or_sideways() -> None:
    wrong = [f"{start} → {other}" for start, other in between_rooms() if floor_of(other) <= floor_of(start)]
    assert wrong == [], f"\n{drawing()}"


def test_there_is_no_circle() -> None:
    left = {module: set(others) for module, others in ARROWS.items()}
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}, "each of these imports another one of them"


def test_imports_are_seen_wherever_they_stand() -> None:
    """Else the tests above would see no circle."""
    assert ARROWS["storage.open"] >= {"storage.device", "storage.multipath_disk", "storage.nvme_disk", "parallel"}
    assert "actions.plan" in ARROWS["actions.off"]
    assert "storage.kernel_status" in ARROWS["storage.pr_ioctl"]


def test_what_is_pure_reaches_nothing_of_the_machine() -> None:
    for module in ("actions.plan", "guard.verdict", "storage.identity", "storage.snapshot"):
        assert from_outside(module) == set(), module
    assert "fcntl" in from_outside("storage.scsi_disk")


def from_outside(module: str) -> set[str]:
    """What a module, and all that it imports at once, takes from outside of the package."""
    found: set[str] = set()
    seen: set[str] = set()
    left = {module}
    while left:
        name = left.pop()
        seen.add(name)
        at_once = [it for it in MODULES[name].body if isinstance(it, (ast.Import, ast.ImportFrom))]
        for statement in at_once:
            if isinstance(statement, ast.Import):
                found |= {alias.name for alias in statement.names}
            elif not statement.level and statement.module != "__future__":
                found.add(statement.module or "")
        left |= set(imported(name, ast.Module(list(at_once), []))) & MODULES.keys() - seen
    return found


def test_no_file_and_no_function_is_longer_than_can_be_seen_at_once() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_FILE, path.name
    for module, code in MODULES.items():
        for function in ast.walk(code):
            if isinstance(function, ast.FunctionDef):
                assert length(function) <= MOST_LINES_OF_A_FUNCTION, f"{module}.{function.name}"


def length(function: ast.FunctionDef) -> int:
    """Lines from the first to the last."""
    return (function.end_lineno or 0) - function.lineno + 1


def test_the_guard_has_what_reads_a_path_before_a_disk_can_hang() -> None:
    code = "import fence_pr.guard.main, sys; print(*sys.modules)"
    command = [sys.executable, "-ISc", f"import sys; sys.path.insert(0, {str(PROJECT / 'lib')!r}); {code}"]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert {"fence_pr.storage.nvme_disk", "fence_pr.storage.scsi_disk"} <= set(loaded)


OWN, VICTIM = 0xA, 0xB


class Here(ThisNode):
    """A node with one SCSI disk, whose node is a file: only the ioctls are made up."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder / "run"))
        self._disk = Device("/dev/shared", str(folder / "sda"), "", SCSI)
        (folder / "sda").touch()
        self.save(self._disk, Registrant("", OWN))

    def cluster(self, _path: str) -> Cluster:
        return Cluster("lab")

    def find(self, _name: str) -> Device:
        return self._disk


def stack_of_the_preempt(folder: Path) -> list[str]:
    """The functions from `off` to the ioctl that removes the victim."""
    keys = [OWN, VICTIM]
    stack: list[str] = []

    def ioctl(request: int, buffer: bytearray) -> int:
        if request == REQUESTS.read_keys:
            asked = fake_ioctl.ReadKeys.from_buffer(buffer)
            fake_ioctl.write_keys(asked.keys_ptr, keys)
            asked.generation, asked.num_keys = 1, len(keys)
        elif request == REQUESTS.read_reservation:
            fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(OWN, 1, WRITE_EXCLUSIVE_REG_ONLY))
        elif request != REQUESTS.register:
            assert request == REQUESTS.preempt_abort
            keys.remove(VICTIM)
            frame = sys._getframe(1)
            while not stack or stack[-1] != "off":
                if "/fence_pr/" in frame.f_code.co_filename:
                    stack.append(frame.f_code.co_name)
                assert frame.f_back
                frame = frame.f_back
        return 0

    request = Request("off", "0xb", "", ("/dev/shared",), "hash64", "", None, "auto", False, 0.0, 0.0, 1, 0.0, None)
    with fake_ioctl.disk(ioctl, lambda _command, _size: fake_ioctl.Answer(bytes(36))):
        report = off(Job(request, fake_ioctl.Unwatched(), lambda _: None, [], Here(folder)))
    assert report.verdict == "Powered OFF", report
    return stack[::-1]


def test_from_off_to_the_ioctl_it_is_not_far(tmp_path: Path) -> None:
    stack = stack_of_the_preempt(tmp_path)
    assert len(stack) <= MOST_FRAMES, " → ".join(stack)
    assert (stack[0], stack[-2]) == ("off", "preempt_abort")
