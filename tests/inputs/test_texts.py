"""Texts written here by the rules of their formats, and read back: calls, corosync.conf, state files, sysfs, names."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import strategies as st

from fence_pr import corosync, keys, log, options, state_file
from fence_pr.errors import UsageError
from fence_pr.option_table import FLAG, OPTIONS, Option
from fence_pr.storage import identity
from tests.inputs.properties import holds
from tests.inputs.texts import KNOWN, accepted, refusal, text_of

CALL = {"action": "status", "plug": "n1", "devices": "/dev/sda"}
# What shells, regular expressions, Python and terminals take for more than a letter.
HOSTILE = "$(){}[]<>|&;`'\"\\*?!~^%+.,:=#@-_/ \x1b\x00\x07\x7f\x85\xa0\u2028\u202e\ufeff\U0001f9e8öЖ文\udcff"
NAME = st.text(st.one_of(st.sampled_from(HOSTILE), st.characters(exclude_categories=["Cs"])), min_size=1, max_size=20)


def as_value(text: str) -> bool:
    """Whether the text survives as a value of a line: the format strips blanks and a pair of quotes."""
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text == text.strip() and "\n" not in text and "\0" not in text and not quoted


VALUE = NAME.filter(as_value)
# Options whose value has a form of its own; keys below 2**60 are nodes', others foreign.
PLAIN = st.text("abn12.-", min_size=1, max_size=6)
KEY = st.integers(1, 2**60 - 1).map("{:x}".format)
STRICT = {
    "node": st.integers(0, 2**32 - 1).map(str),
    "plug": VALUE.filter(lambda text: text[:2] not in ("0x", "0X")),
    "nodename": VALUE.filter(lambda text: text[:2] not in ("0x", "0X")),
    "key": KEY,
    "other_nodes": st.lists(PLAIN, max_size=4, unique=True).map(", ".join),
    "node_keys": st.dictionaries(PLAIN, KEY, max_size=4)
    .filter(lambda pairs: len(set(pairs.values())) == len(pairs))
    .map(lambda pairs: ";".join(f"{name}:{key}" for name, key in pairs.items())),
    "foreign_keys": st.lists(st.integers(2**60, 2**64 - 1).map("0x{:X}".format), max_size=4).map(" ".join),
}
STRINGS = [it.name for it in OPTIONS if it.kind == "string" and it.name not in ("action", "plug_separator")]
BLANKS = st.text(" \t\r", max_size=3)


@st.composite
def some_options(draw: st.DrawFn) -> dict[str, str]:
    """Up to five options whose value is a text, by name."""
    names = draw(st.lists(st.sampled_from(STRINGS), max_size=5, unique=True))
    return {name: draw(STRICT.get(name, VALUE)) for name in names}


@st.composite
def lines(draw: st.DrawFn) -> tuple[dict[str, str], bytes]:
    """A complete call: what it says, and one of the ways to write it."""
    said = {**CALL, "plug_separator": "", **draw(some_options())}
    written = []
    for name, value in draw(st.permutations(list(said.items()))):
        alias = draw(st.sampled_from([it for it, meant in KNOWN.items() if meant == name]))
        alias = alias.replace("_", "-") if draw(st.booleans()) else alias
        value_ = f'"{value}"' if draw(st.booleans()) else value
        before, middle, after = draw(st.tuples(BLANKS, BLANKS, BLANKS))
        written.append(f"{before}{alias}{middle}={after}{value_}{before}")
        written += draw(st.lists(st.sampled_from(["", "# a comment", " #plug=x", "\r"]), max_size=1))
    return said, "\n".join(written).encode("utf-8", "surrogateescape")


@holds("stdin", call=lines())
def test_a_call_on_standard_input_is_read_as_it_was_meant_however_it_is_written(
    call: tuple[dict[str, str], bytes],
) -> None:
    said, written = call
    if not said["devices"].replace(",", " ").split():
        return
    chosen = options.from_stdin(written)
    assert {name: chosen.text(name) for name in said} == said


BAD_VALUES = {
    "action": ["", "of", "offf", "reboot", "off off", "0", "оff", "off\x00"],
    "node": ["", "n1", "-1", "1.0", "1 2", "٣", "0x1", "9" * 12],
    FLAG: ["", "maybe", "2", "-1", "yess", "ja", "tru\u0435"],
    "boolean": ["", "maybe", "2", "oui"],
    "integer": ["", "-1", "1.0", "one", "٣", "1e3", "9" * 12],
    "second": ["", "-1", "nan", "inf", "1e3", "٣", ".5", "9" * 12],
    "select": ["", "none", "WERO,EARO", "*"],
    "string": ["a\x00b"],
    "key": ["0", "x", "0x", "1 2", "9" * 17, "٣"],
    "other_nodes": ["r1,r1", "0x1"],
    "node_keys": ["n1", ":1", "n1:1;n2:1", "n1:1;n1:2", "0x1:1"],
    "foreign_keys": ["0", "x", "1;2"],
}


def bad_lines(option: Option) -> list[str]:
    """Lines for this option that mean nothing."""
    kind = option.name if option.name in BAD_VALUES else option.kind
    fits = {"verbose": ["2"], "foreign": ["none"]}.get(option.name, [])
    return [f"{option.name}={value}" for value in BAD_VALUES[kind] if value not in (*fits, *option.choices)]


BAD_LINES = st.sampled_from([line for option in OPTIONS for line in bad_lines(option)])


@pytest.mark.promise(8)
@holds("stdin", call=lines(), bad=BAD_LINES, at=st.integers(0, 20))
def test_one_bad_value_anywhere_spoils_a_call_and_is_named(
    call: tuple[dict[str, str], bytes], bad: str, at: int
) -> None:
    """Unless a later line for the same option corrects it."""
    name, _, value = bad.partition("=")
    kept = [
        line
        for line in call[1].split(b"\n")
        if KNOWN.get(line.partition(b"=")[0].strip().decode(errors="replace").replace("-", "_")) != name
    ]
    kept.insert(min(at, len(kept)), bad.encode())
    with pytest.raises(UsageError) as refused:
        options.from_stdin(b"\n".join(kept))
    shown = log.one_line(str(refused.value))
    assert log.one_line(value) in shown
    assert name in shown or "Unrecognised action" in shown


@pytest.mark.promise(8)
@holds("stdin", call=lines(), cut=st.floats(0, 1))
def test_a_call_that_says_status_first_and_is_cut_off_anywhere_after_it_never_fences(
    call: tuple[dict[str, str], bytes], cut: float
) -> None:
    data = b"action=status\n" + call[1]
    data = data[: max(len(b"action=status\n"), int(cut * len(data)))]
    chosen = accepted(lambda: options.from_stdin(data), UsageError)
    assert chosen is None or chosen.action() == "status"


@holds("argv", said=some_options(), how=st.randoms(use_true_random=False))
def test_arguments_and_lines_that_say_the_same_mean_the_same(said: dict[str, str], how: object) -> None:
    import random

    assert isinstance(how, random.Random)
    given = {**CALL, "plug_separator": "", **said}
    if not given["devices"].replace(",", " ").split():
        return
    arguments: list[str] = []
    for name, value in given.items():
        option = next(it for it in OPTIONS if it.name == name)
        long = f"--{how.choice([name, option.long()])}"
        short = [f"-{option.short}", value] if option.short else [long, value]
        arguments += how.choice([[f"{long}={value}"], [long, value], short])
    written = "".join(f"{name}={value}\n" for name, value in given.items()).encode("utf-8", "surrogateescape")
    assert options.from_argv(arguments) == options.from_stdin(written)


@pytest.mark.promise(5)
@holds("argv", value=NAME)
def test_a_refusal_of_any_value_is_one_line_that_steers_no_terminal(value: str) -> None:
    for argument in (f"--power-timeout=x{value}", f"--action=x{value}", f"--x{value}", f"x{value}", f"-Z{value}"):
        with pytest.raises(UsageError) as refused:
            options.from_argv(["-o", "status", "-n", "n1", "-d", "/dev/sda", argument])
        refusal(refused.value)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[str, list[str], bytes]:
    """A cluster's name, its nodes, and a corosync.conf that says so, with everything else that may stand in one."""
    word = NAME.filter(lambda name: as_value(name) and "{" not in name)
    name, nodes = draw(word), draw(st.lists(word, max_size=5))
    junk = st.sampled_from(
        ["", "# }", "  # name: x {", "token: 1000", "interface {\n cluster_name: x\n name: x\n }", "\r"]
    )
    parts = []
    for number, node in enumerate(nodes):
        entries = draw(
            st.permutations([f"name: {node}", f"nodeid: {number}", f"ring0_addr: 192.0.2.{number}", draw(junk)])
        )
        parts.append(
            "node {{\n{}\n}}{}".format("\n".join(entries), draw(st.sampled_from(["", "\r", " # end", "\n\n"])))
        )
    blocks = [
        "nodelist {{\n{}\n}}".format("\n".join([*parts, draw(junk)])),
        f"totem{{\n{draw(junk)}\ncluster_name: {name}\n}}",
    ]
    blocks.append("quorum {\n device {\n node {\n name: none\n }\n }\n}")
    return name, nodes, "\n".join(draw(st.permutations(blocks))).encode("utf-8", "surrogateescape")


@holds("corosync", cluster=clusters())
def test_cluster_and_nodes_have_the_names_that_are_written_whatever_else_is(
    cluster: tuple[str, list[str], bytes],
) -> None:
    name, nodes, written = cluster
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "corosync.conf")
        path.write_bytes(written)
        found = corosync.load(str(path))
    assert (found.name, found.names()) == (name, nodes)
    assert [node.position for node in found.nodes] == list(range(len(nodes)))


@holds("keys", node=NAME, cluster=NAME, others=st.lists(NAME, max_size=3))
def test_a_name_has_one_key_whatever_is_in_it(node: str, cluster: str, others: list[str]) -> None:
    for method in (keys.HASH64, keys.HASH):
        alone = keys.of_node(node, corosync.Cluster(cluster), method)
        nodes = tuple(corosync.Node(at, name, ()) for at, name in enumerate([*others, node]))
        assert keys.of_node(node, corosync.Cluster(cluster, nodes), method) == alone
        assert 0 < alone < 1 << 64
        assert keys.parse_key("key", f"{alone:X}") == alone


@holds("keys", text=st.text("0123456789abcdefxXgG_ -+\u0663", max_size=20))
def test_what_is_no_hexadecimal_number_is_no_key(text: str) -> None:
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    good = bool(digits) and set(digits) <= set("0123456789abcdef") and 0 < int(digits, 16) < 1 << 64
    try:
        assert keys.parse_key("key", text) == int(digits, 16)
    except UsageError:
        assert not good
    else:
        assert good


@holds("state", node=NAME, key=st.integers(1, 2**64 - 1), identity=NAME)
def test_a_state_file_gives_back_what_was_put_in_and_cut_off_nothing(node: str, key: int, identity: str) -> None:
    me = keys.Registrant(node, key)
    with tempfile.TemporaryDirectory() as folder:
        state_file.save(identity, me, folder)
        assert state_file.load(identity, folder) == me
        (path,) = Path(folder).iterdir()
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            try:
                part = state_file.load(identity, folder)
            except ValueError:
                continue
            # A name may hold a line feed; the key is right even then.
            assert part
            assert part.key == key
            assert "\n" in node


@holds("sysfs", digits=st.text("0123456789abcdef", min_size=16, max_size=16), long=st.booleans())
def test_all_spellings_of_a_wwid_are_one(digits: str, long: bool) -> None:
    naa = digits * 2 if long else digits
    for spelling in ("naa.{}", "{}", "0x{}", "wwn-0x{}", "3{}", "scsi-3{}"):
        for text in (spelling.format(naa), spelling.format(naa.upper())):
            assert identity.canonical_wwid(text) == f"naa.{naa}"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("one line", b"plug=" + b"x" * 1_000_000),
        ("one name", b"x" * 1_000_000 + b"="),
        ("one action", b"action=" + b"x" * 1_000_000),
        ("names", b"\n".join(b"%x=" % number for number in range(120_000))),
        ("devices", b"plug=x\ndevices=" + b",".join(b"/%x" % number for number in range(120_000))),
        ("line ends", b"\n" * 1_000_000),
        ("blanks", b" " * 1_000_000),
        ("quotes", b'plug="' * 140_000),
    ],
)
@pytest.mark.promise(8)
def test_a_megabyte_costs_little_memory_and_a_short_message(name: str, data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UsageError) as refused:
            options.from_stdin(data)
        shown = log.one_line(str(refused.value))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(shown.encode("utf-8", "backslashreplace")) < 30_000, name
    assert peak < 64 << 20, name


def test_a_long_corosync_conf_costs_little_memory() -> None:
    one = "node {\n name: a\n }\n"
    text = "nodelist {\n" + one * 10_000 + "}"
    tracemalloc.start()
    try:
        assert len(corosync.parse(text).nodes) == 10_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(text)


def test_bytes_that_are_no_utf8_are_one_name_everywhere() -> None:
    raw = b"n\xff\xc3\x28"
    chosen = options.from_stdin(b"action=status\ndevices=/dev/sda\nplug=" + raw)
    assert chosen.plug() == options.from_argv(["-o", "status", "-d", "x", "-n", text_of(raw)]).plug() == text_of(raw)
