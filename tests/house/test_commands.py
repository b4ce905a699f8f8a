"""Every command and option has help, every example parses, and the pages are complete."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import seqcli
from seqcli.cli import app, spelling
from seqcli.config import FLAGS
from seqcli.config.flags import spelt

GROUP = typer.main.get_command(app)
COMMANDS = GROUP.commands
README = Path(seqcli.__file__).parent.parent / "README.md"
PAGES = [README, *sorted((README.parent / "examples" / "guides").glob("*.md"))]
OPTIONS = [(name, param) for name, command in COMMANDS.items() for param in command.params]
EXAMPLES = [line for one in (GROUP, *COMMANDS.values()) for line in one.examples.splitlines()]
VERBS = {
    **{"eval": "evaluate", "gen-data": "gen_data", "runs": "list_runs"},
    **{"report": "write_report", "schema": "json_schema"},
}


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda one: getattr(one, "name", one))
def test_every_option_has_help(command, option):
    assert option.help
    assert option.help[0].isupper()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_examples(name):
    assert COMMANDS[name].help.endswith(".")
    assert any(f"seqcli {name} " in line + " " for line in COMMANDS[name].examples.splitlines())


@pytest.mark.parametrize("name", ["predict", "eval"])
def test_a_help_page_does_not_name_python_types(name):
    page = CliRunner().invoke(app, [name, "--help"]).output
    assert "RUN" in page
    assert "path_to_read" not in page
    assert "<str>" not in page


def parse(line: str) -> None:
    """Parse the seqcli command in a shell line, without running it."""
    typed = next(part for part in line.split("|") if "seqcli" in part)
    _, name, *words = shlex.split(typed, comments=True)
    command = COMMANDS[name]
    command.make_context(name, spelling.with_implied_values([name, *words])[1:])


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_a_command_line_that_parses(line):
    parse(line)


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_name_presets_and_not_files_of_the_checkout(line):
    assert "examples/" not in line


def lines_of_page(page: Path, pattern: str = r"(^|\| )seqcli (?!-)") -> list[str]:
    """Return the lines in the code blocks of a page that have a command of ours, or a pattern."""
    blocks = page.read_text("utf-8").split("```")[1::2]
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.search(pattern, line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_of_a_page_parses(page):
    text = page.read_text("utf-8")
    assert lines_of_page(page) or "```python" in text
    for line in lines_of_page(page):
        parse(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_of_a_page_is_there(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", page.read_text("utf-8")):
        assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_picture_is_on_a_page():
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    for picture in (README.parent / "examples" / "pictures").iterdir():
        assert f"pictures/{picture.name})" in pages


def test_the_readme_is_short_and_links_every_guide():
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 900
    for guide in PAGES[1:]:
        assert f"(examples/guides/{guide.name})" in text


def test_the_reference_of_options_is_what_the_script_writes():
    page = runpy.run_path(str(README.parent / "examples" / "make_options.py"))["page"]
    text = (README.parent / "examples" / "guides" / "options.md").read_text("utf-8")
    assert text == page(text), "run: python examples/make_options.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_verb_of_the_package(name):
    assert VERBS.get(name, name) in seqcli.__all__


def test_train_has_an_option_for_every_flag_of_the_configuration():
    known = {name for param in COMMANDS["train"].params for name in param.opts}
    assert {spelt(flag) for flag in FLAGS} <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_shows_every_command(name):
    assert f"seqcli {name}" in README.read_text("utf-8")


def test_the_number_of_the_readme_is_not_in_the_data_file():
    rows = (README.parent / "examples" / "data" / "pairs.tsv").read_text("utf-8").splitlines()
    asked = re.search(r"seqcli predict runs/pairs-gru-attention (\d+)", README.read_text("utf-8"))
    assert asked
    assert asked[1] not in {row.partition("\t")[0] for row in rows}
