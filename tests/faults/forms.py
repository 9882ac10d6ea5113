"""The forms of these tests: a short one in every test run, CI's, and with FENCE_PR_LONG=1 everything."""

from __future__ import annotations

import pytest

from tests.conftest import wanted
from tests.lab import kernels

CI_FORM, LONG_FORM = wanted("slow"), wanted("long")


def _kernel(source: kernels.Source, *marks: pytest.MarkDecorator) -> object:
    name = f"linux-{source.label()}"
    return pytest.param(name, id=name, marks=(*marks, pytest.mark.xdist_group(name)))


_OLDEST, _NEWEST = kernels.SOURCES
# The newest kernel with SCSI, which is also the quickest; in the long form the oldest, too.
newest = pytest.mark.parametrize("kernel", [_kernel(_OLDEST, pytest.mark.long), _kernel(_NEWEST)], indirect=True)
# The same, the oldest in CI, too.
both = pytest.mark.parametrize("kernel", [_kernel(_OLDEST, pytest.mark.slow), _kernel(_NEWEST)], indirect=True)
loop = pytest.mark.parametrize("namespaces", ["loop"], indirect=True)
tcp = pytest.mark.parametrize("namespaces", ["tcp"], indirect=True)
