"""`compare --suite`: run several comparisons, and list published results next to ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from seqcli.api.arguments import checked
from seqcli.api.comparing import Plan, plan, run_plan
from seqcli.api.job_pool import Watch
from seqcli.comparison.suites import PublishedResult, Suite, SuiteResult, load_suite, with_published
from seqcli.runs import ROOT

Views = Callable[[Plan], AbstractContextManager[Watch]]


@checked
def plan_suite(
    suite: str | Suite, *, out: str | Path | None = None, force: bool = False
) -> list[Plan]:
    """Plan the comparisons of a suite, each in a separate folder.

    Args:
        suite: the name of a built-in suite, a file, or a suite.
        out: the folder of the suite; ``runs/suite-<name>`` by default.
        force: replace existing runs.

    Raises:
        UsageError: the suite does not exist, or one of its comparisons is invalid.
    """
    one = load_suite(suite) if isinstance(suite, str) else suite
    folder = _folder(one, out)
    return [
        plan(**entry.options, name=entry.name, out=folder / entry.name, force=force)
        for entry in one.entries
    ]


@checked
def compare_suite(
    suite: str | Suite,
    *,
    out: str | Path | None = None,
    force: bool = False,
    jobs: int = 0,
    view: Views | None = None,
) -> SuiteResult:
    """Run the comparisons of a suite, and write suite.md with published results next to ours.

    Args:
        suite, out, force: see `plan_suite`.
        jobs: runs at a time.
        view: returns a context manager for a plan, which gives the ``watch`` of `compare`.
    """
    from seqcli.report.comparison_files import write_suite

    one = load_suite(suite) if isinstance(suite, str) else suite
    comparisons, rows = [], list[PublishedResult]()
    for entry, made in zip(one.entries, plan_suite(one, out=out, force=force), strict=True):
        with view(made) if view else nullcontext() as watch:
            comparisons.append(run_plan(made, jobs=jobs, watch=watch))
        rows += with_published(entry, comparisons[-1])
    folder = _folder(one, out)
    result = SuiteResult(one.name, one.about, str(folder), tuple(comparisons), tuple(rows))
    write_suite(result)
    return result


def _folder(suite: Suite, out: str | Path | None) -> Path:
    return ROOT / f"suite-{suite.name}" if out is None else Path(out)
