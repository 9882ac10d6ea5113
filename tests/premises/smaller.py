"""E: smaller ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.inside.layout import CLUSTER, NODES, ring_address
from tests.premises.bench import COROSYNC, FAILED, JOINED, OUT, SILENT, WARNED, Seen
from tests.premises.table import row

if TYPE_CHECKING:
    from tests.premises.bench import Bench

REMOTE = "remote1"


@row("E3", "type=EARO is wanted, and WERO is in force", old=SILENT, new=WARNED)
def another_type(bench: Bench) -> Seen:
    bench.join("n1")
    return Seen(bench.call("n2", "on", "n2", type="EARO", verbose="1"), warning="and the option type asks for")


@row("E14", "A nodelist with addresses and without names, as crmsh wrote it for years", old=FAILED, new=JOINED)
def addresses_only(bench: Bench) -> Seen:
    entries = "".join(
        f"    node {{\n        ring0_addr: {ring_address(node)}\n        nodeid: {number}\n    }}\n"
        for number, node in enumerate(NODES, 1)
    )
    text = f"totem {{\n    version: 2\n    cluster_name: {CLUSTER}\n}}\n\nnodelist {{\n{entries}}}\n"
    bench.nodes["n1"].run(["tee", COROSYNC], stdin=text, check=True)
    return Seen(bench.call("n1", "on", "n1"))


@row("E15", "A node of Pacemaker Remote, which is on no nodelist, is to be fenced", old=FAILED, new=OUT)
def a_remote_node(bench: Bench) -> Seen:
    n2 = bench.nodes["n2"]
    n2.run(["rm", COROSYNC], check=True)
    bench.join("n1")
    with bench.host_name("n2", REMOTE):
        done = bench.call("n2", "on", REMOTE, other_nodes=REMOTE, cluster_name=CLUSTER)
    if not done.returncode:
        done = bench.call("n1", "off", REMOTE, other_nodes=REMOTE)
    return Seen(done, n2.write("a"))
