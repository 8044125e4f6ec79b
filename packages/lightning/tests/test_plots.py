"""Pictures of a run."""

import sys

import pytest

import dovetail
from dovetail.errors import MissingPackageError
from dovetail.lightning import MisconfigurationException, plots

METRICS = """epoch,step,train_loss,val_loss,val_acc
0,4,1.0,,
0,9,0.5,,
0,9,,0.6,0.8
1,14,0.4,,
1,19,0.3,,
1,19,,0.35,0.9
,0,,9.0,
"""


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(METRICS)
    return path


def test_values_stand_where_their_epoch_ends(metrics):
    assert plots.read_metrics(metrics) == {
        "train_loss": [(0.5, 1.0), (1.0, 0.5), (1.5, 0.4), (2.0, 0.3)],
        "val_loss": [(1.0, 0.6), (2.0, 0.35)],
        "val_acc": [(1.0, 0.8), (2.0, 0.9)],
    }


def test_files_that_are_no_log(tmp_path):
    with pytest.raises(MisconfigurationException, match=r"there is no metrics file at 'no\.csv'"):
        plots.read_metrics("no.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MisconfigurationException, match="has no column 'epoch'; it is no log of a fit"):
        plots.read_metrics("other.csv")


def test_the_picture_shows_curves_and_images(metrics, tmp_path):
    pytest.importorskip("matplotlib")
    images = dovetail.rand(7, 1, 8, 8)
    plots.plot_run(
        tmp_path / "deep" / "run.png", metrics, images, list("abcdefg"), list("abcdefx"), title="six of seven"
    )
    content = (tmp_path / "deep" / "run.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000


def test_wrong_predictions_are_marked_and_every_image_is_drawn():
    pytest.importorskip("matplotlib")
    figure = plots.figure(4, 2)
    plots.draw_images(figure, dovetail.rand(3, 8, 8), [1, 2, 3], [1, 2, 8], columns=2, title="two of three")
    grid = figure.axes
    assert [axes.get_title() for axes in grid] == ["1", "2", "8 (3)", ""]
    assert [len(axes.images) for axes in grid] == [1, 1, 1, 0]
    assert grid[2].title.get_color() == plots.WRONG
    assert grid[0].title.get_color() == plots.INK


def test_curves_carry_their_last_value():
    pytest.importorskip("matplotlib")
    axes = plots.figure(4, 2).subplots()
    plots.draw_curves(axes, {"val_loss": [(1.0, 0.5), (2.0, 0.25)]}, "Loss", logarithmic=True)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["val_loss  0.2500"]
    assert axes.get_yscale() == "log"


def test_lengths_must_agree():
    pytest.importorskip("matplotlib")
    with pytest.raises(MisconfigurationException, match="go together, got 2, 1 and 2"):
        plots.draw_images(plots.figure(1, 1), dovetail.rand(2, 8, 8), [1], [1, 2])


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'dovetail-lightning\[plots\]'"):
        plots.figure(1, 1)
