"""The metadata, and that it is made from nothing but the agent itself."""

from __future__ import annotations

import json
import re
import subprocess
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import metadata
from fence_pr.option_table import ACTIONS, IGNORED, OPTIONS, PURPOSES
from tests.documents import commands
from tests.unit.process import AGENT, PROJECT, agent, nobody, public_copy

if TYPE_CHECKING:
    from pathlib import Path

etree: Any = import_module("lxml.etree")


def tree(text: str) -> Any:
    """The parsed XML."""
    return etree.fromstring(text.encode())


@pytest.mark.parametrize("schema", ["usr/share/cluster/relaxng/metadata.rng", "usr/share/pcs/data/ocf-1.0.rng"])
@pytest.mark.parametrize("manual_page", [False, True])
def test_metadata_meets_the_schemas_of_fence_agents_and_pcs(packages: Path, schema: str, manual_page: bool) -> None:
    validator = etree.RelaxNG(etree.parse(str(packages / schema)))
    document = tree(metadata.xml(manual_page=manual_page))
    assert validator.validate(document), validator.error_log
    document.find("parameters/parameter").set("required", "yes")
    assert not validator.validate(document)


def test_fence_agents_own_stylesheet_makes_a_manual_page(packages: Path) -> None:
    transform = etree.XSLT(etree.parse(str(packages / "usr/share/cluster/relaxng/fence2man.xsl")))
    page = str(transform(tree(metadata.xml(manual_page=True))))
    assert ".SH NAME\nfence_pr_ioctl - " in page
    assert page.count("\n.P\n") >= 3
    for option in OPTIONS:
        if option.advertised and not option.ignored:
            assert option.help in page.replace("\\", ""), option.name


def test_unfencing_is_automatic_and_runs_on_the_target() -> None:
    on = tree(metadata.xml()).find("actions/action[@name='on']")
    assert (on.get("automatic"), on.get("on_target")) == ("1", "1")


def test_actions_are_those_of_the_table_and_none_is_reboot() -> None:
    names = [action.get("name") for action in tree(metadata.xml()).iterfind("actions/action")]
    assert names == [action.name for action in ACTIONS if action.advertised]
    assert "reboot" not in names
    assert {"on", "off", "status", "monitor", "list", "metadata"} <= set(names)


def test_every_advertised_option_is_a_parameter_under_each_of_its_names_once() -> None:
    parameters = [it.get("name") for it in tree(metadata.xml()).iterfind("parameters/parameter")]
    expected = [name for option in OPTIONS if option.advertised for name in (option.name, option.former) if name]
    assert sorted(parameters) == sorted(expected)


def test_an_old_name_is_deprecated_and_the_new_one_says_what_it_replaces() -> None:
    document = tree(metadata.xml())
    for new, old in (("plug", "port"), ("debug_file", "debug")):
        assert document.find(f"parameters/parameter[@name='{new}']").get("obsoletes") == old
        assert document.find(f"parameters/parameter[@name='{new}']").get("deprecated") is None
        assert document.find(f"parameters/parameter[@name='{old}']").get("deprecated") == "1"


def test_required_parameters_are_those_that_a_cluster_must_set() -> None:
    required = tree(metadata.xml()).iterfind("parameters/parameter[@required='1']")
    assert {it.get("name") for it in required} == {"action", "plug", "port", "devices"}


def test_defaults_of_booleans_and_numbers_are_spelt_as_pcs_wants_them() -> None:
    for content in tree(metadata.xml()).iterfind("parameters/parameter/content"):
        if content.get("type") == "boolean":
            assert content.get("default") in (None, "0", "1")
        if content.get("type") in ("integer", "second") and content.get("default") is not None:
            assert content.get("default").isdigit()
        if content.get("type") == "select":
            choices = [option.get("value") for option in content.iterfind("option")]
            assert content.get("default") in (None, *choices)


def sections() -> dict[str, str]:
    """The help, by headings."""
    parts = [part.partition(":\n") for part in metadata.help_text().rstrip("\n").split("\n\n")]
    return {heading: text for heading, _, text in parts}


def test_help_names_every_option_and_action_once() -> None:
    text = metadata.help_text()
    for option in OPTIONS:
        pattern = rf"^   (-{option.short}, )?--{option.long()}(=\S+)?( |$)"
        shown = option.advertised and not option.ignored
        assert len(re.findall(pattern, text, re.MULTILINE)) == int(shown), option.name
    for action in ACTIONS:
        assert len(re.findall(rf"^   {action.name} ", text, re.MULTILINE)) == 1
    assert all(len(line) <= 100 for line in text.splitlines())


def test_help_groups_options_by_purpose() -> None:
    found = sections()
    purposes = [purpose for _, purpose in PURPOSES]
    assert [heading for heading in found if heading in purposes] == purposes
    for option in OPTIONS:
        if option.advertised and not option.ignored:
            assert f"--{option.long()}" in found[option.purpose()], option.name
    assert "--key-value" in found["Keys and reservations"]
    assert "--power-timeout" in found["Time"]


def test_help_names_options_without_effect_together_and_says_no_more_of_them() -> None:
    names = [f"--{option.long()}" for option in OPTIONS if option.ignored]
    assert " ".join(sections()[IGNORED].split()) == ", ".join(names)
    assert len(names) >= 13


def test_help_begins_with_examples_that_are_commands_of_the_documents() -> None:
    """Those are run."""
    assert metadata.help_text().startswith("Examples:\n")
    for command, meaning in metadata.EXAMPLES:
        assert f"   {command}\n      {meaning}\n" in sections()["Examples"] + "\n"
    known = {command.text for command in commands.run_by(commands.PROGRAMS)}
    assert {command for command, _ in metadata.EXAMPLES} <= known


@pytest.mark.promise(10)
@pytest.mark.parametrize(
    ("action", "arguments", "stdin"),
    [
        ("metadata", ["-o", "metadata"], b""),
        ("metadata", ["--action=meta-data"], b""),
        ("metadata", [], b"action=metadata\n"),
        ("manpage", ["-o", "manpage"], b""),
    ],
)
def test_the_agent_prints_it(action: str, arguments: list[str], stdin: bytes) -> None:
    ended = agent(*arguments, stdin=stdin)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == metadata.xml(manual_page=action == "manpage")


@pytest.mark.promise(10)
@pytest.mark.parametrize("noise", [[], ["-D", "/proc/none"], ["--logfile=/proc/none"], ["-d", "/dev/none", "-vvv"]])
def test_any_user_gets_it_whatever_else_the_call_says(noise: list[str]) -> None:
    with public_copy() as copy:
        ended = agent("-o", "metadata", *noise, executable=copy, cwd="/", env={}, **nobody())
    assert (ended.code, ended.out, ended.err) == (0, metadata.xml(), "")


# Runs the agent with a hook that the interpreter calls for everything that touches the world outside.
WATCHED = """
import json, os, runpy, sys
sys.dont_write_bytecode = True
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, [str(it) for it in arguments])))
sys.argv = sys.argv[1:]
os._exit = sys.exit  # how the agent ends
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    text = json.dumps(seen)
    os.write(2, text.encode())
"""
HARMLESS = (
    "import",
    "compile",
    "exec",
    "marshal.",
    "code.",
    "object.",
    "sys.",
    "builtins.",
    "cpython.",
    "gc.",
    "array.",
)
READING = ("open", "os.listdir", "os.scandir")


def touched(*arguments: str) -> list[str]:
    """Everything but the agent's own code and the interpreter's that the agent touches."""
    command = ["/usr/bin/python3", "-I", "-S", "-c", WATCHED, str(AGENT), *arguments]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    libraries = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", "import os; print(os.path.dirname(os.__file__))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    own = (libraries, libraries.replace("/usr/lib", "/usr/local/lib"), str(PROJECT / "lib"), str(AGENT))
    outside = []
    for event, values in json.loads(done.stderr.rpartition(b"\n")[2]):
        code = event in READING and (values[0].startswith(own) or values[0].endswith(".zip"))
        if not code and not event.startswith(HARMLESS):
            outside.append(" ".join([event, *values]))
    return outside


@pytest.mark.promise(10)
@pytest.mark.parametrize("action", ["metadata", "manpage"])
def test_no_file_device_or_network_is_touched(action: str) -> None:
    assert touched("-o", action, "-d", "/dev/sda", "-D", "/tmp/none", "--logfile=/tmp/none", "-n", "n1") == []


def test_what_watches_would_see_it(tmp_path: Path) -> None:
    conf = tmp_path / "corosync.conf"
    outside = touched("-o", "list", f"--corosync-conf={conf}")
    for expected in ("open /dev/null ", "socket.connect", "os.fork"):
        assert any(it.startswith(expected) for it in outside), outside


@pytest.mark.promise(8)
def test_metadata_is_no_reason_to_skip_a_wrong_call() -> None:
    assert agent("-o", "metadata", "--delay=soon").code == 1
