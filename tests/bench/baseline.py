"""Relays submits through smpplib's PDU classes, which decode and encode each: what people run today.

In: ``python -m tests.bench.baseline --carrier PORT --window N``, as proxy/sim/bench/bare_relay.py. Out, never: as there.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from smpplib import smpp

from proxy.sim.bench import bare_relay


class _Numbering:
    """The client that smpplib's PDU classes ask for a sequence number."""

    sequence = 0

    def next_sequence(self) -> int:
        return self.sequence


_NUMBERING = _Numbering()


def rewrite_by_smpplib(data: bytes, sequence: int) -> bytes:
    """The PDU decoded and encoded again by smpplib, under another sequence number. Text fields are decoded to ``str`` between,
    because its encoder wants them so."""
    pdu: Any = smpp.parse_pdu(data, client=_NUMBERING, allow_unknown_opt_params=True)
    pdu.sequence = sequence
    for field in pdu.params_order:
        value = getattr(pdu, field, None)
        if isinstance(value, bytes) and pdu.params[field].type is str:
            setattr(pdu, field, value.decode("latin-1"))
    generated: bytes = pdu.generate()
    return generated


def main() -> int:
    logging.disable(logging.WARNING)  # smpplib logs every optional parameter it does not know
    return bare_relay.main(rewrite_by_smpplib)


if __name__ == "__main__":
    sys.exit(main())
