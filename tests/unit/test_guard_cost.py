"""What the guard costs on this machine, with disks that are made up: `tests.guard.measure` prints the numbers."""

from __future__ import annotations

from tests.guard.measure import made_up

ALLOWED_SECONDS = 0.001  # 0.1 % of a core at one check a second
ALLOWED_KIB = 20 * 1024
# Processor time grows with what else the processor does: caches are cold, its other half works. It never shrinks.
MOST_TRIES = 4


def test_a_check_costs_less_than_a_millisecond_of_processor_time_and_the_guard_less_than_20_mb() -> None:
    costs: list[float] = []
    while len(costs) < MOST_TRIES and not any(it < ALLOWED_SECONDS for it in costs):
        used = made_up(seconds=2, disks=3, interval=0.05)
        checks = used["passes"] / 3
        assert checks > 5
        assert used["VmHWM"] < ALLOWED_KIB
        costs.append(used["seconds"] / checks)
    assert min(costs) < ALLOWED_SECONDS, costs
