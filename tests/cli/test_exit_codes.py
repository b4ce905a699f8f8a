"""A path that the system refuses: one line, a hint, and the exit code of what the path is for."""

import pytest

import seqcli
from seqcli.cli import app, shell
from seqcli.errors import Exit

LONG = "n" * 300  # longer than any file system allows: refused for root, too


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes")
    (folder / "names.txt").write_text("".join(f"{a}{b}\n" for a in "abcd" for b in "efgh"))
    data = str(folder / "names.txt")
    seqcli.train(data=data, backend="numpy", hidden=4, epochs=1, threads=1, out=folder / "run")
    return folder


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("train --data {bad}", Exit.DATA),
        ("train --data {bad} --check", Exit.DATA),
        ("train --train {bad} --val names.txt", Exit.DATA),
        ("train --config {bad}", Exit.USAGE),
        ("train --resume {bad}", Exit.CHECKPOINT),
        ("train --data names.txt --out {bad}", Exit.USAGE),
        ("train --data names.txt --out {bad}.pt", Exit.USAGE),
        ("eval --ckpt {bad}", Exit.CHECKPOINT),
        ("eval --ckpt run --data {bad}", Exit.DATA),
        ("eval --ckpt run --data names.txt --predictions {bad}", Exit.USAGE),
        ("eval --score {bad}", Exit.DATA),
        ("info {bad}", Exit.CHECKPOINT),
        ("export {bad} --to safetensors --out x", Exit.CHECKPOINT),
        ("export run --to safetensors --out {bad}", Exit.USAGE),
        ("predict --ckpt {bad} ab", Exit.CHECKPOINT),
        ("predict --ckpt run --input {bad}", Exit.DATA),
        ("sample --ckpt {bad}", Exit.CHECKPOINT),
        ("gen-data --task copy --out {bad} --train 5 --val 2", Exit.USAGE),
        ("compare --data {bad}", Exit.DATA),
        ("compare --data names.txt --cells rnn --seeds 1 --out {bad}", Exit.USAGE),
        ("compare --collect {bad}", Exit.DATA),
        ("compare --suite {bad}.yaml", Exit.USAGE),
    ],
)
def test_a_refused_path_has_the_exit_code_of_its_kind(names, monkeypatch, capsys, words, code):
    monkeypatch.chdir(names)
    for bad in (LONG, "names.txt/below"):
        found = shell.run(app, words.format(bad=bad).split())
        *_, message, hint = capsys.readouterr().err.splitlines()
        assert found == code, message
        assert message.startswith("error: ")
        assert bad[:20] in message or "language model" in message
        assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--data", "names.txt", "--out", "-"],
        ["gen-data", "--task", "copy", "--out", "-"],
        ["export", "run", "--to", "safetensors", "--out", "-"],
        ["predict", "--ckpt", "run", "ab", "--out", "-"],
        ["predict", "--ckpt", "run", "ab", "--attention-png", "map.jpg"],
        ["predict", "--ckpt", "run", "ab", "--attention-png", "-"],
        ["compare", "--data", "names.txt", "--out", "-"],
        ["train", "--data", "names.txt", "--out", ""],
        ["train", "--data", "names.txt", "--out", "a\0b"],
        ["info", ""],
        ["eval", "--ckpt", ""],
        ["gen-data", "--task", "copy", "--out", "x", "--seed", "-1"],
        ["sample", "--ckpt", "run", "--seed", "-1"],
        ["sample", "--ckpt", "run", "--temperature", "1e-300"],
        ["sample", "--ckpt", "run", "--temperature", "1e300", "--next"],
        ["train", "--data", "names.txt", "--set", "train.grad_clip_value=1e300"],
        ["train", "--data", "a\0b"],
    ],
)
def test_values_that_mean_nothing_are_refused_before_anything_is_written(
    names, monkeypatch, capsys, words
):
    monkeypatch.chdir(names)
    before = sorted(path.name for path in names.iterdir())
    assert shell.run(app, words) == Exit.USAGE
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(path.name for path in names.iterdir()) == before
