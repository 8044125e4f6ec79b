"""`profile` and `FlopCounter`: what is counted, how it is nested, the table and the trace file."""

import json
import re

import pytest

import dovetail
from dovetail.modes import FlopCounter, active
from dovetail.modes.tables import aligned, duration, number, size
from dovetail.profiler import ProfilerAction, profile, record_function, schedule


def rows(prof, **options):
    return {row.key: row for row in prof.key_averages(**options)}


def test_ops_nodes_and_ranges():
    x = dovetail.ones(4, 3, requires_grad=True)
    weight = dovetail.ones(3, 5)
    with profile() as prof:
        for _ in range(2):
            with record_function("step"):
                (x @ weight).relu().sum().backward()
    found = rows(prof)
    assert (found["step"].count, found["matmul"].count, found["relu"].count) == (2, 4, 2)
    assert found["matmul"].flops == 4 * 2 * 4 * 3 * 5
    assert found["matmul"].bytes == 4 * 4 * (12 + 15 + 20)
    assert found["MmBackward0"].total > found["MmBackward0"].own
    assert found["step"].total >= sum(row.own for key, row in found.items() if key != "step")
    assert sum(row.own for row in found.values()) == found["step"].total
    assert found["step"].cpu_time_total == found["step"].total / 1000
    assert found["step"].cpu_time == found["step"].total / 2000
    assert not active


def test_results_are_the_same():
    x = dovetail.rand(3, 3, requires_grad=True)
    with profile():
        seen = (x.exp() @ x).sum()
        (g,) = dovetail.autograd.grad(seen, x)
    plain = (x.exp() @ x).sum()
    assert plain.item() == seen.item()
    assert g.tolist() == dovetail.autograd.grad(plain, x)[0].tolist()


def test_the_table():
    with profile(record_shapes=True) as prof:
        for count in (2, 3):
            dovetail.ones(count, 4).exp()
        dovetail.ones(5) + 1
    lines = prof.table(sort_by="count").splitlines()
    head = "Name Self % Self Total % Total Average Calls Bytes FLOP FLOP/s"
    assert lines[0].split() == head.split()
    assert set(lines[1]) == {"-", " "}
    assert lines[2].startswith("exp ")
    assert lines[3].startswith("add ")
    assert lines[-1].startswith("Total: ")
    assert len({len(line) for line in lines[:-1]}) == 1
    assert len(prof.table(row_limit=1).splitlines()) == 4
    shaped = prof.key_averages(group_by_input_shape=True).table(sort_by="name")
    assert [line.split("  ")[-1].strip() for line in shaped.splitlines()[2:5]] == ["(5,)", "(2, 4)", "(3, 4)"]
    for name in ("self_cpu_time_total", "cpu_time_total", "cuda_time_total", "cpu_time", "bytes", "flops", "name"):
        assert "exp" in prof.key_averages().table(sort_by=name)
    with pytest.raises(ValueError, match=r"no column 'speed' to sort by; there are \['cpu_time_total', 'cpu_time', "):
        prof.table(sort_by="speed")
    with pytest.raises(ValueError, match="by is 'op' or 'module', got 'line'"):
        prof.table(by="line")
    assert repr(rows(prof)["exp"]).startswith("<exp: 2 calls, ")


def test_an_empty_profile():
    with profile() as prof:
        pass
    assert prof.table().splitlines()[-1] == "Total: -"
    assert prof.table(by="module").splitlines()[0].startswith("Module")


def test_a_failing_op_is_closed_and_passes_its_error_on():
    with pytest.raises(RuntimeError, match="do not broadcast"), profile() as prof, record_function("part"):
        dovetail.ones(2) + dovetail.ones(3)
    assert [event.name for event in prof.events] == ["add", "part"]
    assert not prof.open
    assert not active


def test_the_trace_file(tmp_path):
    x = dovetail.ones(4, 3, requires_grad=True)
    with profile(record_shapes=True) as prof, record_function("outer"):
        (x * 2).sum().backward()
    prof.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert set(trace) == {"traceEvents", "displayTimeUnit"}
    events = trace["traceEvents"]
    for event in events:
        assert {"name", "ph", "pid", "tid", "args"} <= set(event)
        assert event["ph"] in "XM"
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "X":
            assert event["cat"] in ("op", "backward", "range", "module")
            assert event["ts"] >= 0
            assert event["dur"] >= 0
    timed = [event for event in events if event["ph"] == "X"]
    (outer,) = [event for event in timed if event["name"] == "outer"]
    for event in timed:
        assert outer["ts"] <= event["ts"]
        assert event["ts"] + event["dur"] <= outer["ts"] + outer["dur"] + 1e-3
    assert next(event for event in timed if event["name"] == "mul")["args"]["Input Dims"] == [[4, 3]]


def test_schedules():
    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=2)
    names = [plan(step).name for step in range(11)]
    cycle = ["NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE"]
    assert names == ["NONE", *cycle, *cycle, "NONE", "NONE"]
    seen = []
    with profile(schedule=plan, on_trace_ready=lambda prof: seen.append(rows(prof))) as prof:
        for step in range(11):
            dovetail.ones(step + 1).exp()
            prof.step()
    assert [found["exp"].count for found in seen] == [2, 2]
    assert {key for found in seen for key in found} == {"exp", *(f"ProfilerStep#{step}" for step in (3, 4, 7, 8))}
    assert prof.action is ProfilerAction.NONE


def test_without_a_schedule_the_end_is_told():
    seen = []
    prof = profile(on_trace_ready=seen.append)
    prof.start()
    dovetail.ones(1).exp()
    prof.stop()
    assert seen == [prof]
    assert not active


def test_record_function_decorates_and_costs_nothing_without_a_mode():
    @record_function("twice")
    def twice(x):
        return x * 2

    assert twice(dovetail.ones(1)).item() == 2
    with profile() as prof:
        twice(dovetail.ones(1))
    assert set(rows(prof)) == {"twice", "mul"}


def test_numbers_with_units():
    assert [number(n) for n in (0, 7, 999, 1000, 12_345, 999_600, 3.2e9, 4e18)] == [
        "-", "7", "999", "1.00k", "12.3k", "1.00M", "3.20G", "4000P",
    ]  # fmt: skip
    assert [size(n) for n in (512, 1024, 5 * 2**20)] == ["512 B", "1.00 KiB", "5.00 MiB"]
    assert [duration(n) for n in (0, 15, 1500, 2.5e6, 7.25e9)] == ["-", "15 ns", "1.50 us", "2.50 ms", "7.25 s"]
    assert aligned([("a", "b"), ("cc", "10")]) == "a    b\n--  --\ncc  10"


def test_flops_by_op():
    x = dovetail.ones(2, 3, 8, 8, requires_grad=True)
    weight = dovetail.ones(6, 3, 3, 3, requires_grad=True)
    with FlopCounter() as counter:
        out = dovetail.ops.conv2d(x, weight)
        forward = counter.get_total_flops()
        assert forward == 2 * (2 * 6 * 6 * 6) * (3 * 3 * 3)
        out.sum().backward()
    assert counter.get_total_flops() == 3 * forward
    counts = counter.get_flop_counts()["Global"]
    assert counts == {"conv2d": forward, "conv2d_input": forward, "conv2d_weight": forward}
    assert re.search(r"^Global +70\.0k +100\.00%$", counter.get_table(), re.M)
    with counter:
        pass
    assert counter.get_total_flops() == 0


def test_flops_are_printed_when_asked(capsys):
    with FlopCounter(display=True):
        dovetail.ones(2, 2) @ dovetail.ones(2, 2)
    assert " - matmul" in capsys.readouterr().out


def test_moving_elements_counts_nothing():
    x = dovetail.rand(4, 4, requires_grad=True)
    places = dovetail.tensor([[0, 3], [1, 2]])
    with profile() as prof:
        made = x.gather(0, places), x.scatter(0, places, x), x.index_copy(0, places[0], x[:2]), x.t().contiguous()
        made[1].diagonal().backward(dovetail.ones(4))
        x.detach().clone().index_fill_(0, places[0], 1.5).fill_(0).zero_()
        x.index_add(0, places[0], x[:2])
    counts = {row.key: row.flops for row in prof.key_averages()}
    assert {"gather", "scatter", "arranged", "diagonal_backward", "put", "fill"} <= counts.keys()
    assert {key: count for key, count in counts.items() if count} == {"put_add": 16, "add": 16}  # x has two gradients
