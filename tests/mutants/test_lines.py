"""What is written down of lines that run is what coverage.py counts: in threads and forks, too, whatever is closed."""

from __future__ import annotations

import _thread
import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from coverage import Coverage

from tests import covered
from tests.mutants.lines import Watched, prelude

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """\
import os

def numbers(most):
    for number in range(most):
        if number % 2:
            continue
        yield number

def fail(number):
    try:
        if number > 2:
            raise ValueError(number)
    except ValueError:
        return -1
    finally:
        number += 1
    return number

def never():
    return 1

def judge():
    return [fail(it) for it in numbers(6) if it != 4]

class Thing:
    size = 3

    def grow(self):
        with open(os.devnull) as file:
            file.read()
        while self.size < 5:
            self.size += 1
"""


def load(folder: Path) -> Any:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("program", folder / "program.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(folder: Path) -> None:
    """Some of it."""
    program = load(folder)
    program.judge()
    program.Thing().grow()


def test_it_is_what_coverage_counts(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    output = tmp_path / "lines"
    output.mkdir()
    watched = Watched(str(tmp_path))
    watched.begin(str(output / "one"))
    run(tmp_path)
    watched.end()
    counted = Coverage(data_file=None, branch=True, config_file=False, include=[f"{tmp_path}/*"])
    counted.start()
    run(tmp_path)
    counted.stop()
    expected = set(counted.get_data().arcs(str(tmp_path / "program.py")) or [])
    assert len(expected) > 30
    assert covered.arcs(output) == {"program.py": expected}


def test_threads_and_forks_that_close_everything_are_watched_too(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    program = load(tmp_path)
    output = tmp_path / "lines"
    output.mkdir()
    watched = Watched(str(tmp_path))
    watched.begin(str(output / "one"))
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        program.never()
        done.release()

    _thread.start_new_thread(work, ())
    done.acquire()
    child = os.fork()
    if child == 0:
        os.closerange(3, 256)
        program.fail(3)
        os._exit(0)
    os.waitpid(child, 0)
    watched.end()
    lines = {end for _, end in covered.arcs(output)["program.py"]}
    assert PROGRAM.splitlines().index("    return 1") + 1 in lines
    assert PROGRAM.splitlines().index("        return -1") + 1 in lines
    assert PROGRAM.splitlines().index("    return number") + 1 not in lines


def test_a_process_of_its_own_writes_for_itself(tmp_path: Path) -> None:
    """As an agent does, isolated, from a copy whose package says so."""
    package, output, where = tmp_path / "package", tmp_path / "lines", tmp_path / "where"
    package.mkdir()
    output.mkdir()
    where.write_text(str(output))
    (package / "__init__.py").write_text(prelude(str(where), unique=True))
    (package / "program.py").write_text(PROGRAM)
    command = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from package import program; program.fail(3)"
    for _ in range(2):
        subprocess.run([sys.executable, "-I", "-S", "-c", command], check=True, env={})
    assert len(list(output.iterdir())) == 2
    lines = {end for _, end in covered.arcs(output)["program.py"]}
    assert PROGRAM.splitlines().index("        return -1") + 1 in lines
    assert PROGRAM.splitlines().index("    return 1") + 1 not in lines
