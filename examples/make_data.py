"""Write the small data files of this folder: ``python examples/make_data.py``.

Everything is composed here, by rules and lists of our own, with a fixed random seed. Running the
script again writes the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parent / "data"

NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
STEMS = """
Alder Amber Arrow Ash Barley Beacon Birch Black Bramble Brook Clover Copper Crane Elder Elm Ember
Falcon Fern Finch Frost Gold Grey Hazel Heather Heron Iron Kestrel Lark Linden Maple Marsh Mill
Moss North Oak Otter Plover Raven Reed Rook Rowan Silver Stone Swan Thistle Thorn West Willow
Winter Wren
"""
ENDINGS = """
bridge brook burn bury by cliff combe dale den don field ford gate grove ham haven hurst ley mere
mouth port ridge stead thorpe ton vale wick wood worth
"""

# The parts of a syllable: onset, vowel, coda (- for none). The lists of the languages overlap, so
# that no single letter decides.
LANGUAGES = {
    "coast": ("m n l t k - p s", "a i u ai o", "- - n"),
    "hills": ("br gr t k str d m", "a o u e", "rk n st k"),
    "river": ("l v s m r n", "e ie a i", "l n - s"),
    "steppe": ("k t b s j q", "ü a y o", "z r k -"),
}


def in_words(number: int) -> str:
    """Return a number below 1,000 in English words."""
    ones, tens = NUMBERS.split(), TENS.split()
    hundreds, rest = divmod(number, 100)
    words = [ones[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(tens[rest // 10 - 2])
        rest %= 10
    if rest or not words:
        words.append(ones[rest])
    return " ".join(words)


def pairs(random_: random.Random) -> Iterator[str]:
    """Yield 700 of the numbers below 1,000 with their names: ``42<TAB>forty two``."""
    for number in random_.sample(range(1000), 700):
        yield f"{number}\t{in_words(number)}"


def names(random_: random.Random) -> Iterator[str]:
    """Yield 600 names of villages, each a stem and an ending."""
    every = [
        stem + ending
        for stem in STEMS.split()
        for ending in ENDINGS.split()
        if stem[-1] != ending[0] and stem.lower() != ending
    ]
    yield from random_.sample(every, 600)


def labels(random_: random.Random) -> Iterator[str]:
    """Yield 150 words of each of four invented languages: ``malina<TAB>coast``."""
    seen: set[str] = set()
    rows = []
    for language, parts in LANGUAGES.items():
        count = 0
        while count < 150:
            syllables = random_.randint(2, 3)
            drawn = [random_.choice(part.split()) for _ in range(syllables) for part in parts]
            word = "".join(drawn).replace("-", "")
            if word not in seen:
                seen.add(word)
                rows.append(f"{word}\t{language}")
                count += 1
    random_.shuffle(rows)
    yield from rows


FILES = {"pairs.tsv": pairs, "names.txt": names, "labels.tsv": labels}


def contents() -> dict[str, str]:
    """Return file name -> content."""
    return {
        name: "".join(f"{line}\n" for line in write(random.Random(name)))
        for name, write in FILES.items()
    }


def main() -> None:
    """Write the files."""
    HOME.mkdir(exist_ok=True)
    for name, text in contents().items():
        (HOME / name).write_text(text, "utf-8", newline="\n")
        print(HOME / name)


if __name__ == "__main__":
    main()
