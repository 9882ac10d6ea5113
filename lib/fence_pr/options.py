"""From standard input or the command line to checked option values.

Nothing is done yet when anything here is wrong: a malformed call never fences.
"""

from __future__ import annotations

from .errors import Notice, UsageError
from .option_table import ACTIONS, BOOLEAN, FENCING_ACTION, FLAG, INTEGER, OPTIONS, SECONDS, SELECT, UNUSED_NAMES
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .option_table import Option

_TRUE, _FALSE = ("1", "yes", "on", "true"), ("0", "no", "off", "false")
_DOCUMENT_ACTIONS = ("metadata", "manpage")
_DISK_ACTIONS = ("on", "off", "status", "monitor", "list-status", "validate-all")
_NODE_ACTIONS = ("on", "off", "status")
MOST_INPUT_BYTES = 1 << 20
_MOST_DEVICES = 1024
_MOST_WARNINGS = 20
_MOST_DIGITS = 9
_SHOWN_CHARACTERS = 80
_NODEID_DIGITS = 10


class Options(Record):
    """Checked values: every option of the table by name, defaults filled in, flags as "1" or "0".

    warnings  what was accepted but has no effect, for the log
    """

    values: dict[str, str]
    warnings: tuple[Notice, ...] = ()

    def text(self, name: str) -> str:
        """The value as it was given, or the default."""
        return self.values[name]

    def flag(self, name: str) -> bool:
        """The value of a boolean option."""
        return self.values[name].lower() in _TRUE

    def seconds(self, name: str) -> float:
        """The value of an option that is a time, in seconds."""
        return float(self.values[name])

    def limit(self) -> float | None:
        """The time limit of the action in seconds, None for none."""
        if self.flag("disable_timeout"):
            return None
        waiting = self.seconds("power_wait")
        if self.action() == FENCING_ACTION:
            waiting = max(waiting, self.seconds("settle_time"))
        return self.seconds("power_timeout") + waiting

    def action(self) -> str:
        """The canonical name of the action, or of what --help and --version ask for."""
        for document in ("help", "version"):
            if self.flag(document):
                return document
        return canonical_action(self.values["action"])

    def plug(self) -> str:
        """The node to act on; "" if none was named."""
        return self.values["plug"] or self.values["nodename"]

    def lists_keys(self) -> bool:
        """Whether one of the options is given that are lists of nodes and keys (`key_options`)."""
        return any(self.values[name] for name in ("other_nodes", "node_keys", "foreign_keys"))

    def has_keys(self) -> bool:
        """Whether any key is given."""
        return self.lists_keys() or bool(self.values["key"]) or self.plug()[:2] in ("0x", "0X")

    def devices(self) -> tuple[str, ...]:
        """The disks' names in the order given."""
        return tuple(self.values["devices"].replace(",", " ").split())

    def verbosity(self) -> int:
        """0: failures only, 1: steps, 2: every command."""
        level = self.values["verbose_level"]
        return int(level) if level else int(self.values["verbose"])


def from_stdin(data: bytes) -> Options:
    """Options from `name=value` lines. Raises UsageError for anything that cannot be meant."""
    if len(data) > MOST_INPUT_BYTES:
        raise UsageError("input-too-long", option="standard input", value=f"{len(data)} bytes", most=MOST_INPUT_BYTES)
    known = _names()
    given: dict[str, str] = {}
    names: dict[str, str] = {}
    unknown: list[str] = []
    for raw in data.decode("utf-8", "surrogateescape").split("\n"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.rstrip().replace("-", "_")
        if not equals or not name:
            raise UsageError("line-malformed", value=line[:_SHOWN_CHARACTERS])
        if name in known:
            option, value = known[name].name, _unquoted(value.strip())
            before = given.get(option, "")
            if before and value and before != value and names[option] != name:
                # Pacemaker adds its own plug or port to what the resource has, in no order.
                raise UsageError("option-contradiction", option=name, value=value, other=names[option], before=before)
            given[option], names[option] = value, name
        elif name not in UNUSED_NAMES:
            unknown.append(name)
    if "action" not in given and unknown:
        # Without an action line the call would fence. A misspelt one must not.
        near = _nearest(unknown[0], known)
        fields = {"option": unknown[0], "near": near, "default": FENCING_ACTION}
        if near != "action":
            # Meant as 'off', as it seems, for which the delay holds.
            fields["delay"] = checked(known["delay"], given.get("delay", "0"))
        raise UsageError("option-unknown-without-action", **fields)
    warnings = [
        Notice("option-unknown", {"option": name, "near": _nearest(name, known)}) for name in unknown[:_MOST_WARNINGS]
    ]
    more = len(unknown) - len(warnings)
    return check(given, (*warnings, *([Notice("options-unknown", {"count": more})] if more else [])))


def from_argv(arguments: list[str]) -> Options:
    """Options from the command line, without the program's name. Raises UsageError."""
    from . import command_line  # the cluster calls through standard input

    pairs, words = command_line.read(arguments, OPTIONS)
    if words:
        raise UsageError("argument-unexpected", value=words[0])
    given: dict[str, str] = {}
    for option, value in pairs:
        given[option.name] = "1" if option.kind == FLAG else value
    verbose = sum(option.name == "verbose" for option, _ in pairs)
    return check({**given, "verbose": str(verbose)} if verbose else given)


def check(given: dict[str, str], warnings: tuple[Notice, ...] = ()) -> Options:
    """Fill in defaults and judge every value, and the call as a whole. Raises UsageError."""
    for option in OPTIONS:
        if option.name in given:
            given[option.name] = checked(option, given[option.name])
            if option.ignored:
                fields = {"option": option.name, "reason": option.ignored}
                warnings += (Notice("option-without-effect", fields),)
    defaults = {option.name: option.default or ("0" if option.kind == FLAG else "") for option in OPTIONS}
    options = Options({**defaults, **given}, warnings)
    _check_call(options)
    return options


def _check_call(options: Options) -> None:
    action = options.action()
    if action in ("help", "version", *_DOCUMENT_ACTIONS):
        return
    if options.has_keys():
        from . import key_options  # few calls have such options

        key_options.check(options.values)
    plug, separator = options.plug(), options.text("plug_separator")
    if action in _NODE_ACTIONS and not (plug or options.text("key") or options.text("node")):
        raise UsageError("plug-missing", option="plug")
    if separator and separator in plug:
        raise UsageError("one-node", option="plug", value=plug)
    if action in _DISK_ACTIONS and not options.devices():
        raise UsageError("devices-missing", option="devices")
    devices, count = options.text("devices"), len(options.devices())
    if count > _MOST_DEVICES:
        raise UsageError("too-many-devices", option="devices", value=devices, count=count, most=_MOST_DEVICES)
    if options.seconds("power_timeout") <= 0 and not options.flag("disable_timeout"):
        raise UsageError("limit-zero", option="power_timeout", value=options.text("power_timeout"))


def canonical_action(text: str) -> str:
    """The action that `text` means. Raises UsageError."""
    wanted = text.lower()
    for action in ACTIONS:
        if wanted in (action.name, *action.aliases):
            return action.name
    names = [name for action in ACTIONS for name in (action.name, *action.aliases)]
    raise UsageError("action-unrecognised", option="action", value=text, near=_nearest(text, names))


def _nearest(word: str, known: Iterable[str]) -> str:
    from .nearest import nearest

    return nearest(word, known)


def _names() -> dict[str, Option]:
    return {name: option for option in OPTIONS for name in option.names()}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


def checked(option: Option, value: str) -> str:
    """The value in its canonical form. Raises UsageError naming option and value."""
    if "\0" in value:
        raise UsageError("value-with-nul", option=option.name, value=value.replace("\0", "\\0"))
    if option.name == "action":
        return canonical_action(value)
    if option.name == "node" and not _is_number(value, _NODEID_DIGITS):
        raise UsageError("not-a-nodeid", option=option.name, value=value)
    if option.kind in (FLAG, BOOLEAN):
        return _checked_boolean(option, value)
    if option.kind == INTEGER and not _is_number(value):
        raise UsageError("not-a-number", option=option.name, value=value)
    if option.kind == SECONDS and not _is_seconds(value):
        raise UsageError("not-seconds", option=option.name, value=value)
    if option.kind == SELECT:
        for choice in option.choices:
            if value.lower() == choice.lower():
                return choice
        near = _nearest(value, option.choices)
        raise UsageError("not-a-choice", option=option.name, value=value, choices=option.choices, near=near)
    return value


def _checked_boolean(option: Option, value: str) -> str:
    if value.lower() in _TRUE:
        return "1"
    if value.lower() in _FALSE:
        return "0"
    if option.name == "verbose" and _is_number(value):
        return value
    raise UsageError("not-a-boolean", option=option.name, value=value)


def _is_seconds(value: str) -> bool:
    whole, point, fraction = value.partition(".")
    return _is_number(whole) and (not point or _is_number(fraction))


def _is_number(value: str, most_digits: int = _MOST_DIGITS) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= most_digits
