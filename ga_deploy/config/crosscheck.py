"""What no single value can tell: names that must exist, steps that must be reachable, numbers in two environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.config.schema import Language
    from ga_deploy.config.tree import Section


def check_language(language: Language, root: Section, folder: Path, environment: str) -> list[Finding]:
    """Return what is wrong, or worth a warning, in the merged config of one environment."""
    return []


def check_environments(root: Section, default: str) -> list[Finding]:
    """Return what is wrong between environments: numbers and domain suffixes that two of them have."""
    return []
