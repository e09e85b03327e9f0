"""The language-model parser: a model proposes a draft in a bounded form, and nothing of it is believed.

    prompt.py         the rules, the statement, and the few tables that the index found for it
    values.py         a few values of text columns, where sending them is switched on; never personal ones
    conversation.py   requests within a budget (`prices`), each in the ledger before it leaves
    answer.py         the form in which a model may answer
    check.py          the answer against form, catalog and types; every problem goes back to the model, three times
    ground.py         what the words of the statement do not support is taken back or asked (`support`)
    trace.py          quotes found in the statement; what they do not cover; assumptions
    questions.py      the model's own questions, as far as every choice gives a right spec
    parser.py         the order of all this

The result is what the embedded planner gives: a draft, the origin of every field, questions, clauses not understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_magic.agents.specification.llm.parser import ModelParser as ModelParser

__all__ = ["ModelParser"]


def __getattr__(name: str) -> object:
    if name == "ModelParser":
        from pipeline_magic.agents.specification.llm.parser import ModelParser

        return ModelParser
    raise AttributeError(name)
