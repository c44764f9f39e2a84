"""The reconciliation: four witnesses that agree give nothing; every planted lie is found."""

import copy

import pytest

from proxy.sim import measure, pdus, scenario, view
from proxy.sim.carrier import Delivered, Line, Log
from proxy.sim.provider import Got, ProviderLog, Sent
from proxy.sim.reconcile import ACCEPTED, TAKEN_BACK, UNKNOWN, Handed, JournalStory, Judged, Settled, owner, reconcile

PORTS = {"1069012": "jia", "10690129": "yi"}
METRICS = """
# TYPE gate106_submits_total counter
gate106_submits_total{provider="jia",category="marketing",verdict="allow",reason=""} 3.0
gate106_submits_total{provider="jia",category="marketing",verdict="reject",reason="region-ban"} 1.0
gate106_submits_total{provider="yi",category="unread",verdict="defer",reason="window-full"} 1.0
gate106_carrier_responses_total{carrier="bj",status="ESME_ROK"} 1.0
gate106_carrier_responses_total{carrier="bj",status="ESME_RSUBMITFAIL"} 1.0
gate106_delivers_total{provider="jia",kind="receipt"} 1.0
gate106_optouts_total{source="reply",scope="port",provider="jia"} 1.0
"""


def sms(destination):
    return pdus.Sms("10690121", destination, 0, "", 1, 8, b"")


def sent(provider, destination, status, message_id=""):
    return Sent(provider, "10690121", destination, "", 1, 0.0, status, message_id)


@pytest.fixture
def witnesses():
    """jia: accepted, refused by the carrier, unknown, banned; yi: over its window. One receipt, one opt-out."""
    first, second, third = 13800250001, 13800250002, 13800250003
    providers = {
        "jia": ProviderLog(
            [
                sent("jia", f"86{first}", 0, "0000000001"),
                sent("jia", f"86{second}", 0x45),
                sent("jia", f"86{third}", 0x08),
                sent("jia", "8613800100500", 0x400),
            ],
            [Got("jia", f"86{first}", "10690121", True, "id:0000000001 sub:001")],
        ),
        "yi": ProviderLog([sent("yi", f"86{first}", 0x58)]),
    }
    carrier = Log(
        [
            Line(0, sms(f"86{first}"), 0, "0000000001"),
            Line(0, sms(f"86{second}"), 0x45, ""),
            Line(0, sms(f"86{third}"), -1, ""),
        ],
        [Delivered("receipt", f"86{first}", "10690121", "id:0000000001", 0)],
    )
    carrier.statuses.update({0: 1, 0x45: 1, -1: 1})
    allow = ("marketing", "allow", "", 0)
    journal = JournalStory(
        [
            Judged("jia", "10690121", first, *allow, 1),
            Judged("jia", "10690121", second, *allow, 2),
            Judged("jia", "10690121", third, *allow, 3),
            Judged("jia", "10690121", 13800100500, "marketing", "reject", "region-ban", 0x400, 0),
            Judged("yi", "", 0, "unread", "defer", "window-full", 0x58, 0),
        ],
        [Settled(1, ACCEPTED, 0, "0000000001"), Settled(2, TAKEN_BACK, 0x45, ""), Settled(3, UNKNOWN, 0x08, "")],
        [Handed("receipt", "jia")],
        optouts=1,
    )
    return providers, carrier, journal, measure.samples(METRICS)


def test_four_witnesses_that_agree_leave_nothing_to_say(witnesses):
    providers, carrier, journal, metrics = witnesses
    assert reconcile(providers, carrier, journal, metrics, PORTS) == []


def _answer_lost(providers, carrier, journal, metrics):
    providers["jia"].sent[0].status = None


def _ok_for_a_dropped_message(providers, carrier, journal, metrics):
    providers["jia"].sent[3].status = 0


def _one_submit_too_many_at_the_carrier(providers, carrier, journal, metrics):
    carrier.submits.append(carrier.submits[0])


def _another_person_at_the_carrier(providers, carrier, journal, metrics):
    carrier.submits[1].sms = sms("8613800259999")


def _another_id_told(providers, carrier, journal, metrics):
    providers["jia"].sent[0].message_id = "0000000002"


def _another_id_kept(providers, carrier, journal, metrics):
    journal.answers[0] = Settled(1, ACCEPTED, 0, "0000000009")


def _verdict_missing_in_the_journal(providers, carrier, journal, metrics):
    del journal.verdicts[3]


def _answer_missing_in_the_journal(providers, carrier, journal, metrics):
    del journal.answers[1]


def _another_reason_counted(providers, carrier, journal, metrics):
    key = next(key for key in metrics if ("reason", "region-ban") in key[1])
    del metrics[key]


def _carrier_answer_not_counted(providers, carrier, journal, metrics):
    key = next(key for key in metrics if ("status", "ESME_RSUBMITFAIL") in key[1])
    metrics[key] = 0.0


def _receipt_lost(providers, carrier, journal, metrics):
    providers["jia"].got.clear()


def _receipt_to_another_provider(providers, carrier, journal, metrics):
    got = providers["jia"].got.pop()
    providers["yi"].got.append(Got("yi", got.source, got.destination, got.receipt, got.text))


def _receipt_twice(providers, carrier, journal, metrics):
    providers["jia"].got *= 2


def _deliver_not_in_the_journal(providers, carrier, journal, metrics):
    journal.delivers.clear()


def _optout_not_counted(providers, carrier, journal, metrics):
    journal.optouts = 2


def _connection_lost(providers, carrier, journal, metrics):
    providers["yi"].surprises.append("yi: the connection was lost (closed)")


LIES = [lie for name, lie in list(globals().items()) if name.startswith("_") and not name.startswith("__") and callable(lie)]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__.strip("_").replace("_", " "))
def test_a_planted_lie_is_found(witnesses, lie):
    providers, carrier, journal, metrics = copy.deepcopy(witnesses)
    lie(providers, carrier, journal, metrics)
    differences = reconcile(providers, carrier, journal, metrics, PORTS)
    assert differences
    assert all(str(difference) for difference in differences)


def test_many_differences_are_shown_as_a_few_and_a_count(witnesses):
    providers, carrier, journal, metrics = witnesses
    journal.verdicts += [
        Judged("jia", "10690121", 13900000000 + place, "marketing", "allow", "", 0, 100 + place) for place in range(500)
    ]
    assert len(reconcile(providers, carrier, journal, metrics, PORTS)) < 20


def test_the_longest_prefix_owns_a_port():
    assert [owner(port, PORTS) for port in ("10690121", "106901299", "1065")] == ["jia", "yi", ""]


def test_the_demo_misses_a_reason_that_did_not_occur(witnesses):
    missing = view.missing(witnesses[2])
    assert "region-ban" not in missing
    assert "window-full" not in missing
    assert missing["keyword"] == scenario.EXPECTED["keyword"]
