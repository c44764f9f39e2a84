"""Several workers' answers to one command are merged."""

from __future__ import annotations

from typing import Any

from proxy.desk.api.operation_table import PERMISSIONS
from proxy.server.workers.merged_answers import EVERYWHERE, GONE, is_for_all, is_trial, lines_of, one_answer, tried
from proxy.server.workers.pool import merge_lines


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
    told = one_answer(
        "rules", [("worker 1", {"ok": {"revision": "a", "rules": []}}), ("worker 2", {"ok": {"revision": "b", "rules": []}})]
    )
    assert told["ok"]["differing"] == "worker 1: a; worker 2: b"
    told = one_answer("rules", [("worker 1", {"ok": {"revision": "a", "rules": []}})] * 2)
    assert told == {"ok": {"revision": "a", "rules": []}}


def test_only_commands_that_there_are_go_to_all():
    assert set(PERMISSIONS) >= EVERYWHERE
    assert not is_for_all("suppress.import")


def test_a_stop_is_given_once_and_what_it_would_have_refused_is_counted_over_all():
    assert not is_for_all("stop")
    assert not is_trial({"command": "stop", "args": {"province": ["北京"]}})
    assert not is_trial({"command": "stop"})
    assert not is_trial({"command": "shadow", "args": {"watch_s": 10}})
    assert is_trial({"command": "stop", "args": {"watch_s": 10}})
    before = {"lives": [["a", {"allow": 5}], ["b", {"allow": 7, "reject": 1}]]}
    after = {"lives": [["a", {"allow": 9}], ["b", {"allow": 7, "reject": 3}], ["new", {"allow": 2}]]}
    lines = [
        {
            "rules": [
                {"rule": "stop-7", "hits": {}, "shadow": {"reject": 3}},
                {"rule": "stop-1", "hits": {}, "shadow": {"reject": 9}},
            ]
        }
    ]
    told = tried({"name": "stop-7", "would_refuse": 2, "of": 4, "seconds": 10}, before, after, lines)
    assert told == {"name": "stop-7", "would_refuse": 3, "of": 8, "seconds": 10}


def test_counts_are_told_without_a_worker_that_ends_and_a_refusal_stays_one():
    one = {"ok": {"orders": [{"id": 1, "hits": 3}]}}
    assert one_answer("stop.list", [("worker 1", one), ("worker 2", {"error": "hung up", GONE: True})]) == one
    told = one_answer("stop.list", [("worker 1", one), ("worker 2", {"error": "fault"})])
    assert told == {"error": "worker 1 did it, but fault"}
    told = one_answer(
        "counters", [("worker 1", {"error": "x", "cause": "busy"}), ("worker 2", {"error": "x", "cause": "busy"})]
    )
    assert told == {"error": "x", "cause": "busy"}
    assert one_answer("counters", [("worker 1", {"error": "hung up", GONE: True})]) == {"error": "hung up"}


def test_what_a_set_that_waits_would_have_said_is_counted_over_those_that_have_it():
    waits = {"revision": "n", "judged": 5, "stricter": 2, "milder": 1, "errors": 0, "objections": []}
    cap, ban = {"rule": "cap", "say": "上限", "count": 1}, {"rule": "ban", "say": "禁发", "count": 2}
    told: list[dict[str, Any]] = [
        {"ok": {"revision": "a", "rules": [], "proposed": one}}
        for one in ({**waits, "objections": [cap]}, {**waits, "objections": [ban, cap]}, None, {**waits, "revision": "o"})
    ]
    found = one_answer("rules", [(f"worker {n}", said) for n, said in enumerate(told)])["ok"]["proposed"]
    counts = {"judged": 10, "stricter": 4, "milder": 2, "errors": 0}
    assert found == {"revision": "n", **counts, "objections": [{**cap, "count": 2}, ban]}


def test_how_often_a_rule_and_an_order_spoke_is_counted_over_all():
    rules = [
        [{"rule": "a", "hits_last_minute": 2}, {"rule": "b", "hits_last_minute": 0}],
        [{"rule": "a", "hits_last_minute": 5}],
    ]
    told = one_answer("rules", [(f"worker {n}", {"ok": {"revision": "x", "rules": some}}) for n, some in enumerate(rules)])
    assert [(one["rule"], one["hits_last_minute"]) for one in told["ok"]["rules"]] == [("a", 7), ("b", 0)]
    orders = [[{"id": 1, "name": "stop-1", "hits": 3}], [{"id": 1, "name": "stop-1", "hits": 4}]]
    told = one_answer("stop.list", [(f"worker {n}", {"ok": {"orders": some}}) for n, some in enumerate(orders)])
    assert told == {"ok": {"orders": [{"id": 1, "name": "stop-1", "hits": 7}]}}


def row(name: str, binds: int, allow: int, reject: int) -> dict[str, Any]:
    hour = {"allow": allow, "defer": 0, "reject": reject}
    return {
        "name": name,
        "binds": binds,
        "unanswered": binds * 2,
        "waiting": binds,
        "per_s": 0.1,
        "binds_max": 4,
        "held": [],
        "hour": hour,
    }


def test_a_provider_does_what_passes_all_workers_and_what_holds_against_it_is_said_once():
    held = {"name": "stop-1", "kind": "stop", "about": [], "until": 9.0}
    first, second = row("jia", 2, 5, 1) | {"held": [held]}, row("jia", 1, 3, 0) | {"held": [held]}
    lines = [[{"provider": first}, {"provider": row("yi", 0, 0, 0)}], [{"provider": second}], []]
    both = row("jia", 3, 8, 1) | {"held": [held], "per_s": 0.2}
    assert lines_of("providers", lines) == [{"provider": both}, {"provider": row("yi", 0, 0, 0)}]
    last = [("worker 1", {"ok": {"at": 90.0, "since": 30.0}}), ("worker 2", {"ok": {"at": 91.0, "since": 20.0}})]
    assert one_answer("providers", last) == {"ok": {"at": 91.0, "since": 20.0}}


def test_minutes_of_a_provider_are_the_clocks_at_all_workers_whenever_each_of_them_began():
    def show(at: float, minutes: list[list[float]], *binds: int) -> dict[str, Any]:
        accounts = [{"account": "a", "binds": len(binds), "binds_max": 4}, {"account": "b", "binds": 0, "binds_max": None}]
        told = {"at": at, "since": minutes[0][0], "minutes": minutes, "accounts": accounts}
        return row("jia", len(binds), 1, 0) | told | {"binds_now": [{"id": number} for number in binds]}

    one = show(200.0, [[70.0, 1, 0, 0], [120.0, 2, 0, 0], [180.0, 3, 0, 1]], 1, 5)
    late = show(201.0, [[130.5, 10, 1, 0], [180.0, 20, 0, 0]], 2)
    told = one_answer("providers.show", [("worker 1", {"ok": one}), ("worker 2", {"ok": late})])["ok"]
    assert told["minutes"] == [[70.0, 1, 0, 0], [120.0, 12, 1, 0], [180.0, 23, 0, 1]]
    assert (told["at"], told["since"], told["binds"], told["hour"]["allow"]) == (201.0, 70.0, 3, 2)
    assert [bind["id"] for bind in told["binds_now"]] == [1, 2, 5]
    assert [(account["account"], account["binds"]) for account in told["accounts"]] == [("a", 3), ("b", 0)]
    alone = one_answer("providers.show", [("worker 1", {"ok": one}), ("worker 2", {"error": "hung up", GONE: True})])["ok"]
    assert alone == one, "of several that are one, what one says alone is what it said"
    unknown = {"error": "no such provider"}
    assert one_answer("providers.show", [("worker 1", unknown), ("worker 2", {"ok": one})]) == {"ok": one}
    assert one_answer("providers.show", [("worker 1", unknown), ("worker 2", unknown)]) == unknown


def test_a_days_objections_are_added_up_by_province():
    one = [
        {"rules": [{"rule": "a", "hits": {"北京": 2}, "shadow": {}}]},
        {"rules": [{"rule": "c", "hits": {}, "shadow": {"reject": 1}}]},
    ]
    other = [{"rules": [{"rule": "a", "hits": {"北京": 1, "上海": 4}, "shadow": {}}]}]
    assert lines_of("rules.hits", [one, other]) == [
        {
            "rules": [
                {"rule": "a", "hits": {"北京": 3, "上海": 4}, "shadow": {}},
                {"rule": "c", "hits": {}, "shadow": {"reject": 1}},
            ]
        }
    ]
    assert lines_of("trace", [one]) == []
    told = one_answer(
        "rules.hits", [("worker 1", {"ok": {"since": 5.0, "until": 9.0}}), ("worker 2", {"ok": {"since": 7.0, "until": 9.5}})]
    )
    assert told == {"ok": {"since": 5.0, "until": 9.5}}


def test_what_all_say_is_said_once_and_what_some_say_with_their_names():
    assert merge_lines([("worker 1", ["a", "b"]), ("worker 2", ["b"])]) == ["worker 1: a", "b"]
