"""English as far as data pipelines need it: words that ask for nothing, synonyms, abbreviations. Pure data.

The lists are of English and of data modelling in general; nothing here knows a particular catalog.
"""

from __future__ import annotations

__all__ = [
    "ABBREVIATIONS",
    "DATA_WORDS",
    "FILLER",
    "KEY_WORDS",
    "MONEY",
    "MONTHS",
    "STOP",
    "SYNONYMS",
]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = _set(
    """a an the of to in on at by for from with and or as is are was were be been being it its this that these those
    them they their there then than so such all any each every per do does did has have had having who whom whose
    which what when where how why into onto upon over under between within about also just only please me my our us we
    i you your he she his her s t not no nor but if else can could should would will shall may might must up down out
    off same other another both either neither very more most less least some via using use used based according
    one here now even still ever"""
)
"""Function words. They carry grammar, not content: alone they are never `unmatched`."""

FILLER = _set(
    """create build make made produce generate give show list return find get fetch display report provide want need
    like let pipeline table dataset view job process task workflow result results row rows record records entry entries
    data unity catalog output outputs value values column columns field fields information info details detail
    metric metrics statistic statistics kpi kpis figure figures calculate calculates calculated calculating compute
    computes computed computing determine derive add adds adding include includes including included read reads
    reading load loads loading ingest take takes start starting first second third next finally lastly afterwards
    new following follow step steps write writes source sources database tell name named call called set run runs
    running answer answers answering question simple kind thanks hello hi along together respectively well
    corresponding associated related current currently overall available many much number amount associated based
    keep keeps keeping track tracks tracking maintain maintains placed made bought sold happening happened happen each given them themselves having recorded"""
)
"""Content words that ask for nothing of their own; beside something understood they count as part of it."""

ABBREVIATIONS = {
    "acct": "account",
    "addr": "address",
    "amt": "amount",
    "arr": "arrival",
    "avail": "available",
    "avg": "average",
    "bal": "balance",
    "cat": "category",
    "cd": "code",
    "cnt": "count",
    "crtd": "created",
    "cust": "customer",
    "dep": "departure",
    "dept": "department",
    "desc": "description",
    "dest": "destination",
    "dob": "birth",
    "dt": "date",
    "emp": "employee",
    "fk": "key",
    "id": "id",
    "ids": "id",
    "inv": "inventory",
    "lang": "language",
    "lat": "latitude",
    "loc": "location",
    "lon": "longitude",
    "max": "maximum",
    "mfgr": "manufacturer",
    "mgr": "manager",
    "min": "minimum",
    "mkt": "market",
    "mktg": "marketing",
    "msg": "message",
    "nbr": "number",
    "no": "number",
    "num": "number",
    "org": "organization",
    "pct": "percent",
    "pk": "key",
    "pmt": "payment",
    "prod": "product",
    "qty": "quantity",
    "ref": "reference",
    "sched": "scheduled",
    "seq": "sequence",
    "supp": "supplier",
    "sz": "size",
    "temp": "temperature",
    "tot": "total",
    "ts": "timestamp",
    "txn": "transaction",
    "tx": "transaction",
    "visib": "visibility",
    "yr": "year",
}

SYNONYMS = {
    "client": "customer",
    "buyer": "customer",
    "shopper": "customer",
    "purchase": "order",
    "vendor": "supplier",
    "country": "nation",
    "airplane": "plane",
    "aircraft": "plane",
    "product": "part",
    "item": "part",
    "rep": "person",
    "representative": "person",
    "staff": "employee",
    "worker": "employee",
    "telephone": "phone",
    "identifier": "id",
    "cost": "price",
    "kind": "type",
    "colour": "color",
}
"""Tried only where the word itself names nothing in the catalog; the reading is then an assumption."""

KEY_WORDS = _set("key id code number identifier")

MONEY = (
    ("revenue",),
    ("sale", "amount"),
    ("sales", "amount"),
    ("total", "price"),
    ("sale", "price"),
    ("total", "amount"),
    ("order", "amount"),
    ("net", "amount"),
    ("gross", "amount"),
    ("payment", "amount"),
    ("amount",),
    ("order", "total"),
    ("total",),
    ("sales",),
    ("extended", "price"),
    ("line", "total"),
    ("turnover",),
)
"""What a column that holds revenue is called, likeliest first. Unit prices, costs and taxes are not revenue."""

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sep", "sept"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}

DATA_WORDS = _set(
    """account acct address amount amt arrival avail available average bal balance birth brand carrier category city
    clerk code color comment commit container cost count country created currency cust customer date day delay delivery
    departure description dest discount email employee end engine extended first flag flight gender hour id instruct
    inventory invoice item key kind last level line link location manufacturer market mkt method minute mode model month
    name nation net num number order origin owner page part payment percent phone plane price priority product qty
    quantity rate rating receipt receive region retail return review sale sales score segment seller seq service ship
    shipping size source start state status store street sub supp supplier supply tail tax team ticket time title total
    type unit update updated user value vendor version visit week weight year zip zone"""
)
"""Words that column names are made of; used to cut names written together (``totalprice``)."""
