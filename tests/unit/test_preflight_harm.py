"""'preflight' where it could do harm or lie: what it writes to, what it leaves, what it says of what nobody saw."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import DeviceRefused, FenceError
from fence_pr.storage import device
from fence_pr.tool.cluster import FenceDevice
from fence_pr.tool.preflight import operator as preflight_operator
from fence_pr.tool.preflight import refusal as preflight_refusal
from fence_pr.tool.preflight import signature as preflight_signature
from fence_pr.tool.preflight import subcommand as preflight
from fence_pr.tool.preflight.keys import ScratchKeys, foreign
from fence_pr.tool.preflight.other_node import OtherNode
from tests.model.lio import Lio
from tests.unit import tooling
from tests.unit.preflight_world import IDENTITY, NAME, SIZE, Site, Store, seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITH = "--with=n2"
BLOCK = 4096


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Site]:
    return partial(Site, monkeypatch, capfd)


def once(raised: Exception) -> Callable[[], None]:
    """A fault that happens the first time alone."""
    left = [raised]

    def fault() -> None:
        if left:
            raise left.pop()

    return fault


# What it writes to


@pytest.mark.parametrize("step", ["restart", "relogin"])
def test_a_disk_without_identity_is_not_opened_again(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Its name may be another disk's by then, and nothing would tell."""
    site = make()
    site.identities = {"n1": ""}
    first, other = site.store, Store(Lio())
    other.unit.call("n9", "register", 0, 0x77)

    def renamed(_: str) -> str:
        site.store = other
        return ""

    monkeypatch.setattr(preflight_operator, "_run", renamed)
    site.fly("--write", f"--only={step}", f"--{step}=x")
    assert (other.blocks, other.unit.generation) == ({}, 1)
    assert first.unit.keys == {}


def test_a_hand_opens_no_disk_again_that_does_not_say_who_it_is(make: Callable[..., Site]) -> None:
    site = make()
    site.identities = {"n1": ""}
    hand = preflight.reach("", "", NAME)._hand  # type: ignore[attr-defined]
    assert "outcome" not in hand.answer({"ask": "open"})
    assert hand.answer({"ask": "open"})["notice"]["code"] == "disk-became-another"


def test_what_stands_where_it_writes_counts_too(make: Callable[..., Site]) -> None:
    """The beginning of a disk may be zeros while its data are there: somebody has just overwritten that part."""
    site = make()
    site.store.blocks[SIZE // 2 + 8192] = b"rows".ljust(BLOCK, b"\0")
    report = site.fly("--write")
    assert [it["code"] for it in report["problems"]] == ["disk-not-free"]


class Image:
    """A disk of this content."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def size(self) -> int:
        return len(self._content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]


def test_the_last_sectors_of_a_disk_of_any_size_are_looked_at() -> None:
    """A RAID controller's mark may be all that stands there."""
    image: Any = Image(bytes(SIZE + 3 * 512 - 4) + b"mark")
    assert [it.code for it in preflight_signature.by_reading(image)] == ["disk-has-content"]


@pytest.mark.parametrize(("at", "magic"), [(1 << 20, "0dd001c0"), (2 << 20, "5ef1ab2f")])
def test_vmfs_begins_behind_the_first_megabyte(at: int, magic: str) -> None:
    image: Any = Image(bytes(at) + bytes.fromhex(magic).ljust(SIZE - at, b"\0"))
    (reason,) = preflight_signature.by_reading(image)
    assert "VMFS" in reason.what()


def test_what_somebody_claims_between_the_look_and_the_first_write_is_in_use(make: Callable[..., Site]) -> None:
    """He who formats it, or mounts it, while the identity is typed."""
    site = make()
    site.claims = once(OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
    report = site.fly("--write", f"--yes={IDENTITY}")
    assert [it["code"] for it in report["problems"]] == ["disk-used-here"]
    assert (site.store.blocks, site.unit.generation) == ({}, 0)


@pytest.mark.parametrize("step", [[], ["--restart=true"]])
def test_a_disk_that_is_tried_is_claimed_all_the_time(make: Callable[..., Site], step: list[str]) -> None:
    site = make()
    claimed: list[int] = []
    site.claims = lambda: claimed.append(1)
    assert site.fly("--write", "--only=register,restart" if step else "--only=register", *step)["exit_status"] == 0
    assert len(claimed) == 1 + len(step)


def test_a_cluster_whose_tools_are_missing_cannot_be_asked(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make()
    monkeypatch.setattr(preflight_refusal, "_COROSYNC", __file__)
    report = site.fly("--write")
    assert [it["code"] for it in report["problems"]] == ["disk-not-free"]
    assert "cibadmin" in report["problems"][0]["text"]


@pytest.mark.parametrize("code", ["path-of-map", "device-unreadable", "device-missing"])
def test_a_disk_of_the_cluster_that_nobody_can_tell_from_this_one_counts(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Such as the path of the very map that is tried."""
    site = make()

    def refuse(name: str) -> Any:
        raise DeviceRefused(code, name)

    monkeypatch.setattr(preflight_refusal, "fence_devices", lambda _: (FenceDevice("fence", {"devices": "/dev/sdq"}),))
    monkeypatch.setattr(device, "resolve", refuse)
    report = site.fly("--write")
    assert [it["code"] for it in report["problems"]] == ["disk-not-free"]
    assert "fence" in report["problems"][0]["text"]
    assert "/dev/sdq" in report["problems"][0]["text"]


def test_a_page_takes_the_place_of_a_file_alone(make: Callable[..., Site], tmp_path: Path) -> None:
    """Not of a device node, or of /dev/stdout."""
    site = make()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/null")
    for name in ("fifo", "link"):
        before = os.lstat(tmp_path / name)
        report = site.fly(f"--html={tmp_path}/{name}")
        assert [it["code"] for it in report["problems"]] == ["page-unwritable"]
        assert os.lstat(tmp_path / name).st_ino == before.st_ino
    (tmp_path / "file").write_text("old")
    assert site.fly(f"--html={tmp_path}/file")["exit_status"] == 0


def test_a_key_that_no_run_makes_is_foreign() -> None:
    own = ScratchKeys(b"12").own
    assert foreign([own, (own & ~0xFF) | 4, own & ~0xFF]) == [own & ~0xFF, (own & ~0xFF) | 4]


# What it leaves


def test_a_path_that_dies_does_not_keep_the_others_registered(make: Callable[..., Site]) -> None:
    site = make(paths=2)
    hand = preflight.reach("", "", NAME)._hand  # type: ignore[attr-defined]
    for question in ({"ask": "open"}, {"ask": "register", "old": 0, "key": 5},
                     {"ask": "register", "old": 0, "key": 5, "path": 1}):  # fmt: skip
        assert hand.answer(question).get("outcome", "done") == "done"
    site.faults["register"] = once(FenceError("path-failure", disk="x", operation="register"))
    hand.end()
    assert [*site.unit.keys] == ["n1"]


def test_a_refused_registration_does_not_hide_the_one_that_stands(make: Callable[..., Site]) -> None:
    """A hand that loses its caller just then still knows what it has left."""
    site = make()
    hand = preflight.reach("", "", NAME)._hand  # type: ignore[attr-defined]
    hand.answer({"ask": "open"})
    assert hand.answer({"ask": "register", "old": 0, "key": 5})["outcome"] == "done"
    assert hand.answer({"ask": "register", "old": 6, "key": 6})["outcome"] == "conflict"
    hand.end()
    assert site.free()


def test_what_a_lost_node_has_left_the_other_one_removes(make: Callable[..., Site]) -> None:
    site = make()
    silent = FenceError("other-node-silent", node="n2", operation="x", answer="none within 1 s")
    site.away = {"n2": ("stream", silent)}
    report = site.fly(WITH, "--only=abort-holder")
    assert seen(report, "FAIL")["abort-holder"] == ["other-node-silent"]
    assert site.free()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_hand_that_is_told_to_end_takes_away_what_it_left(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    from fence_pr.tool import main
    from fence_pr.tool.preflight import hand as preflight_hand

    site = make()
    hand = preflight.reach("", "", NAME)._hand  # type: ignore[attr-defined]
    monkeypatch.setattr(preflight_hand, "Hand", lambda _name: hand)
    went_on: list[bool] = []

    def serve(answer: Any) -> None:
        for question in ({"ask": "open"}, {"ask": "register", "old": 0, "key": 5}):
            answer(question)
        assert site.unit.keys
        os.kill(os.getpid(), number)
        time.sleep(0.1)
        went_on.append(True)

    monkeypatch.setattr(preflight, "serve", serve)
    before = signal.signal(number, lambda *_: None)
    try:
        with pytest.raises(SystemExit):
            main.main(["preflight", "--other-end", NAME])
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(number, before)
    assert (went_on, site.free()) == ([], True)


def test_an_end_that_is_slow_is_given_time_to_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport sys, time\nsys.stdin.readline()\ntime.sleep(1)\n"
                       f"assert not sys.stdin.read()\nopen({str(tmp_path / 'clean')!r}, 'w')\n")  # fmt: skip
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    node = OtherNode("n1", "", [])
    with pytest.raises(FenceError):
        node.ask({"ask": "preempt"}, 0.3)
    node.close(10)
    assert (tmp_path / "clean").exists()


def test_a_victim_that_is_lost_does_not_write_for_ever(make: Callable[..., Site]) -> None:
    site = make()
    hand = preflight.reach("", "", NAME)._hand  # type: ignore[attr-defined]
    hand.answer({"ask": "open"})
    hand.answer({"ask": "stream", "run": "0" * 16, "first": 1, "offset": 0, "seconds": 0.2})
    time.sleep(0.4)
    before = hand.answer({"ask": "streamed"})["count"]
    time.sleep(0.2)
    assert 0 < hand.answer({"ask": "streamed"})["count"] == before
    hand.end()
    assert site.free()


# What it says


def test_a_step_that_could_not_be_cleaned_up_after_is_no_pass(make: Callable[..., Site]) -> None:
    site = make()
    site.lost_once = {"leave": FenceError("other-node-silent", node="n1", operation="leave", answer="none within 1 s")}
    report = site.fly("--write")
    assert (report["found"]["verdict"], report["exit_status"]) == ("FAIL", 1)
    assert "other-node-silent" in {it["code"] for it in report["problems"]}


def broken_writes(site: Site, nexus: str, code: int) -> None:
    right = site.store.write

    def write(of: str, offset: int, data: bytes) -> None:
        if of == nexus:
            raise OSError(code, os.strerror(code))
        right(of, offset, data)

    site.store.write = write  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("only", ["enforce-we", "enforce-ea"])
def test_a_write_that_fails_for_another_reason_was_not_shut_out(make: Callable[..., Site], only: str) -> None:
    """A disk that is read-only on the other node proves nothing."""
    site = make()
    broken_writes(site, "n2", errno.EROFS)
    report = site.fly(WITH, f"--only={only}")
    assert seen(report, "FAIL") == {only: ["refused-otherwise"]}


def test_a_victim_whose_path_breaks_was_not_shut_out(make: Callable[..., Site]) -> None:
    site = make()
    right = site.store.write

    def write(of: str, offset: int, data: bytes) -> None:
        try:
            right(of, offset, data)
        except OSError as error:
            raise OSError(errno.EIO if of == "n2" else error.errno, "x") from error

    site.store.write = write  # type: ignore[method-assign,assignment]
    report = site.fly(WITH, "--only=abort-registrant")
    assert "abort-registrant" not in seen(report, "PASS")
    assert "abort-registrant" in seen(report, "FAIL")


def test_half_a_block_that_lands_later_has_landed() -> None:
    from fence_pr.tool.preflight.abort import _late

    cut = {"first": [7, 8, 0], "later": [], "ended": 1.0}
    assert _late(cut, [7, 0, 0], [], 1.0) == [[0, 0.0]]


@pytest.mark.parametrize("ask", ["cut_off", "stop"])
def test_an_answer_that_lacks_what_was_asked_for_is_no_crash(make: Callable[..., Site], ask: str) -> None:
    site = make()
    notice = {"code": "blocks-unreadable", "fields": {"disk": NAME, "answer": "EIO"}}
    site.says = {ask: {"outcome": "failed", "notice": notice}}
    report = site.fly(WITH, "--only=abort-registrant")
    assert "abort-registrant" in seen(report, "FAIL")


@pytest.mark.parametrize("line", ["3", "[]", "null", '"x"'])
def test_an_answer_that_is_no_object_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho '{line}'; sleep 5\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    node = OtherNode("n2", "", [])
    with pytest.raises(FenceError) as caught:
        node.ask({"ask": "open"}, 5)
    assert caught.value.code == "other-node-unreachable"
    node.close(0.1)


@pytest.mark.parametrize("ask", ["open", "look", "use"])
def test_an_answer_of_another_version_ends_the_run(make: Callable[..., Site], ask: str) -> None:
    site = make()
    site.says = {ask: {"hello": 1}}
    report = site.fly(WITH)
    assert report["exit_status"] in (1, 3)
    assert "other-node-unreachable" in {it["code"] for it in [*report["unseen"], *report["problems"]]}
    assert site.store.blocks == {}


@pytest.mark.parametrize("rsh", ["  ", "''"])
def test_without_a_remote_shell_this_node_does_not_play_the_other(make: Callable[..., Site], rsh: str) -> None:
    site = make()
    report = tooling.reported(site._capfd, "preflight", NAME, WITH, f"--rsh={rsh}")
    assert [it["code"] for it in report["problems"]] == ["remote-shell-malformed"]


def test_a_name_that_is_no_text_is_written_nevertheless(make: Callable[..., Site], tmp_path: Path) -> None:
    from fence_pr.tool.preflight import page as preflight_page

    site = make()
    report = site.fly()
    report["found"]["disk"] = "/dev/x\udcff"
    made = preflight_page.write(f"{tmp_path}/page", report)
    assert made["found"]["page"]["problem"] is None
    assert IDENTITY in (tmp_path / "page").read_text()
