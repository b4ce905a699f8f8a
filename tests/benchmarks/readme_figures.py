"""Measure the figures of README and guides again, and compare: examples/guides/figures.yaml.

    python tests/benchmarks/readme_figures.py                      # all of them
    python tests/benchmarks/readme_figures.py sort-lstm            # one entry
    python tests/benchmarks/readme_figures.py 'reverse-*' --update # some; write what is measured

Each entry runs in an empty folder, once for each seed. One JSON line a figure says whether it is
``ok``, ``differs``, ``new`` (nothing is recorded yet) or ``failed``. The exit code is 1 if any
differs or failed. ``--update`` writes value, sd, interval, date and machine into the file; the text
of the pages stays for a person to change.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import measure
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "guides" / "figures.yaml"
PAGES = (ROOT / "README.md", *sorted((ROOT / "examples" / "guides").glob("*.md")))
SECONDS = "seconds"  # the metric that is the time of all commands of an entry
HEADER = """\
# The measured figures of README and guides: where each comes from, and how it is measured again.
#   python tests/benchmarks/readme_figures.py [ID] [--update]
# seeds: the commands run once for each, with the seed for {seed}; {examples}: the presets.
# metric: the path in the JSON that the last command prints ({seconds}: the time of all commands).
# text: the figure is the last number of it; a page contains it word for word.
# value: the mean over seeds; sd over seeds; interval: 95%, by eval, where there is one seed.
# unchecked: headings whose tables have figures without an entry here.
""".replace("{seconds}", SECONDS)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?: ± \d+(?:\.\d+)?)?%?")


@dataclass(frozen=True)
class Outcome:
    """What the commands of an entry came to, for one seed."""

    document: Any
    seconds: float


def figures_of(
    entries: Sequence[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield every figure with its entry."""
    for entry in entries:
        for figure in entry["figures"]:
            yield entry, figure


def found_at(document: Any, path: str) -> float:
    """Return the number at a dotted path.

    A part of the path is a key, a place in a list, or the name of an arm in a list of arms.
    """
    for part in path.split("."):
        if isinstance(document, list):
            named = [one for one in document if isinstance(one, dict) and one.get("arm") == part]
            document = named[0] if named else document[int(part)]
        else:
            document = document[part]
    if isinstance(document, bool) or not isinstance(document, int | float):
        raise ValueError(f"{path} is no number but {document!r}")
    return float(document)


def run_entry(entry: dict[str, Any], seed: int, folder: Path) -> Outcome:
    """Run the commands of an entry; return the JSON that the last one printed."""
    began, printed = time.monotonic(), ""
    for command in entry["commands"]:
        text = command.replace("{seed}", str(seed)).replace("{examples}", str(ROOT / "examples"))
        words = shlex.split(text)
        measure.say(f"{entry['id']}, seed {seed}: {text}")
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        printed = done.stdout
    return Outcome(json.loads(printed), time.monotonic() - began)


def measured(figure: dict[str, Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return value, sd over seeds and interval of a figure."""
    metric = figure["metric"]
    values = [
        one.seconds if metric == SECONDS else found_at(one.document, metric) for one in outcomes
    ]
    found: dict[str, Any] = {"value": round(fmean(values), 6)}
    if len(values) > 1:
        found["sd"] = round(stdev(values), 6)
    elif metric.startswith("metrics."):
        interval = outcomes[0].document.get("intervals", {}).get(metric.removeprefix("metrics."))
        if interval:
            found["interval"] = [round(float(end), 6) for end in interval]
    return found


def verdict(figure: dict[str, Any], found: dict[str, Any]) -> str:
    """Return ok, differs or new."""
    if figure.get("value") is None:
        return "new"
    return "ok" if abs(figure["value"] - found["value"]) <= figure["tolerance"] else "differs"


def check_entry(entry: dict[str, Any], update: bool) -> list[dict[str, Any]]:
    """Run an entry for each seed and judge its figures; with ``update`` record what is measured."""
    try:
        outcomes = []
        for seed in entry["seeds"]:
            with tempfile.TemporaryDirectory(prefix="figures-") as folder:
                outcomes.append(run_entry(entry, seed, Path(folder)))
        found = [measured(figure, outcomes) for figure in entry["figures"]]
    except (subprocess.CalledProcessError, ValueError, KeyError, IndexError) as error:
        return [{"id": entry["id"], "result": "failed", "why": f"{type(error).__name__}: {error}"}]
    lines = [
        {
            "id": entry["id"],
            "result": verdict(figure, one),
            "metric": figure["metric"],
            "text": figure.get("text"),
            "recorded": figure.get("value"),
            "measured": one,
        }
        for figure, one in zip(entry["figures"], found, strict=True)
    ]
    if update:
        for figure, one in zip(entry["figures"], found, strict=True):
            for key in ("value", "sd", "interval"):
                figure.pop(key, None)
            figure.update(one)
        entry["date"] = datetime.now(timezone.utc).date().isoformat()
        entry["machine"] = _machine()
    return lines


def _machine() -> str:
    import torch

    about = measure.machine()
    return f"{about['processor']}, {about['cores']} cores, torch {torch.__version__}"


def covered(line: str, texts: Sequence[str]) -> list[str]:
    """Return the figures of a row of a table that no entry stands for.

    Figures are the numbers of all cells but the first, without what is in parentheses. A text
    stands for its last number.
    """
    ends = set()
    for text in texts:
        *_, last = _NUMBER.finditer(text)
        start = line.find(text)
        while start >= 0:
            ends.add(start + last.start())
            start = line.find(text, start + 1)
    plain = re.sub(r"\([^)]*\)", lambda found: " " * len(found[0]), line)
    cells = plain.find("|", plain.find("|") + 1)
    return [one[0] for one in _NUMBER.finditer(plain, cells) if one.start() not in ends]


def result_rows(text: str) -> Iterator[tuple[str, str]]:
    """Yield (heading, line) for the rows of every table below `RESULTS`, headers left out."""
    heading, inside, before = "", False, ""
    for line in text.splitlines():
        if line.startswith("#"):
            level, _, heading = line.partition(" ")
            inside = heading == "What to expect" or (inside and len(level) > 2)
        is_row = line.startswith("|") and before.startswith("|") and not line.startswith("| ---")
        if inside and is_row:
            yield heading, line
        before = line


def pages() -> str:
    """Return the text of README and guides."""
    return "\n".join(page.read_text("utf-8") for page in PAGES)


def load() -> dict[str, Any]:
    """Return examples/guides/figures.yaml."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return found


def main() -> int:
    """Check the chosen entries; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ids", nargs="*", help="ids, * for any letters; all by default")
    parser.add_argument("--update", action="store_true", help="write what is measured")
    asked = parser.parse_args()
    document = load()
    chosen = [
        entry
        for entry in document["entries"]
        if not asked.ids or any(fnmatchcase(entry["id"], name) for name in asked.ids)
    ]
    results = []
    for entry in chosen:
        for line in check_entry(entry, asked.update):
            print(json.dumps(line), flush=True)
            results.append(line["result"])
        if asked.update:
            text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
            FILE.write_text(HEADER + text, "utf-8")
    return 1 if not results or {"differs", "failed"} & set(results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
