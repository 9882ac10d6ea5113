"""REGISTER on SCSI: from no key, else from the key that this very nexus has, if that may be replaced."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr.errors import Conflict, DeviceFailure, FenceError
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from fence_pr.storage.multipath_disk import MultipathDisk
from fence_pr.storage.open import open_disk
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import SG_IO, Answer, Unwatched
from tests.unit.page_83 import of_naa

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fence_pr.storage.disk import Disk

IGNORE = pr_ioctl.FLAG_IGNORE_KEY
K, X, Y, Z = 0xA, 0x77, 0x88, 0x99
ANEW, CONFIRMED, UNSEEN = (0, K, 0), (K, K, 0), (0, K, IGNORE)
Sent = list[tuple[int, int, int]]


class Target:
    """A LUN by SPC-4 5.14.7.

    own       device node → the key of its nexus
    others    keys of nexuses that are not this machine's
    hidden    keys that READ KEYS leaves out
    conflict  the kernel's number for a reservation conflict
    shared    all nodes are one nexus to the target, as some arrays have it
    then      called after each REGISTER with its numbers
    """

    def __init__(self, own: dict[str, int] | None = None, others: list[int] | None = None) -> None:
        self.own, self.others = own or {}, others or []
        self.hidden: set[int] = set()
        self.conflict, self.shared = 0x18, False
        self.sent: dict[str, Sent] = {}
        self.then: Callable[[tuple[int, int, int]], None] = lambda _: None
        self.reads = self.generation = 0
        self._lock = threading.Lock()

    def ioctl(self, fd: int, request: int, buffer: bytearray, _mutate: bool = True) -> int:
        """In place of fcntl.ioctl."""
        node = os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))
        if request == SG_IO:
            fake_ioctl.send(
                buffer, lambda _command, room: Answer(of_naa("naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa")[:room])
            )
            return 0
        if request == pr_ioctl.REQUESTS.read_reservation:
            fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(0, 1, 3))
            return 0
        with self._lock:
            if request == pr_ioctl.REQUESTS.read_keys:
                self.reads += 1
                asked = fake_ioctl.ReadKeys.from_buffer(buffer)
                keys = [it for it in (*self.own.values(), *self.others) if it and it not in self.hidden]
                fake_ioctl.write_keys(asked.keys_ptr, keys)
                asked.num_keys, asked.generation = len(keys), self.generation
                return 0
            assert request == pr_ioctl.REQUESTS.register
            registration = fake_ioctl.Registration.from_buffer_copy(buffer)
            numbers = (registration.old_key, registration.new_key, registration.flags)
            self.sent.setdefault(node, []).append(numbers)
            returned = self._register(node, *numbers)
            self.then(numbers)
            if returned < 0:
                raise OSError(-returned, os.strerror(-returned))
            return returned

    def _register(self, node: str, old: int, new: int, flags: int) -> int:
        nexus = "any" if self.shared else node
        if not flags and self.own.get(nexus, 0) != old:
            return self.conflict
        self.own[nexus] = new
        if not new:
            del self.own[nexus]
        self.generation += 1
        return 0

    def fence(self) -> None:
        """Another node removes what this machine has."""
        self.own.clear()
        self.generation += 1

    def disk(self, folder: Path, *paths: str) -> Disk:
        """The LUN over one device node, or over these as a map's paths."""
        for name in ("sda", *paths):
            (folder / name).touch()
        nodes = tuple(str(folder / path) for path in paths)
        device = Device("d", str(folder / "sda"), "", MULTIPATH if paths else SCSI, nodes)
        found = open_disk(device, Unwatched())
        assert isinstance(found, (ScsiDisk, MultipathDisk))
        return found

    def register(
        self,
        folder: Path,
        *paths: str,
        listed: bool = False,
        former: tuple[int, ...] = (),
        judge: Callable[[int], None] | None = None,
    ) -> Disk:
        """Register K."""
        with patch.object(fcntl, "ioctl", self.ioctl):
            disk = self.disk(folder, *paths)
            try:
                disk.snapshot()
                disk.register(K, listed=listed, former=former, judge=judge)
            finally:
                disk.close()
        return disk


def allow(_: int) -> None:
    """Any key may be replaced."""


def refuse(key: int) -> None:
    """None may."""
    raise FenceError("keys-of-lvm", standing=(f"0x{key:x}",))


@pytest.mark.promise(2)
@pytest.mark.parametrize("conflict", [0x18, 0x118])
@pytest.mark.parametrize(
    ("own", "others", "listed", "former", "sent"),
    [
        (0, [Y], False, (), [ANEW]),
        (0, [K], True, (), [CONFIRMED, ANEW]),
        (K, [Y], False, (), [ANEW, CONFIRMED]),
        (K, [K], True, (), [CONFIRMED]),
        (X, [], False, (), [ANEW, (X, X, 0), (X, K, 0)]),
        (Y, [X, Z], False, (), [ANEW, (X, X, 0), (Y, Y, 0), (Y, K, 0)]),
        (Z, [X, Y], False, (Z,), [(Z, Z, 0), (Z, K, 0)]),
        (Z, [X, Y], False, (X, Z), [(X, X, 0), (Z, Z, 0), (Z, K, 0)]),
        (0, [X, Y], False, (X,), [(X, X, 0), ANEW]),
        (X, [Y, Y], False, (Z,), [ANEW, (X, X, 0), (X, K, 0)]),
        (X, [K], True, (), [CONFIRMED, ANEW, CONFIRMED, (X, X, 0), (X, K, 0)]),
    ],
    ids=[
        "new",
        "only an older nexus is registered",
        "registered, which nobody knew",
        "registered",
        "another key",
        "another key among others",
        "a former key is asked for first",
        "one of several former keys",
        "a former key of an older nexus",
        "a former key that is not listed is not",
        "an older nexus, and another key on this one",
    ],
)
def test_only_the_key_of_this_very_nexus_is_replaced(
    tmp_path: Path, own: int, others: list[int], listed: bool, former: tuple[int, ...], sent: Sent, conflict: int
) -> None:
    target = Target({"sda": own} if own else {}, others)
    target.conflict = conflict
    judged: list[int] = []
    disk = target.register(tmp_path, listed=listed, former=former, judge=judged.append)
    assert target.sent == {"sda": sent}
    assert target.own == {"sda": K}
    assert judged == [own] * (own not in (0, K))
    assert (disk.registered, disk.blindly, disk.warnings()) == (True, False, [])


@pytest.mark.promise(2)
@pytest.mark.parametrize("judge", [None, refuse])
def test_a_key_that_must_not_be_replaced_is_not(tmp_path: Path, judge: Callable[[int], None] | None) -> None:
    """Without anybody to judge none may be."""
    target = Target({"sda": X}, [Y])
    with pytest.raises(FenceError):
        target.register(tmp_path, judge=judge)
    assert target.own == {"sda": X}
    assert all(old == new and not flags for old, new, flags in target.sent["sda"][1:])


@pytest.mark.promise(2)
def test_a_node_whose_listed_key_is_gone_is_not_registered_again(tmp_path: Path) -> None:
    target = Target({}, [Y])
    with pytest.raises(Conflict):
        target.register(tmp_path, listed=True, judge=allow)
    assert target.sent == {"sda": [CONFIRMED]}


@pytest.mark.promise(2)
def test_a_key_that_is_gone_when_it_is_to_be_replaced_is_not(tmp_path: Path) -> None:
    """This node was fenced in between."""
    target = Target({"sda": X})

    def fence(numbers: tuple[int, int, int]) -> None:
        if numbers == (X, X, 0):
            target.fence()

    target.then = fence
    with pytest.raises(Conflict):
        target.register(tmp_path, judge=allow)
    assert target.own == {}


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize("hidden", [False, True])
def test_a_nexus_that_had_a_key_and_has_lost_it_since_is_not_registered(tmp_path: Path, hidden: bool) -> None:
    """This node was fenced by a former key of its own; the generation tells, even where the key was not listed."""
    target = Target({"sda": X}, [Y])
    target.hidden = {X} if hidden else set()
    target.then = lambda _: target.fence() if target.own else None
    with pytest.raises(FenceError) as failed:
        target.register(tmp_path, judge=refuse)
    assert failed.value.code == "maybe-fenced"
    assert target.sent == {"sda": [ANEW, (Y, Y, 0)]}
    assert target.own == {}


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize("at", [(X, X, 0), (X, K, 0)])
def test_a_nexus_that_loses_its_former_key_before_it_is_replaced_is_not_registered(
    tmp_path: Path, at: tuple[int, int, int]
) -> None:
    """The disk hangs at REGISTER, another node fences this one by its former key, and the disk goes on."""
    target = Target({"sda": X}, [Y])
    register = target._register

    def late(node: str, old: int, new: int, flags: int) -> int:
        if (old, new, flags) == at:
            target.fence()
        return register(node, old, new, flags)

    target._register = late  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        target.register(tmp_path, former=(X,), judge=allow)
    assert target.own == {}
    assert ANEW not in target.sent["sda"]


@pytest.mark.promise(2, 13)
def test_that_a_former_key_has_just_gone_is_remembered(tmp_path: Path) -> None:
    """It may have been this node's, so what comes afterwards must not register it."""
    target = Target({}, [X])
    target.then = lambda _: target.others.clear()
    with patch.object(fcntl, "ioctl", target.ioctl):
        disk = target.disk(tmp_path)
        disk.snapshot()
        with pytest.raises(Conflict):
            disk.register(K, former=(X,), judge=allow)
        disk.close()
    assert disk.joined


def test_another_key_of_two_paths_is_replaced_where_a_register_may_still_arrive(tmp_path: Path) -> None:
    """What the first path's replacement counts is no other node's doing."""
    target = Target({"sdb": X, "sdc": X}, [Y])
    with patch.object(fcntl, "ioctl", target.ioctl):
        disk = target.disk(tmp_path, "sdb", "sdc")
        disk.snapshot()
        disk.joined = True
        disk.register(K, judge=allow)
        disk.close()
    assert target.own == {"sdb": K, "sdc": K}


@pytest.mark.promise(2, 5)
def test_a_key_that_the_target_lists_nowhere_is_replaced_unseen_and_that_is_said(tmp_path: Path) -> None:
    target = Target({"sda": X}, [Y])
    target.hidden = {X}
    disk = target.register(tmp_path, judge=refuse)
    assert target.sent == {"sda": [ANEW, (Y, Y, 0), UNSEEN]}
    assert (target.own, disk.blindly) == ({"sda": K}, True)
    assert [it.code for it in disk.warnings()] == ["registered-blindly"]
    assert "the disk does not tell which one that was" in str(disk.warnings()[0])


def test_keys_that_come_all_the_time_do_not_keep_it_for_ever(tmp_path: Path) -> None:
    target = Target({"sda": X})
    target.hidden = {X}

    def join(_: tuple[int, int, int]) -> None:
        target.others.append(0x1000 + len(target.others))
        target.generation += 1

    target.then = join
    assert target.register(tmp_path, judge=refuse).blindly
    assert target.reads <= 6


@given(
    own=st.sampled_from([0, K, X, Y]),
    others=st.lists(st.sampled_from([K, X, Y, Z]), max_size=4),
    listed=st.booleans(),
    former=st.lists(st.sampled_from([X, Y, Z]), max_size=2).map(tuple),
    allowed=st.booleans(),
    hidden=st.sets(st.sampled_from([K, X])),
)
def test_whatever_is_registered_nothing_is_replaced_that_was_not_judged(
    tmp_path_factory: pytest.TempPathFactory,
    own: int,
    others: list[int],
    listed: bool,
    former: tuple[int, ...],
    allowed: bool,
    hidden: set[int],
) -> None:
    target = Target({"sda": own} if own else {}, others)
    target.hidden = hidden
    judged: list[int] = []

    def judge(key: int) -> None:
        judged.append(key)
        if not allowed:
            refuse(key)

    try:
        disk = target.register(tmp_path_factory.getbasetemp(), listed=listed, former=former, judge=judge)
    except FenceError:
        assert target.own == ({"sda": own} if own else {})
        assert (judged == [own] and not allowed) or K in hidden or (listed and K not in (own, *others))
        return
    assert target.own == {"sda": K}
    assert judged == [own] * (own not in (0, K) and own not in hidden - set(others)) or own in hidden
    assert disk.blindly == (target.sent["sda"][-1] == UNSEEN)
    assert not disk.blindly or own in hidden


@pytest.mark.parametrize("own", [0, X, K])
def test_ports_that_share_one_registration_are_all_registered(tmp_path: Path, own: int) -> None:
    target = Target({"any": own} if own else {}, [Y])
    target.shared = True
    disk = target.register(tmp_path, "sdb", "sdc", "sdd", judge=allow)
    assert (target.own, disk.registered, disk.live_paths()) == ({"any": K}, True, 3)
    assert not disk.blindly


@pytest.mark.promise(2)
def test_a_path_whose_key_must_stay_is_a_failure_of_the_map(tmp_path: Path) -> None:
    target = Target({"sdb": K, "sdc": X})
    with pytest.raises(FenceError, match="0x77"):
        target.register(tmp_path, "sdb", "sdc", listed=True, judge=refuse)
    assert target.own == {"sdb": K, "sdc": X}


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize("fenced", [True, False])
def test_a_path_whose_key_must_stay_does_not_hide_what_another_has_got_just_then(tmp_path: Path, fenced: bool) -> None:
    """It is withdrawn if the node was fenced before, and else stays."""
    target = Target({"sdb": K, "sdc": X}, [Y])
    register = target._register

    def slow(node: str, old: int, new: int, flags: int) -> int:
        if fenced and node == "sdd" and not old:
            del target.own["sdb"]
            target.generation += 1
        return register(node, old, new, flags)

    target._register = slow  # type: ignore[method-assign]
    with pytest.raises(FenceError) as failed:
        target.register(tmp_path, "sdb", "sdc", "sdd", listed=True, judge=refuse)
    assert target.sent["sdd"] == [CONFIRMED, ANEW, *([(K, 0, 0)] if fenced else [])]
    assert target.own == ({"sdc": X} if fenced else {"sdb": K, "sdc": X, "sdd": K})
    assert failed.value.code == ("maybe-fenced" if fenced else "keys-of-lvm")


@pytest.mark.promise(2, 13)
def test_a_path_is_not_registered_where_the_node_was_fenced_over_another_one(tmp_path: Path) -> None:
    """Between the first path of a map and the second."""
    target = Target(others=[Y])
    target.then = lambda _: target.fence() if target.own else None
    with pytest.raises(Conflict):
        target.register(tmp_path, "sdb", "sdc")
    assert target.sent == {"sdb": [ANEW], "sdc": [CONFIRMED]}


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize("paths", [("sdb", "sdc"), ()])
@pytest.mark.parametrize("answer", [0, 2, 0x10000], ids=["it is carried out", "an error is told", "the path fails"])
def test_what_was_registered_after_its_node_was_fenced_is_withdrawn(
    tmp_path: Path, paths: tuple[str, ...], answer: int
) -> None:
    """The other registrations with its key, of a former session or of another path, were removed just before."""
    target = Target(others=[Y, *([] if paths else [K])])
    register, last = target._register, paths[-1] if paths else "sda"

    def slow(node: str, old: int, new: int, flags: int) -> int:
        if node != last or old:
            return register(node, old, new, flags)
        target.others.remove(Y)
        target.others[:] = [Y]
        target.fence()
        register(node, old, new, flags)
        return answer

    target._register = slow  # type: ignore[method-assign]
    with pytest.raises(FenceError):
        target.register(tmp_path, *paths, listed=not paths)
    if paths or not answer:
        assert target.sent[last] == [CONFIRMED, ANEW, (K, 0, 0)]
        assert K not in target.own.values()


@pytest.mark.promise(2, 13)
def test_a_key_that_arrives_late_is_not_taken_for_an_older_one(tmp_path: Path) -> None:
    """A REGISTER without answer; the key is listed then, and gone when the path is asked; and there again, but of what
    was sent first.
    """
    target = Target(others=[Y])
    answers = [0x10000]
    register = target._register

    def late(node: str, old: int, new: int, flags: int) -> int:
        if answers:
            return answers.pop()
        conflict = register(node, old, new, flags)
        if old == new:
            target.others.append(K)
            target.generation += 2
        return conflict

    target._register = late  # type: ignore[method-assign]
    with patch.object(fcntl, "ioctl", target.ioctl):
        disk = target.disk(tmp_path)
        disk.snapshot()
        with pytest.raises(FenceError):
            disk.register(K)
        disk.snapshot()
        with pytest.raises(FenceError) as failed:
            disk.register(K, listed=True)
        disk.close()
    assert failed.value.code == "maybe-fenced"
    assert target.sent == {"sda": [ANEW, CONFIRMED]}


@pytest.mark.parametrize("changes", [1, 3, 4])
def test_others_that_change_something_meanwhile_are_waited_for(tmp_path: Path, changes: int) -> None:
    """They fence somebody else, say."""
    target = Target(others=[Y, K])
    left = [1] * changes

    def then(_: tuple[int, int, int]) -> None:
        target.generation += left.pop() if left else 0

    target.then = then
    if changes < 4:
        target.register(tmp_path, listed=True)
        assert target.sent == {"sda": [*[CONFIRMED] * (changes + 1), ANEW]}
    else:
        with pytest.raises(FenceError) as failed:
            target.register(tmp_path, listed=True)
        assert failed.value.code == "maybe-fenced"
        assert ANEW not in target.sent["sda"]


@pytest.mark.promise(5)
def test_a_map_says_that_a_path_was_registered_blindly(tmp_path: Path) -> None:
    target = Target({"sdc": X})
    target.hidden = {X}
    disk = target.register(tmp_path, "sdb", "sdc", judge=refuse)
    assert [it.code for it in disk.warnings()] == ["registered-blindly"]


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize(("answer", "joined"), [(2, True), (0x10000, True), (0x8, False), (-errno.EAGAIN, False)])
def test_what_can_add_a_registration_is_sent_once(tmp_path: Path, answer: int, joined: bool) -> None:
    """This node may be fenced before the next time. Whether it may have been carried out is remembered."""
    target = Target()
    target._register = lambda *_: answer  # type: ignore[method-assign]
    with patch.object(fcntl, "ioctl", target.ioctl):
        disk = target.disk(tmp_path)
        with pytest.raises(FenceError):
            disk.register(K)
        disk.close()
    assert (target.sent, disk.joined) == ({"sda": [ANEW]}, joined)


def test_a_unit_attention_in_front_of_what_adds_nothing_is_repeated_away(tmp_path: Path) -> None:
    """Up to Linux 6.8 it ends a command, unexecuted, with 2."""
    target = Target({"sda": K})
    register, left = target._register, [2, 2]
    target._register = lambda *numbers: left.pop() if left else register(*numbers)  # type: ignore[method-assign]
    target.register(tmp_path, listed=True)
    assert target.sent == {"sda": [CONFIRMED] * 3}
    left[:] = [2] * 20
    with pytest.raises(DeviceFailure):
        target.register(tmp_path, listed=True)
