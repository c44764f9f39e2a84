"""No word of another language stands on a Chinese page, or in what a command prints in Chinese, whatever kind of row is shown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from proxy.console.app import found_pages
from tests.console.rows import Filled
from tests.console.test_in_chinese import HIDDEN
from tests.console.world import Browser
from tests.i18n.test_punctuation import found_in

WORD = re.compile(r"[A-Za-z]{2,}")
OURS = re.compile(
    r"gate106(?: [a-z-]+)*|--?[a-z][a-z-]*|`[^`]*`"  # commands, options
    r"|(?:[\w~-]+/)*[\w-]+\.(?:ya?ml|csv|xlsx|pdf|dat|json|html|zip|log)\b(?::\d+)?|(?:/[\w.~-]+)+"  # files and folders
    r"|\b[0-9a-f]{8,}\b|\b(?:stop|throttle|suspension|shadow|drain|penalty)-\d+\b|\bbj/\d\b"  # digests, orders, links
    r"|\b[a-z_]+(?:(?:\[\])?\.[a-z_]+)+|https?://\S+"  # settings
)
NAMES = {
    "jia", "yi", "bing", "chen", "lin", "wu", "zhou", "song", "tang", "guo", "he", "root", "bj", "ledger",
    "refused", "beijing-ban", "beijing", "ban", "presale", "new-cap", "new", "cap", "night",
}  # fmt: skip
"""Of providers, people, carriers; ids of rules."""
ALLOWED = NAMES | {
    "gate106", "SHA", "PDF", "CSV", "XLSX", "ZIP", "YAML", "JSON", "HTML", "GBK", "UTF", "ID", "SMPP", "PDU", "TLS", "API", "MB", "KB", "TD",
    "START", "UCS", "TXT", "QQ", "id", "phone", "data", "wise", "location",
}  # fmt: skip
"""What has no other name in Chinese: formats, SMPP's words, keywords of replies, sources of the map."""


UNREAD = re.compile(r"\b[0-9a-f]{12,}\b|\bsha256\b|\.(?:ya?ml|csv):\d+|\brules\.yaml\b|\bregistries/")
"""What no page shows outside of code: digests, lines of files, files of rules and tables."""


def foreign(text: str) -> list[str]:
    bare = OURS.sub(" ", text)
    return [found for found in WORD.findall(bare) if found not in ALLOWED]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    found = Filled(tmp_path_factory.mktemp("rows"))
    yield found
    found.stop()


def test_what_commands_print_has_no_foreign_word(filled: Filled) -> None:
    dumps = ("journal show", "provider list-refusals")  # records, CSV
    wrong = {
        words: [line for line in said.splitlines() if foreign(line) or (found_in(line) and not words.startswith(dumps))]
        for words, said in filled.printed.items()
        if not words.startswith("check")  # YAML to write
    }
    assert {words: lines for words, lines in wrong.items() if lines} == {}
    assert len(filled.printed) > 80


LINK = re.compile(r'<a [^>]*href="(/[^"#]*)"')
PART = re.compile(r'hx-get="([^"]+)"')
SAID = re.compile(r'(?:placeholder|aria-label|data-label|data-confirm|alt)="([^"]*)"')
ONCE = ("/find/message/", "/rules/rule/", "/tables/one/", "/find?", "/find/")
"""Of these one page is like the next."""
PAGES_MAX = 120
RULES = Path(__file__).parents[2] / "rules"


def readable(text: str) -> str:
    """What a reader sees or hears of a page, but for ids in code, texts of files and languages' own names."""
    main = re.sub(r'<p class="languages">.*?</p>|<p class="version">.*?</p>', "", text, flags=re.DOTALL)
    return html.unescape("\n".join([HIDDEN.sub("\n", main), *SAID.findall(main)]))


def whole(here: Browser, path: str) -> str:
    """A page with the parts that it asks for by itself."""
    answer = here.get(path)
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return ""
    assert answer.status_code == 200, (path, answer.status_code)
    parts = [html.unescape(part) for part in PART.findall(answer.text)]
    return str(answer.text) + "".join(here.part(part).text for part in dict.fromkeys(parts))


def walk(here: Browser, start: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every page that links lead to."""
    ahead, seen = [start], set[str]()
    while ahead and len(seen) < PAGES_MAX:
        path = ahead.pop(0)
        kind = next((one for one in ONCE if path.startswith(one)), path)
        if kind in seen or "/file/" in path or path.startswith(("/language", "/logout", "/static")):
            continue
        seen.add(kind)
        text = whole(here, path)
        yield path, text
        ahead += [html.unescape(link) for link in LINK.findall(text)]


@pytest.mark.parametrize("name", ["song", "lin", "jia"])
def test_no_page_has_a_foreign_word(name: str, filled: Filled) -> None:
    here = Browser(filled.world, name)
    found = dict(walk(here, "/own" if name == "jia" else "/"))
    wrong = {
        path: sorted(
            {
                line.strip()[:160]
                for line in readable(text).splitlines()
                if foreign(line) or UNREAD.search(line) or found_in(line)
            }
        )
        for path, text in found.items()
    }
    assert {path: lines for path, lines in wrong.items() if lines} == {}
    menu = {page.path for page in found_pages() if page.place and here.get(page.path).status_code == 200}
    assert menu <= {path.partition("?")[0] for path in found}


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_rules_say_what_they_are_for_in_chinese(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    said = [*sentences(yaml.safe_load(text)), *re.findall("^ *# (.+)", text, re.MULTILINE)]
    assert [one for one in said if not re.search("[\u4e00-\u9fff]", one) or re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", one)] == []
    assert len(said) > 4


def sentences(node: object) -> Iterator[str]:
    """What rules, penalties and tests of a file say in words."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key in ("say", "basis", "note") and isinstance(value, str):
            yield re.sub("gate106(?: [a-z]+)*", "", value)
        else:
            yield from sentences(value)


def test_what_is_looked_for_is_found() -> None:
    for line in ("案件 1：valid", "处罚 2，jia：warn", "marketing 青禾", "提交 by 甲", "song (uid 0, pid 77)：合规检查"):
        assert foreign(line), line
    for line in ("停发：stop-1（`gate106 stop lift stop-1` 可解除）", "rules/caps.yaml:3"):
        assert not foreign(line), line
