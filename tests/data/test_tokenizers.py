"""How texts become symbols: styles, characters as readers see them, forms, features."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.corpus import Codec
from seqcli.data.normalizer import TextForm, is_feature
from seqcli.data.tokenizers import Tokens, graphemes
from seqcli.data.vocabulary import Vocabulary

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
    ["\u0600" + "1", "2"],
]


@pytest.mark.parametrize("clusters", CLUSTERS, ids=lambda one: ascii(one[0]))
def test_characters_as_a_reader_sees_them(clusters):
    assert graphemes("".join(clusters)) == clusters


@given(st.text(max_size=30))
def test_clusters_are_the_text_again(text):
    found = graphemes(text)
    assert "".join(found) == text
    assert all(found)


@pytest.mark.parametrize("style", STYLES)
@given(text=st.text(max_size=20))
def test_symbols_are_the_text_again(style, text):
    tokens = Tokens(style)
    again = tokens.join(tokens.split(text))
    assert again == {"words": " ".join(text.split()), "whole": text.strip()}.get(style, text)
    assert Tokens(style) == Tokens(style)


@pytest.mark.parametrize("style", STYLES)
@given(text=st.text(max_size=20), name=st.text(max_size=5))
def test_no_text_has_a_symbol_that_is_a_feature(style, text, name):
    assert not any(map(is_feature, Tokens(style).split(f"{text} [{name}] {text} [{name}]")[:-1]))
    assert not any(map(is_feature, Tokens(style).split(f" [{name}]")))


@pytest.mark.parametrize("style", STYLES)
def test_features_go_with_the_source_and_come_back(style):
    tokens = Tokens(style)
    codec = Codec(Vocabulary(()), tokens, Vocabulary(()), tokens, TextForm("nfc", "both"), True)
    symbols = codec.source_symbols("Ayı\tN;ACC; ;Pl ")
    assert symbols[-3:] == [" [N]", " [ACC]", " [Pl]"]
    assert codec.written_source(symbols) == "ayı\tN;ACC;Pl"
    assert codec.source_symbols("ayı\t") == codec.source_symbols("ayı") == tokens.split("ayı")
    assert codec.written_source(codec.source_symbols("ayı")) == "ayı"


def test_without_features_a_tab_is_a_character():
    codec = Codec(Vocabulary(()), Tokens("chars"), Vocabulary(()), Tokens("chars"))
    assert codec.source_symbols("a\tN") == ["a", "\t", "N"]


def test_forms():
    both = TextForm("nfd", "source")
    assert both.source("ÉA") == "e\u0301a"
    assert both.target("ÉA") == "E\u0301A"
    assert TextForm("nfc", "target").target("E\u0301") == "é"
    assert TextForm().source("E\u0301") == "E\u0301"
    assert TextForm("nfd").source("한") == unicodedata.normalize("NFD", "한")
