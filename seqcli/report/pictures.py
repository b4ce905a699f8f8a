"""Pictures are extras: every plot is drawn the same way on every machine, and may fail.

The user's matplotlib settings (``MPLBACKEND``, ``matplotlibrc``) are for the user's own plots.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seqcli.notes import note, reason

if TYPE_CHECKING:
    from matplotlib.text import Text

Picture = TypeVar("Picture")
_noted: set[str] = set()
_VARIABLES = ("MPLBACKEND", "MATPLOTLIBRC")
# tried in this order, as far as they are installed: texts may be of any script
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Arial Unicode MS")


def draw_if_possible(what: Path | str, draw: Callable[[], Picture]) -> Picture | None:
    """Draw; if that fails, report one note that names the picture and return None.

    A note is not repeated: a report of many plots has one reason to draw none of them.
    """
    try:
        with drawing():
            return draw()
    except Exception as error:
        text = f"{what} could not be drawn: {reason(error)}"
        if text not in _noted:
            note(text)
        _noted.add(text)
        return None


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Use matplotlib with its own defaults and without its messages while the block runs."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), _own_environment():
            warnings.simplefilter("ignore")
            import matplotlib as mpl

            with mpl.rc_context():
                _set_defaults(mpl.rcParams, mpl.rcParamsDefault)
                yield
    finally:
        logging.disable(disabled)


def any_script(texts: Iterable[Text]) -> None:
    """Give texts fonts that cover many scripts, and take "$" for a dollar, not mathematics."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    for text in texts:
        text.set_fontfamily([font for font in _FONTS if font in installed])
        text.set_parse_math(False)


def _set_defaults(settings: MutableMapping[Any, Any], defaults: Mapping[Any, Any]) -> None:
    """Reset all settings but the backend, which is the user's to choose in a notebook."""
    settings.update({key: defaults[key] for key in defaults if not key.startswith("backend")})


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Take the user's settings out of the environment; matplotlib reads them when imported."""
    before = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
