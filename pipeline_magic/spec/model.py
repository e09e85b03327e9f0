"""The spec language: what a pipeline is, as frozen models. Version 1.

A spec is small, typed and closed: everything that can be said is in this file, and nothing else is accepted.

    spec         = name, description, source+, step*, expectation*, target, trigger, deployment
    source       = alias, table, [filter], [watermark]
    step         = filter | join | derive | aggregate | window | segment | deduplicate | select | rename | cast
                 | fill | union | pivot | unpivot | explode | top | sql
    expectation  = not_null | unique | range | accepted_values | pattern | row_count | freshness | referential
                 | expression                      each with: on, action (warn | drop | fail), tolerance, quarantine
    target       = table, input, mode (overwrite | append | merge | scd1 | scd2), keys, sequence_by, layout, comment
    trigger      = schedule (Quartz cron + IANA zone) | table_update | continuous | manual
    deployment   = job | declarative

Every source, step and expectation has a stable id (a source's is its alias). Steps name their inputs by these ids,
so the order in the file carries no meaning; provenance and edits are keyed by them too (`paths`).

Here: shapes, bounds and what can be checked by looking at one element. Not here: whether names exist, types fit and
the steps hang together (`typed`), whether an expression is allowed (`expressions`), which combinations of mode,
trigger and deployment are legal (`legality`). Expressions are Spark SQL text here and are parsed there.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from pipeline_magic.spec.names import join_table, split_table
from pipeline_magic.spec.schema import Model

__all__ = [
    "AcceptedValues",
    "Aggregate",
    "Cast",
    "CastColumn",
    "Continuous",
    "Deduplicate",
    "Derive",
    "Draft",
    "Expectation",
    "Explode",
    "ExpressionCheck",
    "Fill",
    "FillColumn",
    "Filter",
    "Frame",
    "Freshness",
    "Join",
    "JoinKey",
    "Manual",
    "NamedExpression",
    "NotNull",
    "Order",
    "Pattern",
    "PipelineSpec",
    "Pivot",
    "Range",
    "Referential",
    "Rename",
    "RenameColumn",
    "RowCount",
    "Scalar",
    "Schedule",
    "Segment",
    "SegmentRule",
    "Select",
    "Source",
    "Sql",
    "Step",
    "TableUpdate",
    "Target",
    "TargetDraft",
    "Top",
    "Trigger",
    "Union",
    "Unique",
    "Unpivot",
    "Window",
]


def _no_controls(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("holds a control character")
    return text


def _clean_text(text: str) -> str:
    if any((ord(char) < 32 and char not in "\n\t") or ord(char) == 127 for char in text):
        raise ValueError("holds a control character")
    return text


def _canonical_table(name: str) -> str:
    return join_table(*split_table(name))


Id: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Id of a source, step or expectation: lower case, stable, unique in the spec."""

ColumnName: TypeAlias = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_no_controls)]
TableName: TypeAlias = Annotated[str, Field(max_length=800), AfterValidator(_canonical_table)]
ExpressionText: TypeAlias = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_clean_text)]
"""Spark SQL over the columns of the step's input; see `expressions` for what is allowed."""

Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_controls)]
Text: TypeAlias = Annotated[str, Field(max_length=4000), AfterValidator(_clean_text)]
Fraction: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
FiniteFloat: TypeAlias = Annotated[StrictFloat, Field(allow_inf_nan=False)]
BoundedText: TypeAlias = Annotated[StrictStr, Field(max_length=1000)]
Scalar: TypeAlias = StrictBool | StrictInt | FiniteFloat | BoundedText
"""A literal value. Dates, timestamps and decimals are written as text and take the type of their column."""


# --- sources -----------------------------------------------------------------------------------------------------


class Source(Model):
    """A table that is read.

    Attributes:
        alias: Its id; steps name it as an input.
        table: ``catalog.schema.table``.
        filter: Condition on its rows, applied as they are read.
        watermark: Column whose values only grow; with `append`, `merge` and `scd1` targets only rows past the last
            run's highest value are read (rows in which it is NULL never are). The value is kept in the target.
    """

    alias: Id
    table: TableName
    filter: ExpressionText | None = None
    watermark: ColumnName | None = None


# --- steps -------------------------------------------------------------------------------------------------------


class _Step(Model):
    id: Id


class _OneInput(_Step):
    input: Id


class NamedExpression(Model):
    """A column `name` with the value of `expression`."""

    name: ColumnName
    expression: ExpressionText


class Order(Model):
    """One sort key. NULLs sort last unless `nulls_first`."""

    column: ColumnName
    descending: bool = False
    nulls_first: bool = False


class Filter(_OneInput):
    """Keep the rows for which `condition` is true (not false, not NULL)."""

    kind: Literal["filter"] = "filter"
    condition: ExpressionText


class JoinKey(Model):
    """Rows match where `left` (a column of the left input) equals `right` (of the right input); NULL never matches."""

    left: ColumnName
    right: ColumnName


class Join(_Step):
    """Join two inputs on equal keys.

    Columns of the result: all of the left, then those of the right. A right key column that has the same name as
    its left key appears once (for `right` and `full` joins holding whichever side is not NULL). Any other right
    column whose name the left already has is called ``<prefix><name>``. `semi` and `anti` keep the left only.

    Attributes:
        columns: Columns of the right input to bring; all of them when None.
        prefix: For right columns that collide; ``<right>_`` when None.
    """

    kind: Literal["join"] = "join"
    left: Id
    right: Id
    how: Literal["inner", "left", "right", "full", "semi", "anti"] = "inner"
    keys: tuple[JoinKey, ...] = Field(max_length=16)
    columns: tuple[ColumnName, ...] | None = None
    prefix: Annotated[str, Field(max_length=64), AfterValidator(_no_controls)] | None = None


class Derive(_OneInput):
    """Add columns, or replace those of the same name. Expressions see the input's columns only."""

    kind: Literal["derive"] = "derive"
    columns: tuple[NamedExpression, ...] = Field(min_length=1, max_length=500)


class Aggregate(_OneInput):
    """One row for each distinct combination of `group_by`; one row in all when it is empty."""

    kind: Literal["aggregate"] = "aggregate"
    group_by: tuple[ColumnName, ...] = Field(default=(), max_length=100)
    measures: tuple[NamedExpression, ...] = Field(min_length=1, max_length=500)


class Frame(Model):
    """Rows or values around the current row; a bound of None has no end, 0 is the current row, -1 the one before."""

    kind: Literal["rows", "range"] = "rows"
    start: int | None = None
    end: int | None = 0


class Window(_OneInput):
    """Add columns computed over the rows of the same partition; expressions are window functions without OVER."""

    kind: Literal["window"] = "window"
    partition_by: tuple[ColumnName, ...] = ()
    order_by: tuple[Order, ...] = ()
    frame: Frame | None = None
    columns: tuple[NamedExpression, ...] = Field(min_length=1, max_length=100)


class SegmentRule(Model):
    """A label for the rows that match `condition`, or that are in the `top` fraction by the step's column.

    `top` = 0.2 means: ``by IS NOT NULL AND percent_rank() OVER (ORDER BY by DESC) < 0.2``; equal values share a
    label, and a NULL is never in the top.
    """

    label: Label
    condition: ExpressionText | None = None
    top: Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> SegmentRule:
        if (self.condition is None) == (self.top is None):
            raise ValueError("a segment rule has either a condition or a top fraction")
        return self


class Segment(_OneInput):
    """Add the column `column`: the label of the first rule that matches, else `otherwise`.

    Attributes:
        by: Column that `top` rules rank by.
        partition_by: Rank within these groups.
        otherwise: Label where no rule matches; NULL when None.
    """

    kind: Literal["segment"] = "segment"
    column: ColumnName
    by: ColumnName | None = None
    partition_by: tuple[ColumnName, ...] = ()
    rules: tuple[SegmentRule, ...] = Field(min_length=1, max_length=100)
    otherwise: Label | None = None


class Deduplicate(_OneInput):
    """Keep one row for each combination of `keys`: the first by `order_by`.

    Where that does not decide, the remaining columns do, smallest first, so that every run keeps the same row.
    """

    kind: Literal["deduplicate"] = "deduplicate"
    keys: tuple[ColumnName, ...] = Field(min_length=1, max_length=100)
    order_by: tuple[Order, ...] = ()


class Select(_OneInput):
    """Keep these columns, in this order."""

    kind: Literal["select"] = "select"
    columns: tuple[ColumnName, ...] = Field(min_length=1, max_length=2000)


class RenameColumn(Model):
    """The column `column` is called `name` from here on."""

    column: ColumnName
    name: ColumnName


class Rename(_OneInput):
    """Rename columns; the others stay."""

    kind: Literal["rename"] = "rename"
    columns: tuple[RenameColumn, ...] = Field(min_length=1, max_length=500)


class CastColumn(Model):
    """The column `column` takes the Spark type `type`."""

    column: ColumnName
    type: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_no_controls)]


class Cast(_OneInput):
    """Change types. A value that does not fit fails the run, or becomes NULL with `on_error = "null"`."""

    kind: Literal["cast"] = "cast"
    columns: tuple[CastColumn, ...] = Field(min_length=1, max_length=500)
    on_error: Literal["fail", "null"] = "fail"


class FillColumn(Model):
    """NULLs of `column` become `value`."""

    column: ColumnName
    value: Scalar


class Fill(_OneInput):
    """Replace NULLs by a value."""

    kind: Literal["fill"] = "fill"
    columns: tuple[FillColumn, ...] = Field(min_length=1, max_length=500)


class Union(_Step):
    """Rows of all inputs, columns matched by name; every input must have the same ones."""

    kind: Literal["union"] = "union"
    inputs: tuple[Id, ...] = Field(min_length=2, max_length=50)
    distinct: bool = False


class Pivot(_OneInput):
    """One row a group, one column a value of `column`; with several measures called ``<value>_<measure>``.

    A count over no rows is 0; other measures over no rows are NULL.
    """

    kind: Literal["pivot"] = "pivot"
    group_by: tuple[ColumnName, ...] = Field(min_length=1, max_length=100)
    column: ColumnName
    values: tuple[Scalar, ...] = Field(min_length=1, max_length=200)
    measures: tuple[NamedExpression, ...] = Field(min_length=1, max_length=20)


class Unpivot(_OneInput):
    """One row for each of `columns`: its name in `name_column`, its value in `value_column`."""

    kind: Literal["unpivot"] = "unpivot"
    columns: tuple[ColumnName, ...] = Field(min_length=1, max_length=500)
    name_column: ColumnName
    value_column: ColumnName
    keep_nulls: bool = False


class Explode(_OneInput):
    """One row for each element of the array `column`, called `name`; `outer` keeps rows with none.

    The array itself stays, unless `name` is its name. `position` counts from 0.
    """

    kind: Literal["explode"] = "explode"
    column: ColumnName
    name: ColumnName
    position: ColumnName | None = None
    outer: bool = False


class Top(_OneInput):
    """The first `n` rows by `order_by`, in each group of `partition_by`; `ties` keeps all rows equal to the last."""

    kind: Literal["top"] = "top"
    n: Annotated[int, Field(ge=1, le=1_000_000)]
    partition_by: tuple[ColumnName, ...] = ()
    order_by: tuple[Order, ...] = Field(min_length=1, max_length=20)
    ties: bool = False


class Sql(_Step):
    """A person's escape hatch: one SELECT over the declared inputs. A language model may not propose one."""

    kind: Literal["sql"] = "sql"
    inputs: tuple[Id, ...] = Field(min_length=1, max_length=50)
    query: Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_clean_text)]


Step: TypeAlias = Annotated[
    Filter
    | Join
    | Derive
    | Aggregate
    | Window
    | Segment
    | Deduplicate
    | Select
    | Rename
    | Cast
    | Fill
    | Union
    | Pivot
    | Unpivot
    | Explode
    | Top
    | Sql,
    Field(discriminator="kind"),
]


# --- expectations ------------------------------------------------------------------------------------------------


class _Expectation(Model):
    """What is expected of the data of `on`: a source's alias, a step's id, or ``target``.

    Attributes:
        action: ``warn`` records, ``drop`` leaves the failing rows out, ``fail`` stops the run before the write.
        tolerance: Fraction of rows that may fail before the action is taken (0 = none); not with `drop`, which leaves
            out failing rows one by one. For `unique`: groups that occur more than once, as a fraction of the rows.
        quarantine: Table that takes the dropped rows, with the expectation's id and the time.
        enabled: Off means: shown, not run.
        automatic: Proposed by us, not by the statement; each is listed as an assumption.
    """

    id: Id
    on: Id
    action: Literal["warn", "drop", "fail"] = "warn"
    tolerance: Fraction = 0.0
    quarantine: TableName | None = None
    enabled: bool = True
    automatic: bool = False


class NotNull(_Expectation):
    """No NULL in any of `columns`."""

    kind: Literal["not_null"] = "not_null"
    columns: tuple[ColumnName, ...] = Field(min_length=1, max_length=100)


class Unique(_Expectation):
    """No two rows agree on all of `columns`."""

    kind: Literal["unique"] = "unique"
    columns: tuple[ColumnName, ...] = Field(min_length=1, max_length=100)


class Range(_Expectation):
    """`minimum` <= column <= `maximum` (strictly, where not inclusive); NULL passes."""

    kind: Literal["range"] = "range"
    column: ColumnName
    minimum: Scalar | None = None
    maximum: Scalar | None = None
    minimum_inclusive: bool = True
    maximum_inclusive: bool = True


class AcceptedValues(_Expectation):
    """The column holds only `values`; NULL passes."""

    kind: Literal["accepted_values"] = "accepted_values"
    column: ColumnName
    values: tuple[Scalar, ...] = Field(min_length=1, max_length=1000)


class Pattern(_Expectation):
    """The text matches the Java regular expression `regex` somewhere; NULL passes."""

    kind: Literal["pattern"] = "pattern"
    column: ColumnName
    regex: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_no_controls)]


class RowCount(_Expectation):
    """Between `minimum` and `maximum` rows."""

    kind: Literal["row_count"] = "row_count"
    minimum: Annotated[int, Field(ge=0)] | None = None
    maximum: Annotated[int, Field(ge=0)] | None = None


class Freshness(_Expectation):
    """The newest value of `column`, or the table's last commit when None, is at most `max_age_hours` before the run."""

    kind: Literal["freshness"] = "freshness"
    column: ColumnName | None = None
    max_age_hours: Annotated[float, Field(gt=0, le=24 * 3660, allow_inf_nan=False)]


class Referential(_Expectation):
    """Every non-NULL combination of `columns` occurs in `to_columns` of the source or step `to`."""

    kind: Literal["referential"] = "referential"
    columns: tuple[ColumnName, ...] = Field(min_length=1, max_length=16)
    to: Id
    to_columns: tuple[ColumnName, ...] = Field(min_length=1, max_length=16)


class ExpressionCheck(_Expectation):
    """`condition` is true for every row; NULL fails."""

    kind: Literal["expression"] = "expression"
    condition: ExpressionText


Expectation: TypeAlias = Annotated[
    NotNull | Unique | Range | AcceptedValues | Pattern | RowCount | Freshness | Referential | ExpressionCheck,
    Field(discriminator="kind"),
]


# --- target, trigger ---------------------------------------------------------------------------------------------

Mode: TypeAlias = Literal["overwrite", "append", "merge", "scd1", "scd2"]


class Target(Model):
    """The table that is written.

    Attributes:
        table: ``catalog.schema.table``; created when missing.
        input: The step or source whose rows it holds.
        mode: `overwrite` replaces all rows; `append` adds, and a retried run adds nothing twice; `merge` and `scd1`
            update rows with equal `keys` and insert the others; `scd2` keeps every version of a row with its
            validity.
        keys: What identifies a row; needed by `merge`, `scd1` and `scd2`.
        sequence_by: Column that orders versions of one key; the highest wins.
    """

    table: TableName
    input: Id
    mode: Mode = "overwrite"
    keys: tuple[ColumnName, ...] = Field(default=(), max_length=32)
    sequence_by: ColumnName | None = None
    partition_by: tuple[ColumnName, ...] = Field(default=(), max_length=4)
    cluster_by: tuple[ColumnName, ...] = Field(default=(), max_length=4)
    comment: Text = ""


class Schedule(Model):
    """At the times of a Quartz cron expression (seconds first, 1 = Sunday) in an IANA time zone."""

    kind: Literal["schedule"] = "schedule"
    cron: Annotated[str, Field(min_length=11, max_length=200), AfterValidator(_no_controls)]
    timezone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+\-/]{1,64}$")] = "UTC"


class TableUpdate(Model):
    """When one of these tables is written; all of the sources when empty."""

    kind: Literal["table_update"] = "table_update"
    tables: tuple[TableName, ...] = ()


class Continuous(Model):
    """Always running."""

    kind: Literal["continuous"] = "continuous"


class Manual(Model):
    """Only when somebody starts it."""

    kind: Literal["manual"] = "manual"


Trigger: TypeAlias = Annotated[Schedule | TableUpdate | Continuous | Manual, Field(discriminator="kind")]
Deployment: TypeAlias = Literal["job", "declarative"]


# --- the whole ---------------------------------------------------------------------------------------------------


class PipelineSpec(Model):
    """A complete pipeline. What `typed.type_spec` accepts, once the catalog's schemas are beside it."""

    spec_version: Literal[1] = 1
    name: Id
    description: Text = ""
    sources: tuple[Source, ...] = Field(min_length=1, max_length=100)
    steps: tuple[Step, ...] = Field(default=(), max_length=200)
    expectations: tuple[Expectation, ...] = Field(default=(), max_length=1000)
    target: Target
    trigger: Trigger = Manual()
    deployment: Deployment = "job"


class TargetDraft(Model):
    """A target of which something may still be unknown."""

    table: TableName | None = None
    input: Id | None = None
    mode: Mode | None = None
    keys: tuple[ColumnName, ...] = ()
    sequence_by: ColumnName | None = None
    partition_by: tuple[ColumnName, ...] = ()
    cluster_by: tuple[ColumnName, ...] = ()
    comment: Text = ""


class Draft(Model):
    """A pipeline as far as a parser understood it; `PipelineSpec` with every part optional."""

    spec_version: Literal[1] = 1
    name: Id | None = None
    description: Text = ""
    sources: tuple[Source, ...] = ()
    steps: tuple[Step, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    target: TargetDraft = TargetDraft()
    trigger: Trigger | None = None
    deployment: Deployment | None = None
