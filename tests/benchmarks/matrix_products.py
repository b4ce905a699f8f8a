"""How fast this machine multiplies float32 matrices, and what speed of training that allows.

Run by itself: ``python tests/benchmarks/matrix_products.py --threads 1``. The other benchmarks
start it as a process, in turn with the contenders, so that all see the same state of the machine.
"""

from __future__ import annotations

import argparse
import json
import time

from work import GRU, LENGTH, SYMBOLS, Sizes

ROWS, INNER, COLUMNS = 64, 256, 768  # the shapes inside a recurrent step: batch, hidden, 3 hidden


def gru_flops(sizes: Sizes, source: int, target: int, vocabulary: int) -> float:
    """Return the arithmetic of training a GRU with additive attention on one pair.

    Counted: the matrix products of a one-layer bidirectional encoder and of a decoder whose input
    is the embedded symbol and the context; backward costs twice forward, a multiply-add is two.

    Args:
        sizes: embedding E and hidden H.
        source: source symbols.
        target: target symbols, the end symbol counted.
        vocabulary: symbols on the target side, special ones counted.
    """
    e, h = sizes.embedding, sizes.hidden
    encoder = 2 * 3 * h * (e + h)  # both directions, three gates
    keys = 2 * h * h
    gates = 3 * h * (e + 2 * h + h)
    attention = h * h + source * h + source * 2 * h  # query, scores, context
    forward = source * (encoder + keys) + target * (gates + attention + h * vocabulary)
    return 3 * 2 * float(forward)


def gflops(threads: int, repeats: int = 9, products: int = 400) -> list[float]:
    """Return GFLOP/s of ``(64, 256) @ (256, 768)``, several times."""
    import torch

    torch.set_num_threads(threads)
    left, right = torch.randn(ROWS, INNER), torch.randn(INNER, COLUMNS)
    out = torch.empty(ROWS, COLUMNS)
    speeds = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        for _ in range(products):
            torch.mm(left, right, out=out)
        seconds = time.perf_counter() - begin
        speeds.append(2 * ROWS * INNER * COLUMNS * products / seconds / 1e9)
    return speeds[1:]  # the first warms up


def limit(threads: int) -> dict[str, float]:
    """Return GFLOP/s and the training speed they would allow, in pairs per second."""
    speed = max(gflops(threads))
    flops = gru_flops(GRU, LENGTH, LENGTH + 1, SYMBOLS + 4)
    return {
        "threads": threads,
        "gflops": round(speed, 1),
        "mflop_per_pair": round(flops / 1e6, 1),
        "limit": round(speed * 1e9 / flops, 1),
    }


def main() -> None:
    """Print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    print(json.dumps(limit(parser.parse_args().threads)))


if __name__ == "__main__":
    main()
