"""Where the fields of a model's draft come from: its quotes found in the statement, and what they do not cover.

A quote that is not in the statement is no clause. Coverage is computed, not believed: words that no quote covers, and
quotes that no field came from, are unmatched. A field without a quote is an assumption, whatever the model says. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipeline_magic.agents.specification.llm.answer import Answer, Quote
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.redact import redact
from pipeline_magic.spec.model import Draft
from pipeline_magic.spec.paths import fields
from pipeline_magic.spec.provenance import Clause, Origin

__all__ = ["find_clauses", "missing_quotes", "trace"]

_USUAL = {
    "target.input": "the last step feeds the target",
    "deployment": "the statement does not say how it is deployed; a job that runs a notebook",
}
_GENERAL = re.compile(
    r"\W*(?:\d+[.)]\s*)?(?:and\s+|then\s+)?(?:validat\w*|check\w*|ensur\w*|verif\w*|assur\w*)\s+(?:the\s+|its\s+)?"
    r"(?:data\s+)?quality(?:\s+checks?)?\W*",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s*")


def missing_quotes(answer: Answer, statement: str) -> tuple[str, ...]:
    """A sentence for each quote that is not in the statement."""
    return tuple(
        f"clauses.{quote.id}: `{quote.quote[:80]}` does not stand in the statement word for word"
        for quote in answer.clauses
        if _spot(quote.quote, statement, ()) is None
    )


def find_clauses(quotes: Sequence[Quote], statement: str) -> tuple[tuple[Clause, ...], dict[str, str]]:
    """Every wish of the statement as a clause, in reading order, and the clause of each quote by the quote's id.

    Words that no quote covers become clauses too: ``filler`` where they carry nothing, else ``unmatched``.
    """
    taken: list[tuple[int, int, str, str]] = []
    for quote in quotes:
        spot = _spot(quote.quote, statement, [item[:2] for item in taken])
        if spot is not None:
            taken.append((*spot, quote.kind, quote.id))
    taken.sort()
    everything: list[tuple[int, int, str, str]] = []
    at = 0
    for item in [*taken, (len(statement), len(statement), "", "")]:
        everything += [(*gap, _kind(statement[slice(*gap)]), "") for gap in _lines(statement, at, item[0])]
        if item[2]:
            everything.append(item)
        at = item[1]
    clauses = tuple(
        Clause(id=f"c{number}", start=start, end=end, kind=kind)
        for number, (start, end, kind, _) in enumerate(everything, start=1)
    )
    by_quote = {item[3]: clause.id for item, clause in zip(everything, clauses, strict=True) if item[3]}
    return clauses, by_quote


def trace(
    answer: Answer, draft: Draft, clauses: tuple[Clause, ...], by_quote: Mapping[str, str], statement: str
) -> tuple[dict[str, Origin], tuple[Clause, ...]]:
    """The origin of every part of the draft, and the clauses with those marked unmatched that became nothing."""
    paths = _paths(draft)
    origins: dict[str, Origin] = {}
    for said in answer.origins:
        if said.path not in paths:
            continue
        found = tuple(dict.fromkeys(by_quote[name] for name in said.clauses if name in by_quote))
        reason = _short(said.reason) or ("" if found else "the model proposed it and gave no reason")
        alternatives = tuple(_short(text) for text in said.alternatives)
        kind = "clause" if found and not said.reason else "assumption"
        origins[said.path] = Origin.model_validate(
            {"kind": kind, "clauses": found, "reason": "" if kind == "clause" else reason, "alternatives": alternatives}
        )
    for path in _needed(draft):
        reason = _USUAL.get(path, "the model proposed it; it named no words of the statement")
        if not any(known == path or known.startswith(path + ".") for known in origins):
            origins[path] = Origin(
                kind="assumption", reason="the model proposed it; it named no words of the statement"
            )
    used = {clause for origin in origins.values() for clause in origin.clauses}
    # "Validate data quality" asks for no check in particular: the ones that every pipeline gets are the answer.
    used |= {
        clause.id
        for clause in clauses
        if clause.kind == "check" and _GENERAL.fullmatch(statement[clause.start : clause.end])
    }
    marked = tuple(
        clause.model_copy(update={"kind": "unmatched"}) if clause.kind != "filler" and clause.id not in used else clause
        for clause in clauses
    )
    return origins, marked


def _spot(quote: str, statement: str, taken: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """Where a quote stands, white space and case aside, outside of what is taken."""
    words = quote.split()
    if not words:
        return None
    pattern = re.compile(r"\s+".join(re.escape(word) for word in words), re.IGNORECASE)
    for match in pattern.finditer(statement):
        if all(match.end() <= start or match.start() >= end for start, end in taken):
            return match.span()
    return None


def _lines(statement: str, start: int, end: int) -> list[tuple[int, int]]:
    """The stretch cut at line ends, without white space around; nothing for empty lines and list marks."""
    found = []
    for match in re.finditer(r"[^\n]+", statement[start:end]):
        text = match.group()
        first = start + match.start() + (len(text) - len(text.lstrip()))
        last = start + match.start() + len(text.rstrip())
        if last > first:
            found.append((first, last))
    return found


def _kind(text: str) -> str:
    """Filler where no word carries anything; else not understood."""
    words = re.findall(r"[^\W\d_]+|\d+", _BULLET.sub("", text).casefold())
    return "filler" if all(word in STOP or word in FILLER for word in words) else "unmatched"


def _paths(draft: Draft) -> set[str]:
    """Every path that a provenance may name: each field, and everything above it."""
    found: set[str] = set()
    for path, _ in fields(draft):
        parts = path.split(".")
        found |= {".".join(parts[:size]) for size in range(1, len(parts) + 1)}
    return found - {"sources", "steps", "expectations", "target", "spec_version"}


def _needed(draft: Draft) -> list[str]:
    return [
        *(f"sources.{source.alias}.table" for source in draft.sources),
        *(f"steps.{step.id}" for step in draft.steps),
        *(f"expectations.{item.id}" for item in draft.expectations),
        "target.table",
        "target.mode",
        "target.input",
        "trigger.kind",
        "deployment",
        "name",
    ]


def _short(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in redact(text))
    return " ".join(clean.split())[:200]
