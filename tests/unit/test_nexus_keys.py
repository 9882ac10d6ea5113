"""With which keys this very node is registered, asked without changing anything."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from fence_pr.errors import DeviceFailure
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.unit.test_register import K, Target, X, Y, Z

if TYPE_CHECKING:
    from pathlib import Path


def nexus_keys(target: Target, folder: Path, *paths: str) -> tuple[int, ...] | None:
    """With which keys this node is registered; K is not listed."""
    with patch.object(fcntl, "ioctl", target.ioctl):
        disk = target.disk(folder, *paths)
        try:
            return disk.nexus_keys(K)
        finally:
            disk.close()


@pytest.mark.promise(2)
@pytest.mark.parametrize("conflict", [0x18, 0x118])
@pytest.mark.parametrize(
    ("own", "others", "keys", "asked"),
    [
        (0, [X, Y], (), [X, Y]),
        (0, [], (), []),
        (X, [Y, Z], (X,), [X, K]),
        (Z, [X, X, Y], (Z,), [X, Y, Z, K]),
        (K, [X], (K,), [K]),  # 'on' was here meanwhile
        (0, list(range(0x100, 0x140)), (), list(range(0x100, 0x140))),
        (0, list(range(0x100, 0x141)), None, []),
    ],
)
def test_which_key_this_nexus_has_is_asked_by_commands_that_change_nothing(
    tmp_path: Path, own: int, others: list[int], keys: tuple[int, ...] | None, asked: list[int], conflict: int
) -> None:
    target = Target({"sda": own} if own else {}, others)
    target.conflict = conflict
    assert nexus_keys(target, tmp_path) == keys
    assert target.sent.get("sda", []) == [(it, it, 0) for it in asked]
    assert target.own == ({"sda": own} if own else {})


class Liar(Target):
    """A target that does not look at the key that REGISTER names. adds: and registers whoever sent it."""

    def __init__(self, others: list[int], *, adds: bool) -> None:
        super().__init__({}, others)
        self._adds = adds

    def _register(self, node: str, old: int, new: int, flags: int) -> int:
        assert not flags
        if self._adds:
            registered = self.own.setdefault(node, new)
            return 0 if registered == old else self.conflict
        return 0


@pytest.mark.promise(2)
@pytest.mark.parametrize("adds", [False, True])
def test_a_target_that_takes_any_key_for_this_nexus_is_not_believed(tmp_path: Path, adds: bool) -> None:
    """Else a fenced node would pass for one that is registered."""
    assert nexus_keys(Liar([X, Y], adds=adds), tmp_path) is None


def test_a_path_that_fails_when_it_is_asked_for_its_key_says_so(tmp_path: Path) -> None:
    target = Target({}, [X])
    target.conflict = 2
    with pytest.raises(DeviceFailure):
        nexus_keys(target, tmp_path)


@pytest.mark.parametrize(
    ("own", "keys"),
    [({}, ()), ({"sdb": X}, (X,)), ({"sda": Y, "sdb": X}, (X, Y)), ({"sdb": Z, "sda": K}, (K, Z))],
)
def test_over_a_map_each_path_is_asked(tmp_path: Path, own: dict[str, int], keys: tuple[int, ...]) -> None:
    assert nexus_keys(Target(own, [X, Y, Z]), tmp_path, "sda", "sdb") == keys


class Failing(Target):
    """A target whose path sdb fails each REGISTER."""

    def _register(self, node: str, old: int, new: int, flags: int) -> int:
        return 0x10000 if node == "sdb" else super()._register(node, old, new, flags)


@pytest.mark.parametrize(("own", "keys"), [({}, None), ({"sda": X}, (X,))])
def test_a_path_of_a_map_that_fails_tells_nothing(
    tmp_path: Path, own: dict[str, int], keys: tuple[int, ...] | None
) -> None:
    assert nexus_keys(Failing(own, [X]), tmp_path, "sda", "sdb") == keys


@pytest.mark.promise(2)
def test_a_key_zero_in_the_list_is_never_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From no key to none is refused to nobody."""
    monkeypatch.setattr(ScsiDisk, "keys", lambda _: (0, X))
    target = Target({"sda": X})
    assert nexus_keys(target, tmp_path) is None
    assert target.sent == {}
