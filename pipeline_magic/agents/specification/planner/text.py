"""Words of a statement: tokens with their place in the text, stems, numbers.

Here: cutting text into tokens that keep their offsets, and a light English stemmer. Not here: what any word means
(`lexicon`, `linking`). Offsets are characters of the original statement; nothing is ever rewritten, so that
provenance can point at exactly what a person typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pipeline_magic.english import stem, words_of

__all__ = ["Token", "lemmas", "number_of", "stem", "stems_of", "tokenise", "words_of"]

_TOKEN = re.compile(
    r"""
    (?P<quoted>"[^"\n]{0,300}"|'[^'\n]{1,300}'(?!\w)|“[^”\n]{0,300}”|`[^`\n]{1,300}`)
  | (?P<date>\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?(?![\d-]))
  | (?P<time>\d{1,2}:\d{2}(?::\d{2})?(?!\d))
  | (?P<version>\d+(?:\.\d+){2,}(?![\w]))
  | (?P<number>\d+(?:,\d{3})+(?:\.\d+)?(?![\w,])|\d+\.\d+(?!\w)|\d+(?![\w]))
  | (?P<word>[^\W\d]\w*(?:(?:[-.'’])\w+)*|\d+\w+)
  | (?P<op><=|>=|<>|!=|==|[<>=*/+%$€£-])
  | (?P<punct>[^\s\w])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """One token of the statement.

    Attributes:
        kind: ``word``, ``number``, ``date``, ``time``, ``quoted``, ``op`` or ``punct``.
        low: The text in lower case, without possessive; for quoted text what is inside the quotes, as written.
        stem: Stem of `low` for words; `low` otherwise.
    """

    text: str
    start: int
    end: int
    kind: str
    low: str
    stem: str


def tokenise(text: str) -> tuple[Token, ...]:
    """The tokens of `text`, in order; every character that is not white space is in exactly one."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "punct"
        kind = "word" if kind == "version" else kind
        raw = match.group()
        if kind == "word" and "-" in raw and not _keep_hyphen(raw):
            found.extend(_pieces(raw, match.start()))
            continue
        low = raw[1:-1] if kind == "quoted" else _plain(raw)
        found.append(Token(raw, match.start(), match.end(), kind, low, stem(low) if kind == "word" else low))
    return tuple(found)


def _keep_hyphen(raw: str) -> bool:
    """A hyphenated word stays whole only where it is a code: it holds a digit or a capital after the first letter."""
    return "." in raw or bool(re.search(r"\d|(?<=.)[A-Z]{2}", raw))


def _pieces(raw: str, start: int) -> list[Token]:
    made = []
    for match in re.finditer(r"[^-]+|-", raw):
        low = _plain(match.group())
        kind = "punct" if low == "-" else "word"
        made.append(Token(match.group(), start + match.start(), start + match.end(), kind, low, stem(low)))
    return made


def _plain(raw: str) -> str:
    low = raw.casefold().replace("’", "'")
    if low.endswith("'s"):
        return low[:-2]
    return low


@lru_cache(maxsize=4096)
def stems_of(name: str) -> tuple[str, ...]:
    """Stems of the parts of a name such as ``order_count``."""
    return tuple(stem(part) for part in name.split("_"))


def lemmas(word: str) -> frozenset[str]:
    """Base forms a verb form may come from, the word itself among them.

    >>> "join" in lemmas("joining"), "calculate" in lemmas("calculates"), "drop" in lemmas("dropped")
    (True, True, True)
    >>> "go" in lemmas("good")
    False
    """
    low = word.casefold()
    forms = {low, stem(low)}
    for ending in ("es", "ed", "ing", "d"):
        if low.endswith(ending) and len(low) - len(ending) >= 2:
            base = low[: -len(ending)]
            forms |= {base, base + "e"}
            if len(base) > 2 and base[-1] == base[-2] and ending in {"ed", "ing"}:
                forms.add(base[:-1])
            if base.endswith("i"):
                forms.add(base[:-1] + "y")
    return frozenset(forms)


_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_WORD_NUMBERS = {name: value for value, name in enumerate(_UNITS)} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "ninety": 90,
    "hundred": 100,
    "once": 1,
    "twice": 2,
    "dozen": 12,
}
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000, "bn": 10**9, "billion": 10**9}


def number_of(token: Token) -> str | None:
    """The number a token says, as SQL text; None when it says none.

    >>> [number_of(token) for token in tokenise("1,000 ten 2.50 10k x")]
    ['1000', '10', '2.50', '10000', None]
    """
    if token.kind == "number":
        return token.text.replace(",", "")
    if token.low in _WORD_NUMBERS:
        return str(_WORD_NUMBERS[token.low])
    match = re.fullmatch(r"(\d+)(k|m|bn)", token.low)
    if match:
        return str(int(match[1]) * _SCALES[match[2]])
    return None


def scale_of(token: Token) -> int:
    """What a word such as ``thousand`` multiplies the number before it by; 1 for others."""
    return _SCALES.get(token.low, 1) if len(token.low) > 1 else 1
