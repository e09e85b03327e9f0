"""The embedded planner: from words to a draft, without network or model. Entry: `plan.parse_statement`."""
