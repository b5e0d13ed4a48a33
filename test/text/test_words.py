"""Phrases from text."""

import pytest

from sam2_ros.text.words import WordsError, parse_words


@pytest.mark.parametrize(
    "text",
    [
        "red cup. screwdriver",
        "Red  cup.screwdriver.",
        "red cup, Screwdriver",
        "red cup; screwdriver;\n",
        "red cup. screwdriver. red cup?",
    ],
)
def test_phrases_are_separated_by_punctuation(text: str) -> None:
    assert parse_words(text) == ("red cup", "screwdriver")


@pytest.mark.parametrize("text", ["", "   ", ". , .", "-"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(WordsError, match=r"there are no words in .* expected phrases such as 'red cup. screwdriver'"):
        parse_words(text)


def test_a_thousand_words_are_refused() -> None:
    with pytest.raises(WordsError, match="there are 1000 phrases, expected at most 100: give fewer"):
        parse_words(". ".join(f"cup {i}" for i in range(1000)))
    with pytest.raises(WordsError, match="has 3999 characters, expected at most 100: separate phrases by full stops"):
        parse_words("cup " * 1000)
