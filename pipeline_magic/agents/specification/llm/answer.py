"""The bounded form in which a language model may answer: what can be said, how much of it, and nothing else.

It mirrors the spec language and leaves out what a model may not propose: a `sql` step, a description, free text for an
artefact. Every text has a greatest length, every list a greatest number, every choice is closed, unknown fields are
refused. What names tables, columns and functions is plain text here and is checked against the catalog afterwards
(`check`). The docstrings are part of the schema that the model is sent.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

__all__ = ["SCHEMA_VERSION", "Answer", "Asked", "Quote", "answer_schema"]

SCHEMA_VERSION = 1

Id: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
ClauseId: TypeAlias = Annotated[str, Field(pattern=r"^c[1-9][0-9]?$")]
Known: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]
"""Name of a column that is there."""
New: TypeAlias = Annotated[str, Field(pattern=r"^\w[\w ]{0,62}$")]
"""Name of a column that is made: letters, digits, underscores and spaces."""
Expression: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Table: TypeAlias = Annotated[str, Field(min_length=5, max_length=400)]
Text: TypeAlias = Annotated[StrictStr, Field(max_length=200)]
Value: TypeAlias = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | Text
Columns: TypeAlias = Annotated[tuple[Known, ...], Field(max_length=60)]
Some: TypeAlias = Annotated[tuple[Known, ...], Field(min_length=1, max_length=60)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quote(_Part):
    """One wish of the statement, quoted word for word."""

    id: ClauseId
    quote: Annotated[str, Field(min_length=1, max_length=1000)]
    kind: Literal[
        "source", "join", "measure", "derive", "select", "filter", "segment", "check", "target", "schedule", "layout",
        "comment", "filler", "unmatched",
    ]  # fmt: skip


class Source(_Part):
    """A table that is read; only tables that were given may be named."""

    alias: Id
    table: Table
    filter: Expression | None = None
    watermark: Known | None = None


class Named(_Part):
    """A column and the expression it holds."""

    name: New
    expression: Expression


class Order(_Part):
    """One sort key."""

    column: Known
    descending: bool = False


class _Step(_Part):
    id: Id


class _On(_Step):
    input: Id


class Filter(_On):
    """Keep rows for which the condition is true."""

    kind: Literal["filter"]
    condition: Expression


class Key(_Part):
    """A pair of columns that must be equal."""

    left: Known
    right: Known


class Join(_Step):
    """Join two inputs. The result has all columns of the left, then those of the right; a right column whose name the
    left has is called right_id + "_" + name; a right key of the same name as its left key appears once."""

    kind: Literal["join"]
    left: Id
    right: Id
    how: Literal["inner", "left", "right", "full", "semi", "anti"]
    keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=8)]


class Derive(_On):
    """Add columns, computed row by row."""

    kind: Literal["derive"]
    columns: Annotated[tuple[Named, ...], Field(min_length=1, max_length=40)]


class Aggregate(_On):
    """One row for each group; its columns are group_by, then the measures (aggregate functions)."""

    kind: Literal["aggregate"]
    group_by: Columns = ()
    measures: Annotated[tuple[Named, ...], Field(min_length=1, max_length=40)]


class Frame(_Part):
    """Rows around the current one; null has no end, 0 is the current row, -1 the one before."""

    kind: Literal["rows", "range"]
    start: Annotated[int, Field(ge=-10000, le=10000)] | None = None
    end: Annotated[int, Field(ge=-10000, le=10000)] | None = None


class Window(_On):
    """Add columns computed over a window; expressions are window functions without OVER."""

    kind: Literal["window"]
    partition_by: Columns = ()
    order_by: Annotated[tuple[Order, ...], Field(max_length=10)] = ()
    frame: Frame | None = None
    columns: Annotated[tuple[Named, ...], Field(min_length=1, max_length=20)]


class Rule(_Part):
    """A label for rows that match the condition, or that are in the top fraction of the step's `by`: one of the two."""

    label: Annotated[str, Field(min_length=1, max_length=60)]
    condition: Expression | None = None
    top: Annotated[float, Field(gt=0, le=1)] | None = None


class Segment(_On):
    """Add a column with the label of the first rule that matches."""

    kind: Literal["segment"]
    column: New
    by: Known | None = None
    partition_by: Columns = ()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=20)]
    otherwise: Annotated[str, Field(min_length=1, max_length=60)] | None = None


class Deduplicate(_On):
    """Keep the first row by order_by for each combination of keys."""

    kind: Literal["deduplicate"]
    keys: Some
    order_by: Annotated[tuple[Order, ...], Field(max_length=10)] = ()


class Select(_On):
    """Keep these columns, in this order."""

    kind: Literal["select"]
    columns: Annotated[tuple[Known, ...], Field(min_length=1, max_length=200)]


class Renaming(_Part):
    """The column is called name from here on."""

    column: Known
    name: New


class Rename(_On):
    """Rename columns."""

    kind: Literal["rename"]
    columns: Annotated[tuple[Renaming, ...], Field(min_length=1, max_length=60)]


class Casting(_Part):
    """The column takes the Spark type."""

    column: Known
    type: Annotated[str, Field(min_length=1, max_length=60)]


class Cast(_On):
    """Change types; a value that does not fit fails the run, or becomes null."""

    kind: Literal["cast"]
    columns: Annotated[tuple[Casting, ...], Field(min_length=1, max_length=60)]
    on_error: Literal["fail", "null"] = "fail"


class Filling(_Part):
    """Nulls of the column become the value."""

    column: Known
    value: Value


class Fill(_On):
    """Replace nulls by a value."""

    kind: Literal["fill"]
    columns: Annotated[tuple[Filling, ...], Field(min_length=1, max_length=60)]


class Union(_Step):
    """Rows of all inputs, which must have the same columns."""

    kind: Literal["union"]
    inputs: Annotated[tuple[Id, ...], Field(min_length=2, max_length=12)]
    distinct: bool = False


class Pivot(_On):
    """One row for each group, one column for each value of `column`, called value or value_measure."""

    kind: Literal["pivot"]
    group_by: Some
    column: Known
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=40)]
    measures: Annotated[tuple[Named, ...], Field(min_length=1, max_length=8)]


class Unpivot(_On):
    """One row for each of the columns: its name and its value."""

    kind: Literal["unpivot"]
    columns: Some
    name_column: New
    value_column: New
    keep_nulls: bool = False


class Explode(_On):
    """One row for each element of an array column."""

    kind: Literal["explode"]
    column: Known
    name: New
    outer: bool = False


class Top(_On):
    """The first n rows by order_by, in each group of partition_by; ties keeps rows equal to the last."""

    kind: Literal["top"]
    n: Annotated[int, Field(ge=1, le=100_000)]
    partition_by: Columns = ()
    order_by: Annotated[tuple[Order, ...], Field(min_length=1, max_length=10)]
    ties: bool = False


Step: TypeAlias = Annotated[
    Filter | Join | Derive | Aggregate | Window | Segment | Deduplicate | Select | Rename | Cast | Fill | Union | Pivot
    | Unpivot | Explode | Top,
    Field(discriminator="kind"),
]  # fmt: skip


def _own(identity: str) -> str:
    if identity.startswith("auto_"):
        raise ValueError("ids that begin with auto_ belong to the checks every pipeline gets")
    return identity


class _Check(_Part):
    id: Annotated[Id, AfterValidator(_own)]
    on: Id
    action: Literal["warn", "drop", "fail"]
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.0


class NotNull(_Check):
    """No null in the columns; on is a source's alias, a step's id, or "target"."""

    kind: Literal["not_null"]
    columns: Some


class Unique(_Check):
    """No two rows agree on all of the columns."""

    kind: Literal["unique"]
    columns: Some


class Range(_Check):
    """minimum <= column <= maximum; strictly where not inclusive."""

    kind: Literal["range"]
    column: Known
    minimum: Value | None = None
    maximum: Value | None = None
    minimum_inclusive: bool = True
    maximum_inclusive: bool = True


class Accepted(_Check):
    """The column holds only these values."""

    kind: Literal["accepted_values"]
    column: Known
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=100)]


class Matches(_Check):
    """The text matches the regular expression."""

    kind: Literal["pattern"]
    column: Known
    regex: Annotated[str, Field(min_length=1, max_length=200)]


class RowCount(_Check):
    """Between minimum and maximum rows."""

    kind: Literal["row_count"]
    minimum: Annotated[int, Field(ge=0)] | None = None
    maximum: Annotated[int, Field(ge=0)] | None = None


class Freshness(_Check):
    """The newest value of the column, or the last write of the table, is at most so many hours old."""

    kind: Literal["freshness"]
    column: Known | None = None
    max_age_hours: Annotated[float, Field(gt=0, le=87_600)]


class References(_Check):
    """Every combination of the columns occurs in to_columns of the source or step `to`."""

    kind: Literal["referential"]
    columns: Some
    to: Id
    to_columns: Some


class Holds(_Check):
    """The condition is true for every row."""

    kind: Literal["expression"]
    condition: Expression


Check: TypeAlias = Annotated[
    NotNull | Unique | Range | Accepted | Matches | RowCount | Freshness | References | Holds,
    Field(discriminator="kind"),
]


class Target(_Part):
    """The table that is written, as catalog.schema.table; null where the statement does not say enough to name it.
    comment is one that the statement asks for, word for word; empty otherwise."""

    table: Table | None = None
    input: Id
    mode: Literal["overwrite", "append", "merge", "scd1", "scd2"]
    keys: Annotated[tuple[Known, ...], Field(max_length=10)] = ()
    sequence_by: Known | None = None
    partition_by: Annotated[tuple[Known, ...], Field(max_length=4)] = ()
    cluster_by: Annotated[tuple[Known, ...], Field(max_length=4)] = ()
    comment: Annotated[str, Field(max_length=500)] = ""


class Trigger(_Part):
    """When it runs; cron is Quartz (seconds first, one of day of month and day of week is ?), timezone an IANA name."""

    kind: Literal["schedule", "table_update", "continuous", "manual"]
    cron: Annotated[str, Field(max_length=80)] | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None


class Origin(_Part):
    """Where a field comes from: ids of quotes; or none, and why it was assumed and what else it could be."""

    path: Annotated[str, Field(min_length=1, max_length=200)]
    clauses: Annotated[tuple[ClauseId, ...], Field(max_length=10)] = ()
    reason: Text = ""
    alternatives: Annotated[tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=6)] = ()


class Choice(_Part):
    """One reading: its words, and the value it gives to the field the question is about."""

    label: Annotated[str, Field(min_length=1, max_length=120)]
    value: Value | Columns | None = None


class Asked(_Part):
    """Something the statement leaves open where readings give other data; default is the position (from 0) of the
    choice that stands when nobody answers, or null where none would be a reading of the words."""

    text: Annotated[str, Field(min_length=1, max_length=300)]
    why: Text = ""
    path: Annotated[str, Field(max_length=200)] = ""
    choices: Annotated[tuple[Choice, ...], Field(max_length=6)] = ()
    default: Annotated[int, Field(ge=0, le=5)] | None = None


class Answer(_Part):
    """A pipeline, as far as the statement says it. `cannot` says why no pipeline can be made of it; null otherwise."""

    version: Literal[1]
    cannot: Annotated[str, Field(max_length=300)] | None = None
    clauses: Annotated[tuple[Quote, ...], Field(max_length=60)] = ()
    sources: Annotated[tuple[Source, ...], Field(max_length=12)] = ()
    steps: Annotated[tuple[Step, ...], Field(max_length=40)] = ()
    expectations: Annotated[tuple[Check, ...], Field(max_length=40)] = ()
    target: Target | None = None
    trigger: Trigger | None = None
    deployment: Literal["job", "declarative"] = "job"
    origins: Annotated[tuple[Origin, ...], Field(max_length=200)] = ()
    questions: Annotated[tuple[Asked, ...], Field(max_length=8)] = ()


def answer_schema() -> dict[str, Any]:
    """The JSON schema of an answer."""
    return {**Answer.model_json_schema(), "title": "pipeline"}
