import pytest
from matplotlib.image import imread

from seqcli.report.curves import draw_curves


def rows(epochs, **extra):
    return [{"train_loss": 1 / e, "val_loss": 1 / e, **extra} for e in range(1, epochs + 1)]


def size(path):
    height, width, _ = imread(path).shape
    return width, height


def test_loss_and_accuracy_stand_side_by_side(tmp_path):
    path = tmp_path / "curves.png"
    draw_curves(rows(5, val_token_accuracy=0.5, train_token_accuracy=0.5), path, "a run")
    assert size(path) == (1680, 630)
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_without_accuracies_there_is_one_panel(tmp_path):
    draw_curves(rows(5), tmp_path / "curves.png", "names")
    assert size(tmp_path / "curves.png") == (840, 630)


def test_overfitting_is_shaded(tmp_path):
    falling = [{"train_loss": 1 / e, "val_loss": 1.0} for e in range(1, 8)]
    rising = [{**row, "val_loss": 1.0 + i * (i > 1)} for i, row in enumerate(falling)]
    draw_curves(rising, tmp_path / "rising.png", "a")
    picture = imread(tmp_path / "rising.png")[..., :3]
    shade = abs(picture - [0.98, 0.94, 0.85]).max(axis=2) < 0.02
    assert shade.mean() > 0.2


@pytest.mark.parametrize("epochs", [0, 1, 2, 200])
def test_any_number_of_epochs_is_drawn(tmp_path, epochs):
    draw_curves(rows(epochs, val_sequence_accuracy=0.1), tmp_path / "curves.png", "$x$ 漢字"[:3])
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_losses_of_zero_and_wide_range_are_drawn(tmp_path):
    history = [{"train_loss": 5.0, "val_loss": 0.0}, {"train_loss": 1e-6, "val_loss": 3.0}]
    draw_curves(history, tmp_path / "curves.png", "edge")
    assert (tmp_path / "curves.png").exists()


def test_drawing_again_replaces_the_picture(tmp_path):
    path = tmp_path / "curves.png"
    path.write_text("old")
    draw_curves(rows(3), path, "new")
    assert path.read_bytes().startswith(b"\x89PNG")
