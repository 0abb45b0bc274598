"""Checks of `twilio` and `asapp`: credentials that belong together, times that fit into each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.explain import place_of
from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Asapp, Language
    from ga_deploy.yaml_tree.tree import Keys, Section


def check_accounts(language: Language, root: Section) -> Iterator[Finding]:
    """Yield each credential that lacks its other half, and each budget that is too small."""
    yield from _credentials(language, root)
    yield from _budgets(language, root)


def _credentials(language: Language, root: Section) -> Iterator[Finding]:
    twilio = language.twilio
    if bool(twilio.api_key) != bool(twilio.api_key_secret):
        there, missing = ("api_key", "api_key_secret") if twilio.api_key else ("api_key_secret", "api_key")
        yield Finding(
            f"`twilio.{there}` is set without `twilio.{missing}`",
            "Twilio needs both, or the auth token",
            f"set the value behind `twilio.{missing}`, or remove `twilio.{there}`",
            place_of(root, ("twilio", there)),
        )


def _budgets(language: Language, root: Section) -> Iterator[Finding]:
    for keys, asapp in _all_asapp(language):
        if asapp.budget_ms < asapp.timeout_ms:
            yield Finding(
                "`asapp.budget_ms` is less than `asapp.timeout_ms`",
                f"{asapp.budget_ms} ms for all tries is less than the {asapp.timeout_ms} ms of one try",
                f"raise the budget to {asapp.timeout_ms} at least, or lower the timeout",
                place_of(root, (*keys, "budget_ms")),
            )


def _all_asapp(language: Language) -> Iterator[tuple[Keys, Asapp]]:
    yield ("asapp",), language.asapp
    for name, profile in language.profiles.items():
        yield ("profiles", name, "asapp"), profile.asapp
