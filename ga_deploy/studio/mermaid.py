"""A flow as a Mermaid diagram, for a README or a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.studio.definition import is_ours

if TYPE_CHECKING:
    from ga_deploy.studio.definition import Definition, Transition

_SHAPES = {
    "trigger": ("([", "])"),
    "split-based-on": ("{{", "}}"),
    "add-twiml-redirect": ("[/", "/]"),
    "run-function": ("[[", "]]"),
}


def draw_mermaid(definition: Definition) -> str:
    """Return `definition` as a Mermaid flow chart (text, one trailing newline).

    Every widget is a node, and every connected exit is an arrow with its event or its condition. Exits without a
    target are left out: the call ends there.
    """
    ids = {state["name"]: f"w{number}" for number, state in enumerate(definition["states"])}
    lines = ["flowchart TD"]
    for state in definition["states"]:
        opening, closing = _SHAPES.get(state["type"], ("[", "]"))
        lines.append(
            f'    {ids[state["name"]]}{opening}"{_escape(state["name"])}<br/>{_escape(state["type"])}"{closing}'
        )
    for state in definition["states"]:
        for transition in state["transitions"]:
            target = transition.get("next")
            if target:
                lines.append(f'    {ids[state["name"]]} -- "{_escape(_label(transition))}" --> {ids[target]}')
    ours = [ids[state["name"]] for state in definition["states"] if is_ours(state["name"])]
    if ours:
        lines += ["    classDef ours fill:#e8f0fe,stroke:#1a73e8", f"    class {','.join(ours)} ours"]
    return "\n".join(lines) + "\n"


def _label(transition: Transition) -> str:
    conditions = transition.get("conditions") or []
    return conditions[0].get("friendly_name") or transition["event"] if conditions else transition["event"]


def _escape(text: str) -> str:
    """Escape characters that end a quoted Mermaid label or start markup in it (Mermaid docs: entity codes)."""
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("\n", " ")):
        text = text.replace(character, entity)
    return text
