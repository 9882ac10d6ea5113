"""Debian's Prometheus and node exporter: unpacked, and running on this machine's loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import cache, packages
from tests.packaging.builds import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUITE, PACKAGES = "bookworm", ("prometheus", "prometheus-node-exporter")
RULES = PROJECT / "monitoring/pr_fence.rules.yml"
HOST, PATIENCE_SECONDS, POLL_SECONDS = "127.0.0.1", 40.0, 0.2
CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ['{host}:{port}']}}]
"""


def tree() -> Path:
    """Where the packages are unpacked; raises LabUnavailable."""
    return cache.fill("prometheus", repr((2, SUITE, PACKAGES)), _build)


def _build(tree: Path) -> None:
    print(f"tests: {', '.join(PACKAGES)} from Debian {SUITE}", file=sys.stderr, flush=True)
    packages.check_machine()
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        suite = packages.Suite(SUITE, Path(scratch) / "apt")
        packages.unpack([suite.download(package) for package in PACKAGES], tree)


class Prometheus:
    """One that runs, and has the shipped rules."""

    def __init__(self, port: int) -> None:
        self._address = f"http://{HOST}:{port}"

    def ask(self, what: str, **parameters: str) -> Any:
        """Its answer; raises OSError while there is none."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self._address}/api/v1/{what}{query}", timeout=5) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def query(self, expression: str) -> list[Any]:
        """What an expression comes to now."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def alerts(self) -> dict[str, str]:
        """Alert → "pending" or "firing"."""
        return {it["labels"]["alertname"]: it["state"] for it in self.ask("alerts")["alerts"]}


def wait_until(reached: Callable[[], object], what: str) -> None:
    """Raises AssertionError if it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if reached():
                return
        except (OSError, urllib.error.URLError):
            pass
        assert time.monotonic() < deadline, what
        time.sleep(POLL_SECONDS)


@contextmanager
def running(programs: Path, files: Path, scratch: Path) -> Iterator[Prometheus]:
    """A node exporter that reads the files in a folder, and a Prometheus that asks it once a second."""
    exporter, port = _free_port(), _free_port()
    configuration = scratch / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(rules=RULES, host=HOST, port=exporter))
    commands = {
        "exporter": [
            str(programs / "usr/bin/prometheus-node-exporter"), f"--web.listen-address={HOST}:{exporter}",
            "--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={files}",
        ],
        "prometheus": [
            str(programs / "usr/bin/prometheus"), f"--config.file={configuration}",
            f"--storage.tsdb.path={scratch / 'data'}",
            f"--web.listen-address={HOST}:{port}",
        ],
    }  # fmt: skip
    with ExitStack() as stack:
        for name, command in commands.items():
            log = stack.enter_context((scratch / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        it = Prometheus(port)
        try:
            wait_until(lambda: it.query('up{job="node"} == 1'), "nothing is collected")
        except AssertionError as error:
            said = "".join((scratch / f"{name}.log").read_text() for name in commands)
            raise AssertionError(f"{error}: {said}") from error
        yield it


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port: int = taken.getsockname()[1]
        return port
