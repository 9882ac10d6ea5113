"""The table of cluster scenarios that ends a test run."""

from __future__ import annotations

from types import SimpleNamespace

from tests.cluster import table


class Terminal:
    """What a terminal reporter of pytest is for the table."""

    def __init__(self, **reports: list[SimpleNamespace]) -> None:
        self.stats = reports
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(title)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def _report(when: str, seconds: float, *row: str) -> SimpleNamespace:
    # A worker's report comes through JSON, which makes a list of the row.
    return SimpleNamespace(when=when, duration=seconds, user_properties=[("promise", 1), (table.SCENARIO, list(row))])


def test_there_is_a_row_for_every_scenario_that_ran_or_failed() -> None:
    terminal = Terminal(
        passed=[
            _report("call", 12.4, "it starts", "3.0.1", "iSCSI", "2 ms"),
            _report("call", 9.6, "it ends", "2.1.5", "iSCSI", "20 ms"),
        ],
        error=[_report("setup", 31.0, "it hangs", "2.1.5", "iSCSI, NVMe/TCP", "0 ms")],
    )
    table.pytest_terminal_summary(terminal)  # type: ignore[arg-type]
    assert terminal.lines == [
        "cluster scenarios",
        "Pacemaker  transport        store  result  time  scenario",
        "2.1.5      iSCSI            20 ms  passed  10 s  it ends",
        "2.1.5      iSCSI, NVMe/TCP  0 ms   error   31 s  it hangs",
        "3.0.1      iSCSI            2 ms   passed  12 s  it starts",
    ]


def test_other_tests_have_no_row_and_without_a_row_there_is_no_table() -> None:
    terminal = Terminal(passed=[SimpleNamespace(when="call", duration=1.0, user_properties=[("promise", 1)])])
    table.pytest_terminal_summary(terminal)  # type: ignore[arg-type]
    assert not terminal.lines


def test_a_scenario_is_called_what_its_test_says() -> None:
    assert table.name("test_a_node_starts_alone", ["with no keys"]) == "a node starts alone, with no keys"
    assert table.transport(["a", 1, "b"]) == "iSCSI, NVMe/TCP"
