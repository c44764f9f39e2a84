"""Finds a case's message, and who else received its text.

It searches the journal at rest, beside the gate. Never: a guess; a whole number on the screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.i18n.phrases import WORDS, Bilingual, both
from proxy.operations.files.journal_access import journals_of, keys_of, places_of, record_access
from proxy.operations.terminal import ask, fail, format_time, in_words_of_reader, print_answer

if TYPE_CHECKING:
    from proxy.archive.complaint_matching import Candidate, MatchResult
    from proxy.archive.secret_keys import ArchiveKeys
    from proxy.archive.similar_texts import SweepResult
    from proxy.config import ArchiveLocations


def _query_of(answer: Mapping[str, Any]) -> Any:
    from proxy.archive.complaint_matching import ComplaintQuery
    from proxy.desk.complaints.book import HIDDEN_DIGIT

    whole = answer["to"]
    recipient = int(whole) if HIDDEN_DIGIT not in whole else 0
    return ComplaintQuery(recipient, whole, answer["at"], answer["sender"], answer["text"], answer["came"])


def find_matches(answer: Mapping[str, Any], config: Path) -> MatchResult:
    import time

    from proxy.archive.complaint_matching import match as matching
    from proxy.desk.complaints.book import digits_agree
    from proxy.desk.search import command as find

    places = places_of(config, every=True)
    keys = keys_of(places)
    return matching(
        _query_of(answer),
        lambda question: find.run_search(places, keys, question, time.time()),
        lambda hit: keys.unseal(hit.sealed),
        digits_agree,
    )


def note_match(answer: Mapping[str, Any], message: str, why: str, config: Path, control: Path | None, json: bool) -> None:
    """Notes the named message, if it is among those that fit; its fields come from the journal, not from the person who types."""
    found = find_matches(answer, config)
    chosen = next((one for one in found.candidates if one.hit.name == message), None)
    if chosen is None:
        fail(f"match: message {message} is not among those that fit (gate106 complaint match {answer['id']} proposes some)")
    hit = chosen.hit
    done = ask(
        config, control, "complaint.match", id=str(answer["id"]), message=message, to=str(chosen.number) if chosen.number else None,
        provider=hit.provider, port=hit.port, signature=hit.signature or None, category=hit.category, sent=hit.at,
        why=f"{why} (score {chosen.score}: {'; '.join(chosen.why)})"[:500],
    )  # fmt: skip
    print_answer(done, json, [f"case {done['id']}: message {message} of {done['provider']}"])


def _candidate(one: Candidate) -> dict[str, Any]:
    from proxy.model.number import mask
    from proxy.model.redact import mask_numbers

    hit = one.hit
    return {
        "message": hit.name, "score": one.score, "why": list(one.why), "why_zh": [words.zh for words in one.why],
        "at": hit.at, "to": mask(one.number) if one.number else "",
        "provider": hit.provider, "from": hit.port, "signature": hit.signature, "category": hit.category, "text": mask_numbers(hit.text),
        "verdict": hit.verdict, "reason": hit.reason,
    }  # fmt: skip


def match_dict(found: MatchResult) -> dict[str, Any]:
    candidates, covered = [_candidate(one) for one in found.candidates], None
    if found.asked:
        read = found.asked[-1].covered
        covered = {"nodes": [span._asdict() for span in read.spans], "chain_holds": not (read.faults or read.missing)}
    return {"candidates": candidates, "within_s": found.within_s, "cut": found.cut, "covered": covered}


def match_lines(answer: Mapping[str, Any], found: MatchResult) -> Iterator[str]:
    from proxy.archive.complaint_matching import ambiguous
    from proxy.archive.search import HIDDEN
    from proxy.desk.search.command import coverage_lines

    for one in found.candidates:
        row = _candidate(one)
        about = f"{one.score:3}  {row['message']}  {format_time(row['at'])}  {row['to']}  {row['provider']} {row['from']}"
        yield Bilingual(f"{about}  {row['verdict']}", f"{about}  {WORDS[row['verdict']]}")
        yield both(f"     {in_words_of_reader(HIDDEN) if row['text'] == HIDDEN else row['text']}")
        yield f"     {'; '.join(one.why)}"
    if not found.candidates:
        yield "no message fits" + (f", from {found.within_s / 3600:g} h before to as long behind" if found.within_s else "")
        if not found.asked:
            yield "the case says too little to look for: the number's digits are hidden, and neither port, text nor time is known"
    if found.cut:
        yield "NOT COMPLETE: more messages fit port, text and time than are looked at (gate106 find, with a narrower time, sees the others)"
    if ambiguous(found.candidates):
        yield "several fit nearly as well: look at each"
    if found.candidates:
        yield f"note which it was: gate106 complaint match {answer['id']} --message {found.candidates[0].hit.name} --why …"
    if found.asked:
        yield from coverage_lines(found.asked[-1], None)


def sweep_campaign(
    answer: Mapping[str, Any], around_s: float, out: Path | None, why: str, config: Path, control: Path | None
) -> tuple[SweepResult, bool]:
    """Who else received the text; and whether the complainant's wording was searched, because the message itself is gone."""

    from proxy.archive import similar_texts
    from proxy.model.redact import csv_cell
    from proxy.operations.files.row_files import write_table

    places = places_of(config, every=True)
    keys = keys_of(places)
    known = _text_of(answer, places, keys)
    text, begins = known or (answer["text"], False)
    if not text:
        fail(f"case {answer['id']}: its message has no text to look for")
    if out is not None:
        record_access(places, control, "complaint sweep", f"case {answer['id']}", why=why, unmasked=True)
    found = similar_texts.sweep(
        places.archive.folder, journals_of(places), keys, text=text,
        signature=answer["signature"], port=answer["port"], since=answer["sent"] - around_s, until=answer["sent"] + around_s,
        persons=out is not None, begins=begins,
    )  # fmt: skip
    if out is not None:
        rows = (
            [keys.unseal(sealed), provider, csv_cell(port), format_time(ms / 1000)]
            for sealed, provider, port, ms in found.sealed
        )
        write_table(out, ("number", "provider", "port", "time"), rows, "号码 numbers")
    return found, known is None


def _text_of(answer: Mapping[str, Any], places: ArchiveLocations, keys: ArchiveKeys) -> tuple[str, bool] | None:
    """The text of the message (of a long one the first part), and whether it is only that; from the journal: the complainant may have typed
    another. Time and port are known, so it is found among any number. None if it is gone."""
    import time

    from proxy.archive.query import LIMIT_MAX, Query
    from proxy.desk.search import command as find

    sent = answer["sent"]
    for around_s in (0.002, 1.0):
        question = Query(since=sent - around_s, until=sent + around_s, sender=answer["port"], limit=LIMIT_MAX).checked()
        for hit in find.run_search(places, keys, question, time.time()).hits:
            if hit.name == answer["message"] and hit.first_text:
                return hit.first_text, hit.parts > 1
    return None


def sweep_lines(found: SweepResult, out: Path | None, *, typed: bool) -> Iterator[str]:
    if typed:
        yield "the message itself is not there any more: compared with what the complaint says of it"
    for one in found.campaign:
        name = f"【{one.signature}】" if one.signature else "(no signature)"
        yield f"{one.provider} {one.port} {name}: {one.passed:,} sent to {one.persons:,} people, {one.refused:,} refused"
    if not found.campaign:
        yield "nobody else got it"
    if found.truncated:
        yield "NOT COMPLETE: so many texts differ that not all were compared"
    for fault in (*found.covered.faults, *found.covered.missing):
        yield f"NOT COMPLETE: {fault}"
    if out is not None:
        yield f"{out}: {len(found.sealed):,} rows"
