"""English for data, shared by whoever reads or searches names: singulars, the words of an identifier, abbreviations.

Here: what is true of names in any catalog. Not here: reading sentences (the planner's `text` and `lexicon`), searching
(`agents.catalog.index`). Pure data and pure functions; the standard library alone.
"""

from __future__ import annotations

import re

__all__ = ["ABBREVIATIONS", "DATA_WORDS", "split_compound", "stem", "words_of"]

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "data": "data",
    "series": "series",
    "status": "status",
    "address": "address",
    "indices": "index",
    "is": "is",
    "was": "was",
    "has": "has",
    "does": "does",
    "this": "this",
    "its": "its",
    "as": "as",
    "less": "less",
    "plus": "plus",
    "minus": "minus",
    "vs": "vs",
    "always": "always",
    "gas": "gas",
    "news": "news",
}


def stem(word: str) -> str:
    """The singular of a noun, in lower case; other words are left alone as far as possible.

    >>> [stem(word) for word in ("Orders", "categories", "addresses", "status", "bus")]
    ['order', 'category', 'address', 'status', 'bus']
    """
    low = word.casefold()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if len(low) <= 3 or not low.endswith("s") or low.endswith(("ss", "us", "is", "as")):
        return low
    if low.endswith("ies") and len(low) > 4:
        return low[:-3] + "y"
    if low.endswith(("sses", "shes", "ches", "xes", "zes")):
        return low[:-2]
    if low.endswith("s"):
        return low[:-1]
    return low


_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def words_of(name: str) -> tuple[str, ...]:
    """The words of an identifier, in lower case: cut at underscores, spaces and capitals.

    >>> words_of("salesPerson_ID")
    ('sales', 'person', 'id')
    """
    return tuple(
        part.casefold() for piece in re.split(r"[\W_]+", name) for part in _CAMEL.findall(piece) or [piece] if part
    )


ABBREVIATIONS = {
    "acct": "account",
    "addr": "address",
    "amt": "amount",
    "arr": "arrival",
    "auth": "author",
    "avail": "available",
    "avg": "average",
    "bal": "balance",
    "bk": "book",
    "br": "branch",
    "cap": "capacity",
    "cat": "category",
    "cd": "code",
    "cnt": "count",
    "cpy": "copy",
    "crs": "course",
    "crtd": "created",
    "ctry": "country",
    "cust": "customer",
    "dep": "departure",
    "dept": "department",
    "desc": "description",
    "dest": "destination",
    "dist": "distance",
    "dob": "birth",
    "dt": "date",
    "dur": "duration",
    "emp": "employee",
    "enr": "enrollment",
    "fk": "key",
    "frst": "first",
    "fst": "first",
    "flt": "flight",
    "hrs": "hour",
    "ht": "height",
    "id": "id",
    "ids": "id",
    "instr": "instructor",
    "inv": "inventory",
    "lang": "language",
    "lat": "latitude",
    "len": "length",
    "loc": "location",
    "lon": "longitude",
    "lst": "last",
    "lvl": "level",
    "max": "maximum",
    "mbr": "member",
    "mem": "member",
    "mfgr": "manufacturer",
    "mgr": "manager",
    "min": "minimum",
    "mins": "minute",
    "mkt": "market",
    "mktg": "marketing",
    "msg": "message",
    "nbr": "number",
    "nm": "name",
    "nme": "name",
    "no": "number",
    "num": "number",
    "org": "organization",
    "pct": "percent",
    "pg": "page",
    "pk": "key",
    "pmt": "payment",
    "pop": "population",
    "prod": "product",
    "psgr": "passenger",
    "pub": "published",
    "pymt": "payment",
    "qty": "quantity",
    "ref": "reference",
    "rev": "revenue",
    "rtg": "rating",
    "sal": "salary",
    "sched": "scheduled",
    "secs": "second",
    "seq": "sequence",
    "stat": "status",
    "stu": "student",
    "supp": "supplier",
    "sz": "size",
    "tel": "phone",
    "temp": "temperature",
    "tkt": "ticket",
    "tot": "total",
    "ts": "timestamp",
    "ttl": "title",
    "tx": "transaction",
    "txn": "transaction",
    "typ": "type",
    "usr": "user",
    "veh": "vehicle",
    "visib": "visibility",
    "wt": "weight",
    "yr": "year",
}


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


DATA_WORDS = _set(
    """account acct address amount amt arrival avail available average bal balance birth brand carrier category city
    clerk code color comment commit container cost count country created currency cust customer date day delay
    delivery departure description dest discount email employee end engine extended first flag flight gender hour id
    instruct inventory invoice item key kind last level line link location manufacturer market mkt method minute
    mode model month name nation net num number order origin owner page part payment person persons percent phone
    plane price priority product qty quantity rate rating receipt receive region retail return review sale sales
    score segment seller seq service ship shipping size source start state status store street sub supp supplier
    supply tail tax team ticket time title total type unit update updated user value vendor version visit week
    weight year zip zone"""
)
"""Words that column names are made of; used to cut names written together (``totalprice``)."""


def split_compound(word: str, known: frozenset[str] = DATA_WORDS) -> tuple[str, ...]:
    """Cut a name written together into known words; the word alone when it cannot be cut wholly.

    >>> split_compound("totalprice"), split_compound("custkey"), split_compound("banana")
    (('total', 'price'), ('cust', 'key'), ('banana',))
    """
    if word in known or len(word) < 6:
        return (word,)
    for size in range(len(word) - 2, 1, -1):
        head, rest = word[:size], word[size:]
        if head not in known or len(head) < 3:
            continue
        tail = split_compound(rest, known) if len(rest) >= 6 else (rest,)
        if all(part in known for part in tail):
            return (head, *tail)
    return (word,)
