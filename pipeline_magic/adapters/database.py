"""The store on SQLAlchemy Core: SQLite in one private file by default, PostgreSQL by URL for a team.

Every change of state is a compare-and-set inside one transaction and is checked against `states.TRANSITIONS`; a change
and the audit entry that speaks of it are written together or not at all. Any number of threads and processes may use
one store; readers never wait. Not here: tables, migrations, opening and error texts (`database_schema`,
`database_engine`), the chain of the audit (`database_audit`), what a decision means (`agents.approval`). Nothing is
opened before the first call.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import JsonValue, ValidationError
from pydantic_core import PydanticSerializationError
from sqlalchemy.engine import Connection

from pipeline_magic.adapters import database_retention as retention
from pipeline_magic.adapters import database_schema as tables
from pipeline_magic.adapters.database_audit import append, entries, finite, head, plain
from pipeline_magic.adapters.database_engine import Conflict, Connector
from pipeline_magic.digests import digest_of
from pipeline_magic.errors import NotFound, StaleState, StoreUnavailable, UsageError
from pipeline_magic.ports import WorkingData
from pipeline_magic.runs import (
    Approval,
    AuditDraft,
    AuditEntry,
    Deployment,
    Effect,
    Exchange,
    Plan,
    Run,
    Stage,
)
from pipeline_magic.spec.schema import Model
from pipeline_magic.states import allowed

__all__ = ["Database"]

M = TypeVar("M", bound=Model)

_PAGE = 500
"""Runs that are read at once."""

_FORGOTTEN = 7 * 24 * 3600.0
"""Seconds of silence after which a worker's row goes."""


class Database:
    """A `ports.Store`.

    Args:
        url: Path of an SQLite file, or an SQLAlchemy URL of SQLite or PostgreSQL.

    Raises:
        ConfigurationError: The address cannot be used. Everything else is raised by the calls.
    """

    def __init__(self, url: str) -> None:
        self._db = Connector(url)
        self.name = self._db.name

    def __repr__(self) -> str:
        return f"Database({self.name})"

    # --- runs --------------------------------------------------------------------------------------------------------

    def create_run(self, run: Run) -> Run:
        """Insert a run, which begins in `parsing`."""
        if run.state != "parsing":
            raise StaleState(f"A run begins in state `parsing`, and `{run.id}` is `{run.state}`.")
        made = run.model_copy(update={"version": 1})
        row = {"id": made.id, **_run_row(made)}
        with self._exists(f"There is a run `{run.id}` already."), self._db.write() as connection:
            connection.execute(sa.insert(tables.runs).values(row))
        return made

    def run(self, run_id: str) -> Run:
        """Raises NotFound."""
        with self._db.read() as connection:
            row = _one(connection, sa.select(tables.runs.c.body).where(tables.runs.c.id == run_id))
        return self._load(Run, self._found(row, "run", run_id))

    def runs(self, *, limit: int = 50, statement: str | None = None, name: str | None = None) -> Sequence[Run]:
        """Newest first."""
        query = sa.select(tables.runs.c.body).order_by(tables.runs.c.seq.desc()).limit(limit)
        if statement is not None:
            query = query.where(tables.runs.c.statement_digest == digest_of(statement))
        if name is not None:
            query = query.where(tables.runs.c.name == plain(name))
        with self._db.read() as connection:
            return tuple(self._load(Run, body) for (body,) in connection.execute(query))

    def every_run(self) -> Iterator[Run]:
        """All runs, oldest first, a page at a time."""
        last = 0
        while True:
            query = sa.select(tables.runs.c.seq, tables.runs.c.body).where(tables.runs.c.seq > last)
            with self._db.read() as connection:
                rows = connection.execute(query.order_by(tables.runs.c.seq).limit(_PAGE)).all()
            for row in rows:
                yield self._load(Run, row.body)
            if len(rows) < _PAGE:
                return
            last = rows[-1].seq

    def update_run(self, run: Run, *, audit: AuditDraft | None = None, **changes: Any) -> Run:
        """Write changes if nobody else did since `run` was read, with the audit entry or not at all.

        The version of the run grows by one.

        Raises:
            StaleState: Somebody did, or the state machine has no such move.
        """
        for fixed in ("id", "created", "version"):
            if fixed in changes:
                raise TypeError(f"`{fixed}` of a run never changes")
        fields = {name: getattr(run, name) for name in Run.model_fields}
        moved = Run.model_validate({**fields, **changes, "version": run.version + 1})
        if moved.state != run.state and not allowed("run", run.state, moved.state):
            raise StaleState(
                f"Run `{run.id}` cannot go from `{run.state}` to `{moved.state}`.", hint=f"`%pipeline review {run.id}`."
            )
        where = (
            (tables.runs.c.id == run.id) & (tables.runs.c.version == run.version) & (tables.runs.c.state == run.state)
        )
        with self._db.write() as connection:
            done = connection.execute(sa.update(tables.runs).where(where).values(_run_row(moved))).rowcount
            if done and audit is not None:
                append(connection, audit)
        if not done:
            now = self.run(run.id)
            raise StaleState(
                f"Run `{run.id}` was changed meanwhile: it is `{now.state}` (change {now.version} at {now.updated}), "
                f"and this call knew it as `{run.state}` (change {run.version}).",
                hint=f"Look at it again with `%pipeline review {run.id}`, then repeat.",
            )
        return moved

    def save_stage(self, run_id: str, stage: Stage, inputs_digest: str, result: str, at: str) -> None:
        """Keep the latest result of a stage."""
        key = (tables.stages.c.run_id == run_id) & (tables.stages.c.stage == stage)
        values = {"inputs_digest": inputs_digest, "result": _no_nul(result), "at": at}

        def write(connection: Connection) -> None:
            if not connection.execute(sa.update(tables.stages).where(key).values(values)).rowcount:
                connection.execute(sa.insert(tables.stages).values(run_id=run_id, stage=stage, **values))

        self._db.write_again(write)

    def stage(self, run_id: str, stage: Stage) -> tuple[str, str] | None:
        """(digest of the inputs, result as JSON) of the last time, or None."""
        query = sa.select(tables.stages.c.inputs_digest, tables.stages.c.result).where(
            tables.stages.c.run_id == run_id, tables.stages.c.stage == stage
        )
        with self._db.read() as connection:
            row = _one(connection, query)
        return None if row is None else (row.inputs_digest, row.result)

    # --- approvals, deployments --------------------------------------------------------------------------------------

    def save_approval(
        self, approval: Approval, *, expected_state: str | None, audit: AuditDraft | None = None
    ) -> Approval:
        """Insert (expected None) or move it, and say so in the audit: both or neither.

        Raises:
            StaleState: It is not in the expected state, or holds decisions this one does not know.
        """
        if expected_state is None:
            self._begins("approval", approval.id, approval.state, "pending")
            row = {"id": approval.id, "run_id": approval.run_id, **_state_row(approval, approval.state, 1)}
            with self._exists(f"There is an approval `{approval.id}` already."), self._db.write() as connection:
                connection.execute(sa.insert(tables.approvals).values(row))
                if audit is not None:
                    append(connection, audit)
            return approval
        with self._db.write() as connection:
            version, stored = self._locked(connection, tables.approvals, tables.approvals.c.id == approval.id, Approval)
            if stored is None:
                raise NotFound(f"There is no approval `{approval.id}`.")
            self._check_approval(stored, approval, expected_state)
            self._move(connection, tables.approvals, tables.approvals.c.id == approval.id, approval, version)
            if audit is not None:
                append(connection, audit)
        return approval

    @staticmethod
    def _check_approval(stored: Approval, new: Approval, expected: str) -> None:
        last = stored.decisions[-1] if stored.decisions else None
        said = f", by {last.identity} at {last.at}" if last else ""
        if stored.state != expected:
            raise StaleState(f"Approval `{stored.id}` is `{stored.state}`{said}; this call knew it as `{expected}`.")
        if new.decisions[: len(stored.decisions)] != stored.decisions:
            raise StaleState(f"Approval `{stored.id}` has got another decision meanwhile{said}.")
        for fixed in ("run_id", "digest", "created"):
            if getattr(new, fixed) != getattr(stored, fixed):
                raise StaleState(f"The {fixed} of approval `{stored.id}` never changes; ask for a new approval.")
        quiet = new.state == expected and new.decisions == stored.decisions
        if not quiet and not allowed("approval", expected, new.state):
            raise StaleState(f"Approval `{stored.id}` cannot go from `{expected}` to `{new.state}`{said}.")

    def approval(self, approval_id: str) -> Approval:
        """Raises NotFound."""
        query = sa.select(tables.approvals.c.body).where(tables.approvals.c.id == approval_id)
        with self._db.read() as connection:
            row = _one(connection, query)
        return self._load(Approval, self._found(row, "approval", approval_id))

    def approvals(self, run_id: str) -> Sequence[Approval]:
        """Every approval the run ever asked for, newest first."""
        query = sa.select(tables.approvals.c.body).where(tables.approvals.c.run_id == run_id)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(tables.approvals.c.seq.desc()))
            return tuple(self._load(Approval, body) for (body,) in rows)

    def save_plan(self, approval_id: str, plan: Plan, evidence: dict[str, JsonValue]) -> None:
        """Keep what an approval is asked for; the plan of an approval never changes, its evidence may."""
        key = tables.plans.c.approval_id == approval_id
        measured = json.dumps(finite(evidence), sort_keys=True)

        def write(connection: Connection) -> None:
            row = _one(connection, sa.select(tables.plans.c.plan).where(key).with_for_update())
            if row is None:
                body = _body(plan)
                connection.execute(
                    sa.insert(tables.plans).values(approval_id=approval_id, plan=body, evidence=measured)
                )
            elif self._load(Plan, row.plan) != plan:
                raise StaleState(f"The plan of approval `{approval_id}` never changes; ask for a new approval.")
            else:
                connection.execute(sa.update(tables.plans).where(key).values(evidence=measured))

        self._db.write_again(write)

    def plan(self, approval_id: str) -> tuple[Plan, dict[str, JsonValue]]:
        """The plan of an approval and the evidence beside it. Raises NotFound."""
        query = sa.select(tables.plans.c.plan, tables.plans.c.evidence).where(tables.plans.c.approval_id == approval_id)
        with self._db.read() as connection:
            row = _one(connection, query)
        plan = self._load(Plan, self._found(row, "plan for approval", approval_id))
        return plan, self._json(row.evidence)

    def save_deployment(
        self, deployment: Deployment, *, expected_state: str | None, audit: AuditDraft | None = None
    ) -> Deployment:
        """Insert (expected None) or move the run's deployment, and say so in the audit: both or neither.

        Raises:
            StaleState: It is not in the expected state, or the state machine has no such move.
        """
        run_id = deployment.run_id
        if expected_state is None:
            self._begins("deployment", deployment.id, deployment.state, "waiting", "deploying")
            row = {"run_id": run_id, **_state_row(deployment, deployment.state, 1)}
            with self._exists(f"Run `{run_id}` has a deployment already."), self._db.write() as connection:
                connection.execute(sa.insert(tables.deployments).values(row))
                if audit is not None:
                    append(connection, audit)
            return deployment
        key = tables.deployments.c.run_id == run_id
        with self._db.write() as connection:
            version, stored = self._locked(connection, tables.deployments, key, Deployment)
            if stored is None:
                raise NotFound(f"Run `{run_id}` has no deployment.")
            if stored.state != expected_state:
                raise StaleState(
                    f"The deployment of run `{run_id}` is `{stored.state}`; this call knew it as `{expected_state}`.",
                    hint=f"Look at it again with `%pipeline review {run_id}`.",
                )
            if deployment.state != expected_state and not allowed("deployment", expected_state, deployment.state):
                raise StaleState(
                    f"The deployment of run `{run_id}` cannot go from `{expected_state}` to `{deployment.state}`."
                )
            self._move(connection, tables.deployments, key, deployment, version)
            if audit is not None:
                append(connection, audit)
        return deployment

    def deployment(self, run_id: str) -> Deployment | None:
        """The run's deployment; None when it has none."""
        query = sa.select(tables.deployments.c.body).where(tables.deployments.c.run_id == run_id)
        with self._db.read() as connection:
            row = _one(connection, query)
        return None if row is None else self._load(Deployment, row.body)

    def deployments(self) -> Sequence[Deployment]:
        """The deployment of every run that has one, in the order of their runs' ids."""
        query = sa.select(tables.deployments.c.body).order_by(tables.deployments.c.run_id)
        with self._db.read() as connection:
            return tuple(self._load(Deployment, body) for (body,) in connection.execute(query))

    # --- effects -----------------------------------------------------------------------------------------------------

    def begin_effect(self, key: str, run_id: str, kind: str, at: str) -> Effect:
        """The effect of that key: newly started, or as it stands."""
        effect = Effect(key=key, run_id=run_id, kind=kind, status="started", at=at)
        row = {"key": key, "run_id": run_id, "status": "started", "body": _body(effect)}
        try:
            with self._db.write() as connection:
                found = self._effect(connection, key)
                if found is not None:
                    return found
                connection.execute(sa.insert(tables.effects).values(row))
                return effect
        except Conflict:
            # On PostgreSQL another process may insert it between the look and the insert.
            with self._db.read() as connection:
                return self._effect(connection, key) or effect

    def finish_effect(self, key: str, result: JsonValue, at: str, *, audit: AuditDraft | None = None) -> Effect:
        """Write the result, with its audit entry or not at all; the first one stays, whoever finishes again.

        Raises NotFound.
        """
        with self._db.write() as connection:
            found = self._effect(connection, key)
            if found is None:
                raise NotFound(f"No effect with the key `{key}` was started.")
            if found.status == "done":
                return found
            done = found.model_copy(update={"status": "done", "result": result, "at": at})
            where = (tables.effects.c.key == key) & (tables.effects.c.status == "started")
            values = {"status": "done", "body": _body(done)}
            if connection.execute(sa.update(tables.effects).where(where).values(values)).rowcount:
                if audit is not None:
                    append(connection, audit)
                return done
            return self._effect(connection, key) or done

    def _effect(self, connection: Connection, key: str) -> Effect | None:
        row = _one(connection, sa.select(tables.effects.c.body).where(tables.effects.c.key == key))
        return None if row is None else self._load(Effect, row.body)

    def effects(self, run_id: str) -> Sequence[Effect]:
        """The run's effects in the order they were started."""
        query = sa.select(tables.effects.c.body).where(tables.effects.c.run_id == run_id)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(tables.effects.c.seq))
            return tuple(self._load(Effect, body) for (body,) in rows)

    # --- egress ledger -----------------------------------------------------------------------------------------------

    def save_exchange(self, exchange: Exchange, *, audit: AuditDraft | None = None) -> None:
        """Insert an exchange with a language model, or replace it by its id; with its audit entry or not at all."""
        values = {"status": exchange.status, "body": _body(exchange)}
        table = tables.exchanges

        def write(connection: Connection) -> None:
            if not connection.execute(sa.update(table).where(table.c.id == exchange.id).values(values)).rowcount:
                connection.execute(sa.insert(table).values(id=exchange.id, run_id=exchange.run_id, **values))
            if audit is not None:
                append(connection, audit)

        self._db.write_again(write)

    def exchanges(self, run_id: str) -> Sequence[Exchange]:
        """What a run exchanged with language models, in the order it was sent."""
        query = sa.select(tables.exchanges.c.body).where(tables.exchanges.c.run_id == run_id)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(tables.exchanges.c.seq))
            return tuple(self._load(Exchange, body) for (body,) in rows)

    # --- retention ---------------------------------------------------------------------------------------------------

    def working_data(self, run_id: str, *, texts: bool = False) -> WorkingData:
        """What `clean_run` would remove."""
        with self._db.read() as connection:
            return retention.measure(connection, run_id, self._exchange, texts=texts)

    def clean_run(self, run: Run, *, texts: bool, message: str, audit: AuditDraft) -> Run:
        """Remove the working data of a run if nobody changed it since it was read, and say so: all or nothing.

        Raises:
            StaleState: Somebody changed it.
        """
        cleaned = run.model_copy(update={"message": message, "version": run.version + 1})
        where = (tables.runs.c.id == run.id) & (tables.runs.c.version == run.version)
        with self._db.write() as connection:
            if not connection.execute(sa.update(tables.runs).where(where).values(_run_row(cleaned))).rowcount:
                raise StaleState(f"Run `{run.id}` was changed meanwhile; nothing of it was removed.")
            retention.remove(connection, run.id, self._exchange, texts=texts, at=audit.at)
            append(connection, audit)
        return cleaned

    def beat(self, worker: str) -> None:
        """Remember that a worker lives at this moment; those that have been silent for a week are forgotten."""
        table = tables.workers

        def write(connection: Connection) -> None:
            now = _seconds(connection)
            if not connection.execute(sa.update(table).where(table.c.worker == worker).values(seen=now)).rowcount:
                connection.execute(sa.insert(table).values(worker=worker, seen=now))
                connection.execute(sa.delete(table).where(table.c.seen < now - _FORGOTTEN))

        self._db.write_again(write)

    def last_beat(self, worker: str) -> float | None:
        """Seconds since it was last said to live, by the database's clock; None where it never was."""
        with self._db.read() as connection:
            row = _one(connection, sa.select(tables.workers.c.seen).where(tables.workers.c.worker == worker))
            return None if row is None else _seconds(connection) - float(row.seen)

    def compact(self) -> None:
        """Give the space of what was removed back to the disk, and leave nothing of it there; as far as possible."""
        self._db.compact()

    # --- audit -------------------------------------------------------------------------------------------------------

    def append_audit(
        self,
        *,
        at: str,
        run_id: str,
        event: str,
        identity: str,
        name: str = "",
        digest: str = "",
        detail: dict[str, JsonValue] | None = None,
    ) -> AuditEntry:
        """Add an entry to the end of the chain; concurrent writers never fork it."""
        draft = AuditDraft(
            at=at, run_id=run_id, event=event, identity=identity, name=name, digest=digest, detail=detail or {}
        )
        with self._db.write() as connection:
            entry = append(connection, draft)
        return entry

    def audit(self, run_id: str | None = None) -> Sequence[AuditEntry]:
        """Oldest first; of all runs when None, and then all in memory: `audit_stream` is for those."""
        return tuple(self.audit_stream(run_id))

    def audit_stream(self, run_id: str | None = None, *, after: int | None = None) -> Iterator[AuditEntry]:
        """Oldest first, a page at a time; entries appended meanwhile come too."""
        return entries(self._db.read, run_id, after)

    def audit_head(self) -> tuple[int, str]:
        """Number and hash of the last entry, as the store itself remembers them."""
        with self._db.read() as connection:
            return head(connection)

    def close(self) -> None:
        """Close every connection; the next call opens the store again."""
        self._db.close()

    # --- below the surface -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _exists(self, message: str) -> Iterator[None]:
        try:
            yield
        except Conflict:
            raise StaleState(message) from None

    def _locked(self, connection: Connection, table: sa.Table, key: Any, model: type[M]) -> tuple[int, M | None]:
        row = _one(connection, sa.select(table.c.version, table.c.body).where(key).with_for_update())
        return (0, None) if row is None else (row.version, self._load(model, row.body))

    def _move(self, connection: Connection, table: sa.Table, key: Any, model: Any, version: int) -> None:
        values = _state_row(model, model.state, version + 1)
        done = connection.execute(sa.update(table).where(key, table.c.version == version).values(values)).rowcount
        if not done:
            raise StaleState("Somebody else changed it at the same moment; nothing was changed by this call.")

    def _found(self, row: Any, what: str, key: str) -> str:
        if row is None:
            raise NotFound(f"There is no {what} `{key}`.", hint="`%pipeline list` shows what there is.")
        return str(row[0])

    def _begins(self, what: str, key: str, state: str, *first: str) -> None:
        if state not in first:
            raise StaleState(f"A new {what} begins in `{first[0]}`, and `{key}` is `{state}`.")

    def _load(self, model: type[M], body: str) -> M:
        try:
            return model.model_validate_json(body)
        except ValidationError:  # it quotes the row
            raise self._damaged(model.__name__.casefold()) from None

    def _exchange(self, body: str) -> Exchange:
        return self._load(Exchange, body)

    def _json(self, text: str) -> dict[str, JsonValue]:
        try:
            loaded = json.loads(text)
        except ValueError:
            loaded = None
        if not isinstance(loaded, dict):
            raise self._damaged("JSON value")
        return loaded

    def _damaged(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The store holds a {what} that cannot be read: it was changed from outside, or by a newer version.",
            where=self.name,
            hint="Put back a copy of the store, or upgrade pipeline_magic.",
        )


def _seconds(connection: Connection) -> float:
    """Now: by the clock of the server, or of this machine where the store is a file."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())


def _run_row(run: Run) -> dict[str, Any]:
    return {
        "name": plain(run.name),
        "statement_digest": digest_of(run.statement),
        **_state_row(run, run.state, run.version),
    }


def _state_row(model: Model, state: str, version: int) -> dict[str, Any]:
    return {"state": state, "version": version, "body": _body(model)}


def _body(model: Model) -> str:
    """A model as it is kept.

    Raises:
        UsageError: A text in it is none: it holds half of a pair of surrogates, as a broken paste gives.
    """
    try:
        return _no_nul(model.model_dump_json())
    except PydanticSerializationError:
        raise UsageError(
            "A text holds half a character, which cannot be kept.",
            hint="Take out the sign that is not shown, or type it anew.",
        ) from None


def _no_nul(body: str) -> str:
    """JSON writes NUL as an escape; a raw one can only come from text that is not JSON."""
    return body.replace("\x00", "\ufffd")


def _one(connection: Connection, query: sa.Select[Any]) -> Any:
    return connection.execute(query).one_or_none()
