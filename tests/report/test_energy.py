"""The report's sections on energy and bounds: their numbers, and why there are none."""

import pytest

from ablation.report.energy import sections
from ablation.statistics import compare, summarise
from tests.synthetic import make_plan, make_runs, make_sessions
from tests.telemetry.studies import observed_runs, observed_sessions, unobserved_runs


def made(plan, runs, sessions=None):
    return sections(
        plan, sessions or make_sessions(plan), runs, summarise(runs, plan), compare(runs, plan)
    )


def test_energy_has_its_table_with_the_numbers_of_the_rows():
    plan = make_plan()
    runs = observed_runs(plan, effect_percent=10.0, cov_percent=0.1)
    energy, roofline = made(plan, runs, observed_sessions(plan))
    assert (energy.id, roofline.id) == ("energy", "roofline")
    words = " ".join(energy.sentences)
    assert "Read by NVML (the server's pynvml) every 0.5 s" in words
    assert "at most 0.4 % of a core" in words
    assert "the devices drew 70 W (70 to 70 W)" in words
    assert f"{len(plan.sessions)} launches, loading and warm-up included, took 0.18 kWh" in words
    table = next(table for table in energy.tables if table.id == "energy-gqa-small")
    row = {column.title: cell for column, cell in zip(table.columns, table.rows[1], strict=True)}
    assert (row["Concurrency"].text, row["Arm"].text) == ("1", "AITER on")
    own = runs[(runs["model"] == "gqa-small") & (runs["arm"] == "on") & (runs["concurrency"] == 1)]
    assert row["Energy (J/tok)"].sort == pytest.approx(own["energy_per_output_token_j"].mean())
    assert row["Difference"].sort == pytest.approx(-9.1, abs=0.2)
    assert (row["Verdict"].text, row["Verdict"].kind) == ("less energy", "faster")
    assert [row[name].text for name in ("Power (W)", "Clock (MHz)", "Lowest (MHz)")] == [
        "600.0",
        "1,950",
        "1,755",
    ]
    assert (row["Throttled"].text, row["At power limit"].text) == ("0.0 %", "40.0 %")


def test_the_bounds_have_their_table():
    plan = make_plan()
    runs = observed_runs(plan)
    _, roofline = made(plan, runs)
    assert "Computed for NVIDIA H100 SXM, 3.35 TB/s (a data sheet)." in roofline.sentences[0]
    row = roofline.tables[0].rows[0]
    own = runs[(runs["model"] == "gqa-small") & (runs["arm"] == "off") & (runs["concurrency"] == 1)]
    achieved = own["output_throughput_tok_s"].mean()
    assert row[2].sort == pytest.approx(achieved)
    assert row[4].sort == pytest.approx(achieved / 60)
    assert row[6].sort == pytest.approx(achieved / 160)


def test_what_was_not_observed_says_why_in_a_section_without_a_figure():
    plan = make_plan()
    (section,) = made(plan, unobserved_runs(plan))
    assert section.id == "unobserved"
    assert section.sentences == [
        "Power and energy: not observed: RAPL: only root may read it.",
        "Bound by memory bandwidth: not computed: the launch saw no GPU.",
    ]


def test_runs_from_before_telemetry_and_no_runs_at_all():
    plan = make_plan()
    (section,) = made(plan, make_runs(plan))
    assert "measured before" in section.sentences[0]
    (section,) = made(plan, make_runs(plan).iloc[:0])
    assert "there is no run" in section.sentences[0]


def test_runs_without_energy_among_others_are_counted():
    plan = make_plan()
    runs = observed_runs(plan)
    runs.loc[0, "energy_per_output_token_j"] = float("nan")
    runs.loc[0, "telemetry_text"] = "read by a fake; energy not observed: a hole"
    energy, _ = made(plan, runs)
    assert f"1 of {len(runs)} runs have no energy: read by a fake" in energy.sentences[-1]
