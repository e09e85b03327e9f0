"""The embedded planner: from words to a draft, deterministic, without network or model. Entry: `plan.parse_statement`."""
