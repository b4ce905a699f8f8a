"""The decoder without attention that reads a summary of the source at every step."""

from __future__ import annotations

import torch
from torch import nn

from seqcli.config import ModelConfig
from seqcli.models.cells import GRUCell
from seqcli.models.decoders import ContextDecoder
from seqcli.models.seq2seq import Encoder

CONFIG = ModelConfig(hidden=4, embedding=3, dropout=0.0, layers=2)


def test_a_context_decoder_is_a_gru_over_tokens_and_context() -> None:
    torch.manual_seed(0)
    decoder = ContextDecoder(CONFIG, 9, GRUCell()).eval()
    context, state = torch.randn(2, 8), torch.randn(2, 2, 4)  # (B, C), (L, B, H)
    tokens = torch.randint(4, 9, (2, 3))

    logits, hidden, _, weights = decoder(tokens, (context,), (state,))

    layer = nn.GRU(3 + 8, 4, num_layers=2, batch_first=True)
    layer.load_state_dict(decoder.rnn.layer.state_dict())  # type: ignore[union-attr]
    contexts = torch.stack([context] * 3, dim=1)  # (B, T, C)
    embedded = decoder.embedding.weight[tokens]  # (B, T, E)
    expected, _ = layer(torch.cat([embedded, contexts], 2), state)  # (B, T, H)
    torch.testing.assert_close(hidden, expected)
    torch.testing.assert_close(logits, decoder.output(torch.cat([expected, contexts, embedded], 2)))
    assert weights is None


def test_every_hypothesis_reads_the_context_of_its_source() -> None:
    torch.manual_seed(0)
    decoder = ContextDecoder(CONFIG, 9, GRUCell()).eval()
    context, state = torch.randn(2, 8), torch.randn(2, 6, 4)  # two sources, three hypotheses each
    tokens = torch.randint(4, 9, (6, 1))
    together = decoder(tokens, (context,), (state,)).logits  # (R, 1, V)
    for row in range(6):
        one = slice(row, row + 1)
        alone = decoder(tokens[one], (context[row // 3, None],), (state[:, one],)).logits
        torch.testing.assert_close(together[one], alone)


def test_the_summary_is_the_last_state_of_both_directions_without_padding() -> None:
    torch.manual_seed(0)
    encoder = Encoder(CONFIG, 9, GRUCell()).eval()
    source = torch.tensor([[4, 5, 6], [7, 8, 0]])
    outputs, last = encoder(source, torch.tensor([3, 2]))  # (B, S, 2 * H)
    summary = encoder.summary(last)  # (B, 2 * H)
    forward = torch.stack([outputs[0, 2, :4], outputs[1, 1, :4]])  # (B, H)
    torch.testing.assert_close(summary, torch.cat([forward, outputs[:, 0, 4:]], 1))
