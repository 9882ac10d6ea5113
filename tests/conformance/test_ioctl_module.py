"""The shared ioctl module against a real target, on kernels with and without the READ ioctls."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.conformance.probe import briefs, calls

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

A, B = 0xA, 0xB00000000000000B
ALL_BITS = 0xFFFFFFFFFFFFFFFF
IGNORE_KEY, UNKNOWN_FLAG = 1, 1 << 31
WERO = 3
PATH_FAILED = 0x10000
TYPES = range(1, 7)
HAS_READ_IOCTLS = (6, 19)
# SPC-4 table 51: may a registered, an unregistered node write, read, while another holds the reservation?
ACCESS = {
    1: ("EBADE", "ok", "EBADE", "ok"),
    2: ("EBADE", "EBADE", "EBADE", "EBADE"),
    3: ("ok", "ok", "EBADE", "ok"),
    4: ("ok", "ok", "EBADE", "EBADE"),
    5: ("ok", "ok", "EBADE", "ok"),
    6: ("ok", "ok", "EBADE", "EBADE"),
}


def register(node: str, key: int, lun: str = "a") -> tuple[object, ...]:
    return node, lun, "pr_ioctl.register", 0, key, IGNORE_KEY


@pytest.mark.parametrize("reservation_type", TYPES)
def test_each_type_is_reserved_read_back_enforced_and_released(lab: Cluster, reservation_type: int) -> None:
    reserve = ("n1", "a", "pr_ioctl.reserve", A, reservation_type)
    assert briefs(lab, register("n1", A), register("n2", B), reserve) == ["ok"] * 3
    assert (lab.reservation("a").type, lab.reservation("a").holder) == (reservation_type, "n1")
    (read,) = calls(lab, ("n2", "a", "scsi.read_reservation"))
    assert (read.result["type"], read.result["key"]) == (reservation_type, A if reservation_type < 5 else 0)
    other = (lab.n2.write("a"), lab.n2.read("a"), lab.n3.write("a"), lab.n3.read("a"))
    assert other == ACCESS[reservation_type]
    assert (lab.n1.write("a"), lab.n1.read("a")) == ("ok", "ok")
    assert briefs(lab, ("n1", "a", "pr_ioctl.release", A, reservation_type)) == ["ok"]
    assert lab.reservation("a").type == 0


def test_keys_are_unsigned_64_bit_numbers(lab: Cluster) -> None:
    assert briefs(lab, register("n1", ALL_BITS), register("n2", 1)) == ["ok"] * 2
    assert lab.reservation("a").keys == {"n1": ALL_BITS, "n2": 1}
    (read,) = calls(lab, ("n1", "a", "scsi.read_keys"))
    assert sorted(read.result["keys"]) == [1, ALL_BITS]


def test_register_with_the_old_key_changes_and_removes_it(lab: Cluster) -> None:
    steps = [
        ("n1", "a", "pr_ioctl.register", 0, A),
        ("n1", "a", "pr_ioctl.register", B, 0x77),
        ("n1", "a", "pr_ioctl.register", A, 0x77),
    ]
    assert briefs(lab, *steps) == ["ok", "Conflict", "ok"]
    assert lab.reservation("a").keys == {"n1": 0x77}
    assert briefs(lab, ("n1", "a", "pr_ioctl.register", 0x77, 0)) == ["ok"]
    assert lab.reservation("a").keys == {}


@pytest.mark.parametrize("function", ["preempt", "preempt_abort"])
def test_preempt_takes_the_own_key_first(lab: Cluster, function: str) -> None:
    call = f"pr_ioctl.{function}"
    reserve = ("n2", "a", "pr_ioctl.reserve", B, WERO)
    assert briefs(lab, register("n1", A), register("n2", B), reserve) == ["ok"] * 3
    assert briefs(lab, ("n1", "a", call, B, A, WERO)) == ["Conflict"]
    assert lab.reservation("a").keys == {"n1": A, "n2": B}
    assert briefs(lab, ("n1", "a", call, A, B, WERO)) == ["ok"]
    assert (lab.reservation("a").keys, lab.reservation("a").holder) == ({"n1": A}, "n1")
    assert lab.n2.write("a") == "EBADE"


def test_clear_leaves_nothing(lab: Cluster) -> None:
    reserve = ("n1", "a", "pr_ioctl.reserve", A, WERO)
    clear = ("n2", "a", "pr_ioctl.clear", B)
    assert briefs(lab, register("n1", A), register("n2", B), reserve, clear) == ["ok"] * 4
    assert (lab.reservation("a").keys, lab.reservation("a").type) == ({}, 0)


def test_unknown_flags_reach_the_kernel_and_its_answer_comes_back(lab: Cluster) -> None:
    answers = calls(
        lab,
        ("n1", "a", "pr_ioctl.register", 0, A, UNKNOWN_FLAG),
        register("n1", A),
        ("n1", "a", "pr_ioctl.reserve", A, WERO, UNKNOWN_FLAG),
        ("n1", "a", "pr_ioctl.reserve", A, WERO, IGNORE_KEY),
        ("n1", "a", "pr_ioctl.release", A, WERO, IGNORE_KEY),
        ("n1", "a", "pr_ioctl.preempt", A, B, WERO, IGNORE_KEY),
        ("n1", "a", "pr_ioctl.preempt_abort", A, B, WERO, IGNORE_KEY),
        ("n1", "a", "pr_ioctl.clear", A, IGNORE_KEY),
    )
    refused = [answer for answer in answers if answer.error]
    assert len(refused) == len(answers) - 1
    assert {(answer.error, answer.status) for answer in refused} == {("NotSupported", -errno.EOPNOTSUPP)}


@pytest.mark.promise(5)
def test_one_vocabulary_on_every_kernel(lab: Cluster) -> None:
    answers = calls(
        lab,
        ("n1", "a", "pr_ioctl.preempt", A, B, WERO),  # not registered
        register("n1", A),
        ("n1", "a", "pr_ioctl.register", 0, B),  # registered with another key
        ("n1", "a", "pr_ioctl.reserve", B, WERO),  # wrong key
        ("n1", "a", "pr_ioctl.reserve", A, 7),  # no such type
        ("n1", "a", "pr_ioctl.preempt", A, 0, WERO),  # no such victim
        ("n1", "nopr", "scsi.read_keys"),  # a target without reservations
    )
    kinds = ["Conflict", "ok", "Conflict", "Conflict", "Invalid", "Invalid", "NotSupported"]
    assert [answer.brief for answer in answers] == kinds
    assert answers[0].status == (0x118 if lab.release == (6, 1) else 0x18)
    assert answers[4].status == (0x402 if lab.release == (6, 1) else -errno.EINVAL)
    assert answers[0].text.startswith(f"{lab.n1.disk('a')}: preempt: reservation conflict (status 0x")


@pytest.mark.promise(5)
def test_a_path_that_breaks_is_a_path_failure(lab: Cluster) -> None:
    lab.drain()
    lab.n1.cut("a")
    (answer,) = calls(lab, ("n1", "a", "pr_ioctl.register", 0, A, IGNORE_KEY), drain=False)
    assert (answer.error, answer.status) == ("PathFailure", PATH_FAILED)
    assert "check the connection to the storage" in answer.text


def test_the_read_ioctls_agree_with_the_target_where_the_kernel_has_them(lab: Cluster) -> None:
    reserve = ("n1", "a", "pr_ioctl.reserve", A, WERO)
    assert briefs(lab, register("n1", A), register("n2", B), reserve) == ["ok"] * 3
    names = "pr_ioctl.read_keys", "pr_ioctl.read_reservation", "scsi.read_keys", "scsi.read_reservation"
    answers = calls(lab, *(("n2", "a", name) for name in names))
    if lab.release < HAS_READ_IOCTLS:
        assert [(answer.error, answer.status) for answer in answers[:2]] == [("Invalid", -errno.EINVAL)] * 2
    else:
        assert [answer.result for answer in answers[:2]] == [answer.result for answer in answers[2:]]
    generation = lab.reservation("a").generation
    assert answers[2].result == {"generation": generation, "keys": [A, B]}
    assert answers[3].result == {"generation": generation, "type": WERO, "key": A}


def test_a_list_that_does_not_fit_is_read_again_with_more_room(lab: Cluster) -> None:
    small = {"pr_ioctl._FIRST_CAPACITY": 1, "scsi._FIRST_BYTES": 16}
    assert briefs(lab, *(register(node, number) for number, node in enumerate(lab.nodes, 1))) == ["ok"] * 3
    names = ["scsi.read_keys"] + ["pr_ioctl.read_keys"] * (lab.release >= HAS_READ_IOCTLS)
    for answer in calls(lab, *(("n1", "a", name) for name in names), constants=small):
        assert answer.result["keys"] == [1, 2, 3]


def test_the_target_says_what_it_can_do(lab: Cluster) -> None:
    (answer,) = calls(lab, ("n1", "a", "scsi.report_capabilities"))
    assert sorted(answer.result["types"]) == list(TYPES)
