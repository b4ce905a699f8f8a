import pytest

from seqcli.config import Config, load, to_plain
from seqcli.errors import UsageError


def loaded(tmp_path, text):
    file = tmp_path / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(file)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("train: {lr: 1e-3}", "train.lr", 1e-3),
        ("train: {lr: .5}", "train.lr", 0.5),
        ("train: {lr: 1}", "train.lr", 1.0),
        ("train.lr: 3e-4", "train.lr", 3e-4),
        ("train: {epochs: 1_000}", "train.epochs", 1000),
        ("model: {bridge: no}", "model.bridge", False),
        ("model: {bridge: On}", "model.bridge", True),
        ("data: {path: no}", "data.path", "no"),
        ("data: {path: 012}", "data.path", "012"),
        ("data: {path: 1e3}", "data.path", "1e3"),
        ("data: {path: 2024-01-01}", "data.path", "2024-01-01"),
        ("task: {length: 5:20}", "task.length", "5:20"),
        ("task: {x: 1e-3}", "task.x", 1e-3),
        ("task: {x: '1e-3'}", "task.x", "1e-3"),
        ("task: {x: no}", "task.x", "no"),
        ("task: {x: true}", "task.x", True),
        ("task: {x: [1, a, '2']}", "task.x", [1, "a", "2"]),
        ("\ufefftrain: {lr: 1}", "train.lr", 1.0),
    ],
)
def test_values_are_what_they_look_like(tmp_path, text, key, value):
    section, _, leaf = key.partition(".")
    found = to_plain(loaded(tmp_path, text))[section][leaf]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "train:\n", "train: {}\n"])
def test_nothing_in_it_means_the_defaults(tmp_path, text):
    assert loaded(tmp_path, text) == Config()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "train:\n  lr: fast",
            "line 2: train.lr must be a number above 0 and at most 1000000000, not 'fast'",
            "",
        ),
        ("train:\n  lr: '1e-3'", "line 2: train.lr must be", "without quotes"),
        ("train:\n  epochs: 012", "line 2: train.epochs", "write 12"),
        ("task:\n  x: 012", "line 2: task.x cannot be 012", "'012' for text"),
        ("task:\n  x:", "line 2: task.x has no value", "omit it"),
        ("model:\n  cell: grru", "line 2: model.cell cannot be 'grru'", "did you mean gru?"),
        ("train:\n  lr: 1\n  lr: 2", "line 3: train.lr is given twice", "line 2"),
        ("train:\n  lr: 1\ntrain:\n  epochs: 2", "line 3: train is given twice", "line 1"),
        ("lr: 1", "line 1: no configuration section is called 'lr'", "did you mean train.lr?"),
        ("train:\n  lrr: 1", "line 2: no configuration key", "did you mean train.lr?"),
        ("train: 5", "line 1: train is a section", "such as train."),
        ("train:\n  lr: {a: 1}", "line 2: one value is expected here, not a mapping", ""),
        ("train:\n\tlr: 1", "line 2: found character '\\t'", "indent with spaces, not tabs"),
        ("train: {lr: 1", "line 1: expected ',' or '}'", ""),
        ("- 1", "not a list", ""),
        ("-", "not a list", ""),
        ("reverse", "not a single value", ""),
        ("x: !!python/object/apply:os.system [ls]", "the tag !!python/object/apply:os", "plain"),
        ("train:\n  lr: !!float 1", "line 2: the tag !!float is not supported here", "plain"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "line 1: one value is expected here", ""),
        ("train: *x", "line 1: found undefined alias", ""),
        ("? [a]\n: b", "line 1: a name is expected here, not a list", ""),
        ("a: 1\n---\nb: 2", "line 2: but found another document", ""),
        ("train:\n  lr: 1\x00", "line 2: special characters are not allowed", "remove"),
        (b"train:\n  lr: \xff", "line 2: this is not UTF-8", "save it as UTF-8"),
        ("[" * 3000, "nested too deeply", ""),
        ("data: {task: sort, path: a.tsv}", "line 1: a task and a data path", "choose one"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_place(tmp_path, text, message, hint):
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, text)
    assert str(tmp_path / "x.yaml") in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_bomb_of_anchors_costs_nothing(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for one, two in zip("abcdefghijklm", "bcdefghijklmn", strict=True):
        lines.append(f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]")
    with pytest.raises(UsageError, match="line 1"):
        loaded(tmp_path, "\n".join(lines))


def test_a_file_that_is_not_there_or_no_file(tmp_path):
    with pytest.raises(UsageError, match=r"no.yaml: .* no such file"):
        load(tmp_path / "no.yaml")
    with pytest.raises(UsageError, match="is a directory"):
        load(tmp_path)
