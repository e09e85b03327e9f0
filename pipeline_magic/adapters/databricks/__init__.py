"""Databricks: Unity Catalog, engines, and Lakeflow. Importing a module of this room loads `databricks.sdk`, which
takes two seconds; importing the room itself loads nothing.

`client` makes the SDK's client and `calls` asks by it; `catalog` fulfils `ports.Catalog` with `tables` (what a table's
description means), `listing` (many tables with few calls) and `privileges`. `engines` chooses what fulfils
`ports.Engine`: `session` (the notebook's own, or one of `connect`) or `warehouse` (by `statements`), both on
`sql_engine`, with notebooks by `oneoff`; `runtime` knows a notebook of Databricks. `deployer` fulfils `ports.Deployer`
with `jobs` and `pipelines` (each a `kinds.Kind`), `records` (what was there before) and `drift` (changes by hand).
"""
