"""The table of the driver's rules: which edit of `streams/driver.py` undoes each, and which scenario that loses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import streams.driver
from tests.support.driver_scenarios import (
    Scenario,
    a_chunk_finished_between_assignment_and_seek_says_nothing,
    a_chunk_finished_during_a_rebalance_says_nothing,
    a_chunk_finished_in_an_epoch_that_is_over_says_nothing,
    a_chunk_is_finished_once_and_then_forgotten,
    a_chunk_of_an_old_epoch_is_not_taken_for_one_that_has_its_place_in_memory_now,
    a_chunk_that_is_not_finished_holds_back_those_after_it,
    a_consumer_that_stops_fetches_and_delivers_nothing,
    a_delivery_suspended_over_a_rebalance_does_not_go_on,
    a_delivery_suspended_over_a_seek_does_not_go_on,
    a_fetch_never_asks_for_no_partitions,
    a_fetch_on_its_way_keeps_its_partitions,
    a_fetch_that_finds_nothing_comes_back_soon,
    a_fetch_that_waited_for_a_seek_does_not_lock_recovery_out,
    a_fetch_that_waits_for_the_flow_does_not_lock_recovery_out,
    a_log_that_ends_in_no_records_is_read_to_its_end,
    a_log_whose_start_was_cut_off_is_read_from_its_start,
    a_partition_whose_buffer_was_full_before_a_rebalance_is_not_fetched_in_the_next_recovery,
    a_partition_whose_buffer_was_full_flows_again,
    a_paused_partition_stays_paused_when_its_buffer_drops,
    a_seek_of_recovery_waits_for_a_fetch_of_the_changelog,
    a_topic_that_is_held_back_is_not_fetched,
    changelogs_are_neither_kept_nor_committed,
    chunks_that_a_rebalance_drops_are_not_kept,
    gaps_cost_nothing,
    inputs_are_known_while_faust_rebuilds_its_topics,
    inputs_do_not_flow_after_a_revocation,
    inputs_do_not_flow_after_an_assignment_whose_predecessor_sought_late,
    inputs_do_not_flow_before_the_seek_although_recovery_resumes_the_flow,
    inputs_do_not_flow_while_changelogs_are_read,
    intervals_tile_also_over_gaps_in_the_log,
    nothing_is_owned_that_does_not_flow,
    partitions_are_committed_apart,
    partitions_lost_are_no_longer_told_of,
    the_first_interval_begins_where_was_sought,
    the_frontier_is_committed_without_any_acknowledgement,
    the_seek_that_ends_a_recovery_waits_for_a_fetch,
    what_a_fetch_brings_to_a_stopped_flow_is_sought_again,
    what_a_seek_follows_is_sought_again_in_the_same_assignment,
    what_faust_acknowledges_is_not_committed,
    what_finds_no_room_is_left_to_faust_to_wait_with,
    what_finds_room_is_delivered_at_once,
    what_is_being_delivered_is_not_passed_over,
    what_is_committed_is_not_read_again,
    what_is_revoked_while_it_is_sought_is_not_committed,
    what_is_subscribed_anew_is_left_to_faust_to_wait_with,
    what_may_not_flow_is_left_to_faust_to_wait_with,
    what_was_committed_as_nothing_is_read_from_the_start_of_the_log,
    what_was_delivered_before_a_seek_is_no_beginning_after_it,
    what_was_fetched_of_a_partition_whose_buffer_fills_up_is_delivered,
    what_was_finished_before_a_rebalance_does_not_count_after_it,
    what_was_not_committed_is_read_again_from_the_start_of_the_log,
    what_was_not_delivered_when_the_flow_stopped_is_sought_again,
    what_was_read_before_a_seek_back_is_delivered_again,
    what_was_refused_is_committed_again,
)

SOURCE = Path(streams.driver.__file__).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Rule:
    """A rule's number, the scenario, and the edits (old, new) of the driver's source that undo the rule."""

    number: int
    scenario: Scenario
    edits: tuple[tuple[str, str], ...]
    name: str = ""

    @property
    def id(self) -> str:
        return f"{self.number}-{self.scenario.__name__}{self.name and '-'}{self.name}"


NO_LOCK = ("self._position_lock = asyncio.Lock()", "import contextlib; self._position_lock = contextlib.nullcontext()")
EPOCH_IN_SEEK = (
    "            self._begin_epoch()\n            epoch = self._epoch\n            await",
    "            epoch = self._epoch\n            await",
)
EPOCH_AT_ASSIGNMENT = (
    "        self._begin_epoch()\n        await super().on_partitions_assigned",
    "        await super().on_partitions_assigned",
)
EPOCH_AT_REVOCATION = (
    "        self._begin_epoch()\n        await super().on_partitions_revoked",
    "        await super().on_partitions_revoked",
)
UNCOMMITTED = "uncommitted = [tp for tp in inputs if not self._read_offset.get(tp)]"
NOT_EXPLICIT = (
    "await super().seek_wait({tp: start[tp] for tp in uncommitted})  # Rule 3",
    "pass",
)
FORGOTTEN = "(self._next, self._frontier, self._finished, self._delivered, self._acked, self._acked_index)"
STILL_DELIVERING = "if not self.flow_active or epoch != self._epoch:"

RULES = (
    Rule(1, the_seek_that_ends_a_recovery_waits_for_a_fetch, (NO_LOCK,), "no lock at all"),
    Rule(
        1,
        the_seek_that_ends_a_recovery_waits_for_a_fetch,
        (("async with self._position_lock:\n            self._begin_epoch()", "if True:\n            self._begin_epoch()"),),
        "the seek takes no lock",
    ),
    Rule(
        1,
        the_seek_that_ends_a_recovery_waits_for_a_fetch,
        (("async with self._position_lock:\n            epoch", "if True:\n            epoch"),),
        "the fetch takes no lock",
    ),
    Rule(
        1,
        a_seek_of_recovery_waits_for_a_fetch_of_the_changelog,
        (("async with self._position_lock:\n            await super().seek_wait", "if True:\n            await super().seek_wait"),),
    ),
    Rule(
        1,
        a_fetch_that_waits_for_the_flow_does_not_lock_recovery_out,
        (
            (
                "        if not self.flow_active:\n            # Before the lock",
                "        async with self._position_lock:\n          if not self.flow_active:\n            # Before the lock",
            ),
        ),
    ),
    Rule(
        1,
        a_fetch_that_waits_for_the_flow_does_not_lock_recovery_out,
        (("            await self.wait(self.can_resume_flow)\n", "            pass\n"),),
        "it does not wait",
    ),
    Rule(
        1,
        a_fetch_that_waited_for_a_seek_does_not_lock_recovery_out,
        (
            (
                "            epoch = self._epoch\n            if not self.flow_active:",
                "            epoch = self._epoch\n            if False:",
            ),
        ),
    ),
    Rule(
        1,
        a_consumer_that_stops_fetches_and_delivers_nothing,
        (("        if self.should_stop:\n            return\n", ""), ("if not records or self.should_stop:", "if not records:")),
    ),
    Rule(2, inputs_do_not_flow_while_changelogs_are_read, (("self._flowing = self._sought\n", "self._flowing = True\n"),)),
    Rule(
        2,
        inputs_do_not_flow_before_the_seek_although_recovery_resumes_the_flow,
        (("if self._flowing or not self.is_input(tp)", "if True"),),
        "every partition is fetched",
    ),
    Rule(
        2,
        inputs_do_not_flow_before_the_seek_although_recovery_resumes_the_flow,
        (("self._flowing = self._sought\n", "self._flowing = True\n"),),
        "Faust's resume_flow",
    ),
    Rule(
        2,
        inputs_do_not_flow_before_the_seek_although_recovery_resumes_the_flow,
        (("            self._sought = True", "            self._sought = self._flowing = True"),),
        "the seek alone lets them flow",
    ),
    Rule(2, inputs_do_not_flow_after_a_revocation, (EPOCH_AT_REVOCATION,)),
    Rule(
        2, inputs_do_not_flow_after_a_revocation, (("        self._sought = self._flowing = False\n", ""),), "an epoch does not stop them"
    ),
    Rule(2, inputs_do_not_flow_after_an_assignment_whose_predecessor_sought_late, (EPOCH_AT_ASSIGNMENT,)),
    Rule(
        2,
        inputs_are_known_while_faust_rebuilds_its_topics,
        (("tp.topic in self.app.input_topics", "self.app.topics.acks_enabled_for(tp.topic)"),),
    ),
    Rule(
        2,
        nothing_is_owned_that_does_not_flow,
        ((" for tp, frontier in self._frontier.items()} if self._flowing else {}", " for tp, frontier in self._frontier.items()}"),),
    ),
    Rule(3, what_was_not_committed_is_read_again_from_the_start_of_the_log, (NOT_EXPLICIT,)),
    Rule(3, what_was_committed_as_nothing_is_read_from_the_start_of_the_log, (NOT_EXPLICIT,), "no seek"),
    Rule(
        3,
        what_was_committed_as_nothing_is_read_from_the_start_of_the_log,
        ((UNCOMMITTED, "uncommitted = [tp for tp in inputs if self._read_offset.get(tp) is None]"),),
        "0 taken for committed",
    ),
    Rule(
        3,
        a_log_whose_start_was_cut_off_is_read_from_its_start,
        (("                    self._read_offset[tp] = start[tp]", "                    self._read_offset[tp] = 0"),),
    ),
    Rule(3, what_is_committed_is_not_read_again, ((UNCOMMITTED, "uncommitted = inputs"),)),
    Rule(
        4,
        a_paused_partition_stays_paused_when_its_buffer_drops,
        (("if tp in self._paused_partitions:", "if False:"),),
        "Faust's on_buffer_drop",
    ),
    Rule(
        4,
        a_partition_whose_buffer_was_full_flows_again,
        (("if tp in self._paused_partitions:", "if True:"),),
    ),
    Rule(
        4,
        a_partition_whose_buffer_was_full_before_a_rebalance_is_not_fetched_in_the_next_recovery,
        (("        self._buffered_partitions.clear()\n", ""),),
    ),
    Rule(
        4, a_fetch_on_its_way_keeps_its_partitions, (("super()._getmany(wanted, timeout)", "super()._getmany(active_partitions, timeout)"),)
    ),
    Rule(4, a_fetch_never_asks_for_no_partitions, (("if not wanted:", "if False:"),)),
    Rule(
        4, a_fetch_never_asks_for_no_partitions, (("            await self.sleep(min(timeout, POLL_SECONDS))\n", ""),), "it does not pause"
    ),
    Rule(5, what_a_fetch_brings_to_a_stopped_flow_is_sought_again, ((STILL_DELIVERING, "if False:"),)),
    Rule(5, what_was_not_delivered_when_the_flow_stopped_is_sought_again, ((STILL_DELIVERING, "if epoch != self._epoch:"),)),
    Rule(5, what_a_seek_follows_is_sought_again_in_the_same_assignment, (("            await super().perform_seek()\n", ""),), "no seek"),
    Rule(5, a_delivery_suspended_over_a_rebalance_does_not_go_on, ((STILL_DELIVERING, "if not self.flow_active:"),), "Faust's condition"),
    Rule(5, a_delivery_suspended_over_a_seek_does_not_go_on, ((STILL_DELIVERING, "if not self.flow_active:"),), "Faust's condition"),
    Rule(5, a_delivery_suspended_over_a_seek_does_not_go_on, (EPOCH_IN_SEEK,), "a seek begins no epoch"),
    Rule(
        5,
        what_was_fetched_of_a_partition_whose_buffer_fills_up_is_delivered,
        (
            (
                f"            {STILL_DELIVERING}",
                f"            if tp not in self._active_partitions: continue\n            {STILL_DELIVERING}",
            ),
        ),
        "Faust's condition",
    ),
    Rule(5, what_was_read_before_a_seek_back_is_delivered_again, (("            self._read_offset[tp] = None\n", ""),)),
    Rule(6, intervals_tile_also_over_gaps_in_the_log, (("begin = self._next.get(tp, first)", "begin = first"),)),
    Rule(
        6,
        the_first_interval_begins_where_was_sought,
        (("self._next[tp] = self._frontier[tp] = self._read_offset[tp]", "self._frontier[tp] = self._read_offset[tp]"),),
    ),
    Rule(
        6,
        a_chunk_that_is_not_finished_holds_back_those_after_it,
        (("while finished and finished[0][0] <= frontier:", "while finished:"),),
        "the greatest end is committed",
    ),
    Rule(
        6,
        a_chunk_that_is_not_finished_holds_back_those_after_it,
        (
            (
                "heapq.heappush(self._finished[message.tp], (interval.begin, interval.end))",
                "self._finished[message.tp].append((interval.begin, interval.end))",
            ),
        ),
        "not in order",
    ),
    Rule(
        6,
        a_chunk_that_is_not_finished_holds_back_those_after_it,
        (("        for tp in list(self._frontier):\n            self._advance(tp)\n", ""),),
        "positions lag behind",
    ),
    Rule(6, partitions_are_committed_apart, (("if topics is None or tp in topics or tp.topic in topics", ""),)),
    Rule(
        6,
        a_chunk_finished_in_an_epoch_that_is_over_says_nothing,
        ((FORGOTTEN, FORGOTTEN.replace("self._delivered, ", "")),),
    ),
    Rule(6, a_chunk_finished_during_a_rebalance_says_nothing, (EPOCH_AT_REVOCATION,)),
    Rule(
        6,
        a_chunk_finished_between_assignment_and_seek_says_nothing,
        (EPOCH_AT_REVOCATION, EPOCH_AT_ASSIGNMENT),
    ),
    Rule(
        6,
        what_was_finished_before_a_rebalance_does_not_count_after_it,
        ((FORGOTTEN, FORGOTTEN.replace("self._finished, ", "")),),
    ),
    Rule(
        6,
        what_was_delivered_before_a_seek_is_no_beginning_after_it,
        (
            ("                self._next[tp] = self._frontier[tp]", "                self._next.setdefault(tp, 0); self._frontier[tp]"),
            (FORGOTTEN, FORGOTTEN.replace("self._next, ", "")),
        ),
    ),
    Rule(6, partitions_lost_are_no_longer_told_of, ((FORGOTTEN, FORGOTTEN.replace("self._frontier, ", "")),)),
    Rule(
        6,
        what_faust_acknowledges_is_not_committed,
        (
            ("return self._advance(tp) if tp in self._frontier else None", "return super()._new_offset(tp)"),
            ("        self._acked.clear()\n        self._acked_index.clear()\n", ""),
        ),
        "Faust's _new_offset",
    ),
    Rule(6, what_faust_acknowledges_is_not_committed, (("        self._acked.clear()\n", ""),), "acks are kept"),
    Rule(6, what_faust_acknowledges_is_not_committed, (("        self._acked_index.clear()\n", ""),), "their index is kept"),
    Rule(
        6,
        the_frontier_is_committed_without_any_acknowledgement,
        (("return [tp for tp in self._frontier if", "return [tp for tp in self._acked if"),),
    ),
    Rule(
        6,
        gaps_cost_nothing,
        (('        """Gaps are part of the interval that follows them."""', "        await super()._add_gap(tp, offset_from, offset_to)"),),
    ),
    Rule(6, chunks_that_a_rebalance_drops_are_not_kept, ((FORGOTTEN, FORGOTTEN.replace("self._delivered, ", "")),)),
    Rule(
        6,
        a_chunk_of_an_old_epoch_is_not_taken_for_one_that_has_its_place_in_memory_now,
        (("found is not None and found[0] is message", "found is not None"),),
    ),
    Rule(6, changelogs_are_neither_kept_nor_committed, (("            if self.is_input(tp):\n", "            if True:\n"),)),
    Rule(
        6, what_was_refused_is_committed_again, (("return self._accepted.get(tp) != offset", "return super()._should_commit(tp, offset)"),)
    ),
    Rule(
        2,
        a_topic_that_is_held_back_is_not_fetched,
        (("        wanted -= {tp for tp in wanted if tp.topic in self.app.held_topics}\n", ""),),
    ),
    Rule(
        6,
        a_log_that_ends_in_no_records_is_read_to_its_end,
        (("                    self._passed[tp] = position\n", "                    pass\n"),),
    ),
    Rule(
        6,
        a_log_that_ends_in_no_records_is_read_to_its_end,
        (("if self._advance(tp) == self._next[tp]]", "]"),),
        "also while something is unfinished",
    ),
    Rule(6, what_is_being_delivered_is_not_passed_over, (("            self._delivering = bool(records)\n", ""),)),
    Rule(
        6,
        what_is_revoked_while_it_is_sought_is_not_committed,
        (("            if epoch != self._epoch:\n                # Revoked", "            if False:\n                # Revoked"),),
    ),
    Rule(6, a_chunk_is_finished_once_and_then_forgotten, (("            del self._delivered[id(message)]\n", ""),)),
    Rule(7, a_fetch_that_finds_nothing_comes_back_soon, (("consumer._fetch_max_wait_ms = FETCH_WAIT_MS", "pass"),)),
    Rule(8, what_finds_room_is_delivered_at_once, (("            if self._has_room(tp):\n", "            if False:\n"),)),
    Rule(8, what_finds_no_room_is_left_to_faust_to_wait_with, ((" and not any(channel.queue.full() for channel in channels)", ""),)),
    Rule(8, what_may_not_flow_is_left_to_faust_to_wait_with, ((" and self.app.flow_control.is_active()", ""),)),
    Rule(8, what_is_subscribed_anew_is_left_to_faust_to_wait_with, ((" and not topics._tp_to_callback_lock.locked()", ""),)),
)
SCENARIOS = tuple(dict.fromkeys(rule.scenario for rule in RULES))


def driver_without(rule: Rule) -> ModuleType:
    """The driver, with a rule undone."""
    source = SOURCE
    for old, new in rule.edits:
        if source.count(old) != 1:  # no AssertionError: that is what a scenario fails with
            raise LookupError(f"{old!r} is not once in streams/driver.py: rule {rule.id} has moved, edit RULES with it")
        source = source.replace(old, new)
    module = ModuleType("driver_without_a_rule")
    exec(compile(source, f"<driver without {rule.id}>", "exec", dont_inherit=True), module.__dict__)
    return module
