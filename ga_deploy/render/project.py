"""The functions as a Serverless Toolkit project on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.model import Bundle


def write_project(bundle: Bundle, out: Path) -> None:
    raise NotImplementedError
