"""Desk: what officers do in the story that an earlier gate lives, and questions whose answers a later gate must give unchanged.

In: the ends of a story. Out: the gate's answers as JSON. Never: the gate's insides.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.upgrade.ends import AD, Bind, Ends, until
from tests.upgrade.people import (
    BACK,
    CAPPED,
    COMPLAINED,
    CONSENTED,
    DOUBTED,
    FORGOTTEN,
    FREE,
    IMPORTED,
    LATE,
    LONG,
    REFUSED,
    SUPPRESSED,
)

CHINA = ZoneInfo("Asia/Shanghai")
DOUBTFUL = "这是退订吗"
WHY = ("--why", "a story")


async def works(ends: Ends, jia: Bind) -> None:
    """Consents, complaints, a penalty, a doubtful reply, orders: a record of each is in the journal afterwards."""
    day = datetime.now(CHINA)
    rows = "".join(f"{number},{day:%Y-%m-%d}\n" for number in CONSENTED)
    consents = written(ends.folder / "consents.csv", "number,given\n" + rows)
    terms = ("--source", "app", "--advertiser", "any", "--until", "good")
    await ends.command("consent", "import", consents, *terms, "--provider", "jia", *WHY)
    await ends.command("consent", "withdraw", "--to", CONSENTED[1], *WHY)
    for person in (COMPLAINED, FORGOTTEN):
        assert await jia.say(person, AD.format("c")) == 0
    heads = "投诉编号,投诉号码,被举报号码,短信接收时间,短信内容\n"
    batch = written(ends.folder / "cases.csv", f"{heads}A1,{COMPLAINED},1069001,{day:%Y-%m-%d %H:%M},好礼c 拒收请回复R\n")
    await ends.command("complaint", "import", batch, *WHY)
    (case,) = json.loads(await ends.command("complaint", "list", "--json"))["cases"]
    (fits, *_) = json.loads(await ends.command("complaint", "match", str(case["id"]), "--json"))["candidates"]
    await ends.command("complaint", "match", str(case["id"]), "--message", fits["message"], *WHY)
    await ends.command("complaint", "forward", str(case["id"]), *WHY)
    await ends.command("complaint", "decide", str(case["id"]), "valid", "--suppress", "provider", *WHY)
    await ends.command("penalty", "propose", "--provider", "jia", "--step", "warn", *WHY)
    assert await jia.say(DOUBTED, AD.format("d")) == 0
    had = len(jia.replies)
    ends.carrier.reply(DOUBTED, "1069001", DOUBTFUL)
    await until(lambda: len(jia.replies) > had, "the reply")
    (row,) = json.loads(await ends.command("optout", "doubtful", "--json"))["rows"]
    await ends.command("optout", "decide", row["row"], "--yes", *WHY)
    await ends.command("subject", "erase", "--to", FORGOTTEN, *WHY)
    await ends.command("shadow", "--for", "10m", *WHY)
    await ends.command("shadow", "off", *WHY)
    await ends.command("suppress", "add", "--to", FREE, *WHY)
    await ends.command("suppress", "remove", "--to", FREE, *WHY)


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def questions(at: float) -> list[list[str]]:
    """``at``: when the earlier gate was killed."""
    day = f"{datetime.fromtimestamp(at, CHINA):%Y-%m-%d}"
    asked = [["find", "--to", number, "--since", day, *WHY] for number in (LONG, REFUSED, SUPPRESSED, FORGOTTEN)]
    asked += [["suppress", "show", "--to", number] for number in (LATE, BACK, IMPORTED[0], COMPLAINED, DOUBTED, FORGOTTEN)]
    asked += [
        ["optout", "trace", "--to", REFUSED],
        ["consent", "show", "--to", CONSENTED[1]],
        ["subject", "show", "--to", CAPPED],
    ]
    asked += [words.split() for words in ("suppress lists", "consent tasks", "complaint show 1", "penalty list", "stop list")]
    asked += [words.split() for words in ("rules history", "optout doubtful --state decided", "optout paths")]
    return [*asked, ["report", "--day", day, "--least", "1"], ["backtest", "--since", "all"]]


PASSING = {"at", "covered", "journal", "window", "seconds", "messages_per_second"}
"""What an answer says of the moment at which it was asked for."""


def lasting(said: object) -> object:
    """An answer without what the moment of the question and the folder say."""
    if not isinstance(said, dict):
        return said
    found = {name: value for name, value in said.items() if name not in PASSING}
    return found | {"rules": {**found["rules"], "folder": ""}} if "rules" in found else found


async def answers(ends: Ends, at: float) -> list[dict[str, object]]:
    """Of a gate that starts a minute after ``at``, in its own time."""
    await ends.start(at + 60)
    found = []
    for words in questions(at):
        done = await ends.run(*words, "--json", "--config", str(ends.settings))
        said = json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout + done.stderr
        found.append({"words": words, "code": done.returncode, "said": lasting(said)})
    await ends.stop()
    return found
