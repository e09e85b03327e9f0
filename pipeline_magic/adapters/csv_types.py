"""Reading a CSV with the types its values have; the same file always gives the same types.

Types of a CSV's columns, from all of its values; an empty field is NULL (so are NULL, null, NA, N/A and NaN):

    true, false                                   boolean
    whole numbers                                 bigint; decimal(p,0) from 19 digits on; string when one has a leading
                                                  zero (a code, not a number)
    numbers with a point, at most 18 digits       decimal(p,s) that holds them all exactly
    other numbers (1e-7, more digits)             double
    2026-01-31                                    date
    2026-01-31 10:00:00, with T, Z or an offset   timestamp; without an offset it is UTC
    everything else                               string
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_magic.errors import CatalogError

__all__ = ["read_csv"]

_NULLS = ["", "NULL", "null", "NA", "N/A", "NaN", "nan"]
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_BATCH_BYTES = 16 << 20


def read_csv(file: Path, delimiter: str) -> tuple[Any, Any]:
    """The Arrow schema of a CSV, and its rows as record batches; the file is read twice, and never held whole.

    Raises:
        CatalogError: A header that names a column twice, or not at all.
    """
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = csv.ReadOptions(block_size=_BATCH_BYTES)
    text = csv.ConvertOptions(null_values=_NULLS, strings_can_be_null=True, quoted_strings_can_be_null=False)
    with csv.open_csv(file, read, parse, csv.ConvertOptions(include_columns=[])) as first:
        names = _header(file, delimiter) or first.schema.names
    if len({name.casefold() for name in names}) != len(names):
        twice = sorted({name for name in names if [n.casefold() for n in names].count(name.casefold()) > 1})
        raise CatalogError(f"The header names a column twice: {', '.join(twice)}.", where=str(file))
    if any(not name.strip() for name in names):
        raise CatalogError("The header leaves a column without a name.", where=str(file), hint="Name every column.")
    text.column_types = {name: pa.string() for name in names}
    guesses = [_Guess() for _ in names]
    with csv.open_csv(file, read, parse, text) as batches:
        for batch in batches:
            for guess, column in zip(guesses, batch.columns, strict=True):
                guess.look(column)
    schema = pa.schema([pa.field(name, guess.kind()) for name, guess in zip(names, guesses, strict=True)])

    def cast() -> Any:
        with csv.open_csv(file, read, parse, text) as batches:
            for batch in batches:
                values = [guess.cast(column) for guess, column in zip(guesses, batch.columns, strict=True)]
                yield pa.RecordBatch.from_arrays(values, schema=schema)

    return schema, cast()


def _header(file: Path, delimiter: str) -> list[str]:
    import csv
    import gzip

    if file.suffix.lower() == ".gz":
        with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as lines:
            return next(csv.reader(lines, delimiter=delimiter), [])
    with file.open("r", encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines, delimiter=delimiter), [])


class _Guess:
    """The narrowest type that holds every value of a column seen so far."""

    _SHAPES = (
        ("boolean", r"^(?i:true|false)$"),
        ("bigint", r"^[+-]?(0|[1-9][0-9]{0,17})$"),
        ("decimal", r"^[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?$"),
        ("double", r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"),
        ("date", rf"^{_DAY}$"),
        (
            "timestamp",
            rf"^{_DAY}[ T][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?$",
        ),
    )

    def __init__(self) -> None:
        self._open = {name for name, _ in self._SHAPES}
        self._before = self._after = 0
        self._seen = False
        self._code = False

    def look(self, column: Any) -> None:
        import pyarrow.compute as pc

        values = pc.drop_null(column)
        if not len(values):
            return
        self._seen = True
        for name, shape in self._SHAPES:
            if name in self._open and not pc.all(pc.match_substring_regex(values, shape)).as_py():
                self._open.discard(name)
        if self._open & {"decimal", "double"}:
            if pc.any(pc.match_substring_regex(values, r"^[+-]?0[0-9]")).as_py():
                self._open -= {"decimal", "double"}
            plain = pc.replace_substring_regex(values, r"^[+-]", "")
            self._before = max(
                self._before, pc.max(pc.utf8_length(pc.replace_substring_regex(plain, r"\..*$", ""))).as_py()
            )
            after = pc.replace_substring_regex(pc.replace_substring_regex(plain, r"^[^.]*$", ""), r"^[^.]*\.", "")
            self._after = max(self._after, pc.max(pc.utf8_length(after)).as_py())
        for name in ("date", "timestamp"):
            if name in self._open and not self._is_time(values, name):
                self._open.discard(name)

    def kind(self) -> Any:
        import pyarrow as pa

        if not self._seen:
            return pa.string()
        digits = self._before + self._after
        if digits > (38 if self._after == 0 else 18):
            self._open -= {"decimal", "double"} if self._after == 0 else {"decimal"}
        choice = next((name for name, _ in self._SHAPES if name in self._open), "string")
        if choice == "decimal":
            return pa.decimal128(digits, self._after)
        return {
            "boolean": pa.bool_(),
            "bigint": pa.int64(),
            "double": pa.float64(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us", "UTC"),
            "string": pa.string(),
        }[choice]

    def cast(self, column: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = self.kind()
        if pa.types.is_boolean(kind):
            return pc.equal(pc.utf8_lower(column), "true")
        if pa.types.is_timestamp(kind):
            return _times(column)
        if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
            column = pc.replace_substring_regex(column, r"^\+", "")
        return column.cast(kind)

    @staticmethod
    def _is_time(values: Any, name: str) -> bool:
        import pyarrow as pa

        try:
            values.cast(pa.date32()) if name == "date" else _times(values)
        except pa.ArrowInvalid:
            return False  # 2026-02-30 has the shape of a date and is none
        return True


def _times(values: Any) -> Any:
    """Text as instants; one without an offset is read as UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    offset = pc.match_substring_regex(values, r"(Z|[+-][0-9]{2}:?[0-9]{2})$")
    return pc.if_else(offset, values, pc.binary_join_element_wise(values, "Z", "")).cast(pa.timestamp("us", "UTC"))
