"""A small bench: rules from a text, a person, a provider, a clock that only the test moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.model.message import Category, Content, Facts, Message, Outcome, Sender, Verdict
from proxy.model.number import recipient_of
from proxy.model.recipient import Entry, OptOut
from proxy.policy import time_windows
from proxy.policy.explanation.history import Past, PastCounts
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from proxy.policy.registries.regions import Regions
from proxy.policy.ruleset import RuleSet
from tests.scanners import scanners_kept

AD = "【测试】双11优惠券 拒收请回复R"
NANJING, BEIJING, SHANGHAI = "13800250500", "13800100500", "13800210500"


@dataclass
class Bench:
    """Sends messages under some rules; what is allowed is remembered as the gate would."""

    rules: RuleSet
    people: defaultdict[int, Past] = field(default_factory=lambda: defaultdict(Past))
    counts: PastCounts = field(default_factory=PastCounts)
    senders: dict[tuple[object, ...], Sender] = field(default_factory=dict)
    sent: int = 0

    def send(
        self,
        text: str = AD,
        *,
        at: str | float = "2026-11-11 10:00",
        to: str = NANJING,
        port: str = "10690001",
        provider: str = "jia",
        account: str = "",
        category: Category | None = Category.MARKETING,
        state: str = "",
        scheduled: str = "",
        since: str = "",
        extra: tuple[tuple[int, bytes], ...] = (),
    ) -> Verdict:
        now = time_windows.moment(at)[0] if isinstance(at, str) else at
        key = (provider, account or provider, port, category, since)
        if key not in self.senders:
            taken_on = time_windows.moment(since)[0] if since else None
            self.senders[key] = Sender.of(provider, account or provider, port, port[:5], category, taken_on)
        due = time_windows.moment(scheduled)[0] if scheduled else None
        content = Content(text, state or ("readable" if text else "empty"), b"", None, due, extra)
        number = recipient_of(to)
        past = self.people[number]
        verdict = judge(Message(self.senders[key], number, content), past, self.rules, now, self.counts)
        if verdict.outcome is Outcome.ALLOW:
            self.sent += 1
            past.add(entry_of(self.sent, int(now), self.senders[key], verdict))
            for take in verdict.takes:
                self.counts.take(take, now)
        return verdict

    def says(self, text: str = AD, **how: object) -> str:
        """``allow``, or ``reject daily-cap``: outcome and rule in a word or two."""
        verdict = self.send(text, **how)  # type: ignore[arg-type]
        return f"{verdict.outcome.word} {verdict.rule}".strip()

    def refuses(
        self, to: str, scope: str, value: str = "", *, at: str = "2026-11-01", source: str = "reply", expiry: int = 0
    ) -> None:
        self.people[recipient_of(to)].refusals.append(OptOut(scope, value, int(time_windows.moment(at)[0]), source, expiry))


def entry_of(number: int, now: int, sender: Sender, verdict: Verdict) -> Entry:
    facts: Facts = verdict.facts
    return Entry(
        number, now, facts.signature_hash, sender.provider_hash, sender.port_hash,
        facts.category, facts.subcategory_code, verdict.template, facts.keyword_hash, 1,
        unsigned=0 if facts.signature else facts.counted_by,
    )  # fmt: skip


Write = Callable[..., Path]
Make = Callable[..., Bench]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write("rules: …", **{"lists/x.csv": "…"})`` → the folder ``rules`` with ``x.yaml`` and the files."""

    def write(text: str, files: dict[str, str] | None = None) -> Path:
        folder = tmp_path / "rules"
        for name, content in {"x.yaml": text, **(files or {})}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def make(write: Write) -> Make:
    """``make("- id: …")`` → a Bench with these rules."""

    def make(
        rules: str,
        files: dict[str, str] | None = None,
        *,
        head: str = "",
        regions: Regions | None = None,
        tag: int | None = None,
    ) -> Bench:
        body = "\n".join("  " + line for line in rules.strip("\n").splitlines())
        with scanners_kept():
            return Bench(load(write(f"{head}\nrules:\n{body}\n", files), regions=regions, category_tag=tag))

    return make
