"""Miniature models with random weights, made on this machine from a recipe of the support catalogue."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ablation.study.catalogue import Generate
from ablation.study.load import StudyError

WORKER = Path(__file__).with_name("worker.py")


def make_model(python: str, recipe: Generate, folder: Path, log: Path) -> None:
    """Write tokenizer, weights and config.json to `folder`, with a Python that has torch and transformers.

    The folder is complete when config.json is in it. Raises StudyError with the last lines of the log.
    """
    with log.open("w", encoding="utf-8") as output:
        try:
            done = subprocess.run(
                [python, str(WORKER), str(folder)],
                input=recipe.model_dump_json(),
                text=True,
                stdout=output,
                stderr=subprocess.STDOUT,
                # The machine's own path, without the workflow's packages: another Python reads them.
                env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
                | {"HF_HUB_OFFLINE": "1"},
                check=False,
            )
        except OSError as error:
            raise StudyError(
                f"server.python: {python}: {error.strerror}; run `make setup`"
            ) from error
    if done.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise StudyError(
            f"{folder}: the model could not be made (exit {done.returncode}); {log} ends with:\n{tail}"
        )
