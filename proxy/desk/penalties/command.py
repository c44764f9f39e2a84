"""Implements ``gate106 penalty letter``, which writes a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxy.desk.penalties.operations import PENALTY_ID
from proxy.model.roles import Permission
from proxy.operations.declaration import PDF, Program, command
from proxy.operations.terminal import CONFIG, Config, Control, Json, ask, fail, print_answer

ANNEX_S = 92 * 86_400.0
"""Complaints that came within this time before the proposal are the letter's annex."""


@command(
    "penalty letter",
    Program(permission=Permission.LOOK, out="--out", media=PDF),
    example="gate106 penalty letter 3 --out letter-jia.pdf",
)
def letter(
    id_: Annotated[str, PENALTY_ID],
    out: Annotated[Path, typer.Option("--out", help="The PDF to write.")],
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write the letter to the provider: what was measured, what it rests on, what follows; valid complaints as annex, numbers masked."""
    import time

    from proxy.desk.evidence import evidence_pdf
    from proxy.runtime import hardening

    answer = ask(config, control, "penalty.show", id=id_)
    if not answer["since"] and answer["state"] != "proposed":
        fail(f"penalty {answer['id']} never came into force ({answer['state']}): there is nothing to tell its provider")
    whose = {"provider": answer["provider"] or None} | ({answer["by"]: answer["value"]} if answer["by"] else {})
    began = answer["events"][0]["time"]
    listed = ask(config, control, "complaint.list", export="penalty letter", state="valid", limit=1000, **whose)["cases"]
    rests_on = [one for one in listed if began - ANNEX_S <= one["came"] <= began]
    try:
        with hardening.create_private_file(out) as file:
            file.write(evidence_pdf.letter(answer, rests_on, time.time()))
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    draft = " (a draft: nobody has approved it yet)" if answer["state"] == "proposed" else ""
    about = f"{out}: penalty {answer['id']} of {answer['of']}, {len(rests_on)} complaints{draft}"
    print_answer({"file": str(out), "cases": len(rests_on), "draft": bool(draft)}, json, [about])
