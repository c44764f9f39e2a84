"""What several workers say to one command, as one answer."""

from __future__ import annotations

from proxy.roles import COMMANDS
from proxy.workers.answers import EVERYWHERE, is_for_all, one_answer
from proxy.workers.crew import together


def test_lists_are_one_list_in_the_order_of_one_gate():
    told = one_answer(
        "binds", [("worker 1", {"ok": {"binds": [{"id": 1}, {"id": 5}]}}), ("worker 2", {"ok": {"binds": [{"id": 2}]}})]
    )
    assert told == {"ok": {"binds": [{"id": 1}, {"id": 2}, {"id": 5}]}}
    links = [[{"carrier": "bj", "name": "bj/1"}, {"carrier": "sh", "name": "sh/1"}], [{"carrier": "bj", "name": "bj/2"}]]
    told = one_answer("links", [(f"worker {n}", {"ok": {"links": some}}) for n, some in enumerate(links)])
    assert [one["name"] for one in told["ok"]["links"]] == ["bj/1", "bj/2", "sh/1"]


def test_a_kick_counts_where_it_hit_and_is_refused_once_where_it_hit_nothing():
    nothing = {"error": "no such bind"}
    assert one_answer("binds.kick", [("worker 1", nothing), ("worker 2", {"ok": {"kicked": [{"id": 2}]}})]) == {
        "ok": {"kicked": [{"id": 2}]}
    }
    assert one_answer("binds.kick", [("worker 1", nothing), ("worker 2", nothing)]) == nothing


def test_half_a_list_is_no_list():
    told = one_answer("binds", [("worker 1", {"ok": {"binds": []}}), ("worker 2", {"error": "hung up"})])
    assert told == {"error": "hung up"}


def test_what_all_must_do_and_one_did_not_is_said_with_names():
    told = one_answer("rules.reload", [("worker 1", {"ok": {"revision": "a"}}), ("worker 2", {"error": "the disk is full"})])
    assert told == {"error": "worker 1 did it, but the disk is full"}
    told = one_answer("rules.reload", [("worker 1", {"error": "x"}), ("worker 2", {"error": "y"})])
    assert told == {"error": "worker 1: x; worker 2: y"}


def test_workers_that_judge_by_other_rules_are_named():
    told = one_answer("rules", [("worker 1", {"ok": {"revision": "a"}}), ("worker 2", {"ok": {"revision": "b"}})])
    assert told["ok"]["differing"] == "worker 1: a; worker 2: b"
    told = one_answer("rules", [("worker 1", {"ok": {"revision": "a"}}), ("worker 2", {"ok": {"revision": "a"}})])
    assert told == {"ok": {"revision": "a"}}


def test_only_commands_that_there_are_go_to_all():
    assert set(COMMANDS) >= EVERYWHERE
    assert not is_for_all("suppress.import")


def test_what_all_say_is_said_once_and_what_some_say_with_their_names():
    assert together([("worker 1", ["a", "b"]), ("worker 2", ["b"])]) == ["worker 1: a", "b"]
