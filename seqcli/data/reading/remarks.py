"""What is worth saying of rows that are kept: comments, white space and unseen characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from seqcli.data.characters import code_of, unseen
from seqcli.data.corpus import Codec
from seqcli.data.reading.columns import Layout
from seqcli.data.reading.records import Record

_LETTERS = ("chars", "graphemes")  # styles for which white space at an end is a token


class RowRemarks:
    """Looks at the cells of rows that are kept.

    Args:
        codec: says how each side is cut into tokens, and what is done to texts before.
        layout: where in a record the sides are.
    """

    def __init__(self, codec: Codec, layout: Layout) -> None:
        sides = [("source", layout.source, codec.source_tokens.style)]
        sides.append(("target", layout.target, codec.target_tokens.style))
        self._sides = [(name, at, style in _LETTERS) for name, at, style in sides if at is not None]
        self._as_it_is = codec.form.normalize == "none"

    def of(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the kind of each remark (see `findings.KINDS`), and its detail."""
        if record.cells[0].startswith(("# ", "#\t")):
            yield "comment", ""
        found: dict[str, str] = {}
        for side, at, letters in self._sides:
            text = record.cells[at]
            if letters and text != text.strip():
                found.setdefault("edges", f"in the {side}")
            if not (text.isascii() and text.isprintable()):
                self._look(text, side, found)
        yield from found.items()

    def _look(self, text: str, side: str, found: dict[str, str]) -> None:
        first = next(unseen(text), None)
        if first is not None:
            found.setdefault("unseen", f"{code_of(first[1])} in the {side}")
        if self._as_it_is and not unicodedata.is_normalized("NFC", text):
            found.setdefault("form", f"in the {side}")
