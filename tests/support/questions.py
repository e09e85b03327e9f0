"""Small catalogs without comments, as questions are asked over them, with rows that a fixed seed makes.

`check(catalog, text, gold)` reads a statement, runs it, and compares its rows with those of a query written by hand;
`asked(catalog, text)` says whether a must-answer question is open. Foreign keys sometimes point at nothing, and values
are sometimes missing, so that a reading that loses rows or counts NULL shows.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.statements import answer, matches, rows

__all__ = ["CATALOGS", "asked", "check", "read"]

CATALOGS: dict[str, dict[str, tuple[str, str]]] = {
    "shop": {
        "store": (
            "store_id",
            "store_id bigint, store_name string, city string, state string, opened_year bigint, floor_area double",
        ),
        "employee": (
            "employee_id",
            "employee_id bigint, name string, age bigint, salary double, job_title string, store_id bigint, "
            "manager_id bigint, hire_date date, gender string",
        ),
        "product": (
            "product_id",
            "product_id bigint, product_name string, category string, price double, weight_kg double, color string",
        ),
        "customer": (
            "customer_id",
            "customer_id bigint, first_name string, last_name string, city string, country string, email string, "
            "phone string, birth_date date",
        ),
        "orders": (
            "order_id",
            "order_id bigint, customer_id bigint, store_id bigint, order_date date, shipped_date date, status string, "
            "payment_method string",
        ),
        "order_item": ("", "order_id bigint, product_id bigint, quantity bigint, unit_price double"),
    },
    "school": {
        "student": (
            "student_id",
            "student_id bigint, name string, major string, gpa double, enrolled_year bigint, home_state string, "
            "advisor_id bigint",
        ),
        "course": ("course_id", "course_id bigint, title string, credits bigint, department_id bigint"),
        "enrollment": ("", "student_id bigint, course_id bigint, semester string, grade double"),
        "instructor": (
            "instructor_id",
            "instructor_id bigint, name string, rank string, salary double, department_id bigint, hired_on date",
        ),
        "department": ("department_id", "department_id bigint, dept_name string, building string, budget double"),
    },
    "music": {
        "artist": (
            "artist_id",
            "artist_id bigint, name string, country string, birth_year bigint, genre string",
        ),
        "album": ("album_id", "album_id bigint, title string, artist_id bigint, release_date date, label string"),
        "track": (
            "track_id",
            "track_id bigint, name string, album_id bigint, duration_seconds bigint, price double",
        ),
        "concert": (
            "concert_id",
            "concert_id bigint, artist_id bigint, venue_id bigint, concert_date date, attendance bigint, "
            "ticket_price double",
        ),
        "venue": ("venue_id", "venue_id bigint, venue_name string, city string, capacity bigint, type string"),
    },
    "harbour": {
        "Ship": (
            "ShipId",
            "ShipId bigint, ShipName string, ShipClass string, LengthM double, CabinCount bigint, Armed string, "
            "SkipperId bigint, Sex string, VehicleType string, CraneId bigint",
        ),
        "Voyage": (
            "VoyageId",
            "VoyageId bigint, ShipId bigint, PlannedArrival date, ActualArrival date, CargoWeightKg double, "
            "Outcome string",
        ),
        "ship_tender": ("ShipId TenderId", "ShipId bigint, TenderId bigint"),
    },
    "rail": {
        "Station": ("StationCode", "StationCode string, StationName string, Town string"),
        "Guard": ("GuardNo", "GuardNo string, GuardRank string, Town string"),
        "Train": (
            "TrainId",
            "TrainId bigint, OriginCode string, DestinationCode string, ConductorNo string, Speed bigint, RanOn date",
        ),
    },
    "gym": {
        "brnch": ("brnch_cd", "brnch_cd bigint, brnch_nm string, city string, opn_yr bigint"),
        "mbr": (
            "mbr_id",
            "mbr_id bigint, fst_nm string, lst_nm string, home_brnch_cd bigint, plan_typ string, join_dt date, "
            "yr_fee double",
        ),
        "vst": ("vst_id", "vst_id bigint, mbr_id bigint, in_ts date, dur_min bigint"),
    },
    "ferry": {
        "sailor": (
            "sailor_id",
            "sailor_id bigint, full_name string, joined_on date, mentor_id bigint, sailor_rank string, "
            "home_town string",
        ),
        "crossing": (
            "crossing_id",
            "crossing_id bigint, sailor_id bigint, scheduled_departure timestamp, actual_departure timestamp, "
            "scheduled_arrival timestamp, actual_arrival timestamp, passengers bigint",
        ),
        "booking": (
            "booking_id",
            "booking_id bigint, crossing_id bigint, booked_at timestamp, fare double, seats bigint",
        ),
        "incident": (
            "incident_id",
            "incident_id bigint, crossing_id bigint, reported_at timestamp, resolved_at timestamp, severity string, "
            "remarks string, repair_cost double",
        ),
    },
}

_COUNTS = {
    "store": 7, "employee": 26, "product": 18, "customer": 24, "orders": 70, "order_item": 130, "student": 24,
    "course": 10, "enrollment": 60, "instructor": 12, "department": 6, "artist": 11, "album": 17, "track": 60,
    "concert": 40, "venue": 8, "Ship": 30, "Voyage": 80, "ship_tender": 20, "Station": 8, "Guard": 9, "Train": 70,
    "brnch": 6, "mbr": 40, "vst": 90, "sailor": 20, "crossing": 60, "booking": 150, "incident": 50,
}  # fmt: skip
_WORDS = {
    "city": ("Paris", "London", "Berlin", "Madrid", "Lyon"),
    "state": ("Texas", "Ohio", "Iowa"),
    "home_state": ("Texas", "Ohio", "Iowa"),
    "country": ("France", "Italy", "Spain", "Germany"),
    "category": ("Toys", "Games", "Books", "Garden"),
    "color": ("red", "blue", "green"),
    "job_title": ("Cashier", "Manager", "Clerk", "Buyer"),
    "gender": ("F", "M"),
    "status": ("delivered", "returned", "pending"),
    "payment_method": ("card", "cash", "transfer"),
    "major": ("Physics", "Biology", "History", "Chemistry"),
    "semester": ("Fall", "Spring"),
    "rank": ("Professor", "Lecturer"),
    "building": ("Main", "North", "South"),
    "genre": ("Rock", "Jazz", "Pop"),
    "label": ("Blue Note", "Apex", "Orbit"),
    "type": ("indoor", "outdoor"),
    "ShipClass": ("Tanker", "Ferry", "Tug"),
    "Armed": ("Y", "N"),
    "Sex": ("F", "M"),
    "VehicleType": ("truck", "van"),
    "Outcome": ("Docked", "Diverted"),
    "plan_typ": ("Gold", "Basic"),
    "Town": ("Arles", "Nantes", "Tours"),
    "GuardRank": ("Junior", "Senior"),
    "sailor_rank": ("mate", "captain", "bosun"),
    "home_town": ("Arles", "Nantes", "Tours"),
    "severity": ("low", "medium", "high"),
    "remarks": ("Engine noise", "engine stopped", "late departure", "Too late", "late: Fog", "fog", "door"),
}
_CODES = {"OriginCode": ("S", 8), "DestinationCode": ("S", 9), "ConductorNo": ("G", 9)}
"""Columns that point at keys of letters and digits: the first letter, and how far they go."""
_RANGES = {
    "age": (19, 66), "opened_year": (1990, 2024), "enrolled_year": (2020, 2024), "birth_year": (1950, 2001),
    "credits": (1, 6), "quantity": (1, 9), "duration_seconds": (90, 600), "attendance": (50, 9000),
    "capacity": (100, 9999), "CabinCount": (5, 60), "Speed": (60, 250), "opn_yr": (1990, 2024), "dur_min": (10, 120),
    "passengers": (20, 400), "seats": (1, 5),
}  # fmt: skip
_POINTERS = {
    "manager_id": "employee", "advisor_id": "instructor", "store_id": "store", "customer_id": "customer",
    "order_id": "orders", "product_id": "product", "student_id": "student", "course_id": "course",
    "ShipId": "Ship", "home_brnch_cd": "brnch", "mbr_id": "mbr", "SkipperId": "Ship", "CraneId": "Ship",
    "department_id": "department", "artist_id": "artist", "album_id": "album", "venue_id": "venue",
    "sailor_id": "sailor", "crossing_id": "crossing", "mentor_id": "sailor",
}  # fmt: skip


def read(catalog: str, text: str) -> dict[str, Any]:
    """The statement, read over one of the catalogs and run on its rows."""
    item = {"id": "one", "statement": text, "kind": "open", "db": f"{catalog}.sqlite", "tables": _tables(catalog)}
    return answer(item, _folder(), framed=False)


def check(catalog: str, text: str, gold: str) -> None:
    """The rows of the statement are those of the query, of which there are some."""
    made = read(catalog, text)
    assert "rows" in made, (text, made.get("why"))
    wanted = rows(_folder() / f"{catalog}.sqlite", gold, own=False)
    assert wanted and matches(wanted, [tuple(row) for row in made["rows"]]), (text, made["query"], wanted[:5])


def asked(catalog: str, text: str) -> bool:
    """A question that must be answered is open."""
    return read(catalog, text)["outcome"] == "asked"


def _tables(catalog: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "primary_key": key.split(),
            "columns": [dict(zip(("name", "type"), one.split(), strict=True)) for one in columns.split(", ")],
        }
        for name, (key, columns) in CATALOGS[catalog].items()
    ]


@lru_cache(maxsize=1)
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="questions"))
    for catalog in CATALOGS:
        chance = random.Random(catalog)
        with sqlite3.connect(folder / f"{catalog}.sqlite") as connection:
            for table in _tables(catalog):
                names = [column["name"] for column in table["columns"]]
                connection.execute(f"CREATE TABLE {table['name']} ({', '.join(names)})")
                marks = ", ".join("?" for _ in names)
                for number in range(1, _COUNTS[table["name"]] + 1):
                    row = [_value(chance, table, column, number) for column in table["columns"]]
                    row = _in_turn(chance, names, row)
                    connection.execute(f"INSERT INTO {table['name']} VALUES ({marks})", row)
        connection.close()
    return folder


_TURNS = (
    ("scheduled_departure", "actual_departure", (-4, 90)),
    ("scheduled_departure", "scheduled_arrival", (60, 240)),
    ("scheduled_arrival", "actual_arrival", (-20, 300)),
    ("reported_at", "resolved_at", (10, 4000)),
)
"""Moments of one row: the second comes so many minutes after the first."""


def _in_turn(chance: random.Random, names: list[str], row: list[Any]) -> list[Any]:
    """The row, with moments in their order; those that are missing stay so."""
    made = dict(zip(names, row, strict=True))
    for first, second, minutes in _TURNS:
        if made.get(first) is not None and made.get(second) is not None:
            start = datetime.fromisoformat(made[first])
            made[second] = (start + timedelta(minutes=chance.randint(*minutes))).isoformat(sep=" ")
    return list(made.values())


def _value(chance: random.Random, table: dict[str, Any], column: dict[str, str], number: int) -> Any:
    name = column["name"]
    if name in table["primary_key"]:
        return f"{name[0]}{number:03d}" if column["type"] == "string" else number
    if name in _CODES:
        return f"{_CODES[name][0]}{chance.randint(1, _CODES[name][1]):03d}"
    if chance.random() < 0.08 and name not in {"order_id", "student_id", "course_id", "product_id"}:
        return None
    if name in _POINTERS:
        return chance.randint(1, _COUNTS[_POINTERS[name]] + (0 if name in {"manager_id", "mentor_id"} else 1))
    if name in _WORDS:
        return chance.choice(_WORDS[name])
    if name in _RANGES:
        return chance.randint(*_RANGES[name])
    if column["type"] == "timestamp":
        return (datetime(2024, 1, 1) + timedelta(minutes=chance.randint(0, 780_000))).isoformat(sep=" ")
    if column["type"] == "date":
        first = date(1960, 1, 1) if name == "birth_date" else date(2022, 1, 1)
        days = 14000 if name == "birth_date" else 1274
        return (first + timedelta(days=chance.randint(0, days))).isoformat()
    if column["type"] == "double":
        return round(chance.uniform(1, 4) if name in {"gpa", "grade"} else chance.uniform(1, 900), 2)
    return f"{name.split('_')[0].title()} {chance.choice('ABCDEFGHJK')}{number % 12}"
