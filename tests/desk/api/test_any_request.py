"""The API answers any generated request as its document says.

Schemathesis makes good and bad requests from the document. Each operation gets a few, by chance but the same each time;
`GATE106_REQUESTS=200` looks further.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase

from proxy.desk.api.operation_table import OFFERED, document
from proxy.operations.declaration import Operation, Program
from tests.console.world import token_of

REQUESTS = int(os.environ.get("GATE106_REQUESTS", "2"))
"""For each operation; a program of the command line takes a second, so those get a sixth of it. `make campaign` makes sixty."""


ANSWER_S = 60.0
"""A program that begins on a busy machine takes more than the ten seconds that schemathesis waits by itself."""


@cache
def _schema() -> Any:
    import schemathesis  # here: a second, which only the worker of this file needs
    from schemathesis.config import SchemathesisConfig

    return schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.discover())


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("operation", OFFERED, ids=lambda one: one.name)
def test_any_request_is_answered_as_the_document_says(operation: Operation | Program, mode: str, address: str) -> None:
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import ignored_auth

    maximum = REQUESTS if isinstance(operation, Operation) else max(1, REQUESTS // 6)
    strategy = _schema()[operation.path][operation.method].as_strategy(generation_mode=GenerationMode(mode))

    @hypothesis.given(case=strategy)
    @hypothesis.settings(
        max_examples=maximum, phases=[Phase.explicit, Phase.generate], derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any) -> None:
        case.call_and_validate(
            base_url=address,
            headers={"Authorization": f"Bearer {token_of('song')}"},
            excluded_checks=[ignored_auth],
            timeout=ANSWER_S,
        )

    ask()
