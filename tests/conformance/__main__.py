"""python3 -m tests.conformance [--write] [KERNEL…]: ask every target every case, print the table, compare.

A column a target and kernel: "yes" if all is as the standards say, "-" if the case is not asked, or the letters of the
facts because of which it deviates, told after the table; "?" if it deviates without one. Exit status 1 if anything is
not as recorded or as the facts say.

--write   write the records anew; read what has changed before you keep it
KERNEL    only these, such as 6.1
"""

from __future__ import annotations

import string
import sys
from typing import TYPE_CHECKING

from tests.conformance import deviations, record, targets
from tests.conformance.cases import CASES
from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.errors import LabError
from tests.lab.guest import Guest, log_folder
from tests.lab.nvme import KERNEL_ARGUMENTS, Namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.record import Release, Results
    from tests.conformance.table import Case
    from tests.conformance.targets import Target

    Run = tuple[Target, Release, Results]


WIDTH = 12
LETTERS = dict(zip(deviations.DEVIATIONS, string.ascii_letters))


def main(arguments: list[str]) -> int:
    """0, or 1 if something is wrong."""
    write = "--write" in arguments
    names = [argument for argument in arguments if argument != "--write"]
    try:
        sources = [kernels.source(name) for name in names] or [*kernels.SOURCES, kernels.NVME]
        runs = [run for source in sources for run in _on(source)]
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    _print_table(runs)
    _print_facts(runs)
    wrong = [problem for run in runs for problem in _judge(run, write=write)]
    print("\n".join(["", *wrong] if wrong else ["", "All as recorded."]))
    return bool(wrong)


def _on(source: kernels.Source) -> Iterator[Run]:
    guest = Guest(source.kernel(), root.folder(), arguments=KERNEL_ARGUMENTS, logs=log_folder())
    guest.boot()
    try:
        cluster = Cluster(guest)
        for target in (targets.LIO, targets.MULTIPATH):
            with targets.scsi(target, cluster) as bench:
                yield target, cluster.release, targets.run(target, bench)
        if source is kernels.NVME:
            namespaces = Namespaces(cluster)
            for target in (targets.NVMET_LOOP, targets.NVMET_TCP):
                bench = targets.nvme(target, namespaces)
                namespaces.reset(target.transport)
                yield target, cluster.release, targets.run(target, bench)
    finally:
        guest.stop()


def _print_table(runs: list[Run]) -> None:
    for head in ([target.name for target, _, _ in runs], [record.version(release) for _, release, _ in runs]):
        print("".join(f"{word:>{WIDTH}}" for word in head))
    for case in CASES:
        print("".join(f"{cell(run, case):>{WIDTH}}" for run in runs) + f"  {case.name}")


def cell(run: Run, case: Case) -> str:
    """What the table says of a case."""
    target, release, results = run
    if case.name not in results:
        return "-"
    differences = list(record.differences(target, case, results[case.name]))
    facts = {record.explaining(target, release, case, line, found) for line, _, found in differences}
    return " ".join(sorted(LETTERS[fact] if fact else "?" for fact in facts)) or "yes"


def _print_facts(runs: list[Run]) -> None:
    for fact, letter in LETTERS.items():
        where = [
            f"{target.name} {record.version(release)}"
            for target, release, _ in runs
            if fact.holds(target.name, release)
        ]
        if where:
            print("\n".join(["", f"{letter}: {', '.join(where)}", *record.paragraph(fact)]))


def _judge(run: Run, *, write: bool) -> list[str]:
    target, release, _ = run
    text = record.text(*run)
    if write:
        record.FOLDER.mkdir(exist_ok=True)
        record.place(target, release).write_text(text)
    return record.problems(*run) + record.changes(target, release, text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
