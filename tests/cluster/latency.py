"""How long a write takes the disks of a cluster, which is not the same in all scenarios."""

from __future__ import annotations

# Scenario → milliseconds.
OF_SCENARIO = {
    "a_node_is_registered_on_every_disk_before_any_resource_starts_on_it": 0,
    "a_node_that_loses_its_power_is_shut_out_the_other_goes_on_and_it_comes_back": 2,
    "of_two_nodes_that_lose_sight_of_each_other_exactly_one_survives_and_the_other_comes_back": 20,
    "a_node_that_stands_still_and_goes_on_later_changes_nothing_on_any_disk": 2,
    "a_node_that_starts_alone_fences_the_other_and_runs_everything": 20,
    "of_three_nodes_one_loses_its_power_and_the_other_two_go_on": 2,
    "of_three_nodes_the_one_without_quorum_is_shut_out_and_fences_nobody": 20,
    "the_last_of_three_nodes_waits_for_quorum_before_it_fences": 0,
    "a_node_that_loses_its_storage_alone_is_fenced_and_the_others_go_on": 2,
    "the_last_of_three_nodes_fences_and_goes_on_alone_where_the_quorum_may_shrink": 20,
    "a_node_is_fenced_although_the_fence_resource_started_nowhere": 20,
    "a_disk_that_hangs_is_named_in_time_and_the_node_is_fenced_once_it_goes_on": 2,
    "a_node_cut_off_from_everything_fences_nobody_and_the_other_goes_on": 2,
    "a_node_dies_while_the_nvme_target_is_gone": 2,
    "a_node_that_calls_its_cluster_otherwise_is_not_called_fenced_while_it_writes": 2,
    "three_nodes_whose_list_has_addresses_only_and_one_is_fenced_by_both_others": 0,
    "two_fence_devices_fence_together_only_where_a_level_names_both": 0,
    "keys_of_a_host_that_is_no_node_and_a_node_on_no_list": 2,
    "a_remote_node_writes_after_its_own_on_is_fenced_when_it_is_lost_and_comes_back": 2,
    "with_stop_the_node_is_refused_until_nothing_uses_its_disks": 2,
    "with_panic_the_node_reboots_and_comes_back": 2,
    "a_disk_is_added_and_removed_again_while_the_cluster_runs": 20,
    "a_disk_is_added_and_removed_and_no_resource_is_restarted": 2,
    "a_disk_that_hangs_and_keeps_the_cluster_from_fencing_is_removed": 2,
    "the_doctor_says_of_a_healthy_cluster_that_nothing_is_wrong": 0,
    "the_doctor_says_of_each_fault_the_cause_first": 0,
    "the_doctor_is_not_hung_by_another_node_that_hangs_or_says_nonsense": 0,
    "the_doctor_tells_an_ordinary_user_what_it_cannot_see": 0,
}


def of(test: str) -> int:
    """Of a test function; a scenario that is not in the list has none, and fails."""
    return OF_SCENARIO[test.removeprefix("test_")]
