"""The `.env` beside a config."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from ga_deploy.errors import Finding, Place
from ga_deploy.plain_file import read_plain_file

if TYPE_CHECKING:
    from pathlib import Path

# A larger file (or an endless device) is not a `.env`.
LARGEST = 4 * 1024 * 1024


def read_dotenv(folder: Path) -> tuple[dict[str, str], list[Finding]]:
    """Return the values of the folder's `.env`, unchanged, and the findings about it."""
    path = folder / ".env"
    try:
        text = _read_text(path) if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
        fix = "make it a readable text file, or remove it"
        return {}, [Finding("`.env` cannot be read", str(reason), fix, Place(str(path)))]
    values: dict[str, str] = {}
    findings = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            findings.append(
                Finding(
                    "`.env` has an invalid line",
                    "lines look like NAME=value",
                    "correct the line, or put quotes round the value",
                    Place(str(path), binding.original.line),
                    "warning",
                )
            )
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values, findings


def _read_text(path: Path) -> str:
    content = read_plain_file(path, LARGEST)
    if len(content) > LARGEST:
        raise OSError("it has more than 4 MB")
    return content.decode("utf-8-sig")
