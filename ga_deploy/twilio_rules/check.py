"""Which rules a document breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.twilio_rules.rows import Break
from ga_deploy.twilio_rules.verbs import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ga_deploy.twilio_rules.rows import Element, Row


def find_breaks(elements: Iterable[Element], inside: tuple[str, ...] = ()) -> Iterator[Break]:
    """Yield what is broken in verbs and all that is in them. `inside` names the elements around them, outermost first.

    An attribute that is absent or empty breaks nothing, unless it is required. Children of a Say are markup of speech.
    """
    for element in elements:
        path = (*inside, element.name)
        yield from (one for row in ROWS if _is_about(row, path) for one in _apply(row, element))
        if element.name != "Say":
            yield from find_breaks(element.children, path)


def list_rows(element: str, attribute: str | None = None) -> tuple[Row, ...]:
    """Return the rows of an element (`Dial`, `Enqueue/Task`), in all or of one attribute."""
    path = tuple(element.split("/"))
    return tuple(row for row in ROWS if _is_about(row, path) and attribute in {None, row.attribute})


def find_value_fault(element: str, attribute: str, text: str) -> str:
    """Return what is wrong with a value of an attribute (`Dial`, `timeLimit`), for whoever has no document yet."""
    faults = (row.value.find_fault(text) for row in list_rows(element, attribute))
    return next((fault for fault in faults if fault), "")


def _is_about(row: Row, path: tuple[str, ...]) -> bool:
    names = tuple(row.element.split("/"))
    return path[-len(names) :] == names


def _apply(row: Row, element: Element) -> Iterator[Break]:
    if row.find_fault:
        if not row.attribute or row.required or row.attribute in element.attributes:
            fault = row.find_fault(element)
            if fault:
                yield Break(row, fault, element)
        return
    text = element.attributes.get(row.attribute, "") if row.attribute else element.text
    fault = row.value.find_fault(text) if text else ""
    if fault:
        name = f"{element.name}: `{row.attribute}`" if row.attribute else f"{element.name}: its text"
        yield Break(row, f"{name} {fault}", element)
