"""A gate that dies while it is operated: gate_that_dies with points of its own, at which nothing but a command brings it.

python -m tests.crash.operated_that_dies '{"point": "suppression-written", "nth": 1, …}' gate106.yaml
"""

from __future__ import annotations

import sys

from proxy.desk.operator_orders.book import OrderBook
from proxy.desk.revisions.rule_revisions import RevisionHistory
from proxy.journal import retention
from proxy.journal.disk import OsDisk
from proxy.relay.effects.consents import ConsentImport, PersonChange
from proxy.relay.effects.list_import import ListImport
from proxy.relay.effects.suppression import AccompanyingRecord, SuppressionChange
from proxy.server.control_plane import ControlPlane
from proxy.state.lists.consent_lists import ConsentIndex
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.revision_store import RevisionStore
from tests.crash import gate_that_dies, points
from tests.crash.places import after, before
from tests.crash.points import Point

POINTS = {
    "suppression-written": Point("when a suppression is written and not acknowledged", before(SuppressionChange, "done"), 1),
    "decision-written": Point(
        "when a decision is written with its suppression and not acknowledged", before(AccompanyingRecord, "done"), 1
    ),
    "order-written": Point("when an order is written and not synced", after(OrderBook, "give"), 1),
    "lift-written": Point("when the end of an order is written and not synced", after(OrderBook, "lift"), 1),
    "syncing": Point("when what was ordered waits for the disk", before(ControlPlane, "safe"), 1),
    "list-half": Point("amid the numbers of a list", after(ListImport, "add"), 2),
    "list-unwritten": Point("when a list is whole and its end not written", after(ListImport, "done"), 1),
    "list-applying": Point("when a list's end is written and half of it in force", after(SuppressionLists, "add"), 2),
    "removal-written": Point("when a removal of old segments is written and none is gone", before(retention, "remove"), 1),
    "removal-half": Point("amid the removal of old segments", after(OsDisk, "remove"), 40),
    "set-kept": Point("when the files of a changed set are kept and nothing is written", after(RevisionStore, "save"), 1),
    "set-named": Point(
        "when it is written that a changed set is in force, and nobody knows", before(RevisionHistory, "note"), 1
    ),
    "set-noted": Point("when it is written that a changed set is in force", after(RevisionHistory, "note"), 1),
    "set-syncing": Point("when that waits for the disk", before(ControlPlane, "safe"), 1),
    "second-named": Point("when a second change of the rules is written", before(RevisionHistory, "note"), 2),
    "second-noted": Point("when a second change of the rules is written and noted", after(RevisionHistory, "note"), 2),
    "second-syncing": Point("when a second change of the rules waits for the disk", before(ControlPlane, "safe"), 2),
    "consents-half": Point("amid the numbers of a file of consents", after(ConsentImport, "add"), 2),
    "consents-unwritten": Point("when a file of consents is whole and its end not written", after(ConsentImport, "whole"), 1),
    "consents-applying": Point("when its end is written and half of it in force", after(ConsentIndex, "add"), 1),
    "person-written": Point(
        "when what befell a person is written and not in force everywhere", before(PersonChange, "done"), 1
    ),
    "never": Point("never", before(SuppressionChange, "unwritten"), 1 << 30),
}


def main() -> int:
    points.POINTS.update(POINTS)
    return gate_that_dies.main()


if __name__ == "__main__":
    sys.exit(main())
