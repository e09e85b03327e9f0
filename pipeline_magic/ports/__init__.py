"""What the agents need of the world, as Protocols. Adapters fulfil them; agents are given them.

Every method may raise the errors of its port (`errors`), and nothing of a vendor's. Every call has a timeout inside
its adapter. Implementations: see `adapters`; each port has one contract suite in ``tests/contract``.
"""

from __future__ import annotations

from pipeline_magic.ports.catalog import Catalog, Privileges
from pipeline_magic.ports.clock import Clock, Progress
from pipeline_magic.ports.code_host import CodeHost
from pipeline_magic.ports.deployer import Deployer, DeployRequest
from pipeline_magic.ports.engine import DryRun, Engine, Rows, TableVersion, ValidatesPipelines
from pipeline_magic.ports.language_model import Completion, LanguageModel, Ledger
from pipeline_magic.ports.store import Store, WorkingData

__all__ = [
    "Catalog",
    "Clock",
    "CodeHost",
    "Completion",
    "Deployer",
    "DeployRequest",
    "DryRun",
    "Engine",
    "LanguageModel",
    "Ledger",
    "Privileges",
    "Progress",
    "Rows",
    "Store",
    "TableVersion",
    "ValidatesPipelines",
    "WorkingData",
]
