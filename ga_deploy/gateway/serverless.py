"""Serverless v1: services, environments, functions and their versions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ga_deploy.errors import ApiProblem, Conflict
from ga_deploy.gateway.creation import create_once
from ga_deploy.gateway.endpoints import Product
from ga_deploy.gateway.http import Attachment, TwilioHttp, quoted
from ga_deploy.model.serverless import Environment, FunctionResource, FunctionVersion, Service
from ga_deploy.model.sids import BuildSid, EnvironmentSid, FunctionSid, ServiceSid, VersionSid

if TYPE_CHECKING:
    from ga_deploy.gateway.answers import Answer
    from ga_deploy.model.bundle import FunctionFile, Visibility

PAGE = {"PageSize": 100}

# What was created while an answer got lost is recognised by its date; Twilio's have whole seconds, and clocks differ.
DATE_MARGIN = timedelta(seconds=5)

_VISIBILITIES: dict[str, Visibility] = {"public": "public", "protected": "protected", "private": "private"}


class ServerlessCalls:
    """Services, environments, functions and versions. SIDs are Twilio's; all methods raise errors of `errors`."""

    _http: TwilioHttp

    def find_service(self, unique_name: str) -> Service | None:
        """Return the service of that unique name, in one request; None if there is none."""
        answer = self._http.find(Product.SERVERLESS, f"/Services/{quoted(unique_name)}")
        return None if answer is None else read_service(answer)

    def create_service(
        self,
        unique_name: str,
        friendly_name: str | None = None,
        *,
        include_credentials: bool = True,
        ui_editable: bool = True,
    ) -> Service:
        """Create a service, or return the one that somebody (or a lost answer) has created meanwhile."""
        form = {
            "UniqueName": unique_name,
            "FriendlyName": friendly_name or unique_name,
            "IncludeCredentials": as_form(include_credentials),
            "UiEditable": as_form(ui_editable),
        }
        return create_once(
            self._http.transport,
            lambda: read_service(self._http.create(Product.SERVERLESS, "/Services", form)),
            lambda: self.find_service(unique_name),
            # The code for a taken name is not documented; 20001 is what Serverless answers to nearly everything.
            finds_after=lambda problem: problem.status in {400, 409},
        )

    def update_service(
        self,
        service: ServiceSid,
        *,
        friendly_name: str | None = None,
        include_credentials: bool | None = None,
        ui_editable: bool | None = None,
    ) -> Service:
        """Change those properties of a service that are not None."""
        form: dict[str, object] = {}
        if friendly_name is not None:
            form["FriendlyName"] = friendly_name
        if include_credentials is not None:
            form["IncludeCredentials"] = as_form(include_credentials)
        if ui_editable is not None:
            form["UiEditable"] = as_form(ui_editable)
        return read_service(self._http.update(Product.SERVERLESS, f"/Services/{service}", form))

    def delete_service(self, service: ServiceSid) -> None:
        """Delete a service with all that is in it; its domain is lost for ever. For `destroy` only."""
        self._http.delete(Product.SERVERLESS, f"/Services/{service}")

    def list_environments(self, service: ServiceSid) -> list[Environment]:
        """Return all environments of a service."""
        answers = self._http.list(Product.SERVERLESS, f"/Services/{service}/Environments", "environments", PAGE)
        return [read_environment(answer) for answer in answers]

    def get_environment(self, service: ServiceSid, environment: EnvironmentSid) -> Environment:
        """Return an environment as it is now, with the build that is live."""
        return read_environment(self._http.get(Product.SERVERLESS, f"/Services/{service}/Environments/{environment}"))

    def create_environment(self, service: ServiceSid, unique_name: str, domain_suffix: str | None) -> Environment:
        """Create an environment, or return the one of the same name and suffix. `domain_suffix` None: the bare domain.

        Raises Conflict if the name or the suffix belongs to another one.
        """
        form: dict[str, object] = {"UniqueName": unique_name}
        if domain_suffix:
            form["DomainSuffix"] = domain_suffix

        def find() -> Environment | None:
            for environment in self.list_environments(service):
                same_name = environment.unique_name == unique_name
                same_suffix = (environment.domain_suffix or None) == (domain_suffix or None)
                if same_name and same_suffix:
                    return environment
                if same_name or (same_suffix and domain_suffix):
                    raise _environment_taken(environment, unique_name, domain_suffix)
            return None

        path = f"/Services/{service}/Environments"
        return create_once(
            self._http.transport,
            lambda: read_environment(self._http.create(Product.SERVERLESS, path, form)),
            find,
            finds_after=lambda problem: problem.status in {400, 409},
            in_list=True,
        )

    def delete_environment(self, service: ServiceSid, environment: EnvironmentSid) -> None:
        """Delete an environment with its variables and deployments. For `destroy` only."""
        self._http.delete(Product.SERVERLESS, f"/Services/{service}/Environments/{environment}")

    def list_functions(self, service: ServiceSid) -> list[FunctionResource]:
        """Return all functions of a service, whoever made them. Friendly names may occur twice."""
        answers = self._http.list(Product.SERVERLESS, f"/Services/{service}/Functions", "functions", PAGE)
        return [read_function(answer) for answer in answers]

    def create_function(self, service: ServiceSid, friendly_name: str) -> FunctionResource:
        """Create a function without versions. After a lost answer the newest of that name made since is taken."""
        started = self._http.transport.server_now() - DATE_MARGIN
        path = f"/Services/{service}/Functions"

        def find() -> FunctionResource | None:
            named = [
                answer
                for answer in self._http.list(Product.SERVERLESS, path, "functions", PAGE)
                if answer.text_or("friendly_name") == friendly_name and is_since(answer, started)
            ]
            newest = max(named, key=lambda answer: answer.text_or("date_created"), default=None)
            return None if newest is None else read_function(newest)

        return create_once(
            self._http.transport,
            lambda: read_function(self._http.create(Product.SERVERLESS, path, {"FriendlyName": friendly_name})),
            find,
        )

    def delete_function(self, service: ServiceSid, function: FunctionSid) -> None:
        """Delete a function that no build contains. For `destroy` only."""
        self._http.delete(Product.SERVERLESS, f"/Services/{service}/Functions/{function}")

    def upload_version(self, service: ServiceSid, function: FunctionSid, file: FunctionFile) -> FunctionVersion:
        """Upload a source as a new, immutable version. After a lost answer the newest versions are compared first."""
        started = self._http.transport.server_now() - DATE_MARGIN
        path = f"/Services/{service}/Functions/{function}/Versions"
        attachment = Attachment("Content", f"{file.path.rpartition('/')[2] or 'function'}.js", file.content.encode())

        def find() -> FunctionVersion | None:
            for answer in self._http.list(Product.SERVERLESS, path, "function_versions", {"PageSize": 5}, limit=5):
                version = read_function_version(answer)
                same = version.path == file.path and version.visibility == file.visibility
                if same and is_since(answer, started) and self.read_source(service, version) == file.content:
                    return version
            return None

        fields = {"Path": file.path, "Visibility": file.visibility}
        return create_once(
            self._http.transport,
            lambda: read_function_version(self._http.upload(path, fields, attachment)),
            find,
        )

    def list_versions(
        self, service: ServiceSid, function: FunctionSid, limit: int | None = None
    ) -> list[FunctionVersion]:
        """Return a function's versions, newest first."""
        path = f"/Services/{service}/Functions/{function}/Versions"
        params = {"PageSize": min(limit or 100, 100)}
        answers = self._http.list(Product.SERVERLESS, path, "function_versions", params, limit)
        return [read_function_version(answer) for answer in answers]

    def read_source(self, service: ServiceSid, version: FunctionVersion) -> str:
        """Return the source text of a version."""
        path = f"/Services/{service}/Functions/{version.function_sid}/Versions/{version.sid}/Content"
        return self._http.get(Product.SERVERLESS, path).text("content")


def read_service(answer: Answer) -> Service:
    """Read a service."""
    return Service(
        sid=ServiceSid(answer.text("sid")),
        account_sid=answer.text("account_sid"),
        unique_name=answer.text("unique_name"),
        friendly_name=answer.text_or("friendly_name"),
        include_credentials=answer.flag("include_credentials"),
        ui_editable=answer.flag("ui_editable"),
    )


def read_environment(answer: Answer) -> Environment:
    """Read an environment."""
    build = answer.optional_text("build_sid")
    return Environment(
        sid=EnvironmentSid(answer.text("sid")),
        unique_name=answer.text("unique_name"),
        domain_suffix=answer.optional_text("domain_suffix"),
        domain_name=answer.text("domain_name"),
        build_sid=None if build is None else BuildSid(build),
    )


def read_function(answer: Answer) -> FunctionResource:
    """Read a function."""
    return FunctionResource(FunctionSid(answer.text("sid")), answer.text_or("friendly_name"))


def read_function_version(answer: Answer) -> FunctionVersion:
    """Read a function version, whether alone or out of a build."""
    return FunctionVersion(
        sid=VersionSid(answer.text("sid")),
        function_sid=FunctionSid(answer.text("function_sid")),
        path=answer.text("path"),
        visibility=read_visibility(answer),
        date_created=answer.optional_text("date_created"),
    )


def read_visibility(answer: Answer) -> Visibility:
    """Read a visibility; inside a build it comes in upper case [Twilio's OpenAPI examples]."""
    visibility = _VISIBILITIES.get(answer.text("visibility").lower())
    if visibility is None:
        raise answer.unreadable("visibility", "public, protected or private", answer.text("visibility"))
    return visibility


def is_since(answer: Answer, moment: datetime) -> bool:
    """Tell whether something was created at that moment or later; also if Twilio gives no date."""
    created = answer.moment("date_created")
    return created is None or created >= moment


def as_form(value: bool) -> str:
    """Return a boolean as Twilio's forms spell it."""
    return "true" if value else "false"


def _environment_taken(taken: Environment, unique_name: str, domain_suffix: str | None) -> ApiProblem:
    suffix = f"domain suffix {taken.domain_suffix!r}" if taken.domain_suffix else "no domain suffix"
    wanted = f"domain suffix {domain_suffix!r}" if domain_suffix else "no domain suffix"
    return Conflict(
        f"the environment {unique_name!r} cannot be created with {wanted}",
        status=409,
        why=f"the service has an environment {taken.unique_name!r} with {suffix} already; neither can be changed",
        fix="use that environment's name and `domain_suffix` in the config, or choose others",
    )
