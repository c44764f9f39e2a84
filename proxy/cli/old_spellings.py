"""Understands old spellings of commands for one release, with a warning.

In: the words of a command line. Out: the same command in its new spelling. Never: a place in help or completion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.operations.terminal import note, printed_language, warn

OLD: Mapping[str, str] = {
    "backup": "backup make",
    "consent proof": "consent prove",
    "consent tasks": "consent list-tasks",
    "consent": "consent list",
    "console": "console serve",
    "evidence verifier": "evidence make-verifier",
    "filing letter": "filing register-letter",
    "filing tasks": "filing list-tasks",
    "hash-password": "password hash",
    "journal heads": "journal list-heads",
    "journal key": "journal make-key",
    "journal person": "journal hash-number",
    "lexicon rates": "lexicon measure",
    "lexicon words": "lexicon list-words",
    "optout doubtful": "optout list-doubtful",
    "optout paths": "optout list-paths",
    "optout probes": "optout list-probes",
    "penalty letter": "penalty write-letter",
    "provider refusals": "provider list-refusals",
    "regions number": "regions find",
    "regions": "regions show",
    "restore": "backup restore",
    "rules history": "rules list-changes",
    "rules": "rules list",
    "schema": "rules show-schema",
    "settings": "settings show",
    "shadow off": "shadow end",
    "shadow": "shadow start",
    "subject recycled": "recycled import",
    "suppress lists": "suppress list",
    "token": "token make",
}
"""Old spelling → new. A noun alone was a command by itself."""
WITH_ARGUMENT: Mapping[str, Sequence[str]] = {"backup": ("make", "check", "restore"), "settings": ("show",), "token": ("make",)}
"""Nouns behind which an argument stood → the verbs that stand there now."""


def in_new_spelling(words: Sequence[str]) -> list[str]:
    """The words as they are, or in their new spelling: then one line on stderr names it."""
    for count in (2, 1):
        old = " ".join(words[:count])
        if old in OLD and _meant(old, *words[count : count + 1]):
            _warn(old, OLD[old])
            return [*OLD[old].split(), *words[count:]]
    return list(words)


def _meant(old: str, behind: str = "") -> bool:
    """Whether an old spelling is meant, and not the noun of a new one. ``behind``: the next word."""
    if not OLD[old].startswith(f"{old} "):
        return True
    if not behind:
        return old not in ("backup", "token")  # which needed an argument
    if behind.startswith("-"):
        return behind not in ("-h", "--help")
    return old in WITH_ARGUMENT and behind not in WITH_ARGUMENT[old]


def _warn(old: str, new: str) -> None:
    from proxy.i18n.catalog import in_language

    said = f"`gate106 {old}` is `gate106 {new}` now; the old spelling works until the next release"
    if printed_language() == "zh":
        note(said)
    else:
        warn(f"gate106: note: {said} / {in_language(said, 'zh')}")
