"""'preflight': a good target passes; of each that is wrong the step says it, and nothing is left of any."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import DeviceRefused, FenceError, Invalid, Notice
from fence_pr.storage import device
from fence_pr.storage.device import NVME, SCSI
from fence_pr.tool.cluster import FenceDevice
from fence_pr.tool.options import parse
from fence_pr.tool.preflight import hand as preflight_hand
from fence_pr.tool.preflight import operator as preflight_operator
from fence_pr.tool.preflight import refusal as preflight_refusal
from fence_pr.tool.preflight import report as preflight_report
from fence_pr.tool.preflight import steps as preflight_steps
from fence_pr.tool.preflight.keys import ScratchKeys, foreign, is_scratch
from tests.model.lio import Lio
from tests.unit import tooling
from tests.unit.preflight_world import IDENTITY, NAME, Site, Store, seen

if TYPE_CHECKING:
    from collections.abc import Callable

WERO = 3
WITH = "--with=n2"
WITHOUT_STREAMS = [
    it.name for it in preflight_steps.steps(parse(["preflight", NAME, "--with=n2"])) if "abort-" not in it.name
]
ENFORCED = ["enforce-we", "enforce-ea", "enforce-wero", "enforce-earo", "enforce-wear", "enforce-eaar"]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Site]:
    return partial(Site, monkeypatch, capfd)


@pytest.mark.parametrize(("kind", "paths"), [(SCSI, 1), (NVME, 1), (SCSI, 2)])
def test_a_good_target_passes_and_nothing_is_left(make: Callable[..., Site], kind: str, paths: int) -> None:
    site = make(kind, paths)
    report = site.fly(WITH)
    assert report["exit_status"] == 0, seen(report, "FAIL")
    assert (report["found"]["verdict"], seen(report, "WARN", "FAIL")) == ("PASS", {})
    assert [*seen(report, "SKIP")] == ([] if paths > 1 else ["each-path", "other-path"])
    assert site.free()
    assert not any(data.strip(b"\0") for data in site.store.blocks.values())
    assert [it["name"] for it in report["found"]["streams"]][1] == "the victim holds the reservation"
    assert site.ended == ["n2", "n1"]
    assert {it["command"] for it in report["found"]["latencies"]} >= {
        "register",
        "reserve",
        "write",
        "preempt-and-abort",
    }


def test_without_more_it_only_reads(make: Callable[..., Site]) -> None:
    site = make()
    site.store = ReadOnly(site.unit)
    site.unit.call = None
    report = site.fly()
    assert (report["exit_status"], [*seen(report, "PASS")]) == (
        0,
        ["identity", "paths", "types", "persistence", "hosts", "abort"],
    )
    assert tooling.text_of(report)[-1].startswith("Nothing was tried")


class ReadOnly(Store):
    def write(self, *_: object) -> None:
        pytest.fail("written to")


def breaks(**changes: object) -> Callable[[Site], None]:
    """These attributes of the store are other ones."""

    def damage(site: Site) -> None:
        for name, value in changes.items():
            setattr(site.store, name, value)

    return damage


def shared_nexus(site: Site) -> None:
    site.nexuses = {"n1": "both", "n2": "both"}


def one_name(site: Site) -> None:
    site.host_of = {"n1": "iqn.both", "n2": "iqn.both"}


def two_heads(site: Site) -> None:
    site.stores = {"n2": Store(Lio())}


def shared_reservations_two_stores(site: Site) -> None:
    site.stores = {"n2": Store(site.unit)}


def full(most: int) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        site.room = most

    return damage


def refuses(operation: str) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        def refuse() -> None:
            raise Invalid("/dev/x", operation, 5)

        site.faults[operation] = refuse

    return damage


def forgets_at_once(site: Site) -> None:
    site.unit._register = lambda *_: 0


def accepts_any_key(site: Site) -> None:
    right = site.unit._register
    site.unit._register = lambda nexus, old, new, flags: right(nexus, old, new, flags or int(bool(new)))


def refuses_itself(site: Site) -> None:
    right = site.unit._register
    site.unit._register = lambda nexus, old, new, flags: 0x18 if old == new else right(nexus, old, new, flags)


def other_type(site: Site) -> None:
    right = site.unit._reserve
    site.unit._reserve = lambda nexus, key, kind, flags: right(nexus, key, 5 if kind == WERO else kind, flags)


def shuts_registrants_out(site: Site) -> None:
    site.unit.can_write = lambda nexus: not site.unit.type or nexus == site.unit.holder


def shuts_readers_out(site: Site) -> None:
    site.unit.can_read = site.unit.can_write


def preempts_everybody(site: Site) -> None:
    def preempt(_nexus: str, *_: int) -> int:
        site.unit._forget(list(site.unit.keys))
        return 0

    site.unit._preempt = preempt


def tells_the_loser_it_won(site: Site) -> None:
    right = site.unit._preempt

    def preempt(*values: int) -> int:
        right(*values)
        return 0

    site.unit._preempt = preempt


# What is wrong → the steps that say so, each with its code.
BROKEN: tuple[tuple[Callable[[Site], None], dict[str, str]], ...] = (
    (breaks(enforces=False), {**dict.fromkeys(ENFORCED, "write-let-through"),
                              "abort-registrant": "stream-goes-on", "abort-holder": "stream-goes-on"}),
    (breaks(hold=0.05, aborts=False), {"abort-registrant": "landed-after-abort", "abort-holder": "landed-after-abort"}),
    (shared_nexus, {"two-hosts": "one-registration-for-two"}),
    (one_name, {"two-hosts": "one-host-for-two"}),
    (two_heads, {"same-disk": "registration-unseen"}),
    (shared_reservations_two_stores, {"same-disk": "block-unseen"}),
    (full(1), {"two-hosts": "registrations-full"}),
    (breaks(hides=False), dict.fromkeys(("enforce-ea", "enforce-earo", "enforce-eaar"), "read-let-through")),
    (shuts_readers_out, dict.fromkeys(("enforce-we", "enforce-wero", "enforce-wear"), "read-refused")),
    (shuts_registrants_out, dict.fromkeys(("enforce-wero", "enforce-earo", "enforce-wear"), "write-refused")),
    (forgets_at_once, {"register": "registration-unlisted"}),
    (accepts_any_key, {"wrong-key": "wrong-key-accepted"}),
    (refuses_itself, {"wrong-key": "own-key-refused"}),
    (other_type, {"hold-wero": "type-misread"}),
    (refuses("preempt-and-abort"), dict.fromkeys(["abort-registrant", "abort-holder"], "writer-not-preempted")),
    (preempts_everybody, {"duel": "duel-without-survivor"}),
    (tells_the_loser_it_won, {"duel": "duel-misanswered"}),
)  # fmt: skip


@pytest.mark.parametrize(("damage", "says"), BROKEN, ids=lambda it: getattr(it, "__name__", ""))
def test_a_broken_target_fails_in_the_steps_that_say_what_is_wrong(
    make: Callable[..., Site], damage: Callable[[Site], None], says: dict[str, str]
) -> None:
    site = make()
    damage(site)
    # To be shot at takes a second each time.
    steps = [] if "abort-holder" in says else [f"--only={','.join(WITHOUT_STREAMS)}"]
    report = site.fly(WITH, *steps)
    failed = {name: codes[0] for name, codes in seen(report, "FAIL").items()}
    assert says.items() <= failed.items(), failed
    assert (report["exit_status"], report["found"]["verdict"]) == (1, "FAIL")


def test_a_write_that_was_acknowledged_and_that_an_abort_takes_away_is_missed(make: Callable[..., Site]) -> None:
    site = make()

    def begin_to_forget() -> None:
        site.store.hold, site.store.forgets = 0.3, True

    site.faults["reserve"] = begin_to_forget
    report = site.fly(WITH, "--only=abort-registrant")
    assert seen(report, "FAIL") == {"abort-registrant": ["acknowledged-is-lost"]}


def test_two_paths_that_lead_to_two_stores_are_found(make: Callable[..., Site]) -> None:
    site = make(paths=2)
    site.stores = {"n1/1": Store(site.unit)}
    assert seen(site.fly("--write"), "FAIL")["data"] == ["another-block-read"]


def test_ports_that_do_not_share_their_reservations_are_found(make: Callable[..., Site]) -> None:
    """The other path's preempt changes what it alone knows."""
    site = make(paths=2)
    right = site.unit._preempt
    site.unit._preempt = lambda nexus, *rest: 0 if nexus == "n1/1" else right(nexus, *rest)
    assert seen(site.fly("--write"), "FAIL") == {"other-path": ["preempt-without-effect"]}


def test_a_target_with_one_registration_for_all_ports_is_told_of(make: Callable[..., Site]) -> None:
    site = make(paths=2)
    site.shares_ports = True
    right = site.unit._register
    site.unit._register = lambda nexus, old, new, flags: (
        0 if not old and site.unit.keys.get(nexus) == new else right(nexus, old, new, flags)
    )
    report = site.fly("--write")
    assert seen(report, "WARN") == {"each-path": ["registration-for-all-paths"], "room": ["registrations-shared"]}
    assert seen(report, "FAIL") == {"other-path": ["step-refused"]}


def test_the_number_of_registrations_that_fit_is_told(make: Callable[..., Site]) -> None:
    site = make(paths=2)
    site.room = 3
    report = site.fly(WITH, "--only=room")
    (said,) = next(it["seen"] for it in report["found"]["steps"] if it["name"] == "room")
    assert said["code"] == "registrations-full"
    assert "registrations that fit: 3;" in said["text"]
    assert site.free()


def test_what_a_target_says_of_itself_is_judged(make: Callable[..., Site]) -> None:
    site = make()
    site.types, site.persistent, site.tells_hosts = None, None, False
    site.harm = Notice("abort-harm-of-lio", {"sign": "x"})
    site.warnings = [Notice("identity-weak", {"identity": "t10.x"})]
    assert seen(site.fly(), "WARN") == {
        "identity": ["identity-weak"], "types": ["types-untold"], "persistence": ["kept-untold"],
        "hosts": ["hosts-not-told"], "abort": ["abort-not-sent"],
    }  # fmt: skip
    site.types, site.persistent, site.warnings = (1, 2), False, []
    site.dead = {"/dev/n1-7": Notice("path-failure", {"disk": "/dev/n1-7", "operation": "open"})}
    report = site.fly()
    assert seen(report, "FAIL") == {"types": ["types-lacking"]}
    assert seen(report, "WARN")["persistence"] == ["not-kept-over-power-loss"]
    assert seen(report, "WARN")["paths"] == ["paths-are-dead"]
    site.dead = {"/dev/n1-7": Notice("disk-replaced", {"disk": "/dev/n1-7", "operation": "identity"})}
    assert seen(site.fly(), "FAIL")["identity"] == ["path-leads-elsewhere"]


@pytest.mark.parametrize(("kind", "state"), [(SCSI, "PASS"), (NVME, "WARN")])
def test_that_registrations_could_be_kept_says_something_of_scsi_alone(
    make: Callable[..., Site], kind: str, state: str
) -> None:
    site = make(kind)
    site.persistent, site.possible = False, True
    assert "persistence" in seen(site.fly(), state)


def test_a_plain_preempt_is_sent_where_the_abort_does_harm_and_what_lands_later_is_told(
    make: Callable[..., Site],
) -> None:
    site = make()
    site.harm = Notice("abort-harm-of-lio", {"sign": "x"})
    report = site.fly(WITH, "--only=abort-registrant,abort-holder")
    assert seen(report, "PASS")["abort-holder"] == ["stream-ended-without-abort"]
    assert not any(it["aborting"] for it in report["found"]["streams"])
    site.store.hold = 0.05
    report = site.fly(WITH, "--only=abort-registrant")
    assert seen(report, "WARN")["abort-registrant"] == ["landed-after-preempt"]
    assert report["exit_status"] == 0


@pytest.mark.parametrize(
    ("types", "state", "code"), [((1, 2, 3, 4, 5, 6), "FAIL", "type-refused"), (None, "SKIP", "type-not-there")]
)
def test_a_type_that_was_promised_must_be_there(
    make: Callable[..., Site], types: tuple[int, ...] | None, state: str, code: str
) -> None:
    site = make()
    site.types = types
    right = site.unit._reserve
    site.unit._reserve = lambda nexus, key, kind, flags: -22 if kind == 6 else right(nexus, key, kind, flags)
    report = site.fly(WITH)
    assert seen(report, state) == {**seen(report, state), "hold-eaar": [code], "enforce-eaar": [code]}


def test_a_type_that_is_not_claimed_is_not_tried_and_without_a_shared_one_nobody_is_fenced(
    make: Callable[..., Site],
) -> None:
    site = make()
    site.types = (5, 6)
    skipped = seen(site.fly(WITH), "SKIP")
    assert skipped["hold-we"] == skipped["enforce-ea"] == ["type-unclaimed"]
    assert skipped["abort-holder"] == ["all-hold-it"]
    site.types = (1, 2)
    assert seen(site.fly(WITH), "SKIP")["abort-registrant"] == ["no-type-for-two"]


@pytest.mark.parametrize(
    ("forgets", "codes"),
    [(False, {}), (True, {"restart": ["registrations-forgotten"], "relogin": ["registrations-forgotten"]})],
)
def test_a_restart_is_tried_where_the_operator_does_it(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, forgets: bool, codes: dict[str, list[str]]
) -> None:
    site = make()
    commands: list[str] = []

    def run(command: str) -> str:
        commands.append(command)
        if forgets:
            site.unit.lose_everything()
        return ""

    monkeypatch.setattr(preflight_operator, "_run", run)
    report = site.fly(WITH, "--restart=power off and on", "--relogin=anew")
    assert (seen(report, "FAIL"), commands) == (codes, ["anew", "power off and on"])
    assert site.free()


def test_a_session_made_anew_and_a_command_that_fails_are_told(make: Callable[..., Site]) -> None:
    site = make()
    report = site.fly("--write", "--only=relogin,restart", "--relogin=exit 3", "--restart=true")
    assert seen(report, "FAIL") == {"relogin": ["operators-command-failed"]}
    assert seen(report, "PASS")["restart"] == ["registrations-outlive-a-restart"]
    right = site.ways

    def anew() -> None:
        site.nexuses = {"n1": "n1 anew"}

    site.faults["reserve"] = anew
    site.faults["clear"] = lambda: None
    report = site.fly("--write", "--only=relogin", "--relogin=true")
    assert seen(report, "WARN") == {"relogin": ["session-is-another"]}
    assert right == site.ways


# Why a disk is not written to


def test_a_disk_with_foreign_keys_is_left_alone_unless_its_identity_is_typed(make: Callable[..., Site]) -> None:
    site = make()
    site.unit.call("n9", "register", 0, 0x77)
    before = site.unit.frozen()
    report = site.fly(WITH)
    assert [it["code"] for it in report["problems"]] == ["disk-not-free"]
    assert "keys are registered: 0x77" in report["problems"][0]["text"]
    assert (site.unit.frozen(), site.store.blocks, report["found"]["verdict"]) == (before, {}, "SKIP")
    assert {*seen(report, "SKIP")["duel"]} == {"step-not-reached"}
    assert tooling.reported(site._capfd, "preflight", NAME, "--write", "--yes=naa.6")["exit_status"] == 2
    assert site.unit.frozen() == before
    assert site.fly(WITH, f"--yes={IDENTITY}")["exit_status"] == 0
    assert site.free()


def test_content_a_fence_device_and_an_unreadable_cluster_keep_it_from_being_written_to(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make()
    site.store.blocks[0] = b"XFSB".ljust(4096, b"\0")
    found = FenceDevice("fence", {"devices": NAME})
    monkeypatch.setattr(preflight_refusal, "fence_devices", lambda _: (found, FenceDevice("none", {"devices": "/no"})))
    monkeypatch.setattr(device, "resolve", lambda name: found_by(site, name))
    said = site.fly("--write")["problems"][0]["text"]
    assert "an XFS file system" in said
    assert "fence device fence names it" in said
    assert f"--yes={IDENTITY}" in said
    assert seen(site.fly("--write", f"--yes={IDENTITY}"), "FAIL") == {}
    assert site.store.blocks[0].startswith(b"XFSB")

    def unread(_: float) -> None:
        raise FenceError("cib-unread", program="cibadmin", answer="no answer")

    site.store.blocks.clear()
    monkeypatch.setattr(preflight_refusal, "fence_devices", unread)
    monkeypatch.setattr(preflight_refusal, "_COROSYNC", __file__)
    assert "could not be read" in site.fly("--write")["problems"][0]["text"]
    monkeypatch.setattr(preflight_refusal, "_COROSYNC", "/no")
    assert site.fly("--write")["exit_status"] == 0


def found_by(site: Site, name: str) -> Any:
    if name == NAME:
        return site.device("n1")
    raise DeviceRefused("device-missing", name)


@pytest.mark.parametrize("only", [[], ["--only=duel"]])
def test_another_disk_than_was_meant_is_never_written_to(make: Callable[..., Site], only: list[str]) -> None:
    site = make()
    site.identities = {"n2": "naa.6001405ffffffffffffffffffffffffff"}
    report = site.fly(WITH, f"--yes={IDENTITY}", *only)
    assert [it["code"] for it in report["problems"]] == ["other-node-has-another-disk"]
    site.identities = {}
    site.dead = {"/dev/n1-7": Notice("disk-replaced", {"disk": "/dev/n1-7", "operation": "identity"})}
    report = site.fly("--write", f"--yes={IDENTITY}", *([] if not only else ["--only=data"]))
    assert "path-leads-elsewhere" in {it["code"] for it in report["problems"]}
    assert (site.store.blocks, site.unit.generation) == ({}, 0)


def test_a_name_that_leads_to_another_disk_after_a_restart_is_not_followed(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make()
    monkeypatch.setattr(preflight_operator, "_BACK_SECONDS", 0.01)
    other = Store(Lio())

    def renamed(_: str) -> str:
        site.identities = {"n1": "naa.6001405ffffffffffffffffffffffffff"}
        site.store = other
        return ""

    monkeypatch.setattr(preflight_operator, "_run", renamed)
    report = site.fly("--write", "--only=restart", "--restart=x")
    assert seen(report, "FAIL")["left-clean"] == ["left-unclean"]
    assert "leads to another disk now" in str(seen(report, "FAIL") and report["problems"])
    assert (other.blocks, other.unit.generation) == ({}, 0)


def test_a_disk_in_use_is_never_written_to(make: Callable[..., Site]) -> None:
    site = make()
    site.users = [Notice("disk-claimed", {"device": "/dev/x"})]
    report = site.fly("--write", f"--yes={IDENTITY}")
    assert [it["code"] for it in report["problems"]] == ["disk-used-here"]
    assert site.free()
    assert site.store.blocks == {}


def test_on_a_terminal_the_identity_is_asked_for(make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = make()
    site.unit.call("n9", "register", 0, 0x77)
    monkeypatch.setattr(os, "isatty", lambda fd: fd == 0)
    typed = [IDENTITY, "no"]
    monkeypatch.setattr(os, "read", lambda *_: f"{typed.pop(0)}\n".encode())
    done = tooling.call(site._capfd, "preflight", NAME, "--write", "--only=register")
    assert done.code == 0
    assert "Type the disk's identity" in done.err
    site.unit.call("n9", "register", 0, 0x77)
    assert tooling.call(site._capfd, "preflight", NAME, "--write").code == 2
    assert site.unit.keys == {"n9": 0x77}


def test_scratch_keys_that_a_killed_run_has_left_are_removed(make: Callable[..., Site]) -> None:
    site = make()
    for nexus, key in (("n1", ScratchKeys(b"12").own), ("n2", ScratchKeys(b"12").other)):
        site.unit.call(nexus, "register", 0, key)
    site.unit.call("n2", "reserve", ScratchKeys(b"12").other, 1)
    assert not site.free()
    report = site.fly("--write", "--only=register")
    assert [it["code"] for it in report["warnings"]] == ["scratch-keys-removed"]
    assert seen(report, "FAIL") == {}
    assert site.free()


def test_scratch_keys_are_known_by_their_look() -> None:
    keys = ScratchKeys()
    assert all(map(is_scratch, (keys.own, keys.other, keys.second)))
    assert len({keys.own, keys.other, keys.second, ScratchKeys().own}) == 4
    assert foreign([keys.own, 0x77, 0x77, 0, (1 << 64) - 1]) == [0, 0x77, (1 << 64) - 1]


# What goes wrong on the way


def test_a_node_that_falls_silent_ends_the_run_and_is_told(make: Callable[..., Site]) -> None:
    site = make()
    site.lost["reserve"] = FenceError("other-node-silent", node="n1", operation="reserve", answer="none within 1 s")
    report = site.fly(WITH)
    assert seen(report, "FAIL") == {"hold-we": ["other-node-silent"]}
    assert seen(report, "SKIP")["duel"] == ["step-not-reached"]
    assert site.ended == ["n2", "n1"]
    assert site.free()


def test_what_may_be_left_is_told(make: Callable[..., Site]) -> None:
    site = make()
    site.lost["leave"] = FenceError("other-node-silent", node="n1", operation="leave", answer="none within 1 s")
    said = seen(site.fly("--write"), "FAIL")
    assert said == {"register": ["other-node-silent"], "left-clean": ["left-unclean"]}
    assert site.free()  # since the hand takes it away when it ends
    site.lost.clear()
    right = site.unit._clear
    site.unit._clear = lambda *_: 0
    site.unit.call("n7", "register", 0, ScratchKeys(b"12").own)
    assert seen(site.fly("--write", "--only=data"), "FAIL") == {"left-clean": ["registration-stays"]}
    site.unit._clear = right


@pytest.mark.parametrize("when", ["keep", "preempt"])
def test_whoever_joins_meanwhile_keeps_its_registration(make: Callable[..., Site], when: str) -> None:
    site = make()
    right = site.unit.call

    def join() -> None:
        right("n9", "register", 0, 0x77)

    if when == "keep":
        site.between["keep"] = join
    else:
        site.faults["preempt"] = join
    report = site.fly(WITH)
    assert "0x77" in str(report["problems"])
    assert report["exit_status"] == 1
    assert site.unit.keys == {"n9": 0x77}


def test_a_target_that_does_not_count_is_told_of(make: Callable[..., Site]) -> None:
    site = make()
    right = site.unit._register

    def register(*values: int) -> Any:
        before = site.unit.generation
        answer = right(*values)
        site.unit.generation = before
        return answer

    site.unit._register = register
    assert seen(site.fly("--write"), "WARN") == {"register": ["generation-stands-still"]}


def test_a_victim_whose_writes_stand_still_is_told_of(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel holds them: none is refused, none lands."""
    site = make()
    site.store.waits = True
    monkeypatch.setattr(preflight_hand, "_STREAM_SECONDS", 0.2)
    report = site.fly(WITH, "--only=abort-registrant")
    site.store.released.set()
    assert seen(report, "WARN")["abort-registrant"] == ["victim-hangs"]


def test_a_node_that_cannot_be_asked_is_something_unseen(make: Callable[..., Site]) -> None:
    site = make()
    site.lost["open"] = FenceError("other-node-unreachable", node="n1", program="ssh", answer="no route")
    report = site.fly(WITH)
    assert (report["exit_status"], report["found"]) == (3, None)
    assert [it["code"] for it in report["unseen"]] == ["other-node-unreachable"]


def test_a_disk_that_is_not_there_or_too_small_is_told(make: Callable[..., Site]) -> None:
    site = make()
    report = tooling.reported(site._capfd, "preflight", "/dev/none-such")
    assert (report["exit_status"], [it["code"] for it in report["problems"]]) == (1, ["device-missing"])
    site.size = 2 << 20
    report = site.fly("--write")
    assert "no room for blocks" in report["found"]["refused"]["text"]
    assert report["exit_status"] == 1


def test_blocks_that_cannot_be_read_are_a_reason_not_to_write(make: Callable[..., Site]) -> None:
    site = make()
    site.unit.call("n9", "register", 0, 0x77)
    site.unit.call("n9", "reserve", 0x77, 2)
    said = site.fly("--write")["problems"][0]["text"]
    assert "could not be read" in said
    assert "0x77" in said


def test_slow_commands_are_told(make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = make()
    monkeypatch.setattr(preflight_report, "_SLOW_SECONDS", 0.0)
    assert "command-is-slow" in {it["code"] for it in site.fly("--write")["warnings"]}


WRONG = (
    (["--with=-oProxyCommand=x"], "other-node-malformed"),
    (["--with=n2,n3"], "other-node-malformed"),
    ([WITH, "--rsh=ssh '"], "remote-shell-malformed"),
    (["--restart=x"], "option-needs-write"),
    (["--write", "--only=duel"], "step-unrecognised"),
    (["--write", "--only=registr"], "step-unrecognised"),
)


@pytest.mark.parametrize(("arguments", "code"), WRONG)
def test_a_wrong_call_is_refused_before_anything_is_written(
    make: Callable[..., Site], arguments: list[str], code: str
) -> None:
    site = make()
    report = tooling.reported(site._capfd, "preflight", NAME, *arguments)
    assert (report["exit_status"], [it["code"] for it in report["problems"]]) == (2, [code])
    assert site.store.blocks == {}


def test_the_other_node_is_asked_for_its_own_name_of_the_disk(make: Callable[..., Site]) -> None:
    site = make()
    site.fly(WITH, "--rsh=rsh -p", f"--other-disk={NAME}", "--only=register")
    assert site.reached == [("n1", "", NAME), ("n2", "rsh -p", NAME)]
