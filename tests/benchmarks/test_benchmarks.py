"""The benchmarks run and show what was measured. No test looks at how long anything takes."""

import pytest

import dovetail
from harness import Case, Result, measure, runs_per_round, show, table
from run import cases, main, write

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case_runs(case):
    assert case.timing(dovetail)(1) > 0


BESIDE_PYTORCH = [case for case in CASES if case.beside is None]


@pytest.mark.parity
@pytest.mark.parametrize("case", BESIDE_PYTORCH, ids=[case.name for case in BESIDE_PYTORCH])
def test_case_runs_in_pytorch(case):
    torch = pytest.importorskip("torch")
    assert case.timing(torch)(1) > 0


def test_sides_take_turns():
    calls = []

    def timing(library):
        def seconds(number):
            calls.append(library)
            return 0.02

        return seconds

    result = measure(Case("x", timing), "a", "b", rounds=2)
    assert calls[6:] == ["a", "b", "b", "a", "a", "b", "b", "a"]  # after three calls each that find the number of runs
    assert len(result.ours) == len(result.theirs) == 2


def test_a_case_may_stand_beside_another_of_dovetail():
    def timing(name):
        return lambda library: lambda number: number * (0.02 if (name, library) == ("guarded", "ours") else 0.01)

    for theirs in ("theirs", None):
        result = measure(Case("x", timing("guarded"), timing("plain")), "ours", theirs, rounds=2)
        assert result.ratio == 2.0


def test_slow_first_run_does_not_count():
    asked = []

    def timing(number):
        asked.append(number)
        return 1.0 if len(asked) == 1 else number * 1e-5

    assert runs_per_round(timing) == 2000


def test_ratio_is_the_median_of_the_rounds():
    assert Result("x", [1.0, 2.0, 9.0], [2.0, 2.0, 3.0]).ratio == 1.0
    assert Result("x", [1.0], []).ratio is None


def test_times_are_shown_with_units():
    assert [show(t) for t in (2.0, 0.0123456, 1.5e-6, 9.1e-7)] == ["2 s", "12.3 ms", "1.5 µs", "910 ns"]


def test_table_leaves_absent_pytorch_empty():
    assert table([Result("x", [0.001, 0.001], [])]).splitlines()[2].split() == [
        "|",
        "x",
        "|",
        "1",
        "ms",
        "|",
        "–",
        "|",
        "–",
        "|",
        "–",
        "|",
    ]


def test_results_are_written(tmp_path):
    page = write([Result("add", [1e-6, 1e-6], [2e-6, 2e-6])], 2, tmp_path)
    assert "| add " in page.read_text()
    assert "0.50" in page.read_text()
    assert '"ratio": 0.5' in page.with_suffix(".json").read_text()


def test_a_part_replaces_its_own_cases(tmp_path):
    def lines(*results, rounds=2, part=True):
        page = write([Result(name, [ours] * 2, [1e-6] * 2) for name, ours in results], rounds, tmp_path, part)
        return [
            line.split("|")[4].strip() for line in page.read_text().splitlines() if line.startswith(("| add", "| mul"))
        ]

    assert lines(("add", 1e-6), ("mul", 2e-6), part=False) == ["1.00", "2.00"]
    assert lines(("add", 3e-6)) == ["2.00", "3.00"]
    assert lines(("mul", 4e-6)) == ["3.00", "4.00"]
    assert lines(("add", 5e-6), rounds=3) == ["5.00"], "not beside results of other rounds or versions"


def test_command_measures_and_writes(tmp_path, capsys):
    main(["add, no gradient", "--rounds", "2", "--results", str(tmp_path)])
    assert "add, no gradient" in capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 2
