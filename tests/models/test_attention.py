"""Attention of a recurrent decoder: what is weighted, and what is masked."""

from __future__ import annotations

import pytest
import torch

from seqcli.config import ModelConfig
from seqcli.models.attention import (
    MASKED,
    DotAttention,
    GeneralAttention,
    attention_bias,
    token_mask,
)
from seqcli.models.cells import RNNCell
from seqcli.models.decoders import LuongDecoder


@pytest.mark.parametrize("directions", [1, 2])
def test_the_context_of_general_attention_averages_the_encoder_states(directions: int) -> None:
    """Luong et al. 2015, section 3.1: W only takes part in the energies."""
    torch.manual_seed(0)
    attention = GeneralAttention(4, directions)
    torch.nn.init.zeros_(attention.key.weight)  # equal energies
    decoder = LuongDecoder(ModelConfig(hidden=4, embedding=3), 7, RNNCell(), attention).eval()
    contexts = []
    decoder.combine.register_forward_pre_hook(lambda _, given: contexts.append(given[0][..., 4:]))
    outputs = torch.randn(2, 5, 4 * directions)
    decoder(
        torch.tensor([[1, 4], [1, 5]]),
        decoder.prepare(outputs, None, outputs[:, 0]),
        (torch.zeros(1, 2, 4),),
    )
    mean = outputs.view(2, 5, directions, 4).sum(2).mean(1)  # (B, H)
    torch.testing.assert_close(contexts[0], mean[:, None].expand(2, 2, 4))


def test_the_keys_of_dot_attention_are_its_values() -> None:
    attention, outputs = DotAttention(4, 2), torch.randn(2, 5, 8)
    assert torch.equal(attention.project_keys(outputs), attention.values(outputs))


def test_a_mask_is_true_at_tokens_and_its_bias_hides_the_rest() -> None:
    lengths, cpu = torch.tensor([3, 1]), torch.device("cpu")
    mask = token_mask(lengths, 3, cpu)
    assert mask is not None
    assert mask.tolist() == [[True, True, True], [True, False, False]]
    bias = attention_bias(mask, torch.zeros(1))
    assert bias is not None
    assert bias.tolist() == [[0.0, 0.0, 0.0], [0.0, MASKED, MASKED]]
    assert token_mask(torch.tensor([3, 3]), 3, cpu) is None
