"""Settings are read, or refused with the line of each fault; no password is shown."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from proxy import config
from proxy.config import Settings, SettingsError, descriptions, load, values
from proxy.config.mapping_reader import Address
from proxy.config.reader import STORES, embedded_file
from proxy.model.message import Category, Outcome
from proxy.state import stores
from tests.commands import app

EXAMPLE = Path(__file__).parents[1] / "data" / "gate106.example.yaml"

SMALL = """\
store: sqlite:///var/lib/gate106/state.db
journal: journal
rules: rules/
carriers:
  - name: bj
    host: 127.0.0.1
    port: 2776
    system_id: gate106
    password: c-secret
providers:
  - name: jia
    system_id: jia
    password: j-secret
    ports: ["1069012"]
  - name: yi
    accounts:
      - {system_id: yi1, password: y-secret}
    ports: ["1069013"]
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BJ_PASSWORD", "e-secret")
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Settings:
    Path("gate106.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    return load("gate106.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert str(caught.value) == caught.value.problems[0]
    return caught.value.problems


def changed(before: str, after: str) -> str:
    assert SMALL.count(before) == 1
    return SMALL.replace(before, after)


def added(line: str, below: str) -> str:
    """SMALL with a line after the one that ends in ``below``, indented like it."""
    lines = []
    for row in SMALL.splitlines():
        lines.append(row)
        if row.endswith(below):
            lines.append(" " * (len(row) - len(row.lstrip(" -"))) + line)
    return "\n".join(lines) + "\n"


def test_the_example_says_what_it_means() -> None:
    settings = load(EXAMPLE)
    assert settings.smpp.listen == Address("127.0.0.1", 2775)
    assert settings.control == Path("/run/gate106/control.sock")
    assert settings.rules == EXAMPLE.parent / "rules"
    assert settings.category_tag == 0x1401
    assert settings.on_judge_error == {
        Category.OTP: Outcome.ALLOW, Category.NOTICE: Outcome.DEFER, Category.MARKETING: Outcome.DEFER,
    }  # fmt: skip
    carrier = settings.carriers[0]
    assert (carrier.name, carrier.code, carrier.password, carrier.links, carrier.window, carrier.tps) == (
        "bj",
        "B1",
        "e-secret",
        2,
        64,
        2000,
    )
    assert carrier.routes == {"北京", "天津"}
    jia, yi = settings.providers
    assert jia.ports == ("1069012", "", "JIA")
    assert jia.allow_ips == (ip_network("127.0.0.0/8"),)
    assert jia.category is Category.MARKETING
    assert jia.since == 1767196800  # 2026-01-01 in Shanghai
    assert [(account.system_id, account.ports, account.tps, account.binds) for account in yi.accounts] == [
        ("yi1", ("10690131",), 50, 2),
        ("yi2", None, None, None),
    ]


def test_every_setting_stands_in_the_example() -> None:
    text = EXAMPLE.read_text()
    kinds = (
        config.Settings,
        values.Smpp,
        config.Tls,
        values.Http,
        config.Token,
        config.SmppTimers,
        config.Carrier,
        config.Provider,
        config.Account,
        config.SharedStore,
    )
    for kind in (*kinds, config.Upstream, values.OptOutReplies):
        for setting in dataclasses.fields(kind):
            assert setting.name == "accounts" or f"{setting.name}:" in text, setting.name


def test_what_is_left_out_has_a_default() -> None:
    settings = read(SMALL)
    assert settings.smpp.listen == Address("127.0.0.1", 2775)
    assert settings.http.listen == Address("127.0.0.1", 9106)
    assert settings.http.metrics_allow == (ip_network("127.0.0.0/8"),)
    assert settings.control == Path("/var/lib/gate106/control.sock")  # beside the store
    assert settings.journal == Path.cwd() / "journal"
    assert settings.message_ids == "carrier"
    assert dataclasses.astuple(settings.timers) == (10, 30, 10, 30)
    assert settings.on_judge_error[Category.OTP] is Outcome.ALLOW
    assert (settings.node, settings.category_tag) == (0, None)
    assert dataclasses.astuple(settings.optout) == (3, 30, values.CONFIRM, 3, config.PROBE_TEXT, 120)
    provider = settings.providers[0]
    assert provider.confirm is None
    assert (provider.tps, provider.binds, provider.window, provider.category, provider.since) == (None, 8, 64, None, None)
    assert (provider.statuses, provider.status_detail) == ("vendor", "none")


@pytest.mark.parametrize(
    "host", ["smsc", "smsc-1.example.com", "bj_smsc.example.", "x" * 63 + ".cn", "192.0.2.7", "::1", "2001:db8::192.0.2.7"]
)
def test_a_carrier_is_where_a_name_or_an_address_says(host: str) -> None:
    settings = read(changed("host: 127.0.0.1", f"host: '{host}'\n    tls: true\n    tls_name: '{host}'"))
    assert (settings.carriers[0].host, settings.carriers[0].tls_name) == (host, host)


def test_an_empty_confirmation_is_not_the_same_as_none_said() -> None:
    silent = read(SMALL + "optout: {confirm: ''}\n")
    assert (silent.optout.confirm, silent.providers[0].confirm) == ("", None)
    of_its_own = read(added("confirm: ''", "j-secret"))
    assert (of_its_own.optout.confirm, of_its_own.providers[0].confirm) == (values.CONFIRM, "")


def test_settings_are_frozen() -> None:
    settings = read(SMALL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.node = 1  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.providers[0].tps = 1e9  # type: ignore[misc]


def test_no_password_is_ever_shown() -> None:
    shown = repr(load(EXAMPLE)) + repr(read(SMALL))
    assert "secret" not in shown
    assert "jia" in shown


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (added("windw: 64", "port: 2776"), "gate106.yaml:8: carriers[0]: unknown key 'windw' (did you mean 'window'?)"),
        (changed("sqlite:", "valky:"), "gate106.yaml:1: store: unknown engine 'valky' (did you mean 'valkey'?)"),
        (changed("sqlite:", "mongo:"), "gate106.yaml:1: store: unknown engine 'mongo' (one of sqlite, valkey, valkeys, valkey+cluster, valkeys+cluster)"),
        (changed("store:", "stroe:"), "gate106.yaml:1: unknown key 'stroe' (did you mean 'store'?)"),
        (changed("127.0.0.1\n", "127.0.0.1\n    host: a\n"), "gate106.yaml:7: a key stands here twice: 'host'"),
        (changed("host: 127.0.0.1", "host: smsc..example.com"), "gate106.yaml:6: carriers[0].host: must be a host name (labels of 1 to 63 letters, digits, - _ between dots) or an address, not 'smsc..example.com'"),
        (changed("host: 127.0.0.1", "host: " + "x" * 64 + ".com"), "gate106.yaml:6: carriers[0].host: must be a host name (labels of 1 to 63 letters, digits, - _ between dots) or an address, not '" + "x" * 64 + ".com'"),
        (changed("host: 127.0.0.1", "host: smsc.example:2775"), "gate106.yaml:6: carriers[0].host: must be a host name (labels of 1 to 63 letters, digits, - _ between dots) or an address, not 'smsc.example:2775'"),
        (added("tls: true\n    tls_name: .example.com", "port: 2776"), "gate106.yaml:9: carriers[0].tls_name: must be a host name (labels of 1 to 63 letters, digits, - _ between dots) or an address, not '.example.com'"),
        (changed("port: 2776", "port: 70000"), "gate106.yaml:7: carriers[0].port: must be a whole number from 1 to 65535, not 70000"),
        (changed("port: 2776", "port: 2776.5"), "gate106.yaml:7: carriers[0].port: must be a whole number from 1 to 65535, not 2776.5"),
        (changed("port: 2776", 'port: "2776"'), "gate106.yaml:7: carriers[0].port: must be a number, not text"),
        (changed("port: 2776", "port: true"), "gate106.yaml:7: carriers[0].port: must be a number, not true or false"),
        (changed("    port: 2776\n", ""), "gate106.yaml:5: carriers[0]: 'port' is missing"),
        (changed("port: 2776", "port:"), "gate106.yaml:7: carriers[0].port: is empty"),
        (added("tps: .nan", "port: 2776"), "gate106.yaml:8: carriers[0].tps: must be a number from 1 to 1000000, not nan"),
        (added("tps: .inf", "port: 2776"), "gate106.yaml:8: carriers[0].tps: must be a number from 1 to 1000000, not inf"),
        (added("bind: trx", "port: 2776"), "gate106.yaml:8: carriers[0]: unknown bind 'trx' (one of transceiver, transmitter+receiver)"),
        (added("code: Bei", "port: 2776"), "gate106.yaml:8: carriers[0].code: must be two letters or digits, not 'Bei'"),
        (added("routes: {province: [北京, 上海市]}", "port: 2776"), "gate106.yaml:8: carriers[0].routes.province[1]: unknown province '上海市' (did you mean '上海'?)"),
        (added("routes: [北京]", "port: 2776"), "gate106.yaml:8: carriers[0].routes: must be a mapping (key: value), not a list"),
        (added("prefixes: ['86139']", "port: 2776"), "gate106.yaml:8: carriers[0].prefixes[0]: must be the first digits of a mobile number (1390), not '86139'"),
        (added("receipts_by_text: yes", "port: 2776"), "gate106.yaml:8: carriers[0].receipts_by_text: must be true or false, not 'yes'"),
        (changed("password: c-secret", "password: 123456"), "gate106.yaml:9: carriers[0].password: must be text, not a number: put it in quotes"),
        (changed("password: c-secret", "password: ''"), "gate106.yaml:9: carriers[0].password: must have 1 to 255 characters"),
        (changed("password: j-secret", "password: scrypt$beef$00"), "gate106.yaml:13: providers[0].password: looks like a hash but is none (make one with gate106 password hash)"),
        (changed("system_id: gate106", "system_id: a-much-too-long-name"), "gate106.yaml:8: carriers[0].system_id: must be 1 to 15 ASCII characters without blanks (SMPP 3.4 §5.2.1), not 'a-much-too-long-name'"),
        (changed('["1069012"]', "[1069012]"), "gate106.yaml:14: providers[0].ports[0]: must be text, not a number: put it in quotes"),
        (changed('["1069012"]', "1069012"), "gate106.yaml:14: providers[0].ports: must be a list, not a number"),
        (changed('["1069012"]', '["1069012", "1069012"]'), "gate106.yaml:14: providers[0].ports[1]: '1069012' is taken by providers[0]: one prefix belongs to one provider"),
        (changed('["1069013"]', '["1069013", "1069012"]'), "gate106.yaml:18: providers[1].ports[1]: '1069012' is taken by providers[0]: one prefix belongs to one provider"),
        (changed('["1069013"]', '["106901300000000000000"]'), "gate106.yaml:18: providers[1].ports[0]: must be digits, or a source of at most 20 characters, not '106901300000000000000'"),
        (changed("y-secret}", "y-secret, ports: ['1069012']}"), "gate106.yaml:17: providers[1].accounts[0].ports[0]: '1069012' is not among the provider's ports"),
        (changed("system_id: yi1", "system_id: jia"), "gate106.yaml:17: providers[1].accounts[0].system_id: 'jia' is an account of providers[0] already"),
        (changed("- name: yi", "- name: jia"), "gate106.yaml:15: providers[1].name: 'jia' is taken by providers[0]"),
        (changed("- name: yi\n", "- name: yi\n    system_id: yi\n"), "gate106.yaml:16: providers[1].system_id: stands beside accounts: say it in one of the two places"),
        (changed("      - {system_id: yi1, password: y-secret}", "      []"), "gate106.yaml:16: providers[1].accounts: must list at least one account"),
        (changed("    system_id: jia\n", ""), "gate106.yaml:11: providers[0]: 'system_id' is missing"),
        (added("category: spam", "j-secret"), "gate106.yaml:14: providers[0]: unknown category 'spam' (one of otp, notice, marketing)"),
        (added("over_rate: Pace", "j-secret"), "gate106.yaml:14: providers[0]: unknown over_rate 'Pace' (did you mean 'pace'?)"),
        (added("over-rate: pace", "j-secret"), "gate106.yaml:14: providers[0]: unknown key 'over-rate' (did you mean 'over_rate'?)"),
        (added("since: 2026-13-01", "j-secret"), "gate106.yaml:14: providers[0].since: must be a day (2026-11-11), not '2026-13-01'"),
        (added("allow_ips: [10.0.0.1/8]", "j-secret"), "gate106.yaml:14: providers[0].allow_ips[0]: must be an address or a network (192.0.2.0/24), not '10.0.0.1/8'"),
        (SMALL + "smpp: {listen: '2775'}\n", "gate106.yaml:19: smpp.listen: must be host:port (127.0.0.1:2775, [::1]:2775), not '2775'"),
        (SMALL + "smpp: {listen: '::1:2775'}\n", "gate106.yaml:19: smpp.listen: must be host:port (127.0.0.1:2775, [::1]:2775), not '::1:2775'"),
        (SMALL + "timers: {bind_s: 0}\n", "gate106.yaml:19: timers.bind_s: must be a number from 0.1 to 600, not 0"),
        (SMALL + "on_judge_error: {otp: drop}\n", "gate106.yaml:19: on_judge_error: unknown otp 'drop' (one of allow, defer, reject)"),
        (changed("- name: yi", "- name: unowned"), "gate106.yaml:15: providers[1].name: 'unowned' is what metrics call ports that belong to nobody"),
        (SMALL + "mailbox: {hours: 0}\n", "gate106.yaml:19: mailbox.hours: must be a number from 0.01 to 720, not 0"),
        (SMALL + "mailbox: {mesages: 5}\n", "gate106.yaml:19: mailbox: unknown key 'mesages' (did you mean 'messages'?)"),
        (SMALL + "node: 256\n", "gate106.yaml:19: node: must be a whole number from 0 to 255, not 256"),
        (SMALL + "message_ids: coded\n", "gate106.yaml:5: carriers[0]: 'code' is missing (message_ids: coded needs it)"),
        (SMALL + "control: /" + "x" * 120 + "\n", "gate106.yaml:19: control: a socket's path has at most 107 bytes"),
        (SMALL + "smpp: {tls: {listen: '127.0.0.1:3550', cert: a}}\n", "gate106.yaml:19: smpp.tls: 'key' is missing"),
        (SMALL + "console: {listen: '127.0.0.1:9107'}\n", "gate106.yaml:19: console.listen: needs people: whoever opens the console says who they are with a token of theirs"),
        (SMALL + "console: {origin: gate.example.cn}\n", "gate106.yaml:19: console.origin: must be http:// or https:// and a host, without a path, not 'gate.example.cn'"),
        (SMALL + "console: {origin: 'https://gate.example.cn/x'}\n", "gate106.yaml:19: console.origin: must be http:// or https:// and a host, without a path, not 'https://gate.example.cn/x'"),
        (SMALL + "smpp: {proxy_from: [10.0.0.0/8]}\n", "gate106.yaml:19: smpp.proxy_from: has no meaning without proxy_protocol: true"),
        (added("tls_ca: ca.pem", "port: 2776"), "gate106.yaml:8: carriers[0].tls_ca: has no meaning without tls: true"),
        (added("tls: true\n    tls_key: x", "port: 2776"), "gate106.yaml:9: carriers[0].tls_key: needs 'tls_cert' beside it"),
        (added("receipt_id: oct", "port: 2776"), "gate106.yaml:8: carriers[0]: unknown receipt_id 'oct' (one of same, hex, dec)"),
        (added("receipt_id_width: 8", "port: 2776"), "gate106.yaml:8: carriers[0].receipt_id_width: has no meaning with receipt_id: same (choose hex or dec)"),
        (added("receipt_id_width: 65", "port: 2776"), "gate106.yaml:8: carriers[0].receipt_id_width: must be a whole number from 1 to 64, not 65"),
        (added("upstream: {carrier: bj}", "j-secret"), "gate106.yaml:14: providers[0].upstream: 'system_id' is missing"),
        (added("upstream: {carrier: bj, system_id: jia}", "j-secret"), "gate106.yaml:14: providers[0].upstream: 'password' is missing"),
        (added("upstream: {system_id: jia, password: x}", "j-secret"), "gate106.yaml:14: providers[0].upstream: 'carrier' is missing"),
        (added("upstream: {carrier: jb, system_id: jia, password: x}", "j-secret"), "gate106.yaml:14: providers[0].upstream: unknown carrier 'jb' (one of bj)"),
        (added("upstream: {carrier: bj, system_id: jia, password: x, tsp: 1}", "j-secret"), "gate106.yaml:14: providers[0].upstream: unknown key 'tsp' (did you mean 'tps'?)"),
        (added("upstream: {carrier: bj, system_id: gate106, password: x}", "j-secret"), "gate106.yaml:14: providers[0].upstream.system_id: 'gate106' is the account of carriers[0]"),
        (added("upstream: {carrier: bj, system_id: a, password: x}", "j-secret").replace("- name: yi\n", "- name: yi\n    upstream: {carrier: bj, system_id: a, password: x}\n"),
         "gate106.yaml:17: providers[1].upstream.system_id: 'a' is taken by providers[0]"),
        (changed("sqlite:///var/lib/gate106/state.db", "/var/lib/state.db"), "gate106.yaml:1: store: must be scheme://… (sqlite:///var/lib/gate106/state.db), not '/var/lib/state.db'"),
        (SMALL + "optout: {widen_after: -1}\n", "gate106.yaml:19: optout.widen_after: must be a whole number from 0 to 64, not -1"),
        (SMALL + "doubtful_replies: wait\n", "gate106.yaml:19: unknown doubtful_replies 'wait' (one of hold, pass)"),
        (SMALL + "doubtful_then: hold\n", "gate106.yaml:19: unknown doubtful_then 'hold' (one of refuse, pass)"),
        (SMALL + "consent_by_reply: always\n", "gate106.yaml:19: unknown consent_by_reply 'always' (one of accept, review)"),
        (
            SMALL + "optout: {answer_hours: 73}\n",
            "gate106.yaml:19: optout.answer_hours: must be a number from 0 to 72, not 73",
        ),
        (SMALL + "optout: {wide: 3}\n", "gate106.yaml:19: optout: unknown key 'wide' (one of widen_after, widen_days, confirm, answer_hours, probe_text, probe_s)"),
        (SMALL + "optout: {probe_text: 请回复TD}\n", "gate106.yaml:19: optout.probe_text: must have the placeholder keyword, in braces, once: it stands for what is to be replied"),
        (SMALL + "optout: {probe_text: '" + "长" * 70 + "{keyword}'}\n", "gate106.yaml:19: optout.probe_text: longer than one short message (70 characters)"),
        (SMALL + "optout: {probe_s: 0}\n", "gate106.yaml:19: optout.probe_s: must be a number from 1 to 3600, not 0"),
        (SMALL + "optout: {confirm: '" + "退" * 71 + "'}\n", "gate106.yaml:19: optout.confirm: longer than one short message (70 characters)"),
        (added("confirm: '" + "x" * 161 + "'", "j-secret"), "gate106.yaml:14: providers[0].confirm: longer than one short message (160 characters)"),
        (added("confirm: '" + "[" * 71 + "'", "j-secret"), "gate106.yaml:14: providers[0].confirm: longer than one short message (70 characters)"),
        ("- a\n", "gate106.yaml:1: must be a mapping (key: value), not a list"),
        ("carriers: {}\n" + SMALL.split("carriers", 1)[0], "gate106.yaml:1: carriers: must be a list, not a mapping"),
        ("", "gate106.yaml:1: 'store' is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(text: str, problem: str) -> None:
    assert problem in problems(text)


def test_all_mistakes_are_told_at_once_in_the_order_of_lines() -> None:
    found = problems(changed("port: 2776", "prot: 2776").replace("password: j-secret", "password: 5") + "foo: 1\n")
    assert [problem.split(":")[1] for problem in found] == ["5", "7", "13", "19"]


def test_a_file_that_is_missing_or_no_YAML_is_one_line() -> None:
    with pytest.raises(SettingsError, match=r"^nowhere.yaml:1: cannot be read: No such file or directory$"):
        load("nowhere.yaml")
    assert problems("a: [\n") == ["gate106.yaml:2: did not find expected node content"]


@pytest.mark.parametrize(
    ("written", "file"),
    [
        ("sqlite:///var/lib/gate106/state.db", "/var/lib/gate106/state.db"),
        ("sqlite:////var/lib/gate106/state.db", "/var/lib/gate106/state.db"),
        ("sqlite:/var/lib/gate106/state.db", "/var/lib/gate106/state.db"),
        ("sqlite:st/state.db", "HERE/st/state.db"),
        ("sqlite:state.db", "HERE/state.db"),
        ("sqlite:../state.db", "HERE/../state.db"),
    ],
)
def test_a_store_is_an_absolute_file_or_one_beside_the_settings(tmp_path: Path, written: str, file: str) -> None:
    path = tmp_path / "gate106.yaml"
    path.write_text(changed("sqlite:///var/lib/gate106/state.db", written))
    expected = Path(file.replace("HERE", str(tmp_path)))
    assert embedded_file(config.load(path).store) == expected
    assert config.load(path).control == expected.parent / "control.sock"
    assert config.storage_paths(path).store == expected


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("sqlite:///st/state.db", "/st does not exist: write sqlite:st/state.db for a file beside these settings, or sqlite:///var/lib/gate106/state.db"),
        ("sqlite://st/state.db", "names no file: write sqlite:///var/lib/gate106/state.db, or sqlite:st/state.db for a file beside these settings"),
        ("sqlite:///var/lib/gate106/", "names no file: write sqlite:///var/lib/gate106/state.db, or sqlite:var/lib/gate106/ for a file beside these settings"),
    ],
)  # fmt: skip
def test_a_store_that_would_lie_directly_under_the_root_is_refused_with_both_spellings(written: str, said: str) -> None:
    assert problems(changed("sqlite:///var/lib/gate106/state.db", written)) == [f"gate106.yaml:1: store: {said}"]


def test_a_password_longer_than_smpp_has_room_for_is_refused_and_not_shown() -> None:
    found = problems(changed("password: c-secret", "password: secret789"))
    assert found
    assert all("has more than 8 characters: no SMPP client can send it" in one for one in found)
    assert not any("secret789" in one for one in found)


def test_a_long_password_that_looks_like_a_path_is_told_of_the_spelling_of_files() -> None:
    found = problems(changed("password: c-secret", "password: /etc/gate106/secrets/bj"))
    assert found
    assert all(one.endswith("; if it is the path of a file, write file: before it") for one in found)
    assert not any("/etc/gate106" in one for one in found)


def test_a_path_in_place_of_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pw").mkdir()
    (tmp_path / "pw" / "bj").write_text("secret")
    path = tmp_path / "gate106.yaml"
    path.write_text(changed("password: c-secret", "password: pw/bj"))
    with pytest.raises(config.SettingsError) as caught:
        config.load(path)
    assert all("is the path of a file: write file: before it" in one for one in caught.value.problems)
    path.write_text(changed("password: c-secret", "password: pw/xy"))
    config.load(path)


def test_every_engine_of_a_store_may_be_named_and_no_other() -> None:
    engines = {scheme.partition("+")[0].removesuffix("s") for scheme in STORES}
    assert engines == {one.name for one in pkgutil.iter_modules(stores.__path__) if has_engine(one.name)}
    for scheme in STORES[1:]:
        assert (
            read(
                changed("sqlite:///var/lib/gate106/state.db", f"{scheme}://h:6379") + "shared: {secret: 0123456789abcdef}\n"
            ).store
            == f"{scheme}://h:6379"
        )


def has_engine(name: str) -> bool:
    """Whether a file of that room answers for a scheme."""
    return hasattr(importlib.import_module(f"proxy.state.stores.{name}"), "open_url")


def test_the_environment_fills_in_texts_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "smsc.example")
    monkeypatch.setenv("PORT", "3000")
    settings = read(changed("host: 127.0.0.1", 'host: "${HOST}"').replace("port: 2776", "port: ${PORT}"))
    assert (settings.carriers[0].host, settings.carriers[0].port) == ("smsc.example", 3000)
    assert read(changed("j-secret", "a$${b}$c$")).providers[0].accounts[0].password == "a${b}$c$"


def test_what_the_environment_holds_is_not_read_as_YAML(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", 'x"}\n${A}')
    assert read(changed("j-secret", "${SECRET}")).providers[0].accounts[0].password == 'x"}\n${A}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (changed("j-secret", "${NOT_SET_106}"), "gate106.yaml:13: providers[0].password: the environment variable NOT_SET_106 is not set"),
        (changed("j-secret", "${a b}"), "gate106.yaml:13: providers[0].password: holds ${…}, and no such environment variable is set ($${ stands for ${)"),
        (changed("j-secret", "file:nowhere"), "gate106.yaml:13: providers[0].password: {here}/nowhere: cannot be read: No such file or directory"),
        (changed("j-secret", "file:two"), "gate106.yaml:13: providers[0].password: {here}/two: must hold one line"),
        (changed("j-secret", "file:/dev/zero"), "gate106.yaml:13: providers[0].password: /dev/zero: larger than 4096 bytes"),
        (changed("j-secret", "file:gbk"), "gate106.yaml:13: providers[0].password: {here}/gbk: not UTF-8"),
        (changed("port: 2776", "port: ${BJ_PASSWORD}"), "gate106.yaml:7: carriers[0].port: must be a number, not text"),
    ],
)  # fmt: skip
def test_a_secret_that_cannot_be_had_is_told_without_showing_it(text: str, problem: str) -> None:
    Path("two").write_text("first-secret\nsecond-secret\n")
    Path("gbk").write_bytes("密码".encode("gbk"))
    found = problems(text)
    assert found == [problem.replace("{here}", str(Path.cwd()))]
    assert "-secret" not in found[0]


def test_a_provider_s_own_account_has_the_carrier_s_measures_where_it_says_nothing() -> None:
    upstream = (
        read(added("upstream: {carrier: bj, system_id: jia-up, password: x, links: 3}", "j-secret")).providers[0].upstream
    )
    assert upstream is not None
    assert (upstream.carrier, upstream.system_id, upstream.links, upstream.window, upstream.tps) == (
        "bj",
        "jia-up",
        3,
        64,
        1000,
    )
    assert "password" not in repr(upstream)
    assert read(SMALL).providers[0].upstream is None


def test_a_secret_may_lie_in_a_file_beside_the_settings() -> None:
    Path("pw").write_text("of-file\n")
    assert read(changed("j-secret", "file:pw")).providers[0].accounts[0].password == "of-file"


def test_a_hash_of_a_password_is_taken_as_it_is() -> None:
    hashed = "scrypt$" + "ab" * 16 + "$" + "cd" * 32
    assert read(changed("j-secret", hashed)).providers[0].accounts[0].password == hashed


def test_TLS_and_balancers_are_read() -> None:
    settings = read(SMALL + "smpp: {proxy_protocol: true, tls: {listen: '[::1]:3550', cert: a.pem, key: b.pem}}\n")
    assert settings.smpp.proxy_protocol
    tls = settings.smpp.tls
    assert tls is not None
    assert (tls.listen, tls.cert, tls.key, tls.client_ca) == (
        Address("::1", 3550),
        Path.cwd() / "a.pem",
        Path.cwd() / "b.pem",
        None,
    )


@given(st.data())
def test_a_file_with_any_line_broken_is_settings_or_a_SettingsError(data: st.DataObject) -> None:
    lines = EXAMPLE.read_text().splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    lines[index] = data.draw(st.one_of(st.text(max_size=20), st.just(lines[index].replace(":", ": -")), st.just("")))
    try:
        assert read("\n".join(lines)).carriers is not None
    except SettingsError as error:
        assert all(problem.startswith("gate106.yaml:") and "\n" not in problem for problem in error.problems)


def test_what_is_said_to_be_taken_over_by_a_reload_is_the_settings_own_list() -> None:
    """Of each part of the settings somebody has thought about it: a new one must be in one of the two."""
    restart = {
        "smpp",
        "http",
        "control",
        "store",
        "journal",
        "rules",
        "message_ids",
        "timers",
        "mailbox",
        "carriers",
        "on_judge_error",
    }
    restart |= {
        "shared",
        "node",
        "category_tag",
        "revisions",
        "archive",
        "sealing",
        "control_group",
        "console",
        "stream",
        "follower",
    }
    assert {one.name for one in dataclasses.fields(config.Settings)} == restart | {
        name for name in descriptions.RELOADED if "." not in name
    }
    assert descriptions.changes_not_reloaded(read(SMALL), read(SMALL)) == []


def test_a_doubtful_reply_holds_and_then_refuses_where_nothing_is_said() -> None:
    assert (read(SMALL).doubtful_replies, read(SMALL).doubtful_then) == ("hold", "refuse")
    lenient = read(SMALL + "doubtful_replies: pass\ndoubtful_then: pass\n")
    assert (lenient.doubtful_replies, lenient.doubtful_then) == ("pass", "pass")


def test_a_consent_by_reply_waits_for_a_review_where_nothing_is_said() -> None:
    assert read(SMALL).consent_by_reply == "review"
    assert read(SMALL + "consent_by_reply: accept\n").consent_by_reply == "accept"


def test_the_keys_that_a_journal_is_sealed_with_are_files_beside_the_settings_and_the_first_is_the_one_that_seals() -> None:
    found = read(SMALL + "sealing: {keys: [secrets/new, /etc/keys/old]}\n").sealing.keys
    assert [str(path) for path in found][1:] == ["/etc/keys/old"]
    assert found[0].is_absolute()
    assert found[0].parts[-2:] == ("secrets", "new")
    assert read(SMALL).sealing.keys == ()
    with pytest.raises(SettingsError, match=r"unknown key 'key'.*did you mean 'keys'"):
        read(SMALL + "sealing: {key: x}\n")


def test_what_yaml_refuses_hides_no_other_mistake() -> None:
    text = SMALL.replace("port: 2776", "port: 2776\n    port: 2777\n    tps: !x 5") + "node: 99999999999999999999\nfoo: 1\n"
    assert problems(text) == [
        "gate106.yaml:8: a key stands here twice: 'port'",
        "gate106.yaml:9: carriers[0].tps: must be a number, not text",
        "gate106.yaml:9: tags (!…) are not understood here: a text that begins with ! needs quotes",
        "gate106.yaml:21: a number of more than 18 digits: put it in quotes if it is a name",
        "gate106.yaml:21: node: must be a number, not text",
        "gate106.yaml:22: unknown key 'foo'",
    ]


@pytest.mark.parametrize(
    ("written", "meant"), [("allow-ips", "allow_ips"), ("allowIps", "allow_ips"), ("System-ID", "system_id")]
)
def test_a_key_beside_a_secret_that_is_spelt_in_another_way_is_named(written: str, meant: str) -> None:
    assert f"gate106.yaml:14: providers[0]: unknown key {written!r} (did you mean {meant!r}?)" in problems(
        added(f"{written}: x", "j-secret")
    )


MISTAKES = [text for text, _ in vars(test_a_mistake_is_told_with_its_line)["pytestmark"][0].args[1]]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("text", MISTAKES)
def test_check_names_file_and_line_of_every_mistake_in_the_language_asked_for(text: str, language: str) -> None:
    Path("gate106.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["check", "--config", "gate106.yaml", "--lang", language])
    assert done.exit_code == 2
    assert done.stdout == ""
    for line in done.stderr.splitlines():
        said = re.fullmatch(r"gate106: gate106\.yaml:\d+: ([\w.\[\]]+: )?(.+)", line)
        assert said is not None, line
        assert bool(re.search("[一-鿿]", re.sub("“[^”]*”|'[^']*'", "", said[2]))) is (language == "zh"), line
