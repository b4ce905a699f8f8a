"""Plausible names of chemical compounds, for language models: rows have no source.

The list of morphemes was made for this task. The morphemes are real; most combinations are
plausible, but few exist. Nomenclature: substituents before a stem, a suffix for the functional
group (IUPAC); stems of the WHO's international non-proprietary names for drugs (``-pril``,
``-olol``, ``-mycin``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Index, Ragged
from seqcli.errors import UsageError
from seqcli.tasks.base import SPLIT_SHARES, Rows, Task, parse_range

# Slot -> its morphemes, most frequent first. "/" is the empty morpheme, "_" a space.
SLOTS: Mapping[str, str] = {
    "substituent": (
        "methyl chloro hydroxy ethyl bromo fluoro amino nitro oxo phenyl methoxy iodo "
        "propyl cyano dimethyl dichloro trifluoro benzyl acetyl formyl butyl ethoxy "
        "isopropyl allyl vinyl difluoro trichloro dibromo diethyl mercapto carboxy "
        "cyclopropyl cyclohexyl tetrachloro dihydroxy diamino azido sulfo isobutyl "
        "trimethyl acetoxy tribromo phenoxy dinitro benzoyl pentyl tetrafluoro hexyl "
        "propoxy methylthio"
    ),
    "more": (
        "/ / / / / / methyl chloro hydroxy ethyl bromo fluoro amino nitro phenyl methoxy "
        "oxo cyano iodo propyl dimethyl dichloro"
    ),
    "stem": (
        "prop but pent hex eth hept oct meth cyclohex cyclopent non dec isobut cyclobut "
        "isopent dodec undec cycloprop neopent cyclohept hexadec octadec bicycloundec "
        "isohex tetradec spirodec tridec bicyclohept cyclooct"
    ),
    "suffix": (
        "ane anol anone ene anoic_acid anal anamide anamine anediol yne anenitrile anethiol "
        "enol enal anedione enone enoic_acid adiene anedioic_acid ylamine anolide ynol "
        "ylurea"
    ),
    "ring": (
        "phenol benzene toluene aniline pyridine naphthalene furan indole thiophene pyrrole "
        "quinoline benzaldehyde imidazole benzamide xylene pyrimidine benzoic_acid "
        "acetophenone anthracene piperidine styrene thiazole morpholine benzonitrile cresol "
        "purine biphenyl pyrazole oxazole coumarin fluorene piperazine carbazole "
        "isoquinoline"
    ),
    "onset": (
        "ca me flu clo ra te lo pra ami be vera ni oxa tra feno sulfa pro dexa bri do va "
        "cefa keto ralo gli si levo zo alpha lami nalo eno ti carba pero ro quina sumi dapa "
        "moxi alfu buta erlo fi iso lora mito nora oli pala riva sita tolu uri xylo zani"
    ),
    "middle": ("/ / / ra lo ni ti pa vo mi do li za ri ta ce fi xo ba go ne su lu pe ve ma"),
    "drug": (
        "pril nolol nazole tidine statin vir mycin cillin floxacin sartan zepam caine "
        "profen dipine tinib gliptin triptan formin lukast parin cycline prazole setron "
        "thiazide barbital dronate zosin grel xaban fibrate mustine platin rubicin taxel "
        "terol sone quine mab dopa lamide"
    ),
    "base": (
        "sodium hydrochloride maleate sulfate citrate mesylate tartrate potassium phosphate "
        "acetate bromide calcium fumarate succinate nitrate besylate tosylate"
    ),
    "before": (
        "/ / / / / / nor iso epi dihydro allo neo pseudo homo hydroxy dehydro tetrahydro "
        "methyl proto anhydro deoxy apo ent oxy demethyl acetyl"
    ),
    "plant": (
        "quin morph caff nicot atrop strychn papaver berber colch camphor limon geran menth "
        "thym carv citr querc kaempf luteol apigen naring hesper genist digit salic coumar "
        "amygdal arbut curcum vanill eugen pilocarp scopol ephedr lobel solan tomat "
        "resveratr gingerol capsaic piper yohimb reserp emet theobrom harm galant lycor "
        "brucin ajmal vinc taxin artemis aloe juglon ellag gall syring ferul sinap"
    ),
    "natural": (
        "ine in ol one ene oside al ic_acid idine inol etin amide oic_acid inone ylate enal"
    ),
    "cation": (
        "sodium potassium calcium magnesium ammonium lithium zinc barium copper iron silver "
        "aluminium cesium nickel cobalt lead manganese strontium rubidium tin cadmium "
        "chromium titanium bismuth mercury lanthanum cerium indium gallium thallium"
    ),
    "part": (
        "/ / / / thio hydrogen_ per di pyro hypo meta bi ortho fluoro poly chloro seleno "
        "tetrahydroxo"
    ),
    "anion": (
        "sulfate nitrate phosphate chloride carbonate oxide bromide chlorate acetate "
        "citrate iodide tartrate oxalate sulfite benzoate hydroxide fluoride formate "
        "lactate succinate nitrite gluconate borate silicate chromate malonate stearate "
        "cyanate arsenate vanadate manganate tungstate molybdate aluminate titanate "
        "phosphite"
    ),
    "alkyl": (
        "ethyl methyl propyl butyl benzyl phenyl isopropyl pentyl hexyl isobutyl octyl "
        "vinyl allyl cyclohexyl geranyl decyl heptyl dodecyl isoamyl linalyl cinnamyl "
        "menthyl nonyl"
    ),
    "acyl": (
        "acetate butanoate propanoate benzoate formate salicylate hexanoate cinnamate "
        "lactate acrylate pentanoate octanoate methacrylate malonate palmitate oleate "
        "anthranilate phthalate laurate crotonate nicotinate pyruvate glycolate mandelate "
        "sorbate"
    ),
    "space": "_",
}

# Relative frequencies of the patterns of slots.
PATTERNS: Mapping[tuple[str, ...], int] = {
    ("more", "substituent", "stem", "suffix"): 30,
    ("more", "substituent", "ring"): 16,
    ("onset", "middle", "drug"): 20,
    ("onset", "middle", "drug", "space", "base"): 6,
    ("before", "plant", "natural"): 16,
    ("cation", "space", "part", "anion"): 6,
    ("alkyl", "space", "more", "acyl"): 6,
}


def morphemes(slot: str) -> list[str]:
    """Return the morphemes of a slot as they appear in a name."""
    return [part.replace("_", " ").strip("/") for part in SLOTS[slot].split()]


TOKENS = (" ", *"abcdefghijklmnopqrstuvwxyz")
LONGEST = 60  # maximum of the option; no name is longer
_SHARES = 10  # number of values of the content hash that are divided among splits
_FLATTENING = 8  # offset in Zipf's law; gives the first morphemes similar frequencies
_TRIED = 4096  # names drawn to check whether a range of lengths has any
_RARE = _TRIED // 100


@dataclass(frozen=True)
class Names(Task):
    """Generate names such as ``chloropropanol`` or ``ralotinib``, for language models.

    A pattern is drawn, then a morpheme for each of its slots (`seqcli.tasks.names`). A hash of the
    letters determines the split of a name, independent of the seed: row i of a split is the first
    of its draws that belongs to the split. Rows may repeat within a split, frequent names more
    often.
    """

    name: ClassVar[str] = "names"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "invented names of chemical compounds, for language models"
    example: ClassVar[tuple[str, str]] = ("", "chloropropanol")

    length: str = "5:30"
    """Characters of a name: a number, or a range such as 5:30."""

    def __post_init__(self) -> None:
        low, high = parse_range("length", self.length)
        if high > LONGEST or _count_fitting(low, high) < _RARE:
            raise UsageError(
                f"task.length cannot be {self.length!r}: almost no name has such a length",
                "most have from 8 to 25",
            )

    def source_tokens(self) -> tuple[str, ...] | None:
        """Return None; there are no sources."""
        return None

    def target_tokens(self) -> tuple[str, ...]:
        """Return space and a .. z."""
        return TOKENS

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the names at ``index`` (N,) of a split."""
        chosen = np.zeros((len(index), _PLACES), np.int64)  # (N, K) morphemes
        starts = hashing.streams(hashing.key(seed, split, "names"), index)
        pending, draw = np.arange(len(index)), 0
        while pending.size:
            tried = _draw(starts[pending], draw)  # (n, K)
            fits = self._is_valid(_join_morphemes(tried), split)
            chosen[pending[fits]] = tried[fits]
            pending, draw = pending[~fits], draw + 1
        return Rows(None, _join_morphemes(chosen))

    def _is_valid(self, names: Ragged, split: str) -> NDArray[np.bool_]:
        """Return whether each name (n,) belongs to the split and has a valid length."""
        low, high = parse_range("length", self.length)
        place = hashing.below(hashing.mix(row_hashes(names)), _SHARES)
        first, end = _owned_hashes(split)
        inside = (place >= first) & (place < end)
        return inside & (low <= names.lengths) & (names.lengths <= high)


def _owned_hashes(split: str) -> tuple[int, int]:
    """Return the values of the content hash, of 0 .. 9, that belong to a split."""
    ends = np.cumsum([round(share * _SHARES) for share in SPLIT_SHARES.values()]).tolist()
    at = list(SPLIT_SHARES).index(split)
    return (0, *ends)[at], ends[at]


@cache
def _morphemes() -> tuple[Ragged, dict[str, int]]:
    """Return all morphemes as rows of tokens (row 0 is empty), and the first row of each slot."""
    texts, firsts = [""], {}
    for slot in SLOTS:
        firsts[slot] = len(texts)
        texts += morphemes(slot)
    places = {token: place for place, token in enumerate(TOKENS)}
    return Ragged.from_rows([[places[s] for s in text] for text in texts]), firsts


_PLACES = max(map(len, PATTERNS))


def _draw(starts: Hashes, number: int) -> Index:
    """Return draw ``number`` of each stream (N,) as the morphemes (N, K) of a name."""
    _, firsts = _morphemes()
    counter = number * (_PLACES + 1)
    pattern = _weighted_index(hashing.draw(starts, counter), list(PATTERNS.values()))
    drawn = np.zeros((len(starts), _PLACES), np.int64)
    for kind, slots in enumerate(PATTERNS):
        rows = np.flatnonzero(pattern == kind)
        for place, slot in enumerate(slots):
            hashes = hashing.draw(starts[rows], counter + 1 + place)
            drawn[rows, place] = firsts[slot] + _weighted_index(hashes, _weights(slot))
    return drawn


@cache
def _weights(slot: str) -> list[int]:
    """Return the weights of the morphemes of a slot by Zipf's law: inverse to the rank."""
    return [100_000 // (rank + _FLATTENING) for rank in range(len(morphemes(slot)))]


def _weighted_index(hashes: Hashes, weights: list[int]) -> Index:
    """Map hashes (N,) to 0 .. len(weights)-1, with probabilities proportional to the weights."""
    ends = np.cumsum(weights)
    return np.searchsorted(ends, hashing.below(hashes, int(ends[-1])).astype(np.int64), "right")


def _join_morphemes(morphemes: Index) -> Ragged:
    """Concatenate morphemes (N, K) to N names."""
    parts = _morphemes()[0].take(morphemes.reshape(-1))  # N * K rows
    return Ragged(parts.tokens, parts.offsets[:: morphemes.shape[1]])


@cache
def _count_fitting(low: int, high: int) -> int:
    """Return the number of sampled names with a length in a range."""
    names = _join_morphemes(_draw(hashing.streams(hashing.key("lengths"), np.arange(_TRIED)), 0))
    return int(((low <= names.lengths) & (names.lengths <= high)).sum())
