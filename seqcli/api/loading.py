"""`load`: a trained model as an object, for programs and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seqcli import runs
from seqcli.api.finished_run import Run
from seqcli.api.members import Ckpt, OpenedMembers
from seqcli.api.model_info import info_of
from seqcli.api.predicting import next_tokens, predict
from seqcli.api.sampling import sample
from seqcli.api.trained_model import LanguageModel, PairModel, model_of, open_model
from seqcli.data.corpus import Codec
from seqcli.descriptions import CheckpointInfo
from seqcli.errors import CheckpointError, UsageError
from seqcli.results import AttentionMap, Evaluation, NextToken, Prediction, Samples
from seqcli.runs.metrics_log import history_columns, read_history

if TYPE_CHECKING:
    from torch import nn

    from seqcli.config import Config
    from seqcli.report.plots import Figure

Compute: TypeAlias = tuple[str | None, str | None, int | None]  # backend, device, threads


def load(
    run: Ckpt | Run,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> LoadedModel:
    """Load a trained model or an ensemble.

    Args:
        run: a run folder (its best checkpoint), a checkpoint file, a pattern, or the result of
            `train`; several of them are an ensemble.
        backend: torch, numpy, or auto (the default): NumPy for small amounts of work on the CPU,
            PyTorch for more.
        device: auto, cpu, cuda or mps; by default that of the training, if it is available.
        threads: CPU threads; by default those of the training for PyTorch, and 1 for NumPy.

    Raises:
        CheckpointError: the checkpoint is missing, damaged or not a seqcli checkpoint.
        UsageError: the backend or the device does not exist, or the members of an ensemble do not
            fit together.
    """
    ckpt = run.path if isinstance(run, Run) else run
    return LoadedModel(open_model(ckpt, backend, device, threads), (backend, device, threads))


class LoadedModel:
    """A trained model: of pairs, or of texts (a language model). An ensemble is one model.

    Args:
        model: the open model; see `load`.
        compute: backend, device and threads, for the members of an ensemble.
    """

    def __init__(self, model: PairModel | LanguageModel, compute: Compute) -> None:
        self._model, self._compute = model, compute

    def __repr__(self) -> str:
        return f"LoadedModel({self.name!r}: {self.info.model}; {self.info.parameters:,} parameters)"

    @property
    def name(self) -> str:
        """The run folder or checkpoint file that the model was loaded from."""
        return self._model.name

    @property
    def config(self) -> Config:
        """The configuration; of an ensemble, that of its first member."""
        return self._model.config

    @property
    def codec(self) -> Codec:
        """The tokenization and the vocabularies."""
        return self._model.codec

    @cached_property
    def info(self) -> CheckpointInfo:
        """The description that ``seqcli info`` shows."""
        return info_of(OpenedMembers(self.name, self._model.members), (self.name,))

    @cached_property
    def members(self) -> tuple[LoadedModel, ...]:
        """The members of an ensemble; none for a single model."""
        several = self._model.members if len(self._model.members) > 1 else ()
        opened = (OpenedMembers(str(one.path), (one,)) for one in several)
        compute = self._compute
        return tuple(LoadedModel(model_of(one, *compute), compute) for one in opened)

    @property
    def module(self) -> nn.Module:
        """The PyTorch module, in evaluation mode, on its device.

        From then on PyTorch computes the predictions with this module: changes of its weights
        take effect.

        Raises:
            UsageError: the model is an ensemble.
        """
        if self.members:
            raise UsageError("an ensemble has no module of its own", "see those of its members")
        return self._model.module

    @property
    def history(self) -> dict[str, list[float | None]]:
        """The metrics of all epochs by name, as pandas and polars take them.

        ``epoch`` counts from 1; None where an epoch has no value. Empty if the checkpoint is not
        in its run folder, and for an ensemble: see its `members`.
        """
        return history_columns(self._rows())

    def plot(self) -> Figure:
        """Return the learning curves as a matplotlib figure.

        Raises:
            UsageError: there is no history.
        """
        from seqcli.report.plots import curves_figure, drawing
        from seqcli.runs.fit_diagnosis import diagnose_fit

        rows = self._rows()
        if not rows:
            raise UsageError(f"{self.name}: no history of epochs", "load the run folder")
        with drawing():
            return curves_figure(rows, Path(self.name).name, diagnose_fit(rows))

    def _rows(self) -> Sequence[dict[str, float]]:
        if len(self._model.members) > 1:
            return ()
        try:
            return read_history(runs.find_run(self._model.members[0].path).metrics)
        except CheckpointError:  # a checkpoint outside of a run folder
            return ()

    def predict(
        self,
        lines: str | Iterable[str],
        *,
        beam: int | None = None,
        nbest: int = 1,
        length_penalty: float | None = None,
        attention: bool = False,
        token_probs: bool = False,
    ) -> list[Prediction]:
        """Predict the target of each line; a single text is one line. See `seqcli.predict`."""
        predictions = predict(
            self._model,
            lines,
            beam=beam,
            nbest=nbest,
            length_penalty=length_penalty,
            attention=attention,
            token_probs=token_probs,
        )
        return list(predictions)

    def attention(self, source: str, target: str | None = None) -> AttentionMap:
        """Return the attention weights (T + 1, S) of a target over a source.

        Args:
            source: the source as text.
            target: the target as text; by default the prediction of the model.

        Raises:
            UsageError: the model has no attention, or a text has no tokens or unknown tokens.
        """
        if not isinstance(self._model, PairModel):
            hint = "attention weights are those of a target over a source"
            raise UsageError(f"{self.name} is a language model", hint)
        if target is not None:
            return self._model.attention_of(source, target)
        (prediction,) = self.predict(source, attention=True)
        if prediction.attention is None:
            problem = prediction.problem or "it has no tokens"
            raise UsageError(f"no prediction for {source!r}: {problem}", "give another source")
        return prediction.attention

    def sample(self, n: int | None = None, **options: Any) -> Samples:
        """Sample texts, or targets for ``lines``; options as in `seqcli.sample`."""
        return sample(self._model, n, **options)

    def next_tokens(self, prefix: str = "", **options: Any) -> tuple[NextToken, ...]:
        """Return the possible next tokens of a text; options as in `seqcli.next_tokens`."""
        return next_tokens(self._model, prefix=prefix, **options)

    def evaluate(self, **options: Any) -> Evaluation:
        """Score the model; options as in `seqcli.evaluate`."""
        from seqcli.api.evaluating import evaluate

        return evaluate(self._model, **options)
