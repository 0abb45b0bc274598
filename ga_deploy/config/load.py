"""Loads a `Config` from a file: YAML, environment, references, schema, cross-checks; all findings at once."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ga_deploy.config.checks import check_language
from ga_deploy.config.dotenv_file import read_dotenv
from ga_deploy.config.environments import check_environments, no_such_environment
from ga_deploy.config.explain import explain, place_of
from ga_deploy.config.merge import is_null, merge_environment
from ga_deploy.config.prune import Pruning
from ga_deploy.config.references import Referenced, Surroundings, Unresolved, resolve
from ga_deploy.config.schema import Config, Language, SelectedEnvironment
from ga_deploy.errors import ConfigInvalid, Finding, Place
from ga_deploy.yaml_tree.composer import read_tree
from ga_deploy.yaml_tree.tree import Items, Node, Scalar, Section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ga_deploy.redact import Secret

# Replaces a value that cannot be resolved, so that it causes no further findings.
_STAND_IN = Referenced("local-value", ("...",), stand_in=True)

# Each round of validation removes the invalid values; the next round finds errors that they were hiding.
ROUNDS = 12


@dataclass(frozen=True)
class LocalStandIn:
    """What `--local` uses instead of the config's credentials and of ASAPP."""

    account_sid: str
    auth_token: Secret
    asapp_host: str
    api_id: Secret
    api_secret: Secret


def load_config(
    path: Path,
    environment: str | None = None,
    *,
    local: LocalStandIn | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read the config at `path` for one of its environments (None: its `default_environment`).

    `${...}` are looked up in `environ` (the process's, when None), then in `.env` beside the file. With `local`, its
    values replace the credentials and ASAPP's host, and every unset name gets a stand-in. Raises `ConfigInvalid` with
    all findings, in order of their places.
    """
    loading = _Loading(path, os.environ if environ is None else environ, local=local is not None)
    config = loading.run(environment)
    return _stand_in(config, local) if local else config


def _stand_in(config: Config, local: LocalStandIn) -> Config:
    """Replace the account by the emulator's and ASAPP's address by the mock's."""
    asapp = {"api_host": local.asapp_host, "api_id": local.api_id, "api_secret": local.api_secret}
    twilio = {
        "account_sid": local.account_sid,
        "auth_token": local.auth_token,
        "api_key": None,
        "api_key_secret": None,
    }
    profiles = {
        name: profile.model_copy(update={"asapp": profile.asapp.model_copy(update=asapp)})
        for name, profile in config.profiles.items()
    }
    return config.model_copy(
        update={
            "twilio": config.twilio.model_copy(update=twilio),
            "asapp": config.asapp.model_copy(update=asapp),
            "profiles": profiles,
        }
    )


class _Loading:
    """One load of one file; it collects all findings."""

    def __init__(self, path: Path, environ: Mapping[str, str], *, local: bool) -> None:
        self._path = path
        self._folder = path.absolute().parent
        self._local = local
        self._environ = environ
        self._findings: list[Finding] = []

    def run(self, environment: str | None) -> Config:
        root, findings = read_tree(self._path, str(self._path))
        self._findings += findings
        if root is None:
            raise ConfigInvalid(_in_order(self._findings))
        dotenv, findings = read_dotenv(self._path.parent)
        self._findings += findings
        around = Surroundings(self._environ, dotenv, self._folder, stand_in=self._local)
        default, names = self._environments(root, around)
        selected = environment or default
        if selected not in names:
            if environment:
                self._findings.append(no_such_environment(selected, names, place_of(root, ("environments",))))
            selected = default if default in names else next(iter(names), default)
        self._findings += check_environments(root, default, names)
        merged = merge_environment(root, selected, default)
        language, findings = self._judge(merged, root, selected, around)
        self._findings += findings
        for other in names:
            if other != selected:
                self._check_other(root, other, default, around)
        if language is None or any(finding.level == "error" for finding in self._findings):
            raise ConfigInvalid(_in_order(self._findings))
        return self._complete(language, merged, selected)

    def _complete(self, language: Language, merged: Section, selected: str) -> Config:
        suffix = language.environments[selected].domain_suffix if selected in language.environments else None
        fields = {name: getattr(language, name) for name in Language.model_fields}
        config = Config.model_construct(
            **fields,
            environment=SelectedEnvironment(name=selected, domain_suffix=suffix),
            path=self._path,
            warnings=_in_order(self._findings),
        )
        config._find = lambda keys: place_of(merged, keys)  # noqa: SLF001 - the loader makes configs
        return config

    def _environments(self, root: Section, around: Surroundings) -> tuple[str, list[str]]:
        """Return the default environment and the names of all."""
        default = "ui"
        node = root.get("default_environment")
        if isinstance(node, Scalar) and isinstance(node.value, str):
            with suppress(Unresolved):  # reported with all other references
                default = str(resolve(node.value, around)) or default
        section = root.get("environments")
        if section is None or is_null(section) or not isinstance(section, Section):
            return default, [default]
        return default, list(section.entries)

    def _check_other(self, root: Section, name: str, default: str, around: Surroundings) -> None:
        """Check an environment that is not selected, without resolving its references."""
        known = {(finding.at, finding.what) for finding in self._findings}
        _, findings = self._judge(merge_environment(root, name, default), root, name, replace(around, blind=True))
        for finding in findings:
            if finding.level == "error" and (finding.at, finding.what) not in known:
                why = f"{finding.why} (in environment `{name}`)" if finding.why else f"in environment `{name}`"
                self._findings.append(replace(finding, why=why))

    def _judge(
        self, merged: Section, root: Section, name: str, around: Surroundings
    ) -> tuple[Language | None, list[Finding]]:
        """Resolve, validate and cross-check one merged tree; the cross-check skips invalid parts."""
        findings: list[Finding] = []
        values = _Values(around, findings)
        plain = {key: values.of(entry.node) for key, entry in merged.entries.items() if key != "environments"}
        plain = {key: value for key, value in plain.items() if value is not values.absent}
        if "environments" in merged.entries:
            plain["environments"] = _suffixes(root, name, around, values)
        _drop_made_up_times(plain)
        context = {"local": self._local, "folder": self._folder}
        language: Language | None = None
        pruning = Pruning(plain)
        for _ in range(ROUNDS):
            try:
                language = Language.model_validate(plain, context=context)
                break
            except ValidationError as error:
                errors = error.errors(include_url=False)
            findings += [explain(one, merged, Language) for one in errors if not pruning.knows(one)]
            pruning.prune(errors)
        if language is not None:
            # The rest of a config with an invalid part may look wrong too, so there are no warnings then.
            sound = {name: one for name, one in language.destinations.items() if name not in pruning.broken}
            found = check_language(language.model_copy(update={"destinations": sound}), merged)
            findings += [one for one in found if one.level == "error" or not findings]
        return language, findings


class _Values:
    """Turns nodes into values for pydantic and resolves their references."""

    absent = object()

    def __init__(self, around: Surroundings, findings: list[Finding]) -> None:
        self._around = around
        self._findings = findings

    def of(self, node: Node) -> Any:
        if isinstance(node, Section):
            made = {key: self.of(entry.node) for key, entry in node.entries.items()}
            return {key: value for key, value in made.items() if value is not self.absent}
        if isinstance(node, Items):
            return [value for value in map(self.of, node.nodes) if value is not self.absent]
        if not isinstance(node.value, str):
            return node.value
        try:
            value = resolve(node.value, self._around)
        except Unresolved as error:
            self._findings += [Finding(one.what, one.why, one.fix, node.place) for one in error.problems]
            return _STAND_IN
        # A `${NAME:-}` that resolves to nothing is a key that is not set.
        return self.absent if isinstance(value, Referenced) and not value else value


def _drop_made_up_times(plain: dict[str, Any]) -> None:
    """Remove both times if one is a stand-in: a default must not be compared with the user's value."""
    profiles = plain.get("profiles")
    for section in (plain, *(profiles.values() if isinstance(profiles, dict) else ())):
        asapp = section.get("asapp") if isinstance(section, dict) else None
        times = ("timeout_ms", "budget_ms")
        if isinstance(asapp, dict) and any(getattr(asapp.get(key), "stand_in", False) for key in times):
            for key in times:
                asapp.pop(key, None)


def _suffixes(root: Section, selected: str, around: Surroundings, values: _Values) -> Any:
    """Return the environments with their domain suffixes only; only the selected one's is resolved."""
    section = root.get("environments")
    if not isinstance(section, Section):
        return None if section is None else values.of(section)
    blind = _Values(replace(around, blind=True), [])
    plain: dict[str, Any] = {}
    for name, entry in section.entries.items():
        if is_null(entry.node):
            plain[name] = {}
        elif not isinstance(entry.node, Section):
            plain[name] = blind.of(entry.node)
        else:
            suffix = entry.node.entries.get("domain_suffix")
            reader = values if name == selected else blind
            value = reader.of(suffix.node) if suffix and not is_null(suffix.node) else reader.absent
            plain[name] = {} if value is reader.absent else {"domain_suffix": value}
    return plain


def _visible(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the findings in order of place, each once, without control characters."""
    lines = [replace(one, what=_visible(one.what), why=_visible(one.why), fix=_visible(one.fix)) for one in findings]
    unique = {(finding.at, finding.what): finding for finding in reversed(lines)}
    return tuple(sorted(unique.values(), key=lambda one: (one.at or Place(""), one.level, one.what)))
