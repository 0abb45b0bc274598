"""Who slipped in around our deployment, told from lists of deployments."""

import pytest

from ga_deploy.engine.merging import LastLook, find_intruder, take_last_look
from ga_deploy.model import Deployment

OURS = Deployment("ZD-ours", "ZB-ours", None)


def made(*names: str) -> list[Deployment]:
    """Newest first; `x` is deployment ZD-x of build ZB-x, `-` an empty one."""
    return [
        OURS if name == "ours" else Deployment(f"ZD-{name}", None if name == "-" else f"ZB-{name}", None)
        for name in names
    ]


@pytest.mark.parametrize(
    ("before", "build", "after", "intruder"),
    [
        ([], None, ["ours"], None),
        (["a"], "ZB-a", ["ours", "a"], None),
        (["a"], "ZB-a", ["ours", "b", "a"], "ZB-b"),
        (["a"], "ZB-a", ["b", "ours", "a"], "ZB-b"),
        ([], None, ["ours", "b"], "ZB-b"),
        ([], None, ["b", "ours"], "ZB-b"),
        (["a"], "ZB-a", ["ours", "-", "a"], "none"),
        # Twilio has dropped older deployments meanwhile, or lists fewer: nobody slipped in.
        (["a", "old"], "ZB-a", ["ours", "a"], None),
        # What was listed did not agree with the environment: only what stood right before ours can be judged.
        (["older"], "ZB-a", ["ours", "a", "older"], None),
        (["older"], "ZB-a", ["ours", "b", "a", "older"], "ZB-b"),
        # Ours is not listed (yet), and what is newest is not ours.
        (["a"], "ZB-a", ["b", "a"], "ZB-b"),
    ],
)
def test_intruder(before: list[str], build: str | None, after: list[str], intruder: str | None) -> None:
    last = take_last_look(build, made(*before))
    found = find_intruder(made(*after), OURS, last, "ZB-ours")
    assert (found and (found.build_sid or "none")) == intruder
    if found:
        assert found.describe()


def test_look_that_disagrees_recognises_no_deployment() -> None:
    assert take_last_look("ZB-a", made("b")) == LastLook("ZB-a", None)
    assert take_last_look("ZB-a", made("a")) == LastLook("ZB-a", "ZD-a")
