"""Write docs/unverified.md: what is assumed about Twilio and ASAPP, from the rule book and docs/assumptions.yaml.

python scripts/make_rule_pages.py
"""

from __future__ import annotations

from pathlib import Path

import yaml

from ga_deploy.twilio_rules.behaviour import BEHAVIOURS
from ga_deploy.twilio_rules.rows import Sure
from ga_deploy.twilio_rules.verbs import ROWS

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# Not yet verified on a real account

<!-- Made by scripts/make_rule_pages.py from ga_deploy/twilio_rules and docs/assumptions.yaml: change those. -->

ga-deploy was built without access to a Twilio or an ASAPP account. What it relies on comes from published descriptions;
each row below is something that no document states for certain. Where it matters, the behaviour is configurable or the
code copes with either answer. Tick a row off by running its check and writing down the date and the result.
"""

TABLE = """
## {title}

| what | where it matters | how to check on a real account |
| --- | --- | --- |
"""

RULES_HEAD = """# What Twilio's voice platform takes

<!-- Made by scripts/make_rule_pages.py from ga_deploy/twilio_rules: change that. -->

The rules that `validate` and `simulate` hold TwiML to, with their sources: the titles of Twilio's pages, "error N" for
the page of that error, "npm" for Twilio's own package. What is `assumed` stands in [unverified.md](../unverified.md)
with a check.

| element, attribute | what it takes | otherwise | source | how sure |
| --- | --- | --- | --- | --- |
"""

BEHAVIOUR_HEAD = """
## What Twilio does

| what | source |
| --- | --- |
"""

VOICE = "Twilio's voice platform"
TITLES = {
    "functions": "Twilio's functions, as the emulator plays them",
    "deploying": "Deploying",
    "studio": "Studio",
    "asapp": "ASAPP",
    "here": "The machine that simulates",
}


def list_assumptions() -> dict[str, list[tuple[str, str, str]]]:
    """Return what is assumed by section: what, where it matters, how to check."""
    written = yaml.safe_load((DOCS / "assumptions.yaml").read_text(encoding="utf-8"))
    rules = [(f"`<{row.element.replace('/', '><')}>`: {_name(row.attribute)}{row.rule}", row.matters, row.check)
             for row in ROWS if row.sure is Sure.ASSUMED]  # fmt: skip
    voice = [(one.what, one.matters, one.check) for one in BEHAVIOURS if one.sure is Sure.ASSUMED]
    return {VOICE: [*rules, *voice]} | {
        TITLES[section]: [(row["what"], row["matters"], row["check"]) for row in rows]
        for section, rows in written.items()
    }


def write_unverified() -> str:
    """Return docs/unverified.md."""
    parts = [HEAD]
    for title, rows in list_assumptions().items():
        parts.append(TABLE.format(title=title))
        parts += ["| " + " | ".join(row) + " |\n" for row in rows]
    return "".join(parts)


def write_rules() -> str:
    """Return docs/reference/twilio-rules.md."""
    parts = [RULES_HEAD]
    for row in ROWS:
        what = f"`<{row.element.replace('/', '><')}>`" + (f" `{row.attribute}`" if row.attribute else "")
        code = f" ({row.code})" if row.code else ""
        parts.append(f"| {what} | {row.rule} | {row.broken}{code} | {row.source} | {row.sure} |\n")
    parts.append(BEHAVIOUR_HEAD)
    parts += [f"| {one.what} | {one.source} |\n" for one in BEHAVIOURS if one.sure is not Sure.ASSUMED]
    return "".join(parts)


def _name(attribute: str) -> str:
    return f"`{attribute}` " if attribute else ""


if __name__ == "__main__":
    (DOCS / "unverified.md").write_text(write_unverified(), encoding="utf-8")
    (DOCS / "reference" / "twilio-rules.md").write_text(write_rules(), encoding="utf-8")
