"""Log lines of faults contain no personal data."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from proxy.model import log_setup

TEXT, NUMBER = "【测试】验证码 482913", "13800210500"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    before = sys.excepthook, sys.unraisablehook, threading.excepthook, logging.root.handlers[:], logging.root.level
    log_setup.configure_logging()
    yield lambda: capsys.readouterr().out
    structlog.reset_defaults()
    sys.excepthook, sys.unraisablehook, threading.excepthook, logging.root.handlers[:], logging.root.level = before


def quotes(text: str) -> None:
    raise ValueError(f"cannot read {text}")


def looks_up(text: str) -> None:
    {"": 1}[text]


def decodes(text: str) -> None:
    text.encode("ascii")


def chains(text: str) -> None:
    try:
        quotes(text)
    except ValueError as error:
        raise KeyError(text) from error


def test_lines_say_when_in_chinas_time_and_that_it_is(said: Callable[[], str]) -> None:
    structlog.get_logger().info("rules in force")
    written = re.match(r"(\S+T\S+)\s+\[info\s*\] rules in force", said())
    assert written is not None
    at = datetime.fromisoformat(written[1])
    assert at.utcoffset() == timedelta(hours=8)
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=5)


def test_times_are_in_utc_where_the_settings_have_it(said: Callable[[], str]) -> None:
    log_setup.configure_logging(time="utc")
    structlog.get_logger().info("rules in force")
    assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[info", said())


def test_each_json_line_is_one_object_in_which_a_fault_names_no_value(said: Callable[[], str]) -> None:
    log_setup.configure_logging("json", process="worker 2")
    try:
        quotes(TEXT)
    except ValueError as error:
        structlog.get_logger().error("judge failed", exc_info=error, why=("a\nb", Path("/x"), {"p\x9b": "北京\u202e"}))
    logging.getLogger("some.library").warning("cannot read %s", TEXT)
    fault, library = map(json.loads, said().splitlines())
    assert list(fault)[:4] == ["timestamp", "level", "event", "process"]
    assert (fault["level"], fault["event"], fault["process"]) == ("error", "judge failed", "worker 2")
    assert fault["why"] == ["ab", "/x", {"p": "北京"}]
    assert fault["exception"].startswith("builtins.ValueError\n")
    assert (library["level"], library["event"]) == ("warning", "cannot read %s")


def test_nothing_below_the_level_is_logged_and_the_level_can_change(said: Callable[[], str]) -> None:
    log = structlog.get_logger()  # made before: as the modules have it
    for level, count in (("warning", 2), ("error", 1), ("debug", 4), ("info", 3)):
        log_setup.configure_logging(level=level)
        log.debug("tried")
        log.info("open")
        log.warning("down")
        log.error("lost")
        assert said().count("\n") == count


@pytest.mark.parametrize("form", ["console", "json"])
def test_each_line_for_the_journal_begins_with_its_priority(form: str) -> None:
    done = log_of(f"configure({form!r}, 'debug')", JOURNAL="1")
    prefixes = [line[:3] for line in done.splitlines()]
    assert set(prefixes) == {"<7>", "<6>", "<4>", "<3>"}
    assert prefixes[:3] == ["<7>", "<6>", "<4>"]
    assert set(prefixes[3:]) == {"<3>"}, "the lines of a traceback, too"


@pytest.mark.parametrize("stream", ["", "8:1", "nonsense"])
def test_a_line_elsewhere_has_no_priority_though_the_variable_is_inherited(stream: str) -> None:
    assert not re.search(r"^<", log_of("configure()", JOURNAL_STREAM=stream), re.MULTILINE)


WRITES = """
import os, sys
if os.environ.get("JOURNAL"):
    found = os.fstat(1)
    os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
import structlog
from proxy.model.log_setup import configure_logging as configure
SETUP
log = structlog.get_logger()
log.debug("tried"); log.info("open"); log.warning("down")
try:
    int("x")
except ValueError:
    log.exception("lost")
"""


def log_of(setup: str, **environment: str) -> str:
    command = [sys.executable, "-c", WRITES.replace("SETUP", setup)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env=os.environ | environment)
    return done.stdout


@pytest.mark.parametrize("fault", [quotes, looks_up, decodes, chains])
def test_a_fault_tells_what_and_where_and_nothing_of_the_message(fault: Callable[[str], None], said: Callable[[], str]):
    held = TEXT + NUMBER
    try:
        fault(held)
    except (ValueError, LookupError) as error:
        structlog.get_logger().error("judge failed", exc_info=error, total=1)
    told = said()
    assert "judge failed" in told
    assert "Error" in told
    assert f"in {fault.__name__}\n" in told
    for part in (TEXT, NUMBER, "482913", "测试", "\\u6d4b"):
        assert part not in told


def test_what_python_words_itself_is_told(said: Callable[[], str]):
    try:
        len(None)  # type: ignore[arg-type]
    except TypeError as error:
        structlog.get_logger().error("judge failed", exc_info=error)
    assert "builtins.TypeError: object of type 'NoneType' has no len()" in said()


def test_a_recursion_is_told_in_so_many_lines(said: Callable[[], str]):
    def deeper(text: str) -> None:
        deeper(text)

    try:
        deeper(TEXT)
    except RecursionError as error:
        structlog.get_logger().error("judge failed", exc_info=error)
    told = said()
    assert told.count("in deeper") == log_setup.FRAMES_MAX


def test_a_stranger_s_name_cannot_write_lines_or_colours(said: Callable[[], str]):
    structlog.get_logger().warning("bind refused", peer="a\x1b[31m\r\n2026 [info] provider bound", why=["\x9b2J", "b\nc"])
    told = said()
    assert told.count("\n") == 1
    assert not {"\x1b[31m", "\x9b"} & {told[at : at + 5] for at in range(len(told))}
    assert "\\r" not in told


async def test_what_nobody_caught_in_the_loop_is_told_alike(said: Callable[[], str]):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_setup.handle_loop_exception)
    done = asyncio.Event()

    def fails() -> None:
        loop.call_soon(done.set)
        quotes(TEXT)

    loop.call_soon(fails)
    await done.wait()
    told = said()
    assert "a fault of gate106" in told
    assert "in fails" in told
    assert TEXT not in told


def test_a_library_is_told_by_its_words_without_what_it_put_into_them(said: Callable[[], str]):
    try:
        quotes(TEXT)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in %s", TEXT)
    told = said()
    assert "Exception in %s" in told
    assert "uvicorn.error, test_log_setup.py" in told
    assert "in quotes" in told
    assert TEXT not in told


ENDS = """
import sys, threading
from proxy.model import log_setup as logs
logs.configure_logging()
def fails(): raise ValueError("13800210500")
thread = threading.Thread(target=fails, name="password"); thread.start(); thread.join()
class Gone:
    def __del__(self): fails()
Gone()
fails()
"""


def test_a_process_that_ends_by_a_fault_shows_no_more_of_it():
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stdout.count("builtins.ValueError") == 3
    assert "13800210500" not in done.stdout + done.stderr
    assert done.stderr == ""
