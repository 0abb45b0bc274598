"""Who slipped in around our deployment, told from lists of deployments."""

import pytest

from ga_deploy.engine.apply.concurrent import LiveBefore, find_concurrent, find_deployments_since, find_live_before
from ga_deploy.model.serverless import Deployment
from ga_deploy.model.sids import BuildSid, DeploymentSid

OURS = Deployment(DeploymentSid("ZD-ours"), BuildSid("ZB-ours"), None)


def made(*names: str) -> list[Deployment]:
    """Newest first; `x` is deployment ZD-x of build ZB-x, `-` an empty one."""
    return [
        OURS
        if name == "ours"
        else Deployment(DeploymentSid(f"ZD-{name}"), None if name == "-" else BuildSid(f"ZB-{name}"), None)
        for name in names
    ]


@pytest.mark.parametrize(
    ("earlier", "build", "later", "before", "after"),
    [
        ("", None, "ours", "", ""),
        ("a", "ZB-a", "ours a", "", ""),
        ("a", "ZB-a", "ours b a", "b", ""),
        ("a", "ZB-a", "b ours a", "", "b"),
        ("a", "ZB-a", "d c ours b a", "b", "c d"),
        ("a", "ZB-a", "d ours c b a", "b c", "d"),
        ("", None, "ours b", "b", ""),
        ("", None, "b ours", "", "b"),
        ("", None, "c ours b", "b", "c"),
        ("a", "ZB-a", "ours - a", "none", ""),
        # Twilio has dropped older deployments meanwhile, or lists fewer: nobody slipped in.
        ("a old", "ZB-a", "ours a", "", ""),
        # What was listed did not agree with the environment: only what stood right before ours can be judged.
        ("older", "ZB-a", "ours a older", "", ""),
        ("older", "ZB-a", "ours b a older", "b", ""),
        # Ours is not listed (yet), and what is newest is not ours.
        ("a", "ZB-a", "b a", "", "b"),
    ],
)
def test_intruders(earlier: str, build: BuildSid | None, later: str, before: str, after: str) -> None:
    last = find_live_before(build, made(*earlier.split()))
    found = find_concurrent(made(*later.split()), OURS, last, BuildSid("ZB-ours"))
    for side, names in ((found.before, before), (found.after, after)):
        assert [one.build_sid or "none" for one in side] == [n if n == "none" else f"ZB-{n}" for n in names.split()]
    assert bool(found) == bool(before or after)
    assert bool(found.describe()) == bool(found)


@pytest.mark.parametrize(
    ("listed", "since", "now", "found"),
    [
        ("b a", "ZB-a", "ZB-b", "b"),
        ("c b a", "ZB-a", "ZB-c", "b c"),
        ("c b", None, "ZB-c", "b c"),
        # The list does not reach back as far, or shows another moment: what is live is all that is known.
        ("c b", "ZB-a", "ZB-c", "c"),
        ("b a", "ZB-a", "ZB-c", "c"),
        ("", "ZB-a", "ZB-c", "c"),
    ],
)
def test_newcomers(listed: str, since: BuildSid | None, now: BuildSid, found: str) -> None:
    newcomers = find_deployments_since(made(*listed.split()), since, now, "")
    assert [one.build_sid for one in newcomers.before] == [f"ZB-{name}" for name in found.split()]


def test_look_that_disagrees_recognises_no_deployment() -> None:
    build = BuildSid("ZB-a")
    assert find_live_before(build, made("b")) == LiveBefore(build, None)
    assert find_live_before(build, made("a")) == LiveBefore(build, DeploymentSid("ZD-a"))
