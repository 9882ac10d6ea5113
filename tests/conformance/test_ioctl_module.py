"""The shared ioctl module against a real target: flags, raw statuses, READ ioctls; what it does is in the table."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.conformance.probe import briefs, calls
from tests.lab import plugin

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

pytestmark = plugin.each

A, B = 0xA, 0xB00000000000000B
IGNORE_KEY, UNKNOWN_FLAG = 1, 1 << 31
WERO = 3
PATH_FAILED = 0x10000
TYPES = range(1, 7)
HAS_READ_IOCTLS = (6, 19)


def register(node: str, key: int, lun: str = "a") -> tuple[object, ...]:
    return node, lun, "pr_ioctl.register", 0, key, IGNORE_KEY


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
    # On Linux 6.1 the device may be away before it can be opened.
    assert (answer.error, answer.status in (PATH_FAILED, -errno.ENXIO)) == ("PathFailure", True), answer
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
