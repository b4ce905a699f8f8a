from seqcli.report.logs import Epoch, epoch_table
from seqcli.report.tables import fit, plain_lines, width_of

METRICS = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "val_sequence_accuracy": 0.5,
    "learning_rate": 0.002,
    "teacher_forcing": 1.0,
    "seconds": 1.0,
    "sequences_per_second": 5000.0,
}


def headers(table):
    return [" ".join(column.header.split()) for column in table.columns]


def test_only_known_metrics_have_a_column_and_only_changing_settings():
    table = epoch_table([Epoch(1, METRICS), Epoch(2, METRICS)], best=1)
    expected = ["epoch", "train loss", "val loss", "val seq. acc", "seconds", "seq/s"]
    assert headers(table) == expected


def test_a_learning_rate_that_changes_is_shown():
    changed = {**METRICS, "learning_rate": 0.001}
    assert "learning rate" in headers(epoch_table([Epoch(1, METRICS), Epoch(2, changed)], 1))


def test_the_best_epoch_is_marked():
    table = epoch_table([Epoch(1, METRICS), Epoch(2, METRICS)], best=2)
    assert [row[0] for row in table.rows] == ["1", "*2"]
    assert table.strong == {1}


def test_the_newest_epochs_are_shown_and_the_rest_counted():
    epochs = [Epoch(number, METRICS) for number in range(1, 11)]
    table = epoch_table(epochs, best=9, last=3)
    assert [row[0] for row in table.rows] == ["8", "*9", "10"]
    assert table.title == "... 7 earlier epochs"
    assert table.strong == {1}
    assert epoch_table(epochs, best=0, last=0).rows == ()


def test_columns_give_way_and_validation_stays_longest():
    epochs = [Epoch(1, METRICS)]
    for width in range(80, 14, -1):
        table = fit(epoch_table(epochs, best=1), width).table
        assert width_of(table) <= width
        assert "val seq. acc" in headers(table)


def test_the_caption_tells_teacher_forced_from_free_running():
    caption = plain_lines(epoch_table([Epoch(1, METRICS)], 1))[-1]
    assert "teacher forcing" in caption
    assert "greedy decoding" in caption


def test_a_metric_missing_in_one_epoch_leaves_a_gap():
    partial = {key: value for key, value in METRICS.items() if key != "val_loss"}
    table = epoch_table([Epoch(1, METRICS), Epoch(2, partial)], 1)
    assert table.rows[1][headers(table).index("val loss")] == ""
