"""Rows that are not played here: another test holds them, and what 0.1.0 said is on record only.

Some break no answer of one call but a guard's, some take a target that this bench does not have, and some a disk that
is made up.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Elsewhere:
    """A premise.

    name, premise  as of `Row`
    old, new       what 0.1.0 made of it, and this version, in words
    tests          what holds it: a test's file and name; none: nothing does
    """

    name: str
    premise: str
    old: str
    new: str
    tests: tuple[str, ...]


ELSEWHERE = (
    Elsewhere(
        "C3",
        "The answer to n1's REGISTER is lost, n1 is fenced, and its 'on' goes on",
        "registers again: a fenced node is back",
        "stays out",
        (
            "tests/fencing/test_stay_out.py::"
            "test_a_node_whose_register_was_not_answered_and_that_was_fenced_meanwhile_stays_out",
            "tests/fencing/test_stay_out.py::"
            "test_a_node_whose_second_path_was_slow_and_that_was_fenced_meanwhile_stays_out",
        ),
    ),
    Elsewhere(
        "C5",
        "One path of n1 reads another LUN, and its guard looks",
        "resets a healthy node",
        "names the path, resets nobody",
        ("tests/guard/test_another_key.py::test_a_path_that_leads_to_another_lun_of_the_same_name_resets_nobody",),
    ),
    Elsewhere(
        "D3",
        "A read, or a preempt, hangs on the first path of a map",
        "no answer within the limit",
        "the next path is asked",
        (
            "tests/unit/test_wrong_paths.py::test_a_question_that_hangs_on_one_path_is_asked_of_the_next",
            "tests/unit/test_wrong_paths.py::"
            "test_a_preempt_that_hangs_is_given_up_and_nothing_more_is_sent_before_the_disk_is_read",
        ),
    ),
    Elsewhere(
        "D4",
        "A disk answers late, but within the limit",
        "failed",
        "waited for, for half of the limit",
        ("tests/unit/test_patience.py::test_a_disk_that_answers_late_is_waited_for_half_of_the_limit",),
    ),
    Elsewhere(
        "D5",
        "PREEMPT AND ABORT is refused, and the kernel does not say why",
        "32 aborts, never a preempt",
        "a preempt without abort, and that is said",
        (
            "tests/targets/test_targets.py::test_a_refused_abort_that_an_old_kernel_tells_without_its_reason",
            "tests/unit/test_unclear_abort.py::test_after_a_second_answer_without_a_reason_it_is_sent_without_abort",
        ),
    ),
    Elsewhere(
        "E1",
        "'on' with a changed key, and its REGISTER fails",
        "the note is gone: the guard watches nothing, monitor is content",
        "the note of the former key is there",
        ("tests/unit/test_on.py::test_a_change_of_the_key_that_fails_leaves_the_guard_what_it_had",),
    ),
    Elsewhere(
        "E2",
        "power_wait, and the node is out already",
        "not waited",
        "the same, on purpose: this call did nothing that could have to settle",
        ("tests/unit/test_off.py::test_power_wait_comes_between_the_steps_and_the_proof",),
    ),
    Elsewhere(
        "E4",
        "Nobody reads what the agent says on standard error",
        "no answer within the limit",
        "an answer in time",
        ("tests/unit/test_agent.py::test_a_caller_who_reads_nothing_is_not_waited_for",),
    ),
    Elsewhere(
        "E5",
        "The machine db1.site2 is called b-db1 in the list, which has a db1 too",
        "takes itself for db1",
        "knows itself by its address",
        ("tests/unit/test_corosync.py::test_a_machine_does_not_become_another_sites_node_by_its_short_name",),
    ),
    Elsewhere(
        "E6",
        "The same keys come in another order, or another node registers all the time",
        "taken for a change: fails",
        "out",
        (
            "tests/unit/test_scsi_disk.py::test_another_node_that_registers_all_the_time_keeps_nobody_from_reading",
            "tests/unit/test_paths.py::test_the_order_of_the_keys_and_the_generation_contradict_nothing",
        ),
    ),
    Elsewhere(
        "E7",
        "An exclusive reservation of a dead host",
        "'on' and 'off' send the person to each other",
        "refused, with the way out",
        ("tests/fencing/test_actions.py::test_on_refuses_a_disk_that_somebody_holds_alone",),
    ),
    Elsewhere(
        "E8",
        "A host has reserved the disk by the older command RESERVE",
        "a conflict, unexplained",
        "says so",
        ("tests/fencing/test_actions.py::test_what_the_older_command_reserves_is_named_and_not_sent_to_on",),
    ),
    Elsewhere(
        "E9",
        "A target has one registration for several ports",
        "every monitor warns, for ever",
        "warns no more once 'on' has seen it",
        (
            "tests/unit/test_bindings.py::test_registrations_that_ports_share_are_as_many_as_on_made",
            "tests/unit/test_register.py::test_ports_that_share_one_registration_are_all_registered",
        ),
    ),
    Elsewhere(
        "E10",
        "NVMe: this node's key is gone, another host has key 0",
        "the guard of a fenced node only logs",
        "it knows whose key 0 is, and resets",
        (
            "tests/unit/test_guard_examination.py::test_beside_a_key_zero_it_counts_whose_that_is",
            "tests/guard/test_another_key.py::"
            "test_a_host_that_is_registered_with_another_key_or_with_zero_was_not_fenced",
        ),
    ),
    Elsewhere(
        "E11",
        "A thread of the guard hangs on a disk, and systemd kills it",
        "another guard after 68 s",
        "after less than 20 s",
        (
            "tests/unit/test_guard_service.py::"
            "test_a_guard_that_hangs_and_cannot_be_killed_has_another_one_beside_it_within_20_seconds",
        ),
    ),
    Elsewhere(
        "E12",
        "One disk is dead for everybody",
        "failed, without a remedy",
        "failed, with the remedy",
        ("tests/unit/test_off.py::test_a_disk_that_hangs_at_the_start_means_nothing_is_changed",),
    ),
    Elsewhere(
        "F0",
        "LIO, the victim holds, the fencing node writes, the store takes 2 ms or more",
        "no answer, the fencing node's own session is lost",
        "out; no write of a survivor fails",
        ("tests/fencing/test_under_load.py::test_lio_where_the_victim_holds_and_the_fencing_node_writes",),
    ),
    Elsewhere(
        "F2",
        "A target that refuses PREEMPT AND ABORT (tgt)",
        "out, with a note",
        "out, and said what may still land",
        ("tests/targets/test_targets.py::test_tgt_cannot_abort_and_that_is_told_or_a_failure",),
    ),
    Elsewhere(
        "F4",
        "Two heads that do not share reservations; n1 sees one, n2 the other",
        "LIE",
        "LIE: nobody can see it from one node",
        (),
    ),
)
