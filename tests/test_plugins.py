"""Plugins are found and imported: entry points, modules and files."""

import os
import subprocess
import sys

import pytest

LOAD = "from seqcli.plugins import load_plugins; load_plugins(); load_plugins()"


@pytest.fixture
def load(tmp_path):
    """Return a function that loads plugins in a process; each prints its name."""
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seqcli.plugins]\ntheirs = their_module\n")
    for name in ("their_module", "one", "two"):
        (tmp_path / f"{name}.py").write_text("print(__name__)\n")

    def run(plugins):
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": path, "SEQCLI_PLUGINS": plugins}
        return subprocess.run(
            [sys.executable, "-c", LOAD],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    return run


def test_entry_points_modules_and_files_are_imported_once(load):
    done = load("one, two.py")
    assert (done.stdout.split(), done.stderr) == (["their_module", "one", "two"], "")


def test_a_plugin_that_cannot_be_imported_is_named(load):
    done = load("missing")
    assert "SEQCLI_PLUGINS: cannot import missing: ModuleNotFoundError" in done.stderr
