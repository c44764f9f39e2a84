"""A bad rule teaches its author: one file per mistake, the exact line and words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from proxy.config import SettingsError
from proxy.config import load as load_settings
from proxy.policy.loading.check import check
from proxy.policy.loading.folder import FILE_BYTES_MAX
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError

if TYPE_CHECKING:
    from collections.abc import Callable

RULE = "rules:\n  - id: a\n    when: {WHEN}\n    then: reject\n    reason: keyword\n"
CAP = "rules:\n  - id: a\n    when: {WHEN}\n    limit: {LIMIT}\n    then: reject\n    reason: keyword\n"


def when(text: str) -> str:
    return RULE.replace("{WHEN}", text)


def limit(text: str, words: str = "{category: marketing}") -> str:
    return CAP.replace("{LIMIT}", text).replace("{WHEN}", words)


def rule(text: str) -> str:
    return f"rules:\n  - {text}\n"


NO_RECORD = "so its past cannot be counted"
MISTAKES: list[tuple[str, str]] = [
    # the file
    ("rule: []", "1: the file: unknown key 'rule' (did you mean 'rules'?)"),
    ("rules: {id: a}", "1: rules: must be a list (- …), not a mapping"),
    ("rules:\n  - id: a\n    id: b", "3: a key stands here twice: 'id'"),
    ("mode: dry-run", "1: mode: unknown mode 'dry-run' (one of enforce, shadow, off)"),
    ("timezone: UTC", "1: timezone: unknown zone 'UTC' (one of Asia/Shanghai)"),
    # the rule
    (rule("{say: hello}"), "2: rule: 'id' is missing"),
    (rule("{id: a, then: reject, reason: keyword}"), "2: rule 'a': neither when nor limit: it would refuse everything (say whom it is about in when)"),
    (rule("{id: a, when: {category: otp}, reason: keyword}"), "2: rule 'a': 'then' is missing (one of reject, defer, review, tag, throttle)"),
    (rule("{id: a, when: {category: otp}, then: reject}"), "2: rule 'a': 'reason' is missing (like region-ban, recipient-cap, keyword)"),
    (rule("{id: a, when: {category: otp}, then: rejekt, reason: keyword}"), "2: then: unknown value 'rejekt' (did you mean 'reject'?)"),
    (rule("{id: a, when: {category: otp}, limit: {count: 1, per: day, key: [provider]}, then: review, reason: keyword}"), "2: then: review is about what a text says: a limit refuses (reject) or defers"),
    (rule("{id: a, when: {category: otp}, limit: {count: 1, per: day, key: [provider], then: review}, reason: keyword}"), "2: limit: then: review is about what a text says, not about counts"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: keyword, trial: {until: soon}}"), "2: trial: 'soon' is no date (like 2026-11-11, or 2026-11-11 21:00)"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: keyword, trial: {for: 7d}}"), "2: trial: say until when (until: 2026-12-01), or from when and how long (from: 2026-11-24, for: 7d)"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: keyword, defer_until: morning}"), "2: defer_until: 'morning' is neither a time of day (08:30) nor a moment (2027-03-16 09:00)"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: keyword, max_defer: 24h}"), "2: max_defer: is for a rule that defers (then: defer)"),
    (rule("{id: a, when: {category: otp}, then: tag, reason: keyword, jitter: 45m}"), "2: defer_until, jitter, max_defer: are for a rule that rejects or defers without a limit"),
    (rule("{id: a, when: {category: otp}, then: defer, reason: keyword, jitter: 45}"), "2: jitter: '45' is no text here: put it in quotes"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: keyword, on_store_failure: defer}"), "2: on_store_failure: is for limits on a person's messages (recipient in the key): no other rule needs the store"),
    (rule("{id: a, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap, on_store_failure: alow}"), "2: on_store_failure: unknown value 'alow' (did you mean 'allow'?)"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: 10, then: reject, reason: keyword}"), "2: enforce: '10' is a bare number: write 10%"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: 0.1, then: reject, reason: keyword}"), "2: enforce: '0.1' is a bare number: write 0.1% or 10%"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: 0, then: reject, reason: keyword}"), "2: enforce: '0' is a bare number: write a percentage like 10%"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: few, then: reject, reason: keyword}"), "2: enforce: must be a share of recipients like 10%, not 'few'"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: 0%, then: reject, reason: keyword}"), "2: enforce: 0% enforces the rule for nobody: leave enforce out (mode: shadow is enough)"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: 101%, then: reject, reason: keyword}"), "2: enforce: 101% is more than all recipients: write at most 100%"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: 0.00001%, then: reject, reason: keyword}"), "2: enforce: 0.00001% is too fine: write at most four decimal places (0.0001%)"),
    (rule("{id: a, when: {category: otp}, enforce: 10%, then: reject, reason: keyword}"), "2: enforce: rule 'a' has no mode: write mode: shadow beside enforce, or leave enforce out"),
    (rule("{id: a, when: {category: otp}, mode: off, enforce: 10%, then: reject, reason: keyword}"), "2: enforce: rule 'a' has mode: 'off': write mode: shadow beside enforce, or leave enforce out"),
    (rule("{id: a, exempt: true, when: {category: otp}, enforce: 10%}"), "2: enforce: rule 'a' is an exemption: it spares all that it is about, not a share of them (leave enforce out)"),
    (rule("{id: a, limit: {count: 1, per: day, key: [provider]}, mode: shadow, enforce: 10%, then: reject, reason: provider-quota}"), "2: enforce: rule 'a' has a limit without recipient in its key, which counts many people together: it holds for all or none (add recipient to the key, or leave enforce out)"),
    (rule("{id: a, when: {suppressed: true}, mode: shadow, enforce: 10%, then: reject, reason: keyword}"), "2: enforce: rule 'a' asks suppressed: it protects the word of each person (leave enforce out: mode: enforce)"),
    (rule("{id: a, when: {category: otp}, mode: shadow, enforce: 10%, then: reject, reason: complaint}"), "2: enforce: rule 'a' has the reason complaint, of which providers are told not-permitted: it protects each person (leave enforce out: mode: enforce)"),
    (rule("{id: a, exempt: true, when: {category: otp}, trial: {until: 2026-12-01}}"), "2: exempt: an exemption has no 'trial' (it switches other rules off: skip, keep)"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: region-bann}"), "2: reason: unknown reason 'region-bann' (did you mean 'region-ban'?)"),
    (rule("{id: a, when: {category: otp}, then: throttle}"), "2: then: throttle is for rates: a limit without recipient in its key"),
    (rule("{id: a, wen: {category: otp}}"), "2: rule: unknown key 'wen' (did you mean 'when'?)"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: keyword, mode: NO}"), "2: mode: unknown mode 'NO' (one of enforce, shadow, off)"),
    (rule("{id: a, when: {category: otp}, then: reject, reason: keyword, skip: [a]}"), "2: skip: only an exemption has it (exempt: true)"),
    (rule("{id: a, exempt: yes, when: {category: otp}}"), "2: exempt: must be true or false, not 'yes'"),
    (rule("{id: a, exempt: true}"), "2: exempt: 'when' is missing: it would switch all rules off"),
    (rule("{id: a, exempt: true, when: {category: otp}, then: reject}"), "2: exempt: an exemption has no 'then' (it switches other rules off: skip, keep)"),
    (rule("{id: a, exempt: true, when: {category: otp}, mode: shadow}"), "2: mode: an exemption cannot be tried in shadow (enforce or off)"),
    (rule("{id: a, exempt: true, when: {category: otp}, skip: [b]}"), "2: exempt: unknown rule or reason 'b' (one of a)"),
    (when("{category: otp}") + "  - id: a\n    when: {category: otp}\n    then: reject\n    reason: keyword", "6: id: 'a' is taken already (rules/x.yaml:2)"),
    # when
    (when("{}"), "3: when: says nothing (leave it out, or say what it is about)"),
    (when("[category]"), "3: when: must be a mapping (key: value), not a list"),
    (when("{categry: otp}"), "3: when: unknown key 'categry' (did you mean 'category'?)"),
    (when("{consent: absend}"), "3: consent: unknown state 'absend' (did you mean 'absent'?)"),
    (when("{preferences: aginst}"), "3: preferences: unknown value 'aginst' (did you mean 'against'?)"),
    (when("{calendar: holyday}"), "3: calendar: unknown day 'holyday' (did you mean 'holiday'?); registries/holidays.csv has the names"),
    (when("{calendar: {holiday: false}}"), "3: calendar: holiday: false is no condition (write calendar: workday, or not: {calendar: holiday})"),
    (when("{calendar: {before: '10:00'}}"), "3: calendar: say which days: holiday: true, or day: (like day: 清明)"),
    (when("{calendar: {holiday: true, before: '10:00', after: '12:00'}}"), "3: calendar: before is not later than after"),
    (when("{template: matchd}"), "3: template: unknown template 'matchd' (did you mean 'matched'?)"),
    (when("{time: {between: 08:00-21:00}}"), "3: time: needs both between and zone (or a single span)"),
    (when("{time: {between: 08:00-21:00, zone: Beiping}}"), "3: time: zone: 'Beiping' is no zone (like +06:00, or America/New_York)"),
    (when("{text: {groups: [a]}}"), "3: text: groups are of a file (file: lists/banned.yaml)"),
    (when("{category: market}"), "3: category: unknown category 'market' (did you mean 'marketing'?)"),
    (when("{category: []}"), "3: category: an empty list matches nothing (leave the key out, or name what it should match)"),
    (when("{subcategory: loans}"), "3: subcategory: unknown sub-category 'loans' (did you mean 'loan'?)"),
    (when("{province: 江苏苏}"), "3: province: unknown province '江苏苏' (did you mean '江苏'?); write its short name (江苏), or unknown"),
    (when("{city: 南京城}"), "3: city: unknown city '南京城' (did you mean '南京'?); no segment lies there"),
    (when("{text: 618}"), "3: text: '618' is no text here: put it in quotes"),
    (when('{text: " | "}'), "3: text: a word of nothing but spaces and marks would match every text"),
    (when("{text: {}}"), "3: text: says nothing to look for (words, all, patterns or file)"),
    (when("{text: {patterns: '(a'}}"), "3: text: pattern '(a' is not understood: missing ): (a (RE2 syntax, no back references)"),
    (when("{text: {patterns: 'x*'}}"), "3: text: pattern 'x*' fits every text"),
    (when("{text: {file: lists/none.txt}}"), "3: text: file: 'lists/none.txt' cannot be read: No such file or directory"),
    (when("{text: {file: ../../etc/passwd}}"), "3: text: file: '../../etc/passwd' leads out of the rules folder"),
    (when('{url: ["https://evil.example/"]}'), "3: url: 'https://evil.example/' is no domain: links are known by their domain, and those below it count: write evil.example"),
    (when('{url: {outside: ["*.evil.example"]}}'), "3: url: '*.evil.example' is no domain: links are known by their domain, and those below it count: write evil.example"),
    (when('{url: ["evil.example:80"]}'), "3: url: 'evil.example:80' is no domain: links are known by their domain, and those below it count: write evil.example"),
    (when('{url: ["我的店"]}'), "3: url: '我的店' is no domain (example.com)"),
    (when('{contact: ["客服"]}'), "3: contact: '客服' is no telephone number (400-800-1234)"),
    (when("{text: {file: /etc/passwd}}"), "3: text: file: '/etc/passwd' leads out of the rules folder"),
    (when("{text_state: unread}"), "3: text_state: unknown value 'unread' (did you mean 'unreadable'?)"),
    (when("{time: 21:00}"), "3: time: '21:00' is no span of time (write 21:00-08:00)"),
    (when("{time: 9:00-10:00}"), "3: time: '9:00' is no time of day (like 08:00, two digits each): write `    when: {time: 09:00-10:00}`"),
    (when("{time: 21:00-21:00}"), "3: time: '21:00-21:00' starts when it ends (the whole day: leave time out)"),
    (when("{day: weekends}"), "3: day: unknown day 'weekends' (did you mean 'weekend'?)"),
    (when("{day: 2026-02-30}"), "3: day: '2026-02-30' is no date of the calendar"),
    (when("{day: {from: 2026-03-01, to: 2026-02-01}}"), "3: day: to is before from (swap them)"),
    (when("{suppressed: false}"), "3: suppressed: false is no condition (write not: {suppressed: true})"),
    (when("{suppressed: {scope: globel}}"), "3: suppressed: scope: unknown scope 'globel' (did you mean 'global'?)"),
    (when("{suppressed: {max_age: 180}}"), "3: suppressed: max_age: '180' is no text here: put it in quotes"),
    (when("{recipient_in: vip}"), "3: recipient_in: unknown list 'vip'; lists: at the top of a file names them"),
    (when("{provider_age: {below: 30}}"), "3: provider_age: '30' is no text here: put it in quotes"),
    (when("{provider_age: {below: 1d, above: 2d}}"), "3: provider_age: say either below or above, with a duration like 30d"),
    (when("{any: []}"), "3: any: an empty list matches nothing"),
    (when("{not: " * 10 + "{category: otp}" + "}" * 10), "3: when: any and not inside each other more than 8 deep"),
    # active
    (rule("{id: a, when: {category: otp}, active: {until: 2026-01-01}, then: reject, reason: keyword}"), "2: active: unknown key 'until' (one of from, to, campaign)"),
    (rule("{id: a, when: {category: otp}, active: {from: soon}, then: reject, reason: keyword}"), "2: active: 'soon' is no date (like 2026-11-11, or 2026-11-11 21:00)"),
    (rule("{id: a, when: {category: otp}, active: {campaign: 双12}, then: reject, reason: keyword}"), "2: active: campaign: unknown campaign '双12'; registries/campaigns.csv does not name it"),
    (rule("{id: a, when: {category: otp}, active: {from: 2026-02-01, to: 2026-01-01}, then: reject, reason: keyword}"), "2: active: to is before from (swap them)"),
    # limit
    (limit("{widow: 3}"), "4: limit: unknown key 'widow' (one of count, per, key, then, burst, share, of, least)"),
    (limit("{cuont: 3, per: day, key: [recipient]}"), "4: limit: unknown key 'cuont' (did you mean 'count'?)"),
    (limit("{per: day, key: [recipient]}"), "4: limit: 'count' is missing (like {count: 3, per: day, key: [recipient]})"),
    (limit("{count: 0, per: day, key: [recipient]}"), "4: limit: count: must be a whole number from 1 to 1000000000000, not '0'"),
    (limit("{count: 3.5, per: day, key: [recipient]}"), "4: limit: count: must be a whole number from 1 to 1000000000000, not '3.5'"),
    (limit("{count: 3, per: dya, key: [recipient]}"), "4: limit: per: unknown window 'dya' (did you mean 'day'?), or a duration like 59s, 24h, 7d"),
    (limit("{count: 3, per: 3650d, key: [recipient]}"), "4: limit: per: 3650d needs more history than is kept (at most 366d)"),
    (limit("{count: 65, per: day, key: [recipient]}"), "4: limit: count 65 needs more history than is kept (at most 64 messages a person)"),
    (limit("{count: 3, per: day, key: [recipent]}"), "4: limit: key: unknown key 'recipent' (did you mean 'recipient'?)"),
    (limit("{count: 3, per: day, key: [recipient, account]}"), "4: limit: key: a record does not keep the account (use provider)"),
    (limit("{count: 3, per: day, key: [recipient], then: throttle}"), "4: then: throttle is for rates: a limit without recipient in its key"),
    (limit("{count: 3, per: day, key: [provider], burst: 6}"), "4: limit: burst: is for rates: a rolling window (per: 1s), and no recipient in the key"),
    (limit("{count: 3, per: 1s, key: [provider], burst: 31}"), "4: limit: burst: must be more than count and at most 10 times as much, not 31"),
    (limit("{count: 3, per: 1s, key: [provider], least: 3}"), "4: limit: least: is for a share (share: 0.3)"),
    (limit("{share: 30, per: day, key: [provider]}"), "4: limit: share: must be a number between 0 and 1 (0.3 is thirty percent), not '30'"),
    (limit("{share: 0.3, per: day, key: [recipient]}"), "4: limit: share: is of what many people get: leave recipient out of the key"),
    (limit("{share: 0.3, count: 3, per: day, key: [provider]}"), "4: limit: share: stands instead of a count (write two limits, in a list)"),
    (limit("{share: 0.3, of: {suppressed: true}, per: day, key: [provider]}"), "4: limit: of: cannot ask about the person"),
    (limit("[]"), "4: limit: an empty list limits nothing"),
    # a cap over what a record does not keep
    (limit("{count: 3, per: day, key: [recipient]}", "{text: 优惠}"), f"4: limit: a record does not keep 'text', {NO_RECORD} (leave recipient out of the key, or drop the condition)"),
    (limit("{count: 3, per: day, key: [recipient]}", "{url: present}"), f"4: limit: a record does not keep 'url', {NO_RECORD} (leave recipient out of the key, or drop the condition)"),
    (limit("{count: 3, per: day, key: [recipient]}", "{notice: missing}"), f"4: limit: a record does not keep 'notice', {NO_RECORD} (leave recipient out of the key, or drop the condition)"),
    (limit("{count: 3, per: day, key: [recipient]}", "{declared: otp}"), f"4: limit: a record does not keep 'declared', {NO_RECORD} (a record keeps the effective category: use category)"),
    (limit("{count: 3, per: day, key: [recipient]}", "{port: '1069'}"), f"4: limit: a record does not keep 'port', {NO_RECORD} (a record keeps ports as a whole, not their prefixes: count with key: [recipient, port], or by provider)"),
    (limit("{count: 3, per: day, key: [recipient]}", "{not: {provider: jia}}"), "4: limit: a cap cannot count the past over 'not: provider': name those it is for"),
    (limit("{count: 3, per: day, key: [recipient]}", "{any: [{category: otp}, {provider: jia}]}"), "4: limit: a cap cannot count the past over 'any' or a compound 'not' of message facts: write a rule for each"),
    # lists
    ("lists: [a]", "1: lists: must be a mapping (name: {file: …}), not a list"),
    ("lists: {a: {}}", "1: lists: a: 'file' is missing"),
    ("lists: {a: {file: x.yaml, suppress: category}}", "1: suppress: category needs a value (write {scope: category, value: …})"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_each_mistake_has_its_line_and_its_words(write: Callable[..., Any], text: str, said: str) -> None:
    with pytest.raises(RulesError) as refused:
        load(write(text))
    assert [str(problem) for problem in refused.value.problems] == [f"rules/x.yaml:{said}"]


MANY = """\
rules:
  - id: a
    say: [不发]
    when:
      categry: otp
      category: market
      province: [火星, 江苏, 木星]
      any:
        - {time: 9:00-10:00}
        - {text: {file: lists/none.txt}}
      not: {day: weekends}
    limit:
      - {count: 0, per: dya, key: [recipent, provider, porvider], then: rejct}
      - {cuont: 3}
    active: {from: 2026-02-30}
    then: refuse
    reason: keywrd
    mode: on
    activ: {}
  - id: b
    exempt: true
    when: {category: otp}
    skip: [a, c]
    keep: [d]
"""


def test_all_mistakes_of_one_rule_are_told_at_once(write: Callable[..., Any]) -> None:
    with pytest.raises(RulesError) as refused:
        load(write(MANY))
    assert [str(problem).removeprefix("rules/x.yaml:") for problem in refused.value.problems] == [
        "3: say: must be a word or a text, not a list",
        "5: when: unknown key 'categry' (did you mean 'category'?)",
        "6: category: unknown category 'market' (did you mean 'marketing'?)",
        "7: province: unknown province '木星'; write its short name (江苏), or unknown",
        "7: province: unknown province '火星'; write its short name (江苏), or unknown",
        "9: time: '9:00' is no time of day (like 08:00, two digits each): write `        - {time: 09:00-10:00}`",
        "10: text: file: 'lists/none.txt' cannot be read: No such file or directory",
        "11: day: unknown day 'weekends' (did you mean 'weekend'?)",
        "13: limit: count: must be a whole number from 1 to 1000000000000, not '0'",
        "13: limit: key: unknown key 'porvider' (did you mean 'provider'?)",
        "13: limit: key: unknown key 'recipent' (did you mean 'recipient'?)",
        "13: limit: per: unknown window 'dya' (did you mean 'day'?), or a duration like 59s, 24h, 7d",
        "13: limit: then: unknown value 'rejct' (did you mean 'reject'?)",
        "14: limit: unknown key 'cuont' (did you mean 'count'?)",
        "15: active: '2026-02-30' is no date of the calendar",
        "16: then: unknown value 'refuse' (one of reject, defer, review, tag, throttle)",
        "17: reason: unknown reason 'keywrd' (did you mean 'keyword'?)",
        "18: mode: unknown mode 'on' (one of enforce, shadow, off)",
        "19: rule: unknown key 'activ' (did you mean 'active'?)",
        "23: exempt: unknown rule or reason 'c' (one of a, b)",
        "24: exempt: unknown rule or reason 'd' (one of a, b)",
    ]


def test_all_mistakes_of_one_test_are_told_at_once_before_it_is_tried(write: Callable[..., Any]) -> None:
    steps = (
        "tests:\n  - messages:\n"
        '    - {at: soon, to: "138", from: "1069", category: ad, repeat: 0, want: {rejct: a}}\n'
        '    - {at: "2026-11-11 10:00", to: "13800210500", optout: {scope: globel}}\n'
        '    - {at: "2026-11-10 10:00", to: "13800210500", from: "1069", want: {reject: b}}\n'
    )
    assert [str(problem) for problem in check(write(when("{category: otp}") + steps)).problems] == [
        "rules/x.yaml:8: test: 'soon' is no date (like 2026-11-11, or 2026-11-11 21:00)",
        "rules/x.yaml:8: test: category: unknown category 'ad' (one of otp, notice, marketing)",
        "rules/x.yaml:8: test: repeat: must be a whole number from 1 to 1000, not '0'",
        "rules/x.yaml:8: test: to: 3 digits instead of 11",
        "rules/x.yaml:8: test: want: unknown key 'rejct' (did you mean 'reject'?)",
        "rules/x.yaml:9: test: optout: scope: unknown scope 'globel' (did you mean 'global'?)",
        "rules/x.yaml:10: test: want: unknown rule 'b' (one of a)",
    ]


def test_what_cannot_be_read_whole_is_named_and_keeps_nobody_waiting(write: Callable[..., Any]) -> None:
    folder = write("lists: {a: {file: lists/a.csv}, b: {file: lists/b.csv}, c: {file: lists/c.csv}, d: {file: lists/d.csv}}")
    for name in ("lists", "registries"):
        (folder / name).mkdir(exist_ok=True)
    os.mkfifo(folder / "lists/a.csv")
    (folder / "lists/b.csv").mkdir()
    with (folder / "lists/c.csv").open("wb") as large:
        large.truncate(FILE_BYTES_MAX + 1)  # of nothing: it takes no place on the disk
    (folder / "lists/d.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "registries/signatures.csv")
    said = [str(problem) for problem in check(folder).problems]
    assert said == ["rules/registries/signatures.csv:1: is a pipe, no plain file: rename or move it"]
    (folder / "registries/signatures.csv").unlink()
    assert [str(problem) for problem in check(folder).problems] == [
        "rules/lists/a.csv:1: is a pipe, no plain file: rename or move it",
        "rules/lists/b.csv:1: is a folder, no plain file: rename or move it",
        "rules/lists/c.csv:1: larger than 256 MiB",
        "rules/x.yaml:1: lists: file: 'lists/d.csv' leads out of the rules folder",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("号码\n13800210500\n北京公司\n".encode(), ["3: no recipient: holds characters that are no digits, spaces or dashes (北京公司)"]),
        ("号码\n138002105001\n,空\n".encode(), ["2: no recipient: 12 digits instead of 11 (138*****5001)", "3: no recipient: empty (号码)"]),
        ("备注,手机号\n甲,13800210500\n\"乙,丙\",1380021*\n".encode(), []),
        ("甲,13800210500\n".encode(), ["1: no recipient: holds characters that are no digits, spaces or dashes (甲)"]),
        (b"PK\x03\x04 a workbook", ["1: a workbook (XLSX or XLS), no text: save its sheet as CSV (UTF-8)"]),
    ],
)  # fmt: skip
def test_a_bad_row_column_or_kind_of_file_of_a_list_is_named_and_nothing_else(
    write: Callable[..., Any], content: bytes, said: list[str]
) -> None:
    folder = write(when("{recipient_in: l}"), {"z.yaml": "lists: {l: {file: lists/l.csv}}", "lists/l.csv": ""})
    (folder / "lists/l.csv").write_bytes(content)
    assert [str(problem) for problem in check(folder).problems] == [f"rules/lists/l.csv:{one}" for one in said]
    if not said:
        listed = load(folder).lists["l"].numbers
        assert [number in listed for number in (13800210500, 13800219999, 13800220000)] == [True, True, False]


def test_columns_of_a_list_that_are_not_read_are_named(write: Callable[..., Any]) -> None:
    lists = {
        "z.yaml": "lists: {l: {file: lists/l.csv}}",
        "lists/l.csv": "范围,手机号,备注,登记时间\n签名,13800210500,x,2026-11-11\n",
    }
    folder = write(when("{recipient_in: l}"), lists)
    report = check(folder)
    assert (report.problems, 13800210500 in load(folder).lists["l"].numbers) == ([], True)
    assert "rules/lists/l.csv:1: columns that are not read: 范围, 登记时间" in map(str, report.warnings)


def test_a_pipe_or_a_folder_that_is_named_like_a_rules_file_is_named_and_keeps_nobody_waiting(
    write: Callable[..., Any],
) -> None:
    folder = write(when("{category: otp}"))
    os.mkfifo(folder / "r.yaml")
    (folder / "s.yaml").mkdir()
    (folder / ".#x.yaml").symlink_to("nobody@nowhere")  # an editor's lock is no file of rules
    assert [str(problem) for problem in check(folder).problems] == [
        "rules/r.yaml:1: is a pipe, no plain file: rename or move it",
        "rules/s.yaml:1: is a folder, no plain file: rename or move it",
    ]
    with pytest.raises(SettingsError, match="is a pipe, no plain file"):
        load_settings(folder / "r.yaml")


def test_all_problems_of_all_files_are_told_at_once(write: Callable[..., Any]) -> None:
    folder = write(
        when("{categry: otp}"),
        {"y.yaml": when("{province: 火星}"), "lists/l.csv": "13800000000\n123\n", "z.yaml": "lists: {l: {file: lists/l.csv}}"},
    )
    report = check(folder)
    assert [str(problem).split(": ")[0] for problem in report.problems] == [
        "rules/lists/l.csv:2",
        "rules/x.yaml:3",
        "rules/y.yaml:3",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("registries/signatures.csv", "signature,advertiser\n甲店,\n", "2: signature and advertiser must not be empty"),
        ("registries/signatures.csv", "甲店,甲,,,,aproved\n", "1: state: unknown state 'aproved' (did you mean 'approved'?)"),
        ("registries/ports.csv", "1062,江西省西,\n", "1: province: unknown province '江西省西' (did you mean '江西'?)"),
        ("registries/ports.csv", "1062,,spam\n", "1: categories: unknown category 'spam' (one of otp, notice, marketing)"),
        ("registries/ports.csv", "1062,,otp,,,,,,9\n", "1: 9 columns, expected prefix,province,categories,advertiser,carrier,from,to,responsible"),
        ("registries/ports.csv", "jia,,otp\n", "1: prefix: 'jia' is no sender number (its first digits, like 1062)"),
        ("registries/signatures.csv", "甲店,甲,,,,approved,2026-02-01,2026-01-31\n", "1: to: is before from (swap them)"),
        ("registries/advertisers.csv", "甲,91,,https://a.example,\n", "1: domains: 'https://a.example' is neither a domain (example.com) nor a telephone number (400-800-1234)"),
        ("registries/advertisers.csv", "甲,,,,,,with\n", "1: shops: unknown shops 'with' (one of with-platform, apart)"),
        ("registries/advertisers.csv", "甲台\n乙店,,,,,甲合\n", "2: platform: unknown platform '甲合' (one of 甲台, 乙店); registries/advertisers.csv does not name it"),
        ("registries/advertisers.csv", "甲台,,,,,甲台\n", "1: platform: 甲台 is its own platform (leave the cell empty)"),
        ("registries/advertisers.csv", "甲台\n乙店,,,,,甲台\n丙店,,,,,乙店\n", "3: platform: 乙店 is a shop of 甲台 (line 2), and no platform of others"),
        ("registries/advertisers.csv", "甲台\n乙店,,,,,甲台,apart\n", "2: shops: 乙店 is a shop itself (write it in line 1, of 甲台)"),
        ("registries/contacts.csv", "甲\n", "1: contact: '甲' is neither a domain (example.com) nor a telephone number (400-800-1234), nor one of another kind (wechat:qinghe88)"),
        ("registries/templates.csv", "t1,,,,,您好\n", "1: signature: is missing, and the text has no 【signature】 at an edge"),
        ("registries/templates.csv", "t1,甲店,,spam,,您好\n", "1: category: unknown category 'spam' (one of otp, notice, marketing)"),
        ("registries/templates.csv", "t1,甲店,,,,您好{x:900}\n", "1: text: a variable of 900 characters (1 to 200)"),
        ("registries/holidays.csv", "2026-10-01,2026-09-30,国庆\n", "1: to: is before from (swap them)"),
        ("registries/holidays.csv", "2026-10-01,,国庆,free\n", "1: kind: unknown kind 'free' (one of holiday, workday)"),
        ("registries/holidays.csv", "2026-10-01,,rest\n", "1: name: 'rest' is a word of its own in rules: call the holiday something else"),
        ("registries/campaigns.csv", "双11,2026-11-01\n", "1: campaign and from and to must not be empty"),
        ("registries/reviewed.csv", "【甲店】上新,jia,yes,li\n", "1: verdict: unknown verdict 'yes' (one of released, refused)"),
        ("registries/consents.csv", "123,甲,,granted,2026-01-01\n", "1: recipient: "),
        ("registries/consents.csv", "13800250500,甲,,granted,2026-01-01,2025-12-31\n", "1: until: is before time"),
        ("registries/preferences.csv", "13800250500,,9-10\n", "1: hours: '9-10' is no span of time (write 21:00-08:00)"),
        ("registries/preferences.csv", "13800250500,,,mon\n", "1: days: unknown day 'mon' (one of weekdays, weekend, holiday)"),
        ("registries/segments.csv", "segment,province,city\n13800,北京,北京\n", "2: segment: '13800' is not the first 7 digits of a mobile number"),
        ("registries/segments.csv", "1380013,火星,\n", "1: province: unknown province '火星'"),
    ],
)  # fmt: skip
def test_a_bad_row_has_its_line(write: Callable[..., Any], name: str, text: str, said: str) -> None:
    with pytest.raises(RulesError) as refused:
        load(write("rules: []", {name: text}))
    (problem,) = refused.value.problems
    assert str(problem) == f"rules/{name}:{said}" or (said.endswith(": ") and str(problem).startswith(f"rules/{name}:{said}"))


def test_a_file_that_is_no_text_says_so(write: Callable[..., Any]) -> None:
    folder = write("rules: []")
    (folder / "x.yaml").write_bytes(b"rules: []\n# \xff\n")
    with pytest.raises(RulesError, match=r"rules/x\.yaml:2: not UTF-8"):
        load(folder)
    with pytest.raises(RulesError, match="no folder of rules"):
        load(folder / "nowhere")


def test_a_link_out_of_the_folder_is_not_followed(write: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "secret.txt").write_text("word")
    folder = write(when("{text: {file: words.txt}}"))
    (folder / "words.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(RulesError, match="leads out of the rules folder"):
        load(folder)


@pytest.mark.parametrize("name", ["words.txt", "registries/signatures.csv"])
def test_links_that_lead_in_a_circle_are_told_as_what_is_wrong(write: Callable[..., Any], name: str) -> None:
    folder = write(when("{text: {file: words.txt}}"))
    (folder / "words.txt").write_text("word\n")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder / name)
    with pytest.raises(RulesError):
        load(folder)


def test_a_name_that_no_file_can_have_is_told_as_what_is_wrong(write: Callable[..., Any]) -> None:
    with pytest.raises(RulesError, match="leads out of the rules folder"):
        load(write(when('{text: {file: "a\\0.txt"}}')))


def test_words_of_yaml_1_1_are_words(write: Callable[..., Any]) -> None:
    rules = load(
        write("rules:\n  - {id: NO, say: 22:00, when: {provider: [on, yes, NO]}, then: reject, reason: keyword}")
    ).rules
    assert (rules[0].id, rules[0].say) == ("NO", "22:00")


TEST = "  - messages:\n      - {at: 2026-11-11 10:00, to: 13800250500, from: 10690001, category: marketing, text: 禁词, WANT}"


@pytest.mark.parametrize(
    ("want", "said"),
    [
        ("want: {reject: a}", ""),
        ("want: allow", "8: test: wanted allow, got reject by 'a' (keyword)"),
        ("want: {defer: a}", "8: test: wanted defer by 'a', got reject by 'a' (keyword)"),
        ("want: {reject: b}", "8: test: want: unknown rule 'b' (one of a)"),
        ("want: reject", "8: test: want: unknown value 'reject' (one of allow)"),
        ("wnat: allow", "8: test: unknown key 'wnat' (did you mean 'want'?)"),
        ("note: x", "8: test: 'want' is missing"),
        ("want: {reject: a}, repeat: 0", "8: test: repeat: must be a whole number from 1 to 1000, not '0'"),
    ],
)
def test_a_rule_test_that_fails_says_what_it_got(write: Callable[..., Any], want: str, said: str) -> None:
    report = check(write(when("{text: 禁词}") + "tests:\n" + TEST.replace("WANT", want)))
    assert [str(problem) for problem in report.problems] == ([f"rules/x.yaml:{said}"] if said else [])
    assert (report.rules, report.tests) == (1, 1)


def test_a_repeated_message_says_which_one_failed(write: Callable[..., Any]) -> None:
    text = limit("{count: 2, per: day, key: [recipient]}") + "tests:\n" + TEST.replace("WANT", "repeat: 5, want: allow")
    (problem,) = check(write(text)).problems
    assert str(problem) == "rules/x.yaml:9: test: wanted allow, got reject by 'a' (keyword) (message 3 of 5)"


def test_steps_go_forward_in_time(write: Callable[..., Any]) -> None:
    back = TEST.replace("WANT", "want: {reject: a}") + "\n      - {at: 2026-11-11 09:00, to: 13800250500, from: 1, want: allow}"
    (problem,) = check(write(when("{text: 禁词}") + "tests:\n" + back)).problems
    assert problem.text == "test: at: steps go forward in time"
