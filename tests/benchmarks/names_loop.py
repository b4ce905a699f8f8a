"""The plain way to train a model of names, as small teaching programs do it; written afresh.

A data set that encodes one name at a time and a loader that piles 32 of them up, all padded to the
longest name there is; cells that go over the characters in Python; attention as plain products.
The sizes are makemore's (github.com/karpathy/makemore), its parameters are matched to the last one.

Started by `language_speed.py`: ``python names_loop.py NAMES.txt gru``.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler

WIDTH, BATCH, LAYERS, HEADS = 64, 32, 4, 4
IGNORED = -1
TOLD_EVERY = 10


class Names(Dataset[tuple[Tensor, Tensor]]):
    """Names as ids: 0 begins and ends, letters count from 1."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.letters = {letter: i + 1 for i, letter in enumerate(sorted(set("".join(names))))}
        self.symbols = len(self.letters) + 1
        self.longest = max(map(len, names)) + 1

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return what is read (T,) and what is to be said (T,), T the longest of all names."""
        ids = torch.tensor([self.letters[letter] for letter in self.names[index]])
        read = torch.zeros(self.longest, dtype=torch.long)
        said = torch.full((self.longest,), IGNORED, dtype=torch.long)
        read[1 : 1 + len(ids)] = ids
        said[: len(ids)] = ids
        said[len(ids)] = 0
        return read, said


class TanhCell(nn.Module):
    """An RNN cell on input and state side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the next state (B, H)."""
        return torch.tanh(self.both(torch.cat([x, state], dim=1)))


class GatedCell(nn.Module):
    """A GRU cell, each gate a product of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.reset = nn.Linear(2 * WIDTH, WIDTH)
        self.update = nn.Linear(2 * WIDTH, WIDTH)
        self.candidate = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the next state (B, H)."""
        both = torch.cat([x, state], dim=1)
        kept = torch.sigmoid(self.reset(both)) * state
        share = torch.sigmoid(self.update(both))
        candidate = torch.tanh(self.candidate(torch.cat([x, kept], dim=1)))
        return (1 - share) * state + share * candidate


class Recurrent(nn.Module):
    """A cell that goes over the characters one by one."""

    def __init__(self, cell: nn.Module, symbols: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(1, WIDTH))
        self.embedding = nn.Embedding(symbols, WIDTH)
        self.cell = cell
        self.output = nn.Linear(WIDTH, symbols)

    def forward(self, read: Tensor) -> Tensor:
        """Turn ids (B, T) into logits (B, T, V)."""
        embedded = self.embedding(read)  # (B, T, E)
        state, states = self.first.expand(len(read), -1), []
        for t in range(read.shape[1]):
            state = self.cell(embedded[:, t], state)  # (B, H)
            states.append(state)
        return self.output(torch.stack(states, dim=1))


class Attention(nn.Module):
    """Causal attention, spelt out."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(WIDTH, 3 * WIDTH)
        self.output = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("seen", torch.ones(longest, longest).tril().bool())

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H) -> (B, T, H)."""
        rows, length, _ = x.shape
        query, key, value = (
            part.view(rows, length, HEADS, -1).transpose(1, 2)  # (B, N, T, H / N)
            for part in self.inputs(x).split(WIDTH, dim=2)
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(WIDTH // HEADS)  # (B, N, T, T)
        hidden = ~self.seen[:length, :length]
        weights = scores.masked_fill(hidden, -math.inf).softmax(dim=3)
        mixed = (weights @ value).transpose(1, 2).reshape(rows, length, WIDTH)
        return self.output(mixed)


def gelu(x: Tensor) -> Tensor:
    """The tanh form of the GELU (Hendrycks and Gimpel 2016), spelt out as GPT-2 has it."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class Block(nn.Module):
    """A pre-norm layer of the Transformer."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.attention = Attention(longest)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H) -> (B, T, H)."""
        x = x + self.attention(self.norms[0](x))
        return x + self.narrow(gelu(self.widen(self.norms[1](x))))


class Transformer(nn.Module):
    """A decoder-only Transformer with learned positions."""

    def __init__(self, symbols: int, longest: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, WIDTH)
        self.positions = nn.Embedding(longest, WIDTH)
        self.blocks = nn.Sequential(*(Block(longest) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.output = nn.Linear(WIDTH, symbols, bias=False)

    def forward(self, read: Tensor) -> Tensor:
        """Turn ids (B, T) into logits (B, T, V)."""
        places = torch.arange(read.shape[1])
        states = self.blocks(self.embedding(read) + self.positions(places))
        return self.output(self.norm(states))


def build(kind: str, names: Names) -> nn.Module:
    """Return the model called rnn, gru or transformer."""
    if kind == "transformer":
        return Transformer(names.symbols, names.longest)
    return Recurrent({"rnn": TanhCell, "gru": GatedCell}[kind](), names.symbols)


def main() -> None:
    """Train until somebody stops it, telling every tenth step."""
    names = Names(Path(sys.argv[1]).read_text().split())
    model = build(sys.argv[2], names)
    print(f"parameters {sum(weight.numel() for weight in model.parameters())}", flush=True)
    sampler = RandomSampler(names, replacement=True, num_samples=10**9)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, betas=(0.9, 0.99), weight_decay=0.01)
    for step, (read, said) in enumerate(DataLoader(names, BATCH, sampler=sampler), start=1):
        logits = model(read)
        loss = F.cross_entropy(logits.flatten(0, 1), said.flatten(), ignore_index=IGNORED)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % TOLD_EVERY == 0:
            print(f"loss {loss.item():.4f}\nstep {step}", flush=True)


if __name__ == "__main__":
    main()
