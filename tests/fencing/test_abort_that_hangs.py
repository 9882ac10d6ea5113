"""A disk whose preempt-and-abort gets no answer: what a person reads, and how the next try finds the victim out.

The target is LIO that nowhere says so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing import loaded
from tests.fencing.agent import key, run, start, succeed
from tests.fencing.loaded import DEFAULT, load_on
from tests.lab import kernels, plugin, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.load import Load


LUN, STORE = "e", "lun-e"
LIMIT_SECONDS, BUSY_SECONDS = 5, 3
# The target has accepted writes and carries them out so late, but before it gives its initiators up.
HELD_MILLISECONDS = 12000
ACCEPTED_SECONDS = 0.7
TRIES, SLOW_MILLISECONDS = 4, 100
REMEDY = "the node may be fenced by now: run 'off' again, which finds out; if this repeats, set abort=never"

pytestmark = [pytest.mark.slow, pytest.mark.promise(4, 5, 6)]


@pytest.fixture(scope="module", params=[plugin.parameter(plugin.NEWEST, group="hangs-")])
def kernel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own(kernel: str) -> Iterator[Cluster]:
    """A cluster that nobody uses afterwards, all nodes registered, n2 first."""
    source = plugin.or_not_covered(lambda: kernels.source(kernel).kernel())
    with Guest(source, root.folder()) as guest:
        cluster = Cluster(guest)
        register(cluster)
        yield cluster


def register(cluster: Cluster) -> None:
    """n2 first, which then holds the reservation."""
    cluster.guest.call("clear")
    for node in (cluster.n2, cluster.n1, cluster.n3):
        succeed(node, "on", node.name, luns=LUN)


def gets_no_answer(own: Cluster) -> bool:
    """Whether an 'off' by n1 gets none. If so it ends in time, and says which disk does not answer to what, and what to
    do.
    """
    done = run(own.n1, "off", "n2", luns=LUN, power_timeout=str(LIMIT_SECONDS), settle_time="0")
    if done.returncode == 0:
        return False
    first, second = done.stderr.splitlines()
    assert done.seconds < LIMIT_SECONDS + 1 + BUSY_SECONDS
    assert first.startswith("Failed: Timed out waiting to power OFF after ")
    assert second.startswith(f"Failed: {own.n1.by_id(LUN)} ({own.n1.disk(LUN)}): no answer to preempt-and-abort; ")
    assert second.endswith(REMEDY)
    return True


def test_until_what_was_accepted_is_done(own: Cluster) -> None:
    """The abort waits for the victim's writes. Once it is through, the next try says what has come of the first."""
    with load_on(own, 2, LUN, nodes=["n3"]) as load:
        own.guest.call("hold_writes", name=STORE, milliseconds=HELD_MILLISECONDS)
        write = own.n2.start(["dd", "if=/dev/zero", f"of={own.n2.disk(LUN)}", "bs=4096", "count=1", "oflag=direct"])
        time.sleep(ACCEPTED_SECONDS)
        assert gets_no_answer(own)
        own.guest.call("hold_writes", name=STORE, milliseconds=2)
        done = succeed(own.n1, "off", "n2", luns=LUN)
        write.wait()
        assert done.stdout == "Success: Already OFF\n"
        assert own.n2.write(LUN) == "EBADE"
        succeed(own.n2, "on", "n2", luns=LUN)
        done = succeed(own.n1, "off", "n2", luns=LUN, abort="never", settle_time="0")
        assert done.seconds < LIMIT_SECONDS
        assert own.reservation(LUN).keys == {"n1": key("n1"), "n3": key("n3")}
        # They waited for the store, as everybody's did.
        assert not load.errors("n3")
        assert not any(writers.lost() for writers in load.of("n3"))


def test_until_the_session_is_given_up(own: Cluster) -> None:
    """The abort waits for the fencing node's own writes, whose acknowledgements only the waiting thread could take.

    This session is lost for good: the target's threads wait for each other, also the one for new sessions at this
    portal. Another node finds the victim out meanwhile, and is not harmed. Whether it hangs depends on what is in
    flight at that moment.
    """
    for _ in range(TRIES):
        with load_on(own, SLOW_MILLISECONDS, LUN) as load:
            if gets_no_answer(own):
                another_node_goes_on(own, load)
                return
        register(own)
    pytest.fail(f"the abort got an answer {TRIES} times: has LIO been mended?")


def another_node_goes_on(own: Cluster, load: Load) -> None:
    """It finds the victim out, and no write of its own suffers, while those of the fencing node hang."""
    loaded.is_out(load, "n2")
    again = start(own.n1, "off", "n2", luns=LUN, power_timeout=str(LIMIT_SECONDS))
    done = succeed(own.n3, "off", "n2", luns=LUN, settle_time=DEFAULT)
    assert (done.stdout, done.seconds < LIMIT_SECONDS) == ("Success: Already OFF\n", True)
    said = again.wait()
    assert f"Failed: {own.n1.by_id(LUN)} ({own.n1.disk(LUN)}): no answer to inquiry; " in said.stderr
    assert said.seconds < LIMIT_SECONDS + 1 + BUSY_SECONDS
    load.unharmed("n3")
    assert all(block.since > LIMIT_SECONDS for report in load.reports("n1") for block in report.blocks)
