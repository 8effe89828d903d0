"""What every script of the workflow does around its work: a log, one clear message on failure, a clean end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from ablation.errors import UserError
from ablation.session.guard import is_alive, start_ticks


@contextmanager
def job(snakemake: Any) -> Iterator[TextIO]:
    """Yields the job's log. A failure ends the process with one message, on the terminal and in the log."""
    signal.signal(signal.SIGTERM, _end)
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log:
        try:
            yield log
        except KeyboardInterrupt:
            _fail(
                log,
                f"{snakemake.rule}: interrupted; what was measured is kept, the same command goes on from there",
            )
        except SystemExit:
            _fail(
                log,
                f"{snakemake.rule}: told to end; what was measured is kept, the same command goes on from there",
            )
        except (UserError, OSError) as error:
            _fail(log, f"{snakemake.rule}: {error}")
        except Exception:
            _fail(log, traceback.format_exc())


def end_with(pids: Sequence[int]) -> None:
    """End this process (as by SIGTERM) as soon as one of `pids` is gone. Returns at once.

    A job whose Snakemake was killed would otherwise go on measuring for nobody.
    """
    known = [(pid, start_ticks(pid)) for pid in pids]

    def watch() -> None:
        while all(is_alive(*process) for process in known):
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="watch-snakemake").start()


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _fail(log: TextIO, message: str) -> None:
    for stream in (log, sys.stderr):
        print(f"\n{message}\n", file=stream, flush=True)
    # Not sys.exit: nothing further may run, and a second signal during the clean-up must not be a traceback.
    os._exit(1)
