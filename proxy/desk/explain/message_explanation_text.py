"""Formats an inquiry as text in two languages and as JSON.

In: an Inquiry. Out: lines, a dictionary for JSON. Never: a whole number that was not asked for; a digit of a code, or a recent code at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from proxy.archive import otp_texts
from proxy.config.mapping_reader import CHINA
from proxy.desk.backtest.differences import masked
from proxy.desk.backtest.result_text import iso
from proxy.desk.explain.message_explanation import Inquiry
from proxy.i18n import labels
from proxy.i18n.phrases import WORDS, in_language, term
from proxy.journal.records import answers, messages
from proxy.model.message import Category, Outcome
from proxy.model.number import mask
from proxy.model.recipient import EntryState
from proxy.policy.explanation.explain import Explanation
from proxy.policy.explanation.lines import as_text, titled
from proxy.policy.explanation.naming import about, fields
from proxy.policy.time_windows import local
from proxy.relay.effects.record_changes import Effect

RECEIVED_SHOWN = 10
NO_SETS: Mapping[str, str] = {}
EFFECTS = {
    Effect.ACCEPTED: "accepted", Effect.TAKEN_BACK: "refused by the carrier, not counted", Effect.UNKNOWN: "no answer, counted",
    Effect.LATE_ACCEPTED: "accepted late", Effect.LATE_TAKEN_BACK: "refused late, not counted",
    Effect.STILL_UNKNOWN: "refused, an earlier try may have arrived: counted",
    Effect.LATE_STILL_UNKNOWN: "refused late, an earlier try may have arrived: counted",
    Effect.PART_REFUSED: "a part was refused", Effect.LATE_PART: "a part was answered late",
}  # fmt: skip


def as_dict(found: Inquiry, node: int, now: float, *, whole: bool = False) -> dict[str, Any]:
    """What ``gate106 explain --message --json`` prints. ``whole``: with the whole number."""
    submit = found.verdict
    return {
        "message": f"{node}:{found.target.sequence}", "entry": found.target.entry_id or None, "at": iso(submit.time),
        "provider": submit.provider, "account": submit.account, "from": submit.port, "to": _person_of(submit, whole=whole) or None,
        "text": _text(found, now) or None, "parts": len(found.said), "revision": submit.revision or None, "verdict": _word(submit),
        "reason": submit.reason or None, "rule": _reported(found), "category": submit.category.word,
        "rules": [
            {"rule": found.names.of(submit.revision, number), "wants": outcome.word, "shadow": shadow}
            for number, outcome, shadow in submit.breaches
        ],
        "evidence": [{"rule": one.rule, "words": one.words} for one in found.evidence],
        "repeats": found.repeats,
        "answers": [
            {"at": iso(one.time), "effect": _effect(one), "status": one.status, "message_id": _id(one) or None}
            for one in found.answers
        ],
        "receipts": [{"at": iso(at), "state": state, "error": error or None} for at, state, error in found.receipts],
        "person": {
            "refusals": [
                {"scope": one.scope, "value": one.value, "since": iso(one.time) if one.time else None, "source": one.source}
                | fields(one, found.look_up)
                for one in found.refusals
            ],
            "received": [
                {"at": iso(one.time), "category": one.category.word, "state": EntryState(one.state).name.lower().replace("_", "-")}
                for one in found.received
            ],
            "refused_later": [
                {"at": iso(one.time), "scope": one.opt_out.scope, "value": one.opt_out.value} | fields(one.opt_out, found.look_up)
                for one in found.refused_later
            ],
            "erased": iso(found.erased) if found.erased else None,
        },
        "reproduced": found.reproduced if found.then is not None else None,
        "then": found.then.as_dict() if found.then is not None else None,
        "today": ({"revision": found.today_revision} | found.today.as_dict()) if found.today is not None else None,
    }  # fmt: skip


def as_lines(
    found: Inquiry, node: int, now: float, language: str, *, whole: bool = False, sets: Mapping[str, str] = NO_SETS
) -> Iterator[str]:
    """For people. ``whole``: with the whole number. ``sets``: sets of rules in words, by revision."""

    def put(english: str, chinese: str) -> str:
        return chinese if language == "zh" else english

    submit = found.verdict
    rule = _reported(found)
    reason = reason_zh = ""
    if submit.reason:
        reason = f" {submit.reason}" + (f" ({rule})" if rule else "")
        reason_zh = f" {labels.REASONS.get(submit.reason, submit.reason)}" + (f"（{titled(rule, found.then)}）" if rule else "")
    account_zh = " " if submit.account == submit.provider else f"（{submit.account}）"
    yield f"{put('message', '短信')} {node}:{found.target.sequence}{put(', ', '，')}{_exactly(submit.time)}"
    person = _person_of(submit, whole=whole) or "?"
    yield put(
        f"  {submit.provider} ({submit.account}) from {submit.port} to {person}: {_word(submit)}{reason}",
        f"  {submit.provider}{account_zh}从 {submit.port} 发往 {person}：{WORDS[_word(submit)]}{reason_zh}",
    )
    if text := _text(found, now):
        yield f"  {put('text', '文案')}      {text}"
    if len(found.said) > 1:
        yield put(f"  parts     {len(found.said)}", f"  分段      {len(found.said)}")
    yield from _beside(found, put)
    yield from _person(found, put, language)
    yield ""
    if found.then is None:
        yield put(
            f"it was not judged by rules, or those of then ({submit.revision or 'none'}) are not kept: the journal says all there is",
            f"未经规则判定，或当时的规则（{submit.revision or '无'}）没有保留：只有日志的记录",
        )
        return
    yield put(f"then, by revision {submit.revision}:", f"当时，规则版本 {sets.get(submit.revision, submit.revision)}：")
    if not found.reproduced:
        yield put(
            "  note: judged again it comes out otherwise than it was decided (other settings, or a fault of gate106)",
            "  注意：重新判定与当时不一致（设置已改，或 gate106 有误）",
        )
    yield from _indented(found.then, language)
    if found.today is not None:
        yield ""
        same = found.today_revision == submit.revision
        head = put(
            f"today's rules, revision {found.today_revision}",
            f"今天的规则，版本 {sets.get(found.today_revision, found.today_revision)}",
        )
        yield head + (put(": the same", "：相同") if same else put(", at that moment:", "，放在当时："))
        if not same:
            yield from _indented(found.today, language)


def _beside(found: Inquiry, put: Callable[[str, str], str]) -> Iterator[str]:
    for one in found.evidence:
        yield f"  {put('rests on', '依据')}  {put(one.rule + ': ', titled(one.rule, found.then) + '：')}{one.words}"
    for answer in found.answers:
        status = f", {answer.status:#x}" if answer.status else ""
        words = put(EFFECTS[Effect(answer.effect)], labels.ANSWERS[_effect(answer)])
        yield f"  {put('answer', '应答')}    {_exactly(answer.time)} {words}{status} {_id(answer)}".rstrip()
    for at, state, error in found.receipts:
        shown = put(state, labels.RECEIPTS.get(state, state))
        yield f"  {put('receipt', '回执')}   {_exactly(at)} {shown}" + (
            put(f" ({error})", f"（{error}）") if error.strip("0") else ""
        )
    if found.repeats:
        yield put(f"  sent again {found.repeats} times, refused each time", f"  原样重发 {found.repeats} 次，同样拒绝")


def _person(found: Inquiry, put: Callable[[str, str], str], language: str) -> Iterator[str]:
    for one in found.refusals:
        what = in_language(about(one, found.look_up), language)
        since = put(f" ({one.source}, {local(one.time)})", f"（{term(one.source).zh}，{local(one.time)}）") if one.time else ""
        yield f"  {put('had refused', '当时已拒收')} {what}{since}"
    for later in found.refused_later:
        what = in_language(about(later.opt_out, found.look_up), language)
        yield f"  {put('refused later', '之后拒收')} {what} · {_exactly(later.time)}"
    if found.erased:
        erased = _exactly(found.erased)
        yield put(
            f"  erased at their request ({erased}): messages that they had received are not named",
            f"  已按本人要求删除（{erased}）：当时收过的短信不再列出",
        )
    if found.received:
        last = [
            f"{local(one.time)} {in_language(term(one.category.word), language)}" for one in found.received[-RECEIVED_SHOWN:]
        ]
        more = len(found.received) - RECEIVED_SHOWN
        yield put("  counted then: ", "  当时计数的短信：") + put(", ", "、").join(last) + (f" (+{more})" if more > 0 else "")


def _indented(explanation: Explanation, language: str) -> Iterator[str]:
    yield from (f"  {line}" for line in as_text(explanation, language).splitlines())


def _person_of(submit: messages.VerdictRecord, *, whole: bool) -> str:
    """Empty where the number could not be read."""
    if not submit.recipient:
        return ""
    return f"{submit.recipient:011d}" if whole else mask(submit.recipient)


def _word(submit: messages.VerdictRecord) -> str:
    return Outcome.ALLOW.word if submit.entry is not None else submit.outcome.word


def _reported(found: Inquiry) -> str | None:
    submit = found.verdict
    if submit.entry is not None:
        return None
    objecting = [number for number, outcome, shadow in submit.breaches if not shadow and outcome is not Outcome.ALLOW]
    return found.names.of(submit.revision, objecting[0]) if objecting else None


def _text(found: Inquiry, now: float) -> str:
    """Nothing of a code that may still open something, no digit of any code."""
    code = may_be_code(found)
    return "" if code and found.verdict.time > now - otp_texts.HIDDEN_S else masked(found.text, code=code)


def may_be_code(found: Inquiry) -> bool:
    """What was never judged may be one."""
    submit = found.verdict
    if found.then is not None:
        facts = found.then.verdict.facts
        if Category.OTP in (facts.category, facts.classified):
            return True
    return otp_texts.is_code(submit.category.word, submit.reason, found.text, objected=bool(submit.breaches))


def _id(answer: answers.CarrierAnswer) -> str:
    return answer.carrier_id.partition(b"\0")[0].decode("utf-8", "replace")


def _exactly(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _effect(answer: answers.CarrierAnswer) -> str:
    return Effect(answer.effect).name.lower().replace("_", "-")
