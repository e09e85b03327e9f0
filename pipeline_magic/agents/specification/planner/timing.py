"""Schedules in words, as Quartz cron and an IANA zone: ``every weekday at 6:30 Pacific``, ``first of the month``.

What cron cannot say (``every 45 minutes``, ``every other week``) is a question, never the nearest thing. Read over the
text and not over tokens, because times and zones are spelt in too many ways; the spans are mapped to tokens later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.paths import Edit

__all__ = ["Timed", "read_timing"]

DEFAULT_HOUR = 6

_ZONES = {
    r"utc|gmt|zulu|coordinated universal time": "UTC",
    r"new york|nyc|eastern|est|edt|et|us eastern|american eastern": "America/New_York",
    r"chicago|central|cst|cdt|ct|us central": "America/Chicago",
    r"denver|mountain|mst|mdt|mt|us mountain": "America/Denver",
    r"los angeles|la|pacific|pst|pdt|pt|us pacific|san francisco|seattle": "America/Los_Angeles",
    r"london|uk|bst|british": "Europe/London",
    r"berlin|german|cet|cest|central european|frankfurt|munich": "Europe/Berlin",
    r"paris|french": "Europe/Paris",
    r"madrid": "Europe/Madrid",
    r"amsterdam": "Europe/Amsterdam",
    r"zurich|swiss": "Europe/Zurich",
    r"vienna": "Europe/Vienna",
    r"rome|milan": "Europe/Rome",
    r"stockholm": "Europe/Stockholm",
    r"tokyo|japan|jst": "Asia/Tokyo",
    r"singapore|sgt": "Asia/Singapore",
    r"hong kong|hkt": "Asia/Hong_Kong",
    r"shanghai|beijing|china": "Asia/Shanghai",
    r"mumbai|india|ist|indian|delhi|bangalore": "Asia/Kolkata",
    r"dubai": "Asia/Dubai",
    r"sydney|aest|aedt": "Australia/Sydney",
    r"sao paulo|são paulo|brazil": "America/Sao_Paulo",
    r"toronto": "America/Toronto",
}
_AMBIGUOUS = {"ist", "cst", "bst", "est"}
_ZONE = "|".join(f"(?:{names})" for names in _ZONES)
_ZONE_RE = (
    rf"(?:\s*\(?(?:in\s+)?(?:the\s+)?(?P<zone>[A-Z][A-Za-z]+/[A-Za-z_/]+|{_ZONE})\b(?:\s+(?:standard |"
    rf"daylight |local )?(?:time|timezone|time zone))?\)?)"
)

_DAYS = {
    "sunday": "SUN",
    "monday": "MON",
    "tuesday": "TUE",
    "wednesday": "WED",
    "thursday": "THU",
    "friday": "FRI",
    "saturday": "SAT",
}
_DAY = r"(?:sun|mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?)(?:day)?s?"
_CLOCK = (
    r"(?:(?P<h>\d{1,2})(?:[:.h](?P<m>\d{2}))?\s*(?P<ap>a\.?m\b\.?|p\.?m\b\.?)?(?:\s*o'?clock)?|"
    r"(?P<named>midnight|noon|midday))"
)
_AT = (
    rf"(?:,?\s*(?:at|@|around)\s+{_CLOCK}(?!\s*(?:%|percent|days?|rows?|hours?|"
    rf"minutes?))(?:\s+(?:sharp|in the (?P<part>morning|afternoon|evening)))?)"
)

_DAYLIST = rf"{_DAY}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*){_DAY})*"
_LEAD = (
    r"(?:(?:(?:it|this|that|and|please|to|should|must)\s+)*(?:run|runs|running|refresh(?:ed|es)?|"
    r"execute[sd]?|update[sd]?|schedule[sd]?|rebuil[dt]s?|trigger(?:ed)?|deliver(?:ed)?)\s+(?:it|"
    r"this|them|the pipeline|the job)?\s*(?:(?:to|should)\s+(?:run|refresh|execute))?\s*)?"
)

_FREQUENCY = "|".join(
    (
        (
            r"(?P<weekday>(?:every|each|on)\s+(?:weekdays?|week\s*days?|business days?|working days?|"
            r"workdays?)|weekdays|on business days|monday\s*(?:to|through|-|–)\s*friday|mon\s*-\s*fri)"
        ),
        r"(?P<weekend>(?:every|each|on)\s+weekends?)",
        (
            rf"(?P<monthly>(?:on\s+)?(?:the\s+)?(?P<mday>first|1st|last|\d{{1,2}}(?:st|nd|rd|"
            rf"th))\s+(?P<mkind>business day\s+|working day\s+|weekday\s+|day\s+|{_DAY}\s+)?of\s+(?:each|"
            rf"every|the|a)\s+month)"
        ),
        (
            r"(?P<quarterly>quarterly|every quarter|each quarter|(?:on\s+)?(?:the\s+)?first day of (?:each|"
            r"every|the) quarter)"
        ),
        r"(?P<yearly>yearly|annually|every year|once a year)",
        r"(?P<plainmonth>monthly|every month|each month|once a month)",
        rf"(?P<days>(?:(?:every|each|on)\s+)?(?:weekly\s+)?(?:(?:every|each|on)\s+){_DAYLIST})",
        r"(?P<weekly>weekly|every week|each week|once a week)",
        (
            r"(?P<everyn>every\s+(?P<n>\d+|two|three|four|five|six|eight|ten|twelve|fifteen|twenty|thirty|"
            r"other|second|half)\s*(?:an?\s+)?(?P<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|"
            r"weeks?|months?))"
        ),
        r"(?P<hourly>hourly|every hour|each hour|once an hour|on the hour)",
        r"(?P<minutely>every minute|each minute)",
        r"(?P<twice>twice (?:a|per) day|twice daily)",
        r"(?P<night>nightly|every night|each night|overnight)",
        r"(?P<morning>every morning|each morning)",
        r"(?P<evening>every evening|each evening|every afternoon|each afternoon)",
        r"(?P<daily>daily|every day|each day|once a day|once per day|per day at|everyday|(?:seven|7) days a week)",
    )
)
_SCHEDULE = re.compile(
    (
        rf"\b{_LEAD}(?:(?:on\s+)?a\s+(?=daily|weekly|monthly|nightly|"
        rf"hourly))?(?:{_FREQUENCY})(?!\s+(?:total|count|average|sum|sales|revenue|amount|number|active|"
        rf"snapshot|figures?|totals|averages?|counts?|volumes?|orders?|payments?|"
        rf"trend))\b(?P<sched>\s+(?:schedule|basis|refresh|run|batch))?(?P<at>{_AT})?(?P<z>{_ZONE_RE})?"
    ),
    re.IGNORECASE,
)
_AT_FIRST = re.compile(
    (
        rf"\b{_LEAD}at\s+{_CLOCK}(?P<z>{_ZONE_RE})?,?\s+(?P<freq>(?:every|each|on|daily|weekdays|"
        rf"monthly)\b[^.;\n]{{0,60}})"
    ),
    re.IGNORECASE,
)
_MANUAL = re.compile(
    (
        r"\b(?:(?:do(?:n't| not)|never|without(?:\s+a)?|no need to|no)\s+schedul\w+(?:\s+(?:it|"
        r"this))?(?:\s+yet)?|(?:run\w*\s+)?(?:it\s+)?(?:only\s+)?(?:manually|on demand|by hand|ad[- ]hoc|"
        r"when i (?:start|ask|say))|(?:run (?:it )?)?(?:just\s+)?once only|run (?:it )?once\b(?! an? )|"
        r"just once|one[- ]off)\b"
    ),
    re.IGNORECASE,
)
_UPDATE = re.compile(
    (
        r"\b(?:run\w*\s+|refresh\w*\s+|trigger\w*\s+)?(?:it\s+)?(?:whenever|when|each time|every time|as "
        r"soon as|on(?: any| every)? (?:update|change)s? (?:of|to|in))\s+(?:a |any |the |one of the |"
        r"either )?(?:source |input |upstream )?(?:tables?|data|sources?|inputs?|new data)?\s*(?:is |are "
        r"|gets? )?(?:updated|changes?|changed|arrives?|lands?|written|new)?\b"
    ),
    re.IGNORECASE,
)
_CONTINUOUS = re.compile(
    (
        r"\b(?:(?:run\w*\s+)?(?:it\s+)?(?:continuously|in real[- ]?time|always on|as a stream|streaming|"
        r"near real[- ]?time)|continuous(?:ly)?)\b"
    ),
    re.IGNORECASE,
)
_CRON = re.compile(r"\bcron\b[^\n\"'`]{0,20}[\"'`](?P<cron>[^\"'`\n]{9,60})[\"'`]", re.IGNORECASE)
_NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "eight": 8,
    "ten": 10,
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
}


@dataclass(frozen=True)
class Timed:
    """A schedule found in the text from `start` to `end`.

    Attributes:
        cron: Quartz; None when the trigger is another kind or a question is open.
        kind: ``schedule``, ``manual``, ``table_update`` or ``continuous``.
        assumed: What the words left open: ``hour``, ``timezone``, ``day``.
        problem: Why cron cannot say it; then `options` are the nearest things (id, label, cron).
    """

    start: int
    end: int
    kind: str = "schedule"
    cron: str | None = None
    timezone: str | None = None
    assumed: tuple[str, ...] = ()
    problem: str = ""
    options: tuple[tuple[str, str, str], ...] = ()

    def question(self, clauses: tuple[str, ...] = ()) -> Question | None:
        """The must-answer question, where cron cannot say it."""
        if not self.problem:
            return None
        zone = self.timezone or "UTC"
        made = tuple(
            Option(
                id=key,
                label=label,
                edits=(Edit(path="trigger", value={"kind": "schedule", "cron": cron, "timezone": zone}),),
            )
            for key, label, cron in self.options
        )
        return Question(
            id="trigger:schedule",
            text="When should it run?",
            why=self.problem,
            options=made,
            path="trigger.cron",
            clauses=clauses,
        )


def read_timing(text: str) -> list[Timed]:
    """Every schedule in the text, in order, without overlap."""
    found: list[Timed] = []
    for pattern, kind in ((_MANUAL, "manual"),):
        found += [Timed(m.start(), m.end(), kind) for m in pattern.finditer(text)]
    for m in _CRON.finditer(text):
        found.append(Timed(m.start(), m.end(), cron=" ".join(m["cron"].split()), assumed=("timezone",)))
    for m in _AT_FIRST.finditer(text):
        inner = _SCHEDULE.match(text, m.start("freq"))
        if inner and not inner["at"]:
            zone = _zone(m["zone"]) or _zone(inner["zone"])
            made = _timed(inner, _clock(m), zone)
            found.append(
                Timed(
                    m.start(),
                    inner.end(),
                    made.kind,
                    made.cron,
                    made.timezone,
                    made.assumed,
                    made.problem,
                    made.options,
                )
            )
    for m in _SCHEDULE.finditer(text):
        if not _hidden(text, m):
            found.append(_timed(m, _clock(m) if m["at"] else None, _zone(m["zone"])))
    for pattern, kind in ((_UPDATE, "table_update"), (_CONTINUOUS, "continuous")):
        for m in pattern.finditer(text):
            if kind == "continuous" or re.search(r"updat|chang|arriv|land|written|new", m.group(), re.IGNORECASE):
                found.append(Timed(m.start(), m.end(), kind))
    found.sort(key=lambda item: (item.start, -item.end))
    kept: list[Timed] = []
    for item in found:
        if not kept or item.start >= kept[-1].end:
            kept.append(item)
    return kept


def _hidden(text: str, m: re.Match[str]) -> bool:
    """``per week``, ``by month``, ``for each month``: a grouping, not a schedule."""
    before = text[: m.start()].rstrip().casefold()
    if re.match(r"on\b", m.group().strip(), re.IGNORECASE) and not m["at"] and not m["monthly"]:
        opened = re.search(
            r"(?:^|[.;:,(]|\b(?:run|runs|refresh|refreshed|schedule|scheduled|pipeline|job|it|executed|and|basis))$",
            before,
        )
        return opened is None
    if re.search(r"\b(?:per|by|for|in|of|to|from|within)$", before) and not m["at"]:
        return bool(
            re.match(r"(?:each|every|weekly|monthly|daily|yearly|quarterly|hourly)\b", m.group().strip(), re.IGNORECASE)
        ) and not re.search(r"\b(?:run|schedule|scheduled)\b[^.;\n]*$", before)
    return False


def _zone(name: str | None) -> str | None:
    if not name:
        return None
    if "/" in name:
        return name
    low = name.casefold()
    return next((zone for names, zone in _ZONES.items() if re.fullmatch(names, low)), None)


def _clock(m: re.Match[str]) -> tuple[int, int] | None:
    groups = m.groupdict()
    if groups.get("named"):
        return (0, 0) if groups["named"].casefold() == "midnight" else (12, 0)
    if not groups.get("h"):
        return None
    hour, minute = int(groups["h"]), int(groups["m"] or 0)
    half = (groups.get("ap") or "").replace(".", "").casefold()
    part = (groups.get("part") or "").casefold()
    if (half == "pm" and hour < 12) or (part in {"afternoon", "evening"} and hour < 12):
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    return (hour, minute) if hour < 24 and minute < 60 else None


def _timed(m: re.Match[str], clock: tuple[int, int] | None, zone: str | None) -> Timed:
    assumed = [] if clock else ["hour"]
    evening = bool(m["evening"] or m["night"])
    if clock and evening and m["evening"] and clock[0] < 12:
        clock = (clock[0] + 12, clock[1])
    hour, minute = clock or ((18, 0) if m["evening"] else (0, 0) if m["night"] else (DEFAULT_HOUR, 0))
    daytime = f"0 {minute} {hour}"
    cron, problem, options = "", "", tuple[tuple[str, str, str], ...]()
    if m["weekday"]:
        cron = f"{daytime} ? * MON-FRI"
    elif m["weekend"]:
        cron = f"{daytime} ? * SAT,SUN"
    elif m["days"]:
        cron = f"{daytime} ? * {_days(m['days'])}"
    elif m["monthly"]:
        cron, problem = _month_day(m, daytime)
    elif m["quarterly"]:
        cron = f"{daytime} 1 1/3 ?"
        assumed.append("day") if "first" not in m["quarterly"].casefold() else None
    elif m["yearly"]:
        cron = f"{daytime} 1 1 ?"
        assumed.append("day")
    elif m["plainmonth"]:
        cron = f"{daytime} 1 * ?"
        assumed.append("day")
    elif m["weekly"]:
        cron = f"{daytime} ? * MON"
        assumed.append("day")
    elif m["everyn"]:
        cron, problem, options = _every(m["n"].casefold(), m["unit"].casefold(), daytime)
        if "hour" in assumed and not re.match(r"d|w|mo", m["unit"].casefold()):
            assumed.remove("hour")
    elif m["hourly"]:
        cron = "0 0 * * * ?"
        assumed = [item for item in assumed if item != "hour"]
    elif m["minutely"]:
        cron = "0 * * * * ?"
        assumed = [item for item in assumed if item != "hour"]
    elif m["twice"]:
        cron = f"0 {minute} {hour % 12},{hour % 12 + 12} * * ?"
    else:
        cron = f"{daytime} * * ?"
    if zone is None:
        assumed.append("timezone")
    return Timed(m.start(), m.end(), "schedule", None if problem else cron, zone, tuple(assumed), problem, options)


def _days(text: str) -> str:
    names = [day for day in re.findall(r"[a-z]{3,}", text.casefold()) if day[:3] in {key[:3] for key in _DAYS}]
    found = [next(code for full, code in _DAYS.items() if full.startswith(name[:3])) for name in names]
    return ",".join(code for code in _DAYS.values() if code in found)


def _month_day(m: re.Match[str], daytime: str) -> tuple[str, str]:
    day, kind = m["mday"].casefold(), (m["mkind"] or "").strip().casefold()
    number = {"first": 1, "1st": 1}.get(day) or (0 if day == "last" else int(re.sub(r"\D", "", day)))
    if kind and kind != "day" and not re.match(r"business|working|weekday", kind):
        code = _days(kind)
        return (
            f"{daytime} ? * {code}L" if day == "last" else f"{daytime} ? * {code}#{number}"
        ), "" if number <= 5 else "no month has that many"
    if re.match(r"business|working|weekday", kind):
        if day == "last":
            return f"{daytime} LW * ?", ""
        return (
            (f"{daytime} 1W * ?", "") if number == 1 else ("", "cron can only name the first and the last working day")
        )
    if day == "last":
        return f"{daytime} L * ?", ""
    return (f"{daytime} {number} * ?", "") if 1 <= number <= 31 else ("", "no month has that day")


def _every(word: str, unit: str, daytime: str) -> tuple[str, str, tuple[tuple[str, str, str], ...]]:
    half = word == "half"
    n = 30 if half else 2 if word in {"other", "second"} else _NUMBERS.get(word) or int(word)
    if half and not unit.startswith("h"):
        return "", "half of that unit is no time cron knows", (("daily", "every day at 06:00", "0 0 6 * * ?"),)
    kind = "minute" if half or unit.startswith("min") else unit[0]
    if kind == "s":
        return (
            "",
            "a job cannot start every few seconds; a continuous pipeline can run all the time",
            (("minute", "every minute", "0 * * * * ?"),),
        )
    if kind == "minute":
        if n and 60 % n == 0:
            return (f"0 0/{n} * * * ?" if n < 60 else "0 0 * * * ?"), "", ()
        if n and n % 60 == 0 and 24 % (n // 60) == 0:
            return f"0 0 0/{n // 60} * * ?", "", ()
        near = sorted((1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60), key=lambda size: abs(size - n))[:2]
        return (
            "",
            f"cron starts again every hour, so it cannot say every {n} minutes evenly",
            tuple(
                (f"{size}_minutes", f"every {size} minutes", f"0 0/{size} * * * ?" if size < 60 else "0 0 * * * ?")
                for size in sorted(near)
            ),
        )
    if kind == "h":
        if n and 24 % n == 0:
            return (f"0 0 0/{n} * * ?" if n < 24 else "0 0 0 * * ?"), "", ()
        near = sorted((1, 2, 3, 4, 6, 8, 12, 24), key=lambda size: abs(size - n))[:2]
        return (
            "",
            f"cron starts again every day, so it cannot say every {n} hours evenly",
            tuple(
                (f"{size}_hours", f"every {size} hours", f"0 0 0/{size} * * ?" if size < 24 else "0 0 0 * * ?")
                for size in sorted(near)
            ),
        )
    if kind == "d" and n == 1:
        return f"{daytime} * * ?", "", ()
    if kind == "m" and 12 % max(1, n) == 0:
        return f"{daytime} 1 1/{n} ?", "", ()
    if kind == "w" and n == 1:
        return f"{daytime} ? * MON", "", ()
    name = {"d": "days", "w": "weeks", "m": "months"}[kind]
    return (
        "",
        f"cron counts within months, so it cannot say every {n} {name} evenly",
        (
            ("daily", "every day", f"{daytime} * * ?"),
            ("weekly", "every Monday", f"{daytime} ? * MON"),
        ),
    )
