"""Overview: is the gate well, and what passes through it. The board for whoever is on duty.

In: a language. Out: a Dashboard. Never: what only compliance asks.
"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard, timeseries

from grafana.boards.frame import Panel, fill, start, uid, variable
from grafana.boards.panels import (
    GOOD_IS_ONE,
    GOOD_IS_ZERO,
    GREEN,
    ORANGE,
    RED,
    YELLOW,
    bands,
    bars,
    categories,
    cloud,
    figure,
    lines,
    query,
    rates,
    rows,
    verdicts,
)
from grafana.boards.words import Tongue

GATE = 'instance=~"$instance"'
SENT = f'{GATE}, provider=~"$provider"'
LINE = f'{GATE}, carrier=~"$carrier"'


def overview(say: Tongue) -> dashboard.Dashboard:
    board = start(
        say,
        "overview",
        say("值班用：网关是否正常，经过了什么。", "For whoever is on duty: is the gate well, and what passes through it."),
        [
            variable("carrier", say("运营商", "carrier"), 'label_values(gate106_window_limit{instance=~"$instance"}, carrier)'),
            variable(
                "provider",
                say("通道商", "provider"),
                'label_values(gate106_provider_binds_limit{instance=~"$instance"}, provider)',
            ),
        ],
    )
    return fill(
        board,
        say,
        [
            (say("此刻", "Now"), _now),
            (say("流量", "Traffic"), _traffic),
            (say("时延", "How long it takes"), _latency),
            (say("运营商", "Towards the carrier"), _carrier),
            (say("回执与上行", "The way back"), _way_back),
            (say("存储与日志", "Store and journal"), _record),
            (say("异常与进程", "What goes wrong, and the process"), _process),
        ],
    )


def _now(say: Tongue) -> Iterator[Panel]:
    yield figure(
        say("提交速率", "Messages"),
        say("各通道商提交的短信（含被拒绝的），条/秒。", "What providers submit, refused messages included, a second."),
        f"sum(rate(gate106_submits_total{{{SENT}}}[$__rate_interval]))",
        unit=say.per_second, span=3, decimals=1,
    )  # fmt: skip
    yield figure(
        say("放行比例", "Let through"),
        say("放行的短信占全部提交的比例。", "The share of all submitted messages that is let through."),
        f'sum(rate(gate106_submits_total{{{SENT}, verdict="allow"}}[$__rate_interval]))'
        f" / sum(rate(gate106_submits_total{{{SENT}}}[$__rate_interval]))",
        unit="percentunit", span=3, decimals=1,
    )  # fmt: skip
    yield figure(
        say("网关自身 p99", "The gate itself, p99"),
        say(
            "百分之九十九的短信在网关内部花费不超过此时间（近 5 分钟）。",
            "Ninety-nine of a hundred messages spend at most so long inside the gate (last 5 minutes).",
        ),
        f"max(instance:gate106_gate_seconds:p99_5m{{{GATE}}})",
        unit="s", span=3, steps=((None, GREEN), (0.01, YELLOW), (0.05, RED)),
    )  # fmt: skip
    yield figure(
        say("全程 p99", "The whole way, p99"),
        say(
            "从收到提交到运营商应答（近 5 分钟），百分之九十九不超过此时间。",
            "From a submit's arrival to the carrier's answer, for ninety-nine of a hundred (last 5 minutes).",
        ),
        f"max(carrier:gate106_submit_seconds:p99_5m{{{LINE}}})",
        unit="s", span=3, steps=((None, GREEN), (1, YELLOW), (2.5, RED)),
    )  # fmt: skip
    yield figure(
        say("中断链路", "Links down"),
        say("应有而未连上的运营商链路数。", "Links to carriers that should be there and are not."),
        f'sum(gate106_carrier_links{{{LINE}, state="down"}})',
        unit="short", span=3, steps=((None, GREEN), (1, RED)),
    )  # fmt: skip
    yield figure(
        say("日志滞后", "Journal lag"),
        say(
            "日志中尚未落盘的最早部分已等待多久；落盘之前不向通道商应答。",
            "How long the oldest part of the journal has waited for the disk; nobody is answered before.",
        ),
        f"max(gate106_journal_lag_seconds{{{GATE}}})",
        unit="s", span=3, steps=((None, GREEN), (0.25, YELLOW), (1, RED)),
    )  # fmt: skip
    yield figure(
        say("退订后下发", "Sent after opt-out"),
        say("所选时间内，退订之后仍被放行的营销短信；必须为 0。", "Advertisements let through after the person refused them; must be 0."),
        f"sum(increase(gate106_sent_after_optout_total{{{GATE}}}[$__range])) + sum(increase(gate106_sent_against_record_total{{{GATE}}}[$__range]))",
        unit="short", span=3, steps=GOOD_IS_ZERO, decimals=0, course=False,
    )  # fmt: skip
    yield figure(
        say("告警中", "Alerts firing"),
        say("正在触发的告警数，处置见 runbook.md。", "How many alerts fire; what to do about each is in runbook.md."),
        'count(ALERTS{alertname=~"Gate106.+", alertstate="firing", instance=~"$instance"}) or vector(0)',
        unit="short", span=3, steps=((None, GREEN), (1, RED)),
    )  # fmt: skip


def _traffic(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("判定", "Verdicts"),
        say("每秒放行、要求稍后再试、拒绝的短信。", "Messages a second that are let through, told to try later, refused."),
        [rates(f"gate106_submits_total{{{SENT}}}", "verdict")],
        unit=say.per_second, span=8, stacked=True, named=verdicts(say),
    )  # fmt: skip
    yield lines(
        say("类别", "Categories"),
        say("按判定时的类别：验证码、通知、营销；未读即被拒的单列。", "By category as judged; what was refused unread stands apart."),
        [rates(f"gate106_submits_total{{{SENT}}}", "category")],
        unit=say.per_second, span=8, stacked=True, named=categories(say),
    )  # fmt: skip
    yield _to_provider(
        lines(
            say("通道商", "Providers"),
            say("各通道商每秒提交的短信；点击可打开该通道商的看板。", "What each provider submits a second; a click opens its board."),
            [rates(f"gate106_submits_total{{{SENT}}}", "provider")],
            unit=say.per_second, span=8,
        ),
        say,
    )  # fmt: skip
    refused = f'gate106_submits_total{{{SENT}, verdict!="allow"}}'
    yield lines(
        say("未放行的原因", "Why not let through"),
        say("每秒未放行的短信，按原因（见 rules/README.md 的原因表）。", "Messages a second that do not pass, by reason (table of reasons in rules/README.md)."),
        [rates(refused, "reason")],
        unit=say.per_second, span=16, height=12, stacked=True,
    )  # fmt: skip
    yield bars(
        say("原因合计", "Reasons in all"),
        say("所选时间内未放行的短信，按原因合计；最多的在前。", "Messages of the time shown that did not pass, by reason; the most frequent ones."),
        f"sort_desc(sum by (reason) (increase({refused}[$__range])) > 0)",
        "{{reason}}", unit=say.messages, span=8, height=12, steps=((None, ORANGE),),
    )  # fmt: skip


def _latency(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("网关自身", "The gate itself"),
        say(
            "收到末字节到交给运营商队列，加上运营商应答到回给通道商：中位数与 p99（近 5 分钟）。",
            "From the last byte to the carrier's queue, and from the carrier's answer to the provider's: median and p99 (5 minutes).",
        ),
        [
            query(f"instance:gate106_gate_seconds:p50_5m{{{GATE}}}", "p50 {{instance}}"),
            query(f"instance:gate106_gate_seconds:p99_5m{{{GATE}}}", "p99 {{instance}}"),
        ],
        unit="s", span=8,
    )  # fmt: skip
    yield lines(
        say("全程", "The whole way"),
        say("从收到提交到运营商应答：中位数与 p99（近 5 分钟）。", "From a submit's arrival to the carrier's answer: median and p99 (5 minutes)."),
        [
            query(f"max by (carrier) (carrier:gate106_submit_seconds:p50_5m{{{LINE}}})", "p50 {{carrier}}"),
            query(f"max by (carrier) (carrier:gate106_submit_seconds:p99_5m{{{LINE}}})", "p99 {{carrier}}"),
        ],
        unit="s", span=8,
    )  # fmt: skip
    yield cloud(
        say("网关自身的分布", "How the gate's own times are spread"),
        say("颜色越深，耗时在该区间的短信越多。", "The darker, the more messages took so long inside the gate."),
        f"sum by (le) (increase(gate106_gate_seconds_bucket{{{GATE}}}[$__rate_interval]))",
        span=8,
    )  # fmt: skip


def _carrier(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("链路", "Links"),
        say("与运营商之间连通与中断的链路。", "Links to the carrier that are up, and that are down."),
        [query(f"sum by (carrier, state) (gate106_carrier_links{{{LINE}}})", "{{carrier}} {{state}}")],
        unit="short", span=6, named={"/ up$/": ("", GREEN), "/ down$/": ("", RED)},
    )  # fmt: skip
    yield lines(
        say("窗口占用", "Window in use"),
        say("运营商尚未应答的提交占允许数的比例；长期超过九成说明运营商太慢或窗口太小。", "Unanswered submits as a share of those allowed; above nine tenths for long: the carrier is slow or the window small."),
        [query(f"sum by (carrier) (gate106_window_in_use{{{LINE}}}) / sum by (carrier) (gate106_window_limit{{{LINE}}})", "{{carrier}}")],
        unit="percentunit", span=6, top=1, steps=((None, GREEN), (0.9, RED)),
    )  # fmt: skip
    yield lines(
        say("速率与上限", "Rate and limit"),
        say("运营商每秒应答的提交，与其允许的每秒条数。", "What the carrier answers a second, and how many a second it takes."),
        [
            rates(f"gate106_carrier_responses_total{{{LINE}}}", "carrier"),
            query(f"sum by (carrier) (gate106_carrier_tps_limit{{{LINE}}})", say("上限 {{carrier}}", "limit {{carrier}}")),
        ],
        unit=say.per_second, span=6, bound="/^(上限|limit)/",
    )  # fmt: skip
    yield lines(
        say("排队", "Queue"),
        say(
            "等待运营商速率或窗口的短信，按类别；总数到虚线时营销先被要求稍后再试。",
            "Messages that wait for the carrier's rate or window, by category; with so many as the dashed line says, advertisements are told to try later.",
        ),
        [
            query(f"sum by (class) (gate106_queue_messages{{{LINE}}})", "{{class}}"),
            query(f'sum(gate106_queue_limit{{{LINE}, class="marketing"}})', say("营销上限", "limit of advertisements")),
        ],
        unit=say.messages, span=6, stacked=True, named=categories(say), bound="/^(营销上限|limit)/",
    )  # fmt: skip
    yield lines(
        say("运营商应答", "The carrier's answers"),
        say("运营商对提交的应答，按状态。", "The carrier's answers to submits, by status."),
        [rates(f"gate106_carrier_responses_total{{{LINE}}}", "status")],
        unit=say.per_second, span=12, stacked=True, named={"ESME_ROK": ("ESME_ROK", GREEN)},
    )  # fmt: skip
    yield lines(
        say("提交的结局", "What became of them"),
        say(
            "settled 运营商接收；taken_back 被运营商拒绝，额度退还；unknown 未及时应答；adopted 代替了结局未知的一条。",
            "settled: accepted; taken_back: refused by the carrier, the allowance given back; unknown: not answered in time; adopted: stood in for an unknown one.",
        ),
        [rates(f"gate106_entries_total{{{GATE}}}", "event")],
        unit=say.per_second, span=12, named={"settled": ("settled", GREEN), "taken_back": ("taken_back", ORANGE), "unknown": ("unknown", RED)},
    )  # fmt: skip


def _way_back(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("运营商下发", "What the carrier delivers"),
        say("回执与上行：receipt 回执，reply 普通回复，optout 退订，restore 恢复，review 待人工查看。", "Receipts and replies: optout refuses, restore takes that back, review is for a person to read."),
        [rates(f"gate106_delivers_total{{{SENT}}}", "kind")],
        unit=say.per_second, span=8, stacked=True,
    )  # fmt: skip
    yield lines(
        say("待取信箱", "Mailboxes"),
        say("通道商尚未确认的回执与上行，最多的十家。", "Receipts and replies not acknowledged yet, of the ten providers with most."),
        [query(f"topk(10, sum by (provider) (gate106_mailbox_messages{{{SENT}}}))", "{{provider}}")],
        unit=say.messages, span=8,
    )  # fmt: skip
    yield lines(
        say("最久等待", "Oldest in a mailbox"),
        say("信箱中最早一条的等待时间，最久的十家；超过 10 分钟即告警。", "How long the oldest has waited, of the ten longest; beyond 10 minutes an alert fires."),
        [query(f"topk(10, max by (provider) (gate106_mailbox_oldest_seconds{{{SENT}}}))", "{{provider}}")],
        unit="s", span=8, steps=((None, GREEN), (600, RED)),
    )  # fmt: skip


def _record(say: Tongue) -> Iterator[Panel]:
    good = say("正常", "well")
    yield bands(
        say("健康状态", "Health"),
        say(
            "up：能否抓取；store：存储可用；journal：日志可写；chain：日志链完整；rules：文件夹中的规则已生效。红色表示否。",
            "up: can be read; store: it answers; journal: it can be written; chain: it holds; rules: those in the folder are in force. Red: no.",
        ),
        [
            query(f'min(up{{{GATE}, job="gate106"}})', "up"),
            query(f"min(gate106_store_up{{{GATE}}})", "store"),
            query(f"min(gate106_journal_up{{{GATE}}})", "journal"),
            query(f"min(gate106_journal_chain_ok{{{GATE}}})", "chain"),
            query(f"min(gate106_rules_folder_ok{{{GATE}}})", "rules"),
        ],
        span=8, height=8, steps=GOOD_IS_ONE, mapped={"0": (say("异常", "not well"), RED), "1": (good, GREEN)},
    )  # fmt: skip
    yield lines(
        say("日志滞后", "Journal lag"),
        say("尚未落盘的最早部分的年龄；超过 1 秒即告警。", "Age of the oldest part that is not on disk yet; beyond a second an alert fires."),
        [query(f"gate106_journal_lag_seconds{{{GATE}}}", "{{instance}}")],
        unit="s", span=8,
    )  # fmt: skip
    yield lines(
        say("日志写入", "Journal growth"),
        say("每秒写入日志的字节：磁盘多快被占满。", "Bytes written to the journal a second: how fast the disk fills."),
        [query(f"rate(gate106_journal_written_bytes_total{{{GATE}}}[$__rate_interval])", "{{instance}}")],
        unit="Bps", span=8,
    )  # fmt: skip
    yield lines(
        say("存储冲突", "Store conflicts"),
        say("未能写入的用户记录：again 已重试，gave-up 已要求稍后再试。", "Records that could not be written: again: tried again; gave-up: told to come later."),
        [rates(f"gate106_store_conflicts_total{{{GATE}}}", "result")],
        unit=say.per_second, span=6, height=6,
    )  # fmt: skip
    yield figure(
        say("日志大小", "Journal size"),
        say("保留在磁盘上的日志；超过 retention.days 的部分由网关自动删除。", "The journal that is kept on disk; what is older than retention.days the gate removes."),
        f"sum(gate106_journal_bytes{{{GATE}}})",
        unit="bytes", span=3, height=6,
    )  # fmt: skip
    yield figure(
        say("日志保留", "Journal kept"),
        say("最早的一段日志距今多久：此后都有证据可查。", "How long ago the oldest part of the journal was begun: since then there is evidence."),
        f"time() - min(gate106_journal_oldest_timestamp_seconds{{{GATE}}} > 0)",
        unit="s", span=3, height=6, course=False,
    )  # fmt: skip
    yield lines(
        say("时钟偏差", "Clock"),
        say("网关与 Prometheus 时钟之差；日上限与免打扰时段按网关时钟计算。", "The gate's clock against Prometheus'; daily caps and quiet hours go by the gate's."),
        [query(f"abs(gate106_time_seconds{{{GATE}}} - timestamp(gate106_time_seconds{{{GATE}}}))", "{{instance}}")],
        unit="s", span=6, height=6, steps=((None, GREEN), (5, RED)),
    )  # fmt: skip
    yield figure(
        say("时钟跳变", "Clock jump"),
        say("最近一次超过 1 秒的时钟跳变，无则为 0。", "The last jump of the clock by more than a second, 0 if there was none."),
        f"max(abs(gate106_clock_skew_seconds{{{GATE}}}))",
        unit="s", span=3, height=6, steps=((None, GREEN), (1, ORANGE)), course=False,
    )  # fmt: skip
    yield figure(
        say("证书有效期", "Certificate"),
        say("距本网关最早到期的证书还有多久。", "Time until the first of the gate's certificates expires."),
        f"min(gate106_certificate_expiry_timestamp_seconds{{{GATE}}} - time())",
        unit="s", span=3, height=6, steps=((None, RED), (14 * 86400, GREEN)), course=False, empty=say("未用 TLS", "no TLS"),
    )  # fmt: skip
    yield lines(
        say("其他网关的音讯", "Silence of other gates"),
        say(
            "共享存储：多久没有听到其他网关的退订与停发；超过 30 秒即告警，超过 shared.stale_s 营销暂缓。",
            "With a shared store: how long nothing was heard of what other gates were told; beyond 30 s an alert fires, beyond shared.stale_s marketing is deferred.",
        ),
        [query(f"gate106_store_silence_seconds{{{GATE}}}", "{{instance}}")],
        unit="s", span=12, height=5, steps=((None, GREEN), (30, RED)),
    )  # fmt: skip
    yield lines(
        say("网关之间的记录", "Records between gates"),
        say(
            "owed 存储尚缺的本网关记录；untold 其他网关尚未收到的退订、停发与名单；heard 已生效的其他网关的记录。",
            "owed: of this gate, that the store lacks; untold: refusals, orders and lists that the others have not; heard: of others, in force here.",
        ),
        [
            query(f"sum(gate106_store_owed{{{GATE}}})", "owed"),
            query(f"sum(gate106_store_untold_records{{{GATE}}})", "untold"),
            query(f"sum(gate106_store_heard_records{{{GATE}}})", "heard"),
        ],
        unit="short", span=12, height=5,
    )  # fmt: skip
    yield rows(
        say("日志链头", "Journal heads"),
        say(
            "每天归档后签名的链头；这里保留的值可证明本机日志此后未被改写（gate106 journal verify 与日报中的链头须与之相同）。",
            "The signed head of each day: what stands here proves that the journal was not written anew since (it must be the one in the daily report, and "
            "`heads/` beside the tables).",
        ),
        f"max by (instance, day, head) (last_over_time(gate106_journal_head_info{{{GATE}}}[$__range]))",
        {"instance": say("网关", "gate"), "day": say("日期", "day"), "head": say("链头", "head")},
        say("至记录", "up to record"),
        unit="none", span=24, height=4,
    )  # fmt: skip


def _process(say: Tongue) -> Iterator[Panel]:
    yield lines(
        say("畸形 PDU", "Broken PDUs"),
        say("违反 SMPP 3.4 的报文，按来源与种类。", "PDUs that break SMPP 3.4, by whose they are and how."),
        [rates(f"gate106_bad_pdus_total{{{GATE}}}", "side", "peer", "kind")],
        unit=say.per_second, span=6,
    )  # fmt: skip
    yield lines(
        say("绑定被拒", "Binds refused"),
        say("被拒绝的绑定，按原因。", "Binds that were refused, by cause."),
        [rates(f"gate106_bind_failures_total{{{GATE}}}", "cause")],
        unit=say.per_second, span=6,
    )  # fmt: skip
    yield lines(
        say("长短信", "Long messages"),
        say("complete 收齐后判定；incomplete 未收齐即判定；inherited 沿用已有判定的后续分段；late-breach 后到分段违规；too-long 超过 20 段；part-early、message-torn 等为拒绝原因。", "complete: judged with all parts; incomplete: with what was there; inherited: a part that came later; late-breach: a late part broke a rule; too-long: over 20 parts; part-early, message-torn and so on: why a part was refused unread."),
        [rates(f"gate106_long_messages_total{{{GATE}}}", "outcome")],
        unit=say.per_second, span=6,
    )  # fmt: skip
    yield lines(
        say("内部错误", "Faults of the gate"),
        say("判定过程中的内部错误与未能及时收下的下发；应为 0。", "Verdicts that failed inside the gate, and delivers left with the carrier; should be 0."),
        [
            query(f"sum(increase(gate106_judge_errors_total{{{GATE}}}[$__rate_interval]))", say("判定错误", "judge errors")),
            query(f"sum(increase(gate106_delivers_returned_total{{{GATE}}}[$__rate_interval])) or vector(0)", say("退回运营商", "delivers returned")),
        ],
        unit="short", span=6,
    )  # fmt: skip
    process = f'{GATE}, job="gate106"'
    yield lines(
        say("处理器", "Processor"),
        say("网关进程占用的处理器，1 为一个核。", "Processor time of the gate's process; 1 is one core."),
        [query(f"rate(process_cpu_seconds_total{{{process}}}[$__rate_interval])", "{{instance}}")],
        unit="percentunit", span=8, height=6,
    )  # fmt: skip
    yield lines(
        say("内存", "Memory"),
        say("网关进程的常驻内存。", "Resident memory of the gate's process."),
        [query(f"process_resident_memory_bytes{{{process}}}", "{{instance}}")],
        unit="bytes", span=8, height=6,
    )  # fmt: skip
    yield lines(
        say("打开的文件与连接", "Open files and connections"),
        say("占系统允许数的比例。", "As a share of what the system allows."),
        [query(f"process_open_fds{{{process}}} / process_max_fds{{{process}}}", "{{instance}}")],
        unit="percentunit", span=8, height=6, steps=((None, GREEN), (0.8, RED)),
    )  # fmt: skip


def _to_provider(panel: timeseries.Panel, say: Tongue) -> timeseries.Panel:
    """A click on a provider's line opens its board."""
    link = dashboard.DashboardLink(say("通道商看板", "the provider's board"))
    link.url(f"/d/{uid(say, 'provider')}?var-provider=${{__field.labels.provider}}&${{__url_time_range}}")
    return panel.data_links([link])
