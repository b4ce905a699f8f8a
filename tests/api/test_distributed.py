"""What the processes of torchrun do besides training: the main one, and those that help it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import seqcli
from seqcli import api
from seqcli.api.distributed import on_all_processes
from seqcli.errors import Exit, StoppedBySignal, UsageError
from seqcli.training.processes import Place, Processes

TORCHRUN = {
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


class Recorded(Processes):
    """Processes of which one is real: it is told, or tells, these values."""

    def __init__(self, rank: int, values: list[object]) -> None:
        super().__init__(Place(rank, 2, rank, 2))
        self.values = values

    def broadcast(self, value):
        if self.is_main:
            self.values.append(value)
            return value
        return self.values.pop(0)


@pytest.fixture
def as_rank(monkeypatch: pytest.MonkeyPatch):
    """Make this process one of two, without the other."""

    def become(rank: int, values: list[object]) -> None:
        @contextmanager
        def joined() -> Iterator[Processes]:
            yield Recorded(rank, values)

        for name, value in {**TORCHRUN, "RANK": str(rank)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("seqcli.api.distributed.joined", joined)

    return become


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"task": "reverse", "ensemble": 2}, "2 processes, but --ensemble"),
        ({"task": "names", "backend": "numpy"}, "2 processes, but --backend numpy"),
    ],
)
def test_what_one_process_does_is_refused(as_rank, flags, message, tmp_path: Path) -> None:
    as_rank(0, [])
    with pytest.raises(UsageError, match=message):
        seqcli.train(**flags, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


READS_ONLY = (
    *("evaluate", "info", "json_schema", "list_runs", "load", "next_tokens", "open_model"),
    *("open_predictor", "plan", "plan_search", "plan_suite", "predict", "read_data", "rescore"),
    *("sample", "suspects", "task", "tasks", "examples"),
)


@pytest.mark.parametrize("rank", [0, 1])
def test_only_training_and_reading_work_in_several_processes(as_rank, rank) -> None:
    as_rank(rank, [])
    functions = {name for name in api.__all__ if callable(getattr(api, name)) and name.islower()}
    registers = {name for name in functions if name.startswith("register_")}
    for name in sorted(functions - registers - {"train", *READS_ONLY}):
        with pytest.raises(UsageError, match=f"2 processes, but {name} runs in one"):
            getattr(api, name)()


def test_the_others_return_the_result_of_the_main_process(as_rank) -> None:
    sent: list[object] = []
    as_rank(0, sent)
    assert on_all_processes(lambda: "run")() == "run"
    as_rank(1, sent)
    assert (
        on_all_processes(lambda: pytest.fail("only the main process reads and writes"))() == "run"
    )
    assert not sent


def test_the_others_stop_with_the_exit_code_of_the_main_process(as_rank) -> None:
    def stopped() -> None:
        raise StoppedBySignal("stopped by SIGTERM; saved", "resume it", Exit.SIGTERM)

    sent: list[object] = []
    for rank in (0, 1):
        as_rank(rank, sent)
        with pytest.raises(StoppedBySignal) as caught:
            on_all_processes(stopped)()
        assert caught.value.exit_code == Exit.SIGTERM
