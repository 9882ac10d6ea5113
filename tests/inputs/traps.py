"""Traps for whoever looks for programs or modules anywhere. Also a program: traps.py FOLDER MARK"""

from __future__ import annotations

import sys
from pathlib import Path

MODULES = """
    sitecustomize usercustomize os syslog socket _socket _ctypes ctypes select struct marshal traceback agent site
    getopt threading time fcntl array errno stat encodings/__init__ fence_pr/__init__ lib/fence_pr/__init__
    .local/lib/python3/site-packages/usercustomize
"""
PROGRAMS = """
    python3 python sh bash env uname hostname logger sudo sg_persist sg_turs mpathpersist multipathd corosync-cmapctl
    vgs
"""


def make(folder: Path, mark: Path) -> None:
    """Modules and programs that make the file `mark` when they are used."""
    # At the interpreter's start there is not even open().
    module = f"import posix\nposix.open({str(mark)!r}, posix.O_CREAT | posix.O_WRONLY)\nraise SystemExit(77)\n"
    for name in MODULES.split():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module)
    (folder / "x.pth").write_text(f"import posix; posix.open({str(mark)!r}, posix.O_CREAT | posix.O_WRONLY)\n")
    for name in PROGRAMS.split():
        (folder / name).write_text(f"#!/bin/sh\n: > '{mark}'\nexit 77\n")
        (folder / name).chmod(0o755)


def environment(folder: str) -> dict[str, str]:
    """An environment that leads everybody into the folder."""
    names = """
        PATH PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX PYTHONEXECUTABLE HOME TMPDIR
        LD_LIBRARY_PATH XDG_CONFIG_HOME LOCPATH GCONV_PATH NLSPATH
    """
    files = {"PYTHONSTARTUP": f"{folder}/os.py", "BASH_ENV": f"{folder}/sh", "ENV": f"{folder}/sh", "IFS": "/"}
    words = {"PYTHONINSPECT": "1", "PYTHONBREAKPOINT": "os.system", "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "x"}
    return {**dict.fromkeys(names.split(), folder), **files, **words}


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
