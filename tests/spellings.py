"""How others write a text: what a secret may look like in an output."""

from __future__ import annotations

import base64
import html
import json
import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape as escape_xml
from xml.sax.saxutils import quoteattr

from ga_deploy.render.javascript import to_literal

if TYPE_CHECKING:
    from collections.abc import Callable


def _in_javascript(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n").replace("${", "\\${")


def _in_base64(user: str, text: str) -> str:
    return base64.b64encode(f"{user}:{text}".encode()).decode()


def _lower_hex(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), text)


# Each takes a text and returns how somebody else would write it.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "XML text": escape_xml,
    "XML attribute": lambda text: quoteattr(text)[1:-1],
    "XML, all quotes": lambda text: escape_xml(text, {'"': "&quot;", "'": "&apos;"}),
    "XML in ASCII": lambda text: escape_xml(text).encode("ascii", "xmlcharrefreplace").decode(),
    "HTML": html.escape,
    "XML in HTML": lambda text: html.escape(escape_xml(text)),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON for a page": lambda text: json.dumps(text)[1:-1].replace("<", "\\u003c").replace("&", "\\u0026"),
    "JSON twice": lambda text: json.dumps(json.dumps(text))[1:-1],
    "JSON three times": lambda text: json.dumps(json.dumps(json.dumps(text)))[1:-1],
    "XML in JSON": lambda text: json.dumps(escape_xml(text, {'"': "&quot;"}))[1:-1],
    "XML in JSON twice": lambda text: json.dumps(json.dumps(escape_xml(text)))[1:-1],
    "JSON in HTML": lambda text: html.escape(json.dumps(text)[1:-1]),
    "Python": lambda text: repr(text)[1:-1],
    "Python, ASCII": lambda text: ascii(text)[1:-1],
    "Python, double quotes": lambda text: repr("'" + text)[2:-1],
    "Python's bytes": lambda text: repr(text.encode())[2:-1],
    "JavaScript, single quotes": lambda text: _in_javascript(text, "'"),
    "JavaScript, double quotes": lambda text: _in_javascript(text, '"'),
    "JavaScript, template": lambda text: _in_javascript(text, "`"),
    "JavaScript of ours": lambda text: to_literal(text)[1:-1],
    "URL": lambda text: quote(text, safe=""),
    "URL, lower case": lambda text: _lower_hex(quote(text, safe="")),
    "URL, slashes kept": quote,
    "URL, slashes kept, lower case": lambda text: _lower_hex(quote(text)),
    "URL of a browser": lambda text: quote(text, safe="!'()*~"),
    "form": quote_plus,
    "URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "XML in a URL": lambda text: quote(escape_xml(text), safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    **{f"base64 of {user}:password": partial(_in_base64, user) for user in ("ab", "abc", "abcd")},
    "base64 in the middle": lambda text: base64.b64encode(f"u:{text}\n".encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"u:{text}".encode()).decode(),
    "base64 in a URL": lambda text: quote(base64.b64encode(f"us:{text}".encode()).decode(), safe=""),
    "base64 in JSON of PHP": lambda text: base64.b64encode(f"u:{text}".encode()).decode().replace("/", "\\/"),
}
