"""What each gate said of how many runs: passed, failed, and not observed are three things."""

from ablation.report.doubt import gates
from ablation.report.gates import UNKNOWN
from tests.synthetic import make_plan, make_runs


def rows(runs) -> dict[str, list[str]]:
    (table, *_) = gates(make_plan(), runs).tables
    assert table.id == "gates-states"
    assert [column.title for column in table.columns[:4]] == [
        "Gate",
        "Passed",
        "Failed",
        "Not observed",
    ]
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_each_gate_is_counted_in_its_three_states():
    runs = make_runs(make_plan()).iloc[:20]
    runs.loc[3, "usable"] = False
    runs.at[3, "gates_passed"] = ["achieved_concurrency"]
    runs.at[3, "gates_failed"] = ["jit_in_window", "of_another_version"]
    runs.at[3, "gate_texts"] = ["a kernel was built", "x"]
    runs.at[4, "gates_not_observed"] = ["throttling", "jit_in_window"]
    runs.at[4, "gates_not_observed_texts"] = ["not observed: a hole", "not observed: no log"]
    runs.at[4, "gates_passed"] = ["achieved_concurrency"]
    found = rows(runs)
    assert found["achieved_concurrency"] == ["20", "0", "0", ""]
    assert found["jit_in_window"] == ["18", "1", "1", "no log"]
    assert found["throttling"] == [
        "0",
        "0",
        "20",
        "the launch has no telemetry (and 1 other reason)",
    ]
    assert found["of_another_version"] == ["0", "1", "0", ""]
    assert list(found)[-1] == "of_another_version"
    (sentence, *_) = gates(make_plan(), runs).sentences
    assert sentence.startswith("19 of 20 runs count: no gate failed.")
    assert "passed" in sentence


def test_an_aggregate_of_before_is_not_counted_as_passed():
    runs = make_runs(make_plan())
    for before in (runs.drop(columns=["gates_passed"]), runs.assign(gates_passed=None)):
        section = gates(make_plan(), before)
        assert UNKNOWN in section.sentences
        assert not section.tables


def test_without_a_run_there_is_nothing_to_count():
    section = gates(make_plan(), make_runs(make_plan()).iloc[:0])
    assert section.sentences[0].startswith("0 of 0 runs count")
    assert not section.tables
