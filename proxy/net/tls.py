"""Makes TLS contexts from the files that the settings name.

In: paths. Out: ``ssl.SSLContext``; when a certificate ends. Never: a key in an error, a peer accepted without the check its settings ask
for.

TLS 1.2 and 1.3 with the default ciphers of Python's ``ssl``: all of them have forward secrecy.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from proxy.config import Carrier, Follower, Settings, Tls

CERTIFICATE_BYTES_MAX = 1 << 20


class TlsError(ValueError):
    """A file of a certificate or a key cannot be used; the text says which and why."""


def for_providers(tls: Tls) -> ssl.SSLContext:
    """The listener's context; with ``client_ca`` only clients with a certificate signed by it are accepted. Raises TlsError."""
    return for_listener("smpp.tls", tls.cert, tls.key, tls.client_ca)


def for_listener(where: str, cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """The same for any listener; ``where``: its name in errors."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
    context.num_tickets = 0  # binds live for hours: resuming sessions gains nothing
    _identify(context, where, cert, key)
    if client_ca is not None:
        _trust(context, f"{where}.client_ca", client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def for_carrier(carrier: Carrier) -> ssl.SSLContext:
    """The context of links to a carrier, whose certificate must match its name. Raises TlsError."""
    return _for_client(f"carrier {carrier.name}", carrier.tls_ca, carrier.tls_cert, carrier.tls_key)


def for_follower(follower: Follower) -> ssl.SSLContext | None:
    """The context of links to the journal's follower; None without TLS. Raises TlsError."""
    return (
        _for_client("follower", follower.tls_ca, follower.tls_cert, follower.tls_key) if follower.tls_ca is not None else None
    )


def _for_client(where: str, authority: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is not None:
        _trust(context, f"{where}: tls_ca", authority)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certificate is not None and key is not None:
        _identify(context, where, certificate, key)
    return context


def expiry(certificate: Path) -> float:
    """When the first certificate of a file ends, in seconds since 1970. Raises TlsError."""
    try:
        with certificate.open("rb") as file:
            data = file.read(CERTIFICATE_BYTES_MAX)
        return x509.load_pem_x509_certificate(data).not_valid_after_utc.timestamp()
    except OSError as error:
        raise TlsError(f"{certificate}: {error.strerror or error}") from error
    except ValueError as error:
        raise TlsError(f"{certificate}: no certificate in PEM") from error


def _identify(context: ssl.SSLContext, where: str, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise TlsError(
            f"{where}: {certificate} and {key} are no certificate and its key ({error.reason or 'not PEM'})"
        ) from error
    except OSError as error:
        raise TlsError(f"{where}: {error.filename or f'{certificate}, {key}'}: {error.strerror or error}") from error
    except ValueError:
        raise TlsError(f"{where}: {key} wants a password: keep the key without one, readable by the gate alone") from None


def _no_password() -> str:
    """Replaces OpenSSL's prompt on the terminal."""
    raise ValueError


def _trust(context: ssl.SSLContext, where: str, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise TlsError(f"{where}: {authority} holds no certificates ({error.reason or 'not PEM'})") from error
    except OSError as error:
        raise TlsError(f"{where}: {authority}: {error.strerror or error}") from error


class Contexts:
    """All contexts the settings ask for. Raises TlsError where one cannot be made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.providers: ssl.SSLContext | None = None
        self.carriers: dict[str, ssl.SSLContext] = {}
        self.expiry: dict[str, float] = {}
        """``smpp`` or carrier → when our certificate there ends, in seconds since 1970."""
        self.reload()

    def reload(self) -> None:
        """Reads the files again, for new connections. On TlsError nothing has changed."""
        tls = self._settings.smpp.tls
        encrypted = [carrier for carrier in self._settings.carriers if carrier.tls]
        shown = [("smpp", tls.cert)] if tls is not None else []
        shown += [(carrier.name, carrier.tls_cert) for carrier in encrypted if carrier.tls_cert is not None]
        providers = for_providers(tls) if tls is not None else None
        carriers = {carrier.name: for_carrier(carrier) for carrier in encrypted}
        self.expiry = {name: expiry(certificate) for name, certificate in shown}
        self.providers, self.carriers = providers, carriers
