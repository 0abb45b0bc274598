"""What a config becomes: merged, resolved, typed, and each value with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import ValidationError

from ga_deploy.config.load import load_config
from ga_deploy.config.schema import (
    Config,
    EnqueueDestination,
    From,
    Hangup,
    Language,
    NumberDestination,
    Pause,
    RedirectDestination,
    Say,
    Send,
)
from ga_deploy.errors import ConfigInvalid, ExitCode, Place
from ga_deploy.redact import MASK, Secret, redact
from tests.unit.config.cases import ENVIRON, LOCAL, complete

ROOT = Path(__file__).parents[3]
PRODUCTION = {**ENVIRON, "PROD_ASAPP_API_ID": "prod-api-id", "PROD_ASAPP_API_SECRET": "prod-api-secret"}


@dataclass
class Project:
    """A folder with a config."""

    folder: Path
    environ: dict[str, str] = field(default_factory=lambda: dict(ENVIRON))

    def load(self, text: str, environment: str | None = None, *, local: bool = False) -> Config:
        path = self.folder / "config.yaml"
        path.write_text(complete(text), encoding="utf-8")
        return load_config(path, environment, local=LOCAL if local else None, environ=self.environ)

    def refuse(self, text: str, environment: str | None = None) -> list[str]:
        with pytest.raises(ConfigInvalid) as caught:
            self.load(text, environment)
        assert caught.value.exit_code is ExitCode.INVALID
        return [finding.what for finding in caught.value.findings]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def load_example(environment: str | None = None) -> Config:
    return load_config(ROOT / "config.example.yaml", environment, environ=PRODUCTION)


class TestTheExample:
    @pytest.mark.parametrize("environment", ["ui", "staging", "production"])
    def test_is_valid_without_warnings(self, environment: str) -> None:
        config = load_example(environment)
        assert config.environment.name == environment
        assert config.warnings == ()

    def test_names_every_key_of_the_language(self) -> None:
        text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
        missing = [key for key in keys_of(Language) if not re.search(rf"(?<![\w-]){key}(?![\w-])\"?(:|\n)", text)]
        assert missing == []

    def test_reads_as_it_says(self) -> None:
        config = load_example()
        assert config.asapp.api_host == "https://api.sandbox.asapp.com"
        assert config.twilio.auth_token == Secret(ENVIRON["TWILIO_AUTH_TOKEN"])
        assert config.service.dependencies == {"axios": "1.20.0"}
        assert config.input.customerId == From(name="call.customer")
        assert config.input.taskName == "customer_support"
        assert config.input.variables["callerCity"] == From(name="call.FromCity", default="unknown")
        assert config.waiting.play is None
        assert isinstance(config.destinations["support"], NumberDestination)
        assert isinstance(config.destinations["flex"], EnqueueDestination)
        assert isinstance(config.destinations["ivr"], RedirectDestination)
        by = Send(by=From(name="outcome.currentTaskName"), map={"Billing": "billing"}, default="support")
        assert config.outcomes.agent == (Say(text="Please hold while I connect you."), by, Send(to="night_desk"))
        assert by.targets == ("billing", "support")
        assert config.outcomes.completed == (Hangup(),)
        assert [entry.profile for entry in config.phone_numbers] == [None, "es"]

    def test_hours_are_minutes_of_each_day(self) -> None:
        hours = load_example().destinations["night_desk"].hours
        assert hours is not None
        week = hours.week()
        assert week["mon"] == ((0, 480), (1080, 1920))
        assert week["tue"] == week["fri"] == ((1080, 1920),)
        assert week["sat"] == week["sun"] == ((0, 1440),)
        assert hours.closed == ("2026-12-25",)

    def test_profiles_are_complete(self) -> None:
        spanish = load_example().profiles["es"]
        assert spanish.input.taskName == "soporte"
        assert spanish.input.customerId == From(name="call.customer")
        assert spanish.input.variables["language"] == "es"
        assert spanish.input.variables["channel"] == "voice"
        assert (spanish.voice.name, spanish.voice.language) == ("Polly.Lupe-Neural", "es-US")
        assert spanish.outcomes == load_example().outcomes
        assert spanish.asapp == load_example().asapp

    def test_environments_lie_over_the_rest(self) -> None:
        production = load_example("production")
        assert production.asapp.api_host == "https://api.asapp.com"
        assert production.asapp.api_secret == Secret("prod-api-secret")
        assert production.profiles["es"].asapp.api_host == "https://api.asapp.com"
        assert production.environment.domain_suffix == "prod"
        assert [entry.number for entry in production.phone_numbers] == ["+15550199999"]
        assert load_example("staging").phone_numbers == ()
        assert load_example("ui").environment.domain_suffix is None

    def test_is_what_the_loader_says_about_places(self) -> None:
        config = load_example()
        lines = (ROOT / "config.example.yaml").read_text(encoding="utf-8").splitlines()
        for keys, text in {
            ("twilio", "account_sid"): "${TWILIO_ACCOUNT_SID}",
            ("outcomes", "agent", 2, "send"): "night_desk",
            ("destinations", "support", "caller_id"): "called",
            ("profiles", "es", "voice", "name"): "Polly.Lupe-Neural",
            ("profiles", "es", "input", "customerId"): "customerId: {from: call.customer}",
            ("phone_numbers", 0): '- number: "+15550100000"'[2:],
            ("phone_numbers", 0, "no such key"): '- number: "+15550100000"'[2:],
            ("waiting",): "waiting:",
        }.items():
            place = config.place(*keys)
            assert place is not None
            assert lines[place.line - 1][place.column - 1 :].startswith(text), keys


def keys_of(model: type) -> set[str]:
    from ga_deploy.config.editor_schema import make_schema

    found: set[str] = set()

    def walk(schema: object) -> None:
        if isinstance(schema, dict):
            found.update(schema.get("properties", {}))
            for inner in schema.values():
                walk(inner)
        elif isinstance(schema, list):
            for inner in schema:
                walk(inner)

    walk(make_schema())
    assert set(model.model_fields) <= found  # type: ignore[attr-defined]
    return found


class TestReferences:
    def test_the_environment_comes_first_then_dotenv(self, project: Project) -> None:
        (project.folder / ".env").write_text("ONE=from-dotenv\nTWO=from-dotenv\n", encoding="utf-8")
        project.environ["ONE"] = "from-environment"
        config = project.load('input: {variables: {a: "${ONE}", b: "${TWO}", c: "${THREE:-from-default}"}}')
        assert config.input.variables == {"a": "from-environment", "b": "from-dotenv", "c": "from-default"}

    def test_dotenv_is_taken_as_it_is(self, project: Project) -> None:
        text = "A=${B}\nexport C='with $D and # inside'\nE=\"two\\nlines\"\nB=never\nEMPTY=\n"
        (project.folder / ".env").write_text(text, encoding="utf-8")
        config = project.load('input: {variables: {a: "${A}", c: "${C}", e: "${E}", x: "${EMPTY:-default}"}}')
        assert config.input.variables == {
            "a": "${B}", "c": "with $D and # inside", "e": "two\nlines", "x": "default",
        }  # fmt: skip

    def test_a_broken_line_of_dotenv_is_a_warning(self, project: Project) -> None:
        (project.folder / ".env").write_text("A=1\nthis is 'no line\nB=22\n", encoding="utf-8")
        (warning,) = project.load("").warnings
        assert warning.level == "warning"
        assert warning.at == Place(str(project.folder / ".env"), 2)

    def test_a_dotenv_that_cannot_be_read_is_a_finding(self, project: Project) -> None:
        (project.folder / ".env").write_bytes(b"A=\xff\n")
        assert project.refuse("") == ["`.env` cannot be read"]
        (project.folder / ".env").unlink()
        (project.folder / ".env").mkdir()
        assert project.refuse("") == ["`.env` cannot be read"]
        (project.folder / ".env").rmdir()
        (project.folder / ".env").symlink_to("/dev/zero")
        assert project.refuse("") == ["`.env` cannot be read"]

    @pytest.mark.parametrize(
        ("content", "read"), [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\ufeffa", "a")]
    )
    def test_a_file_loses_its_last_newline(self, project: Project, content: str, read: str) -> None:
        (project.folder / "texts").mkdir()
        (project.folder / "texts" / "legal.txt").write_bytes(content.encode())
        config = project.load('greeting: [{say: "Notice: ${file:texts/legal.txt}"}]')
        assert config.greeting == (Say(text=f"Notice: {read}"),)

    def test_a_file_that_is_no_text_or_too_large(self, project: Project) -> None:
        (project.folder / "binary").write_bytes(b"\xff\xfe\x00")
        (project.folder / "large").write_bytes(b"x" * 100_000)
        found = project.refuse('greeting: [{say: "${file:binary}"}, {say: "${file:large}"}, {say: "${file:.}"}]')
        assert found == [
            "`binary` is not text",
            "`large` is too large for the config",
            "`.` cannot be read",
        ]

    def test_a_secret_may_come_out_of_a_file(self, project: Project) -> None:
        (project.folder / "secret").write_text("out-of-a-file\n", encoding="utf-8")
        asapp = 'asapp: {api_host: api.asapp.com, api_id: clear-id, api_secret: "${file:secret}"}'
        assert project.load(asapp).asapp.api_secret == Secret("out-of-a-file")

    def test_variables_out_of_references_are_secrets(self, project: Project) -> None:
        config = project.load('variables: {A: plain, B: "${ASAPP_API_ID}", C: "x-${ASAPP_API_ID}", D: "$${plain}"}')
        assert config.variables == {
            "A": "plain",
            "B": Secret(ENVIRON["ASAPP_API_ID"]),
            "C": Secret("x-" + ENVIRON["ASAPP_API_ID"]),
            "D": "${plain}",
        }

    def test_only_the_selected_environment_is_looked_up(self, project: Project) -> None:
        text = (
            'environments: {ui: {}, prod: {domain_suffix: p, asapp: {api_id: "${PROD_ID}", api_secret: "${file:no}"}}}'
        )
        assert project.load(text).environment.name == "ui"
        assert project.refuse(text, "prod") == ["`PROD_ID` is not set", "`no` cannot be read"]

    def test_nothing_that_is_secret_can_be_seen(self, project: Project) -> None:
        config = project.load('variables: {B: "${ASAPP_API_ID}"}')
        shown = f"{config} {config!r} {config.model_dump()} {config.asapp}"
        for secret in ("a-token-of-twilio", "a-secret-of-asapp", "an-id-of-asapp"):
            assert secret not in shown
            assert redact(f"<{secret}>") == f"<{MASK}>"


class TestLocal:
    def test_credentials_and_hosts_are_replaced_everywhere(self, project: Project) -> None:
        text = 'profiles: {es: {asapp: {api_host: other.asapp.com, api_secret: "${OTHER}"}}}'
        project.environ = {}
        config = project.load(text, local=True)
        assert config.twilio.account_sid == LOCAL.account_sid
        assert config.twilio.auth_token == LOCAL.auth_token
        assert (config.twilio.api_key, config.twilio.api_key_secret) == (None, None)
        for asapp in (config.asapp, config.profiles["es"].asapp):
            assert (asapp.api_host, asapp.api_id, asapp.api_secret) == (
                LOCAL.asapp_host,
                LOCAL.api_id,
                LOCAL.api_secret,
            )

    def test_what_is_unset_is_named_after_itself(self, project: Project) -> None:
        project.environ = {"SET": "really set"}
        config = project.load('input: {variables: {a: "${UNSET}", b: "${SET}", c: "${UNSET:-default}"}}', local=True)
        assert config.input.variables == {"a": "local-UNSET", "b": "really set", "c": "default"}

    def test_numbers_that_are_unset_differ(self, project: Project) -> None:
        project.environ = {}
        config = project.load('phone_numbers: [{number: "${ONE}"}, {number: "${TWO}"}]', local=True)
        numbers = [entry.number for entry in config.phone_numbers]
        assert len(set(numbers)) == 2
        assert all(re.fullmatch(r"\+\d{11}", number) for number in numbers)

    def test_clear_text_stays_refused(self, project: Project) -> None:
        with pytest.raises(ConfigInvalid):
            project.load("twilio: {account_sid: '${X}', auth_token: in-clear-text}", local=True)


class TestDefaults:
    def test_the_least_config(self, project: Project) -> None:
        config = project.load("")
        assert config.service.name == "GenerativeAgentService"
        assert config.service.dependencies == {"axios": "1.20.0"}
        assert config.functions.engage.path == "/engage"
        assert config.functions.engage.visibility == "protected"
        assert config.environment.name == "ui"
        assert config.state == "sync"
        assert (config.asapp.timeout_ms, config.asapp.budget_ms, config.asapp.url_cache_seconds) == (2000, 6000, 240)
        assert config.profiles == {}

    def test_defaults_are_those_of_the_example(self) -> None:
        example = load_example()
        least = Language.model_validate(
            {
                "twilio": {"account_sid": "AC" + "0" * 32},
                "asapp": {"api_host": "a.example.com", "api_id": "an-api-id", "api_secret": Secret("an-api-secret")},
            }
        )
        for section in ("service", "functions", "voice", "waiting", "greeting", "hooks", "flow", "state", "templates"):
            assert getattr(least, section) == getattr(example, section), section
        ours = example.asapp.model_dump(exclude={"api_host", "api_id", "api_secret"})
        assert least.asapp.model_dump(exclude={"api_host", "api_id", "api_secret"}) == ours
        for ending in ("completed", "exhausted"):
            assert getattr(least.outcomes, ending) == getattr(example.outcomes, ending)

    def test_nothing_can_be_changed_afterwards(self, project: Project) -> None:
        config = project.load("")
        with pytest.raises(ValidationError):
            config.asapp.timeout_ms = 1  # type: ignore[misc]

    def test_an_empty_key_is_a_key_that_is_not_set(self, project: Project) -> None:
        config = project.load("voice:\nservice:\n  name:\ninput: {taskName: , variables: }\nenvironments:\n  ui:\n")
        assert config.voice.name == "Polly.Joanna-Neural"
        assert config.service.name == "GenerativeAgentService"
        assert config.input.taskName is None

    def test_a_function_may_say_only_its_visibility(self, project: Project) -> None:
        config = project.load("functions: {stream_status: {visibility: public}}")
        assert config.functions.stream_status.path == "/stream-status"
        assert config.functions.stream_status.visibility == "public"

    def test_short_forms_of_steps(self, project: Project) -> None:
        config = project.load(
            "outcomes: {agent: [{pause: 2}, {play: https://a.example.com/x.mp3}, hangup], failed: [hangup]}"
        )
        assert config.outcomes.agent[0] == Pause(seconds=2)

    @pytest.mark.parametrize(
        ("written", "host"),
        [
            ("api.asapp.com", "https://api.asapp.com"),
            ("https://api.asapp.com/", "https://api.asapp.com"),
            ("API.asapp.com:8443", "https://api.asapp.com:8443"),
        ],
    )
    def test_hosts_are_normalised(self, project: Project, written: str, host: str) -> None:
        asapp = f"asapp: {{api_host: '{written}', api_id: '${{ASAPP_API_ID}}', api_secret: '${{ASAPP_API_SECRET}}'}}"
        assert project.load(asapp).asapp.api_host == host

    def test_paths_are_relative_to_the_config(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        (project.folder / "hooks").mkdir()
        (project.folder / "hooks" / "after.js").write_text("", encoding="utf-8")
        (project.folder / "own").mkdir()
        (project.folder / "elsewhere").mkdir()
        monkeypatch.chdir(project.folder / "elsewhere")
        (project.folder / "config.yaml").write_text(complete("hooks: {after_call: ./hooks/after.js}\ntemplates: own\n"))
        config = load_config(Path("../config.yaml"), None, environ=ENVIRON)
        assert config.hooks.after_call is not None
        assert config.hooks.after_call.is_absolute()
        assert config.hooks.after_call.samefile(project.folder / "hooks" / "after.js")
        assert config.templates is not None
        assert config.templates.samefile(project.folder / "own")
