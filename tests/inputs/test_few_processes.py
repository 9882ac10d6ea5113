"""A real limit of processes: the kernel refuses fork and threads. 'off' of 16 disks in memory, in a child as always."""

from __future__ import annotations

import json
import os
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import child
from fence_pr.errors import FenceError
from tests.inputs.surroundings import folder
from tests.lab.inside import system
from tests.model.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DISKS = 16
SECONDS = 20.0
NEW_USER = 0x10000000  # CLONE_NEWUSER
UNUSED = 100_000  # with the number of a process: a user who has no other

pytestmark = pytest.mark.promise(6)


def among_few(most: int, work: Callable[[], Any]) -> Any:
    """What `work` returns in a process of a user who may have so many processes and threads, that one included."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            if os.geteuid():
                system.unshare(NEW_USER)
            else:
                os.setresuid(*[UNUSED + os.getpid()] * 3)
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as said:
        answer = said.read()
    os.waitpid(process, 0)
    return json.loads(answer)


def fence(place: Path) -> list[str]:
    """The verdict of 'off', and who is registered then on any disk."""
    world = World(place, DISKS, ("n1", "n2"))
    world.register("n1", "n2")

    def work(_: child.Channel) -> list[str]:
        verdict = world.run("n1", "off", "n2", threads=True, limit=SECONDS).verdict
        return [verdict, *sorted({name for number in range(DISKS) for name in world.members(number)})]

    try:
        return list(child.run(work, SECONDS, lambda *_: None).result or ())
    except FenceError as error:
        return [str(error)]


@pytest.mark.parametrize("most", [1, 2, 3, 4, 9, 17, 18, 40])
def test_it_fences_as_soon_as_there_is_one_process_more(most: int) -> None:
    began = time.monotonic()
    with folder() as place:
        place.chmod(0o777)
        said = among_few(most, lambda: fence(place))
    assert time.monotonic() - began < SECONDS
    if most > 1:
        assert said == ["Powered OFF", "n1"]
    else:
        assert said[0].startswith(
            "cannot start the process that works on the disks: no more processes may be started; "
        )


def test_the_kernel_does_refuse_threads() -> None:
    """Else nothing above is shown."""
    assert [among_few(most, _threads) for most in (1, 4)] == [0, 3]


def _threads() -> int:
    import _thread

    held = _thread.allocate_lock()
    held.acquire()
    started = 0
    for _ in range(DISKS):
        try:
            _thread.start_new_thread(held.acquire, ())
            started += 1
        except RuntimeError:
            continue
    return started
