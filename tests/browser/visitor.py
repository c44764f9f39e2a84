"""Visitor: somebody before a real browser. What a browser finds wrong with a page is kept, and every story ends without any of it.

In: a context of chromium, an address. Out: pages opened, forms filled in; faults. Never: a page's inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

from tests.browser.street import token_of
from tests.console.world import hidden

AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
OVERTAKEN = ("htmx:afterRequest", "htmx:sendAbort")
"""What htmx says of a request that a newer one replaced, and of no other alone."""
LETTERS_PX_MIN = 9
WIDE_DIALOGS = """() => {
    const page = document.documentElement, found = [];
    for (const one of document.querySelectorAll('details.dialog')) {
        const before = one.open;
        one.open = true;
        if (page.scrollWidth > page.clientWidth) found.push(`${one.querySelector('summary').innerText}: ${page.scrollWidth} px wide`);
        one.open = before;
    }
    return found;
}"""
UNREADABLE = """least => [
    ...[...document.querySelectorAll('main .table')].filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
        .map(one => 'a table is cut off: ' + one.innerText.slice(0, 80)),
    ...[...document.querySelectorAll('main svg text')].filter(one => one.checkVisibility() && one.getBoundingClientRect().height < least)
        .map(one => 'too small to read: ' + one.textContent),
]"""
NOTICES = """kinds => document.getElementById('content').prepend(...kinds.map(kind => {
    const made = document.createElement('p');
    made.className = 'said ' + kind;
    made.setAttribute('role', 'status');
    made.textContent = kind;
    return made;
})) || window.dispatchEvent(new Event('resize'))"""
ENDLESS = """async () => {
    await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
    const main = document.getElementById('content'), screens = main.scrollHeight / window.innerHeight;
    const links = [...main.querySelectorAll('nav.jump a')].filter(one => one.checkVisibility());
    const dead = links.filter(one => !document.querySelector(one.getAttribute('href'))).map(one => 'leads nowhere: ' + one.outerHTML);
    return screens > 2 && !links.length ? [screens.toFixed(1) + ' screens, and no links to its parts'] : dead;
}"""
FAULTS = """async seen => {
    const options = {resultTypes: ['violations'], selectors: false}, behind = new Map(), looks = new Map(), known = new Set(seen);
    const below = one => {
        if (!one) return '';
        if (!behind.has(one)) {
            const {backgroundColor, backgroundImage, opacity} = getComputedStyle(one);
            const own = backgroundColor === 'rgba(0, 0, 0, 0)' && backgroundImage === 'none' && opacity === '1'
                ? '' : `>${backgroundColor} ${backgroundImage} ${opacity}`;
            behind.set(one, below(one.parentElement) + own);
        }
        return behind.get(one);
    };
    for (const one of document.body.querySelectorAll('*')) {
        const {color, fontSize, fontWeight, textShadow} = getComputedStyle(one);
        looks.set(one, [below(one), color, fontSize, fontWeight, textShadow].join('|'));
    }
    const found = await axe.run(document, {...options, rules: {'color-contrast': {enabled: false}}});
    const fresh = [...looks.keys()].filter(one => !known.has(looks.get(one)) && one.checkVisibility()
        && (one.matches('input, select, textarea') || [...one.childNodes].some(part => part.nodeType === 3 && part.data.trim())));
    if (!fresh.length) return [found.violations, []];
    const colours = await axe.run({include: fresh}, {...options, runOnly: ['color-contrast'], resultTypes: ['violations', 'passes'], elementRef: true});
    const good = colours.passes.flatMap(one => one.nodes).map(node => looks.get(node.element));
    const bare = colours.violations.map(one => ({...one, nodes: one.nodes.map(({html, failureSummary}) => ({html, failureSummary}))}));
    return [[...found.violations, ...bare], [...new Set(good)]];
}"""
"""What axe finds. Contrast, three quarters of its work, is looked at once for text of the same size and weight, in the same colours."""
_LEGIBLE: set[str] = set()
"""Looks of text whose contrast is sufficient."""
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


class Visitor:
    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self.page.on("dialog", lambda dialog: dialog.accept())
        self._context = context

    def _said(self, said: ConsoleMessage) -> None:
        """What the browser complains about; of answers that went wrong ``_answered`` knows more."""
        if said.type == "error" and not said.text.startswith(("Failed to load resource", *OVERTAKEN)):
            self.faults.append(f"{said.type}: {said.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(f"{self.address}/"):
            self.faults.append(f"asked elsewhere: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    # -- going about

    def log_in(self, name: str, token: str = "") -> Visitor:
        self.open("/login")
        self.page.fill("input[name=name]", name)
        self.page.fill("input[name=token]", token or token_of(name))
        return self.follow(lambda: self.page.click("form button.main"))

    def enter(self, name: str) -> Visitor:
        """Logs in without drawing the form, nor a page."""
        ask, login = self._context.request, f"{self.address}/login"
        form = {"name": name, "token": token_of(name), "mark": hidden(ask.get(login).text(), "mark")}
        answer = ask.post(login, form=form, max_redirects=0)
        assert answer.status == 303, answer.text()
        return self

    def open(self, path: str) -> Visitor:
        self.page.goto(self.address + path)
        return self.settled()

    def refused(self, path: str) -> bool:
        """Whether the page is refused and says so; asked for without drawing it."""
        answer = self._context.request.get(self.address + path)
        return answer.status == 403 and "没有" in answer.text()

    def screen(self, size: dict[str, int]) -> None:
        """Turns the page into one on a screen of that size, unless it is one."""
        if self.page.viewport_size != size:
            self.page.set_viewport_size(size)

    def follow(self, act: Callable[[], object]) -> Visitor:
        """Does what leads to another page, and waits until that is there."""
        with self.page.expect_navigation():
            act()
        return self.settled()

    def settled(self) -> Visitor:
        """What the page asks for by itself is there."""
        self.page.wait_for_load_state()
        self.page.wait_for_function("() => !document.querySelector('[hx-trigger=load], .htmx-request')", timeout=30_000)
        return self

    def speak(self, language: str) -> Visitor:
        self._context.add_cookies([{"name": "gate106-language", "value": language, "url": self.address}])
        return self

    def menu(self) -> list[str]:
        return [str(one.get_attribute("href")) for one in self.page.locator("nav li a").all()]

    def links(self) -> list[str]:
        """Where the page itself leads, on this site; to pages, not to files."""
        found = [str(one.get_attribute("href")) for one in self.page.locator("main a[href^='/']:not([download])").all()]
        return [path for path in found if not path.startswith("/language") and "/file/" not in path]

    def heading(self) -> str:
        return str(self.page.locator("h1").inner_text())

    def text(self) -> str:
        return str(self.page.locator("main").inner_text())

    def sees(self, words: str | re.Pattern[str], within_s: float = 10.0) -> Visitor:
        expect(self.page.locator("main")).to_contain_text(words, timeout=within_s * 1000)
        return self

    def form(self, action: str) -> Locator:
        """The form that leads there, opened if it lies under a button."""
        closed = self.page.locator(f"details.dialog:not([open]):has(form[action$='{action}'])")
        if closed.count():
            closed.first.locator("summary").first.click()
        return self.page.locator(f"form[action$='{action}']").first

    def send(self, action: str, **fields: str) -> Visitor:
        """Fills a form in and sends it by its first button."""
        form = self.form(action)
        for name, value in fields.items():
            field = form.locator(f"[name={name}]").first
            if field.evaluate("one => one.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        button = form.locator("button:not([type=button])").first
        if form.get_attribute("hx-post") is None:
            return self.follow(button.click)
        button.click()
        return self.settled()

    def count(self, words: str) -> int:
        """The number of a tile with these words."""
        shown = self.page.locator(".tile").filter(has_text=words).locator("b").first.inner_text()
        return int(shown.replace(",", "").replace("–", "0"))

    # -- what is wrong with a page

    def axe(self) -> list[str]:
        """Serious and critical faults for who cannot see or use a mouse."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found, good = self.page.evaluate(FAULTS, [*_LEGIBLE])
        _LEGIBLE.update(good)
        return [
            f"{one['id']}: {node['html'][:200]} ({node['failureSummary'].splitlines()[-1].strip()})"
            for one in found
            if one["impact"] in GRAVE
            for node in one["nodes"]
        ]

    def notice(self) -> None:
        """Notices of every kind show, as the layout makes them."""
        self.page.evaluate(NOTICES, ["done", "note", "warn", "bad"])

    def endless(self) -> list[str]:
        """A page of more than two screens without links to its parts."""
        return list(self.page.evaluate(ENDLESS))

    def too_wide(self) -> int:
        """Pixels by which the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def wide_dialogs(self) -> list[str]:
        """Dialogs that make the page wider than the screen, each opened alone."""
        return list(self.page.evaluate(WIDE_DIALOGS))

    def unreadable(self) -> list[str]:
        """Tables of which a part lies outside their card, letters of charts that are too small."""
        return list(self.page.evaluate(UNREADABLE, LETTERS_PX_MIN))

    def leave(self) -> None:
        assert self.faults == []
        self.page.close()
