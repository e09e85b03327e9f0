"""Words for a state (``active``, ``completed``): which column and which of its values they mean, as the data tell.

Two things are looked at: a condition that the parser read a word as, where another column or another spelling fits too;
and words that it did not understand, beside which the data may hold a value that they name. Values are only compared
here; none is sent anywhere.
"""

from __future__ import annotations

import re

from sqlglot import exp

from pipeline_magic.agents.catalog.readings.reading import Field, Look, Reading, Scene, tree_of
from pipeline_magic.english import stem, words_of
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.dialect import Tree, identifier, render
from pipeline_magic.spec.literals import sql_text
from pipeline_magic.spec.model import Draft, ExpressionCheck
from pipeline_magic.spec.names import quote_table, slug
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Column, TableSchema

__all__ = ["readings", "whole", "with_words"]

_STATES = {
    "status", "state", "flag", "active", "valid", "enabled", "deleted", "cancelled", "canceled", "completed", "closed",
    "open", "paid", "phase", "stage", "stat", "is", "has",
}  # fmt: skip
_MOST_VALUES = 50
_MOST_COLUMNS = 6
_MOST_OPTIONS = 8
_LONGEST = 100


def readings(scene: Scene) -> list[Reading]:
    """A reading for each condition that says in which state a row is, in one column of a source."""
    made = []
    for field in scene.fields():
        tree = tree_of(field.text) if field.path.endswith((".condition", ".filter")) else None
        if tree is None or ".rules." in field.path:
            continue
        parts = list(tree.flatten()) if isinstance(tree, exp.And) else [tree]
        states = [found for part in parts if (found := _state(scene, field, part)) is not None]
        if len(states) == 1:
            made.append(_reading(scene, field, tree, *states[0]))
    return made


def _state(scene: Scene, field: Field, part: Tree) -> tuple[exp.EQ, tuple[str, str], str] | None:
    """Of ``status = 'active'``, alone or negated: the comparison, the column of the source, the value."""
    found = next(iter(part.find_all(exp.EQ)), None) if not isinstance(part, exp.Or) else None
    if found is None or len(list(part.find_all(exp.Column))) != 1:
        return None
    column, value = found.this, found.expression
    if not isinstance(column, exp.Column) or not isinstance(value, exp.Literal) or not value.is_string:
        return None
    base = scene.plain(field.node, column.name)
    known = scene.column(*base) if base is not None else None
    if base is None or known is None or not known.type.startswith("string") or "\\" in str(value.this):
        return None
    origin = scene.provenance.origins.get(field.path)
    assumed = origin is not None and origin.kind == "assumption"
    return (found, base, str(value.this)) if assumed or set(words_of(base[1])) & _STATES else None


def _reading(scene: Scene, field: Field, tree: Tree, found: exp.EQ, base: tuple[str, str], value: str) -> Reading:
    alias, column = base
    table = scene.typed.tables[alias]
    own = render(found)

    def option(identity: str) -> Option | None:
        whose, _, said = identity.partition("/")
        chosen = _chosen(said, scene.typed.tables[whose]) if whose in scene.typed.tables else None
        name = scene.called(field.node, whose, chosen[0].name) if chosen is not None else None
        condition = _condition(chosen, name) if chosen is not None and name is not None else None
        if chosen is None or condition is None or condition == own:
            return None
        edits = (Edit(path=field.path, value=_with(tree, found, condition)),)
        return Option(id=identity, label=_label(chosen, "" if whose == alias else whose), edits=edits)

    def look(look_at: Look) -> tuple[Option, ...]:
        ids = [f"{alias}/{each}" for each in _spellings(table, column, value, look_at)]
        for whose, other in scene.typed.tables.items():
            ids += [f"{whose}/{each}" for each in _others(other, column if whose == alias else "", value, look_at)]
        made = [one for identity in ids if (one := option(identity)) is not None]
        return tuple(made[:_MOST_OPTIONS])

    name, low = identifier(column), sql_text(value.strip().lower())
    watch = ExpressionCheck(
        id=slug(f"auto_readings_{alias}_{column}_spelling")[:63],
        on=alias,
        condition=f"coalesce({name} = {sql_text(value)} OR lower(trim({name})) <> {low}, TRUE)",
        action="warn",
        automatic=True,
    )
    where = field.path.split(".")[1]
    return Reading(
        Question(
            id=f"status:{where}",
            text=f"Which rows of {table.table.rpartition('.')[2].strip('`')} are “{value}”?",
            why=f"It is read as `{own[:200]}`, and the data hold other values or columns that fit the word.",
            options=(Option(id="as_read", label=f"Those with {column} = {value}"),),
            default="as_read",
            path=field.path,
        ),
        f"{value} means: {column} = {value}, in this spelling",
        (watch,),
        look=look,
        option=option,
    )


def _with(tree: Tree, found: exp.EQ, condition: str) -> str:
    """The whole condition with another one in the place of `found`."""
    whole = render(tree)
    own = render(found)
    return whole.replace(own, f"({condition})" if whole != own else condition, 1)


# --- answers as text ---------------------------------------------------------------------------------------------


def _chosen(identity: str, table: TableSchema) -> tuple[Column, tuple[str, ...]] | None:
    """``is:status:Active|ACTIVE`` as column and values; the table must have the column."""
    kind, _, rest = identity.partition(":")
    name, _, values = rest.partition(":")
    column = next((column for column in table.columns if column.name == name), None)
    listed = tuple(values.split("|"))
    if kind != "is" or column is None or not values or any(len(value) > _LONGEST for value in listed):
        return None
    if any(ord(char) < 32 for char in values):
        return None
    return column, listed


def _condition(chosen: tuple[Column, tuple[str, ...]], name: str) -> str | None:
    column, values = chosen
    if column.type == "boolean":
        return {"true": identifier(name), "false": f"NOT {identifier(name)}"}.get(values[0])
    if not column.type.startswith("string"):
        return None
    if len(values) == 1:
        return f"{identifier(name)} = {sql_text(values[0])}"
    return f"{identifier(name)} IN ({', '.join(sql_text(value) for value in values)})"


def _label(chosen: tuple[Column, tuple[str, ...]], whose: str = "") -> str:
    column, values = chosen
    name = f"{column.name} of {whose}" if whose else column.name
    if column.type == "boolean":
        return f"Those whose {name} is {values[0]}"
    return f"Those with {name} = {' or '.join(values)}"


# --- what the data hold ------------------------------------------------------------------------------------------


def _values(table: TableSchema, column: str, look: Look) -> list[str]:
    """The values of a column, most frequent first; none where there are too many to be states."""
    name = identifier(column)
    rows = look(
        f"SELECT {name}, count(*) AS n FROM {quote_table(table.table)} WHERE {name} IS NOT NULL "
        f"GROUP BY {name} ORDER BY n DESC, {name} LIMIT {_MOST_VALUES + 1}"
    )
    found = [str(row[0]) for row in rows]
    clean = [value for value in found if value and len(value) <= _LONGEST and "|" not in value]
    return clean if len(found) <= _MOST_VALUES else []


def _spellings(table: TableSchema, column: str, value: str, look: Look) -> list[str]:
    """Other values of the same column that are the same word; where the value is not there at all, those that are."""
    held = _values(table, column, look)
    same = [other for other in held if other != value and other.strip().casefold() == value.strip().casefold()]
    if same:
        return [f"is:{column}:{'|'.join([*([value] if value in held else []), *same])}"]
    near = [other for other in held if other != value and (_fits(value, other) or _fits(other, value))]
    if value in held:
        return [f"is:{column}:{other}" for other in near] + [f"is:{column}:{value}|{other}" for other in near]
    return [f"is:{column}:{other}" for other in (near or held)]


def _others(table: TableSchema, column: str, value: str, look: Look) -> list[str]:
    """Other columns of the table that say the same word in their way."""
    found: list[str] = []
    for other in _telling(table):
        if other.name == column:
            continue
        if other.type == "boolean":
            found += _flag(other, value)
            continue
        found += [f"is:{other.name}:{'|'.join(held)}" for held in _alike(_values(table, other.name, look), value)]
    return found


def _alike(values: list[str], word: str) -> list[list[str]]:
    """Values that say a word, spellings of one value together."""
    groups: dict[str, list[str]] = {}
    for value in values:
        if _fits(word, value):
            groups.setdefault(value.strip().casefold(), []).append(value)
    return list(groups.values())


def _telling(table: TableSchema) -> list[Column]:
    """Columns that may hold a state."""
    named = [column for column in table.columns if set(words_of(column.name)) & _STATES or column.type == "boolean"]
    return [column for column in named if column.type in {"string", "boolean"}][:_MOST_COLUMNS]


def _flag(column: Column, word: str) -> list[str]:
    words = {stem(part) for part in words_of(column.name)} - {"is", "has", "was", "flag"}
    said = stem(word.strip().casefold())
    if said in words:
        return [f"is:{column.name}:true"]
    for prefix in ("in", "un", "non", "not"):
        if said.removeprefix(prefix).lstrip("-_ ") in words and said.startswith(prefix):
            return [f"is:{column.name}:false"]
    return []


def _fits(word: str, value: str) -> bool:
    """Whether a value says the word: the same stem, the beginning of it, or its letter."""
    one, other = word.strip().casefold(), value.strip().casefold()
    if not one or not other:
        return False
    if stem(one) == stem(other):
        return True
    short, long = sorted((one, other), key=len)
    return (len(short) >= 4 and long.startswith(short)) or (len(other) == 1 and one.startswith(other) and len(one) > 2)


# --- words that were not understood --------------------------------------------------------------------------------

_LEFT = {
    "the", "a", "an", "all", "only", "any", "that", "which", "are", "is", "of", "with", "whose", "ones", "those", "and",
    "not", "no", "without", "except", "excluding", "exclude", "ignoring", "ignore", "dropping", "drop", "removing",
    "remove", "still", "currently", "now", "for", "from", "but", "just",
}  # fmt: skip
_NOT = {"not", "no", "without", "except", "excluding", "exclude", "ignoring", "ignore", "dropping", "drop",
        "removing", "remove"}  # fmt: skip


def with_words(
    questions: tuple[Question, ...],
    said: dict[str, str],
    draft: Draft,
    tables: dict[str, TableSchema],
    answers: dict[str, str],
    look: Look | None,
) -> tuple[Question, ...]:
    """Questions about words that were not understood, with the states in the data that the words may name.

    The statement is read again with such an answer. Its edits say what it does to the rows, and hold where the words
    stand in no place that can be read.

    Args:
        questions: Of the parser.
        said: The words of each clause, by its id.
        draft: As it was read.
        tables: Its sources.
        answers: Given so far, by question; theirs are options without a look at the data.
        look: Runs a query; None leaves the data alone.
    """
    told = []
    for question in questions:
        if question.id.startswith("words:"):
            words = " ".join(said.get(clause, "") for clause in question.clauses)
            ids = _named(words, draft, tables, look) if look is not None else []
            ids = list(dict.fromkeys([*ids, answers.get(question.id, "")]))
            options = tuple(made for each in ids if (made := _answered(each, words, draft, tables)) is not None)
            question = question.model_copy(update={"options": (*options, *question.options)})
        told.append(question)
    return tuple(told)


def whole(words: str, answer: str) -> bool:
    """Whether an answer about one word leaves none of the words of its question unread."""
    rest = {word.casefold() for word in re.findall(r"[^\W_]+", words)} - _LEFT
    return rest <= {answer.partition("/")[0]}


def _named(words: str, draft: Draft, tables: dict[str, TableSchema], look: Look) -> list[str]:
    """``completed/c.s.orders/is:status:Completed|completed`` for each state that one of the words names."""
    found: list[str] = []
    for word in dict.fromkeys(word.casefold() for word in re.findall(r"[^\W\d_]{3,}", words)[:6]):
        if word in _LEFT:
            continue
        for source in draft.sources:
            table = tables.get(source.alias)
            ids = _others(table, "", word, look) if table is not None else []
            found += [f"{word}/{source.table}/{each}" for each in ids]
    return found[:_MOST_OPTIONS]


def _answered(identity: str, words: str, draft: Draft, tables: dict[str, TableSchema]) -> Option | None:
    """A state that a word names, as a condition on a source."""
    word, _, rest = identity.partition("/")
    name, _, state = rest.partition("/")
    source = next((source for source in draft.sources if source.table == name and source.alias in tables), None)
    chosen = _chosen(state, tables[source.alias]) if source is not None else None
    condition = _condition(chosen, chosen[0].name) if chosen is not None else None
    said = [each.casefold() for each in re.findall(r"[^\W_]+", words)]
    if source is None or chosen is None or condition is None or word not in said:
        return None
    negated = bool(set(said[: said.index(word)]) & _NOT)
    if negated:
        condition = f"NOT coalesce({condition}, FALSE)"
    if source.filter:
        condition = f"({source.filter}) AND {condition}"
    short = source.table.rpartition(".")[2].strip("`")
    label = _label(chosen).replace("Those", f"“{word}” are the rows of {short}", 1)
    edits = (Edit(path=f"sources.{source.alias}.filter", value=condition),)
    return Option(id=identity, label=label, edits=edits)
