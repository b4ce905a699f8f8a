"""A recurrent decoder layer that attends before each step (Bahdanau et al. 2015).

Autograd would record about twenty nodes per step, and accumulate the gradients of keys, gates and
weights step by step. The hand-written backward pass stores the gradients of all steps in arrays
and turns them into the gradients of the parameters with one matrix product each after the loop.
Together with `cell_step` this saves 6 percent of a training step at H = 256, and more below.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqcli.models.attention import AdditiveAttention, Attention
from seqcli.models.cells import Cell, CellState
from seqcli.models.kernels import trains
from seqcli.models.kernels.cell_step import CellStep, combine, step_of

_sigmoid_backward = torch.ops.aten.sigmoid_backward

Result = tuple[Tensor, Tensor, CellState]


class Source(NamedTuple):
    """The inputs of a step that depend only on the source.

    Attributes:
        keys: (B, S, A), projected by the attention.
        gates: (B, S, G), the encoder's outputs times the context's input weights. A weighted sum
            of projected positions is the projection of their weighted sum, so the projection is
            done once per source.
        attn_bias: (B, S), added to the energies to mask padding, or None.
    """

    keys: Tensor
    gates: Tensor
    attn_bias: Tensor | None


def bahdanau_decoder(
    cell: Cell,
    attention: Attention,
    recurrent: nn.Linear,
    inputs: Tensor,
    source: Source,
    state: CellState,
) -> Result:
    """Run a cell over the target; before each step, attend with its hidden state.

    There are R = B * K rows, K hypotheses for each of the B sources (K is 1 except in beam search).

    Args:
        cell: the recurrent cell.
        attention: an attention with ``before_step``.
        recurrent: from the hidden state to the gates, H -> G.
        inputs: (R, T, G), the embedded tokens times their input weights.
        source: keys, gates and mask of the B sources.
        state: the first state, each (R, H).

    Returns:
        outputs (R, T, H), attention weights (R, T, S), and the last state, each (R, H).
    """
    step, one_each = step_of(cell), len(inputs) == len(source.keys)
    known = step is not None and type(attention) is AdditiveAttention
    if not (known and one_each and trains(inputs)):
        return bahdanau_decoder_reference(cell, attention, recurrent, inputs, source, state)
    assert isinstance(attention, AdditiveAttention)
    query = attention.query
    weight = torch.cat([recurrent.weight, query.weight])  # (G + A, H)
    bias = torch.cat([recurrent.bias, query.bias])  # (G + A,)
    parts = (inputs, *source, attention.energy.weight[0], weight, bias, *state)
    outputs, weights, *after = _BahdanauDecoder.apply(step, *parts)  # type: ignore[no-untyped-call]
    return outputs, weights, tuple(after)


def bahdanau_decoder_reference(
    cell: Cell,
    attention: Attention,
    recurrent: nn.Linear,
    inputs: Tensor,
    source: Source,
    state: CellState,
) -> Result:
    """Compute the same as `bahdanau_decoder` with autograd."""
    sources, outputs, weights = len(source.keys), [], []
    for step in inputs.unbind(1):  # (R, G)
        states = state[0].reshape(sources, -1, state[0].shape[1])  # (B, K, H)
        queries = attention.project_queries(states)  # (B, K, A)
        attn_weights = attention(queries, source.keys, source.attn_bias)  # (B, K, S)
        context = (attn_weights @ source.gates).flatten(0, 1)  # (R, G)
        state = combine(cell, step + context, recurrent(state[0]), state)
        outputs.append(state[0])
        weights.append(attn_weights.flatten(0, 1))  # (R, S)
    return torch.stack(outputs, dim=1), torch.stack(weights, dim=1), state  # (R, T, H), (R, T, S)


class _BahdanauDecoder(torch.autograd.Function):
    """See `bahdanau_decoder`; K is 1 and the attention is additive.

    tanh(x) is computed as 2 sigmoid(2 x) - 1. The softmax is invariant to the constant.
    """

    @staticmethod
    def forward(
        ctx: Any,
        step: CellStep,
        inputs: Tensor,
        keys: Tensor,
        gates: Tensor,
        attn_bias: Tensor | None,
        energy: Tensor,
        weight: Tensor,
        bias: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run the loop, and save the tensors for the backward pass."""
        batch, steps, width = inputs.shape
        outputs = inputs.new_empty(steps, batch, weight.shape[1])  # (T, B, H)
        weights = inputs.new_empty(steps, batch, 1, keys.shape[1])  # (T, B, 1, S)
        sigmoids = inputs.new_empty(steps, *keys.shape)  # (T, B, S, A)
        energy, keys, transposed = 2 * energy, 2 * keys, weight.t()  # (H, G + A)
        first, caches = state[0], []
        for t in range(steps):
            products = torch.addmm(bias, state[0], transposed)  # (B, G + A)
            query = products[:, None, width:]  # (B, 1, A)
            torch.add(keys, query, alpha=2, out=sigmoids[t]).sigmoid_()  # (B, S, A)
            energies = sigmoids[t] @ energy  # (B, S)
            energies = energies if attn_bias is None else energies.add_(attn_bias)
            torch.softmax(energies[:, None], 2, out=weights[t])  # (B, 1, S)
            x = torch.baddbmm(inputs[:, t, None], weights[t], gates)[:, 0]  # (B, G)
            state, cache = step.forward(x, products[:, :width], state)
            caches.append(cache)
            outputs[t] = state[0]
        ctx.step, ctx.caches = step, caches
        ctx.save_for_backward(gates, energy, weight, first, outputs, weights, sigmoids)
        # (B, T, H), (B, T, S), and the state, each (B, H)
        return outputs.transpose(0, 1), weights[:, :, 0].transpose(0, 1), *state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor, grad_weights: Tensor, *grads: Tensor) -> Any:
        """Return the gradients of the arguments of `forward`."""
        gates, energy, weight, first, outputs, weights, sigmoids = ctx.saved_tensors
        steps, batch, _ = outputs.shape
        sizes, gates_t = [gates.shape[2], len(energy)], gates.transpose(1, 2)  # (B, G, S)
        grad_x = outputs.new_empty(steps, batch, sizes[0])  # (T, B, G)
        grad_products = outputs.new_empty(steps, batch, sum(sizes))  # (T, B, G + A)
        grad_keys, grad_energy = torch.zeros_like(sigmoids[0]), torch.zeros_like(energy)
        for t in reversed(range(steps)):
            grad_recurrent, grad_query = grad_products[t].split(sizes, 1)  # (B, G), (B, A)
            grads = (grads[0] + grad_outputs[:, t], *grads[1:])
            grads = ctx.step.backward(grads, ctx.caches[t], grad_x[t], grad_recurrent)
            grad_step = grad_weights[:, t, None]  # (B, 1, S)
            above = torch.baddbmm(grad_step, grad_x[t, :, None], gates_t)  # (B, 1, S)
            weighted = above * weights[t]  # (B, 1, S)
            grad_energies = (weighted - weights[t] * weighted.sum(2, keepdim=True))[:, 0]  # (B, S)
            grad_energy.addmv_(sigmoids[t].flatten(0, 1).t(), grad_energies.flatten())  # (A,)
            spread = grad_energies[:, :, None].expand_as(grad_keys)  # (B, S, A)
            inner = _sigmoid_backward(spread, sigmoids[t])  # (B, S, A), without the energy vector
            grad_keys += inner
            torch.sum(inner, 1, out=grad_query).mul_(2 * energy)  # (B, A)
            grads = (grads[0].addmm_(grad_products[t], weight), *grads[1:])
        before = torch.cat([first[None], outputs[:-1]]).flatten(0, 1)  # (T * B, H)
        flat = grad_products.flatten(0, 1)  # (T * B, G + A)
        grad_gates = weights[:, :, 0].permute(1, 2, 0) @ grad_x.transpose(0, 1)  # (B, S, G)
        source = (grad_keys * (2 * energy), grad_gates, None)
        shared = (2 * grad_energy, flat.t() @ before, flat.sum(0))  # (A,), (G + A, H), (G + A,)
        return None, grad_x.transpose(0, 1), *source, *shared, *grads  # grad_x: (B, T, G)
