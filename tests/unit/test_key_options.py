"""other_nodes, node_keys and foreign_keys: what they mean, and what is refused before anything is opened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr import key_options, options
from fence_pr.actions import perform
from fence_pr.errors import UsageError

CALL = {"action": "off", "plug": "n1", "devices": "/dev/sda"}


def call(**lines: str) -> options.Options:
    """A call on standard input."""
    return options.from_stdin("\n".join(f"{name}={value}" for name, value in {**CALL, **lines}.items()).encode())


def test_they_come_into_the_request() -> None:
    request = perform.request(
        call(other_nodes="r1, r2 r3", node_keys="n1:1;n2:0x2, n3:A", foreign_keys="0xff,0FF 7", nodename="n1")
    )
    assert request.other_nodes == ("r1", "r2", "r3")
    assert request.node_keys == (("n1", 1), ("n2", 2), ("n3", 10))
    assert request.foreign_keys == (0xFF, 7)
    assert request.nodename == "n1"


def test_without_them_there_are_none() -> None:
    request = perform.request(call())
    assert (request.other_nodes, request.node_keys, request.foreign_keys) == ((), (), ())


names = st.text("abn1.-", min_size=1, max_size=6)


@given(st.dictionaries(names, st.integers(1, 2**64 - 1), max_size=6), st.sampled_from(["; ", ";", ",", " ", " , "]))
def test_pairs_come_back_as_they_were_written(pairs: dict[str, int], separator: str) -> None:
    text = separator.join(f"{name}:{key:#x}" for name, key in pairs.items())
    if len(set(pairs.values())) == len(pairs):
        assert dict(key_options.node_keys(text)) == pairs
    else:
        with pytest.raises(UsageError, match="has the same key"):
            key_options.node_keys(text)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("node_keys", "n1", "'n1' is not of the form node:key"),
        ("node_keys", "n1:1;n2", "'n2' is not of the form node:key"),
        ("node_keys", ":1", "':1' is not of the form node:key"),
        ("node_keys", "n1:", "'n1:' is not of the form node:key"),
        ("node_keys", "n1=1", "'n1=1' is not of the form node:key"),
        ("node_keys", "n1: 1", "'n1:' is not of the form node:key"),
        ("node_keys", "n1:1:2", "is not a reservation key"),
        ("node_keys", "n1:zz", "is not a reservation key"),
        ("node_keys", "n1:0", "cannot be 0"),
        ("node_keys", "n1:0x0", "cannot be 0"),
        ("node_keys", "n1:10000000000000000", "is not a reservation key"),
        ("node_keys", "n1:1;n2:0x01", "node n2 has the same key 0x1 as node n1"),
        ("node_keys", "n1:1;n1:2", "node n1 is there twice"),
        ("node_keys", "n1:1;N1:2", "node N1 is there twice"),
        ("node_keys", "n1:1;n1:1", "node n1 is there twice"),
        ("node_keys", "0x1:1", "'0x1' is a key, not the name of a node"),
        ("other_nodes", "r1,r2,r1", "node r1 is there twice"),
        ("other_nodes", "r1 R1", "node R1 is there twice"),
        ("other_nodes", "r1,0xr1", "'0xr1' is a key, not the name of a node"),
        ("foreign_keys", "0", "cannot be 0"),
        ("foreign_keys", "7,x", "is not a reservation key"),
        ("foreign_keys", "0x", "is not a reservation key"),
        ("foreign_keys", "7;8", "is not a reservation key"),
    ],
)
@pytest.mark.parametrize("action", ["off", "on", "status", "monitor", "list", "validate-all"])
def test_a_malformed_value_is_refused_by_every_action(action: str, option: str, value: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        call(action=action, **{option: value})
    assert refused.value.fields["option"] == option
    assert refused.value.fields["value"] in value


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    "lines",
    [
        {"plug": "0x7"},
        {"plug": "", "nodename": "0x07"},
        {"key": "7"},
        {"node_keys": "n1:1;n2:7"},
    ],
)
def test_a_declared_foreign_key_is_no_nodes(lines: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"option 'foreign_keys', value '6, 7': key 0x7 is a node's"):
        call(foreign_keys="6, 7", **lines)
    assert call(foreign_keys="6, 8", **lines).text("foreign_keys") == "6, 8"


@pytest.mark.promise(8)
def test_by_position_no_node_of_another_list_has_a_key() -> None:
    with pytest.raises(
        UsageError, match="option 'other_nodes', value 'r1': with key_value=id only nodes of the nodelist"
    ):
        call(other_nodes="r1", key_value="id")
    assert call(other_nodes="r1", key_value="hash").text("other_nodes") == "r1"
    assert call(other_nodes="r1", key_value="id", node_keys="n1:1;r1:2").text("other_nodes") == "r1"
