"""Provider: one provider, closely. The board for a talk with that provider.

In: a language. Out: a Dashboard. Never: two providers at once, but for one line to compare with.
"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard

from grafana.boards.frame import Panel, fill, start, variable
from grafana.boards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    bars,
    categories,
    figure,
    lines,
    query,
    rates,
    verdicts,
)
from grafana.boards.words import Tongue

GATE = 'instance=~"$instance"'
ITS = f'{GATE}, provider="$provider"'


def provider(say: Tongue) -> dashboard.Dashboard:
    board = start(
        say,
        "provider",
        say("单个通道商：连接、速率、被拒原因、退订与回执。", "One provider: binds, rate, refusals, opt-outs, receipts."),
        [
            variable(
                "provider",
                say("通道商", "provider"),
                'label_values(gate106_provider_binds_limit{instance=~"$instance"}, provider)',
                many=False,
            )
        ],
    )
    return fill(
        board,
        say,
        [
            (say("此刻", "Now"), _now),
            (say("流量", "Traffic"), _traffic),
            (say("未放行", "What does not pass"), _refusals),
            (say("连接", "Connections"), _binds),
            (say("收件人", "People"), _people),
            (say("回执与上行", "Receipts and replies"), _way_back),
        ],
    )


def _now(say: Tongue) -> Iterator[Panel]:
    yield figure(
        say("连接数", "Binds"),
        say("现有绑定。", "Binds held now."),
        f"sum(gate106_binds{{{ITS}}}) or vector(0)",
        unit="short", span=3, steps=((None, RED), (1, GREEN)),
    )  # fmt: skip
    yield figure(
        say("占连接上限", "Share of its binds"),
        say("现有绑定占合同允许数的比例；达到 100% 后新的绑定被拒。", "Binds held as a share of those allowed; at 100 % further ones are refused."),
        f"(sum(gate106_binds{{{ITS}}}) or vector(0)) / max(gate106_provider_binds_limit{{{ITS}}})",
        unit="percentunit", span=3, steps=((None, GREEN), (0.9, ORANGE), (1, RED)), decimals=0,
    )  # fmt: skip
    yield figure(
        say("提交速率", "Messages"),
        say("每秒提交的短信。", "Messages it submits a second."),
        f"sum(rate(gate106_submits_total{{{ITS}}}[$__rate_interval]))",
        unit=say.per_second, span=3, decimals=1,
    )  # fmt: skip
    yield figure(
        say("占速率上限", "Share of its rate"),
        say("被接受判定的提交占合同速率的比例；未设上限则没有数据。", "What its rate let in, as a share of the contract; nothing to show without one."),
        f'sum(rate(gate106_submits_total{{{ITS}, reason!~"rate-exceeded|window-full"}}[$__rate_interval]))'
        f" / max(gate106_provider_tps_limit{{{ITS}}})",
        unit="percentunit", span=3, steps=((None, GREEN), (0.8, ORANGE), (1, RED)), decimals=0, empty=say("无上限", "no limit"),
    )  # fmt: skip
    yield figure(
        say("拒绝比例", "Refused"),
        say("被最终拒绝的占比（近 5 分钟）。", "The share that is refused for good (last 5 minutes)."),
        f"max(provider:gate106_submits_rejected:ratio_rate5m{{{ITS}}})",
        unit="percentunit", span=3, steps=((None, GREEN), (0.1, YELLOW), (0.3, RED)), decimals=1,
    )  # fmt: skip
    yield figure(
        say("退订率", "Opt-out rate"),
        say("每放行一段对应的退订（近 1 小时）。", "Refusals for each part let through (last hour)."),
        f"max(provider:gate106_optouts:ratio_rate1h{{{ITS}}})",
        unit="percentunit", span=3, steps=((None, GREEN), (0.005, ORANGE)), decimals=2,
    )  # fmt: skip
    yield figure(
        say("信箱", "Mailbox"),
        say("尚未确认的回执与上行。", "Receipts and replies it has not acknowledged yet."),
        f"sum(gate106_mailbox_messages{{{ITS}}})",
        unit="short", span=3,
    )  # fmt: skip
    yield figure(
        say("最久等待", "Oldest in it"),
        say("信箱中最早一条的等待时间。", "How long the oldest has waited."),
        f"max(gate106_mailbox_oldest_seconds{{{ITS}}})",
        unit="s", span=3, steps=((None, GREEN), (60, YELLOW), (600, RED)),
    )  # fmt: skip


def _traffic(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("速率与上限", "Rate and limit"),
        say(
            "提交的全部短信，其中放行的分段，与合同速率；超出合同的提交得到 rate-exceeded。",
            "All it submits, the parts let through, and the rate of its contract; what is faster is refused for now (rate-exceeded).",
        ),
        [
            query(f"sum(rate(gate106_submits_total{{{ITS}}}[$__rate_interval]))", say("提交", "submitted")),
            query(f"sum(rate(gate106_segments_total{{{ITS}}}[$__rate_interval]))", say("放行分段", "parts let through")),
            query(f"max(gate106_provider_tps_limit{{{ITS}}})", say("上限", "limit")),
        ],
        unit=say.per_second, span=12, bound="/^(上限|limit)$/",
        named={say("提交", "submitted"): (say("提交", "submitted"), BLUE), say("放行分段", "parts let through"): (say("放行分段", "parts let through"), GREEN)},
    )  # fmt: skip
    yield lines(
        say("判定", "Verdicts"),
        say("每秒放行、要求稍后再试、拒绝的短信。", "Messages a second that are let through, told to try later, refused."),
        [rates(f"gate106_submits_total{{{ITS}}}", "verdict")],
        unit=say.per_second, span=6, stacked=True, named=verdicts(say),
    )  # fmt: skip
    yield lines(
        say("类别", "Categories"),
        say("按判定时的类别。", "By category as judged."),
        [rates(f"gate106_submits_total{{{ITS}}}", "category")],
        unit=say.per_second, span=6, stacked=True, named=categories(say),
    )  # fmt: skip


def _refusals(say: Tongue) -> Iterator[Panel]:
    refused = f'gate106_submits_total{{{ITS}, verdict!="allow"}}'
    yield lines(
        say("未放行的原因", "Why not let through"),
        say("每秒未放行的短信，按原因。", "Messages a second that do not pass, by reason."),
        [rates(refused, "reason")],
        unit=say.per_second, span=9, stacked=True,
    )  # fmt: skip
    yield bars(
        say("原因合计", "Reasons in all"),
        say("所选时间内未放行的短信，按原因合计；最多的在前。", "Messages of the time shown that did not pass, by reason; the most frequent ones."),
        f"sort_desc(sum by (reason) (increase({refused}[$__range])) > 0)",
        "{{reason}}", unit=say.messages, span=5, steps=((None, ORANGE),),
    )  # fmt: skip
    yield bars(
        say("各省拒绝", "Refused by province"),
        say("所选时间内被最终拒绝的短信，按收件人号码的省份；最多的在前。", "Messages of the time shown that were refused for good, by the province of the person's number; the most first."),
        f"sort_desc(sum by (province) (increase(gate106_refused_total{{{ITS}}}[$__range])) > 0)",
        "{{province}}", unit=say.messages, span=5, steps=((None, ORANGE),),
    )  # fmt: skip
    yield lines(
        say("过快", "Too fast"),
        say("rate-exceeded 超过合同速率；window-full 不等应答；queue-full 运营商队列已满。", "rate-exceeded: faster than its contract; window-full: it does not wait for answers; queue-full: the carrier's queue."),
        [query(f'sum by (reason) (rate(gate106_submits_total{{{ITS}, reason=~"rate-exceeded|window-full|queue-full"}}[$__rate_interval]))', "{{reason}}")],
        unit=say.per_second, span=5, named={"rate-exceeded": ("rate-exceeded", RED), "window-full": ("window-full", YELLOW), "queue-full": ("queue-full", PURPLE)},
    )  # fmt: skip


def _binds(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("绑定", "Binds"),
        say("现有绑定，按种类（tx 发送，rx 接收，trx 收发），与合同允许数。", "Binds held, by type (tx sends, rx receives, trx both), and how many it may hold."),
        [
            query(f"sum by (type) (gate106_binds{{{ITS}}})", "{{type}}"),
            query(f"max(gate106_provider_binds_limit{{{ITS}}})", say("上限", "limit")),
        ],
        unit="short", span=7, height=7, bound="/^(上限|limit)$/",
    )  # fmt: skip
    yield figure(
        say("暂停", "Suspended"),
        say("是否有人下令暂停它（gate106 binds suspend）。", "Whether somebody ordered that it is suspended (gate106 binds suspend)."),
        f"max(gate106_suspended{{{ITS}}})",
        unit="short", span=3, height=7, course=False, steps=((None, GREEN), (1, RED)),
        mapped={"0": (say("否", "no"), GREEN), "1": (say("是", "yes"), RED)},
    )  # fmt: skip
    yield lines(
        say("绑定被拒", "Binds refused"),
        say("它的账号被拒绝的绑定，按原因。", "Binds of its accounts that were refused, by cause."),
        [query(f"sum by (cause) (increase(gate106_bind_failures_total{{{ITS}}}[$__rate_interval]))", "{{cause}}")],
        unit="short", span=7, height=7,
    )  # fmt: skip
    yield lines(
        say("畸形 PDU", "Broken PDUs"),
        say("它发来的违反 SMPP 3.4 的报文，按种类。", "What it sends that breaks SMPP 3.4, by kind."),
        [query(f'sum by (kind) (rate(gate106_bad_pdus_total{{{GATE}, side="provider", peer="$provider"}}[$__rate_interval]))', "{{kind}}")],
        unit=say.per_second, span=7, height=7,
    )  # fmt: skip


def _people(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("退订率", "Opt-out rate"),
        say("每放行一段对应的退订（近 1 小时），与所有通道商相比。", "Refusals for each part let through (last hour), beside that of all providers."),
        [
            query(f"max(provider:gate106_optouts:ratio_rate1h{{{ITS}}})", "$provider"),
            query(
                f'sum(rate(gate106_optouts_total{{{GATE}, source="reply"}}[1h])) / sum(provider:gate106_segments:rate1h{{{GATE}}})',
                say("全部通道商", "all providers"),
            ),
        ],
        unit="percentunit", span=8, height=7, named={say("全部通道商", "all providers"): (say("全部通道商", "all providers"), GREY)},
    )  # fmt: skip
    yield bars(
        say("退订与恢复", "Refusals and restores"),
        say(
            "所选时间内针对它的退订，按范围；以及恢复和短信回复的同意。",
            "Refusals of its messages in the time shown, by scope; those that were taken back; and consents by reply.",
        ),
        f"sort_desc(sum by (scope) (increase(gate106_optouts_total{{{ITS}}}[$__range])))",
        "{{scope}}", unit="short", span=8, height=7,
        beside={
            say("恢复", "taken back"): f"sum(increase(gate106_restores_total{{{ITS}}}[$__range]))",
            say("同意", "consents"): f"sum(increase(gate106_consent_replies_total{{{ITS}}}[$__range]))",
        },
    )  # fmt: skip
    yield lines(
        say("未知归属地占比", "Share of unknown region"),
        say("它的收件人中查不到省份的比例（近 1 小时）。", "The share of its messages to numbers of no known province (last hour)."),
        [query(f"max(provider:gate106_unknown_region:ratio_rate1h{{{ITS}}})", "$provider")],
        unit="percentunit", span=8, height=7, steps=((None, GREEN), (0.01, RED)),
    )  # fmt: skip


def _way_back(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("收到的下发", "Delivered for it"),
        say("运营商发给它的回执与上行，按读法。", "Receipts and replies that the carrier delivered for it, by how they were read."),
        [rates(f"gate106_delivers_total{{{ITS}}}", "kind")],
        unit=say.per_second, span=6, height=7, stacked=True,
    )  # fmt: skip
    yield lines(
        say("信箱", "Mailbox"),
        say("尚未确认的回执与上行。", "Receipts and replies it has not acknowledged yet."),
        [query(f"sum(gate106_mailbox_messages{{{ITS}}})", say("等待", "waiting"))],
        unit=say.messages, span=6, height=7, legend=False,
    )  # fmt: skip
    yield lines(
        say("最久等待", "Oldest in it"),
        say("最早一条的等待时间；超过 10 分钟即告警。", "How long the oldest has waited; beyond 10 minutes an alert fires."),
        [query(f"max(gate106_mailbox_oldest_seconds{{{ITS}}})", say("最久", "oldest"))],
        unit="s", span=6, height=7, legend=False,
    )  # fmt: skip
    yield lines(
        say("丢弃与退回", "Dropped and returned"),
        say("expired 过期，full 信箱已满，refused 被它拒收；returned 暂留在运营商处。", "expired: too old; full: no room; refused: it said no for good; returned: left with the carrier for now."),
        [
            query(f"sum by (reason) (increase(gate106_mailbox_dropped_total{{{ITS}}}[$__rate_interval]))", "{{reason}}"),
            query(f"sum(increase(gate106_delivers_returned_total{{{ITS}}}[$__rate_interval]))", "returned"),
        ],
        unit="short", span=6, height=7,
    )  # fmt: skip
