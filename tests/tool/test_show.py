"""'show' on real disks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fencing import maps
from tests.fencing.agent import key, succeed
from tests.lab.plugin import newest
from tests.tool.pr_fence import CIB, TOOL, configure, reported, reservations, states

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

pytestmark = newest

FOREIGN = 0xBAD
DEVICE = """\
<primitive id="shared-disks" class="stonith" type="fence_pr_ioctl">
  <instance_attributes id="options"><nvpair id="devices" name="devices" value="{devices}"/></instance_attributes>
</primitive>
"""


def unfence(lab: Cluster) -> None:
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns="ab")


def test_it_shows_what_the_target_says_and_changes_nothing(lab: Cluster) -> None:
    unfence(lab)
    lab.n3.drain("a")
    assert lab.n3.pr("a", "register", 0, FOREIGN, 1) == 0
    before = reservations(lab, "ab")
    named = [lab.n1.by_id("a"), lab.n1.disk("b")]
    report = reported(lab.n1, "show", *named)
    assert states(report) == {"n1": "ON", "n2": "ON", "n3": "UNKNOWN"}
    assert report["exit_status"] == 1
    assert [(it["code"], it["disk"].split()[0]) for it in report["problems"]] == [("keys-unexplained", named[0])]
    told = {it["name"]: it for it in report["found"]["disks"]}
    for name, said, lun in zip(named, before, "ab"):
        disk = told[name]
        assert disk["identity"] == lab.lun(lun).wwid
        assert (disk["generation"], disk["persistent"]) == (said.generation, True)
        assert sorted(int(it["key"], 16) for it in disk["registrations"]) == sorted(said.keys.values())
        assert (disk["reservation"]["type"], disk["reservation"]["holder"]) == (said.type, said.holder)
    assert [it["key"] for it in told[named[0]]["registrations"] if it["owner"] == "foreign"] == [hex(FOREIGN)]
    done = lab.n1.run([TOOL, "show", *named])
    assert done.returncode == 1
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout
    assert reservations(lab, "ab") == before


def test_without_names_it_is_what_pacemaker_has_configured(lab: Cluster) -> None:
    unfence(lab)
    configure(lab.n1, DEVICE.format(devices=f"{lab.n1.by_id('a')} {lab.n1.by_id('b')}"))
    report = reported(lab.n1, "show", CIB_file=CIB)
    assert {it["name"] for it in report["found"]["disks"]} == {lab.n1.by_id(lun) for lun in "ab"}
    assert {it["fence_device"] for it in report["found"]["disks"]} == {"shared-disks"}
    assert (report["exit_status"], states(report)) == (0, {"n1": "ON", "n2": "ON", "n3": "OFF"})
    elsewhere = reported(lab.n1, "show")  # no cluster runs in this node
    assert [it["code"] for it in elsewhere["unseen"]] == ["cib-unread"]
    assert {lab.n1.disk(lun) for lun in "ab"} <= {it["name"] for it in elsewhere["found"]["disks"]}
    assert lab.n1.disk("nopr") in elsewhere["found"]["without_reservations"]


def test_every_path_of_a_map_is_looked_at(lab: Cluster) -> None:
    with maps.mapped(lab, "a") as mapped:
        succeed(lab.n3, "on", "n3", luns="a")
        assert lab.n1.pr("a", "register", 0, key("n1"), 1) == 0
        (disk,) = reported(lab.n1, "show", mapped)["found"]["disks"]
        assert (disk["kind"], disk["paths"]["live"], disk["paths"]["unregistered"]) == ("multipath", 2, 1)
        lab.n2.set_state("a", "offline")
        report = reported(lab.n1, "show", mapped)
        (disk,) = report["found"]["disks"]
        assert [it["path"] for it in disk["paths"]["dead"]] == [lab.n2.disk("a")]
        assert "path-dead" in [it["code"] for it in report["warnings"]]


def test_a_disk_that_hangs_is_named_and_the_others_are_told(lab: Cluster) -> None:
    unfence(lab)
    lab.n1.hang("a")
    started = time.monotonic()
    report = reported(lab.n1, "show", lab.n1.by_id("a"), lab.n1.by_id("b"), "--timeout=3")
    assert time.monotonic() - started < 6
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["no-answer-in-time"])
    assert [it["code"] for it in report["warnings"]] == ["cib-unread"]  # no cluster runs in this node
    assert {it["name"]: it["registrations"] is None for it in report["found"]["disks"]} == {
        lab.n1.by_id("a"): True,
        lab.n1.by_id("b"): False,
    }


def test_an_ordinary_user_is_told_what_it_cannot_see(lab: Cluster) -> None:
    unfence(lab)
    user = ["setpriv", "--reuid=65534", "--clear-groups", TOOL, "show", lab.n1.by_id("a")]
    done = lab.n1.run(user)
    assert (done.returncode, done.stderr) == (3, "")
    assert "this user is not root" in " ".join(done.stdout.split())
    assert "sd" in done.stdout
