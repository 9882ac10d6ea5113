"""Options → request → action → answer: what the child process does."""

from __future__ import annotations

from . import fencing, inspection, pr_ioctl
from .errors import DevicesRefused, FenceError
from .report import Answer, Report, answer
from .request import Job, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .deadline import Channel
    from .options import Options

ACTIONS = {
    "on": fencing.on,
    "off": fencing.off,
    "status": inspection.status,
    "monitor": inspection.monitor,
    "list": inspection.list_nodes,
    "list-status": inspection.list_status,
    "validate-all": inspection.validate,
}

_TYPES: dict[str, int | None] = {
    "auto": None,
    "WERO": pr_ioctl.WRITE_EXCLUSIVE_REG_ONLY,
    "EARO": pr_ioctl.EXCLUSIVE_ACCESS_REG_ONLY,
    "WEAR": pr_ioctl.WRITE_EXCLUSIVE_ALL_REGS,
    "EAAR": pr_ioctl.EXCLUSIVE_ACCESS_ALL_REGS,
}


def limit(options: Options) -> float | None:
    """The time limit of the action in seconds, None for none."""
    if options.flag("disable_timeout"):
        return None
    return options.seconds("power_timeout") + options.seconds("power_wait")


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
        attempts=int(options.text("retry_on")),
        attempt_sleep=options.seconds("stonith_status_sleep"),
        limit=limit(options),
        nodeid=options.text("node"),
        corosync_conf=options.text("corosync_conf"),
    )


def carry_out(options: Options, channel: Channel) -> Answer:
    """Do what the options ask for. Every failure that has a name becomes part of the answer."""
    asked = request(options)
    notes: list[str] = []
    try:
        job = Job(asked, channel, channel.say, notes)
        report = ACTIONS[asked.action](job)
    except DevicesRefused as error:
        report = Report(False, problems=tuple(map(str, error.refusals)))
    except FenceError as error:
        report = Report(False, problems=(str(error),))
    return answer(asked.action, report.with_notes(notes), options.text("separator"))
