"""'disks': which disks a fence device may get, what is refused, and who leaves a disk that it has no more."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import state_file
from fence_pr.errors import FenceError, Notice, PathFailure
from fence_pr.keys import Registrant
from fence_pr.storage import in_use
from fence_pr.storage.device import SCSI
from fence_pr.tool import cib, device_change, device_disks, main, sources
from fence_pr.tool.cluster import FenceDevice
from tests.model.world import World
from tests.unit import tool_world, tooling
from tests.unit.fake_cluster import NAME, NODES, FakeCluster

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

WERO = 3


class Site:
    """Three disks, of which the fence device has the first two; nodes n1 (this one) and n2 are the cluster."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.world = World(folder, 3, NODES, kind=SCSI)
        self._capfd, self._monkeypatch = capfd, monkeypatch
        self.names = tool_world.names(self.world)
        self.cluster = FakeCluster(self.names[:2])
        self.configure(FenceDevice(NAME, {"devices": ",".join(self.names[:2])}))
        world = self.world
        monkeypatch.setattr(device_disks, "Reader", lambda seconds: tool_world.WorldReader(world, "n1", seconds))
        monkeypatch.setattr(device_disks, "ThisNode", lambda: tool_world.WorldNode(world, "n1"))
        monkeypatch.setattr(device_disks, "Pacemaker", lambda _: self.cluster)
        monkeypatch.setattr(device_change, "_POLL_SECONDS", 0.001)
        monkeypatch.setattr(device_change, "_UNEXPECTED_SECONDS", 0.05)
        self.joined(0, *NODES)
        self.joined(1, *NODES)

    def configure(self, *configured: FenceDevice) -> None:
        tool_world.put_in_place(self._monkeypatch, self.world, configured=configured)

    def joined(self, number: int, *names: str) -> None:
        """These are registered on a disk, the first reserves it."""
        target = self.world.targets[number]
        for name in names:
            target.register(name, self.world.keys[name])
        if not target.type:
            target.reserve(names[0], self.world.keys[names[0]], WERO)
        if "n1" in names:
            entry = Registrant("n1", self.world.keys["n1"])
            state_file.save(self.world.devices[number].identity, entry, str(self.world.nodes["n1"].state))

    def disks(self, *words: str) -> dict[str, Any]:
        """The report of a call."""
        given = f"--corosync-conf={self.world.conf}", "--wait=1", "--timeout=2"
        report = tooling.reported(self._capfd, "disks", *words, *given)
        assert report["found"] is None or max(map(len, tooling.text_of(report))) <= 100
        return report

    def configured(self) -> list[str]:
        """The disks that the cluster has."""
        return list(cib.disks(self.cluster.text, NAME))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Site:
    return Site(tmp_path, monkeypatch, capfd)


def codes(report: dict[str, Any], field: str = "problems") -> list[str]:
    return [it["code"] for it in report[field]]


def unchanged(site: Site) -> bool:
    return (site.configured(), site.cluster.asked) == (site.names[:2], [])


def test_a_disk_on_which_all_nodes_are_registered_is_added(site: Site) -> None:
    site.joined(2, *NODES)
    report = site.disks("add", site.names[2])
    assert (report["exit_status"], report["found"]["done"]) == (0, True), report
    assert codes(report, "warnings") == ["name-of-this-boot"]  # these are called /dev/sdX
    assert (site.configured(), report["found"]["after"], report["found"]["before"]) == (
        site.names,
        site.names,
        site.names[:2],
    )
    assert (site.cluster.restarts, site.world.changes()) == ([], [])
    text = tooling.text_of(report)
    assert text[0] == "add: done"
    assert f"  now           {', '.join(site.names)}" in text


@pytest.mark.parametrize("names", [("n1",), ("n2",), ()])
def test_it_is_refused_where_one_is_not_registered(site: Site, names: tuple[str, ...]) -> None:
    if names:
        site.joined(2, *names)
    report = site.disks("add", site.names[2])
    assert (report["exit_status"], codes(report)) == (1, ["nodes-not-registered"])
    (problem,) = report["problems"]
    assert f"registered there: {', '.join(sorted(set(NODES) - set(names)))};" in problem["text"]
    assert problem["disk"] == site.names[2]
    assert unchanged(site)
    assert tooling.text_of(report)[0] == "add: nothing was changed"


def test_a_node_that_is_offline_is_not_waited_for_with_force(site: Site) -> None:
    site.joined(2, "n1")
    site.cluster.online = {"n1": True, "n2": False}
    assert codes(site.disks("add", site.names[2])) == ["nodes-not-registered"]
    assert site.disks("add", site.names[2], "--force")["found"]["done"]


def test_one_that_is_online_is_with_force_too(site: Site) -> None:
    site.joined(2, "n1")
    assert codes(site.disks("add", site.names[2], "--force")) == ["nodes-not-registered"]
    assert unchanged(site)


def test_a_disk_that_monitor_would_refuse_is_refused(site: Site) -> None:
    site.joined(2, *NODES)
    site.world.targets[2].register("x", 0xBAC0)
    assert codes(site.disks("add", site.names[2])) == ["keys-unexplained"]
    assert unchanged(site)


def test_a_disk_that_cannot_be_read_is_refused(site: Site) -> None:
    def fault(command: Command) -> None:
        raise PathFailure("/dev/x", command.name, 0)

    site.world.faults[2] = fault
    assert codes(site.disks("add", site.names[2])) == ["path-failure"]
    assert unchanged(site)


def test_which_nodes_there_are_must_be_known(site: Site) -> None:
    site.joined(2, *NODES)
    site.world.conf.write_text(site.world.conf.read_text().replace("cluster_name: lab", ""))
    report = site.disks("add", site.names[2])
    assert codes(report) == ["nodes-of-cluster-unknown"]
    assert unchanged(site)


@pytest.mark.parametrize(
    ("words", "code"),
    [(("add", 0), "disk-named-already"), (("remove", 2), "disk-not-named"), (("remove", 0, 1), "no-disk-left")],
)
def test_what_makes_no_sense_is_refused(site: Site, words: tuple[Any, ...], code: str) -> None:
    report = site.disks(words[0], *(site.names[it] for it in words[1:]))
    assert (report["exit_status"], codes(report)) == (1, [code])
    assert unchanged(site)


def test_one_fence_device_must_be_meant(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, other = (
        FenceDevice(NAME, {"devices": ",".join(site.names[:2])}),
        FenceDevice("other", {"devices": "/dev/o"}),
    )
    site.joined(2, *NODES)
    site.configure(shared, other)
    report = site.disks("add", site.names[2])
    assert (report["exit_status"], codes(report)) == (2, ["fence-device-unnamed"])
    assert "the cluster has shared, other" in report["problems"][0]["text"]
    assert codes(site.disks("add", site.names[2], "--device=x")) == ["fence-device-unknown"]
    site.configure()
    assert codes(site.disks("add", site.names[2])) == ["fence-device-unnamed"]

    def unread(_: float) -> None:
        raise FenceError("cib-unread", program="cibadmin", answer="no")

    monkeypatch.setattr(sources, "fence_devices", unread)
    assert codes(site.disks("add", site.names[2])) == ["cib-unread"]
    site.configure(shared, other)
    assert site.disks("add", site.names[2], f"--device={NAME}")["found"]["done"]


def test_what_the_cluster_would_restart_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.joined(2, *NODES)
    monkeypatch.setattr(site.cluster, "digests", lambda *_: {"all": "x", "nonprivate": "x"})
    report = site.disks("add", site.names[2])
    assert codes(report) == ["would-restart"]
    assert unchanged(site)


def test_what_it_does_nevertheless_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.joined(2, *NODES)
    monkeypatch.setattr(device_change.DeviceChange, "harmed", lambda *_: ["stop app (n1)"])
    site.cluster.starts = False
    report = site.disks("add", site.names[2])
    assert (codes(report), report["found"]["done"]) == (["restarted-nevertheless"], True)
    assert codes(report, "warnings") == ["name-of-this-boot", "device-not-running"]


def test_a_change_that_fails_is_told_with_what_was_taken_back(site: Site) -> None:
    site.joined(2, *NODES)
    site.cluster.forgets = False
    report = site.disks("add", site.names[2])
    assert (codes(report), report["found"]["done"]) == (["step-without-end"], False)
    assert report["found"]["steps"][-2]["code"] == "taking-back"
    assert tooling.text_of(report)[0] == "add: not done"
    assert site.configured() == site.names[:2]


def test_a_disk_is_removed_and_this_node_leaves_it(site: Site) -> None:
    report = site.disks("remove", site.names[1])
    assert (report["exit_status"], report["found"]["done"]) == (0, True), report
    assert (site.configured(), site.cluster.restarts) == (site.names[:1], [])
    assert (site.world.members(0), site.world.members(1)) == (set(NODES), {"n2"})
    assert codes(report, "warnings") == ["others-to-leave"]
    assert "registered there: n2;" in report["warnings"][0]["text"]
    assert [it["code"] for it in report["found"]["steps"]][-2:] == ["handing-over", "unregistering"]
    state = str(site.world.nodes["n1"].state)
    assert state_file.load(site.world.devices[1].identity, state) is None
    assert state_file.load(site.world.devices[0].identity, state) is not None


def test_the_last_one_on_a_removed_disk_stays_and_is_told_of(site: Site) -> None:
    """Else the reservation would end, and who was fenced there could write."""
    site.world.targets[1].keys.pop("n2")
    report = site.disks("remove", site.names[1])
    assert (report["found"]["done"], codes(report, "warnings")) == (True, ["not-left"])
    assert site.world.members(1) == {"n1"}


def test_a_disk_of_another_fence_device_is_not_left(site: Site) -> None:
    both = FenceDevice(NAME, {"devices": ",".join(site.names[:2])})
    site.configure(both, FenceDevice("other", {"devices": f"/dev/no-such-disk {site.names[1]}"}))
    report = site.disks("remove", site.names[1], f"--fence-device={NAME}")
    assert (report["found"]["done"], codes(report, "warnings")) == (True, ["not-left"])
    assert "fence device other names it" in report["warnings"][0]["text"]
    assert site.world.members(1) == set(NODES)


def test_a_node_that_was_fenced_on_it_has_nothing_to_leave(site: Site) -> None:
    keys = site.world.keys
    site.world.targets[1].preempt_without_abort("n2", keys["n2"], keys["n1"], WERO)
    state_file.forget(site.world.devices[1].identity, str(site.world.nodes["n1"].state))
    report = site.disks("remove", site.names[1])
    assert (report["found"]["done"], codes(report, "warnings")) == (True, ["others-to-leave"])
    assert site.world.members(1) == {"n2"}


def test_what_is_in_use_or_unclear_is_removed_by_force_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_use, "users", lambda *_: [Notice("disk-claimed", {"device": "/dev/sdz"})])
    site.cluster.lost = ("n2",)
    report = site.disks("remove", site.names[1])
    assert codes(report) == ["node-not-fenced-yet", "disk-in-use"]
    assert unchanged(site)
    assert site.disks("remove", site.names[1], "--force")["found"]["done"]


@pytest.mark.parametrize("gone", [True, False])
def test_a_broken_disk_keeps_nobody_from_fencing_for_ever(site: Site, gone: bool) -> None:
    """By its name in the configuration, where it leads to nothing; that a fencing fails is no obstacle."""

    def fault(command: Command) -> None:
        raise PathFailure("/dev/x", command.name, 0)

    name = site.names[1]
    if gone:
        site.cluster.text = site.cluster.text.replace(name, "/dev/no-such-disk")
        name = "/dev/no-such-disk"
        site.configure(FenceDevice(NAME, {"devices": f"{site.names[0]},{name}"}))
        site.cluster = FakeCluster([site.names[0], name])
    else:
        site.world.faults[1] = fault
    site.cluster.busy = (("fence (reboot)", "n2"),)
    report = site.disks("remove", name)
    assert codes(report) == ["disk-unexamined"]
    assert site.cluster.asked == []
    report = site.disks("remove", name, "--force")
    assert (report["found"]["done"], codes(report, "warnings")) == (True, ["not-left"])
    assert site.configured() == site.names[:1]


def test_a_disk_that_hangs_keeps_nobody_from_telling_what_was_done(site: Site) -> None:
    goes_on = threading.Event()

    def fault(_: Command) -> None:
        goes_on.wait(10)

    site.world.faults[1] = fault
    began = time.monotonic()
    assert codes(site.disks("remove", site.names[1])) == ["disk-unexamined"]
    report = site.disks("remove", site.names[1], "--force")
    assert (report["found"]["done"], codes(report, "warnings")) == (True, ["not-left"])
    assert time.monotonic() - began < 5
    goes_on.set()


# ---- calls that were killed, nodes that were shut out, and others at work


def held(site: Site, disks: list[str]) -> None:
    """A call was killed after the step with the disks."""
    site.cluster.text = cib.with_disks(cib.held(FakeCluster(disks).text, NAME), NAME, tuple(disks))
    assert cib.is_held(site.cluster.text, NAME)
    site.configure(FenceDevice(NAME, {"devices": ",".join(disks)}))


def test_an_add_that_was_killed_after_it_is_finished_by_the_same_call(site: Site) -> None:
    site.joined(2, *NODES)
    held(site, site.names)
    report = site.disks("add", site.names[2])
    assert (codes(report), report["found"]["done"]) == ([], True)
    assert (site.configured(), cib.is_held(site.cluster.text, NAME)) == (site.names, False)
    assert site.cluster.restarts == []


def test_a_remove_that_was_killed_after_it_is_finished_by_the_same_call(site: Site) -> None:
    held(site, site.names[:1])
    report = site.disks("remove", site.names[1])
    assert (codes(report), report["found"]["done"]) == ([], True)
    assert (site.configured(), cib.is_held(site.cluster.text, NAME)) == (site.names[:1], False)
    assert site.world.members(1) == {"n2"}
    assert codes(report, "warnings") == ["others-to-leave"]


def test_a_disk_is_left_though_something_failed_after_the_cluster_had_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = device_change.DeviceChange.settle

    def settle(*arguments: Any) -> bool:
        kept(*arguments)
        raise FenceError("change-unfinished", name=NAME, answer="no")

    monkeypatch.setattr(device_change.DeviceChange, "settle", settle)
    report = site.disks("remove", site.names[1])
    assert (codes(report), report["found"]["done"]) == (["change-unfinished"], True)
    assert site.world.members(1) == {"n2"}
    assert codes(report, "warnings") == ["others-to-leave"]


def test_a_member_that_nobody_here_knows_must_be_registered_too(site: Site) -> None:
    site.joined(2, *NODES)
    site.cluster.online = {"n1": True, "n2": True, "n4": True}
    report = site.disks("add", site.names[2])
    assert codes(report) == ["nodes-not-registered"]
    assert "n4" in report["problems"][0]["text"]
    assert unchanged(site)


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_node_that_was_shut_out_of_the_other_disks_must_not_write_to_the_new_one(
    site: Site, force: tuple[str, ...]
) -> None:
    """The cluster takes it for fenced, and would not fence it on this disk any more."""
    site.joined(2, *NODES)
    for number in (0, 1):
        site.world.targets[number].keys.pop("n2")
    site.cluster.online = {"n1": True, "n2": False}
    report = site.disks("add", site.names[2], *force)
    assert codes(report) == ["node-shut-out-elsewhere"]
    assert "n2" in report["problems"][0]["text"]
    assert unchanged(site)


def test_a_node_that_is_fenced_while_the_disk_is_added_is_told_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.joined(2, *NODES)
    kept = site.cluster.refresh

    def refresh(name: str) -> None:
        for number in (0, 1):
            site.world.targets[number].keys.pop("n2")
        kept(name)

    monkeypatch.setattr(site.cluster, "refresh", refresh)
    report = site.disks("add", site.names[2])
    assert (codes(report), report["found"]["done"]) == (["node-shut-out-elsewhere"], True)


def test_disks_that_somebody_else_has_changed_meanwhile_are_not_overwritten(site: Site) -> None:
    """After the fence devices were read, and before the whole configuration was."""
    site.joined(2, *NODES)
    site.cluster.text = FakeCluster(site.names[:1]).text
    report = site.disks("add", site.names[2])
    assert codes(report) == ["configuration-changed"]
    assert site.configured() == site.names[:1]


def test_digests_that_a_killed_call_has_left_are_a_reason_to_finish_it(site: Site) -> None:
    text = site.cluster.text
    site.cluster.text = text.replace(f"{NAME}:fence_pr_ioctl:", f"{NAME}:fence_pr_ioctl:0,{NAME}:fence_pr_ioctl:")
    assert cib.is_unfinished(site.cluster.text, NAME)
    assert not cib.is_unfinished(text, NAME)
    assert site.disks("add", site.names[1])["found"]["done"]
    assert not cib.is_unfinished(site.cluster.text, NAME)
    assert site.cluster.restarts == []


class Killed(BaseException):
    """SIGKILL, as far as a test can have it."""


def changes(site: Site, monkeypatch: pytest.MonkeyPatch, last: int, *, done: bool) -> None:
    """The call ends with its so-many-th change of the cluster, before or after that is done."""
    counted = iter(range(1000))

    def ending(work: Any) -> Any:
        def change(*arguments: Any) -> Any:
            number = next(counted)
            if number == last and not done:
                raise Killed
            outcome = work(*arguments)
            if number == last:
                raise Killed
            return outcome

        return change

    for name in ("replace", "refresh", "set_attribute"):
        monkeypatch.setattr(site.cluster, name, ending(getattr(site.cluster, name)))


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("last", range(12))
@pytest.mark.parametrize("word", ["add", "remove"])
def test_whatever_step_a_call_is_killed_at_the_same_call_ends_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, word: str, last: int, done: bool
) -> None:
    site.joined(2, *NODES)
    disk, wanted = (site.names[2], site.names) if word == "add" else (site.names[1], site.names[:1])
    with monkeypatch.context() as patch:
        changes(site, patch, last, done=done)
        with pytest.raises(Killed):
            site.disks(word, disk)
    site.configure(FenceDevice(NAME, {"devices": ",".join(site.configured())}))
    report = site.disks(word, disk)
    over = codes(report) in (["disk-named-already"], ["disk-not-named"])  # it was killed after its last change
    assert over == (last == 11 and done)
    assert over or (codes(report), report["found"]["done"]) == ([], True)
    assert (site.configured(), cib.is_unfinished(site.cluster.text, NAME)) == (list(wanted), False)
    assert site.cluster.restarts == []
    assert site.world.members(1) == ({"n2"} if word == "remove" and not over else set(NODES))


def test_an_old_disk_that_hangs_keeps_nobody_from_adding_another(site: Site) -> None:
    site.joined(2, *NODES)
    goes_on = threading.Event()

    def fault(_: Command) -> None:
        goes_on.wait(10)

    site.world.faults[0] = fault
    began = time.monotonic()
    report = site.disks("add", site.names[2])
    assert (codes(report), report["found"]["done"]) == ([], True), report
    assert [it["name"] for it in report["found"]["disks"]] == [site.names[2]]
    assert time.monotonic() - began < 3
    goes_on.set()


def test_who_interrupts_it_is_told_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What works on the cluster is another process, which must not be ended in the middle."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "examine", interrupt)
    done = tooling.call(capfd, "disks", "add", "/dev/x")
    assert (done.code, done.out) == (130, "")
    assert "goes on" in done.err
    assert tooling.call(capfd, "doctor").err == ""
