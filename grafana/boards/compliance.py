"""Compliance: what the rules did to whom, and whether refusals are honoured. The board for compliance staff.

In: a language. Out: a Dashboard. Never: a person's number (no metric has one).
"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard

from grafana.boards.frame import Panel, fill, start, variable
from grafana.boards.panels import (
    BLUE,
    GOOD_IS_ZERO,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    bars,
    cloud,
    figure,
    lines,
    query,
    rates,
    rows,
)
from grafana.boards.words import Tongue

GATE = 'instance=~"$instance"'
SENT = f'{GATE}, provider=~"$provider"'
REFUSED = f'{GATE}, provider=~"$provider|other", province=~"$province"'
HITS = f'{GATE}, rule=~"$rule", province=~"$province"'
CAPS = "recipient-cap|advertiser-cap|category-cap|otp-cap|same-content|campaign-cap"
HONOURED = "suppressed|renamed-sender|complaint|protected"
"""Reasons that stand for a person's refusal or protection; outside the gate they are all `not-permitted`."""


def compliance(say: Tongue) -> dashboard.Dashboard:
    board = start(
        say,
        "compliance",
        say(
            "合规用：规则做了什么，退订是否得到遵守。", "For compliance: what the rules did, and whether refusals are honoured."
        ),
        [
            variable(
                "provider",
                say("通道商", "provider"),
                'label_values(gate106_provider_binds_limit{instance=~"$instance"}, provider)',
            ),
            variable(
                "province", say("省份", "province"), 'label_values(gate106_rule_hits_total{instance=~"$instance"}, province)'
            ),
            variable("rule", say("规则", "rule"), 'label_values(gate106_rule_hits_total{instance=~"$instance"}, rule)'),
        ],
    )
    return fill(
        board,
        say,
        [
            (say("概况", "In short"), _short),
            (say("省份", "Provinces"), _provinces),
            (say("规则", "Rules"), _rules),
            (say("频次上限", "Caps"), _caps),
            (say("退订", "Opt-outs"), _optouts),
            (say("未知归属地", "Unknown region"), _region),
            (say("投诉与处罚", "Complaints and penalties"), _desk),
            (say("人工命令", "Orders"), _orders),
        ],
    )


def _short(say: Tongue) -> Iterator[Panel]:
    yield figure(
        say("退订后下发", "Sent after opt-out"),
        say("所选时间内，退订之后仍被放行的营销短信；必须为 0。", "Advertisements let through after the person refused them; must be 0."),
        f"sum(increase(gate106_sent_after_optout_total{{{GATE}}}[$__range])) + sum(increase(gate106_sent_against_record_total{{{GATE}}}[$__range]))",
        unit="short", span=3, steps=GOOD_IS_ZERO, decimals=0, course=False,
    )  # fmt: skip
    yield figure(
        say("退订", "Opt-outs"),
        say("所选时间内记录的退订。", "Refusals recorded in the time shown."),
        f"sum(increase(gate106_optouts_total{{{SENT}}}[$__range]))",
        unit="short", span=3, decimals=0, course=False,
    )  # fmt: skip
    yield figure(
        say("退订生效 p99", "In force after, p99"),
        say("从收到退订到落盘生效，百分之九十九不超过此时间（近 1 小时）；承诺 1 秒内。", "From reading a refusal to its being in force, for ninety-nine of a hundred (last hour); under a second is promised."),
        f"max(instance:gate106_optout_effect_seconds:p99_1h{{{GATE}}})",
        unit="s", span=3, steps=((None, GREEN), (0.5, YELLOW), (1, RED)),
    )  # fmt: skip
    yield figure(
        say("拒绝比例", "Refused"),
        say("按规则或账号被最终拒绝的短信占全部提交的比例（不含稍后再试）。", "The share of all messages that is refused for good (not: told to try later)."),
        f'sum(rate(gate106_submits_total{{{SENT}, verdict="reject"}}[$__rate_interval]))'
        f" / sum(rate(gate106_submits_total{{{SENT}}}[$__rate_interval]))",
        unit="percentunit", span=3, decimals=1,
    )  # fmt: skip
    yield figure(
        say("规则命中", "Rule hits"),
        say("所选时间内生效规则提出的异议；一条短信可命中多条规则。", "Objections of rules in force; one message may count for several rules."),
        f"sum(increase(gate106_rule_hits_total{{{HITS}}}[$__range]))",
        unit="short", span=3, decimals=0, course=False,
    )  # fmt: skip
    yield figure(
        say("观察规则命中", "Shadow hits"),
        say("只观察的规则在所选时间内会做出的判定。", "What rules that only watch would have done in the time shown."),
        f"sum(increase(gate106_shadow_total{{{GATE}}}[$__range]))",
        unit="short", span=3, decimals=0, course=False,
    )  # fmt: skip
    yield figure(
        say("未知归属地", "Unknown region"),
        say("号段表中查不到省份的号码占比（近 1 小时）；超过 1% 即告警。", "The share of messages to numbers of no known province (last hour); above 1 % an alert fires."),
        f"max(instance:gate106_unknown_region:ratio_rate1h{{{GATE}}})",
        unit="percentunit", span=3, decimals=1, steps=((None, GREEN), (0.005, YELLOW), (0.01, RED)),
    )  # fmt: skip
    yield figure(
        say("规则文件", "The rules' folder"),
        say("文件夹中的规则是否就是生效的规则。", "Whether the rules in the folder are those in force."),
        f"min(gate106_rules_folder_ok{{{GATE}}})",
        unit="short", span=3, course=False, steps=((None, RED), (1, GREEN)),
        mapped={"1": (say("已生效", "in force"), GREEN), "0": (say("有误", "mistake"), RED)},
    )  # fmt: skip


def _provinces(say: Tongue) -> Iterator[Panel]:
    yield bars(
        say("各省命中", "Hits by province"),
        say("所选时间内生效规则的命中，按收件人号码的省份。", "Objections of rules in force, by the province of the person's number."),
        f"sort_desc(sum by (province) (increase(gate106_rule_hits_total{{{HITS}}}[$__range])) > 0)",
        "{{province}}", unit="short", span=7, height=16,
    )  # fmt: skip
    yield lines(
        say("各省命中走势", "Hits by province over time"),
        say("所选时间内命中最多的八个省（5 分钟平均）。", "The eight provinces with most in the time shown (5-minute average)."),
        [
            query(
                f"sum by (province) (rule_province:gate106_rule_hits:rate5m{{{HITS}}}) and on (province)"
                f" topk(8, sum by (province) (increase(gate106_rule_hits_total{{{HITS}}}[$__range] @ end())))",
                "{{province}}",
            )
        ],
        unit=say.per_second, span=9, height=16,
    )  # fmt: skip
    yield rows(
        say("省份与规则", "Province and rule"),
        say("哪条规则在哪个省命中多少。", "Which rule objected how often in which province."),
        f"sort_desc(sum by (province, rule) (increase(gate106_rule_hits_total{{{HITS}}}[$__range])) > 0)",
        {"province": say("省份", "province"), "rule": say("规则", "rule")}, say("命中", "hits"),
        unit="short", span=8, height=16,
    )  # fmt: skip
    yield lines(
        say("拒绝走势", "Refused over time"),
        say("所选省份每秒被最终拒绝的短信，按通道商（第 201 家起合计为 other）。", "Messages a second that are refused for good in the provinces chosen, by provider (from the 201st on: other)."),
        [rates(f"gate106_refused_total{{{REFUSED}}}", "provider")],
        unit=say.per_second, span=12, height=9, stacked=True,
    )  # fmt: skip
    yield rows(
        say("通道商与省份", "Provider and province"),
        say("哪家通道商发往哪个省的短信被最终拒绝多少。", "How many messages of which provider to which province were refused for good."),
        f"sort_desc(sum by (provider, province) (increase(gate106_refused_total{{{REFUSED}}}[$__range])) > 0)",
        {"provider": say("通道商", "provider"), "province": say("省份", "province")}, say("拒绝", "refused"),
        unit="short", span=12, height=9,
    )  # fmt: skip


def _rules(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("规则命中走势", "Rule hits over time"),
        say("每秒命中，按规则。", "Objections a second, by rule."),
        [rates(f"gate106_rule_hits_total{{{HITS}}}", "rule")],
        unit=say.per_second, span=12, stacked=True,
    )  # fmt: skip
    yield bars(
        say("规则命中合计", "Rule hits in all"),
        say("所选时间内各规则的命中；最多的在前。", "How often rules objected in the time shown; those with most."),
        f"sort_desc(sum by (rule) (increase(gate106_rule_hits_total{{{HITS}}}[$__range])) > 0)",
        "{{rule}}", unit="short", span=6, steps=((None, ORANGE),),
    )  # fmt: skip
    yield bars(
        say("观察规则", "Rules in shadow"),
        say("只观察的规则会拒绝（reject）或推迟（defer）多少；启用前先看这里。", "What rules that only watch would have refused (reject) or put off (defer): look here before enforcing one."),
        f"sort_desc(sum by (rule, verdict) (increase(gate106_shadow_total{{{GATE}}}[$__range])))",
        "{{rule}} · {{verdict}}", unit="short", span=6, steps=((None, PURPLE),),
    )  # fmt: skip
    yield rows(
        say("生效的规则集", "Rules in force"),
        say("各网关生效的规则集版本；应当一致。", "The revision of the rules in force at each gate; they should agree."),
        f"gate106_rules_info{{{GATE}}}",
        {"instance": say("网关", "gate"), "revision": say("版本", "revision")}, say("生效", "in force"),
        unit="short", span=12, height=5,
    )  # fmt: skip
    yield lines(
        say("规则重载", "Rules loaded anew"),
        say("ok 新规则已生效；failed 有误未生效，旧规则继续有效。", "ok: new rules are in force; failed: a mistake, the old ones stay."),
        [query(f"sum by (result) (increase(gate106_rules_reload_total{{{GATE}}}[$__rate_interval]))", "{{result}}")],
        unit="short", span=12, height=5, named={"ok": ("ok", GREEN), "failed": ("failed", RED)},
    )  # fmt: skip


def _caps(say: Tongue) -> Iterator[Panel]:
    capped = f'gate106_submits_total{{{SENT}, reason=~"{CAPS}"}}'
    yield lines(
        say("因频次被拒", "Refused by a cap"),
        say("因同一号码收到过多而拒绝的短信，按上限种类。", "Messages refused because a person got enough already, by the kind of cap."),
        [rates(capped, "reason")],
        unit=say.per_second, span=12, stacked=True,
    )  # fmt: skip
    yield bars(
        say("触及上限的通道商", "Who runs into caps"),
        say("所选时间内因频次被拒最多的通道商。", "Providers whose messages were refused by caps, in the time shown."),
        f"sort_desc(sum by (provider) (increase({capped}[$__range])))",
        "{{provider}}", unit=say.messages, span=6, steps=((None, ORANGE),),
    )  # fmt: skip
    yield rows(
        say("上限与通道商", "Cap and provider"),
        say("哪家通道商触及哪种上限。", "Which provider ran into which cap how often."),
        f"sort_desc(sum by (reason, provider) (increase({capped}[$__range])) > 0)",
        {"reason": say("上限", "cap"), "provider": say("通道商", "provider")}, say("拒绝", "refused"),
        unit="short", span=6,
    )  # fmt: skip


def _optouts(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("退订与恢复", "Refusals and restores"),
        say("收到的退订、恢复，以及待人工查看的回复（读作 review）。", "Replies that refuse, that take it back, and those a person should read (review)."),
        [query(f'sum by (kind) (increase(gate106_delivers_total{{{SENT}, kind=~"optout|restore|review"}}[$__rate_interval]))', "{{kind}}")],
        unit="short", span=8, named={"optout": (say("退订", "optout"), ORANGE), "restore": (say("恢复", "restore"), GREEN), "review": (say("待查看", "review"), PURPLE)},
    )  # fmt: skip
    yield lines(
        say("退订率", "Opt-out rate"),
        say("每放行一段短信对应的退订（近 1 小时），按通道商；突增三倍即告警。", "Refusals for each part let through (last hour), by provider; three times yesterday's fires an alert."),
        [query(f"max by (provider) (provider:gate106_optouts:ratio_rate1h{{{SENT}}})", "{{provider}}")],
        unit="percentunit", span=8, steps=((None, GREEN), (0.005, ORANGE)),
    )  # fmt: skip
    yield cloud(
        say("多久生效", "Time until in force"),
        say("从收到退订到落盘生效的时间分布。", "How the times from reading a refusal to its being in force are spread."),
        f"sum by (le) (increase(gate106_optout_effect_seconds_bucket{{{GATE}}}[$__rate_interval]))",
        span=8,
    )  # fmt: skip
    yield bars(
        say("退订范围", "What was refused"),
        say("advertiser 一家广告主；port 端口后的所有；provider 字母数字发送方；category 全部营销。", "advertiser: one advertiser; port: all behind a port; provider: an alphanumeric sender; category: all marketing."),
        f"sort_desc(sum by (scope) (increase(gate106_optouts_total{{{SENT}}}[$__range])))",
        "{{scope}}", unit="short", span=5, height=7,
    )  # fmt: skip
    yield bars(
        say("退订对象", "Whose messages"),
        say("退订针对哪家通道商的短信。", "Whose messages people refused."),
        f"sort_desc(sum by (provider) (increase(gate106_optouts_total{{{SENT}}}[$__range])))",
        "{{provider}}", unit="short", span=5, height=7,
    )  # fmt: skip
    yield lines(
        say("因退订而拦下", "Stopped because refused"),
        say("因退订、投诉或保护名单而未放行的短信。", "Messages that did not pass because the person refused them, complained or is protected."),
        [query(f'sum by (reason) (rate(gate106_submits_total{{{SENT}, reason=~"{HONOURED}"}}[$__rate_interval]))', "{{reason}}")],
        unit=say.per_second, span=5, height=7, stacked=True,
    )  # fmt: skip
    yield bars(
        say("退订确认", "Confirmations"),
        say("告知已退订的短信：sent 已发出，unsent 当时无链路或队列已满。", "Messages that tell people so: sent; unsent: no link was up or the queue was full."),
        f"sort_desc(sum by (result) (increase(gate106_confirmations_total{{{SENT}}}[$__range])))",
        "{{result}}", unit="short", span=4, height=7, named={"sent": (say("已发出", "sent"), GREEN), "unsent": (say("未发出", "unsent"), RED)},
    )  # fmt: skip
    yield bars(
        say("退订通路", "Reply paths"),
        say("登记的端口前缀，按能否收到上行：proven 收到过；unproven 还没有；silent 没有回复且无法用偶然解释；dead 拨测失败。", "Registered port prefixes by whether replies reach the gate: proven; unproven: none came yet; silent: none came, and chance does not explain it; dead: a probe failed (gate106 optout list-paths)."),
        f"sort_desc(max by (state) (gate106_reply_paths{{{GATE}}}))",
        "{{state}}", unit="short", span=5, height=7,
        named={"proven": (say("通", "proven"), GREEN), "unproven": (say("未证明", "unproven"), BLUE), "silent": (say("沉默", "silent"), ORANGE), "dead": (say("不通", "dead"), RED)},
    )  # fmt: skip


def _region(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("未知归属地占比", "Share of unknown region"),
        say("号段表中查不到省份的短信占比（近 1 小时），以及其中因此被拒的营销占全部营销的比例；占比上升说明号段表过旧，见 gate106 check。", "Messages to numbers that no table knows (last hour), and the share of all marketing that is refused for it (reason region-unknown); a growing share means that the table of segments is old (gate106 check)."),
        [
            query(f"max by (provider) (provider:gate106_unknown_region:ratio_rate1h{{{SENT}}})", "{{provider}}"),
            query(
                f'sum(rate(gate106_submits_total{{{SENT},category="marketing",reason="region-unknown"}}[1h]))'
                f' / sum(rate(gate106_submits_total{{{SENT},category="marketing"}}[1h]))',
                say("营销被拒", "marketing refused"),
            ),
        ],
        unit="percentunit", span=12, height=7, steps=((None, GREEN), (0.01, RED)),
    )  # fmt: skip
    yield bars(
        say("未知归属地短信", "Messages of unknown region"),
        say("所选时间内发往未知归属地号码的短信，按通道商。", "Messages to numbers of no known province in the time shown, by provider."),
        f"sort_desc(sum by (provider) (increase(gate106_unknown_region_total{{{SENT}}}[$__range])))",
        "{{provider}}", unit=say.messages, span=12, height=7,
    )  # fmt: skip


def _desk(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("有效投诉率", "Valid complaints in a million"),
        say("本月有效投诉 ÷ 本月放行短信 × 百万，按通道商；常见的处罚线是 0.25 和 0.4。", "This month's valid complaints in a million messages sent this month, by provider; carriers usually penalize from 0.25 and 0.4 on."),
        [query(f"max by (provider) (gate106_complaint_ppm{{{SENT}}})", "{{provider}}")],
        unit="short", span=7, height=7, steps=((None, GREEN), (0.25, YELLOW), (0.4, RED)),
    )  # fmt: skip
    yield bars(
        say("投诉认定", "Complaints decided"),
        say("所选时间内登记（open）和认定的投诉。", "Complaints filed (open) and decided in the time shown."),
        f"sort_desc(sum by (validity) (increase(gate106_complaints_total{{{GATE}}}[$__range])))",
        "{{validity}}", unit="short", span=4, height=7,
    )  # fmt: skip
    yield figure(
        say("超时投诉", "Overdue complaints"),
        say("已过工作日期限还没转办或答复的投诉。", "Complaints that should have been forwarded, or answered, by now."),
        f"sum(max by (clock) (gate106_complaints_overdue{{{GATE}}}))",
        unit="short", span=3, height=7, steps=((None, GREEN), (1, RED)),
    )  # fmt: skip
    yield figure(
        say("超时证明", "Overdue proofs"),
        say("通道商交来的同意，已过工作日期限还缺证明的批数（gate106 consent list-tasks）。", "Batches of consents whose proof should have come from the provider by now (gate106 consent list-tasks)."),
        f'sum(max by (provider) (gate106_consent_tasks{{state="overdue", {GATE}}}))',
        unit="short", span=3, height=7, steps=((None, GREEN), (1, RED)),
    )  # fmt: skip
    yield bars(
        say("生效中的处罚", "Penalties in force"),
        say("按通道商和档次：警告、限速、停营销、全停。", "By provider and step: warned, throttled, marketing or all suspended."),
        f"sort_desc(max by (provider, step) (gate106_penalties{{{SENT}}}))",
        "{{provider}} {{step}}", unit="short", span=4, height=7,
    )  # fmt: skip
    yield figure(
        say("待批处罚", "Penalties waiting"),
        say("已提出、等第二人批准的处罚（gate106 penalty list）。", "Proposed penalties that wait for a second person (gate106 penalty list)."),
        f"max(gate106_penalties_waiting{{{GATE}}})",
        unit="short", span=3, height=7, steps=((None, GREEN), (1, ORANGE)),
    )  # fmt: skip


def _orders(say: Tongue) -> Iterator[Panel]:
    yield figure(
        say("整套规则观察", "All rules in shadow"),
        say("是否有人下令整套规则只观察、不执行（gate106 shadow start）。", "Whether somebody ordered that no rule is enforced just now (gate106 shadow start)."),
        f"max(gate106_shadowed{{{GATE}}})",
        unit="short", span=6, course=False, steps=((None, GREEN), (1, RED)),
        mapped={"0": (say("否", "no"), GREEN), "1": (say("是：规则未执行", "yes: nothing is enforced"), RED)},
    )  # fmt: skip
    yield figure(
        say("临时停发", "Stops in force"),
        say("生效中的停发命令（gate106 stop list）；拦下多少见规则命中，规则名为 stop-编号。", "Orders in force that stop messages (gate106 stop list); how many each stops is among the rule hits, as stop-NUMBER."),
        f"max(gate106_stops{{{GATE}}})",
        unit="short", span=6, steps=((None, GREEN), (1, ORANGE)),
    )  # fmt: skip
    yield figure(
        say("暂停中的通道商", "Providers suspended"),
        say("被命令暂停的通道商数。", "Providers that are suspended by an order."),
        f"count(max by (provider) (gate106_suspended{{{SENT}}}) > 0) or vector(0)",
        unit="short", span=6, steps=((None, GREEN), (1, ORANGE)),
    )  # fmt: skip
    yield bars(
        say("不收营销的号码", "Refusals in force"),
        say("生效中的退订与勿扰，按范围：list 导入的名单，record 用户本人退订或逐个登记的；后者几分钟内更新。", "Refusals of marketing by scope: list: on imported lists; record: of single persons, by reply or entered one by one (some minutes late)."),
        f"sort_desc(max by (scope, kept) (gate106_suppressed_numbers{{{GATE}}}))",
        "{{scope}} {{kept}}", unit="short", span=6, height=4,
    )  # fmt: skip
