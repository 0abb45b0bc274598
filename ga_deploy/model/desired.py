"""The state that the config describes for one environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.bundle import AssetFile, FunctionFile, Visibility
    from ga_deploy.model.numbers import NumberBinding
    from ga_deploy.redact import Secret


@dataclass(frozen=True)
class Desired:
    """The desired state of one environment of a service. It has only the parts that ga-deploy owns.

    None for `runtime`, `include_credentials` or `ui_editable` keeps the live value. `function_set` is the name in our
    marker lines; functions of another set belong to another config.
    """

    account_sid: str
    service_name: str
    environment: str
    domain_suffix: str | None
    functions: tuple[FunctionFile, ...]
    function_set: str
    engage_path: str
    fingerprint: str
    dependencies: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | Secret] = field(default_factory=dict)
    numbers: tuple[NumberBinding, ...] = ()
    runtime: str | None = None
    include_credentials: bool | None = None
    ui_editable: bool | None = None
    assets: tuple[AssetFile, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The paths of our functions."""
        return frozenset(file.path for file in self.functions)

    @property
    def public_paths(self) -> tuple[str, ...]:
        """The paths that have a URL: those of public and of protected functions."""
        return tuple(file.path for file in self.functions if file.visibility != "private")

    def visibility_of(self, path: str) -> Visibility:
        """Return the visibility of our function at a path; `protected`, as for webhooks, if there is none."""
        return next((file.visibility for file in self.functions if file.path == path), "protected")
