"""Every public reason has a hint in both languages, without personal data."""

from __future__ import annotations

from proxy.i18n.phrases import LANGUAGES
from proxy.i18n.refusal_hints import HINTS, hint, public_reason
from proxy.model.reasons import REASONS, RULE_REASONS


def test_every_reason_that_is_told_outside_has_a_hint_and_no_other():
    assert set(HINTS) == {reason.public for reason in REASONS.values()}
    assert all(hint(reason, language) for reason in HINTS for language in LANGUAGES)


def test_what_would_say_something_about_a_person_is_not_permitted_and_so_is_what_nobody_knows():
    told = {name: public_reason(name) for name in RULE_REASONS}
    assert {name for name, public in told.items() if public == "not-permitted"} == {
        "suppressed", "renamed-sender", "complaint", "protected", "consent-missing", "consent-repeat",
    }  # fmt: skip
    assert public_reason("a reason of a later gate") == "not-permitted"
