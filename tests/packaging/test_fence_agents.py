"""fence-agents' own checks of an agent, from its source in Debian: delay-check, xml-check and rng-check."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.lab.errors import CommandFailed
from tests.lab.plugin import or_not_covered
from tests.packaging import builds, trees
from tests.packaging.container import EXCHANGE, Container

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("fence-agents"), pytest.mark.long]
AGENT = "agents/pr_ioctl/fence_pr_ioctl"
# Their make targets, for this agent alone, with the arguments that their own agents get.
MAKEFILE = f"""\
abs_top_srcdir = {EXCHANGE}/fence-agents
abs_top_builddir = $(abs_top_srcdir)
AWK = awk
PYTHON = python3
TARGET = {AGENT}
%(arguments)s

include make/agentpycheck.mk
"""
FROM_FILE = "import shutil, sys\nshutil.copyfileobj(open({!r}), sys.stdout)\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A machine with their source, and this agent in it: what it says must be what this project has on record."""
    exchange = tmp_path_factory.mktemp("exchange")
    with or_not_covered(lambda: Container(trees.checks(), exchange)) as container:
        theirs = exchange / "fence-agents"
        shutil.copytree(or_not_covered(trees.fence_agents), theirs, symlinks=True)
        builds.copy(exchange / "project")
        (arguments,) = re.findall(r"^FENCE_TEST_ARGS\b(?:.*\\\n)*.*", (theirs / "agents/Makefile.am").read_text(), re.M)
        (theirs / "pr_ioctl.mk").write_text(MAKEFILE % {"arguments": arguments})
        agent = theirs / AGENT
        agent.parent.mkdir()
        agent.with_name(f"{agent.name}.8").touch()  # xml-check wants it made before
        agent.write_text(FROM_FILE.format(f"{EXCHANGE}/project/metadata/fence_pr_ioctl.xml"))
        check(container, "xml-upload")
        agent.unlink()
        agent.symlink_to(f"{EXCHANGE}/project/fence_pr_ioctl")
        yield container


def check(machine: Container, target: str) -> None:
    """Run one of their targets; raises CommandFailed."""
    machine.run(["make", "-f", "pr_ioctl.mk", target], cwd=f"{EXCHANGE}/fence-agents")


@pytest.mark.parametrize("target", ["delay-check", "xml-check", f"{AGENT}.rng-check"])
def test_it_passes_as_theirs_do(machine: Container, target: str) -> None:
    check(machine, target)


def test_an_agent_that_is_not_like_theirs_is_caught(machine: Container) -> None:
    """Otherwise the other test would show nothing."""
    agent: Path = machine.exchange / "fence-agents" / AGENT
    agent.unlink()
    agent.write_text("print('<resource-agent><parameters/>')\n")
    for target in ("delay-check", "xml-check", f"{AGENT}.rng-check"):
        with pytest.raises(CommandFailed):
            check(machine, target)
