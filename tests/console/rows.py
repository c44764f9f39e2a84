"""A gate with every kind of row that a table may have: cases, penalties, orders, lists, consents, replies, sets of rules, filings.

In: a World. Out: the same, filled; what commands print there. Never: a word of another language that a person wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from typer.testing import CliRunner

from tests.commands import app
from tests.console.world import World, token_of
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider
from tests.e2e.waiting import until

PEOPLE = [SHANGHAI.format(number) for number in range(101, 120)]
AD = "【青禾】双11优惠券满300减50 拒收请回复R"
OTHER = "【山月】会员专享礼盒上新 拒收请回复R"
RULES = """\
rules:
  - {id: refused, say: 退订的号码不收营销, basis: 通信短信息服务管理规定, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: beijing-ban, say: 北京归属地号码不得接收, when: {province: 北京}, then: reject, reason: region-ban}
  - {id: presale, say: 预售短信等到晚上八点以后, when: {text: {words: [预售]}}, then: defer, reason: quiet-hours}
  - {id: new-cap, say: 试行的上限, when: {category: marketing}, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap, mode: shadow}
  - {id: night, say: 夜间不发, when: {category: marketing, time: "22:00-08:00"}, then: reject, reason: quiet-hours, mode: off}
"""
SIGNATURES = "青禾,青禾贸易公司\n"
CHINA = timezone(timedelta(hours=8))
WHY = "合规检查"


def before(gate: Gate) -> None:
    gate.settings["providers"] = [one | {"category": "marketing"} for one in gate.settings["providers"]] + [
        provider("bing", "1069003", category="marketing")
    ]
    gate.write_settings()
    gate.write_rules(RULES)
    (gate.rules / "registries").mkdir(exist_ok=True)
    (gate.rules / "registries" / "signatures.csv").write_text(SIGNATURES)


def _(*commands: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return commands


class Filled:
    """A world with all of it; ``printed``: what commands printed in Chinese, by their words."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, before, revisions={"four_eyes": True})
        self.printed: dict[str, str] = {}
        try:
            self._messages()
            self._complaints()
            self._penalties()
            self._lists()
            self._orders()
            self._rules()
            self.says("journal", "show", "1", "--count", "1000")
        except BaseException:
            self.world.stop()
            raise

    def stop(self) -> None:
        self.world.stop()

    def ask(self, who: str, command: str, **args: Any) -> Any:
        return self.world.ask(who, command, **args)

    def says(self, *words: str | Path, who: str = "song", settings: bool = True) -> str:
        """What a command prints on both channels, in Chinese."""
        given = [*words, *(("--config", self.world.gate.config) if settings else ()), "--lang", "zh"]
        done = CliRunner().invoke(app, [*map(str, given)], env={"GATE106_TOKEN": token_of(who)})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        key = " ".join(map(str, words))
        self.printed[key] = done.stdout + done.stderr
        return self.printed[key]

    def _messages(self) -> None:
        world = self.world
        for to in PEOPLE[:8]:
            world.send("jia", to, AD)
            world.send("yi", to, OTHER)
        world.send("jia", BEIJING.format(7), AD)
        world.send("jia", PEOPLE[0], "【青禾】预售今晚开始 拒收请回复R")
        world.send("yi", PEOPLE[0], "【山月】验证码739214，五分钟内有效")
        for to, text in ((PEOPLE[1], "TD"), (PEOPLE[2], "这是退订吗"), (PEOPLE[3], "别再发了好吗"), (PEOPLE[4], "恢复")):
            world.carrier.reply(to, "1069001", text.encode("utf-16-be"), data_coding=8)
        until(lambda: len(self.ask("song", "optout.doubtful", state="open")["rows"]) >= 1, "doubtful replies")
        self.says("journal", "roll")

    def _complaints(self) -> None:
        now = datetime.now(CHINA)
        rows = [f"T-{n},{PEOPLE[n]},1069001,{now:%Y-%m-%d %H:%M},双11优惠券满300减50" for n in range(6)]
        rows += [f"T-9,{PEOPLE[7][:3]}****{PEOPLE[7][-4:]},,{now - timedelta(days=40):%Y-%m-%d %H:%M},"]
        file = self.world.gate.folder / "投诉.csv"
        file.write_text("\n".join(["投诉编号,投诉号码,端口,短信接收时间,短信内容", *rows, ""]))
        self.says("complaint", "import", file, "--why", WHY, "--check")
        self.says("complaint", "import", file, "--why", WHY)
        self.says("complaint", "match", "1")
        message = self.ask_match("1")
        self.says("complaint", "match", "1", "--message", message, "--why", WHY)
        self.says("complaint", "forward", "1", "--why", WHY)
        self.says("complaint", "decide", "1", "valid", "--suppress", "provider", "--for", "180d", "--why", WHY)
        for number, decision in (("2", ("invalid",)), ("3", ("duplicate", "--of", "1")), ("4", ("not-ours",))):
            self.says("complaint", "decide", number, *decision, "--why", WHY)
        self.says("complaint", "withdraw", "5", "--why", WHY)
        self.says("complaint", "reopen", "2", "--why", WHY)
        self.says("complaint", "sweep", "1", "--stop", "signature", "--for", "24h", "--why", WHY)
        for words in _(("show", "1"), ("show", "7"), ("list",), ("list", "--state", "open", "--overdue"), ("match", "7")):
            self.says("complaint", *words)
        self.says("complaint", "export", self.world.gate.folder / "案件.csv")
        for name, heads in (("没有号码列", "投诉编号,短信内容"), ("举报", "举报人手机号,短信内容")):
            (file := self.world.gate.folder / f"{name}.csv").write_text(f"{heads}\nT-11,双11优惠券\n")
            self.says("complaint", "import", file, "--why", WHY, "--check")
        (sent := self.world.gate.folder / "答复.pdf").write_bytes(b"%PDF-")
        self.says("complaint", "answer", "4", "--file", sent, "--why", WHY)
        self.says("complaint", "show", "4")

    def ask_match(self, case: str) -> str:
        return next(word for word in self.printed[f"complaint match {case}"].split() if word.startswith("0:"))

    def _penalties(self) -> None:
        ask = self.ask
        terms: dict[str, Any] = {"provider": "jia", "why": WHY, "basis": "合作协议第七条"}
        for step, more in (
            ("warn", {}),
            ("throttle", {"to": 0.5}),
            ("suspend-marketing", {}),
            ("suspend-all", {}),
            ("warn", {}),
        ):
            ask("tang", "penalty.propose", step=step, **terms, **more)
        for words in _(("approve", "1"), ("reject", "3", "--why", WHY), ("lift", "1", "--why", WHY), ("approve", "2")):
            self.says("penalty", *words, who="lin")
        self.says("penalty", "appeal", "2", "--why", WHY)
        self.says("penalty", "withdraw", "4", "--why", WHY, who="tang")
        self.says("penalty", "propose", "--signature", "青禾", "--step", "warn", "--why", WHY)
        for words in _(("list",), ("show", "1"), ("show", "2"), ("show", "5")):
            self.says("penalty", *words)
        self.says("penalty", "write-letter", "2", "--out", self.world.gate.folder / "函.pdf")

    def _lists(self) -> None:
        folder = self.world.gate.folder
        for scope, value in (
            ("all", ""), ("provider", "jia"), ("signature", "青禾"), ("advertiser", "青禾贸易公司"), ("category", "loan"), ("port", "1069001"),
        ):  # fmt: skip
            self.says(
                "suppress", "add", "--to", PEOPLE[8], "--scope", scope, *(("--value", value) if value else ()), "--why", WHY
            )
        self.says("suppress", "remove", "--to", PEOPLE[8], "--scope", "port", "--why", WHY)
        told = json.dumps({"channel": "热线", "optouts": [{"number": PEOPLE[14]}]}).encode()
        marks = {"Authorization": f"Bearer {token_of('ledger')}", "Idempotency-Key": "1"}
        urlopen(Request(f"http://{self.world.gate.settings['http']['listen']}/optouts", told, marks), timeout=10).close()
        (folder / "名单.csv").write_text(f"{PEOPLE[9]}\n{PEOPLE[10]}\n")
        self.says("suppress", "import", folder / "名单.csv", "--check", "--source", "complaint", "--for", "180d", "--why", WHY)
        self.says("suppress", "import", folder / "名单.csv", "--source", "complaint", "--for", "180d", "--why", WHY)
        for words in _(
            ("show", "--to", PEOPLE[8]),
            ("show", "--to", PEOPLE[9]),
            ("show", "--to", PEOPLE[18]),
            ("show", "--to", PEOPLE[14]),
            ("list",),
        ):
            self.says("suppress", *words)
        self.says("suppress", "export", "--out", folder / "导出.csv", "--why", WHY)
        (folder / "同意.csv").write_text(f"number,given\n{PEOPLE[11]},2026-11-01\n{PEOPLE[12]},2026-11-02\n")
        (folder / "凭证.pdf").write_bytes(b"%PDF-")
        given = ("--source", "网页", "--advertiser", "青禾贸易公司", "--given", "2026-11-01", "--until", "长期", "--why", WHY)
        self.says("consent", "import", folder / "同意.csv", "--check", *given)
        self.says("consent", "import", folder / "同意.csv", *given)
        self.says("consent", "import", folder / "同意.csv", "--proof", folder / "凭证.pdf", *given)
        self.says("consent", "review", "3", "--verdict", "accepted", "--why", WHY)
        self.says("consent", "import", folder / "同意.csv", "--category", "营销", *given)
        self.says("consent", "withdraw", "--to", PEOPLE[12], "--advertiser", "青禾贸易公司", "--why", WHY)
        for words in _(("list",), ("list-tasks",), ("show", "--to", PEOPLE[11]), ("show", "--to", PEOPLE[12])):
            self.says("consent", *words)
        self.says("consent", "export", "--out", folder / "同意导出.csv", "--why", WHY)
        (folder / "放号.csv").write_text(f"number,date\n{PEOPLE[13]},2026-11-01\n")
        self.says("recycled", "import", folder / "放号.csv", "--why", WHY, who="tang")
        self.says("recycled", "import", folder / "放号.csv", "--why", WHY, who="song")
        self.says("recycled", "approve", "1", who="lin")
        self.says("recycled", "list")
        rows = self.ask("song", "optout.doubtful", state="open")["rows"]
        self.says("optout", "list-doubtful")
        self.says("optout", "decide", rows[0]["row"], "--yes", "--why", WHY)
        for one in rows[1:2]:
            self.says("optout", "decide", one["row"], "--no", "--standing", "--why", WHY)
        for words in _(
            ("list-doubtful", "--state", "decided"),
            ("list-doubtful", "--state", "standing"),
            ("list-paths",),
            ("list-probes",),
        ):
            self.says("optout", *words)
        self.says("optout", "trace", "--to", PEOPLE[1])
        self.says("optout", "audit")
        self.says("subject", "show", "--to", PEOPLE[1])
        self.says("subject", "show", "--to", PEOPLE[8])
        self.says("subject", "export", "--to", PEOPLE[2], "--out", folder / "本人", "--why", WHY)
        self.says("subject", "erase", "--to", PEOPLE[2], "--why", WHY)
        self.says("subject", "reject", "1", "--why", WHY, who="lin")
        self.says("subject", "approve", "1", who="lin")
        self.says("subject", "list-requests")

    def _orders(self) -> None:
        self.says("stop", "--province", "上海", "--category", "marketing", "--for", "24h", "--why", WHY)
        self.says("stop", "--provider", "yi", "--dry-run", "--watch", "1s", "--why", WHY)
        self.says("stop", "--subcategory", "loan", "--for", "24h", "--why", WHY)
        self.says("binds", "suspend", "--provider", "bing", "--category", "marketing", "--for", "2h", "--why", WHY)
        self.says("shadow", "start", "--for", "30m", "--why", WHY)
        self.says("links", "drain", "bj/1", "--for", "2h", "--why", WHY)
        for words in _(
            ("stop", "list"),
            ("links",),
            ("binds",),
            ("links", "enable", "bj/1", "--why", WHY),
            ("shadow", "end", "--why", WHY),
        ):
            self.says(*words)
        for words in _(
            ("--to", PEOPLE[1]),
            ("--to", PEOPLE[8]),
            ("--to", PEOPLE[12]),
            ("--to", PEOPLE[14]),
            ("--verdict", "reject"),
            ("--text", "没有这样的"),
            ("--provider", "jia", "--prove"),
        ):
            self.says("find", *words)
        self.says("report")
        self.says("regions", "show")
        self.says("regions", "find", "13800210500")
        self.says("filing", "list-tasks", "--days", "60")
        for words in _(("list-heads",), ("verify",), ("expire", "--dry-run")):
            self.says("journal", *words)
        self.says("provider", "list-refusals", "jia")
        self.says("lexicon", "propose", "--since", "7d")
        self.says("lexicon", "list-words", "--since", "7d")
        (texts := self.world.gate.folder / "文案.csv").write_text("文案,标签\n优惠券,营销\n您好,\n")
        self.says("lexicon", "measure", texts, "--rules", self.world.gate.rules)
        self.says("trace", "--provider", "jia", "--for", "1s")
        copy = self.world.gate.folder / "备份"
        self.says("backup", "check", copy, settings=False)
        for _again in range(2):  # once into a new folder, once into one that is not empty
            self.says("backup", "make", copy)
        self.says("backup", "check", copy, settings=False)
        for _again in range(2):
            self.says("journal", "make-key", self.world.gate.folder / "封存.key", settings=False)
        self.says("explain", "--message", self.ask_match("1"))
        self.says("explain", "--to", PEOPLE[1], "--from", "1069001", "--text", AD, "--rules", self.world.gate.rules)

    def _rules(self) -> None:
        gate = self.world.gate
        changed = gate.folder / "rules.yaml"
        changed.write_text(RULES.replace("count: 1", "count: 2"))
        self.says("rules", "push", changed, "--why", WHY, who="tang")
        self.says("rules", "list")
        self.says("backtest", "--rules", gate.rules, "--since", "1h")
        revision = self.ask("song", "rules")["proposed"]["revision"]
        self.says("rules", "approve", revision, who="lin")
        self.says("rules", "rollback", "--why", WHY, who="lin")
        self.says("rules", "list-changes")
        self.says("rules", "reload")
        self.says("check", gate.rules)
        changed.write_text(RULES.replace("count: 1", "count: 3"))
        self.says("rules", "push", changed, "--why", WHY, who="tang")


Fill = Callable[[], Filled]
