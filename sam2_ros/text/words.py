"""Reads what is to be found from text: "red cup. screwdriver" are two phrases."""

from __future__ import annotations

import re

MAX_PHRASES = 100  # as many boxes of one image are used at most
_MAX_LENGTH = 100  # characters of a phrase
_SEPARATORS = re.compile(r"[.,;?\n]")  # Grounding DINO itself separates by full stops and question marks


class WordsError(ValueError):
    """Words that cannot be searched for; the message says why and what to do."""


def parse_words(text: str) -> tuple[str, ...]:
    """The phrases of a text, in lower case, each once.

    They are separated by full stops, commas, semicolons, question marks or ends of lines. Raises WordsError for a text
    without phrases, with too many, or with too long ones.
    """
    phrases = tuple(dict.fromkeys(filter(None, (" ".join(part.split()) for part in _SEPARATORS.split(text.lower())))))
    if not any(character.isalnum() for character in text):
        raise WordsError(f"there are no words in {text[:40]!r}, expected phrases such as 'red cup. screwdriver'")
    if len(phrases) > MAX_PHRASES:
        raise WordsError(f"there are {len(phrases)} phrases, expected at most {MAX_PHRASES}: give fewer")
    for phrase in phrases:
        if len(phrase) > _MAX_LENGTH:
            raise WordsError(
                f"the phrase '{phrase[:40]}...' has {len(phrase)} characters, expected at most {_MAX_LENGTH}: "
                "separate phrases by full stops"
            )
        if not phrase.isprintable():
            raise WordsError(f"the phrase {phrase!r} has characters that cannot be printed: leave them out")
    return phrases
