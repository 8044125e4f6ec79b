"""Progress in a terminal, in a notebook and in a pipe."""

import io
import os
import subprocess
import sys
import textwrap
import types

import pytest
from lightning_helpers import Line, loader, quiet
from rich.console import Console

import dovetail
from dovetail.lightning import Callback
from dovetail.lightning.callbacks import ProgressBar
from dovetail.lightning.progress.plain import PlainView
from dovetail.lightning.progress.state import Pass, format_seconds
from dovetail.lightning.progress.terminal import TerminalView

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Shown(Line):
    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_epoch=True, on_step=True, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch), prog_bar=True)


def run(bar, model=None, **options):
    trainer = quiet(callbacks=bar, enable_progress_bar=True, **{"max_epochs": 2, **options})
    trainer.fit(model or Shown(), loader(), loader())
    return trainer


def terminal(width=100, **options):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    return console, ProgressBar(console=console, **options)


def screen(console):
    """Return the lines that are left on the screen: what was drawn over is gone."""
    lines, row, column = [""], 0, 0
    text = console.file.getvalue().replace(HIDE, "").replace(SHOW, "")
    while text:
        if text.startswith("\x1b["):
            end = next(at for at in range(2, len(text)) if text[at].isalpha())
            number, command = text[2:end], text[end]
            text = text[end + 1 :]
            if command == "A":
                row -= int(number or 1)
            elif command == "K":
                lines[row] = ""
            continue
        letter, text = text[0], text[1:]
        if letter == "\r":
            column = 0
        elif letter == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append("")
        else:
            lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]


# -- terminal ----------------------------------------------------------------------------------------------------------


def test_terminal_leaves_one_bar_and_gives_the_cursor_back():
    console, bar = terminal(width=120)
    run(bar)
    left = screen(console)
    assert len(left) == 1
    assert left[0].startswith("Epoch 2/2")
    for part in ("━━━━", "4/4", "it/s", "val_loss", "train_loss_epoch"):
        assert part in left[0]
    assert "train_loss_step" not in left[0]
    output = console.file.getvalue()
    assert output.count(HIDE) == output.count(SHOW) == 1
    assert "Epoch 1/2" in output
    assert "Validating" in output


def test_terminal_leave_keeps_each_epoch():
    console, bar = terminal(leave=True)
    run(bar, max_epochs=3)
    assert [line.split()[1] for line in screen(console) if line.startswith("Epoch")] == ["1/3", "2/3", "3/3"]


def test_narrow_terminal_puts_the_metrics_below():
    console, bar = terminal(width=60)
    run(bar)
    left = screen(console)
    assert left[0].startswith("Epoch 2/2")
    assert left[1].startswith("train_loss_step") or left[1].startswith("val_loss")
    assert all(len(line) <= 60 for line in left)


def test_sanity_check_is_shown_and_leaves_nothing():
    console, bar = terminal()
    run(bar, num_sanity_val_steps=2)
    assert "Sanity check" in console.file.getvalue()
    assert all("Sanity" not in line for line in screen(console))


@pytest.mark.parametrize(
    ("called", "title"), [("validate", "Validating"), ("test", "Testing"), ("predict", "Predicting")]
)
def test_terminal_shows_the_other_runs(called, title):
    console, bar = terminal()
    getattr(quiet(callbacks=bar, enable_progress_bar=True), called)(Line(), loader())
    left = screen(console)
    assert len(left) == 1
    assert left[0].startswith(title)
    assert "4/4" in left[0]
    assert console.file.getvalue().endswith(SHOW)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_closes_the_bar_before_the_traceback(error):
    class Failing(Shown):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            if self.global_step == 3:
                raise error("on purpose")

    console, bar = terminal()
    with pytest.raises(error, match="on purpose"):
        run(bar, Failing())
    assert console.file.getvalue().count(SHOW) == 1
    assert len(screen(console)) <= 2
    assert bar._view is None


def test_the_bar_is_closed_when_others_hear_of_an_exception():
    seen = []

    class Listening(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            raise ValueError("on purpose")

        def on_exception(self, trainer, pl_module, exception):
            seen.append((console.file.getvalue().count(SHOW), str(exception)))

    console, bar = terminal()
    with pytest.raises(ValueError, match="on purpose"):
        run([bar, Listening()])
    assert seen == [(1, "on purpose")]


def test_printing_goes_above_the_bar():
    class Talking(Shown):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            self.print("step", self.global_step)

    console, bar = terminal(width=120)
    run(bar, Talking(), max_epochs=1)
    left = screen(console)
    assert left[:4] == ["step 1", "step 2", "step 3", "step 4"]
    assert left[4].startswith("Epoch 1/1")


def test_an_unknown_length_has_a_bar_without_an_end():
    console, bar = terminal()
    trainer = quiet(callbacks=bar, enable_progress_bar=True, max_epochs=1)
    trainer.fit(Shown(), iter(loader()))
    assert "  4  " in screen(console)[0]
    assert "/4" not in screen(console)[0]


def test_ascii_terminals_get_ascii_bars():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    view = TerminalView(Console(file=stream, force_terminal=True, width=80, color_system=None))
    view.finish(Pass("Epoch 1/1", 4, 4))
    view.close()
    stream.flush()
    assert b"Epoch 1/1" in stream.buffer.getvalue()


# -- pipe --------------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_one_plain_line_per_epoch(capsys):
    run(None, max_epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    for line in lines:
        assert "4/4 batches" in line
        assert "val_loss" in line
        assert "train_loss_epoch" in line
        assert "\x1b" not in line
        assert "\r" not in line


def test_a_pipe_stays_plain_where_colors_are_forced(tmp_path):
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from lightning_helpers import Line, loader, quiet
        trainer = quiet(max_epochs=2, enable_progress_bar=True)
        trainer.fit(Line(), loader())
        trainer.test(Line(), loader(), verbose=False)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FORCE_COLOR": "1"},
    )
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["Epoch", "Epoch", "Testing"]
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_printing_in_a_pipe_is_plain_printing(capsys):
    PlainView().print("a", "b", sep="-")
    assert capsys.readouterr().out == "a-b\n"


def test_a_console_that_is_no_terminal_is_written_to_plainly():
    console = Console(file=io.StringIO(), width=100)
    run(ProgressBar(console=console), max_epochs=1)
    assert console.file.getvalue().startswith("Epoch 1/1  4/4 batches")
    console = Console(file=io.StringIO(), force_terminal=True)
    run(ProgressBar(where="plain", console=console), max_epochs=1)
    assert console.file.getvalue().startswith("Epoch 1/1  4/4 batches")


def test_epochs_without_end_have_no_total(capsys):
    run(None, max_epochs=-1, max_steps=5)
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["Epoch 1", "Epoch 2"]


# -- notebook ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def notebook(monkeypatch):
    """IPython's display, which keeps what it was given; an output that is updated stays one output."""
    outputs = []

    class Handle:
        def __init__(self, number):
            self.number = number

        def update(self, picture):
            outputs[self.number].append(picture)

    def display(picture, display_id):
        assert display_id is True
        outputs.append([picture])
        return Handle(len(outputs) - 1)

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return outputs


def test_a_notebook_gets_one_output_that_updates_itself(notebook, capsys):
    run(ProgressBar(where="notebook"), max_epochs=5)
    assert len(notebook) == 1
    last = notebook[0][-1]
    assert "<b>Epoch 5/5</b>" in last._repr_html_()
    assert '<progress value="4" max="4"' in last._repr_html_()
    assert "val_loss" in last._repr_html_()
    assert repr(last).startswith("Epoch 5/5  4/4  ")
    assert capsys.readouterr().out == ""


def test_a_notebook_shows_validation_below_the_epoch(notebook):
    run(ProgressBar(where="notebook"), max_epochs=1)
    both = [picture for picture in notebook[0] if len(picture.passes) == 2]
    assert [part.title for part in both[0].passes] == ["Epoch 1/1", "Validating"]
    assert both[0]._repr_html_().count("<progress") == 2


def test_a_notebook_keeps_epochs_with_leave(notebook):
    run(ProgressBar(where="notebook", leave=True), max_epochs=3)
    assert len(notebook) == 3


def test_a_notebook_is_recognized(notebook):
    console = Console(file=io.StringIO(), force_jupyter=True)
    run(ProgressBar(console=console), max_epochs=1)
    assert len(notebook) == 1


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "total", "seconds", "count", "clock", "speed"),
    [
        (0, 10, 0.0, "0/10", "0:00", ""),
        (5, 10, 20.0, "5/10", "0:20 < 0:20", "4.0 s/it"),
        (10, 10, 2.0, "10/10", "0:02", "5.0 it/s"),
        (300, float("inf"), 2.0, "300", "0:02", "150 it/s"),
    ],
)
def test_figures(done, total, seconds, count, clock, speed):
    shown = Pass("x", total, done, seconds=seconds)
    assert (shown.count, shown.clock, shown.speed) == (count, clock, speed)


def test_durations():
    assert [format_seconds(seconds) for seconds in (0, 59.9, 60, 3600)] == ["0:00", "0:59", "1:00", "1:00:00"]


def test_an_epoch_that_goes_on_after_a_resume_is_shown(tmp_path, capsys):
    from dovetail.lightning.callbacks import ModelCheckpoint

    keep = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=2, save_top_k=-1)
    quiet(max_epochs=1, callbacks=keep, enable_checkpointing=True).fit(Shown(), loader())
    quiet(max_epochs=2, enable_progress_bar=True).fit(Shown(), loader(), ckpt_path=tmp_path / "step=2.ckpt")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [["Epoch 1/2", "4/4 batches"], ["Epoch 2/2", "4/4 batches"]]


def test_the_bar_draws_no_random_numbers():
    drawn = []
    for options in ({"enable_progress_bar": False}, {"callbacks": terminal()[1], "enable_progress_bar": True}):
        dovetail.manual_seed(3)
        quiet(max_epochs=1, **options).fit(Shown(), loader(shuffle=True))
        drawn.append(dovetail.rand(1).item())
    assert drawn[0] == drawn[1]
