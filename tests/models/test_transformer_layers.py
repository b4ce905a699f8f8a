"""The parts of a Transformer layer that can be compared with PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from seqcli.models.transformer_layers import Convolution

REAL = [5, 2, 4]  # tokens in each row of inputs (3, 5, H)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_convolution_is_that_of_pytorch_with_zeros_around_the_tokens(size: int) -> None:
    torch.manual_seed(0)
    convolution = Convolution(4, size)
    x = torch.randn(3, 5, 4)
    inside = torch.arange(5)[None, :, None] < torch.tensor(REAL)[:, None, None]  # (3, 5, 1)

    outputs = convolution(x, inside)  # (3, 5, 4)

    weight = convolution.linear.weight.view(4, size, 4).transpose(1, 2)  # (H, H, k)
    for row, real in enumerate(REAL):
        tokens = x[row, :real].t()[None]  # (1, H, tokens)
        expected = F.conv1d(tokens, weight, convolution.linear.bias, padding=size // 2).relu()
        torch.testing.assert_close(outputs[row, :real], expected[0].t())


def test_without_padding_no_mask_is_needed() -> None:
    convolution, x = Convolution(4, 3), torch.randn(2, 5, 4)
    torch.testing.assert_close(convolution(x, None), convolution(x, torch.ones(2, 5, 1) > 0))
