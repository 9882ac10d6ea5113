"""Other disks for a fence device: nothing is restarted, nothing of somebody else's overwritten, nothing half done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import FenceError
from fence_pr.tool import cib, device_change
from fence_pr.tool.device_change import DeviceChange
from tests.unit import fake_cluster
from tests.unit.fake_cluster import NAME, FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from fence_pr.errors import Notice

OLD, NEW = ("/dev/a", "/dev/b"), ("/dev/a", "/dev/b", "/dev/c")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_change, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(device_change, "_UNEXPECTED_SECONDS", 0.05)


class Case:
    """A cluster and a change of it."""

    def __init__(self) -> None:
        self.cluster = FakeCluster(OLD)
        self.steps: list[Notice] = []
        self.change = DeviceChange(self.cluster, NAME, self.steps.append, fake_cluster.soon())  # type: ignore[arg-type]

    def do(self, wanted: tuple[str, ...] = NEW) -> bool:
        """Check and change."""
        looked = self.change.look()
        self.change.check(looked, wanted)
        self.change.carry_out(looked, wanted)
        runs = self.change.settle(looked, wanted)
        assert self.change.harmed(looked) == []
        return runs

    def disks(self) -> tuple[str, ...]:
        return cib.disks(self.cluster.text, NAME)

    def values(self) -> set[str]:
        """What nodes were unfenced with, by this fence device."""
        return {it for value in cib.digests(self.cluster.text).values() for it in value.split(",") if NAME in it}

    def untouched(self) -> bool:
        """Whether everything is as it was, and nothing is held."""
        same = cib.configuration(self.cluster.text) == cib.configuration(fake_cluster.text(OLD))
        return same and self.values() == {f"{NAME}:fence_pr_ioctl:{fake_cluster.digest(OLD)}"}


@pytest.fixture
def case() -> Case:
    return Case()


@pytest.mark.parametrize("wanted", [NEW, OLD[:1]])
def test_the_fence_device_has_other_disks_and_nothing_was_restarted(case: Case, wanted: tuple[str, ...]) -> None:
    assert case.do(wanted)
    assert (case.disks(), case.cluster.restarts) == (wanted, [])
    assert case.values() == {f"{NAME}:fence_pr_ioctl:{fake_cluster.digest(wanted)}"}
    steps = [it.code for it in case.steps]
    assert steps == ["digest-added", "device-held", "device-forgotten", "disks-set", "device-released", "digest-alone"]
    assert "other:fence_x:1" in case.cluster.text
    assert "<!-- ours -->" in case.cluster.text
    assert not cib.is_held(case.cluster.text, NAME)


def test_what_the_cluster_does_without_the_digests_is_what_the_check_would_refuse(case: Case) -> None:
    """So the fake is one that can tell."""
    case.cluster.replace(case.cluster.text, cib.with_disks(case.cluster.text, NAME, NEW))
    assert ("stop", "app") in case.cluster.restarts
    assert ("fence (on)", "n1") in case.cluster.restarts


def test_status_that_changes_meanwhile_is_no_obstacle(case: Case) -> None:
    case.cluster.before = [case.cluster.status_changes] * 5
    assert case.do()
    assert (case.disks(), case.cluster.restarts) == (NEW, [])


def test_status_that_changes_all_the_time_is_one(case: Case) -> None:
    looked = case.change.look()
    case.cluster.before = [case.cluster.status_changes] * device_change._TRIES
    with pytest.raises(FenceError) as failure:
        case.change.carry_out(looked, NEW)
    assert failure.value.code == "cluster-not-at-rest"
    assert case.untouched()
    assert case.cluster.restarts == []


@pytest.mark.parametrize("changes", [1, 2])
def test_somebody_else_is_not_overwritten(case: Case, changes: int) -> None:
    """Before it is held, and between that and the disks."""
    looked = case.change.look()
    case.cluster.before = [lambda: None] * (changes - 1) + [case.cluster.somebody_configures]
    with pytest.raises(FenceError) as failure:
        case.change.carry_out(looked, NEW)
    assert failure.value.code == "configuration-changed"
    assert (case.disks(), cib.is_held(case.cluster.text, NAME), case.cluster.restarts) == (OLD, False, [])
    assert 'name="stonith-enabled" value="false"' in case.cluster.text


def test_a_cluster_that_would_do_more_is_left_alone(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case.cluster, "digests", lambda *_: {"all": "x", "nonprivate": "x"})
    with pytest.raises(FenceError) as failure:
        case.do()
    assert failure.value.code == "would-restart"
    assert "fence (on) n1" in str(failure.value)
    assert case.untouched()
    assert case.cluster.asked == []


def test_what_it_was_about_to_do_anyway_is_no_reason(case: Case) -> None:
    """A fencing that fails because of the disk that is to go."""
    case.cluster.busy = (("fence (reboot)", "n2"),)
    assert case.do(OLD[:1])
    assert case.disks() == OLD[:1]


def test_one_that_does_not_forget_gets_everything_back(case: Case) -> None:
    case.cluster.forgets = False
    with pytest.raises(FenceError) as failure:
        case.do()
    assert failure.value.code == "step-without-end"
    assert [it.code for it in case.steps][-2:] == ["taking-back", "digest-alone"]
    assert case.untouched()
    assert case.cluster.restarts == []


def test_one_that_takes_nothing_back_is_told_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.cluster.forgets = False
    kept = case.cluster.replace

    def replace(old: str, new: str) -> bool:
        return kept(old, new) if fake_cluster.is_held(new) else False

    monkeypatch.setattr(case.cluster, "replace", replace)
    with pytest.raises(FenceError) as failure:
        case.do()
    assert failure.value.code == "device-left-held"
    assert "by-pr_fence" in str(failure.value)


def test_a_call_that_was_killed_is_finished_by_the_next(case: Case) -> None:
    case.cluster.replace(case.cluster.text, cib.held(case.cluster.text, NAME))
    assert case.do()
    assert (case.disks(), cib.is_held(case.cluster.text, NAME), case.cluster.restarts) == (NEW, False, [])


@pytest.mark.parametrize("ran", [True, False])
def test_a_fence_device_that_does_not_start_is_told_of(case: Case, ran: bool) -> None:
    if not ran:
        case.cluster.refresh(NAME)
        case.cluster.starts = False
    looked = case.change.look()
    case.cluster.starts = False
    began = time.monotonic()
    case.change.carry_out(looked, NEW)
    assert not case.change.settle(looked, NEW)
    assert (case.disks(), time.monotonic() - began > 0.4) == (NEW, ran)


def test_what_was_started_meanwhile_is_told(case: Case) -> None:
    looked = case.change.look()
    case.cluster.text = case.cluster.text.replace('call-id="5"', 'call-id="9"', 1)
    case.cluster.busy = (("stop", "db"),)
    assert case.change.harmed(looked) == ["start app (n1)", "stop db"]


def test_somebody_who_is_faster_after_the_change_is_not_overwritten_either(case: Case) -> None:
    """What was there for the change alone is left behind then, and the next call takes it away."""
    looked = case.change.look()
    case.change.carry_out(looked, NEW)
    case.cluster.somebody_configures()
    with pytest.raises(FenceError) as failure:
        case.change.settle(looked, NEW)
    assert failure.value.code == "change-unfinished"
    assert (case.disks(), case.cluster.restarts, cib.is_held(case.cluster.text, NAME)) == (NEW, [], True)
    assert case.do(OLD)
    assert (case.disks(), case.cluster.restarts, cib.is_held(case.cluster.text, NAME)) == (OLD, [], False)
    assert case.values() == {f"{NAME}:fence_pr_ioctl:{fake_cluster.digest(OLD)}"}


# ---- tools that fail in the middle


def failing(code: str = "cluster-tool-failed") -> FenceError:
    return FenceError(code, program="cibadmin", answer="no answer")


def test_a_change_that_was_made_though_its_answer_was_lost_is_gone_on_with(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes that are taken for unfenced with the disks of before alone would all be unfenced again."""
    kept = case.cluster.replace

    def replace(old: str, new: str) -> bool:
        done = kept(old, new)
        if cib.disks(new, NAME) == NEW and not fake_cluster.is_held(new) and case.steps[-1].code == "disks-set":
            raise failing()
        return done

    monkeypatch.setattr(case.cluster, "replace", replace)
    assert case.do()
    assert (case.disks(), case.cluster.restarts, cib.is_held(case.cluster.text, NAME)) == (NEW, [], False)
    assert case.values() == {f"{NAME}:fence_pr_ioctl:{fake_cluster.digest(NEW)}"}


def test_what_stays_held_because_the_tools_fail_is_told_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.cluster.forgets = False
    kept = case.cluster.replace

    def replace(old: str, new: str) -> bool:
        if not fake_cluster.is_held(new):
            raise failing()
        return kept(old, new)

    monkeypatch.setattr(case.cluster, "replace", replace)
    with pytest.raises(FenceError) as failure:
        case.do()
    assert failure.value.code == "device-left-held"


def test_what_cannot_even_be_read_any_more_may_be_held(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refresh(_: str) -> None:
        monkeypatch.setattr(case.cluster, "cib", unread)

    def unread() -> str:
        raise failing()

    monkeypatch.setattr(case.cluster, "refresh", refresh)
    with pytest.raises(FenceError) as failure:
        case.do()
    assert failure.value.code == "device-left-held"


def test_what_is_left_by_settling_is_told_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """'what was begun was taken back' would be a lie: the disks are set."""
    looked = case.change.look()
    case.change.carry_out(looked, NEW)
    monkeypatch.setattr(case.cluster, "replace", lambda *_: False)
    with pytest.raises(FenceError) as failure:
        case.change.settle(looked, NEW)
    assert failure.value.code == "change-unfinished"
    assert "disks" in str(failure.value)


@pytest.mark.parametrize("lasts", [1, 3, 1000])
@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("first", range(0, 64, 3))
def test_tools_that_fail_anywhere_leave_nothing_behind_that_is_not_told(
    case: Case, monkeypatch: pytest.MonkeyPatch, first: int, done: bool, lasts: int
) -> None:
    """For one call of a tool, three, or from then on; each of them before or after it has done its work."""
    counted, failed = iter(range(10_000)), []

    def ending(work: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            fails = first <= next(counted) < first + lasts
            outcome = work(*arguments, **more) if done or not fails else None
            if fails:
                failed.append(1)
                raise failing()
            return outcome

        return call

    for name in ("cib", "plan", "digests", "refresh", "replace", "set_attribute"):
        monkeypatch.setattr(case.cluster, name, ending(getattr(case.cluster, name)))
    code = ""
    try:
        case.do()
    except FenceError as error:
        code = error.code
    monkeypatch.undo()
    assert case.cluster.restarts == []
    if code not in ("device-left-held", "change-unfinished"):
        assert not cib.is_held(case.cluster.text, NAME), code
        if any(it.code == "device-released" for it in case.steps):  # only what was harmed could not be seen
            assert case.disks() == NEW
        else:
            assert (case.disks(), bool(code)) == (OLD, True)
    assert failed or not code
    case.do(NEW)
    assert (case.disks(), case.cluster.restarts, cib.is_unfinished(case.cluster.text, NAME)) == (NEW, [], False)
