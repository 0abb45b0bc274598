"""Paths in the config; they are relative to the config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from ga_deploy.config.scalars import finding, require_text


def _beside_config(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, Path):
        require_text(value)
    if "\0" in str(value):
        raise finding("a path has a NUL character", "no file can have such a name", "correct the path")
    folder = (info.context or {}).get("folder")
    return Path(folder, value) if folder else Path(value)


FilePath = Annotated[Path, BeforeValidator(_beside_config)]
