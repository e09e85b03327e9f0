"""The words under which a table is kept: of its place, its name, its columns and its comments.

Names are cut at underscores, capitals and known words written together; each word is kept as its singular and, where
it is a known abbreviation, written out as well. Words hold letters and digits alone: nothing of a search language
survives.

Names written together of words that no list knows are cut when a catalog is written (`compounds`): what stands alone
in the names of other tables is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from pipeline_magic.english import ABBREVIATIONS, DATA_WORDS, stem
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.schema import TableSchema

__all__ = ["LONG_FORMS", "Names", "Terms", "Texts", "compounds", "forms_of", "name_words", "terms_of", "texts_of"]

LONGEST = 40
"""Characters of a word that count."""
_OFTEN = 3
"""Tables whose name must have a word for others to be cut by it."""
_COMMENT_WORDS = 60
_COLUMN_COMMENT_WORDS = 12


def _pairs(text: str) -> dict[str, str]:
    return {short: word for short, _, word in (pair.partition(":") for pair in text.split())}


LONG_FORMS: dict[str, str] = {
    **{short: word for short, word in ABBREVIATIONS.items() if short != word},
    **_pairs(
        """
        adj:adjustment alloc:allocation appl:application appt:appointment approv:approval assgn:assignment
        attr:attribute auth:authorization bldg:building bus:business calc:calculation cfg:configuration
        cntr:counter cntrct:contract comm:communication cur:currency curr:current db:database dlvr:delivery
        dim:dimension dist:distribution doc:document dtl:detail env:environment equip:equipment est:estimate
        evt:event exp:expense fcst:forecast freq:frequency hdr:header hist:history hr:hour idx:index
        img:image info:information ins:insurance inst:instance intl:international invc:invoice lbl:label
        ln:line lvl:level maint:maintenance mfg:manufacturing mgmt:management mth:month mtr:meter
        obj:object ops:operations ord:order orig:origin param:parameter perf:performance phys:physical
        plcy:policy prc:price prdct:product prd:product pos:position prev:previous proc:process
        procmt:procurement proj:project promo:promotion prov:provider purch:purchase pymt:payment qual:quality
        rcpt:receipt rec:record recv:receive reg:region rel:relation req:request res:resource resp:response
        rev:revenue rpt:report rsrc:resource rtn:return sched:schedule sess:session shpmt:shipment
        spec:specification src:source stat:statistic stg:staging stmt:statement str:store subscr:subscription
        sup:supplier sum:summary svc:service sys:system tbl:table tgt:target tm:time tran:transaction
        trans:transaction trk:track trx:transaction typ:type upd:update usr:user val:value veh:vehicle
        vndr:vendor wh:warehouse whse:warehouse wk:week wrk:work xfer:transfer
        """
    ),
}
"""What an abbreviation in a name most often stands for; the planner reads sentences with a shorter list."""

_CUT = DATA_WORDS | frozenset(ABBREVIATIONS) | frozenset(LONG_FORMS.values())
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_LATIN = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "Ae"})


class Terms(NamedTuple):
    """The words of one table, each once, by where they stand.

    Attributes:
        size: Words that its name has; short names come first among equals.
    """

    name: tuple[str, ...]
    place: tuple[str, ...]
    columns: tuple[str, ...]
    comment: tuple[str, ...]
    size: int


class Texts(NamedTuple):
    """What a catalog says of a table that a search can find.

    Attributes:
        said: Name and comment of each column that has a comment.
    """

    table: str
    comment: str
    columns: list[str]
    said: list[tuple[str, str]]


def texts_of(table: TableSchema) -> Texts:
    """The names and comments of a table."""
    columns = table.columns
    said = [(column.name, column.comment) for column in columns if column.comment]
    return Texts(table.table, table.comment, [column.name for column in columns], said)


class Names(dict[str, tuple[str, ...]]):
    """The words of each identifier as they are kept; remembered, since the same columns stand in many tables."""

    def __missing__(self, name: str) -> tuple[str, ...]:
        made = self[name] = tuple(dict.fromkeys(chain.from_iterable(map(_part_forms, _parts(name)))))
        return made


def terms_of(texts: Texts, names: Names) -> Terms:
    """The words of a table.

    Args:
        names: What is known of names already; the same one for all tables of a refresh.
    """
    place, _, name = texts.table.rpartition(".")
    if "`" in texts.table:
        catalog, schema, name = split_table(texts.table)
        place = f"{catalog}.{schema}"
    comment = dict.fromkeys(_prose(texts.comment, _COMMENT_WORDS)) if texts.comment else {}
    for _, said in texts.said:
        comment.update(dict.fromkeys(_repeated(said)))
    columns = dict.fromkeys(chain.from_iterable(map(names.__getitem__, texts.columns)))
    return Terms(names[name], _place(place), tuple(columns), tuple(comment), len(name_words(name)))


@lru_cache(maxsize=20_000)
def _place(place: str) -> tuple[str, ...]:
    """Words of catalog and schema. A catalog `prod` is no product: what catalogs are called is not written out."""
    catalog, _, schema = place.partition(".")
    return tuple(dict.fromkeys([*Names()[schema], *(stem(word) for word in name_words(catalog))]))


@lru_cache(maxsize=100_000)
def name_words(name: str) -> tuple[str, ...]:
    """The words of an identifier, plurals and abbreviations as they are, words written together cut.

    >>> name_words("CustOrders_2023"), name_words("custorders"), name_words("Größe")
    (('cust', 'orders', '2023'), ('cust', 'orders'), ('grosse',))
    """
    return tuple(piece for part in _parts(name) for piece in _cut(part))


def _parts(name: str) -> list[str]:
    plain = _plain(name)
    found = _WORD.findall(plain) if plain.isascii() else re.split(r"[\W_]+", plain.casefold())
    return [part[:LONGEST].lower() for part in found if part]


@lru_cache(maxsize=100_000)
def _part_forms(part: str) -> tuple[str, ...]:
    return tuple(form for word in _cut(part) for form in forms_of(word))


@lru_cache(maxsize=100_000)
def forms_of(word: str) -> tuple[str, ...]:
    """A word as it is kept and looked for: its singular, and what it abbreviates.

    >>> forms_of("customers"), forms_of("qty")
    (('customer',), ('qty', 'quantity'))
    """
    single = stem(word)
    return (single, LONG_FORMS[single]) if single in LONG_FORMS else (single,)


def compounds(counts: Mapping[str, int], words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Which of `words` are others written together, and of which.

    Args:
        counts: In how many tables' names each word of the catalog stands.
        words: Those to look at.

    >>> compounds({"patient": 9, "ward": 9, "wardrobe": 1}, ["patientward", "wardrobe", "ward"])
    {'patientward': ('patient', 'ward')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        if len(word) < 7 or not word.isalpha():
            continue
        least = max(_OFTEN, counts.get(word, 0) + 1)
        best = 0
        for size in range(3, len(word) - 2):
            fewer = min(counts.get(word[:size], 0), counts.get(word[size:], 0))
            if fewer >= least and fewer > best:
                best, found[word] = fewer, (word[:size], word[size:])
    return found


def _prose(text: str, most: int) -> list[str]:
    found = re.findall(r"\w+", _plain(text[: most * 20]))[:most]
    return [stem(word)[:LONGEST] for word in found if len(word) > 2 or word.isdigit()]


@lru_cache(maxsize=50_000)
def _repeated(text: str) -> list[str]:
    """Words of a column's comment; the same columns stand in many tables."""
    return _prose(text, _COLUMN_COMMENT_WORDS)


def _plain(text: str) -> str:
    """Without accents; other scripts stay as they are."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text.translate(_LATIN))
    return "".join(char for char in apart if not unicodedata.combining(char))


@lru_cache(maxsize=100_000)
def _cut(word: str) -> tuple[str, ...]:
    """A word written together, cut into known words (the last may be a plural); else the word alone."""
    if len(word) < 6 or stem(word) in _CUT:
        return (word,)
    for size in range(len(word) - 2, 2, -1):
        if word[:size] not in _CUT:
            continue
        rest = word[size:]
        if stem(rest) in _CUT:
            return (word[:size], rest)
        tail = _cut(rest)
        if len(tail) > 1:
            return (word[:size], *tail)
    return (word,)
