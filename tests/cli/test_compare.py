"""``seqcli compare``: what is planned, printed and refused; nothing is trained here."""

import json

import pytest

from seqcli.cli import app, shell


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("compare"))


def run(capsys, *words):
    code = shell.run(app, ["compare", *words])
    out, err = capsys.readouterr()
    return code, out, err


SMALL = ("--task", "sort", "--train-rows", "60", "--val-rows", "10", "--test-rows", "10")


def test_plan_prints_a_command_for_each_run(capsys, tmp_path):
    out = tmp_path / "my runs"
    words = (*SMALL, "--cells", "gru,lstm", "--seeds", "2", "--plan", "--out", str(out))
    code, shown, err = run(capsys, *words)
    assert code == 0
    lines = shown.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("seqcli train --task sort ") for line in lines)
    assert f"--resume auto --out '{out}/lstm-attention-s1' --quiet" in lines[3]
    assert err.endswith(f"next: seqcli compare --collect '{out}'\n")
    assert [path.name for path in out.iterdir() if path.suffix] == ["plan.json"]
    found = json.loads(run(capsys, *words, "--json", "--quiet")[1])
    assert found["commands"] == lines


def test_a_plan_without_runs_gives_way_and_one_with_runs_does_not(capsys, tmp_path):
    words = (*SMALL, "--cells", "gru", "--seeds", "1", "--plan", "--out", str(tmp_path))
    assert run(capsys, *words)[0] == 0
    assert run(capsys, *words, "--epochs", "3")[0] == 0
    begun = tmp_path / "gru-attention-s0"
    begun.mkdir()
    (begun / "config.yaml").write_text("data:\n  task: sort\n")
    assert run(capsys, *words, "--epochs", "3")[0] == 0
    code, _, err = run(capsys, *words, "--epochs", "4")
    assert code == 2
    assert "holds another comparison: train.epochs is 3 there, not 4" in err
    code, _, err = run(capsys, *words, "--epochs", "4", "--force")
    assert code == 2
    assert "--force cannot be combined with --plan" in err


def test_the_plan_of_another_comparison_goes_to_another_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = (*SMALL, "--cells", "gru", "--seeds", "1", "--plan")
    run(capsys, *words)
    begun = tmp_path / "runs" / "compare-sort" / "gru-attention-s0"
    begun.mkdir()
    (begun / "config.yaml").write_text("data:\n  task: sort\n")
    for rows, folder in (("60", "compare-sort"), ("50", "compare-sort-2")):
        shown = run(capsys, *words, "--train-rows", rows)[1]
        assert f"--out runs/{folder}/gru-attention-s0 " in shown
    shown = run(capsys, *words, "--grid", "train.lr=1e-3", "--match", "none")[1]
    assert "--out runs/compare-sort-2/" in shown  # planned only: nothing of the user's is there


def test_a_budget_in_steps_or_seconds(capsys):
    words = (*SMALL, "--cells", "gru", "--seeds", "1", "--plan")
    assert "--steps 50 " in run(capsys, *words, "--steps", "50")[1]
    assert "--budget 2.5 " in run(capsys, *words, "--seconds", "2.5")[1]
    code, _, err = run(capsys, *words, "--steps", "5", "--epochs", "2")
    assert code == 2
    assert "--epochs and --steps are both budgets" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cells", "gru,lstmm"), "did you mean lstm?"),
        (("--task", "revers"), "did you mean reverse?"),
        (("--attention", "onn"), "did you mean on?"),
        (("--match", "param"), "did you mean params?"),
        (("--grid", "lr"), "--grid must be key=a,b,c"),
        (("--grid", "train.lrr=1,2"), "did you mean train.lr?"),
        (("--recipes", "shard"), "did you mean shared?"),
        (("--seed", "3"), "did you mean --seeds?"),
        (("--set", "train.lrr=1"), "did you mean train.lr?"),
        (("--search", "train.lr=1e-4..1e-2"), "--plan cannot be used with --search"),
        (("--on", "scheduler.json", "--suite", "smokee"), "did you mean smoke?"),
    ],
)
def test_slips_are_answered_with_what_was_meant(capsys, words, said):
    code, out, err = run(capsys, *words, "--plan")
    assert (code, out) == (2, "")
    assert said in err


def test_collect_wants_finished_runs(capsys, tmp_path):
    code, _, err = run(capsys, "--collect", str(tmp_path))
    assert code == 3
    assert "contains no finished run" in err


def test_a_suite_is_planned_and_takes_no_other_options(capsys, tmp_path):
    words = ("--suite", "smoke", "--plan", "--out", str(tmp_path), "--quiet")
    code, shown, _ = run(capsys, *words)
    assert (code, len(shown.splitlines())) == (0, 24)
    code, _, err = run(capsys, *words, "--epochs", "3")
    assert code == 2
    assert "--epochs cannot be used with --suite" in err
    assert "did you mean smoke?" in run(capsys, "--suite", "smokee")[2]


def test_a_search_is_one_line_if_it_is_mistyped_or_cannot_start(capsys):
    words = (*SMALL, "--cells", "gru", "--match", "none")
    code, _, err = run(capsys, *words, "--search", "train.lrr=1..2")
    assert (code, "did you mean train.lr?" in err) == (2, True)
    code, _, err = run(capsys, *words, "--search", "train.lr=1e-4..1e-2", "--seeds", "2")
    assert (code, "--seeds cannot be used with --search" in err) == (2, True)
    code, _, err = run(capsys, *words, "--on", "nowhere.json")
    assert (code, "dask scheduler --scheduler-file nowhere.json" in err) == (2, True)
