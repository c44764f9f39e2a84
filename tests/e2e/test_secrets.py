"""No secret comes out: a gate with marked passwords, tokens and a key serves, refuses, is reloaded, traced, backed up and asked everything a
command can ask; then all that it said and wrote is searched for the marks, in every spelling that would give them away."""

from __future__ import annotations

import base64
import json
import os
import pwd
import random
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import pytest
import trustme
import yaml

from proxy.net.authenticator import hash_password
from proxy.operations.http_auth import hash_token, new_token
from tests import forked
from tests.e2e.asked import asked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, SHANGHAI, Gate, keep_secret, provider
from tests.e2e.pdus import ESME_RINVPASWD, ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until
from tests.test_documented import COMMANDS

Make = Callable[..., Gate]
SIMULATIONS = {"gate106 demo", "gate106 bench", "gate106 sim carrier"}
"""They make settings of their own."""


def mark() -> str:
    """As long as SMPP lets a password be; letters that no number in hexadecimal has."""
    return "".join(random.SystemRandom().choices("GHJKLMNPQRSTUVWXYZ", k=8))


def forms(secret: str | bytes) -> Iterator[bytes]:
    spelt = (
        (secret,) if isinstance(secret, bytes) else (secret.encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be"))
    )
    for octets in spelt:
        yield octets
        yield octets.hex().encode()
        yield octets.hex().upper().encode()
        for before in range(3):  # wherever it begins in what was encoded
            whole = base64.b64encode(b"\0" * before + octets).rstrip(b"=")
            yield whole[4 if before else 0 : -1]


def found_in(data: bytes, marks: Mapping[str, str | bytes]) -> set[str]:
    return {name for name, secret in marks.items() for form in forms(secret) if form in data}


SPELLINGS: list[Callable[[bytes], bytes]] = [
    lambda octets: octets,
    lambda octets: octets.decode("latin-1").encode("utf-16-be"),
    lambda octets: octets.hex().encode(),
    base64.b64encode,
]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_mark_is_found_however_it_is_written(spell: Callable[[bytes], bytes]):
    marks = {"one": mark(), "other": mark()}
    for before in range(6):
        assert found_in(spell(b"x" * before + marks["one"].encode() + b"yz"), marks) == {"one"}
        assert found_in(spell(b"x" * before + mark().encode() + b"yz"), marks) == set()


class Harness:
    """A gate all of whose secrets are marked."""

    def __init__(self, gate: Gate, carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate, self.carrier, self.folder = gate, carrier, gate.folder
        self.marks = {name: mark() for name in ("carrier", "clear", "file", "hashed", "environment", "tried", "person")}
        self.http, self.wrong = new_token(), new_token()
        self.marks |= {"http": self.http, "wrong http": self.wrong}
        self.out: list[bytes] = []
        keep = self.folder / "secrets"
        keep.mkdir()
        authority = trustme.CA()
        certificate = authority.issue_cert("gate.example")
        (keep / "gate.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        (keep / "gate.key").write_bytes(certificate.private_key_pem.bytes())
        body = certificate.private_key_pem.bytes().decode().splitlines()[1:-1]
        self.marks |= {f"key line {number}": line for number, line in enumerate(body) if len(line) > 20}
        self.trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.trusting)
        (keep / "yi").write_text(self.marks["file"] + "\n")
        keep_secret(keep / "li.token", self.marks["person"] + "\n")
        monkeypatch.setenv("MARKED_PASSWORD", self.marks["environment"])
        hashes = {
            "hash": hash_password(self.marks["hashed"]),
            "hash of li": hash_password(self.marks["person"]),
            "hash of http": hash_token(self.http),
        }
        self.marks |= {name: stored.rpartition("$")[2] for name, stored in hashes.items()}
        self.tls_port = free_port()
        gate.settings["carriers"][0]["password"] = self.marks["carrier"]
        gate.settings["smpp"]["tls"] = {
            "listen": f"127.0.0.1:{self.tls_port}",
            "cert": f"{keep}/gate.pem",
            "key": f"{keep}/gate.key",
        }
        gate.settings["providers"] = [
            provider("jia", "1069001") | {"password": self.marks["clear"]},
            provider("yi", "1069002", upstream={"carrier": "bj", "system_id": "yi-up", "password": "${MARKED_PASSWORD}"})
            | {"password": "file:secrets/yi"},
            provider("san", "1069003") | {"password": hashes["hash"]},
        ]
        me = {"user": pwd.getpwuid(os.getuid()).pw_name, "roles": ["admin"]}
        gate.settings["people"] = [
            {"name": "li", "token": hashes["hash of li"]} | me,
            {"name": "wang", "token": hash_password("x")},
        ]
        gate.settings["console"] = {"listen": f"127.0.0.1:{free_port()}"}
        gate.settings["http"] |= {"metrics_allow": [], "tokens": [{"name": "p", "token": hashes["hash of http"]}]}
        gate.write_settings()

    def read(self, path: str, token: str = "") -> int:
        """Over HTTP; what was answered is searched, too."""
        request = urllib.request.Request(f"http://{self.gate.settings['http']['listen']}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                self.out.append(answer.read() + str(answer.headers).encode())
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                self.out.append(error.read() + str(error.headers).encode())
                return error.code

    def commands(self, *all_argv: list[str]) -> str:
        said = asked(self.folder, all_argv)
        self.out.append(said.encode())
        return said

    def everything(self) -> dict[str, bytes]:
        """All that came out, and all that was written but where the secrets were put."""
        here = {"what was said": b"\n".join(self.out)}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path != self.gate.config and not {"secrets", "keys"} & set(path.parts):
                here[str(path.relative_to(self.folder))] = path.read_bytes()
        return here


@pytest.fixture
def harness(make_gate: Make, carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> Harness:
    return Harness(make_gate(carrier.port, []), carrier, monkeypatch)


def at_the_console(harness: Harness) -> None:
    """Somebody logs in with a wrong token, then with the right one, and looks at pages; what they are told is searched, too."""
    with httpx2.Client(base_url=f"http://{harness.gate.settings['console']['listen']}", timeout=30) as client:
        until(lambda: "console open" in harness.gate.log.read_text(), harness.gate.said)
        for token, status in ((harness.marks["tried"], 401), (harness.marks["person"], 303)):
            mark = re.findall(r'name="mark" value="([^"]+)"', client.get("/login").text)[0]
            answer = client.post("/login", data={"name": "li", "token": token, "mark": mark})
            assert answer.status_code == status, answer.text
            harness.out.append(answer.content + str(answer.headers).encode())
        for path in ("/", "/today/waits", "/find/found?provider=jia", "/find/message/0:1/told", "/nowhere"):
            answer = client.get(path)
            harness.out.append(answer.content + str(answer.headers).encode())


def binds(harness: Harness, numbers: Iterator[int]) -> None:
    """Right and wrong ones of every kind, in clear and over TLS."""
    gate, marks = harness.gate, harness.marks
    for name, password in (("jia", marks["clear"]), ("yi", marks["file"]), ("san", marks["hashed"])):
        for client in (Raw(gate.port), Raw(harness.tls_port, tls=harness.trusting)):
            with client:
                assert client.bind(name, password).status == ESME_ROK
                client.submit(gate_port(name), SHANGHAI.format(next(numbers)))
        with Raw(gate.port) as client:
            assert client.bind(name, marks["tried"]).status == ESME_RINVPASWD
    with Raw(gate.port) as client:
        client.bind("nobody", marks["clear"])
        client.bind("jia", marks["file"])


def gate_port(name: str) -> str:
    return {"jia": "1069001", "yi": "1069002", "san": "1069003"}[name]


INVOCATIONS: dict[str, list[str]] = {
    "gate106 trace": [],  # beside the others, below
    "gate106 serve": [],  # the gate itself
    "gate106 console serve": [],  # which the gate starts
    "gate106 settings show": [],
    "gate106 rules show-schema": [],
    "gate106 backup make": ["copy"],
    "gate106 backup check": ["copy"],
    "gate106 follower update": [],
    "gate106 follower serve": ["copy2", "--listen", "nowhere"],
    "gate106 backup restore": ["copy"],  # the gate runs: there is state already
    "gate106 check": ["rules"],
    "gate106 explain": ["--record", "--to", "13800210500", "--from", "1069001", "--text", "【测试】你好"],
    "gate106 precheck": ["campaign.txt", "--provider", "jia", "--from", "1069001"],
    "gate106 password hash": [],  # nothing is left on standard input
    "gate106 token make": ["secrets/new.token"],
    "gate106 sim provider": ["--to", "13800210501", "--from", "1069001", "--text", "x", "--wait", "0", "--system-id", "jia", "--password", "CLEAR", "--port", "PORT"],
    "gate106 optout trace": ["--to", "13800210500"],
    "gate106 optout list-doubtful": [],
    "gate106 optout decide": ["0123456789ab", "--no", "--why", "none"],
    "gate106 optout end-standing": ["0123456789ab", "--why", "none"],
    "gate106 optout list-paths": [],
    "gate106 optout list-probes": [],
    "gate106 optout probe": ["--port", "1069001", "--why", "none"],
    "gate106 optout audit": [],
    "gate106 journal push": [],  # the gate has no stream
    "gate106 journal verify": ["journal"],
    "gate106 journal make-key": ["secrets/journal"],
    "gate106 journal expire": ["--dry-run"],
    "gate106 journal list-heads": [],
    "gate106 journal show": ["1"],
    "gate106 journal roll": [],
    "gate106 provider list-refusals": ["jia"],
    "gate106 journal hash-number": ["13800210500", "--why", "x"],
    "gate106 journal erase": ["--to", "13800210500", "--why", "x"],
    "gate106 find": ["--to", "13800210500", "--since", "2026-01-01"],
    "gate106 backtest": ["--since", "1h"],
    "gate106 report": [],
    "gate106 binds": [],
    "gate106 binds kick": ["--provider", "jia", "--why", "x"],
    "gate106 binds suspend": ["--provider", "jia", "--for", "1h", "--why", "x"],
    "gate106 binds resume": ["--provider", "jia", "--why", "x"],
    "gate106 links": [],
    "gate106 links drain": ["bj", "--why", "x"],
    "gate106 links enable": ["bj", "--why", "x"],
    "gate106 stop": ["--province", "北京", "--for", "1h", "--why", "x"],
    "gate106 stop list": [],
    "gate106 stop lift": ["1", "--why", "x"],
    "gate106 shadow start": ["--for", "1h", "--why", "x"],
    "gate106 shadow end": ["--why", "x"],
    "gate106 suppress add": ["--to", "13800210500", "--why", "x"],
    "gate106 suppress show": ["--to", "13800210500"],
    "gate106 suppress remove": ["--to", "13800210500", "--why", "x"],
    "gate106 suppress list": [],
    "gate106 suppress import": ["people.csv", "--source", "import", "--for", "good", "--why", "x"],
    "gate106 suppress export": ["--why", "x"],
    "gate106 consent list": [],
    "gate106 consent list-tasks": [],
    "gate106 consent import": [
        "people.csv", "--source", "app", "--given", "2026-01-01", "--advertiser", "any", "--until", "good", "--why", "x",
    ],
    "gate106 consent show": ["--to", "13800210500"],
    "gate106 consent prove": ["1", "--file", "people.csv", "--why", "x"],
    "gate106 consent review": ["1", "--verdict", "rejected", "--why", "x"],
    "gate106 consent withdraw": ["--to", "13800210500", "--why", "x"],
    "gate106 consent export": ["--out", "consents.csv", "--why", "x"],
    "gate106 subject show": ["--to", "13800210500"],
    "gate106 subject export": ["--to", "13800210500", "--out", "person", "--why", "x"],
    "gate106 subject erase": ["--to", "13800210500", "--why", "x"],
    "gate106 subject approve": ["1"],
    "gate106 subject list-requests": [],
    "gate106 subject reject": ["1", "--why", "x"],
    "gate106 subject withdraw": ["1", "--why", "x"],
    "gate106 subject write-receipt": ["1", "--out", "receipt.pdf"],
    "gate106 recycled import": ["recycled.csv", "--why", "x"],
    "gate106 recycled list": [],
    "gate106 today": [],
    "gate106 recycled approve": ["1"],
    "gate106 recycled reject": ["1", "--why", "x"],
    "gate106 recycled withdraw": ["1", "--why", "x"],
    "gate106 regions show": [],
    "gate106 regions find": ["13800210500"],
    "gate106 regions diff": ["segments.csv"],
    "gate106 regions import": ["segments.csv", "--why", "x"],
    "gate106 lexicon propose": [],
    "gate106 lexicon list-words": [],
    "gate106 lexicon accept": ["words.csv", "--why", "x"],
    "gate106 lexicon measure": ["words.csv"],
    "gate106 filing list-tasks": [],
    "gate106 filing export": ["filings.csv"],
    "gate106 filing import": ["filings.csv", "--why", "x"],
    "gate106 filing register-letter": ["filings.csv", "--why", "x"],
    "gate106 complaint import": ["complaints.csv", "--why", "x"],
    "gate106 complaint list": [],
    "gate106 complaint show": ["1", "--unmasked", "--why", "x"],
    "gate106 complaint match": ["1"],
    "gate106 complaint forward": ["1", "--why", "x"],  # it is matched to nothing
    "gate106 complaint decide": ["1", "invalid", "--suppress", "all", "--why", "x"],
    "gate106 complaint withdraw": ["1", "--why", "x"],
    "gate106 complaint answer": ["1", "--out", "answer.csv", "--why", "x"],
    "gate106 complaint take-answer": ["1", "--out", "again.csv", "--why", "x"],
    "gate106 complaint count": ["--month", "2026-11"],
    "gate106 complaint reopen": ["1", "--why", "x"],
    "gate106 complaint sweep": ["1"],
    "gate106 complaint export": ["cases.csv"],
    "gate106 penalty propose": ["--provider", "jia", "--step", "warn", "--why", "x", "--token-file", "secrets/li.token"],
    "gate106 penalty list": [],
    "gate106 penalty show": ["1"],
    "gate106 penalty write-letter": ["1", "--out", "letter.pdf"],  # a draft
    "gate106 penalty approve": ["1", "--token-file", "secrets/li.token"],
    "gate106 penalty reject": ["1", "--why", "x"],
    "gate106 penalty withdraw": ["1", "--why", "x"],
    "gate106 penalty appeal": ["1", "--why", "x"],
    "gate106 penalty lift": ["1", "--why", "x"],
    "gate106 evidence pack": ["--message", "0:99999", "--out", "pack.zip", "--why", "x"],
    "gate106 evidence verify": ["people.csv"],
    "gate106 evidence make-verifier": ["--out", "verify.pyz"],
    "gate106 rules list": [],
    "gate106 rules reload": [],
    "gate106 rules list-changes": [],
    "gate106 rules approve": ["0123456789abcdef", "--token-file", "secrets/li.token"],
    "gate106 rules reject": ["0123456789abcdef", "--why", "x"],
    "gate106 rules push": ["rules/rules.yaml", "--why", "x", "--token-file", "secrets/li.token"],
    "gate106 rules export": ["exported"],
    "gate106 rules import-templates": ["templates.csv", "--why", "x", "--token-file", "secrets/li.token"],
    "gate106 rules withdraw": ["0123456789abcdef", "--why", "x", "--token-file", "secrets/li.token"],
    "gate106 rules rollback": ["--why", "x"],
    "gate106 rules set-mode": ["daily-cap", "off", "--why", "x", "--token-file", "secrets/li.token"],
    "gate106 rules take": ["--why", "x"],
}  # fmt: skip
ASKS_NO_GATE = {
    "evidence verify",
    "evidence make-verifier",
    "settings",
    "rules show-schema",
    "backup check",
    "password hash",
    "token make",
    "sim",
    "journal verify",
    "journal make-key",
}


def test_every_command_is_among_those_that_are_run():
    assert set(COMMANDS) == set(INVOCATIONS) | SIMULATIONS


def test_no_secret_is_in_anything_that_the_gate_and_its_commands_say_or_write(harness: Harness, numbers: Iterator[int]):
    gate = harness.gate
    (harness.folder / "people.csv").write_text("13800210777\n")
    (harness.folder / "recycled.csv").write_text("number,date\n13800210777,2026-01-01\n")
    (harness.folder / "complaints.csv").write_text("number,sender\n13800210500,1069001\n")
    (harness.folder / "templates.csv").write_text("template,signature,text\nx,甲店,您好\n")
    (harness.folder / "segments.csv").write_text("segment,province\n1390000,北京\n")
    (harness.folder / "words.csv").write_text("text,label\n双11优惠,ad\n")
    (harness.folder / "campaign.txt").write_text("【测试】你好\n")
    gate.start(ready=False)
    until(lambda: harness.read("/readyz") == 200, gate.said)
    watch = [
        [sys.executable, "-m", "proxy", "trace", "--config", str(gate.config), "--for", "60s", "--full", "--why", "x"]
        for _ in range(3)
    ]
    watch[0] += ["--address", "127.0.0.0/8", "--json"]
    watch[1] += ["--address", "127.0.0.0/8", "--pcap", str(harness.folder / "trace.pcap")]
    watch[2] += ["--carrier", "bj", "--json"]
    watching = [forked.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for argv in watch]
    for one in watching:
        assert one.stderr is not None
        assert b"watching" in one.stderr.readline()
    binds(harness, numbers)
    at_the_console(harness)
    assert [harness.read("/metrics", token) for token in ("", harness.wrong, harness.http)] == [401, 401, 200]
    gate.signal(signal.SIGHUP)
    argvs = []
    for name, options in INVOCATIONS.items():
        words = name.split()[1:]
        if name in ("gate106 trace", "gate106 serve", "gate106 console serve"):
            continue
        asks = [] if any(name.startswith(f"gate106 {word}") for word in ASKS_NO_GATE) else ["--config", str(gate.config)]
        argvs.append(
            [*words, *({"CLEAR": harness.marks["clear"], "PORT": str(gate.port)}.get(one, one) for one in options), *asks]
        )
    said = harness.commands(*argvs, *([*name.split()[1:], "--help"] for name in COMMANDS))
    assert "Traceback" not in said
    lacking = said.count("## exit 2")  # what there is nothing of: no set waits, no follower, no such order, request or word
    assert lacking <= 30, said
    bound = harness.carrier.binds.total()
    harness.carrier.drop()
    until(lambda: harness.carrier.binds.total() >= bound + 2, gate.said)
    for one in watching:
        one.send_signal(signal.SIGINT)
        harness.out += [*one.communicate(timeout=20)]
    for shown in (harness.out[-6], harness.out[-2]):
        assert b"bind_transceiver" in shown, "binds were watched, those of providers and ours at the carrier"
    harness.read("/metrics", harness.http)
    harness.read("/readyz")
    assert gate.stop() == 0
    everything = harness.everything()
    assert {"gate.log", "state.db", "trace.pcap", "copy/manifest.json"} <= everything.keys(), everything.keys()
    keys: dict[str, bytes] = {path.name: path.read_bytes() for path in (harness.folder / "keys").glob("*.key")}
    assert keys, "the journal was rolled: there are keys"
    marked = {name: found_in(data, harness.marks) | found_in(data, keys) for name, data in everything.items()}
    assert {name: found for name, found in marked.items() if found} == {}


def spoilt(settings: dict[str, Any], marks: dict[str, str]) -> Iterator[str]:
    """Settings as people get them wrong, each with a mark where the mistake is."""
    places = [
        ("carriers", 0, "password"),
        ("providers", 0, "password"),
        ("people", 0, "token"),
        ("providers", 1, "upstream", "password"),
        ("http", "tokens", 0, "token"),
        ("providers", 0, "token"),
    ]
    for place in places:
        for value in (
            [marks["a"]],
            {marks["a"]: 1},
            marks["a"] * 40,
            f"scrypt${marks['a']}",
            f"sha256${marks['a']}",
            f"{marks['b']}${{{marks['a']}}}",
            f"{marks['a']}${{x}}",
            "",
        ):
            copy = json.loads(json.dumps(settings))
            at = copy
            for step in place[:-1]:
                at = at[step]
            at[place[-1]] = value
            yield yaml.safe_dump(copy, allow_unicode=True)
    text = yaml.safe_dump(settings, allow_unicode=True)
    for written in (
        f"*{marks['a']}", f"!{marks['a']}", f"!!{marks['a']}", f"!<{marks['a']}> x", f"&{marks['a']} x\n  x: &{marks['a']} y", f"'{marks['a']}", f'"{marks["a"]}', f"@{marks['a']}", f"%{marks['a']}", f"`{marks['a']}",
        f"{marks['a']}: {marks['b']}", f"[{marks['a']}", f"{{{marks['a']}", f"|{marks['a']}", f">{marks['a']}", f"? {marks['a']}", f"- {marks['a']}", f"{marks['a']}\n  password: {marks['b']}", f"\t{marks['a']}", f'"\\{marks["a"]}"',
    ):  # fmt: skip
        yield text.replace("password: first", f"password: {written}")
    for written in (
        f"{marks['a']},{marks['b']}",
        f"{marks['a']}, {marks['b']}",
        f"{marks['a']}}}{marks['b']}",
        f"{marks['a']}]{marks['b']}",
        f"{marks['a']},{marks['b']}: x",
    ):
        yield text + f"{{name: x, system_id: x, password: {written}, ports: ['1']}}\n"
        yield text.replace("providers:\n", f"providers:\n- {{name: x, system_id: x, password: {written}, ports: ['1']}}\n")


def test_no_mistake_in_the_settings_shows_a_secret(harness: Harness):
    """All in one process, by the command that reads settings; each mistake is told by line."""
    marks = {"a": mark(), "b": mark()}
    settings = json.loads(json.dumps(harness.gate.settings))
    settings["carriers"][0]["password"] = "first"
    texts = list(spoilt(settings, marks))
    argvs = []
    for number, text in enumerate(texts):
        path = harness.folder / "secrets" / f"spoilt-{number}.yaml"
        path.write_text(text)
        argvs.append(["check", "rules", "--config", str(path)])
    said = harness.commands(*argvs)
    assert "Traceback" not in said
    told = said.split("## [")[1:]
    assert len(told) == len(texts)
    assert [text for text, one in zip(texts, told, strict=True) if "exit 2" in one and ".yaml:" not in one] == []
    assert sum("exit 2" in one for one in told) > 0.8 * len(told)
    assert [one for one in told if found_in(one.encode(), marks)] == []


def test_a_gate_that_cannot_start_shows_none_either(harness: Harness):
    harness.gate.settings["providers"][0]["password"] = f"file:secrets/{mark()}"
    (harness.folder / "secrets" / "two").write_text(f"{harness.marks['clear']}\n{harness.marks['file']}\n")
    harness.gate.settings["providers"][1]["password"] = "file:secrets/two"
    harness.gate.write_settings()
    said = harness.commands(["serve", "--config", str(harness.gate.config)])
    assert "must hold one line" in said or "cannot be read" in said
    assert found_in(said.encode(), harness.marks) == set()
