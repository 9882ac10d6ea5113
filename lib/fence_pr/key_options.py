"""The options that are lists of nodes and keys: other_nodes, node_keys, foreign_keys. Pure."""

from __future__ import annotations

from .errors import UsageError
from .keys import ID, is_number, parse_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def other_nodes(text: str) -> tuple[str, ...]:
    """Names, separated by commas or blanks. Raises UsageError for one that is given twice, or written as a key."""
    names = tuple(text.replace(",", " ").split())
    for place, name in enumerate(names):
        _refuse_name("other_nodes", text, name, names[:place])
    return names


def node_keys(text: str) -> tuple[tuple[str, int], ...]:
    """Pairs node:key, separated by semicolons, commas or blanks.

    Raises UsageError for what is no such pair, and for a node or a key that is given twice.
    """
    found: dict[int, str] = {}
    for pair in text.replace(";", " ").replace(",", " ").split():
        name, _, digits = pair.partition(":")
        if not name or not digits:
            raise UsageError("node-key-malformed", option="node_keys", value=text, pair=pair)
        _refuse_name("node_keys", text, name, tuple(found.values()))
        key = parse_key("node_keys", digits)
        if key in found:
            raise UsageError("node-keys-equal", option="node_keys", value=text, node=name, key=key, other=found[key])
        found[key] = name
    return tuple((name, key) for key, name in found.items())


def foreign_keys(text: str) -> tuple[int, ...]:
    """Keys, separated by commas or blanks. Raises UsageError for what is no key."""
    return tuple(dict.fromkeys(parse_key("foreign_keys", it) for it in text.replace(",", " ").split()))


def check(values: Mapping[str, str]) -> None:
    """Raises UsageError if one of the three is malformed, or if a key declared foreign is given to a node."""
    if other_nodes(values["other_nodes"]) and values["key_value"] == ID and not values["node_keys"]:
        raise UsageError("other-nodes-by-id", option="other_nodes", value=values["other_nodes"])
    foreign = foreign_keys(values["foreign_keys"])
    plug, key = values["plug"] or values["nodename"], values["key"]
    used = [key for _, key in node_keys(values["node_keys"])]
    used += [parse_key("key", key)] if key else []
    used += [parse_key("plug", plug)] if is_number(plug) else []
    for number in used:
        if number in foreign:
            raise UsageError("foreign-key-is-nodes", option="foreign_keys", value=values["foreign_keys"], key=number)


def _refuse_name(option: str, text: str, name: str, before: tuple[str, ...]) -> None:
    if is_number(name):
        raise UsageError("node-name-is-key", option=option, value=text, node=name)
    if name.lower() in map(str.lower, before):
        raise UsageError("node-listed-twice", option=option, value=text, node=name)
