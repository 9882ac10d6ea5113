"""What is found wrong, with how it was seen and what to do: as JSON, each once, what causes the rest first. Pure."""

from __future__ import annotations

from ...messages import sentences
from ...record import Record
from ..report import sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...errors import Notice
    from ..report import Json

FAILURE, UNSEEN, WARNING = "failure", "unseen", "warning"
_SEVERITIES = (FAILURE, UNSEEN, WARNING)
_MOST_EVIDENCE = 8

# What explains much else, the worst first. What is in neither list stands between the two.
CAUSES = (
    "corosync-conf-unreadable", "corosync-conf-missing", "cluster-name-missing", "fencing-disabled",
    "fence-device-missing", "fence-device-off", "node-names-equal",
    "host-identifiers-equal", "cluster-names-differ", "nodelists-differ",
    "nodelist-orders-differ", "name-leads-elsewhere", "own-keys-equal", "registrations-differ", "unfencing-missing",
    "fence-device-banned", "plug-in-resource", "host-unlisted", "level-device-unknown", "disks-not-covered",
    "fence-devices-without-level", "level-orders-differ", "time-limit-too-short", "node-not-in-nodelist",
    "remote-node-unknown",
)  # fmt: skip
# What something else has led to, or will lead to.
SYMPTOMS = ("member-not-registered", "node-unclean", "fence-device-failed", "fencing-failed")
# Told of a disk by what reads it for another question, and no finding beside the others.
_ECHOES = {
    "not-unfenced": ("unfencing-missing", "own-key-missing", "no-keys"),
    "not-known-here": ("corosync-conf-missing", "cluster-name-missing"),
}


class Finding(Record):
    """Something that is wrong, or could not be seen.

    evidence  what shows it, and where that was read
    node      where it was seen; "" if it is the whole cluster's
    unseen    whether it is only that something could not be examined
    """

    notice: Notice
    evidence: tuple[str, ...] = ()
    node: str = ""
    unseen: bool = False


def told(finding: Finding) -> Json:
    """As it stands in the report."""
    notice, fields = finding.notice, finding.notice.fields
    severity, (_, _, _, cause, remedy) = sentences.find(notice.code)
    kind = UNSEEN if finding.unseen else FAILURE if severity == sentences.FAILURE else WARNING
    return {
        "severity": kind,
        "code": notice.code,
        "nodes": [finding.node] if finding.node else [],
        "disk": str(fields.get("disk", "")),
        "text": sentences.sentence(notice.code, fields, hint=False),
        "evidence": list(finding.evidence),
        "cause": cause,
        "remedy": sentences.to_do(notice.code, fields) or remedy,
    }


def message(said: Json) -> Json:
    """The same as a message of the report, as every subcommand has them."""
    text = f"{said['text']}; {said['remedy']}" if said["remedy"] else said["text"]
    severity = sentences.FAILURE if said["severity"] == FAILURE else sentences.WARNING
    return {"code": said["code"], "severity": severity, "disk": said["disk"], "text": text}


def headline(said: Json) -> str:
    """What it says in a line: where, of which disk, and what."""
    where = ", ".join(said["nodes"])
    return f"{where}: {sentence(said)}" if where else sentence(said)


def in_order(found: Iterable[Json]) -> list[Json]:
    """Each finding once, with all nodes that tell it; causes first, then what could not be seen, then symptoms."""
    merged: dict[tuple[str, str, str], Json] = {}
    for it in found:
        kept = merged.setdefault((it["code"], it["disk"], it["text"]), {**it, "nodes": [], "evidence": []})
        kept["nodes"] = list(dict.fromkeys([*kept["nodes"], *it["nodes"]]))
        kept["evidence"] = list(dict.fromkeys([*kept["evidence"], *it["evidence"]]))[:_MOST_EVIDENCE]
        kept["severity"] = min(kept["severity"], it["severity"], key=_SEVERITIES.index)
    codes = {it["code"] for it in merged.values()}
    left = [it for it in merged.values() if codes.isdisjoint(_ECHOES.get(it["code"], ()))]
    return sorted(left, key=_rank)


def _rank(said: Json) -> tuple[int, int]:
    code, severity = said["code"], _SEVERITIES.index(said["severity"])
    if code in SYMPTOMS:
        return 2 * severity + 3, SYMPTOMS.index(code)
    return 2 * severity, CAUSES.index(code) if code in CAUSES else len(CAUSES)
