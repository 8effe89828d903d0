"""The sampler as a process, as a session runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ablation.study.telemetry import Telemetry
from ablation.telemetry.energy import energy, series
from ablation.telemetry.file import FILE, TELEMETRY, TelemetryFile, read_telemetry
from ablation.telemetry.probe import Request, probe
from ablation.telemetry.reading import Device, NotObserved, Reading
from ablation.telemetry.watch import TelemetryError, Watch, request_for
from tests.telemetry.fakes import nvidia_smi

CUDA = Request("cuda", 1, 0.1)


@pytest.fixture
def smi(tmp_path, monkeypatch) -> Path:
    nvidia_smi(tmp_path / "bin", sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def test_a_launch_is_sampled_from_before_to_after(smi):
    watch = Watch(smi, Telemetry(period_s=0.1), CUDA)
    with watch:
        assert watch.about["reader"] == "nvidia-smi --loop-ms"
        launched = time.monotonic()
        time.sleep(1)
    found = watch.evidence(launched)
    assert found["text"] == "read by nvidia-smi --loop-ms every 0.1 s"
    assert found["devices"] == [{"kind": "gpu", "index": 0, "name": "NVIDIA H100 80GB HBM3"}]
    assert found["idle_power_w"] == found["power_max_w"] == 300.0
    assert found["energy_j"] == pytest.approx(300 * found["energy_s"], rel=1e-3)
    assert found["energy_source"] == "power"
    assert found["samples"] >= 2
    assert 0 <= found["cpu_share"] < 1
    table, about = read_telemetry(smi / FILE)
    assert table.schema.remove_metadata() == TELEMETRY.remove_metadata()
    assert (len(table), about["samples"]) == (found["samples"], found["samples"])
    assert table["monotonic_ns"][0].as_py() < launched * 1e9
    assert abs(table["unix_ns"][-1].as_py() - time.time_ns()) < 60e9
    (one,) = series(table, table["monotonic_ns"][0].as_py())
    assert energy(one, 0.1, 0.5, 0.1).joules == pytest.approx(120.0)
    assert json.loads(json.dumps(found)) == found


def test_where_nothing_can_be_read_each_way_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with Watch(tmp_path, Telemetry(), CUDA) as watch:
        pass
    found = watch.evidence(0.0)
    assert found["reader"] is None
    assert "not observed: this Python's pynvml: not installed" in found["text"]
    assert "nvidia-smi: no nvidia-smi on PATH" in found["text"]
    assert not (tmp_path / FILE).exists()


def test_asked_for_and_not_to_be_had_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(TelemetryError, match=r"Nothing was launched; set it to auto"),
        Watch(tmp_path, Telemetry(enabled=True), CUDA),
    ):
        pass


def test_not_asked_for(tmp_path):
    with Watch(tmp_path, Telemetry(enabled=False), CUDA) as watch:
        assert not psutil.Process().children()
    assert "telemetry.enabled: false" in watch.evidence(0.0)["text"]


def test_a_sampler_that_cannot_even_start_says_its_last_words(tmp_path, monkeypatch):
    """A module of the sampler's own that this Python cannot import."""
    package = tmp_path / "json"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('no json here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Watch(tmp_path, Telemetry(), CUDA) as watch:
        pass
    told = watch.evidence(0.0)["text"]
    assert told == "not observed: the sampler did not answer: ImportError: no json here"


def test_an_endpoint_is_not_sampled_and_cannot_be_made_to(tmp_path):
    with Watch(tmp_path, Telemetry(), CUDA, why_not="it is elsewhere") as watch:
        assert not psutil.Process().children()
    assert watch.evidence(0.0)["text"] == "not observed: it is elsewhere"
    with (
        pytest.raises(TelemetryError, match="it is elsewhere"),
        Watch(tmp_path, Telemetry(enabled=True), CUDA, why_not="it is elsewhere"),
    ):
        pass


def test_a_sampler_that_is_killed_costs_only_its_samples(smi):
    with Watch(smi, Telemetry(period_s=0.1), CUDA) as watch:
        (sampler,) = psutil.Process().children()
        for process in [*sampler.children(recursive=True), sampler]:
            process.kill()
    found = watch.evidence(0.0)
    assert "until: the sampler ended with -9" in found["text"]
    assert "the launch has no telemetry" in found["text"]


def test_a_session_that_is_killed_leaves_its_samples_and_no_process(smi):
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from ablation.telemetry.watch import Watch, Request\n"
        "from ablation.study.telemetry import Telemetry\n"
        f"watch = Watch(Path({str(smi)!r}), Telemetry(period_s=0.1), Request('cuda', 1, 0.1)).__enter__()\n"
        "print(watch._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    session = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow")},
    )
    sampler = psutil.Process(int(session.stdout.readline()))
    family = [sampler, *sampler.children(recursive=True)]
    assert len(family) == 2
    session.send_signal(signal.SIGKILL)
    session.wait()
    session.stdout.close()
    _, left = psutil.wait_procs(family, timeout=20)
    assert not left
    table, _ = read_telemetry(smi / FILE)
    assert len(table) >= 1


def test_the_file_is_whole_each_time_it_is_written(tmp_path):
    file = TelemetryFile(tmp_path / FILE, {"reader": "a fake", "period_s": 1.0})
    file.write()
    with pytest.raises(NotObserved, match="the launch has no telemetry"):
        read_telemetry(tmp_path / FILE)
    for n in (1, 2):
        file.add([Reading(n, Device(0, "GPU"), power_w=1.0)])
        file.write()
        table, about = read_telemetry(tmp_path / FILE)
        assert table["monotonic_ns"].to_pylist() == list(range(1, n + 1))
        assert about == {
            "schema": "ablation.telemetry/1",
            "reader": "a fake",
            "period_s": 1.0,
            "samples": n,
        }
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    (tmp_path / FILE).write_bytes(b"PAR1 cut")
    with pytest.raises(NotObserved, match=r"telemetry\.parquet is unreadable"):
        read_telemetry(tmp_path / FILE)


def test_the_server_says_what_is_read():
    env = {"CUDA_VISIBLE_DEVICES": "1", "PYTHONPATH": "/x", "MY_TOKEN": "s3cret"}
    asked = request_for(
        Telemetry(period_s=1), "cuda", 2, ["/usr/bin/python3.12", "-m", "vllm"], env
    )
    assert asked == Request(
        "cuda", 2, 1.0, {"CUDA_VISIBLE_DEVICES": "1"}, "/usr/bin/python3.12", "/x"
    )
    assert request_for(Telemetry(), "rocm", 8, ["docker", "run"], {}).python is None


def test_modules_are_found_in_the_servers_python(tmp_path):
    """A server whose PYTHONPATH has vLLM's copy of NVML, and this machine without a driver."""
    folder = tmp_path / "vllm" / "third_party"
    folder.mkdir(parents=True)
    (tmp_path / "vllm" / "__init__.py").write_text("raise ImportError('must not be imported')\n")
    (folder / "pynvml.py").write_text("def nvmlInit():\n    raise OSError('no driver here')\n")
    found = probe(Request("cuda", 1, 0.5, python=sys.executable, pythonpath=str(tmp_path)))
    assert (
        "the server's vllm.third_party.pynvml: NVML does not start: no driver here" in found.tried
    )
