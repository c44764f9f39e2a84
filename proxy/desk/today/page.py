"""Shows how the gate does now: verdicts, providers and rules."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.responses import Response

from proxy.console.metric_sampling import MINUTE_S, VERDICTS, Sampling, sums
from proxy.console.page import Page, PageRequest
from proxy.desk.today.counters_operations import ORDERS, ROWS_MAX
from proxy.i18n.labels import without_account
from proxy.model.roles import Permission
from proxy.policy import time_windows
from proxy.policy.time_windows import DAY_S, local

page = Page("today", "/", wants=Permission.SEE, place=10)

ROWS = 8
SPARK = 150
"""Moments of the lines: five minutes."""
COLUMNS = 60
"""Minutes of the columns."""
NAMED = 5
"""One minute in this many has a label: those of a clock's face."""
REASONS_SHOWN = 2
SHORTCUTS = (
    ("ban", "drafts", "/drafts/new?kind=ban"), ("cap", "drafts", "/drafts/new?kind=cap"), ("quiet", "drafts", "/drafts/new?kind=quiet"),
    ("rollback", "rules", "/rules/history#rollback"),
    ("suppressed", "optouts", "/optouts/lists#import"), ("consents", "optouts", "/optouts/consents#import"),
    ("signature", "tables", "/tables#signature"), ("requests", "requests", "/requests"),
    ("complaints", "complaints", "/complaints#import"), ("month", "month", "/reports/month"),
)  # fmt: skip
"""What is begun most often: word, page, and the address of its form."""
COMPARED = {
    "submitted": ("allow", "defer", "reject"), "passed": ("allow",), "rejected": ("reject",), "deferred": ("defer",), "optouts": ("optouts",),
}  # fmt: skip
"""Rows of the comparison, and what each counts."""
WAITS = "waits for a second person"
"""What notes say of tasks that the page lists itself."""
ORDER = re.compile(r"((stop|suspension|throttle|shadow|drain)-[0-9]+)(：|: )(.*)", re.DOTALL)
PENALTY = re.compile(r"\bpenalty-([0-9]+)")
KEPT_OUT = "rules: the folder's set"
"""How the note begins that the page has words of its own for."""


class Task(NamedTuple):
    """Something that waits for a person."""

    word: str
    number: int
    page: str
    path: str
    mine: bool
    """Whether whoever looks may do it."""
    late: bool = False


@page.get()
async def show(request: PageRequest) -> Response:
    return request.render(shortcuts=SHORTCUTS, **await seen(request))


@page.get("today/live", renews=True)
async def live(request: PageRequest) -> Response:
    return request.part("live", **await seen(request))


@page.get("today/waits", renews=True)
async def waits(request: PageRequest) -> Response:
    """Everything that waits for a person: it changes seldom, and takes several questions."""
    ready, rules = await asyncio.gather(request.asking.ready(), request.ask("rules"))
    return request.part(
        "waits", why=ready["why"],
        notes=[
            _note(request, one)
            for one in ready["notes"]
            if not (rules["kept_out"] and one.startswith(KEPT_OUT)) and WAITS not in one
        ],
        kept_out=rules["kept_out"], waiting=await tasks(request, rules["proposed"]),
    )  # fmt: skip


def _note(request: PageRequest, said: str) -> str:
    """What the gate says; an order's kind and a penalty in words instead of their ids."""
    text = request.t.in_language(without_account(said))
    if (order := ORDER.fullmatch(text)) is not None:
        text = request.t.of("order", order[2]) + order[3] + order[4]
    return PENALTY.sub(lambda found: request.t("penalty", number=found[1]), text)


async def tasks(request: PageRequest, proposed: dict[str, Any] | None) -> list[Task]:
    """What waits for somebody, what waits for whoever looks first. ``proposed``: the set of rules that waits."""
    penalties, filings = await asyncio.gather(
        request.ask("penalty.list", state="proposed"), request.lines("filing.tasks", days=0, who=request.who)
    )
    enters, approves = request.may(Permission.ENTER), request.may(Permission.APPROVE)
    found = [
        *_by_another(request, "proposed", "proposal", "/proposal", [proposed] if proposed else [], approves),
        *_by_another(request, "penalties", "penalties", "/penalties?state=proposed", penalties["penalties"], approves),
        *_of_filings(request.who, [one["kind"] for line in filings[0] for one in line["tasks"]]),
    ]
    if request.may(Permission.LOOK):
        doubtful, cases, feeds, erasures, batches = await asyncio.gather(
            request.ask("optout.doubtful", limit=0), request.ask("complaint.list", overdue=True, limit=1),
            request.ask("recycled.list", state="proposed"), request.ask("subject.list-requests", state="proposed"),
            request.lines("consent", state="unreviewed"),
        )  # fmt: skip
        counts = doubtful["counts"]
        proved = [
            one | {"author": one["who"].partition(" (")[0]} for line in batches[0] for one in line["batches"] if one["proof"]
        ]
        found[:0] = [
            Task("due_today", cases["due_today"], "complaints", "/complaints?state=due", enters),
            Task("overdue", sum(cases["overdue"].values()), "complaints", "/complaints?state=overdue", enters, late=True),
            Task("doubtful", counts["open"], "doubtful", "/doubtful", enters, late=bool(counts["overdue"])),
        ]
        found += [
            Task("unanswered", cases["unanswered"], "complaints", "/complaints?state=unanswered", enters),
            *_by_another(request, "feeds", "recycled", "/recycled", feeds["feeds"], approves),
            *_by_another(request, "erasures", "requests", "/requests", erasures["requests"], approves),
            *_by_another(request, "proofs", "optouts", "/optouts/consents", proved, request.may(Permission.REVIEW)),
        ]
    return [one for one in found if one.number]


def _of_filings(who: str, kinds: list[str]) -> Iterator[Task]:
    """A task each for what is to be done: a refused filing is not a filing that ended."""
    for kind, number in Counter(kinds).items():
        yield Task(f"filings.{kind}", number, "filings", f"/filings?days=0&kind={kind}&who={quote(who)}", True)


def _by_another(
    request: PageRequest, word: str, page_name: str, path: str, rows: list[dict[str, Any]], may: bool
) -> Iterator[Task]:
    """Rows that another person than their author decides: those for whoever looks, and the others."""
    mine = sum(may and one["author"] != request.who for one in rows)
    yield Task(word, mine, page_name, path, True)
    yield Task(word, len(rows) - mine, page_name, path, False)


@page.get("today/compared")
async def compared(request: PageRequest) -> Response:
    """Today beside yesterday and the same day last week, each up to now; and yesterday, which is over."""
    answer = (await request.run("today", "--json", fine=(0,))).json
    tables = [(word, _table(one)) for word, one in (("today", answer), ("yesterday", answer["yesterday"])) if one["days"]]
    behind = not answer["days"]
    return request.part(
        "compared", tables=tables, behind=behind, archived=local(answer["archived"])[:16] if answer["archived"] else ""
    )


def _table(found: dict[str, Any]) -> dict[str, Any]:
    days = found["days"]
    whole = found["until"] - days[0]["since"] >= DAY_S
    return {
        "until": "" if whole else local(found["until"])[11:16], "days": [local(one["since"])[5:10] for one in days], "rows": _rows(days),
        "reasons": list(days[0]["reasons"].items())[:REASONS_SHOWN],
    }  # fmt: skip


def _rows(days: list[dict[str, Any]]) -> list[tuple[str, int, list[tuple[int, str] | None]]]:
    """(what, today's, of each other day its count and today's difference; None where nothing is known of it)."""
    today, *others = (one["counts"] for one in days)
    found = []
    for what, kinds in COMPARED.items():
        now = _sum(today, kinds)
        found.append((what, now, [None if one is None else _beside(now, _sum(one, kinds)) for one in others]))
    return found


def _sum(counts: dict[str, int], kinds: tuple[str, ...]) -> int:
    return sum(counts.get(one, 0) for one in kinds)


def _beside(now: int, then: int) -> tuple[int, str]:
    """(then's count, the difference in per cent); no difference of nothing."""
    return then, f"{(now - then) / then:+.0%}" if then else ""


async def seen(request: PageRequest) -> dict[str, Any]:
    sampling = request.app.sampling
    sampling.look()
    if not sampling.now:
        await sampling.sample()
    return {"now": sampling.now, "failed": sampling.failed, **(figures(sampling) if sampling.now else {})}


def figures(sampling: Sampling) -> dict[str, Any]:
    now = sampling.now
    by_verdict = sums(now)
    total = sum(by_verdict.values())
    recent = list(sampling.recent)[-SPARK:]
    return {
        "total": total, "by_verdict": by_verdict, "per_s": sampling.per_s, "rate": [sum(one.per_s.values()) for one in recent],
        "refused": [one.per_s["reject"] + one.per_s["defer"] for one in recent], "minutes": _minutes(sampling, now["at"]),
        "first": int(-(now["at"] // MINUTE_S - COLUMNS + 1) % NAMED),
        "peak": max((sum(one.per_s.values()) for one in recent), default=0.0), "allowed": [one.per_s["allow"] for one in recent],
        "providers": [_provider(*row) for row in now["providers"][:ROWS]], "rules": now["rules"][:ROWS], "titles": now.get("titles", {}),
        "orders": ORDERS,
        "shadow": now["shadow"][:ROWS], "since": sampling.since, "links_up": sum(up for _, up, _, _ in now["links"]),
        "links_all": sum(slots for _, _, slots, _ in now["links"]),
        "more": {name: _more(len(now[name])) for name in ("providers", "rules", "shadow")},
    }  # fmt: skip


def _more(known: int) -> str:
    """How many rows are not shown: of ROWS_MAX nobody knows how many there are; empty where all are."""
    return f"{known - ROWS}{'+' if known == ROWS_MAX else ''}" if known > ROWS else ""


def _minutes(sampling: Sampling, now: float) -> list[tuple[str, list[tuple[str, float]]]]:
    """The last hour, minutes without a word included: a column keeps its place."""
    known, last = {one.at: one.counted for one in sampling.minutes}, now // MINUTE_S * MINUTE_S
    hour = [last - MINUTE_S * back for back in reversed(range(COLUMNS))]
    return [
        (time_windows.local(at)[11:16], [(verdict, known.get(at, {}).get(verdict, 0.0)) for verdict in VERDICTS]) for at in hour
    ]


def _provider(name: str, verdicts: dict[str, int], binds: int) -> dict[str, Any]:
    counts = {verdict: verdicts.get(verdict, 0) for verdict in VERDICTS}
    return {"name": name, "binds": binds, "sent": sum(verdicts.values()), **counts}
