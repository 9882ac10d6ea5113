"""From standard input and the command line to checked values: what fences, and what must not."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fence_pr import options
from fence_pr.errors import UsageError
from fence_pr.option_table import ACTIONS, FLAG, OPTIONS, Option

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALL = b"nodename=n1\ndevices=/dev/sda\n"


def stdin(*lines: str) -> options.Options:
    """A complete call with these lines."""
    return options.from_stdin(CALL + "\n".join(lines).encode())


def said(chosen: options.Options) -> list[str]:
    """The warnings, as they are said."""
    return [str(warning) for warning in chosen.warnings]


def argv(*arguments: str) -> options.Options:
    """A complete call with these arguments."""
    return options.from_argv(["-n", "n1", "-d", "/dev/sda", *arguments])


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("plug=n2", "plug", "n2"),
        ("plug=n2\r", "plug", "n2"),
        ("   plug=n2", "plug", "n2"),
        ("\tplug=n2   ", "plug", "n2"),
        ("plug = n2", "plug", "n2"),
        ('plug="n2"', "plug", "n2"),
        ('plug="n 2"', "plug", "n 2"),
        ('plug=""n2""', "plug", '"n2"'),
        ('plug="n2', "plug", '"n2'),
        ('plug="', "plug", '"'),
        ("plug='n2'", "plug", "'n2'"),
        ("plug=a=b=c", "plug", "a=b=c"),
        ("plug=n2#x", "plug", "n2#x"),
        ("plug=nö", "plug", "nö"),
        ("port=n2", "plug", "n2"),
        ("key-value=hash", "key_value", "hash"),
        ("key_value=ID", "key_value", "id"),
        ("type=wear", "type", "WEAR"),
        ("cluster-name=lab", "cluster_name", "lab"),
        ("debug-file=/x", "debug_file", "/x"),
        ("debug=/x", "debug_file", "/x"),
        ("plug=\nplug=n2", "plug", "n2"),
        ("plug=n2\nplug=n3", "plug", "n3"),
        ("plug=\nport=n3", "plug", "n3"),
        ("plug=n2\nport=n2", "plug", "n2"),
        ("power-timeout=0.5", "power_timeout", "0.5"),
        ("retry-on=007", "retry_on", "007"),
    ],
)
def test_a_line_gives_its_value(line: str, name: str, value: str) -> None:
    assert stdin("action=status", line).text(name) == value


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n\n", "\r\n\r\n"])
def test_line_endings_and_blank_lines_and_comments_do_not_matter(ending: str) -> None:
    call = ending.join(["# a comment", "action=status", "", "  # plug=nobody", "plug=n1", "devices=/dev/sda"])
    for data in (call, call + ending):
        chosen = options.from_stdin(data.encode())
        assert (chosen.action(), chosen.plug(), chosen.devices()) == ("status", "n1", ("/dev/sda",))


def test_the_last_line_needs_no_end() -> None:
    assert options.from_stdin(CALL + b"action=monitor").action() == "monitor"


@pytest.mark.parametrize(
    ("text", "action"),
    [(name, action.name) for action in ACTIONS for name in (action.name, *action.aliases)]
    + [("STATUS", "status"), ("Off", "off"), ("List-Status", "list-status"), ("  monitor  ", "monitor")]
    + [('"status"', "status"), ("enable", "on"), ("disable", "off"), ("meta-data", "metadata")],
)
@pytest.mark.parametrize("name", ["action", "option", " action ", "action "])
def test_actions_are_understood_in_any_spelling(name: str, text: str, action: str) -> None:
    assert stdin(f"{name}={text}").action() == action


def test_of_two_actions_the_last_counts() -> None:
    assert stdin("action=off", "action=status").action() == "status"
    assert stdin("action=status", "action=monitor").action() == "monitor"


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    "lines",
    [
        ("plug=0x1", "port=n1"),
        ("port=n1", "plug=0x1"),
        ("option=off", "action=status"),
        ("action=status", "option=off"),
    ],
)
def test_one_option_under_two_names_with_two_values_is_refused(lines: tuple[str, str]) -> None:
    """Pacemaker's own line and one of the resource's parameters come in no order: chance would choose the node."""
    with pytest.raises(UsageError, match="contradicts") as refused:
        options.from_stdin("\n".join(("devices=/dev/sda", *lines)).encode())
    assert lines[0].partition("=")[2] in str(refused.value)
    assert refused.value.fields["value"] == lines[1].partition("=")[2]


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", ""),
        ("reboot", ""),
        ("of", "off"),
        ("offf", "off"),
        ("status off", ""),
        ("off;", "off"),
        ("'status'", "status"),
        ("STAUTS", "status"),
        ("of\u0192", "off"),
        ("diag", ""),
        ("0", ""),
        ("on_", "on"),
        ("list_status", "list-status"),
        ("disabel", "disable"),
        ("o" * 1000, ""),
    ],
)
@pytest.mark.parametrize("name", ["action", "option"])
def test_an_unknown_action_is_refused_in_pacemakers_words_and_never_guessed(name: str, text: str, meant: str) -> None:
    with pytest.raises(UsageError) as refused:
        stdin(f"{name}={text}")
    question = f" (did you mean '{meant}'?)" if meant else ""
    assert str(refused.value) == f"Unrecognised action '{text}'{question}"


@pytest.mark.promise(8)
def test_without_an_action_line_the_call_fences_because_the_cluster_stack_relies_on_it() -> None:
    assert options.from_stdin(CALL).action() == "off"
    dlm = b"devices=/dev/sda\nport=n1\nnode=2\nfail_time=1700000000\n"
    assert options.from_stdin(dlm).action() == "off"
    assert options.from_stdin(CALL + b"nodename=n1\nagent=fence_pr_ioctl\nname=x\n").warnings == ()


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    "line",
    [
        "actoin=status", "Action=status", "ACTION=status", "ac tion=status", "acti\u00f6n=status", "action\0=status",
        "# x\nactio=status", "'action'=status", "action[]=status", "verb=status", "-action=status",
        "\ufeffaction=status",
    ],
)  # fmt: skip
def test_a_misspelt_name_without_an_action_never_fences(line: str) -> None:
    with pytest.raises(UsageError, match="no action was given"):
        stdin(line)


@pytest.mark.promise(8)
@pytest.mark.parametrize("line", ["action", "action: status", "action status", "=status", " = status", "--", "off"])
def test_a_line_without_name_or_equals_sign_is_refused(line: str) -> None:
    for lines in ([line], ["action=off", line]):
        with pytest.raises(UsageError, match="is not of the form name=value") as refused:
            stdin(*lines)
        assert line.strip() in str(refused.value)


def test_unknown_names_beside_an_action_are_ignored_with_a_warning_and_known_noise_without() -> None:
    chosen = stdin("action=off", "colour=blue", "nodename=n1", "agent=a", "name=b", "node=1", "fail_time=2")
    assert chosen.action() == "off"
    assert said(chosen) == ["unknown option 'colour' ignored; leave it out"]


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("name", "meant"),
    [("devcies", "devices"), ("key-vlaue", "key_value"), ("PLUG", "plug"), ("prot", "port"), ("x" * 100_000, "")],
)
def test_an_unknown_name_beside_an_action_stays_without_effect_whatever_it_is_like(name: str, meant: str) -> None:
    chosen = stdin("action=status", f"{name}=n9")
    assert chosen.values == stdin("action=status").values
    question = f" (did you mean '{meant}'?)" if meant else ""
    assert said(chosen) == [f"unknown option '{name.replace('-', '_')}' ignored{question}; leave it out"]


@pytest.mark.promise(8)
def test_the_name_that_may_have_been_meant_is_told_where_no_action_was_given() -> None:
    with pytest.raises(UsageError) as refused:
        stdin("acton=status")
    expected = "unknown option 'acton' (did you mean 'action'?), and no action was given ('off' is the default)"
    assert str(refused.value) == expected


@pytest.mark.promise(8)
def test_dlm_controld_may_name_the_node_by_its_nodeid_alone() -> None:
    chosen = options.from_stdin(b"devices=/dev/sda\nnode=4294967295\nfail_time=1700000000\n")
    assert (chosen.action(), chosen.plug(), chosen.text("node")) == ("off", "", "4294967295")


@pytest.mark.promise(8)
@pytest.mark.parametrize("nodeid", ["", "n2", "-2", "0x2", "2.0", "\u0662", "12345678901"])
def test_what_is_no_nodeid_is_refused(nodeid: str) -> None:
    with pytest.raises(UsageError, match="is not the nodeid of a node"):
        stdin(f"node={nodeid}")


@pytest.mark.promise(8)
def test_an_empty_call_names_what_is_missing() -> None:
    with pytest.raises(UsageError) as refused:
        options.from_stdin(b"")
    assert str(refused.value) == "You have to enter plug number or machine identification"


@pytest.mark.promise(8)
@pytest.mark.parametrize("action", ["on", "off", "status"])
def test_actions_on_a_node_need_a_plug_or_a_key(action: str) -> None:
    with pytest.raises(UsageError, match="You have to enter plug number or machine identification"):
        options.from_stdin(f"action={action}\ndevices=/dev/sda".encode())
    assert options.from_stdin(f"action={action}\ndevices=/dev/sda\nkey=1".encode()).action() == action
    assert options.from_stdin(f"action={action}\ndevices=/dev/sda\nnodename=n1".encode()).plug() == "n1"


def test_a_plug_wins_over_nodename() -> None:
    assert stdin("action=off", "plug=n9").plug() == "n9"


@pytest.mark.promise(1, 8)
@pytest.mark.parametrize("devices", ["", "devices=", "devices= , ,", 'devices=""'])
@pytest.mark.parametrize("action", ["on", "off", "status", "monitor", "list-status", "validate-all"])
def test_actions_on_disks_need_at_least_one(action: str, devices: str) -> None:
    with pytest.raises(UsageError, match="No devices"):
        options.from_stdin(f"action={action}\nplug=n1\n{devices}\n".encode())


@pytest.mark.parametrize("action", ["list", "metadata", "manpage"])
def test_list_and_documents_need_no_devices_and_no_plug(action: str) -> None:
    assert options.from_stdin(f"action={action}".encode()).action() == action


@pytest.mark.parametrize("text", ["/dev/a,/dev/b", "/dev/a /dev/b", " /dev/a , /dev/b ,", ",,/dev/a\t/dev/b"])
def test_devices_are_separated_by_commas_or_blanks(text: str) -> None:
    assert stdin("action=off", f"devices={text}").devices() == ("/dev/a", "/dev/b")


BOOLEANS = [
    option.name for option in OPTIONS if option.kind in (FLAG, "boolean") and option.name not in ("help", "version")
]


@pytest.mark.parametrize("name", BOOLEANS)
@pytest.mark.parametrize(
    ("text", "value"),
    [(text, True) for text in ("1", "yes", "on", "true", "TRUE", "Yes")]
    + [(text, False) for text in ("0", "no", "off", "false", "False", "NO")],
)
def test_booleans_mean_what_they_say(name: str, text: str, value: bool) -> None:
    """The common library of the fence agents takes any value of a flag for true, `aptpl=0` too."""
    assert stdin("action=status", f"{name}={text}").flag(name) is value


@pytest.mark.promise(8)
@pytest.mark.parametrize("name", BOOLEANS)
@pytest.mark.parametrize("text", ["", "maybe", "-1", "tru", "y", "\u0661"])
def test_a_bad_boolean_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="neither true nor false") as refused:
        stdin("action=off", f"{name}={text}")
    assert f"'{name}', value '{text}'" in str(refused.value)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    "text", ["nan", "inf", "-1", "1e3", "1s", "", ".", ".5", "5.", "1,5", "+1", "0x10", "\u0663", "1_0", "1.5.2"]
)
@pytest.mark.parametrize("name", [option.name for option in OPTIONS if option.kind == "second"])
def test_a_time_is_plain_seconds(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="is not a number of seconds") as refused:
        stdin("action=off", f"{name}={text}")
    assert f"'{name}', value '{text}'" in str(refused.value)


@pytest.mark.promise(8)
@pytest.mark.parametrize("text", ["-1", "1.0", "two", "", "\u0663", "1_0", "0x1", "+1"])
@pytest.mark.parametrize("name", ["retry_on", "verbose_level"])
def test_a_count_is_a_whole_number(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="is not a whole number") as refused:
        stdin("action=off", f"{name}={text}")
    assert f"'{name}', value '{text}'" in str(refused.value)


@pytest.mark.promise(8)
@pytest.mark.parametrize("digits", [12, 400, 5000])
@pytest.mark.parametrize("name", ["delay", "power_timeout", "power_wait", "stonith_status_sleep"])
def test_a_time_that_no_clock_can_wait_for_is_refused(name: str, digits: int) -> None:
    with pytest.raises(UsageError, match=name):
        stdin("action=off", f"{name}={'9' * digits}")


@pytest.mark.promise(8)
@pytest.mark.parametrize("name", ["retry_on", "verbose_level", "verbose"])
def test_a_count_that_is_too_long_to_be_a_number_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        stdin("action=off", f"{name}={'9' * 5000}")


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("name", "text"),
    [("type", "WE"), ("type", "5"), ("type", ""), ("key_value", "hash32"), ("key_value", ""), ("foreign", "ignore")],
)
def test_a_choice_is_one_of_the_choices(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="is none of") as refused:
        stdin("action=off", f"{name}={text}")
    assert f"'{name}', value '{text}'" in str(refused.value)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("type=wreo", "WERO"),
        ("abort=requier", "require"),
        ("foreign=refused", "refuse"),
        ("key_value=hash46", "hash64"),
    ],
)
def test_a_value_that_is_nearly_a_choice_is_refused_with_the_choice(line: str, meant: str) -> None:
    with pytest.raises(UsageError) as refused:
        stdin("action=off", line)
    assert str(refused.value).endswith(f" (did you mean '{meant}'?)")


@pytest.mark.promise(8)
def test_a_time_limit_of_zero_is_refused_unless_there_is_none() -> None:
    with pytest.raises(UsageError, match="power_timeout"):
        stdin("action=off", "power_timeout=0")
    assert stdin("action=off", "power_timeout=0", "disable_timeout=1").flag("disable_timeout")


@pytest.mark.promise(8)
def test_two_plugs_are_refused_rather_than_one_ignored() -> None:
    with pytest.raises(UsageError, match="one node per call"):
        stdin("action=off", "plug=n1,n2")
    with pytest.raises(UsageError, match="one node per call"):
        stdin("action=off", "plug=n1:n2", "plug_separator=:")
    assert stdin("action=off", "plug=n1,n2", "plug_separator=:").plug() == "n1,n2"


@pytest.mark.promise(8)
def test_too_much_input_is_refused() -> None:
    data = CALL + b"#" * options.MOST_INPUT_BYTES
    with pytest.raises(UsageError, match="standard input"):
        options.from_stdin(data)
    fits = CALL + b"#" * (options.MOST_INPUT_BYTES - len(CALL))
    assert options.from_stdin(fits).action() == "off"


@pytest.mark.promise(8)
@pytest.mark.parametrize("name", ["plug", "devices", "key", "corosync_conf", "debug_file"])
def test_a_nul_character_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="NUL") as refused:
        stdin("action=off", f"{name}=a\0b")
    assert "\0" not in str(refused.value)


def test_bytes_that_are_no_utf8_survive_in_values() -> None:
    chosen = options.from_stdin(b"action=off\nplug=n\xff\ndevices=/dev/\xfe\n")
    assert chosen.plug().encode("utf-8", "surrogateescape") == b"n\xff"
    assert chosen.devices()[0].encode("utf-8", "surrogateescape") == b"/dev/\xfe"


def test_options_without_effect_say_so() -> None:
    chosen = stdin("action=off", "aptpl=1", "sg_persist_path=/x")
    assert said(chosen) == [
        "option 'aptpl' has no effect: the kernel always asks for it; leave it out",
        "option 'sg_persist_path' has no effect: no helper program is run; leave it out",
    ]


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["-o", "status"], "action", "status"),
        (["-ostatus"], "action", "status"),
        (["--action=status"], "action", "status"),
        (["--action", "status"], "action", "status"),
        (["--action=STATUS"], "action", "status"),
        (["--option=status"], "action", "status"),
        (["--plug=n2"], "plug", "n2"),
        (["--port", "n2"], "plug", "n2"),
        (["--plug=a=b"], "plug", "a=b"),
        (["--devices=/dev/a,/dev/b"], "devices", "/dev/a,/dev/b"),
        (["-d", "/dev/a"], "devices", "/dev/a"),
        (["--key=0xA"], "key", "0xA"),
        (["-k", "1"], "key", "1"),
        (["--key-value=hash"], "key_value", "hash"),
        (["--key_value", "hash"], "key_value", "hash"),
        (["-H", "3"], "delay", "3"),
        (["--delay=3"], "delay", "3"),
        (["-C", ";"], "separator", ";"),
        (["-D", "/x"], "debug_file", "/x"),
        (["-q"], "quiet", "1"),
        (["-qa"], "aptpl", "1"),
        (["-q", "-q"], "quiet", "1"),
        (["--readonly"], "readonly", "1"),
        (["--disable-timeout=yes"], "disable_timeout", "1"),
        (["-vvv"], "verbose", "3"),
        (["-v", "--verbose"], "verbose", "2"),
        (["--verbose-level=2"], "verbose_level", "2"),
    ],
)  # fmt: skip
def test_arguments_give_their_values(arguments: list[str], name: str, value: str) -> None:
    assert argv(*arguments).text(name) == value


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    "arguments",
    [
        ["--acton=status"], ["-x"], ["--"], ["status"], ["-o", "status", "off"], ["-o"], ["--action"], ["--plug"],
        ["--quiet=1"], ["--verbose=2"], ["-o", "reboot"], ["--action=reboot"], ["--action="], ["--delay=-1"],
        ["--disable-timeout"], ["--disable-timeout=maybe"], ["-", "-o", "off"], ["---o", "off"], ["--delay=nan"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    if arguments == ["--"]:  # ends the options: the call is complete without
        arguments = ["--", "status"]
    with pytest.raises(UsageError):
        argv(*arguments)


def test_arguments_without_an_action_mean_off() -> None:
    assert argv().action() == "off"


@pytest.mark.parametrize(
    ("arguments", "verbosity"),
    [((), 0), (("-v",), 1), (("-vvv",), 3), (("--verbose-level=2",), 2), (("-vvv", "--verbose-level=0"), 0)],
)
def test_verbosity_from_the_command_line(arguments: tuple[str, ...], verbosity: int) -> None:
    assert argv(*arguments).verbosity() == verbosity


@pytest.mark.parametrize(
    ("lines", "verbosity"),
    [((), 0), (("verbose=1",), 1), (("verbose=yes",), 1), (("verbose=0",), 0), (("verbose=2",), 2)],
)
def test_verbosity_from_standard_input(lines: tuple[str, ...], verbosity: int) -> None:
    assert stdin("action=status", *lines).verbosity() == verbosity


@pytest.mark.parametrize(
    ("argument", "action"), [("-h", "help"), ("--help", "help"), ("-V", "version"), ("--version", "version")]
)
def test_help_and_version_need_nothing_else(argument: str, action: str) -> None:
    assert options.from_argv([argument]).action() == action
    assert options.from_argv(["-o", "off", argument]).action() == action


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_understood_both_ways(option: Option) -> None:
    value = {"integer": "3", "second": "4", "boolean": "1", FLAG: "1"}.get(option.kind, "x")
    if option.choices:
        value = option.choices[-1]
    values = {"action": "status", "node": "7", "key": "7", "node_keys": "n1:0x1;n2:0x2", "foreign_keys": "7"}
    value = values.get(option.name, value)
    expected = argv(f"--{option.long()}" if option.kind == FLAG else f"--{option.long()}={value}")
    assert expected.text(option.name) == value
    for name in option.names():
        assert stdin("action=status", f"{name}={value}").text(option.name) == value
        assert stdin("action=status", f"{name.replace('_', '-')}={value}").text(option.name) == value


def test_names_of_options_do_not_collide() -> None:
    names = [name.replace("-", "_") for option in OPTIONS for name in option.names()]
    shorts = [option.short for option in OPTIONS if option.short]
    assert len(names) == len(set(names))
    assert len(shorts) == len(set(shorts))


NAMES = [name for option in OPTIONS for name in option.names()]
FRAGMENTS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([name.encode() for name in NAMES]),
    st.sampled_from([b"=", b"\n", b"\r\n", b" ", b'"', b"#", b"action=", b"off", b"status", b"/dev/sda", b"1", b"\0"]),
)


def chosen_or_refused(read: Callable[[Any], options.Options], call: object) -> options.Options | None:
    """None where the call is refused, with words. Any other exception is a crash."""
    try:
        return read(call)
    except UsageError as error:
        refused = str(error)
    assert refused
    return None


@pytest.mark.promise(8)
@given(st.lists(FRAGMENTS, max_size=30).map(b"".join), st.booleans())
@example(b"", True)
@example(b"action = status", True)
@example(b"\naction\n=off", True)
def test_no_input_crashes_and_none_fences_unless_it_says_so(data: bytes, complete: bool) -> None:
    """Off without an action line is right only where every name is known."""
    call = (CALL if complete else b"") + data
    chosen = chosen_or_refused(options.from_stdin, call)
    if chosen is None or chosen.action() != "off":
        return
    assert chosen.devices()
    assert chosen.plug() or chosen.text("key") or chosen.text("node")
    lines = [line.strip() for line in call.decode("utf-8", "surrogateescape").split("\n")]
    names = {line.partition("=")[0].rstrip().replace("-", "_") for line in lines if line and line[0] != "#"}
    assert names & {"action", "option"} or names <= {*NAMES, "agent", "name", "node", "fail_time"}


@pytest.mark.promise(8)
@given(
    st.lists(
        st.one_of(st.text(max_size=8), st.sampled_from(["-o", "--action=", "off", "-n", "-d", "-v", "--"])), max_size=8
    )
)
def test_no_command_line_crashes(arguments: list[str]) -> None:
    chosen = chosen_or_refused(options.from_argv, arguments)
    assert chosen is None or chosen.action() in {action.name for action in ACTIONS} | {"help", "version"}


@pytest.mark.parametrize("agent", ["fence_scsi", "fence_mpath"])
def test_every_option_of_the_agents_that_this_one_replaces_is_understood(
    agent: str, packages: Path, tmp_path: Path
) -> None:
    (tmp_path / "pycurl.py").touch()  # fence-agents' library wants it, these agents do not
    printed = subprocess.run(
        [sys.executable, packages / "usr/sbin" / agent, "-o", "metadata"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{packages}/usr/share/fence:{tmp_path}"},
    ).stdout
    theirs = {
        parameter.attrib["name"].replace("-", "_") for parameter in ElementTree.fromstring(printed).iter("parameter")
    }
    assert len(theirs) > 20
    assert theirs - {name for option in OPTIONS for name in option.names()} == set()
