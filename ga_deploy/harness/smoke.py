"""Checks of deployed functions: requests as Twilio sends them, and as an impostor would.

A request signed with the account's auth token must get TwiML. The deployment itself must refuse a request that is
unsigned, signed with another token or altered on its way. No call is placed.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlencode

from ga_deploy.errors import Unreachable
from ga_deploy.harness.site import Reply
from ga_deploy.harness.terminable import run_terminable
from ga_deploy.redact import Secret, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ga_deploy.config.schema import Config
    from ga_deploy.harness.site import Site
    from ga_deploy.simulate.interpreter.twiml import Element, TwimlDocument
    from ga_deploy.simulate.media.stream import StreamOutcome

# A deployment takes a while to reach every machine of Twilio's: an answer that may only be early is requested again.
WINDOW_SECONDS = 30.0
# A function's own failure (500) is hardly ever early: the previous build is still up, or ASAPP had a bad moment.
FAILURE_SECONDS = 6.0
EARLY = (404, 408, 425, 429, 502, 503, 504)
PAUSE_SECONDS = 2.0
MEDIA_SECONDS = 8.0
REFUSED = (400, 401, 403)


R = TypeVar("R", bound=Reply)


def find_stream(twiml: TwimlDocument) -> Element | None:
    """Return the `<Stream>` of a `<Connect>`, if the TwiML has one."""
    for verb in twiml.verbs:
        if verb.name == "Connect":
            return verb.child("Stream")
    return None


def _outline(twiml: TwimlDocument) -> str:
    verbs = [f"{verb.name} Stream" if verb.name == "Connect" else verb.name for verb in twiml.verbs]
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
    """One check and its result. `unknown`: it could not be made; that does not fail the run."""

    name: str
    result: Literal["pass", "fail", "unknown"]
    what: str
    fix: str = ""


@dataclass
class Smoke:
    """The checks of one deployment at `base` (`https://DOMAIN`).

    `is_bypassed` returns whether the deployment keeps some calls away from the agent on purpose, so that they get no
    stream. `window` is for how many seconds an answer that may be early is requested again, every `pause` seconds.
    `report` gets a line when a check waits.
    """

    config: Config
    site: Site
    base: str
    is_bypassed: Callable[[], bool] = lambda: False
    window: float = WINDOW_SECONDS
    pause: float = PAUSE_SECONDS
    checks: list[Check] = field(default_factory=list)
    report: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def run(self, *, media: bool) -> tuple[Check, ...]:
        """Make all checks and return them in order; `media` also opens the stream."""
        token = self.config.twilio.auth_token
        self._check_unsigned()
        if token is None:
            why = "the credentials are an API key, and only the auth token can sign as Twilio does"
            fix = "set `twilio.auth_token`"
            self._note("signed request", "unknown", why, fix)
            if media:
                self._note("media", "unknown", "there is no stream to open without a signed request", fix)
            return tuple(self.checks)
        twiml = self._check_signed(token)
        self._check_forged(token)
        self._check_hang_up(token)
        for profile in self.config.profiles:
            self._check_profile(token, profile)
        if media:
            self._check_media(token, twiml)
        return tuple(self.checks)

    def _note(self, name: str, result: Literal["pass", "fail", "unknown"], what: str, fix: str = "") -> None:
        self.checks.append(Check(name, result, redact(what), fix))

    def _protected(self) -> list[str]:
        functions = self.config.functions
        every = (functions.engage, functions.call_complete, functions.stream_status)
        return [function.path for function in every if function.visibility == "protected"]

    def _check_unsigned(self) -> None:
        for path in self._protected():
            probe = partial(self.site.probe, self.base + path)
            status = self._request_patiently(f"unsigned {path}", probe).status
            if status in REFUSED:
                self._note(f"unsigned {path}", "pass", f"refused ({status})")
            elif status == 404:
                self._note(f"unsigned {path}", "fail", "nothing is deployed there (404)", "run `ga-deploy up`")
            else:
                what = f"not refused: the answer was {status}"
                self._note(f"unsigned {path}", "fail", what, "run `ga-deploy up`: the function has to be protected")

    def _check_forged(self, token: Secret) -> None:
        path = self.config.functions.engage.path
        if path not in self._protected():
            self._note("forged requests", "unknown", f"{path} is public in the config: anybody may call it")
            return
        form = self._form()
        url = self.base + path
        other = Secret(secrets.token_hex(16))
        status = self.site.request_signed(url, form, other).status
        self._judge_refusal("another token's signature", status)
        altered = {**form, "From": "+15550109999"}
        status = self.site.request_with_signature(url, altered, self._sign(url, form, token)).status
        self._judge_refusal("altered parameter", status)

    def _judge_refusal(self, name: str, status: int) -> None:
        if status in REFUSED:
            self._note(name, "pass", f"refused ({status})")
        else:
            self._note(
                name,
                "fail",
                f"not refused: the answer was {status}",
                "run `ga-deploy up`, then `ga-deploy smoke` again",
            )

    def _check_signed(self, token: Secret) -> TwimlDocument | None:
        path = self.config.functions.engage.path
        twiml, what = self._request_twiml("signed request", token, self.base + path, self._form())
        if twiml is None:
            fix = (
                "is twilio.auth_token this account's token? (`ga-deploy doctor`)"
                if "403" in what
                else "see the function's logs"
            )
            self._note("signed request", "fail", what, fix)
            return None
        problem, fix = self._judge_twiml(twiml)
        self._note("signed request", "fail" if problem else "pass", problem or _outline(twiml), fix)
        return twiml

    def _check_profile(self, token: Secret, profile: str) -> None:
        url = f"{self.base}{self.config.functions.engage.path}?{urlencode({'profile': profile})}"
        twiml, what = self._request_twiml(f"profile {profile}", token, url, self._form())
        problem, fix = self._judge_twiml(twiml) if twiml else (what, "see the function's logs")
        done = _outline(twiml) if twiml else what
        self._note(f"profile {profile}", "fail" if problem else "pass", problem or done, fix)

    def _check_hang_up(self, token: Secret) -> None:
        path = self.config.functions.call_complete.path
        twiml, what = self._request_twiml(
            "hang-up", token, self.base + path, {**self._form(), "CallStatus": "completed"}
        )
        if twiml is None or twiml.error:
            self._note("hang-up", "fail", str(twiml.error) if twiml else what, "see the function's logs")
        else:
            self._note("hang-up", "pass", f"{path} answers for a call that has ended")

    def _judge_twiml(self, twiml: TwimlDocument) -> tuple[str, str]:
        """Return what is wrong with the TwiML of engage, and the fix; empty when nothing is."""
        from ga_deploy.simulate.media.handshake import check_url

        if twiml.error:
            return str(twiml.error), "see the function's logs"
        if twiml.kind != "twiml":
            return f"the answer is not TwiML: the caller would hear {redact(twiml.speech)[:60]!r}", "run `ga-deploy up`"
        if twiml.warnings:
            return str(twiml.warnings[0]), "run `ga-deploy validate`"
        if twiml.unreachable:
            return f"`{twiml.unreachable[0].name}` can never run", "run `ga-deploy validate`"
        stream = find_stream(twiml)
        if stream is None:
            if self.is_bypassed():
                return "", ""
            what = "no stream: ASAPP returned no stream URL, or traffic to the agent is off"
            return what, "see the function's logs for ASAPP's answer, and `ga-deploy status` for GA_ENABLED"
        wrong = check_url(stream.get("url"))
        return wrong, "see the function's logs" if wrong else ""

    def _check_media(self, token: Secret, twiml: TwimlDocument | None) -> None:
        stream = find_stream(twiml) if twiml else None
        if stream is None:
            self._note("media", "fail", "there is no stream to open", "see the failed check above")
            return
        self.report(f"  … media: listening to the agent for {MEDIA_SECONDS:.0f} s at most")
        outcome = run_terminable(_listen(stream, self.config.twilio.account_sid, token))
        if not outcome.opened:
            code = f"{outcome.code}: " if outcome.code else ""
            self._note(
                "media",
                "fail",
                f"{code}{outcome.reason or outcome.ending.value}",
                "check that ASAPP's host is reachable from here",
            )
        elif outcome.first_audio is None:
            what = f"the stream opened, but the agent was silent for {outcome.duration:.0f} s"
            self._note("media", "fail", what, "ask ASAPP whether the task greets callers")
        else:
            self._note("media", "pass", f"the agent was heard after {outcome.first_audio:.1f} s")

    def _request_twiml(
        self, name: str, token: Secret, url: str, form: Mapping[str, str]
    ) -> tuple[TwimlDocument | None, str]:
        from ga_deploy.simulate.interpreter.twiml import read_document

        got = self._request_patiently(name, lambda: self.site.request_signed(url, form, token))
        if got.status >= 400:
            return None, f"the answer was {got.status}"
        return read_document(got.status, got.content_type, got.body.encode()), ""

    def _request_patiently(self, name: str, request: Callable[[], R]) -> R:
        """Repeat a request until its answer cannot be an early one. No answer at all may be early, a refusal is not."""
        is_reported = False
        while True:
            try:
                reply = request()
            except Unreachable as problem:
                left = 0.0 if "not trusted" in problem.why else self._left(self.window)
                if left <= 0:
                    raise
                what = "no answer"
            else:
                status = reply.status
                limits = {500: min(self.window, FAILURE_SECONDS), **dict.fromkeys(EARLY, self.window)}
                left = self._left(limits.get(status, 0.0))
                if left <= 0:
                    return reply
                what = f"the answer was {status}"
            if not is_reported:
                again = f"which may only be early: trying again for {left:.0f} s at most"
                self.report(f"  … {name}: {what}, {again}")
                is_reported = True
            time.sleep(self.pause)

    def _left(self, window: float) -> float:
        return self._began + window - time.monotonic()

    def _sign(self, url: str, form: Mapping[str, str], token: Secret) -> str:
        from ga_deploy.simulate.interpreter.webhook import sign

        return sign(token, url, list(form.items()))

    def _form(self) -> dict[str, str]:
        """Return what Twilio would send for a call. Nobody places it."""
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
