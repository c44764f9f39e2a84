"""policy: rules in, verdicts out. Pure: only the loader reads files, and only inside the rules folder.

In: the rules folder; then Messages, records, the time. Out: Verdicts, Facts, Explanations, Problems.
Never: sockets, clocks, logs, protocol fields.

    loader → folder, draft    YAML and CSV to rules, every problem with file and line (problem)
    kinds/                    one file per word of ``when``, and limit
    condition → deciding      conditions as bits, what all rules make of those that hold
    ruleset, plan             decisions cached by those bits, and bound to facts
    text → page               one text under analysis: its forms, and what is found in it
    page, category → reading  what a text says, once per text
    kin                       which senders are alike to the rules, what of a place they can tell
    memo                      the bounded memory all of these share
    regions, registry         where people live, who signs, what ports are for (platforms: whose shop an advertiser is)
    reply_paths               whether replies to each port prefix reach the gate
    orders                    what is ordered for a while beside the rules: stops, suspensions, the whole set in shadow
    judge                     the verdict
    precheck                  what would become of a text, whoever gets it
    explain → telling         the verdict in words, in two languages (spoken), for people
    standing, mending         how a message stands to a rule; what would have to change
    partial, pieces           of a text of which parts are missing: what is asked at once, what waits, the verdict on the whole
    check                     rule tests
    crosscheck, lint, doubts  what does not fit together (branches: conditions compared), what should be looked at
    shape → schema            what a rules file may look like, for editors
    optout                    what a reply means
    consent_reply             which replies are a consent
    moments                   days, windows, dates
"""

from __future__ import annotations

from proxy.i18n.phrases import LANGUAGES
from proxy.model.message import Category
from proxy.policy.explanation.explain import Explanation, explain, explain_text
from proxy.policy.explanation.lines import as_text
from proxy.policy.judge import facts, judge, judge_text, takes_of
from proxy.policy.loading.check import CheckReport, check, check_loaded, run_test
from proxy.policy.loading.loader import Loaded, load, load_all
from proxy.policy.loading.problem import Problem, RulesError
from proxy.policy.loading.schema import schema
from proxy.policy.orders import NotInScope, asks
from proxy.policy.plan import Rule
from proxy.policy.registries.regions import Regions
from proxy.policy.registries.reviewed import review_key
from proxy.policy.renamed import refused_text
from proxy.policy.replies.consent import agreed, consent_answer, declared_words
from proxy.policy.replies.optout import Declared, Reply, is_common, read_reply
from proxy.policy.ruleset import RuleSet

CATEGORIES = tuple(Category)

__all__ = [
    "CATEGORIES", "Declared", "LANGUAGES", "Explanation", "Loaded", "NotInScope", "Problem", "Regions", "Reply", "CheckReport", "Rule",
    "RuleSet", "RulesError", "agreed", "as_text", "asks", "check", "check_loaded",
    "consent_answer", "declared_words", "explain", "explain_text", "facts", "is_common", "judge", "judge_text", "load", "load_all",
    "read_reply", "refused_text", "review_key", "run_test", "schema", "takes_of",
]  # fmt: skip
