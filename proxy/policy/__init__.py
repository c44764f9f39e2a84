"""Turns rules into verdicts: a message in, a typed answer out.

In: the rules folder; then Messages, recipients' records, the time. Out: Verdicts, Facts, Explanations, Problems.
Never: sockets, clocks, logs, protocol fields. Only loading/ reads files, and only inside the rules folder.

    loading/                    YAML and CSV to a RuleSet, or every problem with file and line
      folder, source, draft       files of the folder; nodes that know their line; one rule
      load_rules, problem         all rules together; mistakes
      check, lint, warnings       rule tests; rules that cannot be meant; rules worth a second look
      crosscheck, condition_branches  registries against each other; conditions compared
      schema_parts, schema, digests  JSON Schema for editors; what changed between two sets
    kinds/                      one file per condition of ``when``
    condition, rule_program     conditions as bits; what all rules decide for a set of bits
    ruleset, evaluation_plan, generational_cache  decisions cached by bits, and bound to facts
    text_reader, text/          what one text says: normal form, signature, notice, links, category
    related_senders, places     senders and places that the rules cannot tell apart
    registries/                 the CSV tables: signatures, ports, templates, consents, regions, holidays
    judge, limit, limit_counts  the verdict on one message; the key ``limit`` of a rule; what a limit counts
    incomplete_messages         verdicts on long messages of which parts are missing
    store_failure               rules while the shared store is out of reach
    operator_orders, penalty_rules, rule_dates  temporary orders; penalties; when rules are active, on trial, or retry
    reply_paths                 whether replies to each port prefix reach the gate
    renamed_senders, refusal_match  refused advertisers recognised under another name
    explanation/                the verdict in words; a text checked before it is sent
    replies/                    what a recipient's reply means
    time_windows                days, windows and dates in the rules' time zone
"""

from __future__ import annotations

from proxy.i18n.phrases import LANGUAGES
from proxy.model.message import Category
from proxy.policy.evaluation_plan import Rule
from proxy.policy.explanation.explain import Explanation, explain, explain_text
from proxy.policy.explanation.lines import as_text
from proxy.policy.judge import facts, judge, judge_text, takes_of
from proxy.policy.loading.check import CheckReport, check, check_loaded, run_test
from proxy.policy.loading.load_rules import Loaded, load, load_all
from proxy.policy.loading.problem import Problem, RulesError
from proxy.policy.loading.schema import schema
from proxy.policy.operator_orders import NotInScope, asks
from proxy.policy.registries.regions import Regions
from proxy.policy.registries.reviewed_texts import review_key
from proxy.policy.renamed_senders import refused_text
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
