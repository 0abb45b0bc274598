"""The work behind a build: dependencies installed, functions compiled. A failure stays without a reason for the API."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from ga_deploy.emulator.core.problems import invalid
from ga_deploy.emulator.functions.npm import NodeTools
from ga_deploy.emulator.functions.syntax import first_broken
from ga_deploy.emulator.serverless.builds import unknown_dependency
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.emulator.core.store import Row
    from ga_deploy.emulator.functions.npm import NodePackages


class Builds:
    """Works on builds in the background. `packages` None: nothing is installed or compiled, every build completes."""

    def __init__(self, backend: Backend, packages: NodePackages | None) -> None:
        self._backend = backend
        self._packages = packages
        self._tasks: set[asyncio.Task[None]] = set()

    async def check(self, dependencies: dict[str, str], runtime: str) -> None:
        """Raise the refusal of Twilio when a dependency does not exist (or npm cannot be asked).

        Raises DeployError when there is no Node: that is not Twilio's to say.
        """
        if self._packages is not None:
            NodeTools.find()
        try:
            await self.modules(dependencies, runtime)
        except DeployError as problem:
            missing = getattr(problem, "missing", ())
            if missing:
                raise unknown_dependency(missing[0]) from problem
            raise invalid(f"Some dependencies could not be validated. {problem.why or problem.what}") from problem

    async def modules(self, dependencies: dict[str, str], runtime: str) -> Path | None:
        """Return the folder that holds `node_modules` of a dependency set, installing it if need be."""
        return None if self._packages is None else await self._packages.install(dependencies, runtime)

    def begin(self, build_sid: str) -> None:
        """Start working on a build."""
        task = asyncio.create_task(self._work(build_sid), name=f"build {build_sid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def resume(self) -> None:
        """Start again on the builds that an earlier run of the emulator left unfinished."""
        for row in self._backend.store.rows("builds", outcome=None):
            self.begin(row["sid"])

    async def stop(self) -> None:
        """Leave unfinished builds where they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, build_sid: str) -> None:
        store = self._backend.store
        row = store.one("builds", sid=build_sid)
        if row is None:
            return
        reason = await self._failure(row)
        store.update(
            "builds",
            row["seq"],
            {"outcome": "failed" if reason else "completed", "reason": reason, "updated": store.now()},
        )

    async def _failure(self, row: Row) -> str | None:
        """Return why a build fails; kept for `/_emulator/state`, since the API never tells."""
        if self._backend.rules.fail_builds > 0:
            self._backend.change_rules({"fail_builds": self._backend.rules.fail_builds - 1})
            return "asked for by the rule fail_builds"
        if self._packages is None:
            return None
        try:
            await self._packages.install(json.loads(row["dependencies"]), row["runtime"])
            return await self._compile(row)
        except DeployError as problem:
            return problem.why or problem.what

    async def _compile(self, row: Row) -> str | None:
        sources = self._backend.store.query(
            "SELECT v.path, v.content FROM versions v JOIN build_versions b ON b.version=v.sid"
            " WHERE b.build=? AND v.kind='function'",
            row["sid"],
        )
        return await first_broken({source["path"]: source["content"] for source in sources})
