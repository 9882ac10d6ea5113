"""The project's own files: linters, and documents that are made from the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import documents

PROJECT = Path(__file__).resolve().parent.parent.parent
LINTERS = (["ruff", "check", "--output-format=concise"], ["ruff", "format", "--check"], ["mypy"])


@pytest.mark.parametrize("linter", LINTERS, ids=" ".join)
def test_linter(linter: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *linter], cwd=PROJECT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("path", "content"), documents.documents().items(), ids=lambda value: Path(value).name[:20])
def test_documents_say_what_the_option_table_says(path: Path, content: str) -> None:
    assert path.read_text() == content, "run `make documents`"


def test_the_code_is_understood_by_the_oldest_python() -> None:
    """Python 3.9 is promised; what it cannot parse must not come in unnoticed."""
    for path in [PROJECT / "fence_pr_ioctl", *(PROJECT / "lib").rglob("*.py")]:
        ast.parse(path.read_text(), feature_version=(3, 9))
