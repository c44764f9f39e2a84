"""Who gets in, and as whom: over TLS, with and without certificates, behind a balancer. Certificates are real ones, of authorities made here."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import ESME_RBINDFAIL, ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until

Make = Callable[..., Gate]
HEADER = "PROXY TCP4 {} 192.0.2.1 51342 2775\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


def shown(authority: trustme.CA, name: str = "gate.example") -> trustme.LeafCert:
    return authority.issue_cert(name)


def write(certificate: trustme.LeafCert, folder: Path) -> None:
    """Puts a certificate and its key where the gate reads them."""
    (folder / "gate.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (folder / "gate.key").write_bytes(certificate.private_key_pem.bytes())


def trusting(authority: trustme.CA, own: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    return context


def encrypted(folder: Path, **more: str) -> dict[str, object]:
    """``smpp.tls`` of the settings."""
    return {"listen": f"127.0.0.1:{free_port()}", "cert": str(folder / "gate.pem"), "key": str(folder / "gate.key"), **more}


def port_of(gate: Gate) -> int:
    return int(gate.settings["smpp"]["tls"]["listen"].rpartition(":")[2])


def with_tls(make_gate: Make, carrier: Carrier, **more: str) -> Gate:
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    gate.settings["smpp"]["tls"] = encrypted(gate.folder, **more)
    gate.write_settings()
    return gate


def turned_away(gate: Gate, cause: str) -> float:
    return gate.metric("gate106_bind_failures_total", cause=cause)


# --- providers over TLS


def test_a_provider_binds_and_sends_over_TLS_and_another_in_clear(
    make_gate: Make, carrier: Carrier, authority: trustme.CA, tmp_path: Path, recipient: str
):
    write(shown(authority), tmp_path)
    gate = with_tls(make_gate, carrier).start()
    with Raw(port_of(gate), tls=trusting(authority)) as one, Raw(gate.port) as other:
        for client in (one, other):
            assert client.bind("jia").status == ESME_ROK
            assert client.submit("1069001", recipient, "【青禾】您的包裹已到".encode("utf-16-be")).status == ESME_ROK
    expiry = gate.metric("gate106_certificate_expiry_timestamp_seconds", name="smpp")
    assert expiry > time.time()


def test_who_speaks_no_TLS_or_too_old_a_one_is_turned_away_and_counted(
    make_gate: Make, carrier: Carrier, authority: trustme.CA, tmp_path: Path
):
    write(shown(authority), tmp_path)
    gate = with_tls(make_gate, carrier).start()
    with Raw(port_of(gate)) as plain:
        plain.send(b"\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\1")
        assert _goes(plain)
    old = trusting(authority)
    with _quiet():
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Raw(port_of(gate), tls=old)
    until(lambda: turned_away(gate, "tls-handshake") == 2, lambda: "two handshakes that failed are counted")


def _goes(client: Raw) -> bool:
    """Whether the other side hangs up, whatever it says before."""
    with contextlib.suppress(ConnectionError, AssertionError, ValueError):
        while client.next() is not None:
            pass
    return True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Python warns that TLS 1.1 is old, which is why it is used here."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_with_client_ca_only_who_has_a_certificate_gets_in(
    make_gate: Make, carrier: Carrier, authority: trustme.CA, tmp_path: Path
):
    clients, strangers = trustme.CA(), trustme.CA()
    write(shown(authority), tmp_path)
    clients.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    gate = with_tls(make_gate, carrier, client_ca=str(tmp_path / "clients.pem")).start()
    with Raw(port_of(gate), tls=trusting(authority, shown(clients, "jia.example"))) as known:
        assert known.bind("jia").status == ESME_ROK
    for own in (None, shown(strangers, "jia.example")):
        with (
            pytest.raises((ssl.SSLError, ConnectionError, AssertionError)),
            Raw(port_of(gate), tls=trusting(authority, own)) as client,
        ):
            client.bind("jia")
    until(lambda: turned_away(gate, "tls-handshake") == 2, lambda: "both are counted")


def test_a_new_certificate_is_shown_after_SIGHUP_and_binds_that_stand_go_on(
    make_gate: Make, carrier: Carrier, authority: trustme.CA, tmp_path: Path, recipient: str
):
    write(shown(authority), tmp_path)
    gate = with_tls(make_gate, carrier).start()
    with Raw(port_of(gate), tls=trusting(authority)) as standing:
        assert standing.bind("jia").status == ESME_ROK
        other = trustme.CA()
        write(shown(other), tmp_path)
        gate.signal(signal.SIGHUP)
        until(lambda: _binds(port_of(gate), other), lambda: f"the new certificate is shown: {gate.said()}")
        assert standing.submit("1069001", recipient).status == ESME_ROK
        (tmp_path / "gate.key").write_text("no key")
        gate.signal(signal.SIGHUP)
        until(lambda: gate.metric("gate106_settings_reload_total", result="failed") == 1, lambda: "the bad key is refused")
        assert "are no certificate and its key" in gate.said()
        assert _binds(port_of(gate), other)


def _binds(port: int, authority: trustme.CA) -> bool:
    try:
        with Raw(port, tls=trusting(authority)) as client:
            return client.bind("jia").status == ESME_ROK
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "gate.pem").unlink(), "gate.pem"),
        (lambda folder: (folder / "gate.key").write_text("x"), "are no certificate and its key"),
        (lambda folder: (folder / "clients.pem").write_text("x"), "clients.pem holds no certificates"),
    ],
)
def test_a_gate_without_its_certificate_does_not_start_and_says_which_file(
    make_gate: Make, carrier: Carrier, authority: trustme.CA, tmp_path: Path, spoil: Callable[[Path], object], says: str
):
    write(shown(authority), tmp_path)
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    gate = with_tls(make_gate, carrier, client_ca=str(tmp_path / "clients.pem"))
    spoil(tmp_path)
    ended = run("serve", "--config", gate.config)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "PRIVATE" not in ended.stderr


# --- carriers over TLS


class TlsCarrier(Carrier):
    def __init__(self, certificate: trustme.LeafCert, clients: trustme.CA | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        if clients is not None:
            clients.configure_trust(self._context)
            self._context.verify_mode = ssl.CERT_REQUIRED
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        try:
            wrapped = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        super().serve(self.keep(wrapped))


def to_carrier(make_gate: Make, carrier: Carrier, authority: trustme.CA, **more: object) -> Gate:
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    authority.cert_pem.write_to_path(str(gate.folder / "ca.pem"))
    gate.settings["carriers"][0] |= {"tls": True, "tls_ca": str(gate.folder / "ca.pem"), "tls_name": "smsc.example", **more}
    gate.write_settings()
    return gate


def test_links_to_a_carrier_are_encrypted_and_each_side_shows_its_certificate(
    make_gate: Make, authority: trustme.CA, tmp_path: Path, recipient: str
):
    clients = trustme.CA()
    write(shown(clients, "gate.example"), tmp_path)
    carrier = TlsCarrier(shown(authority, "smsc.example"), clients)
    try:
        own = {"tls_cert": str(tmp_path / "gate.pem"), "tls_key": str(tmp_path / "gate.key")}
        gate = to_carrier(make_gate, carrier, authority, **own).start()
        with Raw(gate.port) as client:
            assert client.bind("jia").status == ESME_ROK
            assert client.submit("1069001", recipient).status == ESME_ROK
        assert gate.metric("gate106_certificate_expiry_timestamp_seconds", name="bj") > time.time()
    finally:
        gate.stop()
        carrier.stop()


@pytest.mark.parametrize("wrong", ["the name", "the authority", "no certificate of ours"])
def test_a_carrier_that_is_not_the_one_it_should_be_gets_no_password(make_gate: Make, authority: trustme.CA, wrong: str):
    carrier = TlsCarrier(shown(authority, "smsc.example"), trustme.CA() if wrong == "no certificate of ours" else None)
    try:
        more = {"tls_name": "other.example"} if wrong == "the name" else {}
        gate = to_carrier(make_gate, carrier, trustme.CA() if wrong == "the authority" else authority, **more)
        gate.start(ready=False)
        until(lambda: "carrier down" in gate.said() or "carrier links down" in gate.said(), gate.said)
        assert gate.why()
        assert not carrier.binds
    finally:
        gate.stop()
        carrier.stop()


# --- behind a balancer


def behind(make_gate: Make, carrier: Carrier, balancers: list[str] | None = None, *, tls: bool = False) -> Gate:
    gate = make_gate(carrier.port, [provider("jia", "1069001", allow_ips=["198.51.100.0/24"])])
    gate.settings["smpp"] |= {"proxy_protocol": True, **({"proxy_from": balancers} if balancers else {})}
    if tls:
        gate.settings["smpp"]["tls"] = encrypted(gate.folder)
    gate.write_settings()
    return gate.start()


def binary(address: str) -> bytes:
    addresses = socket.inet_aton(address) + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 51342, 2775)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, 0x11, len(addresses)) + addresses


def test_the_address_in_a_balancers_header_is_the_one_that_counts(make_gate: Make, carrier: Carrier, recipient: str):
    gate = behind(make_gate, carrier, ["127.0.0.0/8"])
    for header in (HEADER.format("198.51.100.7").encode(), binary("198.51.100.8")):
        with Raw(gate.port, header) as client:
            assert client.bind("jia").status == ESME_ROK
            assert client.submit("1069001", recipient).status == ESME_ROK
    for header in (HEADER.format("203.0.113.7").encode(), binary("203.0.113.8"), b"PROXY UNKNOWN\r\n"):
        with Raw(gate.port, header) as client:
            assert client.bind("jia").status == ESME_RBINDFAIL
    assert turned_away(gate, "address") == 3


def mapped(address: str) -> bytes:
    """Version 2, with IPv4 in IPv6, as a balancer that listens on both has it."""
    address6 = bytes(10) + b"\xff\xff" + socket.inet_aton(address)
    addresses = address6 + address6 + struct.pack(">HH", 51342, 2775)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, 0x21, len(addresses)) + addresses


@pytest.mark.parametrize("listed", ["198.51.100.0/24", "::ffff:198.51.100.0/120", "::ffff:198.51.100.7"])
def test_an_address_of_IPv4_is_the_same_however_it_is_written(make_gate: Make, carrier: Carrier, listed: str):
    gate = make_gate(carrier.port, [provider("jia", "1069001", allow_ips=[listed])])
    gate.settings["smpp"] |= {"proxy_protocol": True, "proxy_from": ["::ffff:127.0.0.0/104"]}
    gate.write_settings()
    gate.start()
    for header in (mapped("198.51.100.7"), binary("198.51.100.7"), b"PROXY TCP6 ::ffff:198.51.100.7 ::1 51342 2775\r\n"):
        with Raw(gate.port, header) as client:
            assert client.bind("jia").status == ESME_ROK
    for header in (mapped("203.0.113.7"), binary("203.0.113.8")):
        with Raw(gate.port, header) as client:
            assert client.bind("jia").status == ESME_RBINDFAIL


def test_TLS_begins_behind_the_header(make_gate: Make, carrier: Carrier, authority: trustme.CA, tmp_path: Path):
    write(shown(authority), tmp_path)
    gate = behind(make_gate, carrier, tls=True)
    with Raw(port_of(gate), binary("198.51.100.7"), trusting(authority)) as client:
        assert client.bind("jia").status == ESME_ROK
    with Raw(gate.port, binary("198.51.100.7")) as client:
        assert client.bind("jia").status == ESME_ROK


def test_who_comes_without_a_header_or_from_no_balancer_is_turned_away(make_gate: Make, carrier: Carrier):
    gate = behind(make_gate, carrier)
    with Raw(gate.port) as client:
        client.send(b"\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\1")
        assert client.closed()
    until(lambda: turned_away(gate, "no-proxy-header") == 1, lambda: "counted")
    gate.stop()
    gate.settings["smpp"]["proxy_from"] = ["192.0.2.0/24"]
    gate.write_settings()
    gate.start()
    with Raw(gate.port, HEADER.format("198.51.100.7").encode()) as client:
        assert client.closed()
    until(lambda: turned_away(gate, "no-proxy-header") == 1, lambda: "counted")


def test_who_is_slow_with_the_header_keeps_nobody_waiting_and_is_hung_up_on(make_gate: Make, carrier: Carrier):
    gate = make_gate(carrier.port, [provider("jia", "1069001")], timers={"bind_s": 1})
    gate.settings["smpp"] |= {"proxy_protocol": True}
    gate.write_settings()
    gate.start()
    slow = [Raw(gate.port, b"PROXY TCP4 198.51"[: 1 + place % 17]) for place in range(50)]
    with Raw(gate.port, binary("198.51.100.7")) as client:
        assert client.bind("jia").status == ESME_ROK
        assert all(one.closed() for one in slow)
        assert client.alive()
    for one in slow:
        one.__exit__()
    until(lambda: gate.metric("process_open_fds") < 60, lambda: "nothing of them is left")
