"""`smoke`: what is deployed, asked the way Twilio asks it, and the way an impostor would.

A request signed with the account's auth token must get TwiML; one that is unsigned, signed with another token or
altered on its way must be refused by the deployment itself. Nothing rings: no call is made, and what only a person
with a telephone can hear is listed at the end. Long because each check says in words what it found.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlencode

from ga_deploy.errors import CallFailed, ExitCode, Unreachable
from ga_deploy.harness.terminable import run_terminable
from ga_deploy.redact import Secret, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import RenderableType

    from ga_deploy.config.schema import Config
    from ga_deploy.gateway import Gateway
    from ga_deploy.invocation.context import Context
    from ga_deploy.simulate.interpreter.twiml import Element, TwimlDocument
    from ga_deploy.simulate.media.stream import StreamOutcome

T = TypeVar("T")

# A deployment takes a while to reach every machine of Twilio's; an answer that may only be early is asked for again.
WINDOW_SECONDS = 30.0
# A function's own failure (500) is hardly ever early: the previous build is still up, or ASAPP had a bad moment.
FAILURE_SECONDS = 6.0
EARLY = (404, 408, 425, 429, 502, 503, 504)
PAUSE_SECONDS = 2.0
MEDIA_SECONDS = 8.0
REFUSED = (400, 401, 403)
# What the functions take for "off" in GA_ENABLED.
OFF = frozenset({"false", "off", "no", "0", "disabled", "paused"})

# ASAPP's go-live list: what nobody but a person with a telephone can judge.
TEST_CALLS = (
    "a normal conversation, to its end",
    "a request for a person: who answers, and what they see",
    "an interruption while the agent speaks",
    "a caller with an accent, and one in a noisy place",
    "a long silence of the caller",
    "a hang-up in the middle",
)


def run(ctx: Context, *, media: bool = False) -> ExitCode:
    """Test what is deployed. Raises CallFailed (exit 6) when a check fails, and when nothing is deployed."""
    config = ctx.load()
    gateway = ctx.gateway(config)
    domain = _find_domain(config, gateway)
    ctx.ui.note(f"Asking https://{domain}")
    checks = Smoke(config, gateway, f"https://{domain}", say=ctx.ui.note).run(media=media)
    number = next((entry.number for entry in config.phone_numbers), None)
    failed = [check for check in checks if check.result == "fail"]
    payload = {
        "passed": not failed,
        "domain_name": domain,
        "checks": [{"name": one.name, "result": one.result, "what": one.what, "fix": one.fix} for one in checks],
        "number": number,
        "test_calls": list(TEST_CALLS),
    }
    ctx.ui.result(payload, _draw(checks, number))
    lines = [f"**ga-deploy smoke** on {domain}", "", *(f"- {one.result}: {one.name}, {one.what}" for one in checks)]
    ctx.ui.outputs({"domain_name": domain, "failed": str(len(failed))}, "\n".join(lines))
    if failed:
        first = failed[0]
        raise CallFailed(
            f"{len(failed)} of {len(checks)} checks failed on {domain}",
            why="; ".join(f"{check.name}: {check.what}" for check in failed),
            fix=first.fix,
        )
    return ExitCode.OK


def _find_domain(config: Config, gateway: Gateway) -> str:
    """Return the domain of the selected environment, if something is deployed there."""
    service = gateway.find_service(config.service.name)
    environments = gateway.list_environments(service.sid) if service else []
    wanted = config.environment.name
    environment = next((one for one in environments if one.unique_name == wanted), None)
    if environment is None or environment.build_sid is None:
        raise CallFailed(
            f"nothing is deployed to test in environment `{wanted}`",
            why="the environment has no build"
            if environment
            else f"service `{config.service.name}` has no such environment",
            fix="run `ga-deploy up` first",
        )
    return environment.domain_name


def _draw(checks: tuple[Check, ...], number: str | None) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    marks = {"pass": Text("✓", "green"), "fail": Text("✗", "red"), "unknown": Text("?", "yellow")}
    for check in checks:
        table.add_row(marks[check.result], Text(check.name), Text(check.what))
    ring = f"Ring {number}" if number else "Bind a number (`ga-deploy bind-number`), ring it"
    ring += " and try what only a person can judge:"
    return Group(table, Text(), Text(ring), *(Text(f"  · {call}") for call in TEST_CALLS))


def find_stream(answer: TwimlDocument) -> Element | None:
    """Return the `<Stream>` of a `<Connect>`, if the TwiML has one."""
    for verb in answer.verbs:
        if verb.name == "Connect":
            return verb.child("Stream")
    return None


def _outline(answer: TwimlDocument) -> str:
    verbs = [f"{verb.name} Stream" if verb.name == "Connect" else verb.name for verb in answer.verbs]
    return f"TwiML: {', '.join(verbs) or 'empty'}"


async def _listen(stream: Element, account_sid: str, token: Secret) -> StreamOutcome:
    """Open the stream as Twilio would and hang up after a few seconds."""
    from ga_deploy.simulate.media.client import run_stream
    from ga_deploy.simulate.media.stream import CallerVoice, StreamOptions, StreamRequest

    parameters = {noun.get("name"): noun.get("value") for noun in stream.children if noun.name == "Parameter"}
    request = StreamRequest(
        stream.get("url"),
        parameters.get("asapp_externalConversationId", ""),
        account_sid,
        f"MZ{secrets.token_hex(16)}",
        parameters,
        token,
    )
    return await run_stream(request, CallerVoice(), StreamOptions(max_seconds=MEDIA_SECONDS))


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `unknown` could not be looked at, and does not fail the test."""

    name: str
    result: Literal["pass", "fail", "unknown"]
    what: str
    fix: str = ""


@dataclass
class Smoke:
    """The checks of one deployment. `base` is `https://DOMAIN`; `window` is how long an early answer is asked again.

    `say` is told what is waited for.
    """

    config: Config
    gateway: Gateway
    base: str
    window: float = WINDOW_SECONDS
    pause: float = PAUSE_SECONDS
    checks: list[Check] = field(default_factory=list)
    say: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def run(self, *, media: bool) -> tuple[Check, ...]:
        """Look at everything and return the checks, in order."""
        token = self.config.twilio.auth_token
        self._refuses_the_unsigned()
        if token is None:
            why = "the credentials are an API key, and only the auth token can sign as Twilio does"
            fix = "set twilio.auth_token to have it checked"
            self._note("signed request", "unknown", why, fix)
            if media:
                self._note("media", "unknown", "without a signed request there is no stream to open", fix)
            return tuple(self.checks)
        answer = self._answers_the_signed(token)
        self._refuses_the_forged(token)
        self._survives_a_hang_up(token)
        for profile in self.config.profiles:
            self._answers_profile(token, profile)
        if media:
            self._hears_the_agent(token, answer)
        return tuple(self.checks)

    def _note(self, name: str, result: Literal["pass", "fail", "unknown"], what: str, fix: str = "") -> None:
        self.checks.append(Check(name, result, redact(what), fix))

    # -- who is let in

    def _protected(self) -> list[str]:
        functions = self.config.functions
        every = (functions.engage, functions.call_complete, functions.stream_status)
        return [function.path for function in every if function.visibility == "protected"]

    def _refuses_the_unsigned(self) -> None:
        for path in self._protected():
            probe = partial(self.gateway.probe, self.base + path)
            status = self._patiently(f"unsigned {path}", probe, lambda answer: answer.status).status
            if status in REFUSED:
                self._note(f"unsigned {path}", "pass", f"refused ({status})")
            elif status == 404:
                self._note(f"unsigned {path}", "fail", "nothing is deployed there (404)", "run `ga-deploy up`")
            else:
                what = f"not refused: the answer was {status}"
                self._note(f"unsigned {path}", "fail", what, "run `ga-deploy up`: the function has to be protected")

    def _refuses_the_forged(self, token: Secret) -> None:
        path = self.config.functions.engage.path
        if path not in self._protected():
            self._note("forged requests", "unknown", f"{path} is public by the config: anybody may ask it")
            return
        form = self._form()
        url = self.base + path
        other = Secret(secrets.token_hex(16))
        status = self.gateway.request_signed(url, form, other).status
        self._judge_refusal("another token's signature", status)
        altered = {**form, "From": "+15550109999"}
        status = self.gateway.request_with_signature(url, altered, self._sign(url, form, token)).status
        self._judge_refusal("altered parameter", status)

    def _judge_refusal(self, name: str, status: int) -> None:
        if status in REFUSED:
            self._note(name, "pass", f"refused ({status})")
        else:
            self._note(name, "fail", f"not refused: the answer was {status}", "run `ga-deploy up`, then look again")

    # -- what comes back

    def _answers_the_signed(self, token: Secret) -> TwimlDocument | None:
        path = self.config.functions.engage.path
        answer, what = self._ask("signed request", token, self.base + path, self._form())
        if answer is None:
            fix = (
                "is twilio.auth_token this account's token? (`ga-deploy doctor`)"
                if "403" in what
                else "see the function's logs"
            )
            self._note("signed request", "fail", what, fix)
            return None
        problem, fix = self._judge_twiml(answer)
        self._note("signed request", "fail" if problem else "pass", problem or _outline(answer), fix)
        return answer

    def _answers_profile(self, token: Secret, profile: str) -> None:
        url = f"{self.base}{self.config.functions.engage.path}?{urlencode({'profile': profile})}"
        answer, what = self._ask(f"profile {profile}", token, url, self._form())
        problem, fix = self._judge_twiml(answer) if answer else (what, "see the function's logs")
        done = _outline(answer) if answer else what
        self._note(f"profile {profile}", "fail" if problem else "pass", problem or done, fix)

    def _survives_a_hang_up(self, token: Secret) -> None:
        path = self.config.functions.call_complete.path
        answer, what = self._ask("hang-up", token, self.base + path, {**self._form(), "CallStatus": "completed"})
        if answer is None or answer.error:
            self._note("hang-up", "fail", str(answer.error) if answer else what, "see the function's logs")
        else:
            self._note("hang-up", "pass", f"{path} answers a call that is over")

    def _judge_twiml(self, answer: TwimlDocument) -> tuple[str, str]:
        """Return what is wrong with the TwiML of engage, and the fix; empty when nothing is."""
        from ga_deploy.simulate.media.handshake import check_url

        if answer.error:
            return str(answer.error), "see the function's logs"
        if answer.kind != "twiml":
            return f"the answer is no TwiML: the caller would hear {redact(answer.speech)[:60]!r}", "run `ga-deploy up`"
        if answer.warnings:
            return str(answer.warnings[0]), "run `ga-deploy validate`"
        if answer.unreachable:
            return f"`{answer.unreachable[0].name}` can never run", "run `ga-deploy validate`"
        stream = find_stream(answer)
        if stream is None:
            if self._is_bypassed():
                return "", ""
            why = "no stream: ASAPP gave no URL, or the traffic is off"
            return why, "see the function's logs for ASAPP's answer, and `ga-deploy status` for GA_ENABLED"
        wrong = check_url(stream.get("url"))
        return wrong, "see the function's logs" if wrong else ""

    def _is_bypassed(self) -> bool:
        """Tell whether `ga-deploy traffic` keeps calls away from the agent, so that none gets a stream."""
        service = self.gateway.find_service(self.config.service.name)
        if service is None:
            return False
        for environment in self.gateway.list_environments(service.sid):
            if f"https://{environment.domain_name}" == self.base:
                variables = {one.key: one.value for one in self.gateway.list_variables(service.sid, environment.sid)}
                off = variables.get("GA_ENABLED", "true").strip().lower() in OFF
                return off or variables.get("GA_TRAFFIC_PERCENT", "100").strip() != "100"
        return False

    # -- the stream

    def _hears_the_agent(self, token: Secret, answer: TwimlDocument | None) -> None:
        stream = find_stream(answer) if answer else None
        if stream is None:
            self._note("media", "fail", "there is no stream to open", "see the failed check above")
            return
        self.say(f"  … media: listening to the agent for {MEDIA_SECONDS:.0f} s at most")
        outcome = run_terminable(_listen(stream, self.config.twilio.account_sid, token))
        if not outcome.opened:
            code = f"{outcome.code}: " if outcome.code else ""
            self._note("media", "fail", f"{code}{outcome.reason or outcome.ending.value}", "is ASAPP's host reachable?")
        elif outcome.first_audio is None:
            what = f"the stream opened, and nothing was heard in {outcome.duration:.0f} s"
            self._note("media", "fail", what, "ask ASAPP whether the task greets its callers")
        else:
            self._note("media", "pass", f"the agent was heard after {outcome.first_audio:.1f} s")

    # -- asking

    def _ask(self, name: str, token: Secret, url: str, form: Mapping[str, str]) -> tuple[TwimlDocument | None, str]:
        from ga_deploy.simulate.interpreter.twiml import read_document

        got = self._patiently(name, lambda: self.gateway.request_signed(url, form, token), lambda answer: answer.status)
        if got.status >= 400:
            return None, f"the answer was {got.status}"
        return read_document(got.status, got.content_type, got.body.encode()), ""

    def _patiently(self, name: str, ask: Callable[[], T], status_of: Callable[[T], int]) -> T:
        """Ask until the answer cannot be an early one any more; no answer at all may be one, a refusal is none."""
        told = False
        while True:
            try:
                answer = ask()
            except Unreachable as problem:
                left = 0.0 if "not trusted" in problem.why else self._left(self.window)
                if left <= 0:
                    raise
                what = "no answer"
            else:
                status = status_of(answer)
                limits = {500: min(self.window, FAILURE_SECONDS), **dict.fromkeys(EARLY, self.window)}
                left = self._left(limits.get(status, 0.0))
                if left <= 0:
                    return answer
                what = f"the answer was {status}"
            if not told:
                again = f"which may only be early: asked again for {left:.0f} s at most"
                self.say(f"  … {name}: {what}, {again}")
                told = True
            time.sleep(self.pause)

    def _left(self, window: float) -> float:
        return self._began + window - time.monotonic()

    def _sign(self, url: str, form: Mapping[str, str], token: Secret) -> str:
        from ga_deploy.simulate.interpreter.webhook import sign

        return sign(token, url, list(form.items()))

    def _form(self) -> dict[str, str]:
        """Return what Twilio would send for a call that nobody makes."""
        from ga_deploy.simulate.interpreter.plan import CallPlan, list_parameters

        numbers = [entry.number for entry in self.config.phone_numbers]
        plan = CallPlan(
            name="smoke",
            voice_url=self.base,
            call_sid=f"CA{secrets.token_hex(16)}",
            account_sid=self.config.twilio.account_sid,
            to_number=numbers[0] if numbers else CallPlan.to_number,
        )
        return {**list_parameters(plan), "CallStatus": "ringing"}
