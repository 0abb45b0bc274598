"""Checks between values: names that must exist, steps that must be reachable, sizes that add up.

Each check is a generator of findings about one merged config. Values that are wrong by themselves have been removed
before. Names are compared with all that the file defines, valid or not, so that one mistake gives one finding.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from ga_deploy.config.checks.accounts import check_accounts
from ga_deploy.config.checks.calling import check_calling
from ga_deploy.config.checks.fallback import check_fallback
from ga_deploy.config.checks.flow import check_flow
from ga_deploy.config.checks.inputs import check_inputs
from ga_deploy.config.checks.numbers import check_numbers
from ga_deploy.config.checks.open_hours import check_open_hours
from ga_deploy.config.checks.outcomes import check_outcomes
from ga_deploy.config.checks.paths import check_paths
from ga_deploy.config.checks.premium_rate import check_premium_rate
from ga_deploy.config.checks.speech import check_speech
from ga_deploy.config.checks.waiting import check_waiting

if TYPE_CHECKING:
    from ga_deploy.config.schema import Language
    from ga_deploy.errors import Finding
    from ga_deploy.yaml_tree.tree import Section

_CHECKS = (
    check_accounts,
    check_paths,
    check_inputs,
    check_waiting,
    check_outcomes,
    check_open_hours,
    check_speech,
    check_calling,
    check_fallback,
    check_flow,
    check_numbers,
    check_premium_rate,
)


def check_language(language: Language, root: Section) -> list[Finding]:
    """Return the errors and warnings about the merged config of one environment, in no order."""
    return list(chain.from_iterable(check(language, root) for check in _CHECKS))
