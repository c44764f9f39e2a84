"""Rules of a bench: the shipped ones, and as many more as are asked for.

In: a number. Out: a rules file. Never: a rule that meets the bench's own texts, unless it is there to refuse them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proxy.config.yaml_file import load
from proxy.sim.people import BANNED


def count_rules(folder: Path) -> int:
    """How many rules the files of a folder hold."""
    files: list[Any] = [load(path).value for path in folder.rglob("*.yaml")]
    return sum(len(one.get("rules") or ()) for one in files)


def extra_rules(count: int) -> str:
    """A rules file of ``count`` more rules, as a carrier gathers them over years: stops of signatures, words in one region, caps of
    one advertiser. None of them meets the bench's texts, so only their number costs."""
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


def quotas() -> str:
    """A rules file with what contracts say of each provider: how many a second and a day, and what part of them advertisements. All of it is
    far more than a bench sends, so only that it is counted costs."""
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


def refusing() -> str:
    """A rules file that lets nothing through to where the refused live (people.py)."""
    rule = {
        "id": "sim-refused",
        "say": "模拟: 拒绝的部分",
        "when": {"province": BANNED},
        "then": "reject",
        "reason": "region-ban",
    }
    return json.dumps({"rules": [rule]}, ensure_ascii=False)
