"""Notes about trouble that did not stop the work: they go to the logger ``seqcli``.

The command line writes each as one line on stderr. From Python they follow the configuration of
``logging``; without any they go to stderr too.
"""

from __future__ import annotations


def note(text: str) -> None:
    """Report trouble that the work survived, such as a plot that could not be drawn."""
    import logging  # not needed where nothing goes wrong

    logging.getLogger("seqcli").warning("%s", text)


def reason(error: BaseException) -> str:
    """Return an exception as one short line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:200]
