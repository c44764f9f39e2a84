"""The gate is killed while consents come in, are taken back, or somebody is forgotten: a file is there wholly or not at all, and what was
written holds."""

from __future__ import annotations

import pytest
from pyroaring import BitMap

from proxy.operations import client
from proxy.operations.number_chunks import lines_of
from proxy.state.lists.suppression_lists import CHUNK_BITS
from tests.crash.test_operating import Harness, harness
from tests.e2e.gate import SHANGHAI

__all__ = ["harness"]
LI, WANG = SHANGHAI.format(1), SHANGHAI.format(2)
MISSING = 0x420
RULES = """
rules:
  - {id: needs-consent, when: {category: marketing, consent: [absent, revoked]}, then: reject, reason: consent-missing}
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""


def hand_in(harness: Harness) -> None:
    args = {"batches": [{"given": 1_700_000_000}], "source": "app", "why": "x"}
    with client.Conversation(harness.control, "consent.import", args) as conversation:
        conversation.hear()
        for person in (LI, WANG):
            chunk, low = divmod(int(person), 1 << CHUNK_BITS)
            for line in lines_of(0, chunk, BitMap((low,))):
                conversation.say(line)
        conversation.say({"end": True, "numbers": 2})
        conversation.answer()


@pytest.mark.parametrize(
    ("point", "there"), [("consents-half", False), ("consents-unwritten", False), ("consents-applying", True)]
)
def test_of_a_file_there_is_all_or_nothing(harness: Harness, point: str, there: bool) -> None:
    harness.write_rules(RULES)
    harness.live(point)
    with pytest.raises(client.CannotAsk):
        hand_in(harness)
    harness.died()
    harness.start()
    assert harness.statuses(LI, WANG) == ([0, 0] if there else [MISSING, MISSING])


@pytest.mark.parametrize(("command", "point"), [("consent.withdraw", "person-written"), ("subject.erase", "person-written")])
def test_what_befell_a_person_holds_as_soon_as_it_is_written(harness: Harness, command: str, point: str) -> None:
    harness.write_rules(RULES)
    harness.live(point)
    hand_in(harness)
    assert harness.statuses(LI, WANG) == [0, 0]
    harness.dies(command, to=LI, why="asked")
    harness.start()
    assert harness.statuses(LI, WANG) == [MISSING, 0]
    if command == "subject.erase":
        assert client.ask(harness.control, "subject.show", to=LI)["forgotten"]
