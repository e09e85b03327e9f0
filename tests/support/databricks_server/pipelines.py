"""Lakeflow pipelines of the strict workspace: their settings, updates, events and permissions.

Written from the vendor's reference of the Pipelines API and the SDK's generated code. An update goes on by one state
with each look at it, so that nothing here waits or depends on time; `Pipelines.does` says what it meets on its way.
Nothing is computed: an update publishes the names of the tables that it is told to; `published` keeps whose they are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.support.databricks_server.pipeline_fields import (
    BESIDE,
    CAUSES,
    SPEC,
    START,
    WHO,
    check_settings,
    chosen,
    wrong,
)
from tests.support.databricks_server.server import Handler, Refusal, Request
from tests.support.databricks_server.world import World

__all__ = ["Outcome", "Pipeline", "Pipelines", "Update"]

_P = r"2\.0/pipelines"
_ID = r"([^/]+)"
_LEVELS = ("CAN_VIEW", "CAN_RUN", "CAN_MANAGE", "IS_OWNER")
_WAY = ("QUEUED", "CREATED", "WAITING_FOR_RESOURCES", "INITIALIZING", "SETTING_UP_TABLES", "RUNNING")
_ENDED = ("COMPLETED", "FAILED", "CANCELED")
_DEFAULTS = {"spark.sql.ansi.enabled": "true"}
"""What the backend adds to every pipeline's configuration."""


@dataclass
class Outcome:
    """What an update meets.

    Attributes:
        errors: Exceptions, outermost first, as class and message; with one the update fails.
        at: The state it fails in.
        rows: Rows that are written to the target.
        expectations: Passed and failed records of each expectation.
        publishes: Full names of the tables it leaves.
        endless: It stays RUNNING, as a continuous pipeline does.
        stack: Frames of each exception.
    """

    errors: tuple[tuple[str, str], ...] = ()
    at: str = "INITIALIZING"
    rows: int = 0
    expectations: dict[str, tuple[int, int]] = field(default_factory=dict)
    publishes: tuple[str, ...] = ()
    endless: bool = False
    stack: int = 0


@dataclass
class Update:
    """One update of a pipeline."""

    id: str
    cause: str
    created: int
    validate_only: bool = False
    full_refresh: bool = False
    development: bool = False
    state: str = "QUEUED"
    stopping: bool = False
    config: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pipeline:
    """One pipeline; `spec` is what was sent, `grants` the direct permissions by kind and name of a principal."""

    id: str
    spec: dict[str, Any]
    creator: str
    modified: int
    run_as: dict[str, str] | None = None
    updates: list[Update] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    grants: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def active(self) -> Update | None:
        """The update that has not ended."""
        return next((one for one in self.updates if one.state not in _ENDED), None)


class Pipelines:
    """Answers for one world.

    Attributes:
        pipelines: By id.
        does: What an update meets; by default it ends well.
        source: Text of a workspace file, None where there is none; everything is there by default.
        published: Id of the pipeline that keeps each table.
        principals: Application ids of the service principals that the caller may use.
        most: A quota.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.pipelines: dict[str, Pipeline] = {}
        self.does: Callable[[Pipeline, Update], Outcome] = lambda pipeline, update: Outcome()
        self.source: Callable[[str], str | None] = lambda path: ""
        self.published: dict[str, str] = {}
        self.principals: set[str] = set()
        self.most = 1000
        self._filters: dict[tuple[str, str], Callable[[dict[str, Any]], bool]] = {}
        self._ids = itertools.count(1)

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "GET", _P, self.list
        yield "POST", _P, self.create
        yield "GET", rf"{_P}/{_ID}", self.get
        yield "PUT", rf"{_P}/{_ID}", self.edit
        yield "DELETE", rf"{_P}/{_ID}", self.delete
        yield "GET", rf"{_P}/{_ID}/updates", self.updates
        yield "POST", rf"{_P}/{_ID}/updates", self.start
        yield "GET", rf"{_P}/{_ID}/updates/{_ID}", self.update
        yield "GET", rf"{_P}/{_ID}/events", self.events
        yield "POST", rf"{_P}/{_ID}/stop", self.stop
        yield "GET", rf"2\.0/permissions/pipelines/{_ID}", self.permissions
        yield "PUT", rf"2\.0/permissions/pipelines/{_ID}", self.set_permissions
        yield "PATCH", rf"2\.0/permissions/pipelines/{_ID}", self.add_permissions

    # --- settings ----------------------------------------------------------------------------------------------------

    def list(self, request: Request) -> Any:
        request.asks("filter", "max_results", "order_by", "page_token")
        if int(request.query.get("max_results", "25")) > 100:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "max_results must not be greater than 100.")
        if request.query.get("order_by", "id asc") not in ("id", "id asc", "id desc"):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "order_by supports the field id alone.")
        like = self._like(request.query.get("filter", ""))
        with self.world.lock:
            mine = [one for one in self.pipelines.values() if self._level(one, request.user) is not None]
            shown = [self._status(one) for one in mine if like.fullmatch(one.spec.get("name", ""))]
        return self.world.server.paged(sorted(shown, key=lambda one: one["pipeline_id"]), request, "statuses")

    @staticmethod
    def _like(text: str) -> re.Pattern[str]:
        if not text:
            return re.compile(".*", re.DOTALL)
        match = re.fullmatch(r"name LIKE '([^']*)'", text)
        if match is None:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Unsupported filter: {text}")
        parts = {"%": ".*", "_": "."}
        return re.compile("".join(parts.get(char, re.escape(char)) for char in match[1]), re.DOTALL)

    def create(self, request: Request) -> Any:
        request.only(*SPEC, *BESIDE, "dry_run", needs=["name"])
        with self.world.lock:
            check_settings(request, "", self._names(None), self.principals)
            if len(self.pipelines) >= self.most:
                raise Refusal(400, "QUOTA_EXCEEDED", f"Cannot create more than {self.most} pipelines.")
            if request.body.get("dry_run"):
                return {"effective_settings": self._effective(request.body, "")}
            made = Pipeline(f"pl-{next(self._ids):04}", {}, request.user, self.world.moment())
            made.spec = self._effective(request.body, made.id)
            made.run_as = request.body.get("run_as")
            made.grants["user_name", request.user] = "IS_OWNER"
            self.pipelines[made.id] = made
            if made.spec.get("continuous"):
                self._begin(made, "USER_ACTION", {})
        return {"pipeline_id": made.id}

    def edit(self, request: Request) -> Any:
        request.only(*SPEC, *BESIDE, "expected_last_modified", needs=["name"])
        with self.world.lock:
            made = self._one(request, "CAN_MANAGE")
            if request.body.get("id", made.id) != made.id:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "The id of the settings is another pipeline's.")
            expected = request.body.get("expected_last_modified")
            if expected is not None and expected != made.modified:
                raise Refusal(409, "RESOURCE_CONFLICT", "The pipeline settings were modified concurrently.")
            check_settings(request, made.spec["name"], self._names(made), self.principals)
            made.spec = self._effective(request.body, made.id)
            if request.body.get("run_as"):
                made.run_as = request.body["run_as"]
            made.modified = self.world.moment()
        return {}

    def get(self, request: Request) -> Any:
        request.asks()
        with self.world.lock:
            made = self._one(request, "CAN_VIEW")
            self._go_on(made)
            told = self._status(made) | {"spec": made.spec, "last_modified": made.modified}
            return told | ({"run_as": made.run_as} if made.run_as else {})

    def delete(self, request: Request) -> Any:
        request.asks("cascade", "force")
        with self.world.lock:
            made = self._one(request, "CAN_MANAGE")
            cascade = request.query.get("cascade", "true")
            if cascade not in ("true", "false"):
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "cascade must be true or false.")
            if cascade == "true":
                self.published = {table: owner for table, owner in self.published.items() if owner != made.id}
            del self.pipelines[made.id]
        return {}

    def _names(self, present: Pipeline | None) -> set[str]:
        return {one.spec["name"] for one in self.pipelines.values() if one is not present}

    @staticmethod
    def _effective(body: dict[str, Any], id_: str) -> dict[str, Any]:
        kept = {name: value for name, value in body.items() if name in SPEC}
        kept["configuration"] = _DEFAULTS | kept.get("configuration", {})
        return kept | ({"id": id_} if id_ else {})

    # --- updates -----------------------------------------------------------------------------------------------------

    def start(self, request: Request) -> Any:
        request.only(*START)
        if request.body.get("cause", "API_CALL") not in CAUSES:
            wrong("cause is not known.")
        with self.world.lock:
            made = self._one(request, "CAN_RUN")
            active = made.active
            if active is not None:
                raise Refusal(
                    409, "RESOURCE_CONFLICT", f"An active update {active.id} already exists for pipeline {made.id}."
                )
            begun = self._begin(made, request.body.get("cause", "API_CALL"), request.body)
        return {"update_id": begun.id}

    def _begin(self, made: Pipeline, cause: str, body: dict[str, Any]) -> Update:
        begun = Update(
            f"up-{next(self._ids):04}",
            cause,
            self.world.moment(),
            validate_only=bool(body.get("validate_only")),
            full_refresh=bool(body.get("full_refresh")),
            development=bool(body.get("development", made.spec.get("development"))),
            config=dict(made.spec),
        )
        made.updates.insert(0, begun)
        self._tell(made, begun, "create_update", f"Update {begun.id[:6]} started by {cause}.")
        return begun

    def update(self, request: Request) -> Any:
        request.asks()
        with self.world.lock:
            made = self._one(request, "CAN_VIEW")
            found = next((one for one in made.updates if one.id == request.parts[1]), None)
            if found is None:
                raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"The specified update {request.parts[1]} was not found.")
            self._go_on(made)
            return {"update": self._info(made, found) | {"config": found.config}}

    def updates(self, request: Request) -> Any:
        request.asks("max_results", "page_token", "until_update_id")
        with self.world.lock:
            made = self._one(request, "CAN_VIEW")
            self._go_on(made)
            shown = [self._info(made, one) for one in made.updates]
        until = request.query.get("until_update_id")
        if until is not None:
            place = next((n for n, one in enumerate(shown) if one["update_id"] == until), len(shown))
            shown = shown[: place + 1]
        return self.world.server.paged(shown, request, "updates")

    def stop(self, request: Request) -> Any:
        request.only()
        with self.world.lock:
            active = self._one(request, "CAN_RUN").active
            if active is not None:
                active.stopping = True
        return {}

    def _go_on(self, made: Pipeline) -> None:
        """One step of the update that is going on."""
        active = made.active
        if active is None:
            return
        if active.stopping:
            self._turn(made, active, "CANCELED" if active.state == "STOPPING" else "STOPPING")
            return
        outcome = self._meets(made, active)
        if active.state == "RESETTING":
            self._turn(made, active, "SETTING_UP_TABLES")
        elif outcome.errors and active.state == outcome.at:
            self._fail(made, active, outcome)
        elif active.validate_only and active.state == "INITIALIZING":
            self._turn(made, active, "COMPLETED")
        elif active.full_refresh and active.state == "INITIALIZING":
            self._turn(made, active, "RESETTING")
        elif active.state == "RUNNING":
            if not outcome.endless:
                self._finish(made, active, outcome)
        else:
            self._turn(made, active, _WAY[_WAY.index(active.state) + 1])

    def _meets(self, made: Pipeline, active: Update) -> Outcome:
        for library in active.config.get("libraries", ()):
            path = (library.get("file") or library.get("notebook") or {}).get("path")
            text = self.source(path) if path else ""
            if text is None:
                missing = f"Failed to load file '{path}': it does not exist, or the identity may not read it."
                return Outcome((("com.databricks.pipelines.LibraryException", missing),))
            try:
                compile(text, path or "", "exec")
            except SyntaxError as error:
                return Outcome((("SyntaxError", f"{error.msg} ({path}, line {error.lineno})"),))
        return self.does(made, active)

    def _turn(self, made: Pipeline, active: Update, state: str) -> None:
        active.state = state
        level = "ERROR" if state == "FAILED" else "INFO"
        self._tell(made, active, "update_progress", f"Update {active.id[:6]} is {state}.", level, state=state)

    def _fail(self, made: Pipeline, active: Update, outcome: Outcome) -> None:
        frames = [{"declaring_class": "org.apache.spark.X", "method_name": "f", "line_number": 7}] * outcome.stack
        thrown = [{"class_name": name, "message": said, "stack": frames} for name, said in outcome.errors]
        self._tell(
            made, active, "flow_progress", "Failed to resolve flow: 'target'.", "ERROR",
            error={"fatal": True, "exceptions": thrown},
        )  # fmt: skip
        self._turn(made, active, "FAILED")

    def _finish(self, made: Pipeline, active: Update, outcome: Outcome) -> None:
        said = [
            {"name": name, "dataset": "target", "passed_records": passed, "failed_records": failed}
            for name, (passed, failed) in outcome.expectations.items()
        ]
        progress = {"metrics": {"num_output_rows": outcome.rows}, "data_quality": {"expectations": said}}
        for table in outcome.publishes:
            if self.published.setdefault(table, made.id) != made.id:
                clash = (("TABLE_ALREADY_MANAGED_BY_OTHER_PIPELINE", f"Table '{table}' is managed by another."),)
                self._fail(made, active, Outcome(clash))
                return
        name = outcome.publishes[0] if outcome.publishes else "target"
        self._tell(
            made, active, "flow_progress", f"Flow '{name}' has COMPLETED.", flow=name,
            details={"flow_progress": {"status": "COMPLETED", **progress}},
        )  # fmt: skip
        self._turn(made, active, "COMPLETED")

    # --- events ------------------------------------------------------------------------------------------------------

    def events(self, request: Request) -> Any:
        request.asks("filter", "max_results", "order_by", "page_token")
        if "page_token" in request.query and not set(request.query) <= {"page_token", "max_results"}:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "page_token excludes all fields but max_results.")
        if int(request.query.get("max_results", "25")) > 1000:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "max_results must not be greater than 1000.")
        order = request.query.get("order_by", "timestamp desc")
        if order not in ("timestamp asc", "timestamp desc"):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "order_by supports the field timestamp alone.")
        with self.world.lock:
            made = self._one(request, "CAN_VIEW")
            token = request.query.get("page_token", "")
            wanted = self._filters[made.id, token] if token else chosen(request.query.get("filter", ""))
            shown = [one for one in made.events if wanted(one)]
            page = self.world.server.paged(shown if order.endswith("asc") else shown[::-1], request, "events")
            if "next_page_token" in page:  # the token stands for the filter too
                self._filters[made.id, page["next_page_token"]] = wanted
        return page

    def _tell(
        self,
        made: Pipeline,
        update: Update,
        kind: str,
        message: str,
        level: str = "INFO",
        *,
        state: str = "",
        flow: str = "",
        **more: Any,
    ) -> None:
        moment = self.world.moment()
        origin = {"pipeline_id": made.id, "pipeline_name": made.spec["name"], "update_id": update.id}
        event = {
            "id": f"ev-{next(self._ids):05}",
            "timestamp": f"2026-11-22T00:00:00.{moment % 1000:03}Z",
            "level": level,
            "event_type": kind,
            "message": message,
            "origin": origin | ({"flow_name": flow} if flow else {}),
            "maturity_level": "STABLE",
        }
        made.events.append(event | ({"details": {kind: {"state": state}}} if state else {}) | more)

    # --- permissions -------------------------------------------------------------------------------------------------

    def permissions(self, request: Request) -> Any:
        request.asks()
        with self.world.lock:
            return self._granted(self._one(request, "CAN_VIEW"))

    def set_permissions(self, request: Request) -> Any:
        with self.world.lock:
            made = self._one(request, "CAN_MANAGE")
            given = self._given(request)
            if sum(level == "IS_OWNER" for level in given.values()) != 1:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "The pipeline must have exactly one owner.")
            made.grants = given
            return self._granted(made)

    def add_permissions(self, request: Request) -> Any:
        with self.world.lock:
            made = self._one(request, "CAN_MANAGE")
            made.grants |= self._given(request)
            return self._granted(made)

    @staticmethod
    def _given(request: Request) -> dict[tuple[str, str], str]:
        request.only("access_control_list")
        given: dict[tuple[str, str], str] = {}
        for one in request.body.get("access_control_list", ()):
            [kind] = [name for name in one if name in WHO]
            if set(one) != {kind, "permission_level"} or one["permission_level"] not in _LEVELS:
                wrong("An entry has one principal, and a permission level that pipelines know.")
            given[kind, one[kind]] = one["permission_level"]
        return given

    @staticmethod
    def _granted(made: Pipeline) -> dict[str, Any]:
        admins = {
            "group_name": "admins",
            "all_permissions": [
                {"permission_level": "CAN_MANAGE", "inherited": True, "inherited_from_object": ["/p/"]}
            ],
        }
        shown = [
            {kind: name, "all_permissions": [{"permission_level": level, "inherited": False}]}
            for (kind, name), level in made.grants.items()
        ]
        return {
            "object_id": f"/pipelines/{made.id}", "object_type": "pipelines", "access_control_list": [*shown, admins]
        }  # fmt: skip

    # --- inside ------------------------------------------------------------------------------------------------------

    def _one(self, request: Request, least: str) -> Pipeline:
        made = self.pipelines.get(request.parts[0])
        if made is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"The specified pipeline {request.parts[0]} was not found.")
        level = self._level(made, request.user)
        if level is None or _LEVELS.index(level) < _LEVELS.index(least):
            raise Refusal(
                403, "PERMISSION_DENIED", f"User {request.user} does not have {least} permission on pipeline {made.id}."
            )
        return made

    def _level(self, made: Pipeline, user: str) -> str | None:
        mine = self.world.principals(user)
        held = [level for (_, name), level in made.grants.items() if name in mine]
        return max(held, key=_LEVELS.index, default=None)

    def _status(self, made: Pipeline) -> dict[str, Any]:
        latest = [
            {"update_id": one.id, "state": one.state, "creation_time": f"2026-11-22T00:00:00.{one.created % 1000:03}Z"}
            for one in made.updates[:5]
        ]
        going = made.active
        ended = "FAILED" if made.updates and made.updates[0].state == "FAILED" else "IDLE"
        state = ended if going is None else ("RUNNING" if going.state == "RUNNING" else "DEPLOYING")
        told = {
            "pipeline_id": made.id,
            "name": made.spec["name"],
            "state": state,
            "creator_user_name": made.creator,
            "run_as_user_name": next(iter((made.run_as or {"user_name": made.creator}).values())),
        }
        return told | ({"latest_updates": latest} if latest else {})

    @staticmethod
    def _info(made: Pipeline, one: Update) -> dict[str, Any]:
        return {
            "pipeline_id": made.id,
            "update_id": one.id,
            "cause": one.cause,
            "state": one.state,
            "creation_time": one.created,
            "full_refresh": one.full_refresh,
            "validate_only": one.validate_only,
        }
