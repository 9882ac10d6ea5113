"""Runs in a host: corosync and Pacemaker without systemd. `python3 -m tests.cluster.inside.stack start|stop|remote`

start: standard input is JSON, {"files": path → text, "cib": the configuration that Pacemaker finds on its disk}; ends
when the daemons are there, which is before the node has joined the cluster.
remote: the daemon of a remote node, {"files": path → text, "address": where it listens}.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER = "hacluster", "haclient"
STATE = Path("/var/lib/pacemaker")
LOG = "/run/pacemaker.log"
OCF = Path("/usr/lib/ocf/resource.d/lab")
AGENTS = Path(__file__).with_name("agents")
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05


def start(files: dict[str, str], cib: str) -> None:
    """Put everything in place and start the daemons."""
    _prepare(files)
    _write_owned(STATE / "cib/cib.xml", cib)
    _run("corosync")
    _wait_for("corosync", ["corosync-cfgtool", "-s"])
    _run_in_background(["pacemakerd", "-f"])
    _wait_for("pacemaker", ["crmadmin", "--pacemakerd", "--quiet"])


def remote(files: dict[str, str], address: str) -> None:
    """Start the only daemon of a node that the cluster reaches over the network."""
    _prepare(files)
    _run_in_background(["pacemaker-remoted"], {"PCMK_remote_address": address})


def _prepare(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    _make_folders()
    _install_resource_agents()


def stop() -> None:
    """Leave the cluster in good order."""
    for daemon in ("pacemakerd", "corosync"):
        for pid in _pids(daemon):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while _pids(daemon):
            if time.monotonic() > deadline:
                sys.exit(f"{daemon} does not end")
            time.sleep(POLL_SECONDS)


def _make_folders() -> None:
    """What Debian's packages make when they are installed."""
    for name in ("cib", "cores", "pengine", "blackbox"):
        _own(STATE / name, 0o750)
    _own(STATE, 0o750)
    for name in ("/run/crm", "/var/log/pacemaker"):
        _own(Path(name), 0o770)
    for name in ("/var/lib/corosync", "/var/log/corosync", "/var/log/crmsh", "/run/resource-agents"):
        Path(name).mkdir(parents=True, exist_ok=True)


def _own(folder: Path, mode: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)
    shutil.chown(folder, *OWNER)


def _write_owned(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    shutil.chown(path, *OWNER)


def _install_resource_agents() -> None:
    OCF.mkdir(parents=True, exist_ok=True)
    for agent in AGENTS.iterdir():
        shutil.copy(agent, OCF)
        (OCF / agent.name).chmod(0o755)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _run_in_background(command: list[str], settings: Mapping[str, str] | None = None) -> None:
    with open("/run/pacemaker.out", "ab") as out:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "PCMK_logfile": LOG, **(settings or {})},
            start_new_session=True,
        )


def _wait_for(what: str, question: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        asked = subprocess.run(question, check=False, capture_output=True, text=True)
        if asked.returncode == 0:
            return
        if time.monotonic() > deadline:
            sys.exit(f"{what} does not answer: {asked.stdout}{asked.stderr}")
        time.sleep(POLL_SECONDS)


def _pids(program: str) -> list[int]:
    asked = subprocess.run(["pidof", program], check=False, capture_output=True, text=True)
    return [int(pid) for pid in asked.stdout.split()]


if __name__ == "__main__":
    if sys.argv[1:] == ["start"]:
        start(**json.load(sys.stdin))
    elif sys.argv[1:] == ["remote"]:
        remote(**json.load(sys.stdin))
    else:
        stop()
