"""Tokenizers and vocabularies; characters that cannot be seen are found and shown as escapes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.corpus import Codec
from seqcli.data.vocabulary import (
    Normalizer,
    Tokenizer,
    Vocabulary,
    code_point_name,
    grapheme_rule,
    graphemes,
    invisible_characters,
    is_feature,
    visible_token,
)


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
        ("ශ්\u200dරී ක්\u200dෂ", ""),
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


STYLES = ("chars", "graphemes", "words", "whole")
CLUSTERS = [
    ["a", "b", " ", "c"],
    ["e\u0301", "é", "o\u0302\u0323"],
    ["நி", "னை", "க்", "கு"],
    ["ᄒ" + "ᅡ" + "ᆫ", "한", "가" + "ᆨ", "ᄀ"],
    ["🇩🇪", "🇫🇷", "🇩"],
    ["👩‍🔬", "👍🏽", "👨‍👩‍👧‍👦", "🙂"],
    ["❤️", "a", "🏴\U000e0067\U000e0062\U000e007f"],
    ["\r\n", "\n", "\r", "x"],
    ["กำ", "ก็"],
    ["a\u200d", "b"],
    ["נּ", "עִ"],
    ["ක්\u200d", "ෂ", "ශ්\u200d", "රී"],
    ["க்", "ஷ", "ஸ்", "ரீ"],
    ["ಕ್", "ಷ", "ਪ੍", "ਰ"],
    ["क्\u200dष", "क्\u200c", "ष", "स्त्री"],
    ["\u0600" + "1", "2"],
    ["क्ष", "त्रि", "य"],
    ["ক্ষ", "মা"],
    ["ശ്രീ", "ന", "ന്ദ"],
    ["ન્દ્ર", "త్ర", "క్ష్మి"],
    ["க்", "ஷ"],
]


@pytest.mark.parametrize("clusters", CLUSTERS, ids=lambda one: ascii(one[0]))
def test_characters_as_a_reader_sees_them(clusters):
    assert graphemes("".join(clusters)) == clusters


@pytest.mark.parametrize("conjunct", ["क्ष", "ক্ষ", "ક્ષ", "କ୍ଷ", "క్ష", "ശ്രീ"])
def test_a_conjunct_is_one_token(conjunct):
    assert Tokenizer("graphemes").split(conjunct * 2) == [conjunct] * 2


def test_ascii_text_needs_no_library(monkeypatch):
    monkeypatch.setattr("seqcli.data.vocabulary._find_clusters", lambda: None)
    assert graphemes("plain text\n") == list("plain text\n")


def test_only_graphemes_have_versioned_rules():
    assert grapheme_rule().startswith("Unicode 1")
    assert [Tokenizer(style).rule for style in STYLES] == ["", grapheme_rule(), "", ""]
    words = Codec(Vocabulary(()), Tokenizer("words"))
    assert words.grapheme_rule == ""
    either = Codec(Vocabulary(()), words.target_tokenizer, Vocabulary(()), Tokenizer("graphemes"))
    assert either.grapheme_rule == grapheme_rule()


@given(st.text(max_size=30))
def test_clusters_are_the_text_again(text):
    found = graphemes(text)
    assert "".join(found) == text
    assert all(found)


@pytest.mark.parametrize("style", STYLES)
@given(text=st.text(max_size=20))
def test_tokens_are_the_text_again(style, text):
    tokens = Tokenizer(style)
    again = tokens.join(tokens.split(text))
    assert again == {"words": " ".join(text.split()), "whole": text.strip()}.get(style, text)
    assert Tokenizer(style) == Tokenizer(style)


@pytest.mark.parametrize("style", STYLES)
@given(text=st.text(max_size=20), name=st.text(max_size=5))
def test_no_text_has_a_token_that_is_a_feature(style, text, name):
    assert not any(map(is_feature, Tokenizer(style).split(f"{text} [{name}] {text} [{name}]")[:-1]))
    assert not any(map(is_feature, Tokenizer(style).split(f" [{name}]")))


@pytest.mark.parametrize("style", STYLES)
def test_features_go_with_the_source_and_come_back(style):
    tokenizer = Tokenizer(style)
    codec = Codec(
        Vocabulary(()), tokenizer, Vocabulary(()), tokenizer, Normalizer("nfc", "both"), True
    )
    tokens = codec.tokenize_source("Ayı\tN;ACC; ;Pl ")
    assert tokens[-3:] == [" [N]", " [ACC]", " [Pl]"]
    assert codec.detokenize_source(tokens) == "ayı\tN;ACC;Pl"
    assert codec.tokenize_source("ayı\t") == codec.tokenize_source("ayı") == tokenizer.split("ayı")
    assert codec.detokenize_source(codec.tokenize_source("ayı")) == "ayı"


def test_without_features_a_tab_is_a_character():
    codec = Codec(Vocabulary(()), Tokenizer("chars"), Vocabulary(()), Tokenizer("chars"))
    assert codec.tokenize_source("a\tN") == ["a", "\t", "N"]


def test_forms():
    both = Normalizer("nfd", "source")
    assert both.source("ÉA") == "e\u0301a"
    assert both.target("ÉA") == "E\u0301A"
    assert Normalizer("nfc", "target").target("E\u0301") == "é"
    assert Normalizer().source("E\u0301") == "E\u0301"
    assert Normalizer("nfd").source("한") == unicodedata.normalize("NFD", "한")
