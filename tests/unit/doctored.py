"""Configurations and answers of Pacemaker's tools, as the doctor reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fence_pr.tool.doctor import configuration as doctor_configuration
from fence_pr.tool.doctor import findings as doctor_findings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fence_pr.tool.doctor.configuration import Configuration
    from fence_pr.tool.doctor.findings import Finding

_CIB = """\
<cib><configuration>
  <crm_config><cluster_property_set id="o">{options}</cluster_property_set></crm_config>
  <nodes>{nodes}</nodes>
  <resources>{resources}</resources>
  <constraints>{constraints}</constraints>{topology}
</configuration><status/></cib>
"""
NODES = ("n1", "n2", "n3")
PROVIDES = {"provides": "unfencing"}


def pairs(values: dict[str, str]) -> str:
    """As nvpair elements."""
    return "".join(f'<nvpair id="{name}" name="{name}" value="{value}"/>' for name, value in values.items())


def primitive(
    name: str = "disks",
    agent: str = "stonith:fence_pr_ioctl",
    meta: dict[str, str] | None = None,
    **options: str,
) -> str:
    """A resource; one of this agent has two disks and all nodes, unless the options say otherwise."""
    words = ("class", "provider", "type") if agent.count(":") == 2 else ("class", "type")
    kind = " ".join(f'{word}="{part}"' for word, part in zip(words, agent.split(":")))
    given = {"devices": "/dev/a /dev/b", "pcmk_host_list": " ".join(NODES)} if agent.endswith("fence_pr_ioctl") else {}
    return (
        f'<primitive id="{name}" {kind}><instance_attributes id="i">{pairs({**given, **options})}</instance_attributes>'
        f'<meta_attributes id="m">{pairs(PROVIDES if meta is None else meta)}</meta_attributes></primitive>'
    )


def cib(
    *resources: str,
    options: dict[str, str] | None = None,
    nodes: Iterable[str] = NODES,
    constraints: str = "",
    levels: Iterable[str] = (),
) -> str:
    """A configuration."""
    members = "".join(f'<node id="{place}" uname="{name}"/>' for place, name in enumerate(nodes, 1))
    topology = f"<fencing-topology>{''.join(levels)}</fencing-topology>" if levels else ""
    return _CIB.format(options=pairs(options or {}), nodes=members, resources="".join(resources),
                       constraints=constraints, topology=topology)  # fmt: skip


def level(devices: str, index: str = "1", **target: str) -> str:
    """A topology level."""
    words = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in target.items())
    return f'<fencing-level id="l{index}" index="{index}" devices="{devices}"{words}/>'


def parsed(*resources: str, **more: Any) -> Configuration:
    """The same as the doctor reads it."""
    return doctor_configuration.parse(cib(*resources, **more).encode())


def codes(found: Iterable[Finding]) -> list[str]:
    """Of findings, which can all be told."""
    findings = list(found)
    for it in findings:
        said = doctor_findings.told(it)
        assert said["text"], it
        assert said["remedy"], it
        assert "{" not in said["text"] + said["remedy"]
    return [it.notice.code for it in findings]


MON = """\
<pacemaker-result api-version="2.25" request="crm_mon">
  <nodes>{nodes}</nodes>
  <failures>{failures}</failures>
  <fence_history status="0">{events}</fence_history>
  <status code="0" message="OK"/>
</pacemaker-result>
"""


def mon(online: Iterable[str] = NODES, events: str = "", failures: str = "", offline: Iterable[str] = ()) -> str:
    """What crm_mon prints."""
    nodes = [*((name, "true") for name in online), *((name, "false") for name in offline)]
    told = "".join(f'<node name="{name}" online="{it}" unclean="false" pending="false" type="member"/>'
                   for name, it in nodes)  # fmt: skip
    return MON.format(nodes=told, events=events, failures=failures)


def event(target: str = "n2", status: str = "failed", action: str = "reboot", reason: str = "") -> str:
    """An entry of the fence history."""
    more = f' exit-reason="{reason}"' if reason else ""
    return (f'<fence_event action="{action}" target="{target}" client="c" origin="n1" status="{status}"'
            f' completed="2026-11-30 12:00:00Z"{more}/>')  # fmt: skip
