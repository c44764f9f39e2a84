"""Each worker sends its own journal to the event stream, as the node that it is."""

from __future__ import annotations

from pathlib import Path

from proxy.archive.stream.events import KEPT
from proxy.journal.scan import read
from proxy.journal.write_ahead_log import OsDisk
from proxy.wire import submit_sm
from tests.archive.stream.mock_cluster import MockCluster, Topic
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, provider
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import PORT, Crewed, spread
from tests.valkey import Valkey

pytestmark = needs("valkey")


def test_the_records_of_all_workers_arrive_each_under_its_node(tmp_path: Path, carrier: Carrier, server: Valkey) -> None:
    cluster = MockCluster()
    jia = provider("jia", PORT, binds=40)
    gate = Crewed(tmp_path, carrier.port, [jia], 2, server.url, node=7, stream=f"kafka://{cluster.brokers}/gate106")
    topic = Topic(cluster.brokers, "gate106")
    try:
        gate.start()
        for number, client in enumerate(spread(gate)):
            assert client.ask(submit_sm(PORT, SHANGHAI.format(number), b"your order", sequence=7)).status == 0
        sent = "gate106_stream_sent_total"
        until(lambda: gate.metric(sent) > 0 and gate.metric("gate106_stream_lag_records") == 0, gate.said, 40)
        gate.hang_up()
        wanted = {
            f"{node}:{record.sequence}"
            for node in (7, 8)
            for record in read(OsDisk(tmp_path / "journal" / f"node-{node}"))
            if record.kind not in KEPT
        }
        until(lambda: wanted <= set(topic.take(1)), gate.said, 40)
        assert topic.keys == {b"7", b"8"}
    finally:
        gate.hang_up()
        gate.stop()
        topic.close()
        cluster.kill()
