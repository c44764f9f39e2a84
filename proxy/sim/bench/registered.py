"""Registered: what a carrier has on file after years: who may sign how, and whose links and telephone numbers are whose.

In: a rules folder. Out: the same with filled registries, and rules that ask for them. Never: a bench's own text that they
refuse, but for a few: a code of six digits may look like the number of a service (95, 96 …).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from proxy.sim.gate import append_rows
from proxy.sim.texts import MIXES

OTHERS = 20_000
"""Signatures, and half as many advertisers, that no text of a bench carries."""
ANYBODYS = "s.example"
"""The simulated links lead there."""
_PHONE = re.compile(r"4006[0-9]{6}")


def register(rules: Path) -> None:
    """Fills the registries of a folder, and adds what asks for them."""
    phones: dict[str, set[str]] = {}
    for mix in MIXES.values():
        for template in mix():
            phones.setdefault(template.signature, set()).update(_PHONE.findall(template.text))
    ours = [(f"模拟广告主{place}", name) for place, name in enumerate(sorted(phones))]
    others = [(f"模拟广告主{place // 2}号", f"模拟签名{place}") for place in range(OTHERS)]
    registries = rules / "registries"
    append_rows(registries / "signatures.csv", ((name, owner, "", "", "", "approved", "", "") for owner, name in ours + others))
    append_rows(registries / "advertisers.csv", ((owner, "", "", "", " ".join(sorted(phones[name]))) for owner, name in ours))
    append_rows(
        registries / "advertisers.csv",
        ((owner, "", "", f"d{place}.example", "") for place, (owner, _) in enumerate(others[::2])),
    )
    append_rows(registries / "contacts.csv", [(ANYBODYS, "", "")])
    (rules / "sim-registered.yaml").write_text(_rules(), encoding="utf-8")


def _rules() -> str:
    outside = {"outside": "registered"}
    rules = [
        {"id": "sim-signed", "say": "模拟: 签名须报备", "when": {"category": "marketing", "signature_state": "unregistered"}}
        | {"then": "reject", "reason": "signature-unregistered"},
        {"id": "sim-linked", "say": "模拟: 链接电话须登记", "when": {"category": "marketing", "any": [{"url": outside}, {"contact": outside}]}}
        | {"then": "review", "reason": "link-unregistered"},
    ]  # fmt: skip
    return json.dumps({"rules": rules}, ensure_ascii=False)
