"""The load that tests of fencing put on disks: what it counts is what there was."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.inside.load import number_in, stamp
from tests.lab.inside.transfers import BLOCK
from tests.lab.load import FIRST_WRITES_SECONDS, WRITERS, LoadError, places, under_load, writing
from tests.lab.plugin import newest

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster
    from tests.lab.fabric import Fabric
    from tests.lab.nvme import Namespaces

WRITE_EXCLUSIVE_REGISTRANTS = 3
KEY = 0xA1
SLOW_MILLISECONDS = 100


def test_a_block_tells_its_write() -> None:
    assert number_in(stamp("n1", 7, 2**40)) == 2**40
    assert number_in(bytes(BLOCK)) == 0
    with pytest.raises(ValueError, match="two writes"):
        number_in(stamp("n1", 7, 1)[:2048] + stamp("n1", 7, 2)[2048:])


@newest
def test_what_is_counted_is_what_landed(lab: Cluster) -> None:
    with under_load(lab, ("n1", "n2"), luns=("a", "b"), milliseconds=SLOW_MILLISECONDS) as load:
        time.sleep(1)
        load.unharmed("n1", "n2")
    load.unharmed("n1", "n2")
    for node in ("n1", "n2"):
        for writers in load.of(node):
            report = writers.report()
            assert report.ended
            assert [block.acknowledged for block in report.blocks] == writers.landed()
            assert [block.tried for block in report.blocks] == writers.landed()
            assert [(block.answer, block.since) for block in report.blocks] == [("ok", 0.0)] * WRITERS
            seconds = SLOW_MILLISECONDS / 1000
            assert report.longest > seconds
            # None is faster than its store. How much slower they are is this machine's.
            assert 0 < report.ok * seconds / WRITERS / report.seconds <= 1
    assert len(set(load.landed("n1") + load.landed("n2"))) == 4 * WRITERS


@newest
def test_an_instant_store_is_not_asked_for_all_that_it_can(lab: Cluster) -> None:
    with writing(places(lab, ["n1"], ["c"]), rate=50) as load:
        time.sleep(2)
        (report,) = load.reports("n1")
        assert 0 < report.ok / report.seconds < 60


@newest
def test_a_refused_write_is_counted(lab: Cluster) -> None:
    lab.drain()
    assert lab.n1.pr("a", "register", 0, KEY) == 0
    with under_load(lab, ("n1", "n2"), luns="a", milliseconds=2) as load:
        assert lab.n1.pr("a", "reserve", KEY, WRITE_EXCLUSIVE_REGISTRANTS) == 0
        time.sleep(1)
        load.unharmed("n1")
        load.fenced("n2")
        assert set(load.errors("n2")) == {"EBADE"}
        assert load.errors("n2")["EBADE"] >= WRITERS
        moments = {node: load.landed(node) for node in ("n1", "n2")}
        time.sleep(1)
        assert load.landed_after("n1", moments["n1"]) > 0
        assert load.landed_after("n2", moments["n2"]) == 0
        for assertion, node in ((load.unharmed, "n2"), (load.fenced, "n1")):
            with pytest.raises(AssertionError):
                assertion(node)


@newest
def test_a_write_that_hangs_is_reported_and_holds_nothing_up(lab: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.lab.load.BUSY_SECONDS", 0.0)
    with under_load(lab, ["n1"], luns="a", milliseconds=2) as load:
        lab.n1.hang("a")
        time.sleep(2.5)
    (report,) = load.reports("n1")
    assert report.ended
    assert all(block.since > 2.5 for block in report.blocks), report
    assert report.longest > 2.5
    assert report.silent > 2.5
    with pytest.raises(AssertionError):
        load.unharmed("n1")
    lab.n1.resume("a")
    lab.reset()


@newest
def test_a_lost_write_is_seen(lab: Cluster) -> None:
    with under_load(lab, ["n1"], luns="a") as load:
        pass
    load.unharmed("n1")
    (writers,) = load.of("n1")
    assert lab.n2.write("a", fill=0, offset=writers.place.offset + BLOCK) == "ok"
    assert writers.lost() == 1
    with pytest.raises(AssertionError):
        load.unharmed("n1")


@newest
def test_a_look_at_a_store_at_the_moment_of_an_answer(lab: Cluster) -> None:
    """Between the two the write lands that the command began before it answered."""
    look = ["python3", "-B", "-m", "tests.lab.inside.at_answer", "lun-a,lun-b", "0", str(BLOCK)]
    write = f"dd if=/dev/zero of={lab.n1.disk('a')} bs=4096 count=1 oflag=direct status=none"
    command = ["sh", "-c", f"{write} & cat; echo no >&2; wait; echo late; exit 3"]
    assert [lab.n2.write("a", fill=1), lab.n2.write("b", fill=0)] == ["ok", "ok"]
    lab.guest.call("hold_writes", name="lun-a", milliseconds=3000)
    said = json.loads(lab.n1.run([*look, *command], stdin="in\n", cwd="/project", check=True).stdout)
    assert (said["returncode"], said["stdout"], said["stderr"]) == (3, "in\nlate\n", "no\n")
    assert said["seconds"] < 3
    assert [set(base64.b64decode(it)) for it in said["landed"]] == [{1}, {0}]
    assert set(lab.n2.content("a")) == {0}


@newest
def test_who_cannot_write_at_all_is_no_load(lab: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.lab.load.FIRST_WRITES_SECONDS", FIRST_WRITES_SECONDS / 10)
    lab.n1.set_state("a", "offline")
    with pytest.raises(LoadError, match="n1 does not write to"), under_load(lab, ["n1"], luns="a"):
        pass


@pytest.mark.parametrize("namespaces", ["tcp"], indirect=True)
def test_namespaces_and_luns_of_one_guest(namespaces: Namespaces) -> None:
    with under_load(namespaces, luns="e", namespaces=[1], milliseconds=20) as load:
        time.sleep(0.5)
        load.unharmed("n1", "n2", "n3")
    assert [writers.place.store.name for writers in load.of("n3")] == ["lun-e", "namespace-1"]


def test_separate_hosts(fabric: Fabric) -> None:
    with under_load(fabric, namespaces=(1,), milliseconds=20) as load:
        time.sleep(0.5)
        load.unharmed("n1", "n2", "n3")
        assert all(report.longest > 0.02 for report in load.reports("n2"))
