"""The XML that Pacemaker, pcs and crmsh read, the help text, and the manual page's source. Pure.

Schema: metadata.rng of fence-agents, ocf-1.0.rng of pcs.
"""

from __future__ import annotations

from .option_table import ACTIONS, AGENT, BOOLEAN, FLAG, IGNORED, LONGDESC, OPTIONS, PURPOSES, SHORTDESC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .option_table import Option


def xml(*, manual_page: bool = False) -> str:
    """The metadata; for the action manpage with roff markup in the long description."""
    long_description = LONGDESC.replace("\n", "\n.P\n") if manual_page else LONGDESC
    advertised = [option for option in OPTIONS if option.advertised]
    entries = [(option.order, option.name, option) for option in advertised]
    entries += [(option.order, option.former, option) for option in advertised if option.former]
    lines = [
        '<?xml version="1.0" ?>',
        f'<resource-agent name="{AGENT}" shortdesc="{_escape(SHORTDESC)}" >',
        f"<longdesc>{_escape(long_description)}</longdesc>",
        "<vendor-url></vendor-url>",
        "<parameters>",
    ]
    for _, name, option in sorted(entries, key=lambda entry: entry[:2]):
        lines += _parameter(name, option)
    lines += ["</parameters>", "<actions>"]
    for action in ACTIONS:
        unfencing = ' on_target="1" automatic="1"' if action.name == "on" else ""
        lines.append(f'\t<action name="{action.name}"{unfencing} />')
    lines += ["</actions>", "</resource-agent>"]
    return "\n".join(lines) + "\n"


def _parameter(name: str, option: Option) -> list[str]:
    notes = ""
    if name != option.name or option.ignored:
        notes = ' deprecated="1"'
    elif option.former:
        notes = f' obsoletes="{option.former}"'
    default = f' default="{_escape(option.default)}"' if option.default else ""
    content = f'\t\t<content type="{_content_type(option)}"{default}'
    return [
        f'\t<parameter name="{name}" unique="0" required="{int(option.required)}"{notes}>',
        f'\t\t<getopt mixed="{_escape(usage(option))}" />',
        *([f"{content} />"] if not option.choices else [f"{content}>", *_choices(option), "\t\t</content>"]),
        f'\t\t<shortdesc lang="en">{_escape(description(option))}</shortdesc>',
        "\t</parameter>",
    ]


def _content_type(option: Option) -> str:
    return BOOLEAN if option.kind == FLAG else option.kind


def _choices(option: Option) -> list[str]:
    return [f'\t\t\t<option value="{_escape(choice)}" />' for choice in option.choices]


def description(option: Option) -> str:
    """What the option does, or that it does nothing."""
    return f"{option.help}. No effect: {option.ignored}" if option.ignored else option.help


def usage(option: Option) -> str:
    """How an option is written on the command line."""
    long = f"--{option.long()}" + ("" if option.kind == FLAG else f"=[{option.metavar}]")
    return f"-{option.short}, {long}" if option.short else long


# Calls, and what each is for. They are among the documents' commands, which a test runs.
_DISK = "/dev/disk/by-id/wwn-0x6001405…"
EXAMPLES = (
    (
        f"{AGENT} -o validate-all -d {_DISK}",
        "Is the configuration right, and can the disk be used? Nothing is changed.",
    ),
    (f"{AGENT} -o status -n node2 -d {_DISK}", "Can node2 write? Exit status 0: ON, 2: OFF, 1: neither is proved."),
    (f"{AGENT} -v -o off -n node2 -d {_DISK}", "Fence node2, and show every step."),
    (f"{AGENT} -o on -n node1 -d {_DISK}", "Unfence node1, on node1 itself."),
    (f"printf '%s\\n' action=monitor devices={_DISK} | {AGENT}", "The way the cluster calls it."),
)


def help_text() -> str:
    """What --help prints."""
    lines = ["Examples:"]
    for command, meaning in EXAMPLES:
        lines += [f"   {command}", f"      {meaning}"]
    lines += ["", "Usage:", f"   {AGENT} [options]", *wrapped(f"{AGENT} < FILE", "one name=value per line")]
    lines += ["", "Actions:"]
    for action in ACTIONS:
        lines += wrapped(action.name, action.help)
    offered = sorted((option for option in OPTIONS if option.advertised), key=lambda option: option.order)
    for _, purpose in PURPOSES:
        lines += ["", f"{purpose}:"]
        for option in offered:
            if option.purpose() == purpose and not option.ignored:
                default = f" (default {option.default})" if option.default else ""
                lines += wrapped(usage(option), option.help + default)
    lines += ["", f"{IGNORED}:", *wrapped("", ignored_names(lambda option: f"--{option.long()}"), column=4)]
    return "\n".join(lines) + "\n"


def ignored_names(form: Callable[[Option], str]) -> str:
    """The options that are accepted without effect, each in this form."""
    return ", ".join(form(option) for option in OPTIONS if option.ignored)


_HELP_COLUMN, _HELP_WIDTH = 36, 100


def wrapped(left: str, text: str, column: int = _HELP_COLUMN) -> list[str]:
    """An entry of the help: what is written, and beside it, from a column on, what it means."""
    lines, line = [], f"   {left}".ljust(column - 1)
    for word in text.split():
        if len(line) + 1 + len(word) > _HELP_WIDTH:
            lines.append(line)
            line = " " * (column - 1)
        line += f" {word}"
    return [*lines, line]


def _escape(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text
