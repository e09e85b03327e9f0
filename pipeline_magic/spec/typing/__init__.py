"""Typing of a spec, one pass a file: the graph, the steps by family, the expectations, the target. See `pipeline`."""
