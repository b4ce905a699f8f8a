"""What may come next, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from seqcli.report.formats import percent, plural, token_label

if TYPE_CHECKING:
    from seqcli.results import NextSymbol

SHOWN = 24
FEWEST, SMALL = 8, 0.001  # beyond so many, shares below this are told together
WIDTH = 40  # cells of the longest bar
EIGHTHS = " ▏▎▍▌▋▊▉"


def bars(found: Sequence[NextSymbol], *, plain_ascii: bool = False) -> list[str]:
    """Return a line for each of the likeliest symbols, and one for all the others together.

    Args:
        found: symbols with their probabilities, likeliest first.
        plain_ascii: draw with # where the output has no blocks.
    """
    likely = sum(one.probability >= SMALL for one in found)
    most = min(SHOWN, max(FEWEST, likely))
    rows = [(token_label(one.symbol), one.probability) for one in found[:most]]
    rest = found[most:]
    if rest:
        rows.append((plural(len(rest), "other"), sum(one.probability for one in rest)))
    wide = max(cell_len(name) for name, _ in rows)
    largest = max(share for _, share in rows)
    return [
        f"{name}{' ' * (wide - cell_len(name))}  {percent(share):>6}  "
        f"{_bar(share / largest, plain_ascii)}".rstrip()
        for name, share in rows
    ]


def _bar(share: float, plain_ascii: bool) -> str:
    if plain_ascii:
        return "#" * round(share * WIDTH)
    whole, part = divmod(round(share * WIDTH * 8), 8)
    return "█" * whole + EIGHTHS[part].strip()
