"""Registered: what a carrier has on file after years: who may sign how, and whose links and telephone numbers are whose.

In: a rules folder. Out: the same with filled registries, and rules that ask for them. Never: a bench's own text that they
refuse, but for a few: a code of six digits may look like the number of a service (95, 96 …).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from proxy.sim.texts import MIXES

OTHERS = 20_000
"""Signatures, and half as many advertisers, that no text of a bench carries."""
ANYBODY_S = "s.example"
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
    _append(rules, "signatures", ((name, owner, "", "", "", "approved", "", "") for owner, name in ours + others))
    _append(rules, "advertisers", ((owner, "", "", "", " ".join(sorted(phones[name]))) for owner, name in ours))
    _append(rules, "advertisers", ((owner, "", "", f"d{place}.example", "") for place, (owner, _) in enumerate(others[::2])))
    _append(rules, "contacts", [(ANYBODY_S, "", "")])
    (rules / "sim-registered.yaml").write_text(_rules(), encoding="utf-8")


def _append(rules: Path, registry: str, rows: Iterable[Sequence[str]]) -> None:
    with (rules / "registries" / f"{registry}.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def _rules() -> str:
    outside = {"outside": "registered"}
    rules = [
        {"id": "sim-signed", "say": "模拟: 签名须报备", "when": {"category": "marketing", "signature_state": "unregistered"}}
        | {"then": "reject", "reason": "signature-unregistered"},
        {"id": "sim-linked", "say": "模拟: 链接电话须登记", "when": {"category": "marketing", "any": [{"url": outside}, {"contact": outside}]}}
        | {"then": "review", "reason": "link-unregistered"},
    ]  # fmt: skip
    return json.dumps({"rules": rules}, ensure_ascii=False)
