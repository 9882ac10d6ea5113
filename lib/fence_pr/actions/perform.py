"""Options → request → action → report: what the child process does."""

from __future__ import annotations

import os

from .. import files
from ..errors import FenceError, Notice
from ..option_table import DRAIN_RESET
from ..shortage import lacking
from ..storage import snapshot as types
from .job import Job
from .report import Report
from .request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..child import Channel
    from ..options import Options


def action(name: str) -> Callable[[Job], Report]:
    """What an action does. Only its own code is loaded: start-up is part of fencing time."""
    if name == "on":
        from .on import on

        return on
    if name == "off":
        from .off import off

        return off
    if name == "validate-all":
        from .validate_all import validate

        return validate
    if name == "monitor":
        from .monitor import monitor

        return monitor
    from . import inspection

    reading = {
        "status": inspection.status,
        "list": inspection.list_nodes,
        "list-status": inspection.list_status,
    }
    return reading[name]


# So many, each over many paths, need no more descriptors than a process usually may have.
_FEW_DISKS, _USUAL_DESCRIPTORS = 16, 1024

_TYPES: dict[str, int | None] = {
    "auto": None,
    "WERO": types.WRITE_EXCLUSIVE_REG_ONLY,
    "EARO": types.EXCLUSIVE_ACCESS_REG_ONLY,
    "WEAR": types.WRITE_EXCLUSIVE_ALL_REGS,
    "EAAR": types.EXCLUSIVE_ACCESS_ALL_REGS,
}


def request(options: Options) -> Request:
    """The part of the options that the actions need."""
    return Request(
        action=options.action(),
        plug=options.plug(),
        key=options.text("key"),
        devices=options.devices(),
        key_method=options.text("key_value"),
        cluster_name=options.text("cluster_name"),
        reservation_type=_TYPES[options.text("type")],
        abort=options.text("abort"),
        refuse_foreign=options.text("foreign") == "refuse",
        power_wait=options.seconds("power_wait"),
        settle_time=options.seconds("settle_time"),
        attempts=int(options.text("retry_on")),
        attempt_sleep=options.seconds("stonith_status_sleep"),
        limit=options.limit(),
        nodeid=options.text("node"),
        corosync_conf=options.text("corosync_conf"),
        nodename=options.text("nodename"),
        drains=options.text("drain") == DRAIN_RESET,
        **(_lists(options) if options.lists_keys() else {}),
    )


def _lists(options: Options) -> dict[str, Any]:
    from .. import key_options

    return {
        "other_nodes": key_options.other_nodes(options.text("other_nodes")),
        "node_keys": key_options.node_keys(options.text("node_keys")),
        "foreign_keys": key_options.foreign_keys(options.text("foreign_keys")),
    }


def carry_out(options: Options, channel: Channel) -> Report:
    """Do what the options ask for. Every failure that has a name becomes part of the report."""
    asked = request(options)
    warnings: list[Notice] = []
    if len(asked.devices) > _FEW_DISKS or os.sysconf("SC_OPEN_MAX") < _USUAL_DESCRIPTORS:
        files.more_descriptors()
    try:
        job = Job(asked, channel, lambda notice: channel.say(notice.pack()), warnings)
        report = action(asked.action)(job)
    except FenceError as error:
        report = Report.failed(*error.notices())
    except (MemoryError, OSError) as error:
        if not (lack := lacking(error)):
            raise
        report = Report.failed(Notice("machine-lacks", {"answer": lack.pack()}))
    return report.with_warnings(warnings)
