"""Cut a stream of text into sentences that can be spoken, as soon as each is whole."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s)|\n+")
_CLAUSE = re.compile(r"[,;:–—](?=\s)")
_ABBREVIATION = re.compile(r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|a\.m|p\.m)|\b[a-z])\.$", re.IGNORECASE)
_FENCED = re.compile(r"```.*?```", re.DOTALL)
_MARKUP = re.compile(r"```.*?(?:```|$)|[*_`#>|~]+|^\s*(?:[-•]|\d+\.)\s+|https?://\S+", re.DOTALL | re.MULTILINE)
_UNSPOKEN = re.compile(r"[^\w\s.,;:!?…'\"“”‘’()\-–—%€$£°&/+=@]")
_LONG = 160  # characters: beyond this, cut at a clause, then at a word
_CLAUSE_AT = 18  # characters: a first clause is at least so long
_SHORT = 3  # characters: less is not spoken alone


class Sentences:
    """Feed pieces of text, take whole sentences. Markup and emoji are left out: they cannot be spoken.

    `eager`: the first piece may end at a clause, so that speaking begins sooner.
    """

    def __init__(self, *, eager: bool = False) -> None:
        self._text = ""
        self._eager = eager

    def feed(self, piece: str) -> list[str]:
        """The sentences that `piece` completes."""
        self._text += piece
        done: list[str] = []
        while (cut := self._cut()) is not None:
            sentence, self._text = self._text[:cut], self._text[cut:]
            if spoken := clean(sentence):
                done.append(spoken)
                self._eager = False
        return done

    def flush(self) -> list[str]:
        """What is left at the end of the stream."""
        rest, self._text = clean(self._text), ""
        return [rest] if rest else []

    def _cut(self) -> int | None:
        text = self._text = _FENCED.sub("\n", self._text)
        fence = text.find("```")  # code that has not ended yet is kept back, to be left out as a whole
        for match in _END.finditer(text, 0, fence if fence >= 0 else len(text)):
            head = text[: match.end()].strip()
            if len(head) >= _SHORT and not _ABBREVIATION.search(head):
                return match.end()
        if fence >= 0:
            return None
        if self._eager and (clause := _CLAUSE.search(text, _CLAUSE_AT)):
            return clause.end()
        if len(text) <= _LONG:
            return None
        clauses = [match.end() for match in _CLAUSE.finditer(text, 40, _LONG)]
        if clauses:
            return clauses[-1]
        space = text.rfind(" ", 40, _LONG)
        return space if space > 0 else _LONG


def clean(text: str) -> str:
    """`text` as it can be spoken: without markup, links, emoji and control characters; spaces single."""
    before = None
    while text != before:  # what one pass takes away may leave new markup: a control character after a dash, a list
        before = text
        text = _UNSPOKEN.sub(" ", _MARKUP.sub(" ", text))
        text = re.sub(r"\s+", " ", text).strip().strip('"“”').strip()
    return text if any(character.isalnum() for character in text) else ""
