"""Pictures: pages of the console for the README and the guide, out of a real browser before the demo while its traffic runs.

In: nothing. Out: .github/guide/pictures/NAME.png, small ones. Never: a page put together for its picture; a name that the demo has not made up.

    python -m tests.browser.pictures        (make console-pictures)
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from proxy.sim import demo
from tests.browser.conftest import ARGUMENTS
from tests.browser.times import OPEN_S, answers
from tests.browser.visitor import PHONE, WIDE, Visitor
from tests.e2e.waiting import until
from tests.needs import path_of

FOLDER = Path(__file__).parents[2] / ".github" / "guide" / "pictures"
SECONDS = 60.0
SENT_ENOUGH = 900
"""Messages after which there is something to see."""
COLOURS = 96
"""Of a picture: what a page has, and it is a third of the size."""


def today(here: Visitor) -> None:
    here.open("/")
    passed = here.page.locator(".tile b").nth(1)
    until(lambda: int(passed.inner_text().replace(",", "")) >= SENT_ENOUGH, "messages", SECONDS / 2)


def rules(here: Visitor) -> None:
    here.open("/rules")


def ban(here: Visitor) -> None:
    here.open("/drafts/new")
    here.page.check("#guided [name=province][value=北京]")
    here.page.wait_for_selector("#written pre")


def message(here: Visitor) -> None:
    here.open("/find?verdict=reject")
    here.follow(here.page.locator("#found a[href^='/find/message/']").first.click)


def providers(here: Visitor) -> None:
    here.open("/providers")


PICTURES: dict[str, tuple[Callable[[Visitor], None], str, dict[str, int]]] = {
    "today-zh": (today, "zh", WIDE),
    "message-en": (message, "en", WIDE),
    "rules-zh": (rules, "zh", WIDE),
    "ban-zh": (ban, "zh", WIDE),
    "providers-en": (providers, "en", WIDE),
    "today-phone-en": (today, "en", PHONE),
}


def take(browser: Browser, address: str, token: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (lead, language, size) in PICTURES.items():
        context = browser.new_context(viewport=size, locale="zh-CN", timezone_id="Asia/Shanghai")  # type: ignore[arg-type]
        here = Visitor(context, address).speak(language).log_in("admin", token).settled()
        lead(here)
        keep(name, here.page.screenshot())
        here.leave()
        context.close()


def keep(name: str, png: bytes) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(FOLDER / f"{name}.png", optimize=True)


def main() -> int:
    out, failed = io.StringIO(), list[Exception]()

    def look() -> None:
        try:
            address, token = until(
                lambda: re.findall(r"console: (\S+)/ as admin with (\S+)", out.getvalue()), "a login", OPEN_S
            )[0]
            until(lambda: answers(f"{address}/"), "a console", OPEN_S)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path_of("chromium"), args=ARGUMENTS)
                take(browser, address, token)
                browser.close()
        except Exception as error:  # noqa: BLE001 # told below, where the demo has ended
            failed.append(error)

    beside = threading.Thread(target=look)
    code = demo.stage(Console(file=out, width=100), SECONDS, keep=False, watch=lambda _: beside.start())
    beside.join(OPEN_S)
    if failed:
        raise failed[0]
    return code


if __name__ == "__main__":
    raise SystemExit(main())
