"""The forms of these tests: a short one in every test run, CI's, and with FENCE_PR_LONG=1 everything."""

from __future__ import annotations

import pytest

from tests.conftest import wanted
from tests.lab import plugin

CI_FORM, LONG_FORM = wanted("slow"), wanted("long")


# The newest kernel with SCSI, which is also the quickest; in the long form the oldest, too.
newest = pytest.mark.parametrize(
    "kernel", [plugin.parameter(plugin.OLDEST, pytest.mark.long), plugin.parameter(plugin.NEWEST)], indirect=True
)
# The same, the oldest in CI, too.
both = pytest.mark.parametrize(
    "kernel", [plugin.parameter(plugin.OLDEST, pytest.mark.slow), plugin.parameter(plugin.NEWEST)], indirect=True
)
loop = pytest.mark.parametrize("namespaces", ["loop"], indirect=True)
tcp = pytest.mark.parametrize("namespaces", ["tcp"], indirect=True)
