"""``python -m grafana.trial record | draw``: a run of the demo under Prometheus, kept; the pictures of the README, drawn from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from grafana.boards.words import Tongue
from grafana.trial.page import WIDTH, page
from grafana.trial.recording import FILE, NAMES, load, record, save
from grafana.trial.staging import staged

SECONDS = 90
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRAW_S = 60


def main(arguments: list[str]) -> int:
    match arguments:
        case ["record"]:
            with (
                tempfile.TemporaryDirectory(prefix="gate106-trial-") as folder,
                staged(SECONDS, Path(folder), Console()) as found,
            ):
                save(record(found))
        case ["draw"]:
            draw()
        case _:
            sys.stderr.write("python -m grafana.trial record | draw\n")
            return 2
    return 0


def draw() -> None:
    """Each board in each language → ``pictures/<board>-<language>.png``."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    squeeze = shutil.which("pngquant")
    if browser is None or squeeze is None:
        sys.exit("pictures are drawn by chromium and made small by pngquant: apt-get install chromium fonts-noto-cjk pngquant")
    recording = load()
    for name in NAMES:
        for say in Tongue:
            html, height = page(name, say.value, recording)
            with tempfile.TemporaryDirectory(prefix="gate106-picture-") as folder:
                source, target = Path(folder) / "board.html", FILE.parent / f"{name}-{say.value}.png"
                source.write_text(html, encoding="utf-8")
                command = [
                    browser,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    f"--user-data-dir={folder}/user",
                ]
                command += [f"--window-size={WIDTH},{height}", f"--screenshot={target}", source.as_uri()]
                subprocess.run(command, check=True, capture_output=True, timeout=DRAW_S)  # noqa: S603  # found above
                subprocess.run([squeeze, "--force", "--ext=.png", "--speed=1", target], check=True, timeout=DRAW_S)  # noqa: S603  # likewise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
