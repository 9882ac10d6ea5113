"""What is remembered of a disk beyond a boot: written, read again, damaged, in the wrong place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr import bindings
from fence_pr.actions.this_node import ThisNode
from fence_pr.bindings import Bindings, Parameters
from fence_pr.errors import Notice
from fence_pr.storage.device import SCSI, Device

if TYPE_CHECKING:
    from pathlib import Path

DISK = "naa.6001405abc"
LAB, OLD = Parameters("hash64", "lab"), Parameters("hash", "an old name")
FULL = Bindings(
    (LAB, OLD), (0x1, 0xFFFFFFFFFFFFFFFF), (("iqn.2026-01.test:n2", "n2"), ("nvme.00", "n 3")), shared=(4, 2)
)

_WORD = st.text(st.characters(codec="utf-8", exclude_characters="\n \0"), min_size=1)
_LINE = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1)
_KEYS = st.integers(1, 2**64 - 1)


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    assert bindings.load(DISK, str(tmp_path / "none"), str(tmp_path / "nothing")) == Bindings()


@given(
    st.lists(st.builds(Parameters, _WORD, _LINE), max_size=4).map(tuple),
    st.lists(_KEYS, max_size=8).map(tuple),
    st.lists(st.tuples(_WORD, _LINE)).map(tuple),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1, max_size=40),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    made: tuple[Parameters, ...],
    keys: tuple[int, ...],
    hosts: tuple[tuple[str, str], ...],
    disk: str,
) -> None:
    folder = str(tmp_path_factory.mktemp("bindings"))
    bindings.save(disk, Bindings(made, keys, hosts), folder)
    assert bindings.load(disk, folder) == Bindings(made, keys, hosts)


def test_the_copy_in_memory_is_read_first_and_the_other_one_lasts(tmp_path: Path) -> None:
    lasting, memory = tmp_path / "lib", tmp_path / "run"
    bindings.save(DISK, FULL, str(lasting), str(memory))
    (lasting / DISK).write_text("a disk that does not answer would not even give this")
    assert bindings.load(DISK, str(lasting), str(memory)) == FULL
    bindings.save(DISK, FULL, str(lasting), str(memory))
    (memory / f"+{DISK}").unlink()
    assert bindings.load(DISK, str(lasting), str(memory)) == FULL


@pytest.mark.parametrize("cut", range(0, 150, 7))
def test_what_is_cut_off_is_not_believed(tmp_path: Path, cut: int) -> None:
    bindings.save(DISK, FULL, str(tmp_path))
    path = tmp_path / DISK
    whole = path.read_bytes()
    assert len(whole) > cut
    path.write_bytes(whole[:cut])
    with pytest.raises(ValueError, match=DISK):
        bindings.load(DISK, str(tmp_path))


_FIRST = f"disk={DISK}\n"
_MANY = "".join(f"parameters=hash64 c{number}\n" for number in range(5))


@pytest.mark.parametrize(
    "text",
    [
        "", "end\n", "disk=naa.1\nend\n", f"{_FIRST}key=0x0\nend\n", f"{_FIRST}host=iqn.a\nend\n",
        f"{_FIRST}parameters=hash64 \nend\n", f"{_FIRST}verdict=off n2\nend\n", f"{_FIRST}key\nend\n",
        f"disk={DISK}", _FIRST, f"{_FIRST}node=n1\n{_MANY}end\n",
        f"{_FIRST}node=n1\nshared=4\nend\n", f"{_FIRST}node=n1\nshared=4 x\nend\n",
        f"{_FIRST}node=n1\nshared=4 1\nshared=4 2\nend\n",
    ],
)  # fmt: skip
def test_what_is_not_ours_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / DISK).write_text(text)
    with pytest.raises(ValueError, match="damaged"):
        bindings.load(DISK, str(tmp_path))


def test_another_disks_file_is_not_believed(tmp_path: Path) -> None:
    bindings.save("naa.1", FULL, str(tmp_path))
    (tmp_path / "naa.1").rename(tmp_path / DISK)
    with pytest.raises(ValueError, match="another disk's"):
        bindings.load(DISK, str(tmp_path))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    bindings.save("naa.1", FULL, str(tmp_path))
    (tmp_path / DISK).symlink_to(tmp_path / "naa.1")
    with pytest.raises(OSError, match="symbolic links"):
        bindings.load(DISK, str(tmp_path))


def test_the_newest_comes_first_each_once_and_there_is_an_end() -> None:
    found = Bindings().with_own(1, OLD).with_own(2, LAB).with_own(1, LAB)
    assert (found.parameters, found.own_keys) == ((LAB, OLD), (1, 2))
    for number in range(20):
        found = found.with_own(number + 1, Parameters("hash64", f"name {number}"))
    assert [it.cluster for it in found.parameters] == ["name 19", "name 18", "name 17", "name 16"]
    assert found.own_keys == tuple(range(20, 12, -1))


def test_a_key_that_was_given_ends_what_names_tell() -> None:
    assert Bindings().with_own(1, LAB).with_own(2, None) == Bindings((), (2, 1))


def test_what_was_seen_last_of_a_host_holds() -> None:
    seen = Bindings().with_hosts({"iqn.a": "n1", "iqn.b": "n2"})
    assert seen.with_hosts({"iqn.a": "n1"}) is seen
    assert seen.with_hosts({}) is seen
    later = seen.with_hosts({"iqn.a": "n2"})
    assert sorted(later.hosts) == [("iqn.a", "n2"), ("iqn.b", "n2")]
    many = Bindings().with_hosts({f"iqn.{number}": "n1" for number in range(2000)})
    assert len(many.hosts) == 1024


@pytest.mark.parametrize(
    ("made", "now", "enough"),
    [
        ((4, 1), (1, 4), True),
        ((4, 1), (1, 2), True),
        ((4, 1), (1, 5), False),
        ((4, 2), (1, 4), False),
        ((4, 2), (2, 3), True),
        ((4, 4), (3, 4), False),
        ((4, 4), (4, 4), True),
        ((2, 3), (1, 2), False),
        ((2, 0), (1, 2), False),
    ],
)
def test_registrations_that_ports_share_are_as_many_as_on_made(
    made: tuple[int, int], now: tuple[int, int], enough: bool
) -> None:
    """made: paths and registrations then; now: registrations and paths."""
    found = Bindings().with_own(1, LAB, "n1").with_shared(*made).with_hosts({"iqn.a": "n1"})
    assert found.with_own(2, LAB, "n1").are_enough(*now) == enough
    assert not found.with_shared(4, 4).are_enough(1, 2)


@pytest.mark.parametrize(("local", "kept"), [("", True), ("n1", True), ("n2", False)])
def test_what_another_node_has_written_is_not_believed(tmp_path: Path, local: str, kept: bool) -> None:
    """A machine made from another one has its notes. Whoever does not know its own name cannot tell, and keeps them."""
    device = Device("/dev/sda", "/dev/sda", DISK, SCSI)
    node = ThisNode(str(tmp_path / "run"), str(tmp_path / "lib"))
    written, said = Bindings(own_keys=(1,), node="n1"), list[Notice]()
    node.remember(device, written, said.append)
    assert said == []
    found = node.bindings(device, local, said.append)
    assert found == (written if kept else Bindings())
    assert [it.code for it in said] == ([] if kept else ["bindings-of-another"])
