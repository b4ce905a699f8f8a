"""Characters that cannot be seen: found where they are a fault, shown as escapes."""

from __future__ import annotations

import pytest

from seqcli.data.vocabulary import code_point_name, invisible_characters, visible_token


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain text", ""),
        ("a\u200bb", "\u200b"),
        ("\ufeffab", "\ufeff"),
        ("a\u00a0b", "\u00a0"),
        ("a\u202eb", "\u202e"),
        ("a\u00adb", "\u00ad"),
        ("a\ue000\U000e0fff", "\ue000\U000e0fff"),
        ("a\rb\x85", "\r\x85"),
        ("a\u200db", "\u200d"),  # a joiner behind a letter that joins nothing
        ("👩\u200d🔬", ""),
        ("می\u200cخواهم", ""),
        ("🏴\U000e0067\U000e0062\U000e007f", ""),
        ("é", ""),
    ],
)
def test_only_what_cannot_be_seen_is_found(text, found):
    assert "".join(character for _, character in invisible_characters(text)) == found


def test_tokens_are_shown_whole():
    assert visible_token("abc") == "abc"
    assert visible_token("a\u200bc") == "a\\u200bc"
    assert visible_token(" ") == "' '"
    assert visible_token("a ") == "'a '"
    assert visible_token("\u0301") == "\\u0301"
    assert visible_token("") == "''"
    assert code_point_name("\u200b") == "U+200B ZERO WIDTH SPACE"
    assert code_point_name("\ue000") == "U+E000"
