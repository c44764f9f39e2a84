"""Record: what a gate of an earlier commit leaves behind, kept so that each later gate can be seen to go on from it.

In: a commit. Out: tests/data/upgrade/COMMIT.tar.xz: store, journal, revisions, rules as they lay there when the gate was killed, and
story.json with when that was. Never: today's gate, or a state written by hand.

    python -m tests.upgrade.record COMMIT
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from tests.upgrade.desk import answers, works
from tests.upgrade.ends import AD, NOTICE, ROOT, Bind, Ends, until
from tests.upgrade.people import (
    ALL_CAP,
    BACK,
    CAPPED,
    FREE,
    GONE,
    IMPORTED,
    LATE,
    LONG,
    ONCE,
    REFUSED,
    SUPPRESSED,
    UNANSWERED,
    WHILE_AWAY,
)

DATA = ROOT / "tests" / "data" / "upgrade"
KEPT = ("state.db", "state.db-wal", "journal", "revisions", "rules", "story.json", "answers.json")


async def story(ends: Ends) -> dict[str, object]:
    """It lives twice: what the first life leaves is in the checkpoint, what the second does is in the journal alone."""
    await ends.open()
    await ends.start()
    jia, yi = await ends.bind("jia"), await ends.bind("yi")
    for place in range(2):
        assert await jia.say(CAPPED, AD.format(place)) == 0
    assert await jia.say(LONG, "【测试】" + "长消息" * 60 + "拒收请回复R", long=7) == 0
    for place, person in enumerate((REFUSED, BACK, ONCE)):
        assert await jia.say(person, AD.format(place)) == 0
    assert await jia.say(GONE, AD.format("x")) == 0x45
    await refuses(ends, jia, REFUSED)
    await refuses(ends, jia, BACK)
    assert [await yi.say(FREE, NOTICE.format(place)) for place in range(3)] == [0, 0, 0]
    await until(lambda: len(yi.receipts) == 3 and len(jia.receipts) == 8, "receipts")
    yi.drop()
    numbers = ends.folder / "numbers.csv"
    numbers.write_text("number\n" + "".join(f"{number}\n" for number in IMPORTED), encoding="utf-8")
    await ends.command("suppress", "import", str(numbers), "--source", "import", "--for", "good", "--why", "a list")
    await ends.command("suppress", "add", "--to", SUPPRESSED, "--why", "asked by phone")
    await ends.command("stop", "--province", "西藏", "--for", "7d", "--why", "ordered by phone")
    await works(ends, jia)
    ends.carrier.reply(FREE, "1069002", WHILE_AWAY[0])
    await asyncio.sleep(0.5)
    await ends.stop()

    await ends.start()
    jia = await ends.bind("jia")
    assert await jia.say(CAPPED, AD.format(2)) == 0
    assert await jia.say(ONCE, AD.format(3)) == 0
    assert await jia.say(LATE, AD.format(1)) == 0
    await refuses(ends, jia, LATE)
    ends.carrier.reply(BACK, "1069001", "START")
    await until(lambda: "START" in jia.replies, "a reply")
    ends.carrier.reply(FREE, "1069002", WHILE_AWAY[1])
    await ends.rules_say("  - {id: more, when: {text: {words: [五合彩]}}, then: reject, reason: keyword}\n")
    jia.submit(UNANSWERED, AD.format(5))
    await until(lambda: any(line.sms.destination == UNANSWERED for line in ends.carrier.log.submits), "the submit")
    await asyncio.sleep(0.5)
    at = time.time()
    ends.kill()
    return {"at": at, "next_id": ends.carrier.next_id, "cap": ALL_CAP}


async def refuses(ends: Ends, jia: Bind, person: str) -> None:
    had = len(jia.replies)
    ends.carrier.reply(person, "1069001", "R")
    await until(lambda: len(jia.replies) > had, "the reply")


async def recorded(folder: Path, code: Path) -> dict[str, object]:
    ends = Ends(folder, code)
    try:
        return await story(ends)
    finally:
        await ends.close()


async def answered(folder: Path, code: Path, at: float) -> list[dict[str, object]]:
    """By a gate of that commit, on a copy of what it left."""
    ends = Ends(folder, code)
    try:
        await ends.open()
        return await answers(ends, at)
    finally:
        await ends.close()


def main() -> int:
    commit = sys.argv[1]
    said = subprocess.run(
        ["git", "show", "-s", "--format=%h %cs", commit], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    tree = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="gate106-record-") as temporary:
        code, folder = Path(temporary) / "code", Path(temporary) / "life"
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            archive.extractall(code, filter="data")
        folder.mkdir()
        told = asyncio.run(recorded(folder, code))
        (folder / "story.json").write_text(json.dumps({"commit": said[0], "day": said[1], **told}, indent=1) + "\n")
        copy = Path(temporary) / "copy"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.sock"))
        found = asyncio.run(answered(copy, code, float(str(told["at"]))))
        (folder / "answers.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        DATA.mkdir(parents=True, exist_ok=True)
        path = DATA / f"{said[0]}.tar.xz"
        with tarfile.open(path, "w:xz") as archive:
            for name in KEPT:
                if (folder / name).exists():
                    archive.add(folder / name, name)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} octets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
