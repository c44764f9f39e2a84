"""A sweep finds the other recipients of a case's text."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.archive.query import LIMIT_MAX
from proxy.desk.complaints.case_search import sweep_campaign, sweep_lines
from proxy.journal.write_ahead_log import Journal, OsDisk
from proxy.wire import submit_sm_resp
from tests.archive.journals import synced
from tests.harness import SHANGHAI, Harness

TEXT, TYPED = "【甲店】双11预售开启，定金10抵50 拒收请回复R", "双11优惠券广告"
SENT = LIMIT_MAX + 100
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A case of a message behind which its port sent more than are shown at once; and where its gate's settings are."""
    folder = tmp_path_factory.mktemp("gate")
    harness = Harness(folder)
    harness.disk = OsDisk(folder / "journal")  # type: ignore[assignment]
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, 0)
    for number in range(SENT):
        harness.submit("jia", SHANGHAI + number, TEXT)
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"B%d" % number))
        harness.now += 0.1
    synced(harness)
    harness.journal.close()
    config = folder / "gate106.yaml"
    config.write_text(f"store: sqlite:///{folder}/state.db\njournal: {folder}/journal\nrules: {folder}/rules\n")
    sent = harness.now - SENT * 0.1
    return {"id": 17, "message": "0:1", "port": "1069001", "signature": "甲店", "sent": sent, "text": TYPED, "config": config}


def test_the_text_of_the_message_is_found_though_its_port_sent_thousands_behind_it(told: dict[str, Any]) -> None:
    found, typed = sweep_campaign(told, DAY_S, None, "", told["config"], None)
    (campaign,) = found.campaign
    assert (campaign.passed, campaign.persons, typed) == (SENT, SENT, False)


def test_where_the_message_is_not_there_any_more_it_is_said_that_what_was_typed_is_looked_for(told: dict[str, Any]) -> None:
    found, typed = sweep_campaign({**told, "message": "0:999999"}, DAY_S, None, "", told["config"], None)
    assert (found.campaign, typed) == ([], True)
    assert next(iter(sweep_lines(found, None, typed=typed))).startswith("the message itself is not there any more")
