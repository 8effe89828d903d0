"""Builds by the times of their lines: what a line tells of, and for how long."""

import math

import pytest

from ablation.evidence.builds import builds, silenced
from ablation.evidence.jit import jit
from ablation.evidence.stamps import Line, split_lines
from tests.evidence import builders as b


def found(*told: tuple[float, str]) -> list[tuple[float, float]]:
    """(begin, end) of the builds of lines with their times; one text may be several lines, printed at once."""
    lines = [Line(text, at) for at, told_text in told for text in split_lines(told_text)]
    return [(round(build.begin_s, 3), round(build.end_s, 3)) for build in builds(lines)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([(10.0, b.start("m")), (51.2, b.finish("m", 41.2))], [(10.0, 51.2)]),
        ([(10.0, b.older_start("m")), (51.2, b.older_finish("m", 41.2))], [(10.0, 51.2)]),
        # It took longer than between the lines: sources were fetched before.
        ([(20.0, b.start("m")), (51.2, b.finish("m", 41.2))], [(10.0, 51.2)]),
        ([(51.2, b.finish("m", 41.2))], [(10.0, 51.2)]),
        ([(10.0, b.start("m"))], [(10.0, math.inf)]),
        # What is there is built, even where nothing said so.
        ([(10.0, b.start("m")), (30.0, b.imported("m"))], [(10.0, 30.0)]),
        ([(10.0, b.imported("m"))], []),
        # Two modules at once, each with its own end; two workers, too.
        ([(10.0, b.start("m")), (11.0, b.start("n")), (20.0, b.finish("n", 9.0)), (30.0, b.finish("m", 20.0))],
         [(10.0, 30.0), (11.0, 20.0)]),
        ([(10.0, b.start("m", 240)), (12.0, b.start("m", 241)), (20.0, b.finish("m", 8.0, 241)),
          (30.0, b.finish("m", 20.0, 240))], [(10.0, 30.0), (12.0, 20.0)]),
        # The process is named in one line and not in the other.
        ([(10.0, b.start("m")), (30.0, b.older_finish("m", 20.0))], [(10.0, 30.0)]),
        ([(10.0, b.older_start("m")), (30.0, b.finish("m", 20.0))], [(10.0, 30.0)]),
        # AITER says that it has finished after it has failed, and tries again.
        ([(10.0, b.start("m")), (15.0, b.failed("m")), (15.1, b.finish("m", 5.1))], [(10.0, 15.0)]),
        ([(10.0, b.start("m")), (15.0, b.failed("m")), (20.0, b.start("m")), (30.0, b.finish("m", 10.0))],
         [(10.0, 15.0), (20.0, 30.0)]),
        # Who waits, waits until the builder is done, or its lock is broken, or for ever.
        ([(10.0, b.start("m")), (11.0, b.waiting("m", 241)), (30.0, b.finish("m", 20.0))],
         [(10.0, 30.0), (11.0, 30.0)]),
        ([(11.0, b.waiting("m", 241)), (30.0, b.stale("m", 241))], [(11.0, 30.0)]),
        ([(11.0, b.waiting("m", 241))], [(11.0, math.inf)]),
        ([(10.0, b.start_of_itfs("pa_1")), (11.0, b.waiting_for_itfs("pa_1", 241)),
          (30.0, b.finish_of_itfs("pa_1", 20.0))], [(10.0, 30.0), (11.0, 30.0)]),
        ([(10.0, b.TRITON_32)], [(8.74, 10.0)]),
        ([(10.0, b.TRITON_33)], [(8.74, 10.0)]),
        ([(10.0, b.TRITON_33 + "\n" + b.TRITON_33)], [(8.74, 10.0), (8.74, 10.0)]),
        ([(10.0, b.TRITON_CONFIG)], [(10.0, 10.0)]),
        ([(10.0, b.FLASHINFER_STARTS), (17.5, b.FLASHINFER_ENDS)], [(10.0, 17.5)]),
        ([(10.0, b.monitored("_fwd_kernel"))], [(10.0, 10.0)]),
        ([(10.0, b.vllm("Kernel JIT monitor activated; monitored JIT compilations during inference will use "
                        "mode=warn."))], []),
        ([(20.0, b.vllm("Compiling a graph for compile range (1, 8192) takes 18.92 s"))], [(1.08, 20.0)]),
        ([(40.0, b.vllm("torch.compile took 31.25 s in total"))], [(8.75, 40.0)]),
        ([(40.0, b.vllm("torch.compile and initial profiling/warmup run together took 31.25 s in total"))],
         [(8.75, 40.0)]),
        ([(10.0, b.vllm("Built FlyDSL UltraQuant kernel #1 in 2.31s (total 2.3s), key=(1, 2)"))], [(7.69, 10.0)]),
        ([(10.0, "SingleProcess AUTOTUNE benchmarking takes 1.1000 seconds and 2.2000 seconds precompiling for 9 "
                 "choices")], [(6.7, 10.0)]),
        ([(10.0, b.vllm("Loading weights took 341.52 seconds")), (11.0, "all is well")], []),
        ([(10.0, b.vllm("will start build of the index, and finish build of it, cost 3s"))], []),
    ],
)  # fmt: skip
def test_what_a_line_tells_of(lines, expected):
    assert found(*lines) == expected


def test_a_log_without_times_tells_nothing():
    assert builds([Line(b.start("m"), None)]) == []


def test_only_what_is_printed_past_a_logger_may_be_late():
    lines = [Line(b.TRITON_32, 1.0), Line(b.start("m"), 2.0), Line(b.monitored("f"), 3.0)]
    assert [build.may_be_late for build in builds(lines)] == [True, False, False]


def test_a_build_meets_a_window_in_any_part():
    (build,) = builds([Line(b.finish("m", 41.2), 51.2)])
    assert build.meets(20.0, 30.0)  # the whole of it
    assert build.meets(0.0, 10.0)
    assert build.meets(51.0, 60.0)
    assert not build.meets(0.0, 9.9)
    assert not build.meets(51.3, 60.0)
    assert build.meets(0.0, 9.9, slack_s=0.2)


def test_an_environment_that_hides_builds():
    assert silenced({"AITER_LOG_LEVEL": "error"}) == ["AITER_LOG_LEVEL=error hides AITER's builds"]
    assert silenced({"AITER_LOG_LEVEL": "INFO", "VLLM_LOGGING_LEVEL": "WARNING"}) == []
    assert silenced({"VLLM_LOGGING_LEVEL": "ERROR"}) != []


def test_the_autotuner_of_triton_3_3_tells_its_seconds_three_lines_later():
    assert jit(f"{b.TRITON_33}\n")["autotune_s"] == 1.26
    assert jit(f"{b.TRITON_32}\n")["autotune_s"] == 1.26
