"""A coverage-guided fuzzer over every parser: python3 -m tests.inputs.fuzz [--runs N] [--seed N] [--keep] [parser…]

atheris instruments the package once; then a child for each parser runs, with bounded memory, and bounded time for each
input. An input that breaks a parser is printed, and with --keep put among the kept ones, which a test tries for ever.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests import seed
from tests.inputs import PROJECT, SEEDS

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINE = "atheris"
MOST_BYTES = 4096
MEMORY_BYTES = 256 << 20
SECONDS_AN_INPUT = 20
# Slow parsers get fewer; together they take less than ten seconds of one core.
RUNS = {"sysfs": 500, "argv": 2000, "keys": 2000, "nvme": 2000, "state": 2000}
OTHER_RUNS = 5000


class Fuzzed(NamedTuple):
    """One parser's run: inputs tried, branches seen, and in hexadecimal the input that broke it, with the reason."""

    parser: str
    executed: int
    coverage: int
    seconds: float
    broken_by: str = ""
    why: str = ""


def unavailable() -> str:
    """Why the fuzzer cannot run here, "" if it can."""
    if importlib.util.find_spec(ENGINE):
        return ""
    return f"the fuzzer {ENGINE} is not installed for this Python ({sys.version.split()[0]}, {os.uname().machine})"


def run(factor: int, seed: int) -> list[Fuzzed]:
    """Fuzz all parsers in a process of its own, with `factor` times the usual number of inputs."""
    command = [sys.executable, "-m", "tests.inputs.fuzz", "--json", f"--factor={factor}", f"--seed={seed}"]
    fixed = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=False, cwd=PROJECT, env=fixed, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the fuzzer itself failed:\n{done.stderr[-4000:]}")
    return [Fuzzed(*found) for found in json.loads(done.stdout)]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--factor", type=int, default=1, help="times the usual number of inputs")
    parser.add_argument("--runs", type=int, help="inputs a parser, in place of the usual number")
    parser.add_argument("--seed", type=int, default=seed.of_run(), help="another one each time, if none is given")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep an input that breaks a parser")
    parser.add_argument("parsers", nargs="*")
    asked = parser.parse_args()
    engine: Any = importlib.import_module(ENGINE)
    with engine.instrument_imports(include=["fence_pr"]):
        from tests.inputs.parsers import PARSERS
    found = []
    for name in asked.parsers or PARSERS:
        runs = asked.runs or RUNS.get(name, OTHER_RUNS) * asked.factor
        found.append(fuzz(name, PARSERS[name], runs, asked.seed))
        if found[-1].broken_by and asked.keep:
            number = len(list((SEEDS / name).iterdir()))
            (SEEDS / name / f"broke-it-{number}").write_bytes(bytes.fromhex(found[-1].broken_by))
    print(json.dumps(found) if asked.json else "\n".join(map(str, found)))
    return 1 if not asked.json and any(it.broken_by for it in found) else 0


def fuzz(name: str, feed: Callable[[bytes], None], runs: int, seed: int = 1, seconds: int = SECONDS_AN_INPUT) -> Fuzzed:
    """Give `feed` that many inputs, beginning with the kept ones of `name`, in a child."""
    folder = Path(tempfile.mkdtemp(prefix="fence_pr_fuzz-"))
    started = time.monotonic()
    try:
        shutil.copytree(SEEDS / name, folder / "corpus")
        child = os.fork()
        if child == 0:
            _be_fuzzed(feed, folder, [f"-runs={runs}", f"-seed={seed}", f"-timeout={seconds}"])
        os.waitpid(child, 0)
        said = (folder / "said").read_text(errors="replace")
        broken = [path.read_bytes() for path in folder.glob("*-*")]
    finally:
        shutil.rmtree(folder)
    executed = re.findall(r"^stat::number_of_executed_units:\s*(\d+)", said, re.MULTILINE) or ["0"]
    coverage = re.findall(r"^#\d+\s.*\bcov: (\d+)", said, re.MULTILINE) or ["0"]
    found = Fuzzed(name, int(executed[-1]), int(coverage[-1]), time.monotonic() - started)
    if broken:
        return found._replace(broken_by=broken[0].hex() or "(empty)", why=said[-4000:])
    return found if found.executed >= runs else found._replace(broken_by="?", why=f"ended early:\n{said[-2000:]}")


def _be_fuzzed(feed: Callable[[bytes], None], folder: Path, limits: list[str]) -> None:
    """Never returns: the fuzzer ends the process."""
    try:
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        engine: Any = importlib.import_module(ENGINE)
        files = [f"-artifact_prefix={folder}/", "-print_final_stats=1", str(folder / "corpus")]
        engine.Setup(["fuzz", *limits, f"-max_len={MOST_BYTES}", "-len_control=0", *files], feed)
        _bound_memory()
        engine.Fuzz()
    except SystemExit as ended:
        # The C library's exit, at which the fuzzer writes down what broke the parser.
        ctypes.CDLL(None).exit(int(bool(ended.code)))
    finally:
        traceback.print_exc()
        os._exit(1)


def _bound_memory() -> None:
    """An input that makes a parser allocate much ends in MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    sys.exit(main())
