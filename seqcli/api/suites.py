"""`compare --suite`: run several comparisons, and list published results next to ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from seqcli.api.arguments import checked, in_one_process
from seqcli.api.comparing import Plan, plan, run_on
from seqcli.api.engines import Watch, open_engine
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.suites import PublishedResult, Suite, SuiteResult, load_suite, with_published
from seqcli.report.trackers import tracked
from seqcli.runs import ROOT

Views = Callable[[Plan], AbstractContextManager[Watch[RunResult]]]


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


@in_one_process
@checked
def compare_suite(
    suite: str | Suite,
    *,
    out: str | Path | None = None,
    force: bool = False,
    jobs: int = 0,
    on: str = "",
    view: Views | None = None,
    track: str | Sequence[str] = (),
) -> SuiteResult:
    """Run the comparisons of a suite, and write suite.md with published results next to ours.

    Args:
        suite, out, force: see `plan_suite`.
        jobs, on, track: see `seqcli.compare`. A tracker gets one group for each comparison.
        view: returns a context manager for a plan, which gives the ``watch`` of `compare`.
    """
    from seqcli.report.comparison_files import write_suite

    one = load_suite(suite) if isinstance(suite, str) else suite
    comparisons, rows = [], list[PublishedResult]()
    plans = plan_suite(one, out=out, force=force)
    with open_engine(jobs, on) as engine:
        for entry, made in zip(one.entries, plans, strict=True):
            shown = view(made) if view else nullcontext()
            with shown as watch, tracked(track, f"{one.name}/{entry.name}", watch) as notify:
                comparisons.append(run_on(engine, made, notify))
            rows += with_published(entry, comparisons[-1])
    folder = _folder(one, out)
    result = SuiteResult(one.name, one.about, str(folder), tuple(comparisons), tuple(rows))
    write_suite(result)
    return result


def _folder(suite: Suite, out: str | Path | None) -> Path:
    return ROOT / f"suite-{suite.name}" if out is None else Path(out)
