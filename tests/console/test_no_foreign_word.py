"""No word of another language stands on a Chinese page, or in what a command prints in Chinese, whatever kind of row is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.console.rows import Filled
from tests.console.world import Browser

Desk = Callable[..., Browser]
WORD = re.compile(r"[A-Za-z]{2,}")
OURS = re.compile(
    r"gate106(?: [a-z-]+)*|--?[a-z][a-z-]*|`[^`]*`|\(uid \d+, pid \d+\)"  # commands, options, who asks
    r"|(?:[\w~-]+/)*[\w-]+\.(?:ya?ml|csv|xlsx|pdf|dat|json|html|zip|log)\b(?::\d+)?|(?:/[\w.~-]+)+"  # files and folders
    r"|\b[0-9a-f]{8,}\b|\b(?:stop|throttle|suspension|shadow|drain|penalty)-\d+\b|\bbj/\d\b"  # digests, orders, links
    r"|\b[a-z_]+(?:(?:\[\])?\.[a-z_]+)+|https?://\S+"  # settings
)
NAMES = {
    "jia", "yi", "bing", "chen", "lin", "wu", "zhou", "song", "tang", "guo", "he", "root", "bj",
    "refused", "beijing-ban", "beijing", "ban", "presale", "new-cap", "new", "cap", "night",
}  # fmt: skip
"""Of providers, people, carriers; ids of rules."""
ALLOWED = NAMES | {
    "gate106", "SHA", "PDF", "CSV", "XLSX", "ZIP", "YAML", "JSON", "HTML", "GBK", "UTF", "ID", "SMPP", "PDU", "TLS", "API", "MB", "KB", "TD",
    "START", "UCS", "id", "phone", "data", "wise", "location",
}  # fmt: skip
"""What has no other name in Chinese: formats, SMPP's words, keywords of replies, sources of the map."""


def foreign(text: str) -> list[str]:
    bare = OURS.sub(" ", text)
    return [found for found in WORD.findall(bare) if found not in ALLOWED]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    found = Filled(tmp_path_factory.mktemp("rows"))
    yield found
    found.stop()


def test_what_commands_print_has_no_foreign_word(filled: Filled) -> None:
    dumps = ("journal show", "provider list-refusals", "check")  # records as they are; CSV; YAML to write
    wrong = {
        words: [line for line in said.splitlines() if foreign(line)]
        for words, said in filled.printed.items()
        if not words.startswith(dumps)
    }
    assert {words: lines for words, lines in wrong.items() if lines} == {}
    assert len(filled.printed) > 80


def test_what_is_looked_for_is_found() -> None:
    for line in ("案件 1：valid", "处罚 2，jia：warn", "marketing 青禾", "提交 by 甲"):
        assert foreign(line), line
    for line in ("停发：stop-1（`gate106 stop lift stop-1` 可解除）", "rules/caps.yaml:3", "song (uid 0, pid 77)：合规检查"):
        assert not foreign(line), line
