"""Symbols and their ids. The four special ids come before, and apart from, every data symbol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PAD, BOS, EOS, UNK = range(4)
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
UNKNOWN_TEXT = "\N{REPLACEMENT CHARACTER}"  # how a predicted <unk> is written: never a data symbol


@dataclass(frozen=True)
class Vocabulary:
    """Data symbols in order; the id of ``symbols[i]`` is ``i + 4``.

    A data symbol may be any string, also one that looks like a special's name: specials are known
    by their ids only.
    """

    symbols: tuple[str, ...]
    ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {symbol: index for index, symbol in enumerate(self.symbols, len(SPECIALS))}
        if len(table) != len(self.symbols):
            raise ValueError("a vocabulary holds a symbol twice")
        object.__setattr__(self, "ids", table)

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]]) -> Vocabulary:
        """Collect the symbols of the given rows, sorted, so that the ids do not hang on order."""
        return cls(tuple(sorted({symbol for row in rows for symbol in row})))

    def __len__(self) -> int:
        """Return the number of ids, specials included."""
        return len(SPECIALS) + len(self.symbols)

    def encode(self, row: Sequence[str]) -> list[int]:
        """Return the ids of a row; an unknown symbol becomes UNK."""
        return [self.ids.get(symbol, UNK) for symbol in row]

    def decode(self, row: Iterable[int]) -> list[str]:
        """Return the symbols of a row of ids, which holds no PAD, BOS or EOS."""
        first = len(SPECIALS)
        return [self.symbols[i - first] if i >= first else UNKNOWN_TEXT for i in map(int, row)]

    def unknown(self, row: Sequence[str]) -> list[str]:
        """Return the symbols of a row that have no id, in order, each once."""
        return [symbol for symbol in dict.fromkeys(row) if symbol not in self.ids]
