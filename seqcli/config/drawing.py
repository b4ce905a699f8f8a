"""How symbols are drawn from a model: temperature, top-k, top-p."""

from __future__ import annotations

from dataclasses import dataclass

from seqcli.errors import UsageError

COLDEST, HOTTEST = 1e-3, 1e3  # beyond these float32 has no digits left for the logits


@dataclass(frozen=True)
class Drawing:
    """How the next symbol is drawn; as it stands, just as the model says.

    Args:
        temperature: logits are divided by it, from 0.001 to 1000. Below 1: more conservative;
            above 1: more diverse.
        top_k: draw from so many of the likeliest symbols only (Fan et al. 2018, arXiv:1805.04833);
            0, or more than there are, keeps all.
        top_p: draw from the fewest symbols that together have this probability (nucleus sampling,
            Holtzman et al. 2020, arXiv:1904.09751); 1 keeps all.

    Raises:
        UsageError: a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not COLDEST <= self.temperature <= HOTTEST:
            hint = "give a number from 0.001 to 1000; --greedy takes the likeliest symbol each time"
            raise UsageError(f"the temperature cannot be {self.temperature:g}", hint)
        if self.top_k < 0:
            raise UsageError(f"top-k cannot be {self.top_k}", "give 1 or more; 0 keeps all")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top-p cannot be {self.top_p:g}", "give a number above 0, up to 1")
