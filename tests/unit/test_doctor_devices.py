"""The doctor's judgements on the cluster's fence devices."""

from __future__ import annotations

import pytest

from fence_pr.errors import FenceError
from fence_pr.tool.doctor import configuration as doctor_configuration
from fence_pr.tool.doctor import devices as doctor_devices
from tests.unit import doctored
from tests.unit.doctored import NODES, level, parsed, primitive

BOTH = (primitive("one", devices="/dev/a"), primitive("two", devices="/dev/b"))
ON_ALL = tuple(level("one,two", target=node) for node in NODES)
IPMI = primitive("ipmi", "stonith:fence_ipmilan", pcmk_host_list="n1 n2 n3")


def judged(*resources: str, **more: object) -> list[str]:
    found = parsed(*resources, **more)
    return doctored.codes(doctor_devices.judge(found, found.names()))


def test_a_usual_configuration_is_well() -> None:
    assert judged(primitive()) == []
    assert judged(primitive(), options={"stonith-enabled": "true", "stonith-timeout": "60s"}) == []
    assert judged(primitive(pcmk_host_map="n1:0x1;n2:0x2;n3:0x3", pcmk_host_list="")) == []
    assert judged(primitive(pcmk_host_list="", pcmk_off_timeout="90")) == []


CASES: tuple[tuple[str, tuple[str, ...], dict[str, object], list[str]], ...] = (
    ("switched off", (primitive(),), {"options": {"stonith-enabled": "false"}}, ["fencing-disabled"]),
    ("switched off by its new name", (primitive(),), {"options": {"fencing-enabled": "no"}}, ["fencing-disabled"]),
    ("no fence device", (), {}, ["fence-device-missing"]),
    ("only another agent's", (IPMI,), {}, ["fence-device-missing"]),
    ("stopped", (primitive(meta={"provides": "unfencing", "target-role": "Stopped"}),), {}, ["fence-device-off"]),
    ("started", (primitive(meta={"provides": "unfencing", "target-role": "Started"}),), {}, []),
    ("in maintenance", (primitive(meta={"provides": "unfencing", "maintenance": "true"}),), {},
     ["fence-device-unmanaged"]),
    ("not managed", (primitive(meta={"provides": "unfencing", "is-managed": "false"}),), {},
     ["fence-device-unmanaged"]),
    ("left bound", (primitive(),), {"constraints":
     '<rsc_location id="disks-pinned-by-pr_fence" rsc="disks" node="n1" score="1000"/>'}, ["fence-device-bound"]),
    ("no unfencing", (primitive(meta={}),), {}, ["unfencing-missing"]),
    ("another promise", (primitive(meta={"provides": "nothing"}),), {}, ["unfencing-missing"]),
    ("a plug", (primitive(plug="n1"),), {}, ["plug-in-resource"]),
    ("a port", (primitive(port="n1"),), {}, ["plug-in-resource"]),
    ("a key", (primitive(key="0x1"),), {}, ["plug-in-resource"]),
    ("no disks", (primitive(devices=""),), {}, ["devices-missing"]),
    ("a node is missing", (primitive(pcmk_host_list="n1 n2"),), {}, ["host-unlisted"]),
    ("a node in capitals", (primitive(pcmk_host_list="N1 n2 n3"),), {}, ["host-unknown"]),
    ("a node misspelt", (primitive(pcmk_host_list="n1 n2 n33"),), {}, ["host-unknown", "host-unlisted"]),
    ("a list that is not used", (primitive(pcmk_host_list="n1", pcmk_host_check="dynamic-list"),), {}, []),
    ("a map lacks one", (primitive(pcmk_host_list="", pcmk_host_map="n1:0x1;n2:0x2"),), {}, ["host-unlisted"]),
    ("list and map", (primitive(pcmk_host_list="n1", pcmk_host_map="n2:0x2;n3:0x3"),), {}, []),
    ("another agent has the rest", (primitive(pcmk_host_list="n1 n2"), IPMI), {}, []),
    ("another agent has others", (primitive(pcmk_host_list="n1"), primitive("i", "stonith:x", pcmk_host_list="n2")), {},
     ["host-unlisted"]),
    ("banned", (primitive(),), {"constraints": '<rsc_location id="b" rsc="disks" node="n2" score="-INFINITY"/>'},
     ["fence-device-banned"]),
    ("another is banned", (primitive(), IPMI),
     {"constraints": '<rsc_location id="b" rsc="ipmi" node="n2" score="-INFINITY"/>'}, []),
    ("preferred", (primitive(),), {"constraints": '<rsc_location id="b" rsc="disks" node="n2" score="100"/>'}, []),
    ("two devices", BOTH, {}, ["fence-devices-without-level"]),
    ("one of two has all", (primitive("one"), BOTH[1]), {}, ["fence-devices-without-level"]),
    ("two devices in one level", BOTH, {"levels": ON_ALL}, []),
    ("a level for some", BOTH, {"levels": ON_ALL[:2]}, ["fence-devices-without-level"]),
    ("a level for a pattern", BOTH, {"levels": (level("one,two", target_pattern="^n[0-9]$"),)}, []),
    ("a pattern that is none", BOTH, {"levels": (level("one,two", target_pattern="("),)},
     ["fence-devices-without-level"]),
    ("two levels, one device each", BOTH,
     {"levels": tuple(it for node in NODES for it in (level("one", "1", target=node), level("two", "2", target=node)))},
     ["fence-devices-without-level", "fence-devices-without-level"]),
    ("levels in two orders", BOTH, {"levels": (*ON_ALL[:2], level("two,one", target="n3"))}, ["level-orders-differ"]),
    ("a level of another agent", (*BOTH, IPMI), {"levels": tuple(level("ipmi", target=it) for it in NODES)}, []),
    ("one device, and another agent's, in one level", (*BOTH, IPMI),
     {"levels": tuple(level("one,ipmi", target=it) for it in NODES)}, []),
    ("the same disks twice", (primitive("one"), primitive("two")), {}, []),
    ("the same disks, a device a node",
     (primitive("one", pcmk_host_list="n1"), primitive("two", pcmk_host_list="n2 n3")), {}, []),
    ("disks of their own, nodes of their own",
     (primitive("one", pcmk_host_list="n1", devices="/dev/a"),
      primitive("two", pcmk_host_list="n2 n3", devices="/dev/b")), {},
     ["disks-not-covered", "disks-not-covered", "disks-not-covered"]),
    ("too short a time", (primitive(pcmk_off_timeout="20s"),), {}, ["time-limit-too-short"]),
    ("too short a time for all", (primitive(),), {"options": {"stonith-timeout": "20"}}, ["time-limit-too-short"] * 5),
    ("a longer limit", (primitive(power_timeout="59"),), {}, ["time-limit-too-short"]),
    ("no time for a second try", (primitive(power_timeout="50"),), {}, ["limit-needs-more"]),
    ("time for one", (primitive(power_timeout="50", pcmk_off_timeout="2min"),), {}, []),
    ("a time that is none", (primitive(pcmk_off_timeout="soon"),), {}, []),
    ("an option that is wrong", (primitive(power_timeout="long"),), {}, []),
    ("no limit", (primitive(disable_timeout="1"),), {}, []),
)  # fmt: skip


@pytest.mark.parametrize(("name", "resources", "more", "wanted"), CASES, ids=[it[0] for it in CASES])
def test_what_is_wrong_is_found_and_nothing_else(
    name: str, resources: tuple[str, ...], more: dict[str, object], wanted: list[str]
) -> None:
    assert judged(*resources, **more) == wanted, name


GROUP = (
    '<group id="g"><meta_attributes id="gm"><nvpair id="t" name="target-role" value="Stopped"/></meta_attributes>'
    f"{primitive()}</group>"
)
STOPPED = '<nvpair id="t" name="target-role" value="Stopped"/>'
DEFAULTS = f'<rsc_defaults><meta_attributes id="d">{STOPPED}</meta_attributes></rsc_defaults>'
REFERRED = (
    '<primitive id="disks" class="stonith" type="fence_pr_ioctl"><instance_attributes id-ref="i"/>'
    '<meta_attributes id="own"><nvpair id-ref="m" name="provides"/></meta_attributes></primitive>'
)
ELSEWHERE = (
    '<primitive id="x" class="ocf" type="Dummy"><instance_attributes id="i">'
    '<nvpair id="a" name="devices" value="/dev/a"/></instance_attributes>'
    '<meta_attributes id="o"><nvpair id="m" name="provides" value="unfencing"/></meta_attributes>'
    "</primitive>"
)


def location(score: str, rsc: str = "disks", node: str = "n2", name: str = "b") -> str:
    return f'<rsc_location id="{name}" rsc="{rsc}" node="{node}" score="{score}"/>'


def rule(value: str, score: str = "-INFINITY", operation: str = "eq") -> str:
    given = f'<expression id="e" attribute="#uname" operation="{operation}" value="{value}"/>'
    return f'<rsc_location id="b" rsc="disks"><rule id="r" score="{score}">{given}</rule></rsc_location>'


MORE: tuple[tuple[str, tuple[str, ...], dict[str, object], list[str]], ...] = (
    ("a level names nothing that is", (primitive(),),
     {"levels": tuple(level("disks,ghost", target=it) for it in NODES)}, ["level-device-unknown"]),
    ("a level of a fence device that does not list the node", (primitive(pcmk_host_list="n1 n2"),),
     {"levels": tuple(level("disks", target=it) for it in NODES)}, ["host-unlisted"]),
    ("its group is stopped", (GROUP,), {}, ["fence-device-off"]),
    ("its own role holds, not the group's",
     (GROUP.replace('<nvpair id="provides"', '<nvpair id="r" name="target-role" value="Started"/><nvpair id="p"'),),
     {}, []),
    ("everything is stopped", (primitive(), DEFAULTS), {}, ["fence-device-off"]),
    ("a score below nothing", (primitive(),), {"constraints": location("-1")}, ["fence-device-banned"]),
    ("scores that add up", (primitive(),), {"constraints": location("-1") + location("5", name="c")}, []),
    ("a ban is a ban", (primitive(),), {"constraints": location("-INFINITY") + location("INFINITY", name="c")},
     ["fence-device-banned"]),
    ("its group is banned", (f'<group id="g">{primitive()}</group>',), {"constraints": location("-INFINITY", "g")},
     ["fence-device-banned"]),
    ("a ban by a rule", (primitive(),), {"constraints": rule("n2")}, ["fence-device-banned"]),
    ("a ban of all others by a rule", (primitive(),), {"constraints": rule("n2", operation="ne")},
     ["fence-device-banned"] * 2),
    ("a rule that prefers", (primitive(),), {"constraints": rule("n2", "100")}, []),
    ("nobody may unless it is said", (primitive(),), {"options": {"symmetric-cluster": "false"},
     "constraints": location("0", node="n1") + location("0", name="c")}, ["fence-device-banned"]),
    ("a unit in capitals", (primitive(pcmk_off_timeout="20S"),), {}, ["time-limit-too-short"]),
    ("a static list without a list", (primitive(pcmk_host_list="", pcmk_host_check="static-list"),), {},
     ["host-unlisted"] * 3),
    ("a pattern as POSIX has it", BOTH, {"levels": (level("one,two", target_pattern="^n[[:digit:]]+$"),)}, []),
    ("a level's node in capitals", BOTH, {"levels": tuple(level("one,two", target=it.upper()) for it in NODES)}, []),
    ("a map with equals signs", (primitive(pcmk_host_list="", pcmk_host_map="n1=0x1;n2=0x2;n3=0x3"),), {}, []),
    ("a guest node in the list",
     (primitive(pcmk_host_list="n1 n2 n3 g"), primitive("m", "ocf:heartbeat:VirtualDomain", meta={"remote-node": "g"})),
     {}, []),
    ("settings by reference", (REFERRED, ELSEWHERE), {}, []),
)  # fmt: skip


@pytest.mark.parametrize(("name", "resources", "more", "wanted"), MORE, ids=[it[0] for it in MORE])
def test_what_pacemaker_reads_in_more_than_one_place(
    name: str, resources: tuple[str, ...], more: dict[str, object], wanted: list[str]
) -> None:
    text = doctored.cib(*resources, **more)  # type: ignore[arg-type]
    if DEFAULTS in text:
        text = text.replace(DEFAULTS, "").replace("<constraints>", f"{DEFAULTS}<constraints>")
    found = doctor_configuration.parse(text.encode())
    assert doctored.codes(doctor_devices.judge(found, found.names())) == wanted, name


@pytest.mark.parametrize(("first", "wanted"), [("false", ["fencing-disabled"]), ("true", [])])
def test_of_an_option_that_is_set_twice_pacemakers_first_one_holds(first: str, wanted: list[str]) -> None:
    """The set cib-bootstrap-options comes first, wherever it stands."""
    second = {"true": "false", "false": "true"}[first]
    text = doctored.cib(primitive(), options={"stonith-enabled": second})
    own = '<cluster_property_set id="cib-bootstrap-options"><nvpair id="w" name="stonith-enabled" value="{}"/>'
    for place in ("<crm_config>", "</cluster_property_set>"):
        given = own.format(first) + "</cluster_property_set>"
        more = text.replace(place, place + given, 1)
        found = doctor_configuration.parse(more.encode())
        assert doctored.codes(doctor_devices.judge(found, found.names())) == wanted


def test_levels_by_an_attribute_of_the_node() -> None:
    nodes = "".join(
        f'<node id="{it}" uname="{it}"><instance_attributes id="a"><nvpair id="r" name="rack" value="1"/>'
        "</instance_attributes></node>"
        for it in NODES
    )
    text = doctored.cib(*BOTH, nodes=(), levels=(level("one,two", target_attribute="rack", target_value="1"),))
    found = doctor_configuration.parse(text.replace("<nodes></nodes>", f"<nodes>{nodes}</nodes>").encode())
    assert doctored.codes(doctor_devices.judge(found, found.names())) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60.0), ("60s", 60.0), ("2min", 120.0), ("1h", 3600.0), ("500ms", 0.5), ("1 m", 60.0), ("", None),
     ("x", None), ("5 parsecs", None), ("nan", None), ("1e400", None)],
)  # fmt: skip
def test_times_as_pacemaker_has_them(text: str, seconds: float | None) -> None:
    assert doctor_devices.seconds(text) == seconds


def test_templates_remote_nodes_and_clones_are_read() -> None:
    template = '<template id="t" class="stonith" type="fence_pr_ioctl"><meta_attributes id="m">' \
               '<nvpair id="p" name="provides" value="unfencing"/></meta_attributes></template>'  # fmt: skip
    made = '<clone id="c"><primitive id="disks" template="t"><instance_attributes id="i">' \
           '<nvpair id="d" name="devices" value="/dev/a"/></instance_attributes></primitive></clone>'  # fmt: skip
    remote = primitive("far", "ocf:pacemaker:remote", meta={})
    guest = primitive("machine", "ocf:heartbeat:VirtualDomain", meta={"remote-node": "guest1"})
    dummy = primitive("other", "ocf:pacemaker:Dummy", meta={})
    found = parsed(template, made, remote, guest, dummy)
    assert [(it.name, sorted(it.disks()), it.meta) for it in found.devices] == [
        ("disks", ["/dev/a"], {"provides": "unfencing"})
    ]
    assert (found.remotes, found.guests) == (("far",), ("guest1",))
    assert [it.agent for it in found.resources] == [
        "ocf:pacemaker:remote", "ocf:heartbeat:VirtualDomain", "ocf:pacemaker:Dummy",
    ]  # fmt: skip


def test_what_is_no_configuration_is_told() -> None:
    with pytest.raises(FenceError, match="could not be read") as failure:
        doctor_configuration.parse(b"<cib>")
    assert failure.value.code == "cib-unread"
