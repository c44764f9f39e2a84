"""Four witnesses that agree give no difference; every planted error is found."""

import copy
from pathlib import Path

import pytest

from proxy.journal.disk import OsDisk
from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.records.delivers import ConfirmationSent, OptedOut
from proxy.journal.write_ahead_log import Journal
from proxy.model.recipient import OptOut
from proxy.sim import demo_summary, measure, pdus, scenario
from proxy.sim.journal_summary import (
    ACCEPTED,
    LATE_ACCEPTED,
    TAKEN_BACK,
    UNKNOWN,
    JournalledAnswer,
    JournalledOptOut,
    JournalledVerdict,
    JournalStory,
    read_journal,
)
from proxy.sim.reconcile import Witnesses, owner, reconcile
from proxy.sim.simulated_carrier import CarrierLog, Outage, ReceivedSubmit, SentDeliver
from proxy.sim.simulated_provider import ProviderLog, ReceivedDeliver, SentSubmit

PORTS = {"1069012": "jia", "10690129": "yi"}
METRICS = """
# TYPE gate106_submits_total counter
gate106_submits_total{provider="jia",category="marketing",verdict="allow",reason=""} 3.0
gate106_submits_total{provider="jia",category="marketing",verdict="reject",reason="region-ban"} 1.0
gate106_submits_total{provider="yi",category="unread",verdict="defer",reason="window-full"} 1.0
gate106_carrier_responses_total{carrier="bj",status="ESME_ROK"} 2.0
gate106_carrier_responses_total{carrier="bj",status="ESME_RSUBMITFAIL"} 1.0
gate106_delivers_total{provider="jia",kind="receipt"} 1.0
gate106_delivers_total{provider="jia",kind="optout"} 1.0
gate106_optouts_total{source="reply",scope="port",provider="jia"} 1.0
gate106_confirmations_total{provider="jia",result="sent"} 1.0
gate106_shadow_total{rule="watching",verdict="reject"} 1.0
gate106_rule_hits_total{rule="ban",province="北京"} 1.0
gate106_sent_after_optout_total 0.0
"""


def sms(destination):
    return pdus.Sms("10690121", destination, 0, "", 1, 8, b"")


OWN = pdus.Sms("10690121", "8613800250001", 0, "", 0, 8, "退订已生效".encode("utf-16-be"))
"""The gate's own confirmation of an opt-out."""


def sent(provider, destination, status, message_id="", why=""):
    return SentSubmit(provider, "10690121", destination, why, 1, 0.0, status, message_id)


@pytest.fixture
def witnesses():
    """jia: accepted, refused by the carrier, unknown, banned; yi: over its window. One receipt, one opt-out, one shadow rule."""
    first, second, third = 13800250001, 13800250002, 13800250003
    providers = {
        "jia": ProviderLog(
            [
                sent("jia", f"86{first}", 0, "0000000001"),
                sent("jia", f"86{second}", 0x45),
                sent("jia", f"86{third}", 0x08),
                sent("jia", "8613800100500", 0x400),
            ],
            [
                ReceivedDeliver("jia", f"86{first}", "10690121", True, "id:0000000001 sub:001"),
                ReceivedDeliver("jia", f"86{first}", "10690121", False, "TD"),
            ],
        ),
        "yi": ProviderLog([sent("yi", f"86{first}", 0x58)]),
    }
    carrier = CarrierLog(
        [
            ReceivedSubmit(0, sms(f"86{first}"), 0, "0000000001"),
            ReceivedSubmit(0, sms(f"86{second}"), 0x45, ""),
            ReceivedSubmit(0, sms(f"86{third}"), -1, ""),
            ReceivedSubmit(0, OWN, 0, "0000000002"),
        ],
        [
            SentDeliver("receipt", f"86{first}", "10690121", "id:0000000001", 0),
            SentDeliver("reply", f"86{first}", "10690121", "TD", 0),
        ],
    )
    carrier.statuses.update({0: 2, 0x45: 1, -1: 1})
    allow = ("marketing", "allow", "", 0)
    journal = JournalStory(
        [
            JournalledVerdict("jia", "10690121", first, *allow, 1, objections=(("watching", "reject", True),)),
            JournalledVerdict("jia", "10690121", second, *allow, 2),
            JournalledVerdict("jia", "10690121", third, *allow, 3),
            JournalledVerdict(
                "jia",
                "10690121",
                13800100500,
                "marketing",
                "reject",
                "region-ban",
                0x400,
                0,
                objections=(("ban", "reject", False),),
            ),
            JournalledVerdict("yi", "", 0, "unread", "defer", "window-full", 0x58, 0),
        ],
        [
            JournalledAnswer(1, ACCEPTED, 0, "0000000001"),
            JournalledAnswer(2, TAKEN_BACK, 0x45, ""),
            JournalledAnswer(3, UNKNOWN, 0x08, ""),
        ],
        {11: "jia", 12: "jia"},
        {11, 12},
        set(),
        [JournalledOptOut(first, "10690121", 9)],
        [ConfirmationSent(5.0, first, OptOut("port", "10690121", 5, "reply", 0), "10690121", "jia", "退订已生效")],
    )
    return Witnesses(providers, carrier, journal, measure.samples(METRICS))


def test_four_witnesses_that_agree_leave_nothing_to_say(witnesses):
    assert reconcile(witnesses, PORTS) == []


def test_a_confirmation_that_found_no_link_is_counted_as_unsent_and_no_difference(witnesses):
    del witnesses.carrier.submits[3]
    witnesses.carrier.statuses[0] -= 1
    witnesses.metrics["gate106_carrier_responses_total", (("carrier", "bj"), ("status", "ESME_ROK"))] -= 1
    assert reconcile(witnesses, PORTS)
    witnesses.metrics["gate106_confirmations_total", (("provider", "jia"), ("result", "unsent"))] = 1.0
    assert reconcile(witnesses, PORTS) == []


def _confirmed_twice(seen):
    seen.carrier.submits.append(seen.carrier.submits[3])


def _confirmation_not_recorded(seen):
    seen.journal.confirmed.clear()


def _confirmation_lost(seen):
    del seen.carrier.submits[3]


def _confirmation_asks_for_a_receipt(seen):
    seen.carrier.submits[3].sms = OWN._replace(registered=1)


def _answer_lost(seen):
    seen.providers["jia"].sent[0].status = None


def _ok_for_a_dropped_message(seen):
    seen.providers["jia"].sent[3].status = 0


def _one_submit_too_many_at_the_carrier(seen):
    seen.carrier.submits.append(seen.carrier.submits[0])


def _another_person_at_the_carrier(seen):
    seen.carrier.submits[1].sms = sms("8613800259999")


def _another_id_told(seen):
    seen.providers["jia"].sent[0].message_id = "0000000002"


def _another_id_kept(seen):
    seen.journal.answers[0] = JournalledAnswer(1, ACCEPTED, 0, "0000000009")


def _verdict_missing_in_the_journal(seen):
    del seen.journal.verdicts[3]


def _answer_missing_in_the_journal(seen):
    del seen.journal.answers[1]


def _another_reason_counted(seen):
    key = next(key for key in seen.metrics if ("reason", "region-ban") in key[1])
    del seen.metrics[key]


def _carrier_answer_not_counted(seen):
    key = next(key for key in seen.metrics if ("status", "ESME_RSUBMITFAIL") in key[1])
    seen.metrics[key] = 0.0


def _receipt_lost(seen):
    seen.providers["jia"].got.clear()


def _receipt_to_another_provider(seen):
    got = seen.providers["jia"].got.pop()
    seen.providers["yi"].got.append(ReceivedDeliver("yi", got.source, got.destination, got.receipt, got.text))


def _receipt_twice(seen):
    seen.providers["jia"].got *= 2


def _deliver_not_in_the_journal(seen):
    seen.journal.delivers.clear()


def _optout_not_counted(seen):
    seen.journal.optouts *= 2


def _optout_not_recorded(seen):
    seen.journal.optouts.clear()


def _sent_after_the_optout(seen):
    first = seen.journal.verdicts[0]
    seen.journal.verdicts[0] = first._replace(place=10)


def _sent_against_what_was_meant(seen):
    seen.journal.against_meant.append(("jia", 13800210001))


def _sent_after_optout_counted(seen):
    seen.metrics["gate106_sent_after_optout_total", ()] = 1.0


def _shadow_not_counted(seen):
    del seen.metrics[next(key for key in seen.metrics if key[0] == "gate106_shadow_total")]


def _rule_hit_counted_twice(seen):
    seen.metrics[next(key for key in seen.metrics if key[0] == "gate106_rule_hits_total")] += 1


def _lost_on_the_wire_although_the_carrier_was_there(seen):
    seen.carrier.submits.pop(2)


def _taken_back_although_the_carrier_was_there(seen):
    seen.journal.verdicts.append(JournalledVerdict("jia", "10690121", 13800250004, "marketing", "allow", "", 0, 4))
    seen.journal.answers.append(JournalledAnswer(4, TAKEN_BACK, 0x14, ""))
    seen.providers["jia"].sent.append(sent("jia", "8613800250004", 0x14))
    seen.metrics[next(key for key in seen.metrics if ("verdict", "allow") in key[1])] += 1


def _connection_lost(seen):
    seen.providers["yi"].surprises.append("yi: the connection was lost (closed)")


LIES = [lie for name, lie in list(globals().items()) if name.startswith("_") and not name.startswith("__") and callable(lie)]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__.strip("_").replace("_", " "))
def test_a_planted_lie_is_found(witnesses, lie):
    seen = copy.deepcopy(witnesses)
    lie(seen)
    differences = reconcile(seen, PORTS)
    assert differences
    assert not any("13800" in str(difference).replace("138****", "") for difference in differences), "a number in clear"


def test_what_the_wire_lost_while_the_carrier_was_away_must_be_told_as_unknown(witnesses):
    witnesses.carrier.submits.pop(2)
    witnesses.journal.answers[2] = JournalledAnswer(3, UNKNOWN, 0x08, "", at=105.0)
    witnesses.carrier.outages.append(Outage(100.0, 101.0))
    assert reconcile(witnesses, PORTS)
    witnesses.carrier.outages[0].ended = 106.0
    assert reconcile(witnesses, PORTS) == []
    witnesses.carrier.submits.pop(0)
    assert reconcile(witnesses, PORTS)


def test_an_answer_that_came_too_late_is_in_the_journal_and_with_no_provider(witnesses):
    line = witnesses.carrier.submits[2]
    line.status, line.message_id = 0, "0000000003"
    witnesses.carrier.statuses.update({0: 1, -1: -1})
    assert reconcile(witnesses, PORTS)
    witnesses.journal.answers.append(JournalledAnswer(3, LATE_ACCEPTED, 0, "0000000003"))
    assert reconcile(witnesses, PORTS) == []


@pytest.mark.parametrize("told", [None, 0x14], ids=["it never reads it", "it refuses it in vain"])
def test_a_submit_that_crosses_the_gates_unbind_is_explained_by_the_journal(witnesses, told):
    witnesses.scraped_at = 50.0
    log = witnesses.providers["yi"]
    log.sent.append(sent("yi", "8613800250001", None, why="draining"))
    if told:
        witnesses.journal.verdicts.append(JournalledVerdict("yi", "", 0, "unread", "defer", "draining", told, 0, at=60.0))
    assert any("unanswered" in str(difference) for difference in reconcile(witnesses, PORTS)), "it was not unbound"
    log.unbound = True
    assert reconcile(witnesses, PORTS) == []
    log.sent.append(sent("yi", "8613800250001", None))
    assert reconcile(witnesses, PORTS), "sent before the drain, and never answered"


def test_many_differences_are_shown_as_a_few_and_a_count(witnesses):
    witnesses.journal.verdicts += [
        JournalledVerdict("jia", "10690121", 13900000000 + place, "marketing", "allow", "", 0, 100 + place)
        for place in range(500)
    ]
    assert len(reconcile(witnesses, PORTS)) < 20


def test_the_longest_prefix_owns_a_port():
    assert [owner(port, PORTS) for port in ("10690121", "106901299", "1065")] == ["jia", "yi", ""]


def test_the_demo_misses_a_reason_that_did_not_occur(witnesses):
    missing = demo_summary.missing(witnesses.journal, seconds=30)
    assert not [said for said in missing if "region-ban" in said or "window-full" in said]
    assert [said for said in missing if scenario.EXPECTED["keyword"] in said]
    assert [said for said in missing if "no message was allowed to" in said and "新疆" in said]
    assert len(demo_summary.missing(witnesses.journal, seconds=5)) == len(missing) - 1


def test_a_reply_that_means_several_is_one_opt_out_for_all_witnesses(tmp_path: Path) -> None:
    journal = Journal(OsDisk(tmp_path), 0)
    for scope, value in (("advertiser", "1" * 12), ("advertiser", "2" * 12), ("category", "marketing")):
        journal.append(
            messages.OPTOUT, pack(OptedOut(1e9, 13800210001, OptOut(scope, value, 1, "reply", 0), "1069001", "jia", "R"))
        )
    journal.write(1e9)
    journal.sync()
    journal.close()
    story = read_journal(tmp_path)
    assert ([(one.recipient, one.port) for one in story.optouts], story.widened) == ([(13800210001, "1069001")], 1)
