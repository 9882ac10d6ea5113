"""python3 -m tests.mutants [--sample N] [--seed N] [--shard I/N] [--quick] [FILE ...]: do the unit tests notice it?

Each of many small changes of lib is tried: some unit test must fail. FILE: files or folders below lib/fence_pr, for
example actions/off.py or storage; without one, all of lib. Which unit tests run which line is measured first, and kept.

--sample N   only so many changes, chosen at random
--safety     of the files that decide who is fenced: actions, storage, guard
--complete   of those whose survivors are all known
--seed N     of the choice and of the inputs of properties; without it another one each time, which is printed
--shard I/N  the I-th of N parts of what is chosen, beginning with 1
--quick      measure nothing: the tests are those whose files import the changed one
--all        try what is known to survive, too

The exit code is 1 if a change survives that is not in survivors.txt, of a file that is complete there.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "lib")]

from tests import seed  # noqa: E402
from tests.lab import cache  # noqa: E402
from tests.mutants import changes, choice, record, sandbox, trial  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.mutants.changes import Change
    from tests.mutants.record import Record

SAFETY = ("actions", "storage", "guard")


def main(arguments: list[str]) -> int:
    """Choose, try, print a table; 1 if something new survives in a complete file, 3 if not all could be tried."""
    asked = options().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    chosen_by = seed.of_run() if asked.seed is None else asked.seed
    known = record.load()
    chosen = choose(asked, chosen_by, known)
    again = [*arguments, *([f"--seed={chosen_by}"] if asked.seed is None else [])]
    print(
        f'{len(chosen)} changes, seed {chosen_by}; the same again: make mutants ARGS="{shlex.join(again)}"',
        flush=True,
    )
    results: list[tuple[Change, str]] = []
    begin = time.monotonic()
    for change, outcome, by in tried(chosen, chosen_by, measured=not asked.quick):
        results.append((change, outcome))
        if asked.verbose or (outcome in (trial.SURVIVED, trial.NOT_RUN) and not known.of(change)):
            line = changes.line_of(choice.LIB / change.path, change)
            print(f"{change}\n{outcome}{f' by {by}' * bool(by)}, {change.path}:{line}\n", flush=True)
    for row in table(results, known):
        print(row)
    print(f"{len(results)} of {len(chosen)} tried in {time.monotonic() - begin:.0f} s")
    if len(results) < len(chosen):
        return 3
    return int(any(is_new(change, outcome, known) for change, outcome in results if change.path in known.complete))


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tests.mutants", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--safety", action="store_true")
    parser.add_argument("--complete", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser


def choose(asked: argparse.Namespace, chosen_by: int, known: Record) -> list[Change]:
    """The changes to try, in an order of chance: whatever part of it has been tried is a sample."""
    files = asked.files or (sorted(known.complete) if asked.complete else SAFETY if asked.safety else ("",))
    paths = {
        path
        for name in files
        for path in ([choice.LIB / name] if name.endswith(".py") else (choice.LIB / name).rglob("*.py"))
    }
    found = [it for path in sorted(paths) for it in changes.of(str(path.relative_to(choice.LIB)), path.read_bytes())]
    found = [it for it in found if asked.all or not known.of(it)]
    random.Random(chosen_by).shuffle(found)
    index, of = map(int, asked.shard.split("/"))
    return found[: asked.sample][index - 1 :: of]


def tried(chosen: Sequence[Change], chosen_by: int, measured: bool) -> Iterator[tuple[Change, str, str]]:
    """Each change, what became of it, and which test noticed it."""
    with tempfile.TemporaryDirectory(prefix="fence_pr-mutants-") as name:
        work = Path(name)
        work.chmod(0o755)  # some tests are another user's
        lines = str(cache.fill("lines", "of tests", lambda _: None)) if measured else ""
        task = work / "task"
        task.write_text(trial.written(trial.Task([vars(it) for it in chosen], lines, chosen_by)))
        task.with_suffix(".out").touch()
        inner = ["env", f"TMPDIR={work}/tmp", sys.executable, "-m", "tests.mutants.trial", str(task)]
        rest = list(chosen)
        with (work / "log").open("w") as log, task.with_suffix(".out").open() as answers:
            process = subprocess.Popen(sandbox.command(work, inner), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                while rest:
                    ended = process.poll() is not None
                    for line in answers:
                        answer = json.loads(line)
                        if "outcome" in answer:
                            yield rest.pop(0), answer["outcome"], answer["by"]
                        elif "failing" in answer:
                            print(f"left out, for it fails without a change: {answer['failing']}", flush=True)
                    if ended:
                        break
                    time.sleep(0.1)
            finally:
                process.kill()  # unshare ignores SIGTERM; what it has started ends with it
                process.wait()
        if rest:
            print((work / "log").read_text()[-9000:], file=sys.stderr)


def table(results: Sequence[tuple[Change, str]], known: Record) -> list[str]:
    """A row a file: how many were tried and noticed, and what survives."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for change, outcome in results:
        if outcome == trial.NO_CODE:
            continue
        about = known.of(change)
        alive = outcome != trial.KILLED
        kind = "killed" if not alive else "new" if not about else "equivalent" if about.equivalent else "left"
        for row in (change.path, "all"):
            counts[row][kind] += 1
    rows = [f"{'tried':>6} {'killed':>7} {'equivalent':>11} {'left':>5} {'new':>5} {'survive':>8}"]
    for name, count in sorted(counts.items(), key=lambda it: (it[0] == "all", it[0])):
        judged = count.total() - count["equivalent"]
        share = 100 * (count["left"] + count["new"]) / judged if judged else 0.0
        cells = (
            f"{count.total():>6} {count['killed']:>7} {count['equivalent']:>11} {count['left']:>5} {count['new']:>5}"
        )
        rows.append(f"{cells} {share:>6.1f} %  {name}")
    return rows


def is_new(change: Change, outcome: str, known: Record) -> bool:
    """Whether it survives, and nobody has said why."""
    return outcome in (trial.SURVIVED, trial.NOT_RUN) and not known.of(change)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
