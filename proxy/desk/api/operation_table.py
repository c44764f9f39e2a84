"""Lists every API operation: path, permission, parameters and answer.

Routes, roles and the OpenAPI document follow from this table.

In: nothing. Out: OPERATIONS. Never: how an operation is carried out (dispatch.py).

A path follows the command line: ``gate106 complaint decide`` is ``POST /api/complaint/decide``. Operations that only report the gate's state
are GET. Operations that change something, or name a person (no address may hold a number), are POST.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.desk.api.parameters import (
    WHY_MAX,
    Arg,
    ChoiceParameter,
    FilesParameter,
    FlagParameter,
    IntegerParameter,
    ListParameter,
    NumberParameter,
    TextParameter,
)
from proxy.desk.api.schemas import (
    BATCH,
    BIND,
    CASE,
    LINK,
    NAME_FIELDS,
    ORDER,
    PENALTY,
    PROBE,
    REFUSAL,
    REPLY_PATH,
    REVISED,
    WITHDRAWAL,
)
from proxy.desk.complaints.book import DECISIONS
from proxy.desk.consents.operations import CATEGORIES
from proxy.desk.operator_orders.operations import LEAST_S, SHADOW_S_MAX, STOP_S_MAX, SUSPENSION_S_MAX
from proxy.desk.optouts.doubtful_operations import LISTED_ROWS_MAX, SAYS, SKIPPED_MAX
from proxy.desk.optouts.doubtful_operations import STATES as DOUBTFUL_STATES
from proxy.desk.penalties.operations import FOR_S_MAX as PENALTY_S_MAX
from proxy.desk.reply_paths.probes import WITHIN_S_MAX as PROBE_S_MAX
from proxy.desk.suppression.operations import FOR_S_MAX, SOURCES
from proxy.journal.records.complaints import STATES as CASE_STATES
from proxy.journal.records.complaints import WITHDRAWN
from proxy.journal.records.penalties import LADDER
from proxy.journal.records.penalties import STATES as PENALTY_STATES
from proxy.model.message import CATEGORY_WORDS
from proxy.model.roles import COMMANDS, Permission
from proxy.policy.operator_orders import DIMENSIONS
from proxy.relay.effects.reply_paths import STATES as PATH_STATES
from proxy.state.lists.consent_lists import STATES as CONSENT_STATES
from proxy.state.record.packed_facts import SCOPES

WATCH_S_MAX = 20.0
"""An answer must come before the connection times out."""
FILE_BYTES_MAX = 32 << 20
CSV, PDF, ZIP, HTML = "text/csv", "application/pdf", "application/zip", "text/html"


class ControlCommand(NamedTuple):
    """A command of the control socket."""

    name: str
    lines: str = ""
    """What each line before the last holds: rows, or one row; ``*``: the line itself."""
    under: str = ""
    """The name under which the rows stand in the answer; the same as ``lines`` if empty."""


class Program(NamedTuple):
    """A program of the command line, which reads files without the gate."""

    words: str
    takes: bool = False
    """Whether the body is a file for it."""
    out: str = ""
    """The option that names the file it writes, ``-`` for an argument without a name; that file is the answer."""
    media: str = ""


class Operation(NamedTuple):
    path: str
    by: ControlCommand | Program
    permission: Permission
    summary: str
    args: tuple[Arg, ...] = ()
    answer: Any = object
    reads: bool = False
    """It changes nothing and names no person: GET."""

    @property
    def method(self) -> str:
        return "GET" if self.reads else "POST"

    @property
    def name(self) -> str:
        return self.path.removeprefix("/api/").replace("/", ".")


def _get(name: str, summary: str, *args: Arg, answer: Any, lines: str = "", under: str = "") -> Operation:
    """A command of the socket by GET."""
    return Operation(
        f"/api/{name.replace('.', '/')}", ControlCommand(name, lines, under), COMMANDS[name], summary, args, answer, reads=True
    )


def _post(name: str, summary: str, *args: Arg, answer: Any, lines: str = "", under: str = "") -> Operation:
    """A command of the socket by POST."""
    return Operation(
        f"/api/{name.replace('.', '/')}", ControlCommand(name, lines, under), COMMANDS[name], summary, args, answer
    )


def _program(
    words: str, permission: Permission, summary: str, *args: Arg, answer: Any = object, path: str = "", **how: Any
) -> Operation:
    return Operation(f"/api/{path or words.replace(' ', '/')}", Program(words, **how), permission, summary, args, answer)


def _text(name: str, summary: str, maximum: int = 1000, required: bool = False, option: str = "", pattern: str = "") -> Arg:
    return Arg(name, TextParameter(maximum, pattern), summary, required, option)


def _seconds(summary: str, maximum: float, required: bool = False, name: str = "for_s", minimum: float = LEAST_S) -> Arg:
    return Arg(name, NumberParameter(minimum, maximum), summary, required)


_DURATION = "[0-9]{1,6}[smhd]"
_MOMENT = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?: (?:[01][0-9]|2[0-3]):[0-5][0-9])?"
_DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_BATCH = TextParameter(11, "[0-9]{1,11}")

WHY = _text("why", "Why: the journal keeps it.", WHY_MAX, required=True)
WHY_LOOKS = _text("why", "Why somebody looks: the journal keeps it.", WHY_MAX)
TO = _text("to", "The person's number, in any spelling.", 100, required=True)
UNMASKED = Arg("unmasked", FlagParameter(), "With the whole number; needs `why` and a role that may.")
CASE_ID = _text("id", "The case's number.", 17, required=True, option="-", pattern="[0-9]{1,17}")
PENALTY_ID = _text("id", "The penalty's number.", 17, required=True, option="-", pattern="[0-9]{1,17}")
PROVIDER = _text("provider", "A provider of the settings.", required=True)
OF_PROVIDER = _text("provider", "Only of this provider.")
CATEGORIES_OF = Arg("category", ListParameter(ChoiceParameter(tuple(CATEGORY_WORDS))), "Only these categories.")
FROM = _text("from", "The port (source address).", 20)
CATEGORY = Arg("category", ChoiceParameter(tuple(CATEGORY_WORDS)), "If it was declared.")
MATCHED = _text("message", "The message: node and record (`0:4711`), or an id of the carrier's.", 80)
BATCHES = Arg("batches", ListParameter(_BATCH, minimum=1), "Which batches, by number.", True)
REVISION = _text("revision", "Of a set of rules.", 16, required=True, pattern="[0-9a-f]{16}")
_LANG = Arg("lang", ChoiceParameter(("zh", "en")), "The language of words for people.")

_GATE = (
    _get("whoami", "Whom the gate takes you for.", answer={"name": str, "roles": [str], "by_token": bool, "program": bool}),
    _get(
        "counters", "What was counted since the gate started, and what it holds now.",
        answer={
            "at": float, "lives": [(str, object)], "verdicts": [(str, str, int)], "reasons": [(str, int)], "providers": [(str, object, int)], "providers_in_all": int,
            "rules": [(str, int)], "shadow": [(str, int)], "optouts": int, "sent_after_optout": int, "judge_errors": int, "binds": int,
            "links": [(str, int, int, int)], "orders": int,
        },
    ),
    _get("binds", "Providers' connections.", answer={"binds": [BIND]}),
    _post(
        "binds.kick", "Ends connections: of a provider, an account, or one.",
        OF_PROVIDER, _text("account", "Only of this account."), Arg("id", IntegerParameter(1, 2**53), "Only this one."), WHY, answer={"kicked": [BIND]},
    ),
    _get("providers", "How each provider does, about an hour back.", answer={"at": float, "since": float, "providers": [object]},
          lines="provider", under="providers"),
    _get("providers.show", "One of them, minute by minute.", PROVIDER, answer=object),
    _get("links", "Connections to carriers.", answer={"links": [LINK]}),
    _post(
        "links.drain", "A link, or all of an account, takes no new message and unbinds when it has its answers.",
        _text("name", "`bj/1`, or `bj` for all of them.", required=True), _seconds("For so long; a day.", 7 * 86_400.0), WHY, answer=ORDER,
    ),
    _post("links.enable", "It binds again.", _text("name", "As it was drained.", required=True), WHY, answer={"lifted": [ORDER]}),
    _post(
        "trace", "PDUs as they pass, veiled, for some seconds.",
        _text("provider", "Only a provider's."), _text("carrier", "Only a carrier account's."), _text("to", "Only a person's.", 100),
        _text("address", "Only from this address or network.", 100), _seconds("For so long.", WATCH_S_MAX, True, minimum=0.1),
        Arg("count", IntegerParameter(1, 10_000), "At most so many."), Arg("full", FlagParameter(), "Numbers and texts whole; needs `why`."), WHY_LOOKS,
        answer={"lines": [object], "shown": int, "not_shown": int}, lines="*", under="lines",
    ),
    _post(
        "journal.expire", "Removes segments of the journal that are older than they are kept.",
        Arg("dry_run", FlagParameter(), "Only tell what would go."), WHY_LOOKS,
        answer={"dry_run": bool, "removed": object, "kept": object, "stays_for": str},
    ),
    _program("journal heads", Permission.LOOK, "The signed heads of days, the newest first.", Arg("days", IntegerParameter(1, 1000), "So many of each node."),
         answer={"heads": [{"day": str, "node": int, "last": int, "digest": str}]}),
    _program("journal show", Permission.LOOK, "Records of the journal as text, with masked numbers.", Arg("record", IntegerParameter(1, 2**63 - 1), "The first one's number.", True, "-"),
         Arg("count", IntegerParameter(1, 10_000), "So many."), answer={"records": [str]}),
    _program("journal verify", Permission.LOOK, "Whether every record and table is as it was written.", answer=object),
)  # fmt: skip

_ORDERS = (
    _post(
        "stop", "Refuses messages from now on; with `watch_s` only counts what it would refuse.",
        *(Arg(name, ListParameter(TextParameter()), f"Only of such: {name}.") for name in DIMENSIONS),
        _seconds("For so long; a day.", STOP_S_MAX), _seconds("Try it for so long, and stop nothing.", WATCH_S_MAX, name="watch_s", minimum=0),
        WHY, answer=ORDER,
    ),
    _get("stop.list", "All that is ordered, with how often each has refused.", answer={"orders": [ORDER]}),
    _post("stop.lift", "Ends an order.", _text("id", "Its name or number.", 40, required=True), WHY, answer={"lifted": [ORDER]}),
    _post("suspend", "A provider may send nothing, or nothing of some categories.", PROVIDER, CATEGORIES_OF,
          _seconds("For so long; a day.", SUSPENSION_S_MAX), WHY, answer=ORDER),
    _post("resume", "Ends suspensions.", PROVIDER, CATEGORIES_OF, WHY, answer={"lifted": [ORDER]}),
    _post("shadow", "No rule is enforced for a while, all are judged.", _seconds("For so long.", SHADOW_S_MAX, True),
          Arg("everything", FlagParameter(), "Also rules that protect people."), WHY, answer=ORDER),
    _post("shadow.off", "Rules are enforced again.", WHY, answer={"lifted": [ORDER]}),
)  # fmt: skip

_RULES = (
    _get(
        "rules", "Which rules are in force, and how often each spoke in the last minute.",
        answer={
            "revision": str, "since": float, "problem": str, "proposed": Any, "kept_out": str, "apart": str, "four_eyes?": bool,
            "files": [{"file": str, "rules": int}], "orders": [ORDER],
            "rules": [{"rule": str, "mode": str, "say": str, "where": str, "hits_last_minute": int}],
        },
    ),
    _get("rules.history", "Which sets came and went, the newest first.", Arg("last", IntegerParameter(1, 100), "So many."),
          answer={"events": [REVISED], "kept": int}),
    _get("rules.hits", "What each rule objected to in the last day.",
          answer={"since": float, "until": float, "rules": [{"rule": str, "hits": object, "shadow": object}]}, lines="rules"),
    _post("rules.push", "Rules files, without writing them into the gate's folder: with two persons they wait for the second.",
          Arg("files", FilesParameter(), "Names and texts; others stay as they are.", True),
          _text("on", "The revision they were made of.", 16, required=True, pattern="[0-9a-f]{16}"), WHY, answer=REVISED),
    _post("rules.withdraw", "Takes back the set that you have proposed.", REVISION, WHY, answer=REVISED),
    _post("rules.reload", "Reads rules and accounts again.", answer={"revision": str, "changed": bool, "proposed": str, "problems": [str], "late?": [str]}),
    _post("rules.approve", "Agrees, as a second person, to the set that waits.", REVISION, answer=REVISED),
    _post("rules.reject", "Turns the set down that waits.", REVISION, WHY, answer=REVISED),
    _post("rules.rollback", "Puts an earlier set into force.",
          _text("revision", "Which; the one before where none is named.", 16, pattern="[0-9a-f]{16}"), WHY, answer=REVISED),
    _post("rules.take", "Takes the folder's set though it was rolled back or turned down.", WHY, answer=REVISED),
    _program("rules export", Permission.TAKE_OUT, "The files of a set, with its lists of numbers, as a ZIP.",
         _text("revision", "Which; what is in force.", 16, pattern="[0-9a-f]{4,16}"), WHY, out="-", media=ZIP),
    _program("check", Permission.SEE, "What is wrong with the folder's rules, and whether their tests hold.", answer=object),
    _program(
        "backtest", Permission.LOOK, "What other rules would have made of what was sent.",
        _text("rules", "A set that is kept, by the first digits of its revision; the folder's where none is named.", 16, pattern="[0-9a-f]{4,16}"),
        _text("since", "How far back from the journal's end.", 8, pattern=_DURATION), answer=object,
    ),
)  # fmt: skip

_MESSAGES = (
    _program(
        "find", Permission.LOOK, "Messages by what is known of them; with nothing found, what was looked through.",
        _text("to", "The person's number, in any spelling.", 100), _text("at", "About when it came (Beijing time).", pattern=_MOMENT),
        _text("within", "How far from `at`.", 8, pattern=_DURATION), _text("since", "From when on, instead.", pattern=_MOMENT),
        _text("until", "And up to when.", pattern=_MOMENT), _text("from", "Some digits of the port.", 20, pattern="[0-9]{1,20}"),
        _text("signature", "What stands in 【】, or a part of it.", 100), _text("text", "Some words of it.", 200),
        _text("provider", "Who sent it.", 100), Arg("verdict", ChoiceParameter(("allow", "defer", "reject")), "What was decided."),
        _text("reason", "Why it was refused.", 60), Arg("limit", IntegerParameter(1, 1000), "So many, the newest."), UNMASKED, WHY_LOOKS,
        Arg("prove", FlagParameter(), "Read every file the answer stands on."),
        answer={"messages": [object], "more": Any, "events": [object], "covered": object},
    ),
    _post(
        "explain", "What would be decided now about a message to a person, by what is known of them.",
        TO, Arg("from", TextParameter(20), "The port (source address).", True), _text("text", "What it says.", 3060), OF_PROVIDER, CATEGORY,
        answer={
            "revision": str, "verdict": str, "reason": str | None, "public_reason": str | None, "rule": str | None, "province": str, "city": str,
            "category": str, "declared": str, "classified": str, "subcategory": str | None, "signature": str | None,
            "advertiser": str | None, "keyword": str | None, "marketing": object, "features": [object], "not_before": str | None, "rules": [object],
        },
        lines="rows", under="rules",
    ),
    _program(
        "explain", Permission.LOOK, "Why a message that was sent was decided so, and what today's rules would say.",
        Arg("message", TextParameter(80), "Node and record (`0:4711`), or an id of the carrier's.", True), UNMASKED, WHY_LOOKS,
        answer=object, path="explain/message",
    ),
    _program("precheck", Permission.SEE, "What would become of a campaign: a text a line, or CSV.", FROM, OF_PROVIDER, CATEGORY, _LANG,
         answer={"revision": str, "refused": Any, "texts": [object]}, takes=True),
    _get(
        "optout.paths", "By which ports replies reach the gate: each registered prefix, those in doubt first.",
        Arg("state", ChoiceParameter(PATH_STATES), "Only these."), OF_PROVIDER,
        answer={"at": float, "rate": float, "paths": [REPLY_PATH]}, lines="path", under="paths",
    ),
    _post(
        "optout.probe", "Sends a test message from a port to test numbers; `optout.probes` has what became of it.",
        Arg("port", TextParameter(20), "From this port, with its extension.", True), Arg("to", ListParameter(TextParameter(40)), "These of the registered test numbers; all of them."),
        _text("keyword", "What is to be replied; TD.", 40), _seconds("A reply must come within.", PROBE_S_MAX, name="wait_s", minimum=1), WHY,
        answer=PROBE,
    ),
    _get("optout.probes", "The last probe of each port prefix, the newest first.",
          answer={"at": float, "probes": [PROBE]}, lines="probe", under="probes"),
    _program("optout trace", Permission.LOOK, "What became of a person's refusals.", TO, UNMASKED, WHY_LOOKS, answer=object),
    _program(
        "evidence pack", Permission.TAKE_OUT, "A signed ZIP of all there is about one message.",
        MATCHED, _text("case", "Of the message of this case, instead.", 17, pattern="[0-9]{1,17}"), UNMASKED,
        Arg("chain", FlagParameter(), "With the journal's own bytes: needs `unmasked`."), WHY, out="--out", media=ZIP,
    ),
    _program("report", Permission.SEE, "The sheet of a day.", _text("day", "Which; yesterday.", pattern=_DAY),
         Arg("least", IntegerParameter(1, 1_000_000), "Smaller numbers are not told apart."), answer=object),
    _program("report", Permission.SEE, "The sheet of a day on paper.", _text("day", "Which; yesterday.", pattern=_DAY), _LANG,
         path="report/pdf", out="--pdf", media=PDF),
)  # fmt: skip

_ROW = _text("row", "The row's name.", 12, required=True, option="-", pattern="[0-9a-f]{12}")
_HELD = {"scope": str, "value": str, "advertiser": str, "signature": str, "about": str, "about_zh": str}
_ANSWERED = {"category": str, "signature": str, "advertiser": str, "text": str}

_PEOPLE = (
    _get(
        "optout.doubtful", "Replies that may be a refusal, by rows of equal words in an equal context; or what was decided about them.",
        Arg("state", ChoiceParameter(DOUBTFUL_STATES), "Which; open."), Arg("limit", IntegerParameter(0, LISTED_ROWS_MAX), "So many; 0: only counts."),
        Arg("skip", IntegerParameter(0, SKIPPED_MAX), "Not the first so many."),
        answer={
            "rows": [
                {
                    "row": str, "state": str, "words": str, "replies": int, "people": int, "holding": int, "then": str, "until": float,
                    "oldest": float, "late": bool, "to": str, "port": str, "provider": str, "answered": _ANSWERED, "held": [_HELD],
                },
            ],
            "decisions": [
                {
                    "row": str, "time": float, "who": str, "why": str, "yes": bool, "standing": bool, "port": str, "words": str,
                    "replies": int, "answered": _ANSWERED,
                },
            ],
            "more": bool, "counts": {"open": int, "overdue": int, "lapsed": int, "decided": int, "unlisted": int}, "oldest": float,
        },
    ),
    _post("optout.decide", "Decides about all replies of a row.", _ROW, Arg("says", ChoiceParameter(SAYS), "Whether they asked to stop.", True),
          Arg("standing", FlagParameter(), "Equal words in an equal context are decided so in future, too."), WHY,
          answer={"row": str, "says": str, "standing": bool, "replies": int, "refused": int, "lifted": int}),
    _post("optout.end-standing", "Ends a standing decision.", _ROW, WHY, answer={"row": str, "says": str}),
    _post(
        "suppress.add", "A person gets no marketing: at all, or of one kind.", TO, Arg("scope", ChoiceParameter(("all", "global", *(one for one in SCOPES if one != "all"))), "Of what; all."),
        _text("value", "Which, where the scope has one.", 200), Arg("source", ChoiceParameter(SOURCES), "Who says so; officer."),
        _seconds("For so long; for good.", FOR_S_MAX, minimum=0), WHY, answer={"to": str, "added": [REFUSAL], "enforced": bool},
    ),
    _post(
        "suppress.remove", "Takes refusals back.", TO, _text("scope", "Only of this scope.", 40), _text("value", "Only of this one.", 200),
        _text("source", "Only by these.", 40), WHY, answer={"to": str, "removed": [REFUSAL]},
    ),
    _program("suppress show", COMMANDS["suppress.show"], "What is suppressed for a person; the journal keeps that somebody looked.", TO,
         answer={"to": str, "refusals": [REFUSAL], "enforced": bool}),
    _get("suppress.lists", "What was imported.",
          answer={"lists": [{"scope": str, "value": str, "source": str, "expiry": int, "until": int, "newest": int, "numbers": int} | NAME_FIELDS]}),
    _program(
        "suppress import", COMMANDS["suppress.import"], "A list in, all of it or nothing.",
        _text("scope", "Where no column says so.", 40), _text("value", "Likewise.", 200), Arg("source", ChoiceParameter(SOURCES), "Who says so; import."),
        _text("for", "For so long.", 8, pattern=_DURATION), Arg("remove", FlagParameter(), "Take these numbers off instead."), WHY,
        answer={"numbers": int, "changed": int, "enforced": bool}, takes=True,
    ),
    _program("suppress export", COMMANDS["suppress.export"], "Everybody who is suppressed, as CSV with whole numbers.", WHY, out="--out", media=CSV),
    _get(
        "consent", "Batches of consents.", OF_PROVIDER, _text("advertiser", "Only of this one."), Arg("state", ChoiceParameter(tuple(CONSENT_STATES)), "Only these."),
        answer={"batches": [BATCH]}, lines="batches",
    ),
    _get("consent.tasks", "Batches whose proof is missing.", OF_PROVIDER, answer={"batches": [BATCH], "overdue": int}, lines="batches"),
    _program(
        "consent import", COMMANDS["consent.import"], "Consents in, all of a file or nothing.",
        Arg("source", TextParameter(200), "Where they agreed.", True), _text("provider", "Who handed it in.", 200), _text("advertiser", "Where no column says so.", 180),
        Arg("category", ChoiceParameter(CATEGORIES), "Likewise."), _text("given", "Likewise.", pattern=_DAY), _text("until", "Likewise.", pattern=_DAY),
        _text("version", "Of the words they agreed to.", 200), Arg("due", IntegerParameter(1, 60), "Working days for a missing proof."), WHY,
        answer={"batches": [int], "numbers": int, "new": int, "due": float, "enforced": bool}, takes=True,
    ),
    _post("consent.show", "What a person agreed to; the journal keeps that somebody looked.", TO,
          answer={"to": str, "consents": [BATCH], "withdrawn": [WITHDRAWAL]}),
    _post("consent.review", "Somebody has looked at the proof.", BATCHES, Arg("verdict", ChoiceParameter(("accepted", "rejected")), "And found it so.", True), WHY,
          answer={"batches": [BATCH]}),
    _post("consent.proof", "Notes the proof of batches that came without.", BATCHES,
          _text("proof", "Its SHA-256.", 64, required=True, pattern="[0-9a-f]{64}"), WHY, answer={"batches": [BATCH]}),
    _post(
        "consent.withdraw", "Takes back what a person agreed to, or whole batches.", _text("to", "Whose.", 100),
        Arg("batches", ListParameter(_BATCH), "Whole batches, instead."), _text("advertiser", "Only of this one.", 200),
        Arg("category", ChoiceParameter(CATEGORIES), "Only of this one."), WHY,
        answer={"to?": str, "advertiser?": str, "category?": str, "enforced?": bool, "batches?": [BATCH]},
    ),
    _program("consent export", COMMANDS["consent.export"], "Consents as CSV with whole numbers.", WHY, out="--out", media=CSV),
    _program("subject show", COMMANDS["subject.show"], "All that is known of a person; the journal keeps that somebody looked.", TO, UNMASKED, WHY_LOOKS, answer=object),
    _program("subject export", Permission.TAKE_OUT, "All that is known of a person, to be handed to them, as a ZIP; the journal keeps that.",
         TO, UNMASKED, WHY, out="--out", media=ZIP),
    _post("subject.erase", "Forgets a person.", TO, WHY, answer={"to": str, "gone": object, "stays": [object]}),
    _program("subject recycled", COMMANDS["subject.recycled"], "Numbers that are somebody else's since a day.", WHY,
         answer={"numbers": int, "gone": int}, takes=True),
)  # fmt: skip

_COMPLAINTS = (
    _program("complaint import", COMMANDS["complaint.import"], "A batch in, as cases; all rows or none.", _text("source", "Who sent it; 12321.", 200),
         Arg("check", FlagParameter(), "File nothing."), WHY, answer={"filed": int, "would_file": int, "known": int, "cases": [int]}, takes=True),
    _get(
        "complaint.list", "Cases, what is due first.", Arg("state", ChoiceParameter(tuple(CASE_STATES)), "Only these."), OF_PROVIDER,
        _text("source", "Only of this one.", 200), Arg("overdue", FlagParameter(), "Only those whose time has passed."),
        Arg("skip", IntegerParameter(0, 1_000_000), "So many first."), Arg("limit", IntegerParameter(1, 1000), "So many."),
        answer={"cases": [CASE], "more": int, "overdue": {"forward": int, "answer": int}},
    ),
    _post("complaint.show", "A case and what was done with it.", CASE_ID, UNMASKED, WHY_LOOKS, answer=CASE),
    _program("complaint match", COMMANDS["complaint.match"], "Proposes messages; with `message` notes which it was.", CASE_ID,
         _text("message", "It was this one.", 40), WHY_LOOKS, answer=object),
    _post("complaint.forward", "It went to the provider: the first clock stops.", CASE_ID, WHY, answer=CASE),
    _post(
        "complaint.decide", "Decides a case, and suppresses for the person in the same step if it is told to.", CASE_ID,
        Arg("state", ChoiceParameter(tuple(one for one in DECISIONS if one != WITHDRAWN)), "The decision.", True), Arg("of", IntegerParameter(1, 10**15), "Of a duplicate: the case it repeats."),
        _text("provider", "Whose it was, where no message was found."), Arg("suppress", ChoiceParameter(("all", *(one for one in SCOPES if one != "all"))), "Of what the person gets no more."),
        _text("value", "Which, instead of the message's."), _seconds("For so long; for good.", FOR_S_MAX, minimum=0), WHY, answer=CASE,
    ),
    _post("complaint.withdraw", "The complainant took it back.", CASE_ID, WHY, answer=CASE),
    _post("complaint.reopen", "A decided case is open again.", CASE_ID, WHY, answer=CASE),
    _post("complaint.note", "Something was done beside the case.", CASE_ID,
          Arg("what", ChoiceParameter(("evidence", "proposed")), "A pack was made of it, or a penalty was proposed because of it."), WHY, answer=CASE),
    _program("complaint sweep", Permission.LOOK, "Who else got the text; stops the campaign if it is told to.", CASE_ID,
         _text("within", "How far around the message.", 8, pattern=_DURATION), Arg("stop", ChoiceParameter(("signature", "port", "provider")), "By what."),
         _text("for", "For so long.", 8, pattern=_DURATION), WHY_LOOKS, answer=object),
    _program("complaint export", Permission.TAKE_OUT, "Cases as CSV, numbers masked.", Arg("state", ChoiceParameter(tuple(CASE_STATES)), "Only these."), OF_PROVIDER,
         out="-", media=CSV),
)  # fmt: skip

_PENALTIES = (
    _get("penalty.list", "Penalties, the newest first.", Arg("state", ChoiceParameter(tuple(PENALTY_STATES)), "Only these."), OF_PROVIDER, answer={"penalties": [PENALTY]}),
    _post("penalty.show", "One of them.", PENALTY_ID, answer=PENALTY),
    _post(
        "penalty.propose", "Proposes one.", PROVIDER, Arg("step", ChoiceParameter(tuple(LADDER)), "Of the ladder.", True),
        Arg("to", NumberParameter(0.01, 1.0), "Of a throttle: what is left of the provider's rate."), _seconds("For so long; 30 days.", PENALTY_S_MAX),
        _seconds("Lapses if nobody has decided it; 7 days.", PENALTY_S_MAX, name="lapses_s"), _text("basis", "What it rests on."), WHY, answer=PENALTY,
    ),
    _post("penalty.approve", "Puts it into force, as another person.", PENALTY_ID, answer=PENALTY),
    _post("penalty.reject", "Turns it down.", PENALTY_ID, WHY, answer=PENALTY),
    _post("penalty.withdraw", "Takes back what you have proposed.", PENALTY_ID, WHY, answer=PENALTY),
    _post("penalty.appeal", "Notes that the provider appeals.", PENALTY_ID, WHY, answer=PENALTY),
    _post("penalty.lift", "Ends it before its time.", PENALTY_ID, WHY, answer=PENALTY),
    _program("penalty letter", Permission.LOOK, "The letter to the provider.", PENALTY_ID, out="--out", media=PDF),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (*_GATE, *_ORDERS, *_RULES, *_MESSAGES, *_PEOPLE, *_COMPLAINTS, *_PENALTIES)

NOT_HERE: Mapping[str, str] = {
    "complaint.import": "complaint import reads the file",
    "complaint.match": "complaint match looks in the journal, too",
    "complaint.stop": "a step of complaint sweep, which knows what the campaign is",
    "consent.export": "consent export makes it a file",
    "consent.import": "consent import reads the file",
    "journal.erase": "a step of journal erase, which rewrites files where the gate runs",
    "journal.erased": "likewise",
    "journal.put": "likewise",
    "look": "what programs say before they look; they do it here, too",
    "subject.recycled": "subject recycled reads the file",
    "subject.show": "subject show searches the journal for names, too",
    "suppress.export": "suppress export makes it a file",
    "suppress.import": "suppress import reads the file",
    "suppress.show": "suppress show searches the journal for names, too",
}
"""Commands of the socket that have no path of their own, and why."""
