"""The embedded planner on the corpus: how much it reads right, and that it asks rather than guesses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.statements import main

CORPUS = str(Path(__file__).parent)


@pytest.mark.parametrize("framed", [False, True])
def test_statements_that_were_worked_on(framed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Nine in ten are right, at most three in a hundred silently wrong, and none without an answer is answered."""
    arguments = ["--corpus", CORPUS, "--part", "dev", *(["--framed"] if framed else [])]
    assert main(arguments) == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["right"] >= 0.9
    assert scores["silently_wrong"] <= 0.03
    assert scores["error"] == scores["guessed"] == scores["unsafe"] == 0


def test_statements_that_were_held_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Opened on 2026-11-22: since then eight in ten are right, and at most three in a hundred silently wrong."""
    assert main(["--corpus", CORPUS, "--part", "held_out"]) == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["right"] >= 0.8
    assert scores["silently_wrong"] <= 0.03
    assert scores["error"] == scores["guessed"] == 0
