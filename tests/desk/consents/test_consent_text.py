"""A person's consents are told in words."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.desk.consents.consent_text import consent_lines
from proxy.i18n.catalog import in_language
from proxy.policy.time_windows import moment
from proxy.state.lists.consent_lists import ConsentBatch

GIVEN, IMPORTED = (int(moment(day)[0]) for day in ("2026-11-01", "2026-11-02"))
SHA256 = "5e" * 32


@pytest.mark.parametrize(
    ("more", "proof"),
    [
        ({"proof": ""}, "没有凭证"),
        ({}, "凭证由 li 于 2026-11-02 随“同意名单.csv”提交"),
        ({"proof_by": "wang (uid 1000)"}, "凭证由 wang 补交"),
        ({"wording": "回复1同意"}, "凭证为征求同意的文案"),
    ],
)
def test_who_brought_a_proof_is_said_and_not_its_digest(more: dict[str, Any], proof: str) -> None:
    terms = ConsentBatch(
        7, "京选商城", "", GIVEN, 0, "v3", "app", "jia", SHA256, "同意名单.csv", IMPORTED, "li (uid 1000)", "x", 0
    )
    answer = {"to": "13800210500", "consents": [terms._replace(**more)._asdict()], "withdrawn": []}
    (line,) = consent_lines(answer)
    assert in_language(line, "zh") == (
        f"13800210500：2026-11-01 00:00:00 同意京选商城、任何类别（app v3；{proof}；批次 7，证明未审核）"
    )
