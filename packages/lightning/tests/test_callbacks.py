"""Early stopping, the learning-rate log and the table of layers."""

import io
import math

import pytest
from lightning_helpers import Line, loader, quiet, scripted

from dovetail import nn, optim
from dovetail.lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelSummary
from dovetail.lightning.loggers import Logger
from dovetail.lightning.tables import print_metrics, totals


def stopped(values, **options):
    callback = EarlyStopping("val_loss", **options)
    trainer = quiet(max_epochs=len(values), callbacks=callback)
    trainer.fit(scripted(values), loader(), loader())
    return trainer.current_epoch, callback


@pytest.mark.parametrize(
    ("values", "options", "epochs", "reason"),
    [
        ([5, 4, 3, 2, 1], {}, 5, ""),
        ([5, 6, 7, 8, 9], {"patience": 2}, 3, "val_loss did not improve 2 times; the best was 5: stopping"),
        ([5, 6, 4, 6, 6], {"patience": 2}, 5, "val_loss did not improve 2 times; the best was 4: stopping"),
        (
            [1, 2, 3, 3, 3],
            {"patience": 2, "mode": "max"},
            5,
            "val_loss did not improve 2 times; the best was 3: stopping",
        ),
        (
            [5, 4.95, 4.9, 4],
            {"patience": 1, "min_delta": 0.1},
            2,
            "val_loss did not improve 1 times; the best was 5: stop",
        ),
        ([1, 1.05, 1.2], {"patience": 1, "min_delta": 0.1, "mode": "max"}, 2, "val_loss did not improve 1 times"),
        ([5, math.nan, 4], {}, 2, "val_loss is nan: stopping; the best was 5"),
        ([5, math.nan, 4], {"check_finite": False}, 3, ""),
        ([5, 1, 0.5], {"stopping_threshold": 2}, 2, "val_loss reached 1, better than 2: stopping"),
        ([5, 9, 1], {"divergence_threshold": 8}, 2, "val_loss is 9, worse than 8: stopping"),
    ],
)
def test_when_it_stops_and_why(values, options, epochs, reason):
    ran, callback = stopped(values, **options)
    assert ran == epochs
    assert callback.reason.startswith(reason)
    assert bool(callback.reason) is bool(reason)


def test_it_waits_on_after_a_resume(tmp_path):
    first = quiet(max_epochs=2, callbacks=EarlyStopping("val_loss", patience=2))
    first.fit(scripted([1, 2, 3, 4]), loader(), loader())
    first.save_checkpoint(tmp_path / "run.ckpt")
    callback = EarlyStopping("val_loss", patience=2)
    again = quiet(max_epochs=4, callbacks=callback)
    again.fit(scripted([1, 2, 3, 4]), loader(), loader(), ckpt_path=tmp_path / "run.ckpt")
    assert again.current_epoch == 3
    assert (callback.wait_count, callback.best_score) == (2, 1)


def test_it_looks_after_each_validation_inside_an_epoch():
    callback = EarlyStopping("val_loss", patience=3)
    trainer = quiet(max_epochs=9, callbacks=callback, val_check_interval=0.5)
    trainer.fit(scripted([1] * 9), loader(), loader())
    assert trainer.global_step == 8


def test_verbose_tells(capsys):
    stopped([2, 1, 3, 4], patience=2, verbose=True)
    assert capsys.readouterr().out.splitlines() == [
        "val_loss improved to 2",
        "val_loss improved to 1",
        "val_loss did not improve 2 times; the best was 1: stopping",
    ]


def test_not_strict_lets_a_missing_metric_pass():
    quiet(max_epochs=1, callbacks=EarlyStopping("nothing", strict=False)).fit(Line(), loader())


class Memory(Logger):
    def __init__(self):
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))


class Grouped(Line):
    def configure_optimizers(self):
        groups = [
            {"params": list(self.layers[0].parameters()), "lr": 0.1},
            {"params": list(self.layers[2].parameters())},
        ]
        optimizer = optim.SGD(groups, lr=0.2)
        return [optimizer], [optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]


def test_learning_rates_are_logged_by_epoch_and_by_step():
    memory = Memory()
    quiet(max_epochs=2, callbacks=LearningRateMonitor(), logger=memory).fit(Grouped(), loader())
    assert memory.rows == [
        (0, {"epoch": 0, "lr-SGD/pg1": 0.1, "lr-SGD/pg2": 0.2}),
        (4, {"epoch": 1, "lr-SGD/pg1": 0.05, "lr-SGD/pg2": 0.1}),
    ]
    memory = Memory()
    quiet(max_epochs=1, callbacks=LearningRateMonitor("step"), logger=memory, log_every_n_steps=2).fit(Line(), loader())
    assert [row for row in memory.rows if "lr-SGD" in row[1]] == [
        (1, {"epoch": 0, "lr-SGD": 0.1}),
        (3, {"epoch": 0, "lr-SGD": 0.1}),
    ]


def printed(show):
    from rich.console import Console

    stream = io.StringIO()
    show(Console(file=stream, width=80))
    return stream.getvalue()


def test_the_table_of_layers():
    class Net(Line):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(2, 1000, bias=False)
            self.head.weight.requires_grad = False
            self.head.eval()

    def show(depth):
        return lambda console: quiet(
            max_epochs=1, callbacks=ModelSummary(depth, console), enable_model_summary=True
        ).fit(Net(), loader())

    lines = printed(show(1)).splitlines()
    assert lines[1].split() == ["│", "│", "Name", "│", "Type", "│", "Params", "│", "Mode", "│"]
    assert lines[3].split() == ["│", "0", "│", "layers", "│", "Sequential", "│", "13", "│", "train", "│"]
    assert lines[4].split() == ["│", "1", "│", "head", "│", "Linear", "│", "2.0", "K", "│", "eval", "│"]
    assert lines[-1] == "13 trainable and 2,000 frozen parameters, 0.008 MB"
    assert "layers.2" in printed(show(-1))
    assert printed(show(0)) == "13 trainable and 2,000 frozen parameters, 0.008 MB\n"


def test_totals_of_a_model_without_parameters():
    assert totals(nn.ReLU()) == "0 trainable and 0 frozen parameters, 0.000 MB"


def test_the_table_of_metrics():
    text = printed(lambda console: print_metrics({"test_acc": 0.98765, "tiny": 1.5e-7}, "test", console))
    rows = [line.split() for line in text.splitlines()]
    assert rows[1] == ["│", "Test", "metric", "│", "Value", "│"]
    assert rows[3] == ["│", "test_acc", "│", "0.9877", "│"]
    assert rows[4] == ["│", "tiny", "│", "1.50e-07", "│"]
    assert "nothing was logged" in printed(lambda console: print_metrics({}, "test", console))


def test_validate_and_test_print_their_table(capsys):
    quiet().test(Line(), loader())
    assert "Test metric" in capsys.readouterr().out
    quiet().validate(Line(), loader())
    assert "Validation metric" in capsys.readouterr().out
    quiet().validate(Line(), loader(), verbose=False)
    assert capsys.readouterr().out == ""
