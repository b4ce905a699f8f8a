"""Trackers follow runs: settings, metrics of epochs, scores and status, whatever happens."""

import logging
import sys
from contextlib import ExitStack
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import seqcli
from seqcli import registry
from seqcli.cli import app, shell
from seqcli.errors import DivergedError, StoppedBySignal, UsageError
from seqcli.events import Finished, MemberEvent, MemberFinished, RunFailed, RunStarted
from seqcli.report.trackers import open_trackers, tracked

NAMES = ("trackio", "wandb", "mlflow")


class Recorded:
    """What a fake library was told about one run."""

    def __init__(self, name, group, config):
        self.name, self.group, self.config = name, group or "", dict(config)
        self.steps, self.scores, self.status = [], {}, None

    def log(self, metrics, step=None):
        if step is None:
            self.status, self.scores = metrics.pop("status"), metrics
        else:
            self.steps.append((step, metrics))


def trackio(runs):
    class Run(Recorded):
        def finish(self):
            pass

    def init(project, name, group, config):
        assert project == "seqcli"
        print("on stdout, which belongs to results")
        runs.append(Run(name, group, config))
        return runs[-1]

    return {"init": init}


def wandb(runs):
    class Run(Recorded):
        offline, dir = True, "wandb/offline-run/files"

        def __init__(self, *args):
            super().__init__(*args)
            self.summary = self.scores

        def finish(self, exit_code):
            self.status = self.scores.pop("status")
            assert exit_code == (self.status == "failed")

    def init(project, name, group, config, reinit, settings):
        assert (project, reinit, settings.silent) == ("seqcli", "create_new", True)
        runs.append(Run(name, group, config))
        return runs[-1]

    return {"init": init, "Settings": SimpleNamespace}


def mlflow(runs):
    class Client:
        def get_experiment_by_name(self, name):
            assert name == "seqcli"
            return SimpleNamespace(experiment_id="1") if runs else None

        def create_experiment(self, name):
            return "1"

        def create_run(self, experiment, tags, run_name):
            runs.append(Recorded(run_name, tags.get("group"), {}))
            return SimpleNamespace(info=SimpleNamespace(run_id=len(runs) - 1))

        def log_batch(self, run_id, params=(), metrics=()):
            assert len(params) <= 100
            runs[run_id].config |= dict(params)
            if metrics:
                step = metrics[0][3]
                logged = {key: value for key, value, _, _ in metrics}
                if step:
                    runs[run_id].steps.append((step, logged))
                else:
                    runs[run_id].scores = logged

        def set_terminated(self, run_id, status):
            known = {"FINISHED": "finished", "KILLED": "interrupted", "FAILED": "failed"}
            runs[run_id].status = known[status]

    def entity(*values):
        return values

    entities = SimpleNamespace(Param=entity, Metric=entity)
    uri = {"get_tracking_uri": lambda: "file:mlruns"}
    return {"MlflowClient": Client, "entities": entities, **uri}


@pytest.fixture
def fake(monkeypatch):
    """Return a function that installs a fake library and returns the list of its runs."""

    def install(name):
        runs, module = [], ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update({"trackio": trackio, "wandb": wandb, "mlflow": mlflow}[name](runs))
        monkeypatch.setitem(sys.modules, name, module)
        return runs

    for variable in ("TRACKIO_PROJECT", "WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(variable, raising=False)
    return install


@pytest.fixture
def notes(monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("seqcli"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("seqcli"), "propagate", True)
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{a}{b}\n" for a in "abcd" for b in "efgh"))
    return {"data": str(path), "backend": "numpy", "hidden": 4, "epochs": 2, "threads": 1}


def test_a_training_is_followed_by_all_trackers(fake, notes, data, tmp_path, capsys):
    libraries = [fake(name) for name in NAMES]
    run = seqcli.train(**data, out=tmp_path / "made", track=NAMES)
    for runs in libraries:
        (found,) = runs
        assert (found.name, found.group, found.status) == ("made", "", "finished")
        assert str(found.config["model.hidden"]) == "4"
        assert found.config["data.path"] == data["data"]
        assert [metrics["epoch"] for _, metrics in found.steps] == [1, 2]
        assert [metrics["loss/val"] for _, metrics in found.steps] == run.history["val_loss"]
        assert found.steps[-1][0] == run.finished.updates
        assert found.scores["best/epoch"] == run.finished.best_epoch
        assert found.scores["best/loss/val"] == run.finished.best["val_loss"]
    assert capsys.readouterr().out == ""
    assert [one.partition(":")[0] for one in notes()] == [*NAMES]


def test_a_tracker_that_fails_in_the_middle_does_not_end_training(fake, notes, data, tmp_path):
    runs = fake("wandb")
    sys.modules["wandb"].init(*["seqcli", "x", "", {}, "create_new"], SimpleNamespace(silent=True))

    def fail(*args, **kwargs):
        raise OSError("gone")

    type(runs[0]).log = fail
    assert len(seqcli.train(**data, out=tmp_path / "run", track="wandb").finished.history) == 2
    assert notes() == ["wandb failed and is disabled: OSError: gone"]


STARTED = RunStarted(
    "x", "runs/x", "gru", 10, {"train": 5}, (3, 3), "cpu", 1, 2, 8, settings={"model.cell": "gru"}
)


@pytest.mark.parametrize("name", NAMES)
def test_a_tracker_that_fails_is_dropped_with_one_note(fake, notes, name):
    runs = fake(name)

    def fail(*args, **kwargs):
        raise ConnectionError("no network")

    begin = {"trackio": "init", "wandb": "init", "mlflow": "MlflowClient"}[name]
    setattr(sys.modules[name], begin, fail)
    with open_trackers([name]) as (tracker,):
        tracker.listen(STARTED)
        tracker.listen(STARTED)
    assert (notes(), runs) == ([f"{name} failed and is disabled: ConnectionError: no network"], [])


@pytest.mark.parametrize(
    ("error", "finished", "status"),
    [
        (None, "patience", "finished"),
        (None, "interrupted", "interrupted"),
        (DivergedError("nan"), None, "failed"),
        (StoppedBySignal("stopped", "", 143), None, "interrupted"),
        (StoppedBySignal("stopped", "", 143), "epochs", "finished"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_the_status_tells_how_a_run_ended(fake, notes, name, error, finished, status):
    runs = fake(name)
    with ExitStack() as stack:
        if error:
            stack.enter_context(pytest.raises(type(error)))
        with open_trackers([name]) as (tracker,):
            tracker.listen(STARTED)
            if finished:
                tracker.listen(Finished(1, 1, {"val_loss": 0.5}, finished, 1.0))
            if error:
                raise error
    assert [run.status for run in runs] == [status]


def test_runs_of_a_comparison_are_in_a_group(fake, notes):
    runs, seen = fake("mlflow"), []
    with tracked(["mlflow"], "lengths", lambda *event: seen.append(event)) as watch:
        watch("gru-s0", STARTED)
        watch("lstm-s0", STARTED)
        watch("gru-s0", STARTED)  # restarted
        watch("lstm-s0", RunFailed("no memory", "", 6))
    assert [(run.name, run.group, run.status) for run in runs] == [
        ("gru-s0", "lengths", "failed"),
        ("lstm-s0", "lengths", "failed"),
    ]
    assert len(seen) == 4


def test_every_comparison_of_a_suite_is_a_group(fake, notes, tmp_path, monkeypatch):
    from seqcli import api

    monkeypatch.chdir(tmp_path)
    runs = fake("trackio")
    small = "set: {data.task: copy, data.train: 20, data.val: 10, data.test: 10, train.epochs: 1}"
    two = "comparisons:\n  one: {cells: [rnn]}\n  two: {cells: [gru]}\n"
    (tmp_path / "mine.yaml").write_text(f"all:\n  seeds: 1\n  attention: off\n  {small}\n{two}")
    api.compare_suite("mine.yaml", jobs=1, track="trackio")
    assert [(run.name, run.group, run.status) for run in runs] == [
        ("rnn-s0", "mine/one", "finished"),
        ("gru-s0", "mine/two", "finished"),
    ]


def test_members_of_an_ensemble_are_runs_of_their_own(fake, notes):
    from seqcli.events import EnsembleFinished, EnsembleStarted

    runs = fake("trackio")
    done = MemberFinished("1", 0, 2, 1, "epochs", 1.0)
    with open_trackers(["trackio"]) as (tracker,):
        tracker.listen(EnsembleStarted("runs/two", ("1",), 1, {}))
        tracker.listen(MemberEvent("1", STARTED))
        tracker.listen(MemberEvent("1", Finished(2, 1, {"val_loss": 0.5}, "epochs", 1.0)))
        tracker.listen(MemberEvent("1", done))
        tracker.listen(EnsembleFinished((done,), ({"loss": 0.5}, {"loss": 0.25}), 2.0))
    assert [(run.name, run.group, run.status) for run in runs] == [
        ("two-1", "two", "finished"),
        ("two", "two", "finished"),
    ]
    assert runs[1].scores == {"val/loss": 0.25}


@pytest.mark.parametrize("verb", [seqcli.train, seqcli.compare])
def test_a_missing_library_is_one_line_that_names_the_extra(monkeypatch, tmp_path, verb):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match="--track wandb needs wandb, which is not installed") as e:
        verb(task="copy", track="wandb")
    assert e.value.hint == "python -m pip install 'seqcli[wandb]'"
    assert not (tmp_path / "runs").exists()


def test_an_unknown_tracker_gets_a_suggestion(capsys):
    assert shell.run(app, ["train", "--task", "copy", "--track", "wanddb"]) == 2
    expected = "error: no tracker is called 'wanddb'\nhint: did you mean wandb?\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_library_of_a_tracker_is_an_extra(name):
    library = registry.resolve("tracker", name, registry.TRACKERS).library
    extras = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert f'\n{library} = ["{library}>=' in extras
