"""Dropout, alone or together with the operation next to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqcli.models.kernels.dropout_mask import dropout_scales, dropped_relu


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` (Srivastava et al. 2014)."""

    @property
    def active(self) -> bool:
        """Whether anything is dropped."""
        return self.training and self.p > 0

    def forward(self, input: Tensor) -> Tensor:
        """Zero each element with probability ``p``, scale the others by 1 / (1 - p)."""
        return input * dropout_scales(input, self.p) if self.active else input

    def added(self, base: Tensor, input: Tensor) -> Tensor:
        """Return base + dropout(input)."""
        if not self.active:
            return base + input
        return torch.addcmul(base, input, dropout_scales(input, self.p))

    def relu(self, input: Tensor) -> Tensor:
        """Return dropout(relu(input)); the input may be overwritten."""
        return dropped_relu(input, self.p) if self.active else torch.relu(input)
