"""Login, security headers and CSRF of the console, against a real gate."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from proxy.config import Console, ConsoleLocations, Log
from proxy.config.mapping_reader import Address
from proxy.console import app
from proxy.console.app import App, found_pages
from proxy.console.gate_client import GateClient
from proxy.console.login import TRIES_AT_ONCE, own_path
from proxy.console.metric_sampling import Sampling
from proxy.console.render import FILES, STATIC
from proxy.console.request_guard import ALWAYS
from proxy.model.lockout import FAILURES_MAX
from proxy.model.roles import Asker, Role
from tests.console.world import PEOPLE, PORTS, Browser, World, hidden, token_of

Open = Callable[..., Browser]
HTMX = ("2.0.7", "60231ae6ba9db3825eb15a261122d5f55921c4d53b66bf637dc18b4ee27c79f9")
EDITOR = "145f07abf72f3a5c24701b62ef25cad638c41efe847b89d5f3280f50f5541872"
EVERYBODY = [*(name for name in PEOPLE if name != "guo"), *PORTS]
"""Guo is taken out of the settings on the way."""


def test_htmx_is_the_file_that_its_version_is_known_by() -> None:
    version, digest = HTMX
    octets = (STATIC / "htmx.min.js").read_bytes()
    assert hashlib.sha256(octets).hexdigest() == digest
    assert f'version:"{version}"'.encode() in octets
    assert "Zero-Clause BSD" in (STATIC / "htmx.LICENSE").read_text()


def test_the_editor_is_the_bundle_that_make_editor_makes() -> None:
    assert hashlib.sha256((STATIC / "editor.min.js").read_bytes()).hexdigest() == EDITOR
    assert "MIT License" in (STATIC / "editor.LICENSE").read_text()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", EVERYBODY)
def test_whoever_logs_in_sees_a_page_of_theirs_and_who_they_are(name: str, language: str, browser: Open) -> None:
    answer = browser(name, language).client.get("/", follow_redirects=True)
    assert answer.status_code == 200, answer.text
    assert f"<b>{name}</b>" in answer.text
    assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in answer.text


@pytest.mark.parametrize("name", EVERYBODY)
def test_every_page_of_the_menu_opens_in_both_languages(name: str, browser: Open) -> None:
    for language in ("zh", "en"):
        here = browser(name, language)
        paths = re.findall(r'<li><a href="([^"]+)"', here.client.get("/", follow_redirects=True).text)
        for path in paths:
            assert here.get(path).status_code == 200, path


def test_a_page_that_a_role_does_not_take_anybody_to_is_not_shown_whatever_is_typed(browser: Open) -> None:
    for name in EVERYBODY:
        here, may = browser(name), {one for role in PEOPLE.get(name, ["provider"]) for one in Role(role).may}
        for page in found_pages():
            for way in page.ways:
                if way.method == "GET" and "{" not in way.path and way.wants not in may:
                    assert here.get(way.path).status_code in (303, 403), (name, way.path)


def test_without_a_session_there_is_the_login_only(browser: Open) -> None:
    here = browser()
    for page in found_pages():
        for way in page.ways:
            if "{" not in way.path:
                answer = here.client.request(way.method, way.path)
                assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login"), way.path
    assert here.part("/today/live").headers["hx-redirect"] == "/login"


def test_a_wrong_token_a_wrong_name_and_somebody_else_s_token_are_told_alike(browser: Open) -> None:
    told = set()
    for name, token in (
        ("chen", "wrong"),
        ("nobody", "wrong"),
        ("chen", token_of("lin")),
        ("jia", token_of("yi")),
        ("lin", ""),
    ):
        answer = browser().log_in(name, token)
        assert answer.status_code == 401
        assert "gate106=" not in str(answer.headers)
        told.add(re.sub(r'(value|name)="[^"]*"|autofocus', "", answer.text))
    assert len(told) == 1


def test_who_guesses_too_often_waits_and_nobody_else_does(browser: Open) -> None:
    here = "198.51.100.7"
    for _ in range(FAILURES_MAX):
        assert browser(address=here).log_in("tang", "a guess").status_code == 401
    assert browser(address=here).log_in("tang", token_of("tang")).status_code == 429
    assert browser(address=here).log_in("wu", token_of("wu")).status_code == 303
    assert browser().log_in("tang", token_of("tang")).status_code == 303, "nobody can lock another out"


def test_an_address_that_tries_many_names_is_slowed_down(world: World, browser: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    here, now = "198.51.100.8", world.harness.clock()
    monkeypatch.setattr(world.harness.login, "_clock", lambda: now)  # a busy machine takes so long that it may try once more
    for number in range(int(TRIES_AT_ONCE)):
        assert browser(address=here).log_in(f"name{number}", "a guess").status_code == 401
    assert browser(address=here).log_in("another", "a guess").status_code == 429


def test_a_form_without_the_session_s_mark_changes_nothing(browser: Open) -> None:
    here = browser("wu")
    assert here.client.post("/logout", data={"csrf": "another"}).status_code == 303
    other = browser("chen").csrf
    here.client.post("/logout", data={"csrf": other})
    assert here.client.cookies.get("gate106") is None, "the browser forgets all the same"


def test_every_way_that_changes_something_asks_for_the_mark(browser: Open) -> None:
    here = browser("song")
    for page in found_pages():
        for way in page.ways:
            if way.method == "POST":
                path = re.sub(r"\{\w+(:\w+)?\}", "1", way.path)
                assert here.client.post(path, data={"why": "x"}).status_code == 403, path


def test_logging_out_ends_the_session_here_and_not_only_in_the_browser(browser: Open) -> None:
    here = browser("wu")
    kept = here.client.cookies["gate106"]
    assert here.post("/logout").status_code == 303
    here.client.cookies.set("gate106", kept)
    assert here.get("/").headers["location"] == "/login"


def test_a_login_form_of_another_site_is_nobody_s(browser: Open) -> None:
    here, other = browser(), browser()
    mark = hidden(other.client.get("/login").text, "mark")
    here.client.get("/login")
    answer = here.client.post("/login", data={"name": "wu", "token": token_of("wu"), "mark": mark})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "elsewhere.example"},
        {"host": "gate106@127.0.0.1.elsewhere.example"},
    ],
)
def test_what_another_site_sends_is_not_looked_at(headers: dict[str, str], browser: Open) -> None:
    here = browser("wu")
    assert here.client.post("/logout", data={"csrf": here.csrf}, headers=headers).status_code == 403
    assert here.get("/").status_code == 200, "the session stands"


def test_every_answer_keeps_browsers_from_what_nobody_meant(browser: Open) -> None:
    here = browser("wu")
    for path in ("/", "/login", "/nowhere", "/static/console.css", "/static/nothing", "/today/live"):
        headers = here.get(path).headers
        assert {name: headers[name] for name in ALWAYS} == ALWAYS, path
    assert "unsafe" not in ALWAYS["Content-Security-Policy"]
    assert here.get("/").headers["cache-control"] == "no-store"
    cookie = browser().log_in("wu", token_of("wu")).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_no_page_has_a_script_or_a_style_in_it_or_loads_anything_from_elsewhere(browser: Open) -> None:
    for name in ("song", "jia"):
        here = browser(name)
        for path in ("/login", *re.findall(r'<li><a href="([^"]+)"', here.client.get("/", follow_redirects=True).text)):
            text = here.client.get(path, follow_redirects=True).text
            assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|javascript:", text), path
            assert re.findall(r'(?:src|href|action)="(?!/|\?|#)([^"]*)"', text) == [], path


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_kept_by_browsers_under_an_address_that_changes_with_it(name: str, browser: Open) -> None:
    answer = browser().get(f"/static/{name}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


def test_a_form_that_is_too_large_or_none_is_not_read(browser: Open) -> None:
    here = browser()
    assert here.client.post("/login", data={"name": "x" * 5000}).status_code == 413
    assert here.client.post("/login", content=iter([b"x" * 3000] * 2), headers={"content-type": "text/plain"}).status_code in (
        403,
        413,
    )
    for path in ("/login", "/logout"):
        for body in (
            b"--b\r\nrubbish",
            b"--b\r\nContent-Disposition: form-data; name=\xff\r\n\r\nx\r\n--b--",
            b"name=%ff%fe&&&=%",
        ):
            for kind in ("multipart/form-data; boundary=b", "multipart/form-data", "application/x-www-form-urlencoded"):
                answer = here.client.post(path, content=body, headers={"content-type": kind})
                assert answer.status_code in (303, 403, 413), (path, body, kind)


@pytest.mark.parametrize(
    "to", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "/\\/x", "//[", "elsewhere", "/a\nb", ""]
)
def test_after_a_login_nobody_is_led_elsewhere(to: str) -> None:
    assert own_path(to) == "/"


def test_after_a_login_the_page_is_shown_that_was_asked_for(browser: Open) -> None:
    here = browser()
    assert here.get("/today/live").headers["location"] == "/login?to=/today/live"
    mark = hidden(here.client.get("/login", params={"to": "/find"}).text, "mark")
    answer: Any = here.client.post("/login?to=/find", data={"name": "chen", "token": token_of("chen"), "mark": mark})
    assert answer.headers["location"] == "/find"


def test_a_page_that_is_not_there_says_so(browser: Open) -> None:
    assert browser("wu").get("/nowhere").status_code == 404


def test_behind_tls_cookies_stay_with_tls_and_with_this_host(world: World) -> None:
    harness = App(Console(None, "https://gate.example.cn", ()), world.asking, world.harness.sampling)
    here = TestClient(harness.app(), base_url="https://gate.example.cn", follow_redirects=False)
    mark = hidden(here.get("/login").text, "mark")
    answer = here.post("/login", data={"name": "wu", "token": token_of("wu"), "mark": mark})
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-gate106="))
    assert "; Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert here.get("/").status_code == 200


def test_who_is_taken_out_of_the_settings_is_out_at_once(world: World, browser: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    here = browser("guo")
    assert here.get("/").status_code == 200
    world.gate.settings["people"] = [one for one in world.gate.settings["people"] if one["name"] != "guo"]
    world.gate.write_settings()
    world.ask("song", "rules.reload")
    monkeypatch.setattr(app, "CHECK_S", 0.0)
    assert here.get("/").headers["location"] == "/login"
    assert browser().log_in("guo", token_of("guo")).status_code == 401


def test_a_role_that_was_taken_away_is_gone_from_the_menu(world: World, browser: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    here = browser("tang")
    assert here.get("/find").status_code == 200
    before = world.gate.settings["people"]
    world.gate.settings["people"] = [one | {"roles": ["viewer"]} if one["name"] == "tang" else one for one in before]
    try:
        world.gate.write_settings()
        world.ask("song", "rules.reload")
        monkeypatch.setattr(app, "CHECK_S", 0.0)
        assert here.get("/find").status_code == 403
        assert "/find" not in here.get("/").text
    finally:
        world.gate.settings["people"] = before
        world.gate.write_settings()
        world.ask("song", "rules.reload")


def test_a_page_says_so_while_the_gate_does_not_answer(world: World, tmp_path: Path) -> None:
    asking = GateClient(
        ConsoleLocations(
            Console(None, "", ()), tmp_path / "nobody.sock", Address("127.0.0.1", 9), Log("console", "info", "local")
        ),
        tmp_path / "gate106.yaml",
    )
    harness = App(Console(None, "", ()), asking, Sampling(asking))
    here = TestClient(harness.app(), base_url="http://127.0.0.1", follow_redirects=False)
    mark = hidden(here.get("/login").text, "mark")
    assert here.post("/login", data={"name": "wu", "token": token_of("wu"), "mark": mark}).status_code == 503
    here.cookies.set("gate106", harness.sessions.open(Asker("wu", frozenset({Role.OFFICER}), True), "x", harness.clock()))
    page = here.get("/")
    assert (page.status_code, "网关没有应答" in page.text) == (200, True)
    asking.close()
