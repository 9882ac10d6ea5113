"""Which nodes constraints keep from a fence device, as Pacemaker's fencer has it: those with a score below 0. Pure."""

from __future__ import annotations

import math
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

FALSE = frozenset({"false", "off", "no", "n", "0"})
_NAME = "#uname"


def banned(
    tree: Element, chains: Mapping[str, Sequence[set[str]]], nodes: Iterable[str], options: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """(fence device, node) for each that may not.

    chains   by fence device: what constraints may call it, and then each group or clone that it is in
    options  the cluster's; without symmetric-cluster what is not allowed is forbidden
    """
    nodes = list(nodes)
    closed = options.get("symmetric-cluster", "").lower() in FALSE
    scores = [*_scores(tree, nodes)]
    for name, chain in chains.items():
        for node in nodes:
            each = [[score for ids, where, score in scores if where == node and ids(own)] for own in chain]
            if any(_sum(it) < 0 for it in each) or (closed and not any(each)):
                yield name, node


def _sum(scores: list[float]) -> float:
    """A ban is stronger than any wish."""
    return -math.inf if -math.inf in scores else sum(scores)


def _scores(tree: Element, nodes: Sequence[str]) -> Iterator[tuple[_Meant, str, float]]:
    """Of each constraint: whom it means, and the score of a node. Rules are looked at where they go by a node's name
    alone.
    """
    for it in tree.iter("rsc_location"):
        meant = _Meant(it)
        if it.get("node"):
            yield meant, it.get("node", ""), _score(it.get("score", "0"))
        for rule in it.iterfind("rule"):
            for node in nodes if len(rule) == 1 else ():
                if _holds(rule[0], node):
                    yield meant, node, _score(rule.get("score", "0"))


def _holds(expression: Element, node: str) -> bool:
    if expression.tag != "expression" or expression.get("attribute") != _NAME:
        return False
    same = expression.get("value", "").lower() == node.lower()
    return {"eq": same, "ne": not same}.get(expression.get("operation", ""), False)


def _score(text: str) -> float:
    try:
        return {"INFINITY": math.inf, "+INFINITY": math.inf, "-INFINITY": -math.inf}.get(text.upper()) or float(text)
    except ValueError:
        return 0.0


class _Meant:
    """Which resources a constraint means."""

    def __init__(self, constraint: Element) -> None:
        self._names = {constraint.get("rsc", ""), *(it.get("id", "") for it in constraint.iter("resource_ref"))}
        self._pattern = constraint.get("rsc-pattern", "")

    def __call__(self, ids: set[str]) -> bool:
        return not ids.isdisjoint(self._names) or any(map(self._fits, ids))

    def _fits(self, name: str) -> bool:
        try:
            return bool(self._pattern and re.search(self._pattern, name))
        except re.error:
            return False
