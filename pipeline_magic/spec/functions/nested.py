"""Functions of arrays, maps, structs, JSON texts and variants; a schema in `from_json` is a literal, read as a type."""

from __future__ import annotations

from pipeline_magic.spec.functions.model import Function, rows
from pipeline_magic.spec.functions.rules import (
    array_of,
    as_json,
    common_of,
    contains,
    element,
    entries,
    gives,
    has_key,
    lookup,
    map_from_pairs,
    map_from_two,
    map_of,
    of_array,
    on_item,
    run_of,
    same,
    sized,
    two_arrays,
    with_item,
)
from pipeline_magic.spec.types import BIGINT, BOOLEAN, INT, STRING, VOID, Type, array

__all__ = ["NESTED"]

_ARRAYS = (
    *rows("array", "any", of_array, least=0, most=100, nulls="never"),
    *rows("size cardinality", "any", sized),
    *rows("array_size", "array", gives(INT)),
    *rows("element_at try_element_at", "any, any", lookup, nulls="always"),
    *rows("get", "array, integer", element, nulls="always"),
    *rows("array_contains", "array, any", contains, nulls="always"),
    *rows("array_position", "array, any", on_item(BIGINT)),
    *rows("array_distinct array_sort array_compact", "array", same()),
    *rows("sort_array", "array, boolean", same(), least=1, most=2),
    *rows("array_append array_prepend array_remove", "array, any", with_item),
    *rows("array_insert", "array, integer, any", with_item),
    *rows("array_repeat", "any, integer", lambda a: array(a[0])),
    *rows("array_except array_intersect array_union", "array, array", two_arrays),
    *rows("arrays_overlap", "array, array", lambda a: BOOLEAN if two_arrays(a) else None, nulls="always"),
    *rows("array_join", "array, string, string", gives(STRING), least=2, most=3),
    *rows("array_max array_min", "array", element, nulls="always"),
    *rows("flatten", "array", lambda a: e if (e := element(a)) and e.name == "array" else None, nulls="always"),
    *rows("slice", "array, integer, integer", same()),
    *rows("sequence", "integer", run_of, least=2, most=3),
)

_MAPS = (
    *rows("map", "any", map_of, least=2, most=100, nulls="never"),
    *rows("map_keys", "map", array_of(0, "key")),
    *rows("map_values", "map", array_of(0, "value")),
    *rows("map_entries", "map", entries),
    *rows("map_contains_key", "map, any", has_key),
    *rows("map_concat", "map", common_of(), least=2, most=20),
    *rows("map_from_arrays", "array, array", map_from_two),
    *rows("map_from_entries", "array", map_from_pairs),
    *rows("str_to_map", "string, string, string", gives(Type("map", parts=(STRING, STRING))), least=1, most=3),
)

_DOCUMENTS = (
    *rows("get_json_object", "string, constant string", gives(STRING), nulls="always"),
    *rows("json_array_length", "string", gives(INT), nulls="always"),
    *rows("json_object_keys", "string", gives(array(STRING)), nulls="always"),
    *rows("to_json", "any", as_json),
    *rows("from_json", "string, constant string", gives(VOID), nulls="always"),  # the type is in the literal
    *rows("parse_json", "string", gives(Type("variant"))),
    *rows("try_parse_json", "string", gives(Type("variant")), nulls="always"),
    *rows("variant_get try_variant_get", "variant, constant string, constant string", gives(VOID), nulls="always"),
    *rows("is_variant_null", "variant", gives(BOOLEAN), nulls="never"),
)

NESTED: tuple[Function, ...] = (*_ARRAYS, *_MAPS, *_DOCUMENTS)
