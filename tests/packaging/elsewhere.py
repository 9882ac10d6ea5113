"""python3 -m tests.packaging.elsewhere SUITE COMMAND...: run a command on a new machine of another Debian suite.

    python3 -m tests.packaging.elsewhere trixie make demo
    python3 -m tests.packaging.elsewhere trixie make test ARGS=tests/unit

The machine is a container with apt, make and Python, this machine's network, and a copy of the project; nothing has
been fetched yet. It is forgotten afterwards. Needs root here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import packages
from tests.lab.errors import LabUnavailable
from tests.packaging import trees
from tests.packaging.builds import PROJECT
from tests.packaging.container import ENVIRONMENT, EXCHANGE, Container

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT_OUT = shutil.ignore_patterns("__pycache__", "test-logs", ".venv", ".git", ".*_cache", ".hypothesis")
# How this machine reaches what it fetches: who answers for names, and whom to trust. Debian's ca-certificates, which
# may come later, writes its own list where this machine's is.
TRUSTED = "/etc/trusted-by-pip.crt"
MACHINES_OWN = {"/etc/resolv.conf": "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt": TRUSTED}
INSIDE = f"{EXCHANGE}/project"
WRITE = 'mkdir -p "${1%/*}" && cp "$0" "$1" && chmod 644 "$1"'


def copy_project(exchange: Path) -> None:
    """Put the project where containers see it as INSIDE."""
    shutil.copytree(PROJECT, exchange / "project", ignore=LEFT_OUT)


def connect(machine: Container, suite: str) -> None:
    """Let the machine's apt and pip fetch what this machine's may, of that suite. Raises LabUnavailable."""
    texts = {name: Path(here).read_text() for here, name in MACHINES_OWN.items() if Path(here).exists()}
    texts["/etc/nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files dns\n"
    texts["/etc/apt/sources.list"] = f"deb {packages.mirror()} {suite} main\n"
    texts["/etc/apt/apt.conf.d/90elsewhere"] = "\n".join([*packages.machine_transport(), ""])
    for name, text in texts.items():
        with tempfile.NamedTemporaryFile("w", dir=machine.exchange) as file:
            file.write(text)
            file.flush()
            machine.run(["sh", "-ec", WRITE, f"{EXCHANGE}/{Path(file.name).name}", name])


def main(suite: str = "", *command: str) -> int:
    """The command's exit code; 2 for a wrong call."""
    if not suite or not command:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return _run(suite, command)
    except LabUnavailable as error:
        print(f"this machine cannot run it: {error}", file=sys.stderr)
        return 1


def _run(suite: str, command: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="fence_pr_elsewhere-") as folder:
        exchange = Path(folder)
        exchange.chmod(0o755)  # some tests become another user, who must be able to read the project
        copy_project(exchange)
        with Container(trees.developer(suite), exchange, network=True) as machine:
            connect(machine, suite)
            environment = {**ENVIRONMENT, "PIP_CERT": TRUSTED}
            entered = machine.command(command, INSIDE)
            return subprocess.run(entered, check=False, env=environment, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
