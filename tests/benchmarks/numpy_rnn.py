"""Training speed of the NumPy RNN: batched, against a loop over characters, and against PyTorch.

    OMP_NUM_THREADS=1 python tests/benchmarks/numpy_rnn.py [--rounds 5] [--hidden 50 100]

Characters per second (stop symbol counted, padding not), the best of the rounds, all
programs taking turns. One thread. Names are random: 3 to 12 letters of 26, as long as real ones.
Before anything is timed, the loop's gradients are checked against the batched ones.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import measure
import numpy as np
import torch

from seqcli.numpy_backend.cells import CELLS, pack
from seqcli.numpy_backend.language_model import loss_and_gradients, optimize
from seqcli.numpy_backend.optimizers import SGD, Adam
from seqcli.numpy_backend.parameters import initialize_parameters, to_torch_names

V, B = 30, 32  # four special ids and 26 letters; names in a batch


def make_batches(count: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return target_in (B, T), target_out (B, T) and lengths (B,) of random names."""
    rng = np.random.default_rng(0)
    batches = []
    for _ in range(count):
        lengths = np.clip(rng.normal(7.1, 1.6, B).round().astype(int), 4, 13)
        inside = np.arange(lengths.max()) < lengths[:, None]  # (B, T)
        target_out = np.where(inside, rng.integers(4, V, inside.shape), 0)
        target_out[np.arange(B), lengths - 1] = 2
        target_in = np.where(inside, np.roll(target_out, 1, axis=1), 0)
        target_in[:, 0] = 1
        batches.append((target_in, target_out, lengths))
    return batches


def loop_gradients(x, y, p):
    """Forward and backward through one name, a character at a time: the textbook's own loop."""
    inputs, states, probabilities, loss = [], [np.zeros_like(p["ba"])], [], 0.0
    for token, target in zip(x, y, strict=True):
        one_hot = np.zeros(V, p["ba"].dtype)
        one_hot[token] = 1.0
        a = np.tanh(p["Wax"] @ one_hot + p["Waa"] @ states[-1] + p["ba"] + p["bh"])
        logits = p["Wya"] @ a + p["by"]
        e = np.exp(logits - logits.max())
        inputs.append(one_hot)
        states.append(a)
        probabilities.append(e / e.sum())
        loss -= np.log(probabilities[-1][target])
    g = {name: np.zeros_like(array) for name, array in p.items()}
    da_next = np.zeros_like(p["ba"])
    for t in reversed(range(len(y))):
        dy = probabilities[t].copy()
        dy[y[t]] -= 1.0
        g["Wya"] += np.outer(dy, states[t + 1])
        g["by"] += dy
        dz = (p["Wya"].T @ dy + da_next) * (1.0 - states[t + 1] ** 2)
        g["ba"] += dz
        g["Wax"] += np.outer(dz, inputs[t])
        g["Waa"] += np.outer(dz, states[t])
        da_next = p["Waa"].T @ dz
    g["bh"] = g["ba"].copy()
    return loss, g


def names_of(batch):
    """Yield x and y of each name of a batch, without padding."""
    for x, y, n in zip(*batch, strict=True):
        yield x[:n].tolist(), y[:n].tolist()


def check_same_maths(batch, parameters) -> float:
    """Return the largest relative difference between the loop's gradients and the batched ones."""
    parameters = {name: array.astype(np.float64) for name, array in parameters.items()}
    _, ours = loss_and_gradients(pack(*batch), parameters, CELLS["rnn"])
    alone = [loop_gradients(x, y, parameters)[1] for x, y in names_of(batch)]
    total = {name: sum(g[name] for g in alone) / batch[2].sum() for name in ours}
    worst = max(np.abs(ours[k] - total[k]).max() / np.abs(total[k]).max() for k in ours)
    assert worst < 1e-12, worst
    return float(worst)


def weights(hidden: int, dtype=np.float32):
    return initialize_parameters(np.random.default_rng(0), V, hidden, 1, dtype)


def loop_program(hidden: int, dtype) -> Callable[[Iterable], None]:
    """One name an update: gradients, clipping by value, SGD, all by dictionary."""
    parameters = weights(hidden, dtype)

    def run(batches) -> None:
        for batch in batches:
            for x, y in names_of(batch):
                _, gradients = loop_gradients(x, y, parameters)
                for name, gradient in gradients.items():
                    np.clip(gradient, -5, 5, out=gradient)
                    parameters[name] -= 0.01 * gradient

    return run


def numpy_program(hidden: int, optimizer) -> Callable[[Iterable], None]:
    """The backend's own step, packing included."""
    parameters = weights(hidden)

    def run(batches) -> None:
        for batch in batches:
            optimize(pack(*batch), parameters, CELLS["rnn"], optimizer, max_value=5.0)

    return run


class TorchModel(torch.nn.Module):
    """The same model on torch.nn.RNN, fused over the positions."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.recurrent = torch.nn.RNN(V, hidden, batch_first=True)
        self.output = torch.nn.Linear(hidden, V)
        named = {k: torch.tensor(v) for k, v in to_torch_names(weights(hidden)).items()}
        self.output.load_state_dict({k: named.pop(f"output.{k}") for k in ("weight", "bias")})
        self.recurrent.load_state_dict({k.rpartition(".")[2]: v for k, v in named.items()})

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        """(B, T, V) -> (B, T, V)."""
        return self.output(self.recurrent(one_hot)[0])


def torch_program(hidden: int, optimizer) -> Callable[[Iterable], None]:
    """One-hot inputs are made, and ids turned into tensors, before the clock starts."""
    model = TorchModel(hidden)
    steps = optimizer(model.parameters())

    def run(batches) -> None:
        for one_hot, target in batches:
            loss = torch.nn.functional.cross_entropy(
                model(one_hot).flatten(0, 1), target.flatten(), ignore_index=0
            )
            steps.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(model.parameters(), 5.0)
            steps.step()

    return run


def to_torch(batch):
    one_hot = torch.nn.functional.one_hot(torch.tensor(batch[0]), V).float()
    return one_hot, torch.tensor(batch[1])


def programs(hidden: int, batches) -> dict[str, tuple[Callable, list]]:
    """Return what takes turns, by name, and the batches of one turn."""
    tensors = [to_torch(batch) for batch in batches]
    return {
        "loop, float64": (loop_program(hidden, np.float64), batches[:8]),
        "loop, float32": (loop_program(hidden, np.float32), batches[:8]),
        "numpy, sgd": (numpy_program(hidden, SGD(0.01)), batches),
        "numpy, adam": (numpy_program(hidden, Adam(0.003)), batches),
        "torch.nn.RNN, sgd": (
            torch_program(hidden, lambda p: torch.optim.SGD(p, lr=0.01)),
            tensors,
        ),
        "torch.nn.RNN, adam": (
            torch_program(hidden, lambda p: torch.optim.Adam(p, lr=0.003)),
            tensors,
        ),
    }


def in_turn(hidden: int, rounds: int) -> dict[str, object]:
    """Return characters per second of every program, and the ratios that matter."""
    batches = make_batches(100)
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, (run, work) in programs(hidden, batches).items():
            characters = sum(int(batch[2].sum()) for batch in batches[: len(work)])
            start = time.perf_counter()
            run(work)
            speed = characters / (time.perf_counter() - start)
            best[name] = max(best.get(name, 0.0), speed)
    loop = max(best["loop, float64"], best["loop, float32"])
    return {
        "gradients_differ_by": check_same_maths(batches[0], weights(hidden)),
        "characters_per_second": {name: round(speed) for name, speed in best.items()},
        "numpy_sgd_over_faster_loop": round(best["numpy, sgd"] / loop, 2),
        "numpy_adam_over_torch_adam": round(best["numpy, adam"] / best["torch.nn.RNN, adam"], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hidden", type=int, nargs="+", default=[50, 100])
    options = parser.parse_args()
    torch.set_num_threads(1)
    before = measure.load()
    results = {f"hidden {hidden}": in_turn(hidden, options.rounds) for hidden in options.hidden}
    measure.publish("numpy_rnn", {**vars(options), "batch": B, "threads": 1}, results, before)


if __name__ == "__main__":
    main()
