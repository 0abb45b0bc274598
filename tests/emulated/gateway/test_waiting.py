"""Every wait has an end, whatever trickles in: one answer, one list, and all that a command asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ga_deploy.errors import DeployError, Unreachable, Usage
from ga_deploy.gateway import Credentials, Endpoints, Gateway, Retries, Timeouts
from ga_deploy.model.sids import ServiceSid
from ga_deploy.redact import Secret

from .conftest import ACCOUNT, TOKEN, Twilio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVICE = ServiceSid("ZS" + "a" * 32)

# What an answer may take where a test expects that it is given up; what nothing here comes near to.
SOON, LATE = 0.3, 30.0


@pytest.fixture
def open_hasty(twilio: Twilio) -> Iterator[Callable[..., Gateway]]:
    opened: list[Gateway] = []

    def start(*, attempts: int = 1, **limits: float) -> Gateway:
        opened.append(
            Gateway(
                Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN)),
                endpoints=Endpoints.local(twilio.base_url),
                retries=Retries(attempts=attempts, first=0.01, longest=0.02),
                timeouts=Timeouts(**limits),
            )
        )
        return opened[-1]

    yield start
    for gateway in opened:
        gateway.close()


def test_headers_that_trickle_are_given_up(twilio: Twilio, open_hasty: Callable[..., Gateway]) -> None:
    """Each byte comes well within the read timeout; the answer as a whole does not come."""
    twilio.fault("trickle", times=None, seconds=SOON / 20)
    began = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        open_hasty(whole=SOON).find_service("Name")
    assert SOON <= time.monotonic() - began < LATE
    assert caught.value.maybe_processed
    assert "in time" in caught.value.why


def test_an_upload_has_a_limit_of_its_own(twilio: Twilio, open_hasty: Callable[..., Gateway]) -> None:
    assert Timeouts().answer("upload") == 2 * Timeouts().answer("read") == 120.0
    assert Timeouts(whole=1, whole_upload=7).answer("upload") == 7
    assert Timeouts().answer("site") == 60.0


def test_a_list_whose_pages_never_end(twilio: Twilio, open_hasty: Callable[..., Gateway]) -> None:
    twilio.fault("endless", "GET", "/Flows", times=None)
    with pytest.raises(Unreachable, match="does not end"):
        open_hasty(listing=SOON).list_flows()
    assert len(twilio.requests("GET .*/Flows")) > 2, "each page came whole and in time"


def test_a_command_ends_although_each_of_its_requests_may_be_repeated(
    twilio: Twilio, open_hasty: Callable[..., Gateway]
) -> None:
    """Without a whole answer there is an end to all requests together; a few get one last try each, then none."""
    twilio.fault("trickle", times=None, seconds=SOON / 20)
    gateway = open_hasty(attempts=1_000, whole=SOON, silence=4 * SOON)
    began = time.monotonic()
    while not (refused := _try(gateway)).endswith("to anything for 1 s"):
        assert time.monotonic() - began < LATE, refused
    count = len(twilio.requests())
    assert _try(gateway).endswith("to anything for 1 s")
    assert len(twilio.requests()) == count, "nothing more is sent"


def test_a_whole_answer_starts_the_count_anew(twilio: Twilio, open_hasty: Callable[..., Gateway]) -> None:
    gateway = open_hasty(whole=SOON, silence=4 * SOON)
    for _ in range(4):
        twilio.fault("trickle", seconds=SOON / 20)
        assert _try(gateway)
        twilio.emulator.faults.clear()
        assert not _try(gateway)


def test_time_in_which_nothing_is_asked_does_not_count(twilio: Twilio, open_hasty: Callable[..., Gateway]) -> None:
    """Somebody may think about a question for as long as they like."""
    gateway = open_hasty(silence=SOON)
    assert not _try(gateway)
    time.sleep(2 * SOON)
    assert not _try(gateway)


def _try(gateway: Gateway) -> str:
    try:
        gateway.find_service("Name")
    except DeployError as problem:
        return problem.why
    return ""


def test_limits_come_from_the_environment() -> None:
    assert Timeouts.from_environ({}) == Timeouts()
    assert Timeouts.from_environ({"GA_DEPLOY_TIMEOUTS": " read=7, listing = 0.5 "}) == Timeouts(read=7.0, listing=0.5)
    for wrong in ("read", "reed=3", "read=x", "read=0", "read=-1", "read=nan", "read=1e9", "read=3;listing=2"):
        with pytest.raises(Usage, match="GA_DEPLOY_TIMEOUTS"):
            Timeouts.from_environ({"GA_DEPLOY_TIMEOUTS": wrong})
