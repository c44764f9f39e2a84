"""Fills a rules folder with what a carrier has on file after years.

In: a rules folder. Out: the folder with filled registries (signatures, links, telephone numbers), rules that look into them, and quotas of
providers. Never: a rule that refuses the bench's own texts, but for a few codes of six digits that look like a service's number (95, 96 …).
"""

import json
import re
from pathlib import Path

from proxy.sim.gate_process import append_rows
from proxy.sim.texts import MIXES

OTHERS = 20_000  # signatures, and half as many advertisers, that no text of the bench has
ANYBODYS = "s.example"  # the host of all simulated links
_PHONE = re.compile(r"4006[0-9]{6}")


def register(rules: Path) -> None:
    """Fills the registries of a folder, and adds the rules that look into them."""
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


def quotas() -> str:
    """A rules file with the quotas of provider contracts: messages a second and a day, and the share of marketing. The load stays far below
    all of them, so only the counting costs time."""
    everything = {"category": ["marketing", "notice", "otp"]}
    rate = {"count": 10**6, "per": "1s", "burst": 2 * 10**6, "key": ["provider"], "then": "throttle"}
    share = {"share": 0.9, "per": "day", "key": ["provider"], "least": 10**9}
    rules = [
        {"id": "sim-quota", "say": "模拟: 每家每秒和每天的配额", "when": everything}
        | {"limit": [rate, {"count": 10**10, "per": "day", "key": ["provider"]}], "then": "reject", "reason": "provider-quota"},
        {"id": "sim-share", "say": "模拟: 每家营销的占比", "when": {"category": "marketing"}}
        | {"limit": share, "then": "reject", "reason": "probation"},
    ]
    return json.dumps({"rules": rules}, ensure_ascii=False)
