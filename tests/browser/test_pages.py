"""Every page before a real browser: in both languages, on a desk's screen and on a phone, with a keyboard alone, for every role."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from proxy.console.app import found_pages
from proxy.desk.data_subjects.export_html import page
from proxy.policy import time_windows
from tests.browser.street import PEOPLE, Street, token_of
from tests.browser.times import Looking, Times, as_text, slow, times_of
from tests.browser.visitor import PHONE, WIDE, Visitor
from tests.needs import needs

pytestmark = [needs("chromium"), needs("axe-core")]

Come = Callable[..., Visitor]
EVERYTHING = {page.path for page in found_pages() if page.place}
"""What stands in anybody's menu."""
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ["song", "jia"])
def test_a_page_keeps_nobody_out_and_fits(name: str, language: str, visit: Come) -> None:
    """Each page on both screens: opened on one, turned into the other. axe reads a page on the screen on which it was opened, with notices of
    every kind; in the other language that is the other screen, and it is dark."""
    here = visit(language=language, scheme="light" if language == "zh" else "dark")
    assert faults(here, "/login", language) == []
    here.log_in(name)
    found: dict[str, list[str]] = {}
    ahead = here.settled().menu()
    while ahead:
        path = ahead.pop(0)
        found[kind(path)] = faults(here, path, language)
        assert (here.page.locator("html").get_attribute("lang") or "")[:2] == language
        seen = {*found, *map(kind, ahead)}
        ahead += {kind(link): link for link in here.links() if kind(link) not in seen}.values()
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert len(found) > 1


def faults(here: Visitor, path: str, language: str) -> list[str]:
    sizes = [WIDE, PHONE] if (sum(kind(path).encode()) + (language == "zh")) % 2 else [PHONE, WIDE]
    here.screen(sizes[0])
    here.open(path)
    found = skipped(here) if language == "zh" and path in EVERYTHING else []
    here.notice()
    found += [f"{sizes[0]['width']}: {fault}" for fault in here.axe()]
    for size in sizes:
        here.screen(size)
        if (more := here.too_wide()) > 0:
            found.append(f"{size['width']}: {more} px too wide")
        found += [f"{size['width']}: {fault}" for fault in here.wide_dialogs()]
        found += [f"{size['width']}: {fault}" for fault in (*here.unreadable(), *here.endless())]
    return found


def test_pale_text_is_found_on_every_page_that_has_it(visit: Come) -> None:
    """Though contrast is computed once for each look of text."""
    here = visit()
    for _ in range(2):
        here.page.set_content(
            "<html lang=en><title>a</title><main><h1>a</h1><p>dark</p><p style='color: #aaa'>pale</p></main></html>"
        )
        assert [one.partition(" ")[0] for one in here.axe()] == ["color-contrast:"]


def kind(path: str) -> str:
    """What a page is one of: of providers, rules, days one is looked at."""
    return re.sub(r"^/(\w+)/(one|rule|case|message)/.*", r"/\1/\2/", path.partition("?")[0])


@pytest.mark.parametrize("name", [*PEOPLE, "jia"])
def test_a_role_sees_its_own_pages_and_is_told_no_at_others(name: str, visit: Come) -> None:
    here = visit(name).open("/")
    own = here.menu()
    assert set(own) <= EVERYTHING
    for path in sorted(EVERYTHING - {"/"}):
        if path in own:
            here.open(path)
            assert here.page.locator("main .problem").count() == 0, path
        else:
            assert here.refused(path), path


def test_the_language_is_chosen_once_and_stays(visit: Come) -> None:
    here = visit("chen").open("/")
    assert CHINESE.search(here.heading())
    here.follow(here.page.get_by_text("English").click)
    assert not CHINESE.search(here.heading())
    here.open("/find")
    assert not CHINESE.search(here.heading())
    here.follow(here.page.get_by_text("中文").click)
    assert CHINESE.search(here.heading())


def test_who_is_not_known_learns_nothing(visit: Come) -> None:
    here = visit().log_in("chen", "a guess")
    here.faults.clear()  # the browser says 401 aloud
    assert here.page.locator("[role=alert]").count() == 1
    assert here.menu() == []
    here.open("/find")
    assert "/login?to=/find" in here.page.url


def test_all_of_it_can_be_done_by_keyboard(visit: Come) -> None:
    here = visit().open("/login")
    here.page.keyboard.type("song")
    here.page.keyboard.press("Tab")
    here.page.keyboard.type("song's token, long enough")
    here.follow(lambda: here.page.keyboard.press("Enter"))
    assert skipped(here) == []


def skipped(here: Visitor) -> list[str]:
    """The first key leads past the menu, and from there everywhere."""
    for key, reached in (("Tab", "skip"), ("Enter", "content")):
        here.page.keyboard.press(key)
        if here.page.evaluate("document.activeElement.id || document.activeElement.className") != reached:
            return [f"{key} does not lead to {reached}"]
    return list(here.page.evaluate(WALK))


WALK = """() => {
    const wrong = [];
    for (const one of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')) {
        if (!one.checkVisibility() || one.disabled) continue;
        one.focus({focusVisible: true});
        if (document.activeElement !== one) { wrong.push('cannot be reached: ' + one.outerHTML.slice(0, 120)); continue; }
        if (one.tabIndex < 0) wrong.push('is left out: ' + one.outerHTML.slice(0, 120));
        const style = getComputedStyle(one);
        const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
        if (!seen) wrong.push('is not seen where one is: ' + one.outerHTML.slice(0, 120));
    }
    document.activeElement.blur();
    return wrong;
}"""
"""All that can be used on a page, one after the other: it must be reachable, and seen to be where one is."""


def test_a_key_leads_to_the_search_and_another_closes_what_was_opened(visit: Come) -> None:
    here = visit("chen").open("/find")
    here.page.keyboard.press("/")
    assert here.page.evaluate("document.activeElement.name") == "to"
    assert here.page.input_value("[name=to]") == "", "the key itself is not typed"


def test_a_dialog_takes_the_focus_and_gives_it_back(visit: Come) -> None:
    here = visit("song").open("/complaints")
    summary = here.page.locator("details.dialog > summary").first
    summary.focus()
    here.page.keyboard.press("Enter")
    here.page.wait_for_function("() => document.activeElement.closest('.sheet') !== null")
    assert here.page.evaluate("document.activeElement.matches('input, select, textarea')")
    here.page.keyboard.press("Escape")
    assert here.page.evaluate("document.activeElement.matches('details.dialog:not([open]) > summary')")


def test_a_share_of_the_numbers_sets_shadow(visit: Come) -> None:
    here = visit("chen").open("/rules/rule/daily-cap")
    here.page.locator("input[name=share]").fill("10%")
    assert here.page.locator("input[name=mode]:checked").get_attribute("value") == "shadow"


def test_a_long_page_leads_to_its_parts_and_back_to_its_top(visit: Come) -> None:
    here = visit("song", size={"width": 1280, "height": 320}).open("/")
    links = here.page.locator("nav.jump a")
    here.page.wait_for_function("() => document.querySelectorAll('nav.jump a').length > 3")
    links.nth(3).click()
    assert here.page.evaluate("window.scrollY") > 0
    links.last.click()
    here.page.wait_for_function("() => window.scrollY === 0")
    here.screen({"width": 1280, "height": 2400})
    here.page.wait_for_function("() => document.querySelector('nav.jump').hidden")


def test_on_a_phone_a_month_is_folded_and_a_link_opens_its_part(visit: Come) -> None:
    here = visit("song", size=PHONE).open(f"/reports/month?month={time_windows.local(time.time())[:7]}")
    parts = here.page.locator("details.fold")
    assert (parts.count() > 5, here.page.locator("details.fold[open]").count()) == (True, 0)
    here.page.locator("nav.jump a").nth(2).click()
    assert [one.get_attribute("id") for one in here.page.locator("details.fold[open]").all()] == [
        parts.nth(2).get_attribute("id")
    ]
    here.screen(WIDE)
    here.page.wait_for_function("() => document.querySelectorAll('details.fold:not([open])').length === 0")


def test_what_a_form_is_refused_for_is_led_to(visit: Come) -> None:
    here = visit("chen", size=PHONE).open("/drafts/new?kind=ban")
    here.follow(here.page.locator("button.main[form=guided]").click)
    assert here.page.evaluate("document.activeElement.matches('.problem')")
    assert here.page.evaluate("document.activeElement.getBoundingClientRect().bottom <= window.innerHeight")
    here.faults.clear()  # the browser says 422 aloud


def test_the_copy_for_a_person_fits_a_phone(visit: Come) -> None:
    row = {
        "at": 1.79e9,
        "provider": "jia",
        "from": "10690011234567890",
        "category": "marketing",
        "verdict": "reject",
        "reason": "region-ban",
    }
    answer: dict[str, Any] = {
        name: [] for name in ("received", "refusals", "consents", "withdrawn", "asked_for_consent", "doubtful_replies")
    }
    answer |= {
        "complaints": [],
        "missing": [],
        "to": "13800210501",
        "at": 1.79e9,
        "region": "上海",
        "journal_days": 180,
        "forgotten": False,
    }
    here = visit(size=PHONE)
    here.page.set_content(page(answer | {"messages": [row | {"text": f"【青禾】双11优惠 {'a' * 90} 拒收请回复R"}]}, "zh"))
    assert here.too_wide() == 0
    assert here.page.locator("td[data-label=端口]").inner_text() == row["from"]


def test_what_measures_pages_opens_all_of_them_and_their_parts(street: Street) -> None:
    looking = Looking(street.address, "song", token_of("song"))
    times = times_of(looking, lambda: True)
    looking.close()
    assert {one.path for one in times if one.path in EVERYTHING} == EVERYTHING - {"/own"}
    assert "/today/live" in {one.path for one in times}
    assert slow([Times("/slow", False, 301.0, 301.0, 1), Times("/read", True, 900.0, 900.0, 1)]) == ["/slow took 301 ms"]
    assert len(as_text(times)) == len(times) + 1
