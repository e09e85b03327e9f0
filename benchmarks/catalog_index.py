"""The index of a large catalog: is the right table among the ten found, how fast, and what does building it cost.

    python benchmarks/catalog_index.py [--quick] [--tables N] [--queries N] [--seed N]

A catalog of invented companies is made (not timed): domains with their own nouns, schemas with their own habits
(snake_case, camelCase, written together, abbreviated), staging copies, backups, yearly tables, and names that share
their words with hundreds of others. A query stands for one table: two or three words out of its name, its schema or
its columns, each spelt as its kind says:

    exact        the words as a person writes them out, whatever the table does with them
    plural       each noun in its plural
    abbreviated  each word of five letters or more shortened: from a list that is not the index's, or by rule (vowels
                 dropped, cut off)
    misspelt     each word of five letters or more with one slip: a letter lost, doubled, wrong or swapped

`recall_at_10` counts a query as found if exactly the table it was made from is among the first ten. Most queries fit
many tables to some degree, and copies of a table fit as well as it does; `plain ties` says how many queries fit more
than ten tables equally well by their words, so that no index could be sure. Such queries count like all others.
Seeded; the same numbers for the same seed but for the times. The last line is JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_magic.agents.catalog.index.stored import StoredIndex
from pipeline_magic.spec.schema import Column, TableSchema

KINDS = ("exact", "plural", "abbreviated", "misspelt")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DOMAINS = {
    "sales": "customer order lead opportunity quote contract territory commission discount campaign channel deal",
    "supply": "supplier shipment warehouse inventory carrier pallet"
    " container route dispatch replenishment freight dock",
    "finance": "invoice payment ledger journal budget forecast expense account balance currency settlement tax",
    "people": "employee payroll timesheet applicant vacancy salary benefit absence training appraisal department grade",
    "factory": "machine sensor batch recipe downtime maintenance spare calibration defect inspection workcenter tool",
    "health": "patient encounter diagnosis prescription laboratory ward"
    " admission claim provider appointment allergy dose",
    "energy": "meter reading tariff outage substation turbine grid consumption transformer feeder voltage generation",
    "telecom": "subscriber tower handset roaming voucher bandwidth latency sim recharge churn cell spectrum",
    "travel": "booking passenger itinerary hotel room fare baggage loyalty reservation airport segment seat",
    "insurance": "policy premium claimant broker coverage underwriter"
    " reinsurance liability beneficiary deductible risk peril",
    "retail": "store basket coupon assortment planogram shelf cashier receipt promotion markdown brand loyalty",
    "web": "session visitor pageview experiment cookie referrer funnel conversion impression click audience consent",
    "security": "incident vulnerability firewall credential certificate alert"
    " endpoint malware permission identity audit patch",
    "property": "tenant lease building apartment landlord mortgage valuation parcel utility repair vacancy deposit",
    "education": "student course enrollment lecture exam teacher scholarship campus semester tuition library degree",
    "fleet": "vehicle driver trip fuel geofence odometer tyre accident telemetry mileage garage permit",
}
ASPECTS = _words(
    """history status detail header line summary event snapshot address contact price rate limit target score
    category document note relation group calendar region country adjustment allocation approval request
    response schedule measurement attribute mapping hierarchy period version comment reason source feed quality
    error statistic transaction return delivery review rating product service item material location position"""
)
COLUMN_NOUNS = _words(
    """amount quantity date name code type status number description value currency country city email phone reason
    priority level percent cost margin weight volume start end created updated owner source comment region
    language latitude longitude duration count score reference version flag address line unit method mode
    channel brand color size model serial batch expiry threshold minimum maximum average total net gross tax
    discount rate"""
)
HABITS = ("snake", "snake", "snake", "camel", "pascal", "joined", "short", "short_upper")
PREFIXES = ("", "", "", "", "", "dim", "fact", "stg", "raw", "vw", "t", "int")
SUFFIXES = ("", "", "", "", "daily", "bak", "tmp", "v2", "2023", "2024", "hist", "agg", "delta", "old", "archive")
SHORT = {
    "customer": "cust",
    "order": "ord",
    "shipment": "shpmt",
    "warehouse": "whse",
    "inventory": "inv",
    "supplier": "supp",
    "payment": "pymt",
    "account": "acct",
    "employee": "emp",
    "department": "dept",
    "maintenance": "maint",
    "transaction": "txn",
    "product": "prod",
    "quantity": "qty",
    "amount": "amt",
    "description": "descr",
    "number": "nbr",
    "detail": "dtl",
    "header": "hdr",
    "history": "hist",
    "category": "catg",
    "address": "addr",
    "location": "loc",
    "schedule": "sched",
    "document": "doc",
    "statistic": "stat",
    "delivery": "dlvry",
    "contract": "cntrct",
    "policy": "plcy",
    "premium": "prem",
    "patient": "pat",
    "reservation": "resv",
    "passenger": "pax",
    "vehicle": "veh",
    "building": "bldg",
    "subscriber": "subscr",
    "measurement": "meas",
    "attribute": "attr",
    "percent": "pct",
    "average": "avg",
    "minimum": "min",
    "maximum": "max",
    "reference": "ref",
    "country": "ctry",
    "region": "rgn",
    "currency": "curr",
    "invoice": "invc",
    "forecast": "fcst",
    "service": "svc",
    "request": "req",
    "response": "resp",
    "version": "ver",
    "summary": "summ",
}
"""How companies shorten words; the rest goes by rule."""


@dataclass(frozen=True)
class Made:
    """A table of the catalog and what it stands for: its domain's word, the words of its name, its own columns."""

    table: TableSchema
    place: str
    words: tuple[str, ...]
    own: tuple[tuple[str, ...], ...]
    plain: bool


def shorten(word: str, chance: random.Random, *, listed: float) -> str:
    """A word shortened: as listed, without its vowels, or cut off; short words stay."""
    if len(word) < 5:
        return word
    if word in SHORT and chance.random() < listed:
        return SHORT[word]
    bare = word[0] + "".join(char for char in word[1:] if char not in "aeiou")
    return bare[:5] if len(bare) >= 3 and chance.random() < 0.5 else word[: 4 if len(word) < 8 else 5]


def spell(words: Sequence[str], habit: str, short: dict[str, str]) -> str:
    """Words as one identifier, by a schema's habit; a schema shortens a word always in the same way."""
    if habit in {"short", "short_upper"}:
        made = "_".join(short.get(word, word) for word in words)
        return made.upper() if habit == "short_upper" else made
    if habit == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if habit == "pascal":
        return "".join(word.capitalize() for word in words)
    return ("" if habit == "joined" and len(words) == 2 else "_").join(words)


def catalog(size: int, seed: int) -> list[Made]:
    """That many tables, twenty columns each on average."""
    chance = random.Random(seed)
    vocabulary = sorted(
        {word for nouns in DOMAINS.values() for word in nouns.split()} | set(ASPECTS) | set(COLUMN_NOUNS)
    )
    made: list[Made] = []
    seen: set[str] = set()
    styles: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}
    for _ in range(10 * size):
        if len(made) >= size:
            break
        domain = chance.choice(list(DOMAINS))
        company, layer = chance.choice(("prod", "dev", "lake", "dwh")), chance.randrange(0, 10)
        schema = (
            domain
            if layer == 0
            else f"{domain}_{('core', 'mart', 'raw', 'ops', 'bi', 'ext', 'ml', 'stage', 'pub')[layer - 1]}"
        )
        if (company, schema) not in styles:
            style = random.Random(f"{seed}{company}{schema}")
            styles[company, schema] = style.choice(HABITS), {w: shorten(w, style, listed=0.8) for w in vocabulary}
        habit, short = styles[company, schema]
        nouns = DOMAINS[domain].split()
        words = [chance.choice(nouns)]
        if chance.random() < 0.35:
            words.append(chance.choice([noun for noun in nouns if noun not in words]))
        if chance.random() < 0.8:
            words.append(chance.choice(ASPECTS))
        prefix, suffix = chance.choice(PREFIXES), chance.choice(SUFFIXES)
        name = spell([part for part in (prefix, *words, suffix) if part], habit, short)
        full = f"{company}.{schema}.{name}"
        if full.casefold() in seen:
            continue
        seen.add(full.casefold())
        own, columns = columns_of(words, nouns, habit, short, chance)
        comment = (
            f"{words[0].capitalize()} {' '.join(words[1:])} of the {domain} system." if chance.random() < 0.3 else ""
        )
        table = TableSchema(table=full, columns=columns, comment=comment)
        made.append(Made(table, domain, tuple(words), own, not prefix and not suffix))
    return made


def columns_of(
    words: Sequence[str], nouns: Sequence[str], habit: str, short: dict[str, str], chance: random.Random
) -> tuple[tuple[tuple[str, ...], ...], tuple[Column, ...]]:
    """Columns of a table: keys, its own, those of its domain, and those that every table has."""
    own = tuple((chance.choice((words[0], chance.choice(nouns))), chance.choice(COLUMN_NOUNS)) for _ in range(7))
    every = [(noun,) for noun in chance.sample(COLUMN_NOUNS, 8)]
    keys = [(word, "id") for word in dict.fromkeys([*words, chance.choice(nouns)])]
    names = [*keys, *own, *every, ("created", "at"), ("updated", "at"), ("load", "batch", "id")]
    spelt = dict.fromkeys(spell(name, habit, short) for name in names)
    return own, tuple(
        Column(name=name, type="string", comment="As the source has it." if chance.random() < 0.05 else "")
        for name in spelt
    )


def wanted_words(made: Made, chance: random.Random) -> tuple[str, ...]:
    """Two or three words that a person would name the table by: those of its name, then its domain or a column's."""
    words = list(made.words)
    if len(words) < 2 or (len(words) == 2 and chance.random() < 0.6):
        extra = [made.place] if chance.random() < 0.5 else [chance.choice(made.own)[1]]
        words += [word for word in extra if word not in words]
    return tuple(words[:3])


def respell(word: str, kind: str, chance: random.Random) -> str:
    """The word as a query of that kind has it."""
    if kind == "plural":
        return plural(word)
    if kind == "abbreviated":
        return shorten(word, chance, listed=0.5)
    return slip(word, chance) if kind == "misspelt" and len(word) >= 5 else word


def plural(word: str) -> str:
    """The plural of an English noun."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh", "z")) else "s")


def slip(word: str, chance: random.Random) -> str:
    """The word with one typing error; the first letter is right, as it nearly always is."""
    at = chance.randrange(1, len(word) - 1)
    kind = chance.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + chance.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def queries(catalog_: Sequence[Made], count: int, seed: int) -> Iterator[tuple[str, Made, tuple[str, ...], list[str]]]:
    """Kind, table, its words and the typed words; tables that are no copies, since nobody asks for a backup."""
    chance = random.Random(seed + 1)
    targets = [made for made in catalog_ if made.plain]
    for number in range(count):
        made = chance.choice(targets)
        words = wanted_words(made, chance)
        typed = [respell(word, KINDS[number % len(KINDS)], chance) for word in words]
        chance.shuffle(typed)
        yield KINDS[number % len(KINDS)], made, words, typed


def ties(catalog_: Sequence[Made]) -> Counter[frozenset[str]]:
    """How many tables have exactly these words in their plain names."""
    return Counter(frozenset(made.words) for made in catalog_ if made.plain)


def main() -> None:
    """Build, ask, update, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer queries; the catalog has its full size")
    parser.add_argument("--tables", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=0)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--misses", type=int, default=0, metavar="N", help="print N queries that were not found")
    options = parser.parse_args()
    made = catalog(options.tables, options.seed)
    tables = [item.table for item in made]
    gc.freeze()
    columns = sum(len(table.columns) for table in tables)
    print(f"catalog: {len(tables):,} tables, {columns:,} columns, seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        index = StoredIndex(Path(folder) / "catalog.index")
        build = timed(lambda: index.refresh(lambda: tables, "1"))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        print(f"build: {build:.2f} s CPU, {size / 1e6:.0f} MB")
        result = ask(index, made, options.queries or (600 if options.quick else 2000), options)
        update(index, tables)
        index.close()
    print(json.dumps({**result, "build_s_cpu": round(build, 2), "tables": len(tables), "columns": columns}))


def ask(index: StoredIndex, made: Sequence[Made], count: int, options: argparse.Namespace) -> dict[str, float]:
    """Recall and CPU of each query, cold vocabulary apart."""
    print(f"first query (reads the vocabulary): {timed(lambda: index.search('warm up')) * 1000:.0f} ms CPU")
    same = ties(made)
    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    spent: list[float] = []
    tied, shown = 0, 0
    for kind, target, words, typed in queries(made, count, options.seed):
        started = time.process_time()
        hits = [hit.table for hit in index.search(typed, 10)]
        spent.append((time.process_time() - started) * 1000)
        place = hits.index(target.table.table) + 1 if target.table.table in hits else 0
        found[kind].append(place)
        tied += same[frozenset(words)] > 10
        if not place and shown < options.misses:
            shown += 1
            print(f"  not found, {kind}: {' '.join(typed)} -> {target.table.table}; found {', '.join(hits[:3])}")
    for kind, places in found.items():
        ten, first = sum(map(bool, places)) / len(places), places.count(1) / len(places)
        print(f"{kind:12} recall at 10 {ten:6.1%}   at 1 {first:6.1%}   of {len(places)}")
    every = [place for places in found.values() for place in places]
    p95 = statistics.quantiles(spent, n=20)[-1]
    print(f"plain ties: {tied} of {count} queries name more than ten tables by exactly the same words")
    print(f"query: median {statistics.median(spent):.1f} ms CPU, p95 {p95:.1f}, worst {max(spent):.1f}")
    return {"recall_at_10": round(sum(map(bool, every)) / len(every), 4), "p95_ms_cpu": round(p95, 1)}


def update(index: StoredIndex, tables: list[TableSchema]) -> None:
    """Cost of a refresh where nothing changed, and where 100 tables did."""
    print(f"refresh, nothing changed: {timed(lambda: index.refresh(lambda: tables, '1')):.2f} s CPU")
    changed = [
        table.model_copy(update={"comment": "Changed."}) if number % max(1, len(tables) // 100) == 0 else table
        for number, table in enumerate(tables)
    ]
    print(f"refresh, 100 tables changed: {timed(lambda: index.refresh(lambda: changed, '2')):.2f} s CPU")


def timed(work: object) -> float:
    """CPU seconds of this process."""
    assert callable(work)
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
