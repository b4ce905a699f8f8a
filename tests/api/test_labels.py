"""Labels: an answer is one of them, never none and never two, however it is asked for."""

import pytest

import seqcli
from seqcli.events import EpochEnded

LABELS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def labeled(tmp_path_factory):
    """Return a model of labels that has hardly learnt: left to itself it would say anything."""
    folder = tmp_path_factory.mktemp("labels")
    path = folder / "colors.tsv"
    rows = [
        f"{'abc'[n % 3]}{'xyzuv'[n // 3 % 5]}{'pqrs'[n % 4]}\t{LABELS[n % 3]}" for n in range(60)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return seqcli.train(
        data=path, target_tokens="whole", hidden=8, epochs=1, threads=1, out=folder / "run"
    )


def test_the_n_best_are_every_label_once(labeled):
    for found in seqcli.predict(labeled.path, ["axp", "by", "cccc"], nbest=5):
        assert sorted(one.text for one in found.candidates) == sorted(LABELS)
        logs = [one.log_probability for one in found.candidates]
        assert logs == sorted(logs, reverse=True)


def test_the_one_answer_has_the_log_probability_it_has_among_several(labeled):
    (alone,) = seqcli.predict(labeled.path, ["axp"])
    (several,) = seqcli.predict(labeled.path, ["axp"], nbest=3)
    found = {one.text: one.log_probability for one in several.candidates}
    (best,) = alone.candidates
    assert best.log_probability == pytest.approx(found[best.text], abs=1e-5)


def test_eval_and_sample_say_labels_only(labeled):
    rows = labeled.evaluate(split="train").predictions
    assert {row.prediction for row in rows} <= {(label,) for label in LABELS}
    drawn = seqcli.sample(labeled.path, 50, lines=["axp", "by"], seed=1)
    assert {one.text for one in drawn.samples} <= set(LABELS)
    assert all(one.ended for one in drawn.samples)


def test_labels_are_compared_as_they_are_while_training(tmp_path):
    (tmp_path / "a.tsv").write_text("ab\tNew Malta\ncd\tOld Malta\n" * 8, encoding="utf-8")
    told = []
    seqcli.train(
        train=tmp_path / "a.tsv", val=tmp_path / "a.tsv", target_tokens="whole", hidden=4, epochs=1,
        threads=1, out=tmp_path / "run", listen=told.append,
    )  # fmt: skip
    (ended,) = (event for event in told if isinstance(event, EpochEnded))
    assert {one.truth for one in ended.examples} == {("New Malta",), ("Old Malta",)}
    assert all(len(one.prediction) == 1 for one in ended.examples)
