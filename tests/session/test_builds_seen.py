"""A kernel built while a level runs: printed by the server, read by the real guard, found by the gate."""

from pathlib import Path

import pytest

from ablation.client.load import LoadSpec, drive
from ablation.client.workload import Workload, fixed
from ablation.run.compilation import server_log, window_s
from ablation.run.gate import FAILED, PASSED
from ablation.run.gates import judge
from ablation.run.metrics import summarise
from tests.evidence import builders
from tests.reference_server import stored
from tests.session.conftest import REFERENCE
from tests.session.test_server import wait_for

# The reference server, which builds a module as AITER does: when `build` appears, and until `built` does.
BUILDER = """
import pathlib, sys, threading, time
folder, start, finish = pathlib.Path(sys.argv.pop(1)), sys.argv.pop(1), sys.argv.pop(1)

def build():
    for name, line in (("build", start), ("built", finish)):
        while not (folder / name).exists():
            time.sleep(0.005)
        print(line, file=sys.stderr, flush=True)

threading.Thread(target=build, daemon=True).start()
from ablation.reference.__main__ import main
main()
"""


def measured(make_server, folder: Path, *, build: float, built: float | None, cost_s: float):
    """The record of a level during which a build begins, and ends, once these fractions of its requests are done."""
    lines = [builders.start("module_moe_asm"), builders.finish("module_moe_asm", cost_s)]
    schedule = ("--ttft-ms", "5", "--itl-ms", "2")
    with make_server("-c", BUILDER, str(folder), *lines, *REFERENCE[2:], *schedule) as server:
        server.wait_ready(30)

        if build == 0:
            (folder / "build").touch()
            wait_for(lambda: lines[0] in server.log())

        def progress(at):
            share = at.done / at.total if at.phase == "data" else 0.0
            for name, due in (("build", build), ("built", built)):
                if due is not None and share >= due:
                    (folder / name).touch()

        spec = LoadSpec(
            server.base_url,
            Workload("m", isl=fixed(16), osl=fixed(8)),
            concurrency=4,
            requests=300,
            seed=1,
            timeout_s=30.0,
        )
        record = drive(spec, server_alive=server.alive, on_progress=progress, scratch=folder)
        for name, due, line in (("build", build, lines[0]), ("built", built, lines[1])):
            if due is not None:
                (folder / name).touch()
                wait_for(lambda line=line: line in server.log())
    return server, *stored(record, folder, 4)


def gate_of(server, record, rows) -> dict:
    launch = {"env": {}, "exit": server.stop()}
    assert launch["exit"]["log"]["lost_bytes"] == 0
    log = server_log(server.log_path.parent, launch)
    summary = summarise(rows, record.run_json)
    judged = judge(summary, rows, record.run_json, log=log)
    return next(gate for gate in judged if gate["gate"] == "jit_in_window")


@pytest.mark.parametrize(
    ("build", "built", "cost_s"),
    [
        (0.3, 0.6, 0.5),
        (0.3, 2.0, 41.2),  # it goes on after the last request
        (0.3, None, 0.0),  # its end is never told
        (0.0, 2.0, 41.2),  # before the data, to after it: no line falls into the window
    ],
)
def test_a_build_in_the_window_takes_the_run_out(make_server, tmp_path, build, built, cost_s):
    server, record, rows = measured(make_server, tmp_path, build=build, built=built, cost_s=cost_s)
    gate = gate_of(server, record, rows)
    assert gate["state"] == FAILED, gate
    assert "start build [module_moe_asm]" in gate["text"]
    summary = summarise(rows, record.run_json)
    start, end = window_s(summary, record.run_json)
    moments = [
        line.at_s
        for line in server_log(server.log_path.parent, {}).lines
        if "build [module_moe_asm]" in line.text
    ]
    assert len(moments) == 1 + (built is not None)
    inside = [start <= moment <= end for moment in moments]
    assert any(inside) is (build > 0)


def test_a_build_after_the_window_does_not(make_server, tmp_path):
    server, record, rows = measured(make_server, tmp_path, build=2.0, built=2.0, cost_s=0.0)
    gate = gate_of(server, record, rows)
    assert gate["state"] == PASSED, gate
    assert "by 4 lines of the server's log, 0 of them in the window" in gate["text"]
