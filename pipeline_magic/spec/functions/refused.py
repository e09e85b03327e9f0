"""Functions people try, and why each is refused. What is in neither table is refused too, with the nearest names."""

from __future__ import annotations

__all__ = ["REFUSED", "why_refused"]


def _refused(words: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), reason)


_CLOCK = "reads the clock, so that a retry would see another time; use run_time(), as in to_date(run_time())"
_CHANCE = "gives another value on every run"
_SESSION = "reads the session or the workspace, not the data"
_OUTSIDE = "reaches outside the data"
_MODEL = "calls a model, whose answer changes from run to run"
_SECRET = "handles secrets, which have no place in a spec"
_ORDER = "depends on the order of rows"
_SKETCH = "is an estimate that differs between engines"
_LAMBDA = "takes a lambda function, which is not supported; explode the array, derive and aggregate"
_ROWS = "makes rows; use an explode step"

REFUSED: dict[str, str] = {
    **_refused(
        "now current_date current_timestamp curdate getdate localtimestamp current_time localtime sysdate today", _CLOCK
    ),
    **_refused(
        "rand randn random randstr uniform uuid monotonically_increasing_id spark_partition_id shuffle", _CHANCE
    ),
    **_refused(
        "current_user user session_user current_database current_schema current_catalog current_metastore"
        " current_timezone current_version current_recipient version input_file_name input_file_block_start"
        " input_file_block_length is_member is_account_group_member",
        _SESSION,
    ),
    **_refused("secret try_secret list_secrets aes_encrypt aes_decrypt try_aes_decrypt", _SECRET),
    **_refused(
        "reflect try_reflect java_method read_files read_kafka read_kinesis read_pubsub read_pulsar read_state_store"
        " read_state_metadata cloud_files_state event_log table_changes remote_query http_request vector_search"
        " from_avro to_avro from_protobuf to_protobuf schema_of_avro",
        _OUTSIDE,
    ),
    **_refused(
        "xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string",
        "parses XML, which may name files to be read",
    ),
    **_refused("first last mode", _ORDER),
    **_refused("any_value", "takes the value of any row, so it may change from run to run; use min or max"),
    **_refused("string_agg listagg", f"{_ORDER}; use array_join(sort_array(collect_list(…)), ', ')"),
    **_refused(
        "percentile_approx approx_percentile", "interpolates differently on each engine; use percentile, which is exact"
    ),
    **_refused(
        "approx_top_k histogram_numeric count_min_sketch hll_sketch_agg hll_union_agg hll_sketch_estimate hll_union"
        " bitmap_construct_agg bitmap_or_agg bitmap_count bitmap_bit_position bitmap_bucket_number",
        _SKETCH,
    ),
    **_refused("transform filter exists forall aggregate reduce zip_with map_filter map_zip_with transform_keys"
               " transform_values", _LAMBDA),
    **_refused(
        "explode explode_outer posexplode posexplode_outer inline inline_outer stack json_tuple variant_explode"
        " variant_explode_outer range",
        _ROWS,
    ),
    **_refused("identifier", "makes a name from text"),
    **_refused("raise_error assert_true", "stops the run; use an expectation with the action fail"),
    **_refused("window session_window", "groups by time; use date_trunc, or an aggregate by a derived column"),
    **_refused("any all", "compares with a subquery; use IN, bool_or or bool_and"),
    **_refused("typeof schema_of_json schema_of_csv schema_of_variant", "is about types, not values"),
    **_refused("grouping grouping_id cube rollup", "belongs to GROUPING SETS; use aggregate steps and a union"),
}  # fmt: skip


def why_refused(name: str) -> str | None:
    """The reason against a function; None where there is no particular one."""
    return _MODEL if name.startswith("ai_") else REFUSED.get(name)
