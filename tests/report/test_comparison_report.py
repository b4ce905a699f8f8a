"""The table, the conclusions and the page of a comparison, from invented results."""

import dataclasses
import html
import io
import json
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from browser import needs_browser, open_page, with_script
from rich.console import Console

from seqcli.api.views import add_views
from seqcli.cli.compare import show_results
from seqcli.comparison.run_result import (
    RowScores,
    RunResult,
    ShownAttention,
    ShownPrediction,
    read_result,
    write_result,
)
from seqcli.comparison.specification import PlannedRun
from seqcli.comparison.suites import Entry, Published, SuiteResult, with_published
from seqcli.comparison.summary import summarize
from seqcli.config import Config
from seqcli.errors import Exit
from seqcli.events import Progress, RunFailed, RunRestarted, RunStarted
from seqcli.report.comparison_files import comparison_document, write_comparison, write_suite
from seqcli.report.comparison_table import comparison_table, results_table, seeds_table
from seqcli.report.conclusions import conclusions, difference_tables
from seqcli.report.console import Out
from seqcli.report.page import copyable
from seqcli.report.runs_view import ComparisonView
from seqcli.report.tables import plain_lines
from seqcli.runs.environment import append_environment, current_environment

LENGTHS = tuple(2 + n % 8 for n in range(200))  # 2 .. 9; training had 2 .. 5
FLOORS = {"chance": {"token_accuracy": 0.1, "sequence_accuracy": 0.0}}
AXES = ("source", "target")
SHOWN = ShownPrediction("3 1 <b>", ("1", "3", "$x$"), ("1", "4", "$x$"))
ATTENTION = ShownAttention(("3", "1"), ("1", "3"), ((0.1, 0.9), (0.8, 0.2)))


def result(arm, seed, share, cell="gru", **other):
    """Return a run that gets ``share`` of the rows right; longer ones less often."""
    rng = np.random.default_rng(seed)
    right = [float(rng.random() < share - 0.03 * length) for length in LENGTHS]
    rows = RowScores(LENGTHS, LENGTHS, tuple(right), (1,) * len(LENGTHS))
    known = RunResult(
        run=f"{arm}-s{seed}",
        arm=arm,
        seed=seed,
        data="reverse",
        language=False,
        model=f"{arm}, 1 layer",
        cell=cell,
        attention="none",
        positions="sinusoidal" if cell == "transformer" else "",
        parameters=1000 + seed,
        steps=40,
        epochs=2,
        best_epoch=2,
        seconds=71.0,
        sequences_per_second=2000.0,
        reason="epochs",
        split="test",
        metrics={"test": {"token_accuracy": 0.9, "sequence_accuracy": float(np.mean(right))}},
        baselines=FLOORS,
        rows={"test": rows},
        trained_lengths={"source": (2, 5), "target": (2, 5)},
        predictions=(SHOWN,),
        attention_map=ATTENTION,
    )
    return dataclasses.replace(known, **other)


def some_results():
    return [
        result(arm, seed, share, cell)
        for arm, share, cell in (("gru", 0.95, "gru"), ("transformer", 0.5, "transformer"))
        for seed in range(3)
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a folder with a comparison in it."""
    folder = tmp_path_factory.mktemp("compare")
    for one in some_results():
        run = folder / one.run
        run.mkdir()
        write_result(run, one)
        (run / "config.yaml").write_text("data:\n  task: reverse  # <script>\n")
        rows = [
            {"epoch": n, "step": 20 * n, "val_loss": 1 / n, "val_sequence_accuracy": n / 3}
            for n in (1, 2)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "gru-s0" / "report.html").write_text("its page")
    append_environment(folder / "gru-s0" / "environment.json", current_environment("cpu", 2))
    comparison = summarize("reverse", str(folder), some_results(), ["lstm-s0"], ["a note"])
    write_comparison(comparison)
    return folder, comparison


def test_conclusions_wrap_between_words_on_a_terminal(written, terminal):
    _, comparison = written
    out = terminal(width=40)
    show_results(comparison, out)
    shown = out.stdout.file.getvalue().split()
    assert {word for line in conclusions(comparison) for word in line.split()} <= set(shown)


def test_a_result_is_read_as_it_was_written(tmp_path):
    one = some_results()[0]
    write_result(tmp_path, one)
    assert read_result(tmp_path) == one
    (tmp_path / "result.json").write_text("[1, 2")
    assert read_result(tmp_path) is None


def test_the_table_has_means_spreads_scopes_and_baselines(written):
    _, comparison = written
    lines = plain_lines(comparison_table(comparison.arms))
    assert re.search(r"sequence accuracy mean ± sd \(best\)", lines[0])
    assert re.match(r"gru +\d+\.\d ± \d+\.\d% \(\d+\.\d%\) .* 3 +1,000 +40 +1:11 +2,000$", lines[1])
    assert "sinusoidal" in lines[2]
    assert lines[3].split() == ["chance", "0.0%", "10.0%"]
    gru = comparison.arms[0]
    assert gru.scopes["in_distribution"] > gru.scopes["out_of_distribution"]
    narrow = comparison_table(comparison.arms, ["lstm"], 60)
    assert "sequence accuracy\nmean ± sd (best)" in [column.header for column in narrow.columns]
    assert narrow.rows[2][0] == "lstm"


def test_a_verdict_is_given_where_it_is_clear_and_nowhere_else(written):
    _, comparison = written
    assert {(one.scope, one.better) for one in comparison.significant_differences} == {
        ("in_distribution", "gru"),
        ("out_of_distribution", "gru"),
    }
    lines = conclusions(comparison)
    assert lines[0].startswith("On training lengths, gru is better than transformer (by ")
    assert re.search(r"\(by \d+\.\d points, \d+\.\d to \d+\.\d, p < 0\.001\)$", lines[0])
    assert "Holm correction over 2 comparisons" in lines[-1]
    even = summarize("x", "", [result(arm, s, 0.6) for arm in "ab" for s in range(3)])
    assert even.significant_differences == ()
    assert conclusions(even)[:2] == [
        "No significant differences on training lengths",
        "No significant differences on other lengths",
    ]


def scored(arm, seed, test, val, **other):
    """Return a run with these sequence accuracies."""
    scores = {"test": test, "val": val}
    metrics = {
        split: {"sequence_accuracy": value, "token_accuracy": value, "loss": 1 - value}
        for split, value in scores.items()
        if value is not None
    }
    return result(arm, seed, 0.9, metrics=metrics, **other)


def test_models_are_ranked_by_validation_whatever_test_says():
    runs = [scored("a", 0, 0.9, 0.5), scored("a", 1, 0.9, 0.6)]
    runs += [scored("b", 0, 0.4, 0.8), scored("b", 1, 0.3, 0.7)]
    found = summarize("x", "", runs)
    assert found.best == "b-s0"
    table = comparison_table(found.arms)
    assert [column.header for column in table.columns][1:3] == [
        "sequence accuracy\nmean ± sd (best)",
        "\nval",
    ]
    assert {(0, 1), (1, 2)} <= table.best
    assert not {(1, 1), (0, 2)} & table.best
    assert [row[2] for row in table.rows[:2]] == ["55.0%", "75.0%"]
    assert "scores on test" in table.caption
    assert "which ranks the models" in table.caption


def test_the_best_seed_goes_by_the_direction_of_the_metric():
    found = summarize("x", "", [scored("a", 0, 0.9, 0.5), scored("a", 1, 0.6, 0.9)]).arms[0]
    assert found.scores["sequence_accuracy"].best == 0.9
    assert found.scores["loss"].best == pytest.approx(0.1)
    assert found.validation["loss"].best == pytest.approx(0.1)
    bits = [{"bits_per_character": value, "perplexity": 2**value} for value in (2.0, 1.5)]
    rows = {"test": RowScores((0, 0), (2, 3), (4.0, 5.0), (3, 4))}
    runs = [
        result("l", seed, 1.0, language=True, metrics={"test": one, "val": one}, rows=rows)
        for seed, one in enumerate(bits)
    ]
    found = summarize("x", "", runs)
    assert found.arms[0].scores["perplexity"].best == 2**1.5
    assert found.best == "l-s1"


def test_without_test_rows_validation_is_named_everywhere(tmp_path):
    rows = RowScores((3,) * 50, (3,) * 50, (1.0,) * 50, (1,) * 50)
    runs = [
        scored(arm, seed, None, 0.5 + seed / 10, split="val", rows={"val": rows})
        for arm in ("a", "b")
        for seed in (0, 1)
    ]
    found = summarize("x", str(tmp_path), runs)
    assert (found.split, found.best) == ("val", "a-s1")
    table = comparison_table(found.arms)
    assert "val" not in {column.header.strip() for column in table.columns}
    assert "scores on validation" in table.caption
    assert "no test rows" in table.caption
    for run in runs:
        (tmp_path / run.run).mkdir()
        (tmp_path / run.run / "metrics.jsonl").write_text(
            '{"epoch": 1, "step": 1, "val_loss": 1.0}\n'
        )
    write_comparison(found)
    document = json.loads((tmp_path / "compare.json").read_text())
    assert document["split"] == "val"
    assert document["best_on_validation"] == "a-s1"
    for name in ("compare.md", "report.html"):
        text = (tmp_path / name).read_text()
        assert "scores on validation" in text
        assert not re.search(r"\bon test\b", text)
    assert not any(re.search(r"\bon test\b", line) for line in conclusions(found))


def test_settings_that_differ_are_in_the_caption_the_files_and_the_page(tmp_path, written):
    folder, comparison = written
    differing = {"train.lr": {"gru": 0.003, "transformer": 0.002}, "model.hidden": {"gru": 1064}}
    differing["model.hidden"]["transformer"] = 1064 + 8
    shutil.copytree(folder, tmp_path / "x")
    found = dataclasses.replace(
        comparison,
        folder=str(tmp_path / "x"),
        differing=differing,
        left_out={"rnn-s0": "damaged | <b>"},
        failed={"lstm-s0": RunFailed("the loss became NaN", "", Exit.DIVERGED)},
    )
    write_comparison(found)
    for name in ("compare.md", "report.html"):
        text = (tmp_path / "x" / name).read_text()
        assert "train.lr: 0.003 (gru); 0.002 (transformer)" in text
        assert "model.hidden: 1,064 (gru); 1,072 (transformer)" in text
        assert "left out: rnn-s0: damaged" in text
        assert "failed: lstm-s0: the loss became NaN" in text
    document = json.loads((tmp_path / "x" / "compare.json").read_text())
    assert document["differing_settings"] == differing
    assert document["left_out"] == {"rnn-s0": "damaged | <b>"}
    assert document["failed"] == {"lstm-s0": "the loss became NaN"}
    same = comparison_table(comparison.arms, differing={})
    assert same.caption.endswith("all other settings are shared")
    assert "settings that differ" not in same.caption


def test_the_best_of_a_column_and_its_ties_are_marked_and_no_time():
    shares = {"rnn": 0.6, "gru": 0.6, "lstm": 0.6, "transformer": 1.3}
    shown = [
        result(arm, seed, share, seconds=10.0 + 90 * (arm == "transformer"))
        for arm, share in shares.items()
        for seed in range(3)
    ]
    table = results_table(summarize("x", "", shown))
    headers = [" ".join(column.header.split()) for column in table.columns]
    marked = {(table.rows[row][0], headers[place]) for row, place in table.best}
    equal = {(arm, "token acc") for arm in shares}
    assert marked == equal | {
        ("transformer", "sequence accuracy mean ± sd (best)"),
        ("transformer", "seq. acc training lengths"),
        ("transformer", "seq. acc other lengths"),
    }
    assert table.legend.endswith("and those without a significant difference from it")
    others = [one for one in shown if one.arm != "transformer"]
    tied = results_table(summarize("x", "", others))
    assert {row for row, place in tied.best if "mean ± sd" in tied.columns[place].header} == {
        0,
        1,
        2,
    }


def test_marks_survive_a_narrow_terminal_and_are_in_every_copy(terminal):
    table = results_table(summarize("x", "", some_results()))
    out = terminal(width=60)
    out.show(comparison_table(summarize("x", "", some_results()).arms, width=60))
    lines = out.stdout.file.getvalue().splitlines()
    gru, other = (next(line for line in lines if name in line) for name in ("gru", "transformer"))
    assert re.search(r"\x1b\[1m\d+\.\d ± ", gru)
    assert "\x1b[1m" not in other.replace("\x1b[1m90.0%", "")
    assert "bold: the best of" in out.stdout.file.getvalue()
    assert "bold" not in "".join(plain_lines(table))
    copies = dict(copyable(table))
    assert re.search(r"\\textbf\{\d+\.\d \$\\pm\$", copies["LaTeX"])
    assert re.search(r"\*\*\d+\.\d ± ", copies["Markdown"])
    assert "*" not in copies["CSV"]


def test_the_differences_of_all_pairs_are_a_matrix():
    shares = {"rnn": 0.6, "gru": 0.6, "transformer": 1.3}
    runs = [result(arm, seed, share) for arm, share in shares.items() for seed in range(3)]
    inside, outside = difference_tables(summarize("x", "", runs))
    assert inside.title == "sequence accuracy on training lengths"
    assert outside.title == "sequence accuracy on other lengths"
    assert [column.header for column in inside.columns] == ["model", "rnn", "gru", "transformer"]
    cells = {row[0]: row[1:] for row in inside.rows}
    assert [cells[arm][place] for place, arm in enumerate(shares)] == ["", "", ""]
    assert re.fullmatch(r"\+\d+\.\d \(\d+\.\d to \d+\.\d\)", cells["transformer"][0])
    assert re.fullmatch(r"-\d+\.\d \(-\d+\.\d to -\d+\.\d\)", cells["rnn"][2])
    assert inside.best == {(0, 3), (1, 3), (2, 1), (2, 2)}
    assert "in percentage points" in inside.caption


def test_every_seed_has_a_row():
    runs = [scored("a", 1, 0.9, 0.6), scored("a", 0, 0.8, 0.5), scored("b", 0, 0.4, 0.8)]
    table = seeds_table(summarize("x", "", runs))
    assert [row[0] for row in table.rows] == ["a-s0", "a-s1", "b-s0"]
    headers = [column.header for column in table.columns]
    assert [row[headers.index("val")] for row in table.rows] == ["50.0%", "60.0%", "80.0%"]
    assert [row[headers.index("sequence accuracy")] for row in table.rows] == [
        "80.0%",
        "90.0%",
        "40.0%",
    ]


def test_ties_are_named_where_others_differ():
    shares = {"rnn": 0.6, "gru": 0.6, "lstm": 0.6, "transformer": 1.3}
    runs = [result(arm, seed, share) for arm, share in shares.items() for seed in range(3)]
    found = summarize("x", "", runs)
    lines = conclusions(found)
    assert lines[1] == ("No significant difference on training lengths between rnn, gru and lstm")
    document = comparison_document(found)
    assert document["no_significant_difference"]["in_distribution"] == [["rnn", "gru", "lstm"]]
    assert len(document["differences"]) == 12
    assert document["method"] == lines[-1]


def test_with_too_few_seeds_it_says_so():
    two = summarize("x", "", [result(arm, seed, 0.9) for arm in "ab" for seed in range(2)])
    assert two.significant_differences == ()
    assert conclusions(two) == [
        "Too few seeds for a test: a has 2 seeds, b has 2 seeds; "
        "it requires 3 of each model (--seeds 3)"
    ]
    mixed = [result(arm, seed, 0.6) for arm in "ab" for seed in range(3)] + [result("c", 0, 0.6)]
    lines = conclusions(summarize("x", "", mixed))
    assert lines[0].startswith("Too few seeds for a test: c has 1 seed; ")
    assert lines[1].startswith("No significant differences")
    assert conclusions(summarize("x", "", [result("a", 0, 0.6)])) == [
        "No test of differences: only one model"
    ]


def test_one_comparison_needs_no_correction():
    rows = RowScores((4,) * 200, (4,) * 200, (1.0,) * 200, (1,) * 200)
    runs = [result(arm, seed, 1.0, rows={"test": rows}) for arm in "ab" for seed in range(3)]
    lines = conclusions(summarize("x", "", runs))
    assert lines[0] == "No significant differences on test"
    assert "one comparison" in lines[1]
    assert "Holm" not in lines[1]


def test_rows_that_share_a_source_count_as_one():
    """Two models that differ on every row of one source of two prove nothing."""
    groups = (0,) * 199 + (1,)
    runs = []
    for arm, right in (("a", 1.0), ("b", 0.0)):
        scores = (right,) * 199 + (1.0,)
        rows = RowScores((4,) * 200, (4,) * 200, scores, (1,) * 200, groups=groups)
        runs += [result(arm, seed, 1.0, rows={"test": rows}) for seed in range(3)]
    assert summarize("x", "", runs).significant_differences == ()


def test_lengths_of_the_target_count_where_only_they_go_further():
    rows = RowScores((4,) * 200, LENGTHS, (1.0,) * 200, (1,) * 200)
    found = summarize("x", "", [result("a", 0, 1.0, rows={"test": rows})])
    assert found.axis == "target"
    assert found.scopes == ("in_distribution", "out_of_distribution")
    assert [one.length for one in found.arms[0].by_length] == list(range(2, 10))


def test_the_page_needs_nothing_else_and_escapes_what_it_shows(written):
    folder, _ = written
    text = (folder / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert not re.search(r"url\(\s*['\"]?(https?:)?//", text)
    assert "<link" not in text
    assert "@import" not in text
    assert "3 1 &lt;b&gt;" in text
    assert "# &lt;script&gt;" in text
    assert "<mark>4</mark>" in text
    assert text.count("<svg") >= 3 + 6 * 2
    assert text.count('<div class="weights">') == 6
    assert "prefers-color-scheme: dark" in text
    assert "not finished: lstm-s0" in text


def test_the_page_links_to_the_pages_of_runs_and_can_be_cited(written):
    text = (written[0] / "report.html").read_text()
    assert re.findall('<a href="(.*?)"', text) == ["gru-s0/report.html"] * 2
    assert "cpu, 2 threads" in text
    for form in (
        "\\begin{tabular}",
        "| model |",
        "model,sequence accuracy mean ± sd (best),token acc",
        "@software{seqcli",
    ):
        assert form in text
    (sentence,) = re.findall(r"<h2>Cite</h2>\n<p>(.*?)</p>", text)
    today = datetime.now(timezone.utc).date().isoformat()
    assert re.match(rf"Models: gru .*; 3 seeds each, trained on reverse with .*{today}", sentence)
    scores = r"Sequence accuracy on 200 test rows, .*: gru \d+\.\d ± \d+\.\d%, transformer "
    assert re.search(scores, sentence)
    assert "Holm correction over 2 comparisons" in sentence


def test_a_comparison_shows_itself_in_a_notebook(written):
    _, comparison = written
    add_views()
    shown = html.unescape(comparison._repr_html_())
    assert "<strong>" in shown
    assert all(line in shown for line in conclusions(comparison))
    assert shown.count("<svg") == 3
    assert "<script" not in shown
    assert repr(comparison) == "Comparison(reverse: gru, transformer)"


def test_markdown_and_json_say_the_same(written):
    folder, comparison = written
    document = json.loads((folder / "compare.json").read_text())
    mean = document["arms"][0]["scores"]["sequence_accuracy"]["mean"]
    assert f"{mean * 100:.1f} ±" in (folder / "compare.md").read_text()
    assert document["missing"] == ["lstm-s0"]
    assert document["conclusions"] == conclusions(comparison)


@needs_browser
def test_headless_chromium_opens_the_page_and_sorts_its_table(written, tmp_path):
    text = (written[0] / "report.html").read_text()
    sort = """
    const head = document.querySelectorAll("th")[1];
    head.click();
    head.click();
    const rows = [...document.querySelector("tbody").rows].map((row) => row.cells[0].textContent);
    report([rows, head.getAttribute("aria-sort")]);
    """
    page = tmp_path / "page.html"
    page.write_text(with_script(text, sort))
    assert open_page(page).result == [["transformer", "gru"], "ascending"]


def progress(epoch):
    return Progress(epoch, 2, 10, 20, 900.0, "train", 0.5)


def started(run):
    return RunStarted(run, "", "GRU", 1000, {}, (5, 5), "cpu", 1, 2, 64)


def test_off_a_terminal_the_view_writes_plain_lines():
    talk = io.StringIO()
    out = Out(Console(file=io.StringIO()), Console(file=talk))
    runs = [PlannedRun(one.run, one.arm, one.seed, Config()) for one in some_results()]
    clock = iter(range(0, 1000, 20))
    with ComparisonView(out, runs, lambda: float(next(clock))) as view:
        view("gru-s0", started("gru-s0"))
        view("gru-s0", progress(1))
        view("gru-s0", some_results()[0])
        view("transformer-s0", some_results()[3])
        view("gru-s1", RunRestarted("killed by SIGKILL", 1, 3))
        view("gru-s1", RunFailed("the loss became NaN", "", Exit.DIVERGED))
    first, middle, last, kept, *others = talk.getvalue().splitlines()
    assert first == "gru-s0: GRU; 1,000 parameters"
    assert middle.startswith("gru-s0: epoch 1/2 step 10/20, smoothed loss 0.5000")
    assert last.startswith("gru-s0 (1/6): test sequence accuracy ")
    assert kept.endswith(", kept")
    assert others == [
        "gru-s1: its process was killed by SIGKILL; restart 1 of at most 3",
        "gru-s1 (3/6): failed: the loss became NaN",
    ]


def test_on_a_terminal_the_table_fills_over_the_bars():
    talk = Console(file=io.StringIO(), force_terminal=True, width=110, height=30)
    runs = [PlannedRun(one.run, one.arm, one.seed, Config()) for one in some_results()]
    view = ComparisonView(Out(Console(file=io.StringIO()), talk), runs)
    with view:
        view("gru-s0", some_results()[0])
        view("transformer-s0", started("transformer-s0"))
        view("transformer-s0", progress(2))
        view.draw()
    shown = talk.file.getvalue()
    assert "1 of 6 finished" in shown
    assert "transformer-s0 epoch 2/2 step 10/20" in shown
    assert "sequence accuracy" in shown


def test_the_folder_of_templates_is_part_of_the_package():
    import seqcli

    assert (Path(seqcli.__file__).parent / "report" / "templates" / "comparison.html").exists()


def test_published_numbers_stand_beside_ours(written, tmp_path):
    _, comparison = written
    published = [
        Published("gru", "sequence_accuracy", "out_of_distribution", "50%", "a paper"),
        Published("lstm", "token_accuracy", "test", "99%", "another"),
    ]
    rows = with_published(Entry("reverse", {}, tuple(published)), comparison)
    gru = comparison.arms[0]
    assert rows[0].ours is not None
    assert rows[0].ours.mean == pytest.approx(gru.scopes["out_of_distribution"])
    assert rows[1].ours is None
    write_suite(SuiteResult("mine", "what", str(tmp_path), (comparison,), tuple(rows)))
    text = (tmp_path / "suite.md").read_text()
    assert re.search(
        r"\| reverse \| gru \| sequence accuracy, other lengths \| .*± .* \| 50% \| a pa", text
    )
    assert json.loads((tmp_path / "suite.json").read_text())["published"][1]["ours"] is None


def test_many_lengths_are_put_together_but_not_across_the_edge_of_training():
    lengths = tuple(range(1, 201))
    rows = RowScores(lengths, lengths, tuple(float(n <= 42) for n in lengths), (1,) * 200)
    one = result("gru", 0, 1.0, rows={"test": rows}, trained_lengths=dict.fromkeys(AXES, (1, 40)))
    found = summarize("parity", "runs", [one]).arms[0].by_length
    assert [(score.length, score.rows, score.mean) for score in found[7:10]] == [
        (38, 5, 1.0),
        (43, 5, 0.4),
        (48, 5, 0.0),
    ]
    assert len(found) == 40
