"""A study's server arguments are tried on the parser of the vLLM that will run them."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from ablation.plan.schedule import Schedule
from ablation.session.arguments import check_arguments
from ablation.study.catalogue import read_catalogue
from ablation.study.layers import arguments_written, variables_written
from ablation.study.load import StudyError, load_study, read_study
from tests.study.test_config import minimal

ROOT = Path(__file__).resolve().parents[2]
VLLM = ROOT / ".venv-vllm" / "bin" / "python"
CATALOGUE = read_catalogue(ROOT / "config" / "models.yaml")

# A parser with the ways of vLLM's: leftover words go into model_tag, types may raise anything.
MAKER = """
import argparse
def size(text):
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"invalid size value: {text!r}")
    return int(text)
def make_arg_parser(parser):
    print("noise on standard output")
    parser.add_argument("model_tag", nargs="?")
    for name in ("--model", "--served-model-name", "--host", "--port"):
        parser.add_argument(name)
    parser.add_argument("--disable-uvicorn-access-log", action="store_true")
    parser.add_argument("--max-model-len", type=size)
    parser.add_argument("--dtype", choices=["auto", "bfloat16", "float32"])
    parser.add_argument("--enforce-eager", action=argparse.BooleanOptionalAction)
    parser.add_argument("--version", action="version", version="1")
    pair = parser.add_mutually_exclusive_group()
    pair.add_argument("--left"), pair.add_argument("--right")
    return parser
"""


@pytest.fixture
def python(tmp_path):
    """A Python with a package of that parser, where older versions of vLLM keep it."""
    site = tmp_path / "site"
    for folder in ("vllm", "vllm/utils", "vllm/entrypoints", "vllm/entrypoints/openai"):
        (site / folder).mkdir(parents=True)
        (site / folder / "__init__.py").write_text("")
    (site / "vllm/utils/argparse_utils.py").write_text(
        "from argparse import ArgumentParser as FlexibleArgumentParser\n"
    )
    (site / "vllm/entrypoints/openai/cli_args.py").write_text(dedent(MAKER))
    return launcher(tmp_path, site)


def launcher(folder: Path, site: Path) -> str:
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={site} exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


def check(python: str, **changes) -> dict:
    schedule = Schedule(load_study(minimal(**changes), "study.yaml"), CATALOGUE)
    written = arguments_written(schedule.study, schedule.entries)
    return check_arguments(written, schedule.plan.sessions, python, "0.32.0")


def server(**args: object) -> dict:
    return {"vllm": "0.32.0", "args": args}


def test_good_arguments_pass_and_are_counted(python):
    args = {"max-model-len": 2048, "dtype": "auto", "enforce-eager": False, "left": None}
    assert check(python, server=server(**args)) == {"checked": 3}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            {"max-modle-len": 2048},
            "server.args.max-modle-len: 2048: vLLM 0.32.0: unknown argument; did you mean 'max-model-len'?",
        ),
        (
            {"max-model": 2048},
            "server.args.max-model: 2048: vLLM 0.32.0: no argument's whole name; did you mean 'max-model-len'?",
        ),
        ({"max-model-len": "4k"}, "server.args.max-model-len: '4k': vLLM 0.32.0: invalid size value"),
        ({"dtype": "float31"}, "server.args.dtype: 'float31'"),
        ({"dtype": "float31"}, "did you mean 'float32'?"),
        ({"dtype": False}, "server.args.dtype: False: vLLM 0.32.0: has no --no- form"),
        ({"enforce-eager": 3}, "server.args.enforce-eager: 3: vLLM 0.32.0: takes no such value"),
        ({"version": True}, "server.args.version: True: vLLM 0.32.0: prints something and ends"),
        ({"left": 1, "right": 2}, "the command of m, slow: vLLM 0.32.0: argument --right: not allowed"),
    ],
)  # fmt: skip
def test_a_bad_argument_names_field_value_and_remedy(python, args, message):
    with pytest.raises(StudyError) as error:
        check(python, server=server(**args))
    assert message in str(error.value)


def test_each_place_is_named_and_all_faults_are_told_at_once(python):
    with pytest.raises(StudyError) as error:
        check(
            python,
            server=server(one=1),
            models={"m": {"path": "/m", "args": {"two": 2}}, "kimi-k2.5": {}},
            factor={
                "name": "f", "title": "F", "baseline": "a", "noise_floor": True,
                "arms": {"a": {"args": {"three": 3}}, "b": {}},
                "leave_one_out": {"arm": "a", "variables": ["X"]},
            },
        )  # fmt: skip
    lines = str(error.value).splitlines()
    assert [line.split(": ")[0] for line in lines if "models.yaml" not in line] == [
        "server.args.one", "models.m.args.two", "factor.arms.a.args.three",
    ]  # fmt: skip
    assert any(
        line.startswith("config/models.yaml: models.kimi-k2.5.args.tensor-parallel-size: 4")
        for line in lines
    )


def test_what_is_overlaid_everywhere_is_not_asked():
    study = load_study(
        minimal(server=server(old=1, kept=2), models={"m": {"path": "/m", "args": {"old": None}}}),
        "study.yaml",
    )
    written = arguments_written(study, Schedule(study, CATALOGUE).entries)
    assert written == {"server.args": {"kept": 2}, "models.m.args": {"old": None}}


def test_variables_of_the_catalogue_and_of_leave_one_out_are_looked_at():
    study = read_study(ROOT / "config" / "studies" / "aiter-components.yaml")
    written = variables_written(study, Schedule(study, CATALOGUE).entries)
    assert "VLLM_ROCM_USE_AITER_MOE" in written["factor.leave_one_out.variables"]
    assert not [where for where in written if "without" in where]


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (
            "vllm/entrypoints/openai/cli_args.py",
            "cannot import name 'make_arg_parser'|no attribute",
        ),
        ("vllm/utils/argparse_utils.py", "no attribute 'FlexibleArgumentParser'"),
    ],
)
def test_a_parser_that_cannot_be_built_is_said_and_refuses_nothing(python, break_it, reason):
    (Path(python).parent / "site" / break_it).write_text("")
    found = check(python, server=server(anything=1))
    assert found["checked"] == 0
    assert found["warning"].startswith("server.args: the arguments were not checked")
    assert "no attribute" in found["warning"], reason


def test_a_python_that_crashes_is_said(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'no GPU here' >&2\nexit 3\n")
    script.chmod(0o755)
    assert "built here: no GPU here" in check(str(script))["warning"]


# The parser of real vLLM ---------------------------------------------------------------------------
@pytest.mark.vllm
def test_wrong_arguments_are_refused_by_vllms_own_parser():
    assert VLLM.exists(), "run `make setup` first"
    wrong = {
        "max-modle-len": 2048,
        "max-num-seqs": "4k",
        "dtype": "float31",
        "attention-backend": "ROCM_AITER_FAA",
        "compilation-config": {"levle": 3},
        "enforce-eager": 3,
        "kv-cache-dtype": False,
        "max-num-batched-token": 8,
        "compilation-config.levle": 3,
    }
    with pytest.raises(StudyError) as error:
        check(str(VLLM), server=server(**wrong))
    lines = dict(line.split(": ", 1) for line in str(error.value).splitlines())
    assert list(lines) == [f"server.args.{name}" for name in wrong]
    assert "did you mean 'max-model-len'?" in lines["server.args.max-modle-len"]
    assert "invalid int value: '4k'" in lines["server.args.max-num-seqs"]
    assert "did you mean 'float32'?" in lines["server.args.dtype"]
    assert "did you mean 'ROCM_AITER_FA'?" in lines["server.args.attention-backend"]
    assert "levle" in lines["server.args.compilation-config"]
    assert "takes no such value: '3'" in lines["server.args.enforce-eager"]
    assert "has no --no- form" in lines["server.args.kv-cache-dtype"]
    assert "did you mean 'max-num-batched-tokens'?" in lines["server.args.max-num-batched-token"]
    assert "levle" in lines["server.args.compilation-config.levle"]


@pytest.mark.vllm
def test_every_argument_of_the_shipped_studies_is_known_to_vllm():
    """Those for 0.33 and the default; one process. 0.32 is the vLLM that is here."""
    written, sessions = {}, []
    for name in (
        "config.yaml",
        "studies/aiter-mi325x-current.yaml",
        "studies/aiter-components.yaml",
    ):
        study = read_study(ROOT / "config" / name)
        schedule = Schedule(study, CATALOGUE)
        sessions += schedule.plan.sessions
        written |= {
            f"{name}: {where}": args
            for where, args in arguments_written(study, schedule.entries).items()
        }
    found = check_arguments(written, sessions, str(VLLM), "0.32.0")
    assert found == {
        "checked": sum(v is not None for args in written.values() for v in args.values())
    }
