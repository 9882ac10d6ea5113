"""What 'disks' makes of a CIB."""

from __future__ import annotations

import pytest

from fence_pr.errors import FenceError
from fence_pr.tool import cib
from tests.unit import fake_cluster
from tests.unit.fake_cluster import NAME

DISKS = ("/dev/a", "/dev/b")
BOTH = frozenset({"n1", "n2"})


def change(old: str, new: str) -> str:
    """The CIB with another configuration."""
    text = fake_cluster.text(DISKS)
    assert old in text
    return text.replace(old, new)


ATTRIBUTES = '<instance_attributes id="i"><nvpair id="i1" name="devices" value="/dev/a,/dev/b"/></instance_attributes>'
PRIMITIVE = '<primitive id="shared" class="stonith" type="fence_pr_ioctl">'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (change(ATTRIBUTES, ""), "its option devices is none of its own"),
        (change(ATTRIBUTES, ATTRIBUTES + ATTRIBUTES), "its option devices is set more than once, or by a rule"),
        (change(ATTRIBUTES, ATTRIBUTES.replace("<nvpair", "<rule/><nvpair")), "set more than once, or by a rule"),
        (change(ATTRIBUTES, f'{ATTRIBUTES}<instance_attributes id-ref="x"/>'), "set more than once, or by a rule"),
        (change(PRIMITIVE, f'<clone id="c">{PRIMITIVE}').replace("</primitive>", "</primitive></clone>", 1), "a clone"),
        (change('<primitive id="shared"', '<primitive id="gone"'), "somebody else has changed"),
    ],
)
def test_what_cannot_be_changed_by_itself_is_refused(text: str, why: str) -> None:
    with pytest.raises(FenceError, match=why):
        cib.with_disks(text, NAME, ("/dev/c",))


def test_disks_are_separated_by_commas_or_blanks() -> None:
    assert cib.disks(change("/dev/a,/dev/b", "/dev/a /dev/b, /dev/c"), NAME) == ("/dev/a", "/dev/b", "/dev/c")


def test_each_change_is_a_later_version_and_nothing_else_is_another() -> None:
    text = fake_cluster.text(DISKS)
    tree = cib.tree_of(cib.with_disks(text, NAME, ("/dev/c",)))
    assert (tree.get("admin_epoch"), tree.get("epoch"), tree.get("num_updates")) == ("0", "6", "0")
    back = cib.with_disks(cib.with_disks(text, NAME, ("/dev/c",)), NAME, DISKS)
    assert cib.configuration(back) == cib.configuration(text)


def test_held_is_by_maintenance_before_all_other_settings_and_leaves_no_trace() -> None:
    text = fake_cluster.text(DISKS)
    held = cib.held(text, NAME)
    assert cib.is_held(held, NAME)
    given = next(it for it in cib.tree_of(held).iter("meta_attributes") if "held-by-pr_fence" in it.get("id", ""))
    assert given.get("score") == "INFINITY"
    assert [(it.get("name"), it.get("value")) for it in given] == [("maintenance", "true")]
    (pin,) = cib.tree_of(held).iter("rsc_location")
    assert (pin.get("rsc"), pin.get("node"), cib.place(text, NAME)) == (NAME, "n1", "n1")
    assert cib.configuration(cib.held(held, NAME)) == cib.configuration(held)
    free = cib.released(held, NAME)
    assert (cib.is_held(free, NAME), cib.configuration(free)) == (False, cib.configuration(text))
    started = cib.with_disks(held, NAME, DISKS)
    assert (fake_cluster.is_held(held), fake_cluster.is_held(started)) == (True, False)
    assert [it.get("node") for it in cib.tree_of(started).iter("rsc_location")] == ["n1"]
    assert cib.configuration(cib.released(started, NAME)) == cib.configuration(text)


def test_one_that_runs_nowhere_has_no_place() -> None:
    text = cib.forgotten(fake_cluster.text(DISKS), NAME, BOTH)
    assert cib.place(text, NAME) == ""
    assert not list(cib.tree_of(cib.held(text, NAME)).iter("rsc_location"))


def test_the_time_of_a_refresh_is_no_change_of_the_configuration() -> None:
    pair = '<nvpair id="o1" name="stonith-enabled" value="true"/>'
    refreshed = change(pair, f'{pair}<nvpair id="o2" name="last-lrm-refresh" value="17"/>')
    assert cib.configuration(refreshed) == cib.configuration(fake_cluster.text(DISKS))
    other = change(pair, f'{pair}<nvpair id="o2" name="maintenance-mode" value="true"/>')
    assert cib.configuration(other) != cib.configuration(fake_cluster.text(DISKS))


def test_a_digest_is_added_or_replaces_those_of_its_fence_device_alone() -> None:
    value = "shared2:a:1,shared:a:2,shared:b:3,"
    assert cib.with_digest(value, "shared", "a", "4", only=False) == "shared2:a:1,shared:a:2,shared:b:3,shared:a:4,"
    assert cib.with_digest(value, "shared", "a", "4", only=True) == "shared2:a:1,shared:b:3,shared:a:4,"
    assert cib.with_digest(value, "shared", "a", "2", only=True) == "shared2:a:1,shared:b:3,shared:a:2,"


def test_what_nodes_have_on_record() -> None:
    text = fake_cluster.text(DISKS)
    assert cib.runs(text, NAME, BOTH)
    assert not cib.runs(text, NAME, frozenset({"n2"}))
    assert not cib.is_forgotten(text, NAME, BOTH)
    assert cib.is_forgotten(text, NAME, frozenset({"n2"}))
    assert cib.started(text, NAME) == {("n1", "app", "start"): "5 1", ("n2", "app", "start"): "5 1"}
    assert not cib.runs(cib.forgotten(text, NAME, BOTH), NAME, BOTH)
    assert cib.is_forgotten(cib.forgotten(text, NAME, BOTH), NAME, BOTH)
    assert cib.runs(cib.forgotten(text, NAME, frozenset({"n2"})), NAME, BOTH)  # it runs on n1
    failed = text.replace(
        'operation="monitor" interval="60000" rc-code="0"', 'operation="monitor" interval="60000" rc-code="1"'
    )
    assert not cib.runs(failed, NAME, BOTH)
