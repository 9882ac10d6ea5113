"""`make proof`: what the promises rest on, in numbers. The same checks are part of every test run.

States explored and mutants caught (tests/model), faults survived on real kernels (tests/faults), inputs and
surroundings tried (tests/inputs). What could not be tried here has not held. With --long everything, which takes hours;
CI has what fits between.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "lib")]

from tests.by_chance import LONG  # noqa: E402
from tests.conftest import IN_PARALLEL  # noqa: E402
from tests.faults.forms import PROOF  # noqa: E402
from tests.inputs import proof as inputs  # noqa: E402
from tests.lab.plugin import MUST_COVER  # noqa: E402
from tests.model import proof as model  # noqa: E402

FAULTS = [sys.executable, "-m", "pytest", "-q", *IN_PARALLEL, "tests/faults", "tests/targets"]


def main(arguments: list[str]) -> int:
    """Print as it comes; 0 if everything held, 2 for a wrong call."""
    if not set(arguments) <= {"--long"}:
        print(__doc__, file=sys.stderr)
        return 2
    long, started = bool(arguments), time.monotonic()
    environment = {**os.environ, LONG: str(int(long)), MUST_COVER: "1", PROOF: "1"}
    with subprocess.Popen(FAULTS, cwd=PROJECT, env=environment, text=True, stdout=subprocess.PIPE) as faults:
        print("every order, over a model of the targets", flush=True)
        held = True
        for line in model.lines(long):
            print(f"  {line}", *([line.trouble] if line.trouble else []), flush=True)
            held = held and line.ok
        print("hostile inputs and surroundings", flush=True)
        for row in inputs.run(long):
            print(
                f"  {row.what}: {row.tried:,} tried, {row.note or 'all answered rightly'}, {row.seconds:.1f} s",
                flush=True,
            )
            held = held and inputs.NOT_COVERED not in row.note
        print("faults on real kernels", flush=True)
        print(faults.communicate()[0])
    held = held and faults.returncode == 0
    print(f"{'Everything held' if held else 'NOT EVERYTHING HELD'}, in {time.monotonic() - started:.0f} s")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
