"""Trained models: a verified checkpoint, and a backend to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqcli.api.arguments import checked
from seqcli.api.checkpoint_config import OpenedCheckpoint
from seqcli.api.members import (
    AUTO,
    BackendChoice,
    Ckpt,
    OpenedMembers,
    id_maps,
    open_members,
    with_ids,
)
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import SamplingConfig
from seqcli.data.batches import padded_batch
from seqcli.data.corpus import SPLITS, Codec, Pairs, known
from seqcli.data.files.rows import length_problem
from seqcli.decoding import inference
from seqcli.decoding.inference import Backend
from seqcli.decoding.loop import Hypothesis
from seqcli.decoding.search import Search
from seqcli.errors import UsageError
from seqcli.files.system import keep_freed_memory
from seqcli.results import AttentionMap

if TYPE_CHECKING:
    from torch import nn

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
BATCH = 512  # rows per batch
GREEDY = Search()


class TrainedModel:
    """A trained model, ready to score and to decode; see `open_model`.

    An ensemble has the tokenization, the data and the search settings of its first member.

    Args:
        opened: the checkpoint of the model, or those of an ensemble.
        choice: chooses the backend by the amount of work.
    """

    def __init__(self, opened: OpenedMembers, choice: BackendChoice) -> None:
        self.members, self.name, self.opened = opened.members, opened.name, opened.first
        self.checkpoint, self.config = opened.first.checkpoint, opened.first.config
        self.limits, self._choice = opened.limits, choice

    @property
    def codec(self) -> Codec:
        """The tokenization and vocabularies of the model."""
        return self.checkpoint.codec

    @property
    def member_paths(self) -> tuple[str, ...]:
        """The checkpoint files of an ensemble; none for a single model."""
        return tuple(str(one.path) for one in self.members) if len(self.members) > 1 else ()

    @property
    def module(self) -> nn.Module:
        """The PyTorch model, or ensemble, which computes everything from then on."""
        from torch import nn

        model = self._choice.named("torch").model
        assert isinstance(model, nn.Module)
        return model

    def backend(self, tokens: int) -> Backend:
        """Return the backend to compute ``tokens`` more tokens with."""
        return self._choice.for_tokens(tokens)

    def backend_name(self, tokens: int) -> str:
        """Return the name of the backend that would compute ``tokens`` more tokens."""
        return self._choice.name_for(tokens)

    def search(
        self, beam: int | None = None, length_penalty: float | None = None, nbest: int = 1
    ) -> Search:
        """Return the search settings of the run, with the arguments that are not None replaced."""
        own = self.config.decode
        return Search(
            max(own.beam if beam is None else beam, nbest),
            own.length_penalty if length_penalty is None else length_penalty,
            nbest,
        )

    def log_likelihoods(self, pairs: Pairs, batch_size: int = BATCH) -> Floats:
        """Return the log-probability (N,) of each target in nats, including EOS."""
        sources = 0 if pairs.sources is None else len(pairs.sources.tokens)
        tokens = sources + len(pairs.targets.tokens) + len(pairs)
        return -inference.row_nats(self.backend(tokens), pairs, batch_size)

    def _tokens_to_decode(self, sources: Ragged, search: Search = GREEDY) -> int:
        """Estimate the number of tokens to decode, assuming targets of maximum length."""
        target = 1 if self.limits.labels else self.limits.target + 1
        return len(sources.tokens) + len(sources) * target * search.beam


class PairModel(TrainedModel):
    """A sequence-to-sequence model: it predicts a target for a source."""

    def decode(
        self, sources: Ragged, search: Search, batch_size: int = BATCH
    ) -> list[list[Hypothesis]]:
        """Return the predictions for each source, best first; none for an empty source."""
        backend = self.backend(self._tokens_to_decode(sources, search))
        return inference.decode_sources(backend, sources, self.limits, search, batch_size)

    def predictions(
        self, pairs: Pairs, search: Search, batch_size: int = BATCH, oracle_length: bool = False
    ) -> tuple[Ragged, Flags]:
        """Return the best prediction for each row, and whether it is truncated (N,).

        With ``oracle_length`` a prediction has the length of its target.
        """
        assert pairs.sources is not None
        backend = self.backend(self._tokens_to_decode(pairs.sources, search))
        return inference.predictions(
            backend, pairs, self.limits, search, batch_size, oracle_length=oracle_length
        )

    def sample(
        self,
        sources: Ragged,
        settings: SamplingConfig,
        random: np.random.Generator,
        max_length: int | None = None,
    ) -> list[Hypothesis]:
        """Sample a target for each source."""
        pairs = Pairs(Ragged.from_rows([[]] * len(sources)), sources)
        batch = padded_batch(pairs, np.arange(len(sources)))
        backend = self.backend(self._tokens_to_decode(sources))
        return inference.sample_batch(backend, batch, self.limits, settings, random, max_length)

    def attention(
        self, source: Sequence[int], prediction: Sequence[int]
    ) -> NDArray[np.floating] | None:
        """Return the attention weights (T + 1, S) of a prediction and EOS, or None."""
        backend = self.backend(len(source) + len(prediction) + 1)
        return inference.attention_map(backend, source, prediction)

    def attention_of(self, source: str, target: str) -> AttentionMap:
        """Return the attention weights of a target over a source, given as texts.

        Raises:
            UsageError: the model has no attention, or a text has no tokens or unknown tokens.
        """
        codec = self.codec
        assert codec.source is not None
        tokens, truth = codec.tokenize_source(source), codec.tokenize_target(target)
        unknown = [*codec.source.unknown(tokens), *codec.target.unknown(truth)]
        if unknown or not tokens:
            listed = " ".join(map(repr, unknown)) or "the source is empty"
            message = f"{self.name}: no attention for these texts: unknown tokens: {listed}"
            raise UsageError(message, "give texts of tokens that the model was trained with")
        weights = self.attention(codec.source.encode(tokens), codec.target.encode(truth))
        if weights is None:
            raise no_attention(self.name)
        return AttentionMap(tuple(tokens), tuple(truth), weights)

    def token_probabilities(
        self, sources: Ragged, hypotheses: Sequence[Sequence[Hypothesis]], batch_size: int = BATCH
    ) -> list[list[list[float]]]:
        """Return the probabilities of the tokens of each hypothesis of each source, and of EOS."""
        rows = [(len(sources[row]), one) for row, some in enumerate(hypotheses) for one in some]
        backend = self.backend(sum(length + len(one.ids) + 1 for length, one in rows))
        return inference.token_probabilities(backend, sources, hypotheses, batch_size)

    @property
    def has_attention(self) -> bool:
        """Whether the model has attention weights; an ensemble has the mean of its members'."""
        models = [one.config.model for one in self.members]
        return all(one.cell == "transformer" or one.attention != "none" for one in models)

    def length_problem(self, tokens: Sequence[str]) -> str:
        """Describe why a source is too long to decode; "" if it is not.

        The maximum is ``data.max_length``, or the longest training source if that is longer.
        Learned positions may allow less.
        """
        longest = max(self.config.data.max_length, self.limits.source)
        problem = length_problem(tokens, "line", longest)
        if problem or all(self._has_positions(one, len(tokens)) for one in self.members):
            return problem
        return f"the line has {len(tokens):,} tokens, more than the model has learned positions for"

    def _has_positions(self, member: OpenedCheckpoint, source: int) -> bool:
        """Return whether a model has positions for a source of a length and its prediction."""
        model = member.config.model
        if model.cell != "transformer" or model.positions != "learned":
            return True
        last = self.limits.prediction(source) + 1 + source * model.continue_positions
        return max(source, last) <= member.limits.positions


class LanguageModel(TrainedModel):
    """A language model. Its texts are ids without BOS and EOS."""

    def decode(self, search: Search, prefix: Sequence[int], max_length: int) -> Ragged:
        """Return the most likely texts that begin with a prefix, best first.

        Args:
            search: the search settings.
            prefix: P ids.
            max_length: maximum length of a text, including the prefix.
        """
        backend = self.backend(max_length * search.beam)
        hypotheses = inference.decode_texts(backend, prefix, max_length - len(prefix), search)
        return Ragged.from_rows([[*prefix, *one.ids] for one in hypotheses])

    def sample(
        self,
        count: int,
        settings: SamplingConfig,
        random: np.random.Generator,
        prefix: Sequence[int],
        max_length: int,
    ) -> Ragged:
        """Sample texts that begin with a prefix, and truncate them at ``max_length``."""
        backend = self.backend(count * min(max_length, self.limits.target + 1))
        limit = max_length - len(prefix)
        drawn = inference.sample_texts(backend, count, prefix, limit, settings, random)
        return Ragged.from_rows([[*prefix, *row] for row in drawn])

    def next_token(self, prefix: Sequence[int], settings: SamplingConfig) -> Floats:
        """Return the distribution (V,) of the token after a prefix."""
        return inference.next_token(self.backend(len(prefix) + 1), prefix, settings)

    def in_split(self, texts: Ragged, split: str) -> Flags:
        """Return a mask (N,) of the texts that are in a split of the training data."""
        flags: Flags = np.zeros(len(texts), np.bool_)
        for member in self.members:
            own = with_ids(texts, id_maps(self.codec, member.checkpoint.codec)[1])
            rows = (member.checkpoint.record.fingerprints or {}).get(split, ())
            flags |= known(own, np.asarray(rows, np.int64))
        return flags

    def in_training_data(self, texts: Ragged) -> Flags:
        """Return a mask (N,) of the texts that are in any split of the training data."""
        flags: Flags = np.logical_or.reduce([self.in_split(texts, split) for split in SPLITS])
        return flags

    def encode_prefix(self, prefix: str) -> list[int]:
        """Return the ids of a prefix.

        Raises:
            UsageError: the prefix has tokens that are not in the vocabulary.
        """
        vocabulary, tokens = self.codec.target, self.codec.tokenize_target(prefix)
        unknown = vocabulary.unknown(tokens)
        if unknown:
            listed = " ".join(map(repr, unknown))
            message = (
                f"the prefix has tokens that are not in the vocabulary of {self.name}: {listed}"
            )
            raise UsageError(message, f"the vocabulary is {_listed(vocabulary.tokens)}")
        return vocabulary.encode(tokens)


@checked
def open_model(
    ckpt: Ckpt | TrainedModel,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> PairModel | LanguageModel:
    """Open a trained model or an ensemble; read and verify every checkpoint.

    Args:
        ckpt: a run folder (its best checkpoint), a checkpoint file or a pattern; several of them
            are an ensemble, whose probabilities are the mean of its members' at every step. An
            open model is returned unchanged.
        backend: torch, numpy, or auto (the default): see `seqcli.api.members`.
        device: auto, cpu, cuda or mps; by default that of the training, if it is available.
        threads: CPU threads; by default those of the training for PyTorch, and 1 for NumPy.

    Raises:
        CheckpointError: the checkpoint is missing, damaged or not a seqcli checkpoint.
        UsageError: the backend or the device does not exist, or the members of an ensemble do not
            fit together.
    """
    if isinstance(ckpt, PairModel | LanguageModel):
        return ckpt
    assert not isinstance(ckpt, TrainedModel)
    keep_freed_memory()
    return model_of(open_members(ckpt), backend, device, threads)


def model_of(
    opened: OpenedMembers,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> PairModel | LanguageModel:
    """Return the model of opened checkpoints; see `open_model`."""
    choice = BackendChoice(opened, backend or AUTO, device, threads)
    if opened.first.checkpoint.codec.source is None:
        return LanguageModel(opened, choice)
    return PairModel(opened, choice)


def no_attention(name: str) -> UsageError:
    """Return the error of a model without attention."""
    hint = "train one with --attention, or a Transformer"
    return UsageError(f"{name}: this model has no attention to show", hint)


def _listed(tokens: Sequence[str], most: int = 60) -> str:
    more = f" and {len(tokens) - most} more" if len(tokens) > most else ""
    return " ".join(repr(one) if one.isspace() else one for one in tokens[:most]) + more
