"""Several gates on one store: what one has let through the other counts, whatever happens to either, or to the store."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.pdus import ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.sharing import CAP, Harness, at_once, harness_of, people
from tests.needs import needs

pytestmark = needs("valkey")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with ExitStack() as after:
        yield harness_of(tmp_path, after)


def test_a_person_gets_what_the_cap_allows_over_all_gates_to_the_message(harness, numbers):
    recipients = people(numbers, 100)
    assert at_once(harness.gates * 2, recipients, 2) == dict.fromkeys(recipients, CAP)
    assert Counter(seen.fields.destination for seen in harness.carrier.seen) == dict.fromkeys(recipients, CAP)


def test_a_gate_that_sleeps_amid_its_work_does_not_let_through_what_others_have_used_up(harness, numbers):
    asleep, awake = harness.gates
    recipients = people(numbers, 60)
    told: Counter[str] = Counter()
    with Raw(asleep.port) as client:
        client.bind("jia")
        waiting = {}
        for at, recipient in enumerate(recipients * CAP):
            data = client.submit_bytes("1069001", recipient)
            waiting[int.from_bytes(data[12:16], "big")] = recipient
            client.send(data)
            if at % 20 == 10:  # wherever it is
                asleep.signal(signal.SIGSTOP)
                told += at_once([awake], recipients[at % 60 : at % 60 + 5], 2)
                asleep.signal(signal.SIGCONT)
        while waiting:
            found = client.next()
            assert found is not None
            if found.sequence in waiting:
                told[waiting.pop(found.sequence)] += found.status == ESME_ROK
    told += at_once([awake], recipients, 1)
    assert told == dict.fromkeys(recipients, CAP)
