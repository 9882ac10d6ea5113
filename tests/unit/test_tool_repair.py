"""'repair': what is refused, what is done, in which order, and that the disk proves it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import state_file
from fence_pr.errors import Conflict, Invalid, NotPermitted, PathFailure
from fence_pr.keys import Registrant
from fence_pr.storage import in_use, multipathd
from fence_pr.storage.device import MULTIPATH, NVME, SCSI
from fence_pr.tool.cluster import FenceDevice
from tests.model.world import World
from tests.unit import tool_world, tooling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.model.target import Command

WE, EA, WERO, EARO, WEAR, EAAR = range(1, 7)
DEAD = 0x77


class Site:
    """One disk of the world, and the tool on n1."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], kind: str
    ) -> None:
        self.world = World(folder, 1, kind=kind)
        self._capfd = capfd
        tool_world.put_in_place(monkeypatch, self.world)
        self.device, self.target = self.world.devices[0], self.world.targets[0]
        self.refused_writes: list[bool] = []

    def joined(self, *names: str, reserved: int = WERO, holder: str = "") -> None:
        """These nodes are registered, n1 with its state file."""
        self.world.register(*names, reserved=reserved, holder=holder)
        if "n1" in names:
            state_file.save(self.device.identity, Registrant("n1", self.world.keys["n1"]), self.state())

    def state(self) -> str:
        return str(self.world.nodes["n1"].state)

    def noted(self) -> bool:
        return state_file.load(self.device.identity, self.state()) is not None

    def repair(self, deed: str, *arguments: str, yes: bool = True) -> dict[str, Any]:
        """The report; after every command a look whether n3, which was shut out, could write."""
        given = [*([f"--yes={self.device.identity}"] if yes else []), f"--corosync-conf={self.world.conf}"]

        def watch(_: Command) -> None:
            self.refused_writes.append(not self.target.can_write("n3"))

        self.world.faults.setdefault(0, watch)
        report = tooling.reported(self._capfd, "repair", deed, self.device.name, *given, *arguments)
        assert report["found"] is None or max(map(len, tooling.text_of(report))) <= 100
        return report


@pytest.fixture(params=[SCSI, NVME])
def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Site:
    return Site(tmp_path, monkeypatch, capfd, request.param)


def codes(report: dict[str, Any], field: str = "problems") -> list[str]:
    return [it["code"] for it in report[field]]


@pytest.mark.parametrize("holder", ["n1", "n2"])
@pytest.mark.parametrize("reserved", [WERO, EARO, WEAR, EAAR])
def test_leave_goes_out_and_at_no_moment_somebody_who_was_shut_out_can_write(
    site: Site, reserved: int, holder: str
) -> None:
    site.joined("n1", "n2", reserved=reserved, holder=holder)
    report = site.repair("leave")
    assert (report["exit_status"], report["found"]["done"]) == (0, True), report
    assert site.world.members() == {"n2"}
    assert site.target.type == (reserved if holder == "n2" or reserved > EARO else reserved + 2)
    assert all(site.refused_writes)
    assert len(site.refused_writes) > 4
    assert not site.target.can_write("n1")
    assert not site.noted()
    steps = [it["code"] for it in report["found"]["steps"]]
    assert steps == [*(["handing-over"] if holder == "n1" and reserved <= EARO else []), "unregistering"]
    assert [it["node"] for it in report["found"]["after"]["registrations"]] == ["n2"]
    text = tooling.text_of(report)
    assert text[0] == "leave: done"
    assert "Afterwards:" in text


def test_the_last_one_leaves_by_force_only(site: Site) -> None:
    site.joined("n1")
    report = site.repair("leave")
    assert (codes(report), site.world.members(), site.noted()) == (["last-to-leave"], {"n1"}, True)
    assert tooling.text_of(report)[0] == "leave: nothing was changed"
    assert site.repair("leave", "--force")["found"]["done"]
    assert (site.world.members(), site.target.type) == (set(), 0)


@pytest.mark.parametrize(
    ("reserved", "names", "code"),
    [(WERO, ("n2",), "not-registered-here"), (WE, ("n2", "n1"), "held-by-one"), (0, (), "not-registered-here")],
)
def test_leave_refuses_what_it_cannot_leave(site: Site, reserved: int, names: tuple[str, ...], code: str) -> None:
    site.joined(*names, reserved=reserved)
    before = site.world.state()
    assert codes(site.repair("leave")) == [code]
    assert site.world.state() == before


def fails_at(site: Site, name: str, failure: Callable[[str], Exception]) -> None:
    def fault(command: Command) -> None:
        if command.name == name:
            raise failure(command.name)

    site.world.faults[0] = fault


def test_a_target_that_lets_nobody_hand_over_keeps_the_node_in_and_guarded(site: Site) -> None:
    site.joined("n1", "n2")
    fails_at(site, "preempt_without_abort", lambda name: Invalid("/dev/x", name, 0x402))
    report = site.repair("leave")
    assert (codes(report), site.world.members(), site.noted()) == (["not-handed-over"], {"n1", "n2"}, True)
    assert tooling.text_of(report)[0] == "leave: not done, or not wholly"


def test_so_does_one_that_says_it_did_and_did_not(site: Site) -> None:
    site.joined("n1", "n2")
    site.target.preempt_without_abort = lambda *_: None  # type: ignore[method-assign]
    assert codes(site.repair("leave")) == ["not-handed-over"]
    assert (site.world.members(), site.noted()) == ({"n1", "n2"}, True)


def test_what_is_still_registered_afterwards_is_no_success(site: Site) -> None:
    site.joined("n1", "n2", holder="n2")
    fails_at(site, "replace", lambda name: Conflict("/dev/x", name, 0x18))
    report = site.repair("leave")
    assert (codes(report), report["found"]["done"], site.noted()) == (["still-there"], False, True)


def test_clear_takes_everything(site: Site) -> None:
    for name, key in (("x", DEAD), ("y", 0x78)):
        site.target.register(name, key)
    site.target.reserve("x", DEAD, EA)
    report = site.repair("clear")
    assert (report["exit_status"], report["found"]["done"]) == (0, True), report
    assert (site.world.members(), site.target.type) == (set(), 0)
    assert [it["code"] for it in report["found"]["steps"]] == ["registering", "clearing"]


def test_clear_by_a_registered_node_takes_its_own_key_and_the_guard_is_told(site: Site) -> None:
    site.joined("n1")
    assert codes(site.repair("clear")) == ["disk-in-use"]
    report = site.repair("clear", "--force")
    assert [it["code"] for it in report["found"]["steps"]] == ["clearing"]
    assert (site.world.members(), site.noted()) == (set(), False)


def test_what_clear_leaves_is_told(site: Site) -> None:
    site.target.register("x", DEAD)
    site.target.clear = lambda *_: None  # type: ignore[method-assign]
    assert codes(site.repair("clear")) == ["still-there"]


@pytest.mark.parametrize("held", [WE, EA])
def test_release_ends_a_dead_hosts_reservation_and_leaves_the_others(site: Site, held: int) -> None:
    site.target.register("dead", DEAD)
    site.target.register("other", 0x78)
    site.target.reserve("dead", DEAD, held)
    report = site.repair("release", f"--holder={DEAD:#x}")
    assert (report["exit_status"], report["found"]["done"]) == (0, True), report
    assert (site.world.members(), site.target.type) == ({"other"}, 0)
    steps = [it["code"] for it in report["found"]["steps"]]
    assert steps == ["registering", "taking-over", "releasing", "unregistering"]


def test_release_of_ones_own_is_a_release(site: Site) -> None:
    site.joined("n1", reserved=WE)
    own = f"--holder={site.world.keys['n1']:#x}"
    report = site.repair("release", own, "--force")
    assert [it["code"] for it in report["found"]["steps"]] == ["releasing"]
    assert (site.world.members(), site.target.type) == ({"n1"}, 0)


@pytest.mark.parametrize(("reserved", "holder"), [(WERO, DEAD), (WEAR, DEAD), (0, DEAD), (WE, 0x1)])
def test_release_refuses_what_is_not_held_so(site: Site, reserved: int, holder: int) -> None:
    site.target.register("dead", DEAD)
    if reserved:
        site.target.reserve("dead", DEAD, reserved)
    before = site.world.state()
    assert codes(site.repair("release", f"--holder={holder:#x}")) == ["holder-is-another"]
    assert site.world.state() == before


def test_a_wrong_call_is_one(site: Site) -> None:
    for arguments, code in (
        (["release"], "word-missing"),
        (["clear", "--holder=0x1"], "option-of-another-subcommand"),
        (["release", "--holder=x"], "key-malformed"),
    ):
        report = site.repair(*arguments)
        assert (report["exit_status"], codes(report)) == (2, [code])
    missing = tooling.reported(site._capfd, "repair", "clear", "/dev/no-such-disk")
    assert (missing["exit_status"], codes(missing)) == (1, ["device-missing"])


@pytest.mark.parametrize("deed", ["leave", "clear"])
def test_nothing_is_done_before_the_identity_is_said(site: Site, deed: str) -> None:
    site.joined(*(["n1", "n2"] if deed == "leave" else []), reserved=WERO if deed == "leave" else 0)
    before = site.world.state()
    for arguments in ([], ["--yes=naa.6"], ["--yes=yes"]):
        report = site.repair(deed, *arguments, yes=False)
        assert (report["exit_status"], codes(report)) == (2, ["identity-unconfirmed"])
        assert f"it is {site.device.identity}" in report["problems"][0]["text"]
    assert (site.world.state(), site.world.changes()) == (before, [])


@pytest.mark.parametrize("typed", ["right", "naa.6", ""])
def test_on_a_terminal_it_is_asked_for(site: Site, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    site.joined("n1", "n2")
    reading, writing = os.pipe()
    answer = site.device.identity if typed == "right" else typed
    os.write(writing, f"{answer}\n".encode())
    monkeypatch.setattr(os, "isatty", lambda fd: fd == 0)
    kept = os.dup(0)
    os.dup2(reading, 0)
    try:
        done = tooling.call(site._capfd, "repair", "leave", site.device.name, f"--corosync-conf={site.world.conf}")
    finally:
        os.dup2(kept, 0)
        for fd in (kept, reading, writing):
            os.close(fd)
    assert "type the disk's identity to go on: " in done.err
    assert f"identity      {site.device.identity}" in done.err
    assert done.code == (0 if typed == "right" else 2)
    assert site.world.members() == ({"n2"} if typed == "right" else {"n1", "n2"})


def test_what_uses_the_disk_is_in_the_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from fence_pr.errors import FenceError, Notice
    from fence_pr.tool import sources

    site.joined("n1", "n2")
    users = Notice("disk-claimed", {"device": site.device.node})
    monkeypatch.setattr(in_use, "users", lambda *_: [users])
    configured = (FenceDevice("shared", {"devices": f"/dev/no-such-disk {site.device.name}"}),)
    tool_world.put_in_place(monkeypatch, site.world, configured=configured)
    before = site.world.state()
    report = site.repair("leave")
    assert codes(report) == ["disk-in-use"]
    assert [it["code"] for it in report["found"]["users"]] == ["named-by-fence-device", "disk-claimed"]
    assert "fence device shared names it" in report["problems"][0]["text"]
    assert [it["code"] for it in site.repair("clear")["found"]["users"]][1] == "nodes-are-registered"

    def unread(_: float) -> None:
        raise FenceError("cib-unread", program="cibadmin", answer="no")

    monkeypatch.setattr(sources, "fence_devices", unread)
    users_of_clear = site.repair("clear")["found"]["users"]
    assert [it["code"] for it in users_of_clear] == ["cib-unread", "nodes-are-registered", "disk-claimed"]
    leave = site.repair("leave")
    assert [it["code"] for it in leave["found"]["users"]] == ["disk-claimed"]
    assert codes(leave, "warnings") == ["cib-unread"]
    assert site.world.state() == before
    assert site.repair("leave", "--force")["found"]["done"]


def test_a_disk_that_cannot_be_asked_is_left_alone(site: Site) -> None:
    site.joined("n1", "n2")
    fails_at(site, "snapshot", lambda name: NotPermitted("/dev/x", name, 0))
    report = site.repair("leave")
    assert (report["exit_status"], codes(report, "unseen")) == (3, ["not-permitted"])
    fails_at(site, "snapshot", lambda name: PathFailure("/dev/x", name, 0))
    assert codes(site.repair("leave", "--timeout=1")) == ["path-failure"]


def test_a_state_file_that_cannot_be_removed_keeps_the_node_in(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.joined("n1", "n2")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tool_world.WorldNode, "forget", refuse)
    assert codes(site.repair("leave")) == ["state-file-in-the-way"]
    assert site.world.members() == {"n1", "n2"}


def test_a_disk_that_fails_after_the_deed_is_told_without_a_look(site: Site) -> None:
    site.joined("n1", "n2", holder="n2")
    gone: list[str] = []

    def fault(command: Command) -> None:
        if gone:
            raise PathFailure("/dev/x", command.name, 0)
        gone.extend(["x"] if command.name == "replace" and command.arguments[1] == 0 else [])

    site.world.faults[0] = fault
    report = site.repair("leave", "--timeout=1")
    assert (codes(report), report["found"]["after"]) == (["path-failure"], None)


def test_multipathd_registers_nothing_that_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path, monkeypatch, capfd, MULTIPATH)
    site.joined("n1", "n2")
    told: list[str] = []
    monkeypatch.setattr(multipathd, "forget_key", lambda name, _: told.append(name))
    assert site.repair("leave")["found"]["done"]
    assert told == [site.device.map_name]


def test_multipathd_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Connection:
        def __enter__(self) -> Connection:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    asked: list[str] = []
    monkeypatch.setattr(multipathd, "_connect", Connection)
    monkeypatch.setattr(multipathd, "ask", lambda _, command: asked.append(command) or "ok")  # type: ignore[func-returns-value]
    multipathd.forget_key("mpatha", lambda warning: pytest.fail(str(warning)))
    assert asked == ["unsetprstatus map mpatha", "unsetprkey map mpatha"]
