"""English as far as data pipelines need it: words that ask for nothing, synonyms, abbreviations. Pure data.

The lists are of English and of data modelling in general; nothing here knows a particular catalog.
"""

from __future__ import annotations

from pipeline_magic.english import ABBREVIATIONS, DATA_WORDS

__all__ = [
    "KNOWN",
    "ABBREVIATIONS",
    "DATA_WORDS",
    "CARRIERS",
    "FILLER",
    "GENERAL",
    "KEY_WORDS",
    "MONEY",
    "MONTHS",
    "STOP",
    "SYNONYMS",
    "UNITS",
    "word_set",
]


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


STOP = word_set(
    """a an the of to in on at by for from with and or as is are was were be been being it its this that these those
    them they their there then than so such all any each every per do does did has have had having who whom whose
    which what when where how why into onto upon over under between within about also just only please me my our us
    we i you your he she his her s t not no nor but if else can could should would will shall may might must up down
    out off same other another both either neither very more most less least some via using use used based according
    one here now even still ever"""
)
"""Function words. They carry grammar, not content: alone they are never `unmatched`."""

CARRIERS = word_set(
    """no not without never except unless same other another both neither nor less more most least fewer over under
    above below between before after since until than else ever even still either"""
)
"""Grammar that changes what is meant: left over by every reader, such a word was not understood."""

GENERAL = word_set(
    """name title type status date id code number description comment address phone email city state country time day
    month year hour minute amount total value price key count size note text age rate score level category"""
)
"""Column names that many tables share: alone they say nothing about which table is meant."""

FILLER = word_set(
    """create build make made produce generate give show list return find get fetch display report provide want need
    like let pipeline table dataset view job process task workflow result results row rows record records entry
    entries data unity catalog output outputs value values column columns field fields information info details
    detail metric metrics statistic statistics kpi kpis figure figures calculate calculates calculated calculating
    compute computes computed computing determine derive add adds adding include includes including included read
    reads reading load loads loading ingest take takes start starting first next finally lastly
    afterwards new following follow step steps write writes source sources database tell name named call called set
    run runs answer answers answering question simple kind thanks hello hi along together respectively well
    corresponding associated related current currently overall available many much number amount based keep keeps
    keeping track tracks tracking maintain maintains aggregate aggregates aggregated summarize summarise summarizes
    summarises doing come comes coming showing shown going done goes please note placed bought sold happening
    happened happen each given them themselves having recorded feed feeds net clean cleanup hold holds contain
    contains receive receives received refreshed refreshes refresh stack compare compares i.e yet separate located
    target
    select selects normalise normalize standardise standardize
    based situated"""
)
"""Content words that ask for nothing of their own; beside something understood they count as part of it."""

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

KEY_WORDS = word_set("key id code number identifier")

UNITS = word_set(
    """kg kgs kilogram kilo gram g mg lb lbs pound ton km kilometer kilometre m meter metre cm mm mile mi ft foot feet
    inch sec second ms min minute mins hour hr hrs day week month year sqm sqft ha hectare liter litre l ml gb mb kwh
    kw watt usd eur gbp chf dollar euro celsius fahrenheit percent pct"""
)
"""Words at the end of a column's name that say what it is measured in, and need not be said."""

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

KNOWN = word_set(
    """above across active after against agree alert all along already although always among annual annually append
    apply around assert average averages away basis because become before begin below beneath best better between
    beyond bigger biggest bottom bronze bucket business calendar check checks cheap cheapest class classes clear
    close closed cluster combine common compare compared complete condition consider contain continue continuous
    correct count counts create cron daily dates deduplicate default define deliver delta deploy deployed descending
    ascending different distinct divide dividing double drop dropped duplicate duplicates early earliest either
    empty ensure enrich equal every exact exceed except exclude excluding exist existing expect expected false fewer
    fewest final finally flag flagged folder format fresh friday frequent from full function general global gold
    good greater greatest group grouped growth half happen hash high higher highest history holiday hourly hours
    house human identify import important increment individual inner inside instead interval invalid join joined
    joining keep large larger largest later latest least length less level life like limit list little live local
    longer longest lower lowest main manual match maximum mean median merge middle million minimum minus missing
    monday monthly months morning most multiple named nearest negative never newest night nightly noon normal
    nothing null number often older oldest once only open option order other otherwise outer overwrite owner pacific
    partial partition past people per percentile percentage perform period person place places plus point positive
    possible present previous prior private process produce proper quality quarter quarterly quick ratio reach real
    reason recent regular remain remaining remove rename repeat replace request require required rest result return
    returns right round rounded running safe same saturday save schedule second seconds section segment select
    separate series several share shared short shorter shortest should show silver similar simple since single small
    smaller smallest something sort sorted special split spend standard status stop store stored streaming strict
    string strong such sunday table tables target task test text thousand thursday tier time timezone today together
    tomorrow top total touch track true tuesday twice type under union unique unit unknown unless until update
    upsert usual valid validate various verify very wednesday week weekday weekdays weekend weekly whole wide within
    without word work world worst would wrong year yearly yesterday young younger please pretty instructions plan
    plans service services offer offers band bands bracket brackets label labels range ranges rank ranks ranking trend
    weigh weighs weighed weighing earn earns earned earning costs holds seat seats lasts accommodate accommodates
    taller heavier lighter expensive
    trends growth share shares running cumulative moving rolling pivot stack rows carry leave keeps"""
)
"""English words that stand in statements often enough to be no typing errors, whatever a catalog calls its columns."""
