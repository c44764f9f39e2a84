"""Commands about rules and settings files: ``check``, ``schema``, ``settings``.

They ask no gate.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from proxy.model.roles import Permission
from proxy.operations.declaration import Program, command
from proxy.operations.terminal import Json, as_json, fail, print_line, printed_language, settings_of, warn


@command("check", Program(permission=Permission.SEE, only=()), example="gate106 check rules/")
def check(
    rules: Annotated[
        Path | None, typer.Argument(help="The folder with rules; default rules/, or what the settings say.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Compare with these settings, too.")] = None,
    json: Json = False,
) -> None:
    """Lint rules, compare registries and run tests; every problem as file:line. Exit 1 if there is any; warnings do not count."""
    from proxy.config.reader import line_of
    from proxy.desk.revisions.rule_text import titled
    from proxy.i18n.catalog import in_language
    from proxy.i18n.phrases import both
    from proxy.policy.loading.check import check as check_rules
    from proxy.policy.loading.problem import NO_RULE, Problem

    language = printed_language()
    found = settings_of(config, language)
    named = "" if rules or found is None else f"{config}:{line_of('rules', config)}: rules: "
    rules = rules or (found.rules if found else Path("rules"))
    if not rules.is_dir():
        absent = in_language(f"{rules}: no such folder (name the folder that holds your rules)", language)
        fail(both(f"{named}{absent}"))
    report = check_rules(rules, found.providers if found else None, time.time())
    if not (report.rules or report.problems or (found and found.rules_may_be_empty)):  # `serve` does not begin with it
        (report.problems if found else report.warnings).append(Problem(str(rules), 1, NO_RULE))
    for key in found.sealing.keys if found and config else ():
        if not os.path.lexists(key):  # the gate's own user may open it, others need not
            why = "no such file (sealing.keys names it: bring it back from the backup; `gate106 journal make-key` makes a new one)"
            report.problems.append(Problem(str(config), line_of("sealing", config), f"{key}: {why}"))
    if json:
        as_json(report.as_dict())
        raise typer.Exit(1 if report.problems else 0)
    if language == "zh":
        says = {rule: f"{say}（{rule}）" for rule, say in report.says.items()}
        report.problems, report.warnings = (titled(some, says, places=True) for some in (report.problems, report.warnings))
    for problem in report.problems:
        warn(both(f"{problem.file}:{problem.line}: {in_language(problem.text, language)}"))
    for doubt in report.warnings:
        warn(both(f"{doubt.file}:{doubt.line}: {in_language(f'warning: {doubt.text}', language)}"))
    beside = f", {len(report.warnings)} warnings" if report.warnings else ""
    if report.unknown_region:
        print_line(in_language(f"the region of {100 * report.unknown_region:.1f} % of numbers in use is unknown", language))
    counted = f"{report.rules} rules, {report.tests} tests, {len(report.problems)} problems{beside}"
    print_line(f"{rules}: {in_language(counted, language)}")
    raise typer.Exit(1 if report.problems else 0)
