"""Writes generated rules beside the shipped ones.

In: a number of rules. Out: the text of a rules file. Never: a rule that meets the bench's own texts, except the rule that refuses them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proxy.config.yaml_file import load
from proxy.sim.synthetic_recipients import BANNED


def count_rules(folder: Path) -> int:
    """Counts the rules in the files of a folder."""
    files: list[Any] = [load(path).value for path in folder.rglob("*.yaml")]
    return sum(len(one.get("rules") or ()) for one in files)


def extra_rules(count: int) -> str:
    """A rules file of ``count`` more rules, of the kinds that a carrier gathers over years: stopped signatures, words banned in one province,
    caps of one advertiser. No rule meets the bench's texts, so only their number costs time."""
    rules = []
    for number in range(count):
        rule: dict[str, Any] = {"id": f"sim-extra-{number:04d}", "say": f"模拟规则 {number}", "then": "reject"}
        signature, word = f"模拟品牌{number}", f"模拟禁词{number}号"
        province = ("广东", "山东", "江苏", "河南", "四川")[number % 5]
        if number % 4 == 0:
            rule |= {"when": {"category": "marketing", "signature": signature}, "reason": "stopped"}
        elif number % 4 == 1:
            rule |= {"when": {"category": "marketing", "province": province, "text": word}, "reason": "keyword"}
        elif number % 4 == 2:
            limit = {"count": 2, "per": "7d", "key": ["recipient", "signature"]}
            rule |= {"when": {"category": "marketing", "signature": signature}, "limit": limit, "reason": "advertiser-cap"}
        else:
            rule |= {
                "when": {"subcategory": "gambling", "province": province, "port": f"10699{number:04d}"},
                "reason": "port-scope",
            }
        rules.append(rule)
    return "rules:\n" + "\n".join(
        "  - id: "
        + rule.pop("id")
        + "".join(f"\n    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in rule.items())
        for rule in rules
    )


def refusing() -> str:
    """A rules file that bans the province of the refused recipients (proxy/sim/synthetic_recipients.py)."""
    rule = {
        "id": "sim-refused",
        "say": "模拟: 拒绝的部分",
        "when": {"province": BANNED},
        "then": "reject",
        "reason": "region-ban",
    }
    return json.dumps({"rules": [rule]}, ensure_ascii=False)
