"""Functions of one row: conditionals, numbers, texts, dates and times, hashes."""

from __future__ import annotations

from pipeline_magic.spec.functions.model import Function, rows
from pipeline_magic.spec.functions.rules import (
    bits,
    branches,
    calculated,
    common_of,
    gives,
    joined,
    same,
    time_of,
    turned,
    whole,
)
from pipeline_magic.spec.types import BIGINT, BOOLEAN, DATE, DOUBLE, INT, STRING, TIMESTAMP, Type, array

__all__ = ["ROWS"]

_BINARY, _NTZ = Type("binary"), Type("timestamp_ntz")

_CONDITIONALS = (
    *rows("coalesce", "any", common_of(), least=2, most=50, nulls="all"),
    *rows("nullif", "any, any", same(), nulls="always"),
    *rows("nvl2", "any, any, any", lambda a: common_of(1)(a), nulls="always"),
    *rows("if iff", "boolean, any, any", branches),
    *rows("greatest least", "orderable", common_of(), least=2, most=50, nulls="all"),
    *rows("isnull isnotnull", "any", gives(BOOLEAN), nulls="never"),
    *rows("equal_null", "orderable, orderable", lambda a: BOOLEAN if common_of()(a) else None, nulls="never"),
    *rows("isnan", "number", gives(BOOLEAN), nulls="never"),
    *rows("nanvl", "number, number", lambda a: DOUBLE if {k.name for k in a} <= {"double", "float"} else None),
    *rows("nullifzero", "number", same(), nulls="always"),
    *rows("zeroifnull", "number", lambda a: common_of()((a[0], INT)), nulls="never"),
)

_NUMBERS = (
    *rows("abs negative positive", "number", same()),
    *rows("sign signum sqrt cbrt exp sin cos tan asin acos atan degrees radians", "number", gives(DOUBLE)),
    *rows("sinh cosh tanh asinh acosh atanh cot sec csc expm1 rint", "number", gives(DOUBLE)),
    *rows("ln log10 log2 log1p", "number", gives(DOUBLE), nulls="always"),  # NULL where there is no logarithm
    *rows("log", "number", gives(DOUBLE), least=1, most=2, nulls="always"),
    *rows("pow power atan2 hypot", "number, number", gives(DOUBLE)),
    *rows("pi e", "", gives(DOUBLE), nulls="never"),
    *rows("ceil ceiling floor", "number", whole),
    *rows("mod pmod", "number, number", calculated("%")),
    *rows("round bround", "number, constant integer", same(), least=1, most=2),
    *rows("try_add", "number, number", calculated("+"), nulls="always"),
    *rows("try_subtract", "number, number", calculated("-"), nulls="always"),
    *rows("try_multiply", "number, number", calculated("*"), nulls="always"),
    *rows("try_divide", "number, number", calculated("/"), nulls="always"),
    *rows("factorial", "integer", gives(BIGINT), nulls="always"),
    *rows("bit_count", "integer", gives(INT)),
    *rows("shiftleft shiftright", "integer, integer", lambda a: a[0] if a[0].name in {"int", "bigint"} else INT),
    *rows("width_bucket", "number, number, number, integer", gives(BIGINT), nulls="always"),
    *rows("bin", "integer", gives(STRING)),
    *rows("hex", "any", lambda a: STRING if a[0].integral or a[0].name in {"string", "binary"} else None),
    *rows("conv", "string, integer, integer", gives(STRING), nulls="always"),
    *rows("format_number", "number, integer", gives(STRING)),
)

_TEXTS = (
    *rows("upper ucase lower lcase trim ltrim rtrim btrim initcap soundex", "string", gives(STRING)),
    *rows("reverse", "any", turned),
    *rows("length len char_length character_length octet_length bit_length ascii", "string", gives(INT)),
    *rows("concat", "any", joined, least=1, most=50),
    *rows("concat_ws", "string", gives(STRING), least=2, most=50, nulls="first"),
    *rows("substring substr", "string, integer, integer", gives(STRING), least=2, most=3),
    *rows("left right repeat", "string, integer", gives(STRING)),
    *rows("space chr", "integer", gives(STRING)),
    *rows("lpad rpad", "string, integer, string", gives(STRING), least=2, most=3),
    *rows("replace translate", "string, string, string", gives(STRING)),
    *rows("regexp_replace", "string, constant string, string", gives(STRING)),
    *rows("regexp_extract", "string, constant string, integer", gives(STRING), least=2, most=3),
    *rows("regexp_extract_all", "string, constant string, integer", gives(array(STRING)), least=2, most=3),
    *rows("regexp_substr", "string, constant string", gives(STRING), nulls="always"),
    *rows("regexp_count regexp_instr", "string, constant string", gives(INT)),
    *rows("regexp_like rlike", "string, constant string", gives(BOOLEAN)),
    *rows("startswith endswith contains", "string, string", gives(BOOLEAN)),
    *rows("instr", "string, string", gives(INT)),
    *rows("find_in_set", "string, string", gives(INT)),
    *rows("locate position", "string, string, integer", gives(INT), least=2, most=3),
    *rows("split", "string, constant string", gives(array(STRING))),
    *rows("split_part", "string, string, integer", gives(STRING)),
    *rows("substring_index", "string, string, integer", gives(STRING)),
    *rows("levenshtein", "string, string", gives(INT)),
    *rows("format_string printf", "constant string, any", gives(STRING), least=2, most=20),
    *rows("mask", "string, constant string", gives(STRING), least=1, most=5),
    *rows("luhn_check", "string", gives(BOOLEAN)),
    *rows("url_encode url_decode", "string", gives(STRING)),
    *rows("parse_url try_parse_url", "string, constant string", gives(STRING), least=2, most=3, nulls="always"),
    *rows("base64", "bytes", gives(STRING)),
    *rows("unbase64", "string", gives(_BINARY)),
    *rows("unhex", "string", gives(_BINARY), nulls="always"),
    *rows("encode", "string, constant string", gives(_BINARY)),
)

_HASHES = (
    *rows("md5 sha sha1", "bytes", gives(STRING)),
    *rows("sha2", "bytes, constant integer", gives(STRING)),
    *rows("crc32", "bytes", gives(BIGINT)),
    *rows("hash", "any", gives(INT), least=1, most=50, nulls="never"),
    *rows("xxhash64", "any", gives(BIGINT), least=1, most=50, nulls="never"),
)

_TIMES = (
    Function("run_time", "row", (), 0, 0, gives(TIMESTAMP), "never"),
    *rows("year quarter month day dayofmonth dayofweek dayofyear weekofyear weekday", "date", gives(INT)),
    *rows("hour minute second", "timestamp", gives(INT)),
    *rows("date_part datepart", "constant string, date", gives(INT)),
    *rows("dayname monthname", "date", gives(STRING)),
    *rows("last_day", "date", gives(DATE)),
    *rows("next_day", "date, constant string", gives(DATE), nulls="always"),
    *rows("date_add date_sub", "date, integer", gives(DATE)),
    *rows("add_months", "date, integer", gives(DATE)),
    *rows("months_between", "date, date", gives(DOUBLE)),
    *rows("date_diff datediff", "date, date", gives(INT)),
    *rows("timestampdiff", "unit, date, date", gives(BIGINT)),
    *rows("timestampadd", "unit, integer, date", lambda a: a[2] if a[2].name == "timestamp_ntz" else TIMESTAMP),
    *rows("to_date", "moment, constant string", gives(DATE), least=1, most=2),
    *rows("try_to_date", "string, constant string", gives(DATE), least=1, most=2, nulls="always"),
    *rows("to_timestamp", "any, constant string", time_of, least=1, most=2),
    *rows("try_to_timestamp", "string, constant string", gives(TIMESTAMP), least=1, most=2, nulls="always"),
    *rows("to_timestamp_ntz", "moment, constant string", gives(_NTZ), least=1, most=2),
    *rows("date_format", "date, constant string", gives(STRING)),
    *rows("date_trunc", "constant string, date", gives(TIMESTAMP)),
    *rows("trunc", "date, constant string", gives(DATE)),
    *rows("make_date", "integer, integer, integer", gives(DATE), nulls="always"),
    *rows("make_timestamp", "integer, integer, integer, integer, integer, number", gives(TIMESTAMP), nulls="always"),
    *rows("unix_date", "date", lambda a: INT if a[0].name == "date" else None),
    *rows("date_from_unix_date", "integer", gives(DATE)),
    *rows("unix_timestamp to_unix_timestamp", "moment, constant string", gives(BIGINT), least=1, most=2),
    *rows("unix_seconds unix_millis unix_micros", "timestamp", gives(BIGINT)),
    *rows("from_unixtime", "integer, constant string", gives(STRING), least=1, most=2),
    *rows("timestamp_seconds", "number", gives(TIMESTAMP)),
    *rows("timestamp_millis timestamp_micros", "integer", gives(TIMESTAMP)),
    *rows("from_utc_timestamp to_utc_timestamp", "date, string", gives(TIMESTAMP)),
    *rows("convert_timezone", "constant string, constant string, date", gives(_NTZ)),
)

_BITS = rows("getbit", "integer, integer", lambda a: Type("tinyint") if bits(a) else None)

ROWS: tuple[Function, ...] = (*_CONDITIONALS, *_NUMBERS, *_TEXTS, *_HASHES, *_TIMES, *_BITS)
