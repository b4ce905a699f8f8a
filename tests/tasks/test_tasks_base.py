"""Making tasks by name."""

from __future__ import annotations

import pytest

from seqcli.errors import UsageError
from seqcli.tasks.base import make, parse_range


def test_a_wrong_task_or_option_suggests_the_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        make("revers", {})
    assert caught.value.hint == "did you mean reverse?"
    with pytest.raises(UsageError) as caught:
        make("reverse", {"lenght": 5})
    assert "lenght" in caught.value.message
    assert caught.value.hint == "did you mean length?"


def test_lists_may_be_written_with_commas() -> None:
    made = make("patterns", {"kinds": "ones, periodic"})
    assert made == make("patterns", {"kinds": ["ones", "periodic"]})
    with pytest.raises(UsageError, match=r"task\.kinds must be a list of names, not 3"):
        make("patterns", {"kinds": 3})


def test_ranges() -> None:
    assert parse_range("length", "16") == (16, 16)
    assert parse_range("length", " 5:20 ") == (5, 20)
    for text in ("5:", ":5", "a", "1e3", "５", "-3", "5:20:30"):
        with pytest.raises(UsageError):
            parse_range("length", text)
