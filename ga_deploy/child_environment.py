"""The environment of the processes that we start: what they need of the user's, and nothing else of it.

A user's environment holds secrets, and variables that make Node load code of others (`NODE_OPTIONS`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CA_VARIABLES = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXY_VARIABLES = tuple(
    spelling
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PROXY")
    for spelling in (name, name.lower())
)
TEMPORARY_VARIABLES = ("TMPDIR", "TEMP", "TMP")

# The later ones are what Windows needs to start any process.
_EVERY_PROCESS = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT")


def clean_environment(more: Iterable[str] = TEMPORARY_VARIABLES) -> dict[str, str]:
    """Return the variables that every process gets, and of the user's those that `more` names, if they are set."""
    return {name: os.environ[name] for name in (*_EVERY_PROCESS, *more) if name in os.environ}
