"""Explains a verdict rule by rule: findings, and changes that help.

In: what judge takes. Out: an Explanation: ``as_dict`` for programs, words in two languages for people (lines.py prints them).
Never: a second way to decide: the verdict is judge's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxy.i18n.phrases import AND, COMMA, FIELDS, OR, THEN, Bilingual, any_of, as_written, both, in_language, joined, term
from proxy.model.message import Category, Content, Counters, Message, Outcome, Sender, Verdict
from proxy.model.number import Number, masked_repr, recipient_of
from proxy.model.recipient import HOLD_S, Recipient
from proxy.policy import time_windows
from proxy.policy.condition import All, AnyOf, Leaf, Not, OneOf, RecipientTest, Test, Tree, leaves
from proxy.policy.evaluation_plan import Rule
from proxy.policy.explanation import naming
from proxy.policy.explanation.condition_results import ConditionResults, suggestion_for
from proxy.policy.explanation.history import NOTHING, Past
from proxy.policy.incomplete_messages import undecided
from proxy.policy.judge import judge
from proxy.policy.limit import Limit
from proxy.policy.limit_counts import falls_back
from proxy.policy.recipient_share import is_inside, percent, share_words
from proxy.policy.registries.registered_contacts import Outside
from proxy.policy.registries.registry import HASH
from proxy.policy.registries.template_variables import digits_masked
from proxy.policy.reply_paths import AssumedPath, path_of
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.category import LIKELY, PADDED, SURELY, band_of
from proxy.policy.text.category_evidence import CategoryEvidence, Feature, evidence
from proxy.policy.text.found_contacts import Contact, described, found_contacts, found_links
from proxy.policy.text.text_analysis import TextAnalysis, pages_of

WORDS_SHOWN = 10  # of those found in a text
NOT_SEARCHED = naming.knows_none(naming.NOT_ASKED)


@dataclass(frozen=True, slots=True)
class RulePart:
    """What one rule had to say."""

    rule: str
    say: str
    mode: str
    says: Bilingual  # refuses | would refuse | exempts | does not apply | is within | not counted | waits | off
    why: Bilingual
    change: Bilingual
    """Of a rule that objects: what would have to change for it not to."""
    share: str = ""
    """Of recipients, for whom a rule in shadow is enforced: ``10%``. Empty for other rules."""
    in_share: bool = False
    """Whether the recipient is one of them."""
    basis: str = ""
    """What the rule's author gives as its ground; empty: nothing."""

    def as_dict(self) -> dict[str, Any]:
        """In English, with Chinese texts where they differ."""
        share = {"share": self.share, "in_share": self.in_share} if self.share else {}
        return share | {
            "rule": self.rule, "say": self.say, "basis": self.basis, "mode": self.mode, "says": str(self.says), "why": str(self.why),
            "change": str(self.change), "says_zh": in_language(self.says, "zh"), "why_zh": in_language(self.why, "zh"),
            "change_zh": in_language(self.change, "zh"),
        }  # fmt: skip


@masked_repr
@dataclass(frozen=True, slots=True)
class Explanation:
    verdict: Verdict
    province: str
    city: str
    evidence: CategoryEvidence
    parts: tuple[RulePart, ...]
    recipient: Number
    number: int = 0
    advertiser: str = ""
    """Who answers for the signature, if it is registered."""
    industry: str = ""
    """The advertiser's industry, where the sub-category follows from it."""
    filing: str = "none"
    licence: str = "none"
    """States of the signature's filing there and then, and of the advertiser's licences."""
    with_record: bool = True
    """Whether what the recipient received and refused, and what is used of limits, was looked at."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """What was found in the text; without the digits of a code."""
        if Category.OTP not in (self.verdict.facts.category, self.verdict.facts.declared):
            return self.evidence.features
        return tuple(one._replace(written=digits_masked(one.written)) for one in self.evidence.features)

    def as_dict(self) -> dict[str, Any]:
        """What ``gate106 explain --json`` prints."""
        verdict = self.verdict
        facts = verdict.facts
        found = self.evidence.classified
        again = (breach.again(self.number) for breach in verdict.breaches if breach.rule == verdict.rule)
        return {
            "verdict": verdict.outcome.word,
            "reason": verdict.reason.name if verdict.reason else None,
            "public_reason": verdict.reason.public if verdict.reason else None,
            "rule": verdict.rule or None,
            "province": self.province,
            "city": self.city,
            "category": facts.category.word,
            "declared": facts.declared.word,
            "classified": facts.classified.word,
            "subcategory": facts.subcategory or None,
            "signature": facts.signature or None,
            "advertiser": self.advertiser or None,
            "industry": self.industry or None,
            "filing_state": self.filing,
            "licence_state": self.licence,
            "keyword": facts.keyword or None,
            "marketing": {
                "band": band_of(found.band), "score": found.score, "likely_from": LIKELY, "surely_from": SURELY,
                "padded_code": found.band.endswith(PADDED),
            },
            "features": [feature._asdict() | {"shown": feature.shown} for feature in self.features],
            "not_before": next(map(time_windows.local, filter(None, again)), None),
            "rules": [part.as_dict() for part in self.parts],
        }  # fmt: skip


def explain(
    message: Message,
    recipient: Recipient,
    rules: RuleSet,
    now: float,
    counters: Counters,
    look_up: naming.LookUp = NOT_SEARCHED,
    *,
    with_record: bool = True,
) -> Explanation:
    """The verdict on a message and each rule's part in it. ``look_up``: of signatures that neither the registry nor the message knows.
    ``with_record``: whether ``recipient`` and ``counters`` are known; otherwise no counts are told."""
    verdict = judge(message, recipient, rules, now, counters)
    province, city = rules.regions.of(message.recipient)
    facts = verdict.facts
    names = naming.names_in(recipient.opt_outs())
    if facts.signature:
        names[facts.signature_hash] = naming.signature_written(facts.signature, message.content.text)
    known = naming.by_registry(rules.registry, naming.by_names(names, look_up))
    explainer = _Explainer(ConditionResults(message, recipient, rules, now, counters, verdict), known, with_record)
    registry, at, found = rules.registry, max(now, message.content.scheduled or 0.0), evidence(rules.reader, message.content)
    industry = registry.industry_of(facts.signature_hash)
    carrier = registry.carrier_of(message.sender.port, message.recipient) if registry.filings.names_carriers else ""
    return Explanation(
        verdict, province, city, found,
        tuple(explainer.part(rule) for rule in (*rules.rules, *rules.ordered)), Number(message.recipient), message.recipient,
        "" if HASH.fullmatch(owner := registry.advertiser_of(facts.signature_hash)) else owner,
        industry if industry == facts.subcategory != found.classified.subcategory else "",
        registry.filings.state_in(facts.signature, carrier, province, at), registry.licences_of(facts.signature_hash, at),
        with_record,
    )  # fmt: skip


def explain_text(
    rules: RuleSet,
    to: str,
    sender: str,
    text: str,
    provider: str,
    category: Category | None,
    at: float,
    since: float | None = None,
) -> Explanation:
    """The same for a message nobody sent, to a person nobody has written to. NotARecipient when ``to`` is none. ``since``: when the
    provider was taken on."""
    content = Content(text, "readable" if text else "empty", b"")
    message = Message(Sender.of(provider, provider, sender, "", category, since), recipient_of(to), content)
    return explain(message, Past(), rules, at, NOTHING, with_record=False)


class _Explainer:
    """One message, asked about rule by rule."""

    def __init__(self, standing: ConditionResults, look_up: naming.LookUp, with_record: bool) -> None:
        self._standing, self._look_up, self._with_record = standing, look_up, with_record

    def part(self, rule: Rule) -> RulePart:
        says, why = self._statement(rule)
        breach = self._standing.breached.get(rule.id)
        objects = breach is not None and breach.outcome is not Outcome.ALLOW
        change = suggestion_for(self._standing, rule, breach) if breach is not None and objects else NOTHING_MORE
        if rule.mode != "shadow" or not rule.share_ppm:
            return RulePart(rule.id, rule.say, rule.mode, says, why, change, basis=rule.basis)
        inside = is_inside(rule, self._standing.message.recipient)
        why = joined(THEN, (why, share_words(rule.share_ppm, inside=inside)))
        return RulePart(rule.id, rule.say, rule.mode, says, why, change, percent(rule.share_ppm), inside, rule.basis)

    def _statement(self, rule: Rule) -> tuple[Bilingual, Bilingual]:
        if rule.mode == "off":
            return OFF, Bilingual("the rule is switched off", "规则已关闭")
        waits = not self._standing.message.content.complete and undecided(rule.when)
        if waits and rule.id not in self._standing.breached:
            return WAITS, Bilingual("parts of the text are missing", "短信还不完整")
        unmet = list(self._unmet(rule.when))
        if unmet:
            return IDLE, joined(THEN, unmet)
        if rule.exempt:
            return EXEMPTS, ALL_HOLD
        counts = joined(THEN, self._counts(rule))
        breach = self._standing.breached.get(rule.id)
        if breach is None:
            return (
                (WITHIN if self._with_record else UNCOUNTED, counts)
                if counts
                else (SPARED, Bilingual("an exemption switches it off", "被豁免规则免除"))
            )
        says = (WOULD if breach.shadow else DOES)[breach.outcome]
        why = joined(THEN, (counts, *self._seen(rule.when), breach.evidence)) or ALL_HOLD
        if self._standing.at < rule.trial_until:
            until = time_windows.local(rule.trial_until)[:16]
            why = joined(THEN, (why, Bilingual(f"the rule is on trial until {until}", f"规则试行到 {until}，之后执行")))
        return says, why

    def _unmet(self, tree: Tree) -> Iterator[Bilingual]:
        """Conditions that keep a rule from applying, in words."""
        if isinstance(tree, All):
            for part in tree.parts:
                yield from self._unmet(part)
        elif not self._standing.holds(tree):
            yield self._word(tree)

    def _word(self, tree: Tree) -> Bilingual:
        if isinstance(tree, Not):
            plain = plainly(tree.part)
            return Bilingual(f"excluded: {plain}", f"被排除：{plain.zh}")
        if isinstance(tree, OneOf):
            judged = self._standing
            field = judged.rules.field(tree.field, judged.facts, judged.message, judged.at)
            names = tree.field in ("provider", "account")
            values = as_written(sorted(tree.values)) if names else any_of(sorted(tree.values))
            found = field if names else term(field).zh
            if tree.field == "template" and judged.misfit is not None:
                misfit = judged.misfit
                return Bilingual(
                    f"template is {field}, not {values} ({misfit})", f"模板是{found}，不是{values.zh}（{misfit.zh}）"
                )
            return Bilingual(f"{tree.field} is {field}, not {values}", f"{FIELDS[tree.field]}是{found}，不是{values.zh}")
        plain = plainly(tree)
        if not self._with_record and any(map(_of_record, leaves(tree))):
            return Bilingual(f"not looked at: {plain}", f"未查：{plain.zh}")
        return Bilingual(f"not true: {plain}", f"不成立：{plain.zh}")

    def _seen(self, tree: Tree) -> Iterator[Bilingual]:
        """What of text and person a rule that objects has found."""
        for leaf, negated in self._standing.rests_on(tree):
            if negated:
                continue
            if isinstance(leaf, Test) and leaf.scope == "words":
                pages = pages_of(self._standing.message.content)
                words = [one for one in leaf.vocabulary if any(page.says(one) for page in pages)]
                found = joined(COMMA, words[:WORDS_SHOWN])
                yield Bilingual(f"found: {found}", f"命中：{found.zh}")
            elif isinstance(leaf, Test) and leaf.word in ("url", "contact"):
                contacts = dict.fromkeys(
                    described(one, page) for page in pages_of(self._standing.message.content) for one in _contacts(leaf, page)
                )
                found = joined(COMMA, [*contacts][:WORDS_SHOWN])
                yield Bilingual(f"found: {found}", f"命中：{found.zh}") if found else leaf.words
            elif isinstance(leaf, Test) and leaf.scope == "path":
                rules = self._standing.rules
                as_then = isinstance(rules.paths, AssumedPath)
                yield leaf.words if as_then else path_of(self._standing.message.sender, rules.paths).words
            elif isinstance(leaf, OneOf) and leaf.field == "template" and self._standing.misfit is not None:
                yield self._standing.misfit
            elif isinstance(leaf, RecipientTest):
                yield from self._refusals() if leaf.word == "suppressed" else (leaf.words,)

    def _refusals(self) -> Iterator[Bilingual]:
        """What the person refused, of what is in force."""
        for one in self._standing.recipient.opt_outs():
            if not 0 < one.expiry <= self._standing.now:
                since, words = time_windows.local(one.time), naming.about(one, self._look_up)
                if naming.is_erasure(one):
                    yield words
                elif one.source == "doubtful" and self._standing.now < one.time + HOLD_S:
                    until = time_windows.local(one.time + HOLD_S)
                    english = f"{words} is held: a reply on {since} is doubtful, until somebody decides or {until}"
                    yield Bilingual(english, f"{words.zh} 暂停：{since} 的回复存疑，待人工判定，至 {until}")
                else:
                    yield Bilingual(
                        f"refused {words} by {one.source} on {since}", f"{since} 起拒收{words.zh}（{term(one.source).zh}）"
                    )

    def _counts(self, rule: Rule) -> Iterator[Bilingual]:
        for place, limit in enumerate(rule.limits):
            used = self._standing.used(rule, place)
            whose = self._whose(limit)
            if not self._with_record:
                yield Bilingual(f"limit: {limit.words}{whose}", f"上限：{limit.words.zh}{whose.zh}")
            elif limit.share:
                total = self._standing.whole(rule, place)
                yield Bilingual(
                    f"{used} of {total} ({limit.words}{whose})", f"{total} 条中占 {used} 条（{limit.words.zh}{whose.zh}）"
                )
            else:
                yield Bilingual(f"{used} used of {limit.words}{whose}", f"已用 {used}，上限：{limit.words.zh}{whose.zh}")

    def _whose(self, limit: Limit) -> Bilingual:
        """By what a limit counts a message that lacks a part of its key."""
        facts = self._standing.facts
        if not falls_back(limit, facts):
            return NOTHING_MORE
        by = f"port {facts.sender.prefix}" if facts.sender.prefix else f"provider {facts.sender.provider}"
        zh = f"端口 {facts.sender.prefix}" if facts.sender.prefix else f"通道商 {facts.sender.provider}"
        if facts.textless:
            return Bilingual(f" (no text that can be read: counted for {by})", f"（读不出内容，按{zh}计）")
        return Bilingual(f" (no signature: counted for {by})", f"（没有签名，按{zh}计）")


def _contacts(leaf: Test, page: TextAnalysis) -> list[Contact]:
    """The contacts of a text that a condition is about."""
    if isinstance(leaf.holds, Outside):
        return leaf.holds.outside(page)
    every = [*found_links(page), *found_contacts(page)]
    if leaf.reads == "handles" and not leaf.vocabulary:
        return every
    known = page.known(leaf.vocabulary) or (page.links if leaf.word == "url" else page.contacts)
    kind = "link" if leaf.word == "url" else "phone"
    return [next((each for each in every if each.key == one), Contact(kind, one)) for one in known]


def _of_record(leaf: Leaf) -> bool:
    """Whether a condition looks into what is known of the person, not into lists of the rules or the message."""
    return isinstance(leaf, RecipientTest) and leaf.numbers is None and leaf.word in RECORD_WORDS


def plainly(tree: Tree) -> Bilingual:
    """A condition in words."""
    if isinstance(tree, (OneOf, Test, RecipientTest)):
        return both(tree.words)
    if isinstance(tree, Not):
        inner = plainly(tree.part)
        return Bilingual(f"not ({inner})", f"非（{inner.zh}）")
    parts = [plainly(part) for part in tree.parts]
    return joined(OR if isinstance(tree, AnyOf) else AND, (Bilingual(f"({one})", f"（{one.zh}）") for one in parts))


NOTHING_MORE = Bilingual("", "")
OFF, WAITS, IDLE = Bilingual("off", "关闭"), Bilingual("waits", "待全文"), Bilingual("does not apply", "不适用")
EXEMPTS, WITHIN, SPARED = Bilingual("exempts", "豁免"), Bilingual("is within", "未超限"), Bilingual("is spared", "被豁免")
RECORD_WORDS = frozenset({"suppressed", "consent", "preferences"})
UNCOUNTED = Bilingual("not counted", "未计用量")
WITHOUT_RECORD = Bilingual(
    "What this person received, refused and consented to, and what is used of limits, is not counted.",
    "不计此人收过和退订过的短信、给过的同意，也不计已用的额度。",
)
"""What stands beside an explanation without a record."""
ALL_HOLD = Bilingual("all its conditions hold", "条件全部成立")
DOES = {
    Outcome.REJECT: Bilingual("refuses", "拒绝"),
    Outcome.DEFER: Bilingual("defers", "暂缓"),
    Outcome.ALLOW: Bilingual("tags", "标记"),
}
WOULD = {
    Outcome.REJECT: Bilingual("would refuse", "影子拒绝"),
    Outcome.DEFER: Bilingual("would defer", "影子暂缓"),
    Outcome.ALLOW: Bilingual("would tag", "影子标记"),
}
