"""Quartz cron: whether it is right, what it says in words, when it fires next, how often it fires.

Quartz is not Unix cron: seconds come first, 1 is Sunday, exactly one of day-of-month and day-of-week is ``?``, and
``L``, ``W`` and ``#`` exist. The next run is computed by croniter after a mapping of day numbers; where croniter
cannot follow (``LW``, ``L-3``, ``15W``) it is None, which means unknown and never "no more". Heavy imports stay inside
functions.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

__all__ = ["describe", "interval_hours", "next_run", "validate"]

_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES, start=1)}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("seconds", 0, 59, {}),
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _DAYS),
    ("year", 1970, 2199, {}),
)
_DAY_OF_MONTH = re.compile(r"L|LW|L-([1-9]|[12]\d|30)|([1-9]|[12]\d|3[01])W", re.IGNORECASE)
_ONE_DAY = f"(?:[1-7]|{'|'.join(_DAY_NAMES)})"
_DAY_OF_WEEK = re.compile(rf"{_ONE_DAY}L|L|{_ONE_DAY}#[1-5]", re.IGNORECASE)


def validate(cron: str, timezone: str = "UTC") -> tuple[str, ...]:
    """What is wrong with a Quartz expression and its zone; nothing when all is well.

    Args:
        cron: Six or seven fields: seconds, minutes, hours, day of month, month, day of week, and optionally year.
        timezone: An IANA name.

    >>> validate("0 30 6 ? * MON-FRI", "America/Los_Angeles")
    ()
    >>> validate("0 30 6 * * *")[0]
    'exactly one of day of month and day of week must be `?`, as in `0 30 6 * * ?`'
    """
    problems: list[str] = []
    parts = cron.split()
    if len(parts) not in (6, 7):
        hint = "; a Unix expression lacks the seconds" if len(parts) == 5 else ""
        problems.append(
            "a Quartz expression has 6 or 7 fields (seconds, minutes, hours, day of month, month, day of week, year), "
            f"and `{cron}` has {len(parts)}{hint}"
        )
    else:
        for (name, low, high, names), part in zip(_FIELDS, parts, strict=False):
            problems += _field_problems(name, part, low, high, names)
        if (parts[3] == "?") == (parts[5] == "?"):
            problems.append(f"exactly one of day of month and day of week must be `?`, as in `{_corrected(parts)}`")
        elif not problems and not _possible_day(parts):
            problems.append("no month named has such a day, so it would never run")
    if not _zone(timezone):
        problems.append(f"`{timezone}` is not an IANA time zone; write it as in `Europe/Berlin` or `UTC`")
    return tuple(problems)


def _corrected(parts: list[str]) -> str:
    fixed = list(parts)
    if fixed[5] == "*" or fixed[3] == fixed[5] == "?":
        fixed[3], fixed[5] = ("*" if fixed[3] == "?" else fixed[3]), "?"
    else:
        fixed[3] = "?"
    return " ".join(fixed)


def _field_problems(name: str, text: str, low: int, high: int, names: dict[str, int]) -> list[str]:
    if text == "?":
        return [] if name in {"day of month", "day of week"} else [f"{name}: `?` may only stand for a day"]
    found = []
    for item in text.split(","):
        if name == "day of month" and _DAY_OF_MONTH.fullmatch(item):
            continue
        if name == "day of week" and _DAY_OF_WEEK.fullmatch(item):
            continue
        problem = _item_problem(item, low, high, names)
        if problem:
            found.append(f"{name}: {problem}")
    return found


def _item_problem(item: str, low: int, high: int, names: dict[str, int]) -> str:
    base, slash, step = item.partition("/")
    if slash and not (step.isdigit() and len(step) < 5 and 1 <= int(step) <= high):
        return f"`{item}` needs a step from 1 to {high} after the slash"
    if base == "*":
        return ""
    first, dash, last = base.partition("-")
    for value in (first, last) if dash else (first,):
        plain = value.isdigit() and value.isascii() and len(value) < 5
        number = names.get(value.upper(), int(value) if plain else None)
        if number is None or not low <= number <= high:
            return f"`{value}` is not a value from {low} to {high}"
    return ""


def _possible_day(parts: list[str]) -> bool:
    days = [int(item) for item in re.split(r"[,\-]", parts[3]) if item.isdigit()]
    if not days or re.search(r"[*/LW?]", parts[3], re.IGNORECASE):
        return True
    named = re.split(r"[,\-]", parts[4])
    months = [_MONTHS.get(item.upper(), 0) or (int(item) if item.isdigit() else 0) for item in named]
    if re.search(r"[*/\-]", parts[4]) or not all(months):
        return True
    longest = max(29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31 for month in months)
    return min(days) <= longest


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def describe(cron: str, timezone: str = "UTC") -> str:
    """The schedule in words, with its zone; the expression itself where it is not a right one.

    >>> describe("0 30 6 ? * MON-FRI", "America/Los_Angeles")
    'At 06:30, Monday through Friday (America/Los_Angeles)'
    """
    if validate(cron, timezone):
        return f"{cron} ({timezone})"
    from cron_descriptor import CasingTypeEnum, Options, get_description

    options = Options()
    options.day_of_week_start_index_zero = False
    options.use_24hour_time_format = True
    options.casing_type = CasingTypeEnum.Sentence
    try:
        words = get_description(cron, options)
    except Exception:  # noqa: BLE001  the library raises its own kinds; the expression is right and can stand for itself
        words = cron
    return f"{words} ({timezone})"


def _for_croniter(cron: str) -> str | None:
    """The same times as croniter writes them (days 0-6, 0 = Sunday; ``L5``); None where it cannot say them."""
    parts = cron.split()
    if len(parts) == 7 and parts[6] != "*":
        return None
    seconds, minutes, hours, day, month, weekday = parts[:6]
    if re.search(r"W|L-", day, re.IGNORECASE):
        return None
    return " ".join((seconds, minutes, hours, "*" if day == "?" else day.upper(), month, _weekday(weekday)))


def _weekday(text: str) -> str:
    if text in {"?", "*"}:
        return "*"
    made: list[str] = []
    for item in text.upper().split(","):
        base, slash, step = item.partition("/")
        last = re.fullmatch(r"(\w+?)L", base)
        nth = re.fullmatch(r"(\w+)#(\d)", base)
        if base == "L":
            made.append("6")
        elif last:
            made.append(f"L{_number(last[1])}")
        elif nth:
            made.append(f"{_number(nth[1])}#{nth[2]}")
        else:
            made += _spread(base, int(step) if slash else 1, bool(slash))
    return ",".join(dict.fromkeys(made))


def _spread(base: str, step: int, stepped: bool) -> list[str]:
    """Single days of ``MON-FRI``, ``SAT-MON``, ``2/2``: written out, so that no numbering can be mistaken."""
    if base == "*":
        low, high = 0, 6
    elif "-" in base:
        low, high = (_number(part) for part in base.split("-", 1))
    else:
        low = _number(base)
        high = 6 if stepped else low
    days = list(range(low, high + 1)) if low <= high else [*range(low, 7), *range(high + 1)]
    return [str(day) for day in days[::step]]


def _number(day: str) -> int:
    return (_DAYS[day] if day in _DAYS else int(day)) - 1


def next_run(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first time after `after` (with a zone) at which it fires, in UTC; None when that is unknown.

    A local time that a change of the clocks skips fires at the first moment after the gap, as croniter has it.
    """
    zone = _zone(timezone)
    if zone is None or validate(cron, timezone):
        return None
    mapped = _for_croniter(cron)
    if mapped is None:
        return None
    from croniter import CroniterError, croniter

    try:
        times = croniter(mapped, after.astimezone(zone), second_at_beginning=True, day_or=False)
        found: datetime = times.get_next(datetime)
    except (CroniterError, ValueError, KeyError):
        return None
    return found.astimezone(_UTC)


_UTC = timezone.utc


def interval_hours(cron: str, timezone: str = "UTC", *, after: datetime | None = None) -> float | None:
    """The longest time between two runs in the weeks to come, in hours; None when it is unknown.

    What a freshness check may allow between two loads: 24 for daily, 72 for weekdays (the weekend).
    """
    start = after or datetime(2026, 1, 1, tzinfo=_UTC)
    first = next_run(cron, timezone, start)
    longest = timedelta(0)
    previous = first
    for _ in range(40):
        if previous is None:
            return None
        following = next_run(cron, timezone, previous)
        if following is None:
            return None
        longest = max(longest, following - previous)
        previous = following
        if first is not None and previous - first > timedelta(days=21) and longest < timedelta(days=21):
            break
    return round(longest.total_seconds() / 3600, 4)
