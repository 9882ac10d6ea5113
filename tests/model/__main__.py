"""`python3 -m tests.model`: explore what several nodes can do at once, and say what was found. No kernel is needed.

--long    half an hour of it in place of half a minute
--mutants how each dangerous change of the code is caught, step by step
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "lib"))


def main(arguments: list[str]) -> int:
    """Print; the exit code is 0 if all promises are kept and all mutants caught, 2 for a wrong call."""
    from . import proof
    from .mutants import MUTANTS

    if not set(arguments) <= {"--long", "--mutants"}:
        print(__doc__, file=sys.stderr)
        return 2
    if "--mutants" in arguments:
        answers = [(mutant, *proof.caught(mutant)) for mutant in MUTANTS]
        for mutant, caught, how in answers:
            print(f"{'caught' if caught else 'NOT CAUGHT'}: {mutant.sentence}\n{how}\n")
        return 0 if all(caught for _, caught, _ in answers) else 1
    good = True
    for line in proof.lines("--long" in arguments):
        print(line, flush=True)
        if not line.ok:
            print(line.trouble)
        good = good and line.ok
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
