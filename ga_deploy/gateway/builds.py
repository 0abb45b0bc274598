"""Serverless v1: builds, deployments and variables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError
from ga_deploy.gateway.creation import create_once
from ga_deploy.gateway.endpoints import Product
from ga_deploy.gateway.serverless import (
    DATE_MARGIN,
    PAGE,
    is_since,
    read_environment,
    read_function_version,
    read_visibility,
)
from ga_deploy.model.serverless import AssetVersion, Build, Deployment, Variable
from ga_deploy.model.sids import (
    BuildSid,
    DeploymentSid,
    EnvironmentSid,
    FunctionSid,
    ServiceSid,
    VariableSid,
    VersionSid,
)
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ga_deploy.gateway.answers import Answer
    from ga_deploy.gateway.http import TwilioHttp


class BuildCalls:
    """Builds, deployments and variables; all methods raise errors of `errors`."""

    _http: TwilioHttp

    def get_build(self, service: ServiceSid, build: BuildSid) -> Build:
        """Return a build with everything that is in it."""
        return read_build(self._http.get(Product.SERVERLESS, f"/Services/{service}/Builds/{build}"))

    def list_builds(self, service: ServiceSid, limit: int | None = None) -> list[Build]:
        """Return the builds of a service as Twilio lists them."""
        params = {"PageSize": min(limit or 100, 100)}
        answers = self._http.list(Product.SERVERLESS, f"/Services/{service}/Builds", "builds", params, limit)
        return [read_build(answer) for answer in answers]

    def build_status(self, service: ServiceSid, build: BuildSid) -> str:
        """Return `building`, `completed`, `failed`, or another word for "still running"."""
        path = f"/Services/{service}/Builds/{build}/Status"
        return self._http.get(Product.SERVERLESS, path).text("status").lower()

    def create_build(
        self,
        service: ServiceSid,
        function_versions: Collection[VersionSid],
        asset_versions: Collection[VersionSid],
        dependencies: Mapping[str, str],
        runtime: str | None,
    ) -> Build:
        """Start a build: the complete content of an environment. `runtime` None leaves the choice to Twilio.

        After a lost answer a build of the same content made since is taken. Raises DeployError for an empty build.
        """
        if not function_versions and not asset_versions:
            raise DeployError(
                "a build without functions and assets is refused",
                why="deploying it would take everything in the environment offline",
                fix="run `ga-deploy plan` to see what the build would hold",
            )
        form: dict[str, object] = {
            "FunctionVersions": sorted(function_versions),
            "AssetVersions": sorted(asset_versions),
            "Dependencies": json.dumps([{"name": n, "version": v} for n, v in sorted(dependencies.items())]),
        }
        if runtime:
            form["Runtime"] = runtime
        started = self._http.transport.server_now() - DATE_MARGIN
        path = f"/Services/{service}/Builds"

        def find() -> Build | None:
            for answer in self._http.list(Product.SERVERLESS, path, "builds", {"PageSize": 20}, limit=20):
                build = read_build(answer)
                same = (
                    {version.sid for version in build.function_versions} == set(function_versions)
                    and {version.sid for version in build.asset_versions} == set(asset_versions)
                    and (dependencies.items() <= build.dependencies.items() or not build.tells_dependencies)
                    and runtime in {None, build.runtime}
                )
                if same and build.status != "failed" and is_since(answer, started):
                    return build
            return None

        return create_once(
            self._http.transport, lambda: read_build(self._http.create(Product.SERVERLESS, path, form)), find
        )

    def delete_build(self, service: ServiceSid, build: BuildSid) -> None:
        """Delete a build that no environment runs. For `destroy` only."""
        self._http.delete(Product.SERVERLESS, f"/Services/{service}/Builds/{build}")

    def list_deployments(
        self, service: ServiceSid, environment: EnvironmentSid, limit: int | None = None
    ) -> list[Deployment]:
        """Return an environment's deployments, newest first."""
        path = f"/Services/{service}/Environments/{environment}/Deployments"
        params = {"PageSize": min(limit or 100, 100)}
        answers = self._http.list(Product.SERVERLESS, path, "deployments", params, limit)
        return [read_deployment(answer) for answer in answers]

    def create_deployment(self, service: ServiceSid, environment: EnvironmentSid, build: BuildSid) -> Deployment:
        """Make a build live. If it is live already (20409, or after a lost answer) its newest deployment is returned.

        Raises ValueError without a build: Twilio would take everything in the environment offline.
        """
        if not build.startswith("ZB"):
            raise ValueError(f"a deployment needs a build: {build!r}")
        path = f"/Services/{service}/Environments/{environment}"

        def find() -> Deployment | None:
            live = read_environment(self._http.get(Product.SERVERLESS, path))
            if live.build_sid != build:
                return None
            newest = self.list_deployments(service, environment, limit=20)
            return next((deployment for deployment in newest if deployment.build_sid == build), None)

        return create_once(
            self._http.transport,
            lambda: read_deployment(self._http.create(Product.SERVERLESS, f"{path}/Deployments", {"BuildSid": build})),
            find,
        )

    def take_offline(self, service: ServiceSid, environment: EnvironmentSid) -> None:
        """Make an empty deployment: nothing of the environment answers any more. For `destroy` only."""
        self._http.update(Product.SERVERLESS, f"/Services/{service}/Environments/{environment}/Deployments", {})

    def list_variables(self, service: ServiceSid, environment: EnvironmentSid) -> list[Variable]:
        """Return an environment's variables with their values, which Twilio gives in clear."""
        path = f"/Services/{service}/Environments/{environment}/Variables"
        return [read_variable(answer) for answer in self._http.list(Product.SERVERLESS, path, "variables", PAGE)]

    def create_variable(
        self, service: ServiceSid, environment: EnvironmentSid, key: str, value: str | Secret
    ) -> Variable:
        """Create a variable; live at once. If the key exists meanwhile, its value is set."""
        path = f"/Services/{service}/Environments/{environment}/Variables"
        wanted = value.reveal() if isinstance(value, Secret) else value

        def find() -> Variable | None:
            found = next((v for v in self.list_variables(service, environment) if v.key == key), None)
            if found is None or found.value == wanted:
                return found
            return self.update_variable(service, environment, found.sid, wanted)

        return create_once(
            self._http.transport,
            lambda: read_variable(self._http.create(Product.SERVERLESS, path, {"Key": key, "Value": wanted})),
            find,
            # The code for a key that exists is not documented.
            finds_after=lambda problem: problem.status in {400, 409},
            in_list=True,
        )

    def update_variable(
        self, service: ServiceSid, environment: EnvironmentSid, variable: VariableSid, value: str | Secret
    ) -> Variable:
        """Set a variable's value; live at once, without a build."""
        path = f"/Services/{service}/Environments/{environment}/Variables/{variable}"
        form = {"Value": value.reveal() if isinstance(value, Secret) else value}
        return read_variable(self._http.update(Product.SERVERLESS, path, form))

    def delete_variable(self, service: ServiceSid, environment: EnvironmentSid, variable: VariableSid) -> None:
        """Remove a variable."""
        path = f"/Services/{service}/Environments/{environment}/Variables/{variable}"
        self._http.delete(Product.SERVERLESS, path)


def read_build(answer: Answer) -> Build:
    """Read a build; Twilio gives the versions in no particular order, here they are sorted by path.

    Every field may be null by Twilio's OpenAPI description: no versions then, and dependencies that are not told.
    """
    dependencies = answer.items("dependencies") if answer.fields.get("dependencies") is not None else []
    functions = answer.items("function_versions") if answer.fields.get("function_versions") is not None else []
    assets = answer.items("asset_versions") if answer.fields.get("asset_versions") is not None else []
    return Build(
        sid=BuildSid(answer.text("sid")),
        status=answer.text("status").lower(),
        runtime=answer.optional_text("runtime"),
        dependencies={each.text("name"): each.text("version") for each in dependencies},
        function_versions=tuple(sorted(map(read_function_version, functions), key=lambda v: (v.path, v.sid))),
        asset_versions=tuple(sorted(map(read_asset_version, assets), key=lambda v: (v.path, v.sid))),
        date_created=answer.optional_text("date_created"),
        tells_dependencies=answer.fields.get("dependencies") is not None,
    )


def read_asset_version(answer: Answer) -> AssetVersion:
    """Read an asset version out of a build."""
    return AssetVersion(
        sid=VersionSid(answer.text("sid")),
        asset_sid=FunctionSid(answer.text("asset_sid")),
        path=answer.text("path"),
        visibility=read_visibility(answer),
    )


def read_deployment(answer: Answer) -> Deployment:
    """Read a deployment."""
    build = answer.optional_text("build_sid")
    return Deployment(
        sid=DeploymentSid(answer.text("sid")),
        build_sid=None if build is None else BuildSid(build),
        date_created=answer.optional_text("date_created"),
    )


def read_variable(answer: Answer) -> Variable:
    """Read a variable."""
    return Variable(VariableSid(answer.text("sid")), answer.text("key"), answer.text_or("value"))
