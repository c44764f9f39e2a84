"""Puts Chinese into help and usage errors of the command line.

In: the tree of commands, before it runs. Out: the same, its texts by ``i18n/help.yaml``. Never: a change where English is printed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import typer

from proxy.i18n.catalog import Catalog, read

HELP = Path(__file__).parents[1] / "i18n" / "help.yaml"
USAGE = HELP.with_name("usage.yaml")
_LABELS = (
    (re.compile(r"^Usage: ", re.MULTILINE), "用法："), (re.compile(r"^Options:$", re.MULTILINE), "选项："),
    (re.compile(r"^Arguments:$", re.MULTILINE), "参数："), (re.compile(r"^Commands:$", re.MULTILINE), "命令："),
    (re.compile(r"^The gate:$", re.MULTILINE), "网关："), (re.compile(r"^Settings and rules:$", re.MULTILINE), "设置与规则："),
    (re.compile(r"^A running gate:$", re.MULTILINE), "运行中的网关："), (re.compile(r"^People:$", re.MULTILINE), "个人："),
    (re.compile(r"^The desk:$", re.MULTILINE), "合规台："), (re.compile(r"^The journal:$", re.MULTILINE), "日志："),
    (re.compile(r"^Other:$", re.MULTILINE), "其他："), (re.compile(r"Show this message and\s+exit\."), "显示帮助并退出。"),
    (re.compile(r"\[default:\s+"), "[默认："), (re.compile(r"\[env var:\s+"), "[环境变量："), (re.compile(r"\[required\]"), "[必填]"),
)  # fmt: skip


@cache
def texts() -> dict[str, str]:
    return read(HELP)


def chinese(text: str) -> str:
    """The help of a command or an option; its first line is the key. Unchanged where there is none."""
    return texts().get(text.partition("\n")[0].rstrip(), text)


def put_chinese(command: Any) -> Any:
    """The command and those below it, with Chinese help."""
    command.help = chinese(command.help or "")
    if command.epilog:
        command.epilog = command.epilog.replace("Example: ", "例：")
    for one in command.params:
        if getattr(one, "help", None):
            one.help = chinese(one.help)
    for below in getattr(command, "commands", {}).values():
        put_chinese(below)
    in_english = command.get_help
    command.get_help = lambda context: _labelled(in_english(context))
    return command


def _labelled(text: str) -> str:
    for label, word in _LABELS:
        text = label.sub(word, text)
    return text


def show_usage_error(error: Any, file: Any = None) -> None:
    """Prints a mistake in a command line, in place of click's own function."""
    if error.ctx is not None:
        typer.echo(
            f"{error.ctx.get_usage().replace('Usage: ', '用法：')}\n用 '{error.ctx.command_path} -h' 查看帮助。\n", err=True
        )
    typer.echo(f"错误：{_usage_errors().chinese(error.format_message())}", err=True)


@cache
def _usage_errors() -> Catalog:
    return Catalog(read(USAGE))


def use_chinese(command: Any) -> Any:
    usage_error: Any = typer.BadParameter.__mro__[1]  # click's own: typer does not name it
    usage_error.show = show_usage_error
    return put_chinese(command)
