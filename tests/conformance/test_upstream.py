"""The report for the kernel's developers: each of its commands, run in a guest, shows what the report says of it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.documents import commands
from tests.documents.commands import REPORT, Command
from tests.lab import kernels, plugin, root
from tests.lab.guest import PROJECT, Guest
from tests.lab.plugin import or_not_covered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from typing import TypeGuard

    from tests.lab.guest import Completed
    from tests.lab.kernels import Kernel

FOLDER = "docs/upstream"
# The target gives up the connection only after 45 s: no need to wait for that. The guest is thrown away as it is.
BOUNDS = "--limit 25 --leave"
MENDED = f"""This kernel does not show the fault any more. If that is no accident: say in {FOLDER}, docs/storage.md and
README.md since which version LIO is mended."""
WRONG, RIGHT = 1, 0
QUICK_SECONDS = 5.0

# What follows the script's name in the report → its exit status, and what it must say.
SHOWN: dict[str, tuple[int, tuple[str, ...]]] = {
    "": (
        WRONG,
        (
            "WRONG: the survivor's session was lost|WRONG: no answer to preempt-abort within 25 s",
            r"WRONG: \S+ s after preempt-abort was sent a thread of the target still waits",
            "core_scsi3_(emulate_)?pro_preempt",
        ),
    ),
    "--preempt": (
        RIGHT,
        ("state of the survivor's session: LOGGED_IN\n", "writers of the survivor that ended with an error: 0\n"),
    ),
    "--silent-victim": (
        WRONG,
        (
            "WRONG: the survivor's session was lost|WRONG: no answer to preempt-abort within 25 s",
            r"WRONG: \S+ s after preempt-abort was sent a thread of the target still waits",
        ),
    ),
    "--late-write": (
        WRONG,
        ("WRONG: the victim's write has reached the disk after preempt-abort was answered",),
    ),
}


def options(command: Command) -> str:
    """What the report gives the script; raises if it runs something else."""
    script = re.fullmatch(r"sh (\S+\.sh)(?: (.*))?", command.text)
    assert script, command
    assert (PROJECT / FOLDER / script[1]).exists(), command
    return script[2] or ""


def test_every_command_of_the_report_is_one_whose_outcome_is_known() -> None:
    assert sorted(map(options, commands.run_by(REPORT))) == sorted(SHOWN)


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Completed]]]:
    """Of each command that is to be tried, all at once: they wait most of the time, and each has a guest of its own."""
    kernel = or_not_covered(kernels.NVME.kernel)
    or_not_covered(root.folder)
    asked = [item.callspec.params["command"] for item in request.session.items if is_shown(item)]
    wanted = [command for command in asked if isinstance(command, Command)]
    with ThreadPoolExecutor(len(wanted)) as pool:
        yield {options(command): pool.submit(run, kernel, command) for command in wanted}


def is_shown(item: pytest.Item) -> TypeGuard[pytest.Function]:
    """Whether the test shows what a command of the report does."""
    return isinstance(item, pytest.Function) and item.originalname == test_the_report_shows_what_it_says.__name__


def run(kernel: Kernel, command: Command) -> Completed:
    """Run it in a guest of its own, which the fault leaves in no state to go on."""
    with Guest(kernel, root.folder(), nodes=()) as guest:
        return guest.run(["sh", "-c", f"{command.text} {BOUNDS}"], cwd=f"/project/{FOLDER}", timeout=120)


@pytest.mark.slow
@pytest.mark.xdist_group(f"report-{plugin.NVME}")
@pytest.mark.parametrize("command", commands.run_by(REPORT), ids=options)
def test_the_report_shows_what_it_says(outcomes: dict[str, Future[Completed]], command: Command) -> None:
    status, said = SHOWN[options(command)]
    done = outcomes[options(command)].result()
    assert done.returncode in (WRONG, RIGHT), f"it could not be tried:\n{done.stdout}{done.stderr}"
    assert done.returncode == status, f"{MENDED if status == WRONG else ''}\n{done.stdout}{done.stderr}"
    for pattern in said:
        assert re.search(pattern, done.stdout), f"not said: {pattern}\n{done.stdout}"
    if status == RIGHT:
        assert max(map(float, re.findall(r"answered after (\S+) s", done.stdout))) < QUICK_SECONDS
