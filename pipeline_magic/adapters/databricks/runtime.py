"""Whether this process is a notebook of Databricks, and what such a notebook's namespace holds.

A runtime says so by an environment variable, and puts `spark`, `dbutils` and `display` into the shell's namespace, not
into any module. Importing this loads nothing else. Not here: logging in, which the SDK does by itself in a runtime.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Runtime", "detect"]

_VARIABLE = "DATABRICKS_RUNTIME_VERSION"


class Runtime(NamedTuple):
    """A notebook of Databricks.

    Attributes:
        version: Of the runtime: ``14.3``, or ``client.2.1`` on serverless compute.
        spark: The notebook's session; None where there is none, as in a task that is no notebook.
        dbutils: Databricks' utilities; None where there are none.
        display: Databricks' own `display`; None where there is none.
    """

    version: str
    spark: Any = None
    dbutils: Any = None
    display: Any = None


def detect(shell: Any, environ: Mapping[str, str] | None = None) -> Runtime | None:
    """The notebook of Databricks that a shell belongs to; None anywhere else.

    A name `spark` alone does not make one: on a laptop it may be anybody's.

    Args:
        shell: IPython's shell; None outside of one.
        environ: Environment variables; those of the process when None.
    """
    version = (os.environ if environ is None else environ).get(_VARIABLE, "")
    if not version:
        return None
    names: Mapping[str, Any] = getattr(shell, "user_ns", None) or {}
    return Runtime(version, names.get("spark"), names.get("dbutils"), names.get("display"))
