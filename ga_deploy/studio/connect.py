"""The widgets that send a call to a destination: the one place where Studio knows the kinds of destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.destinations import EnqueueDestination, NumberDestination, RedirectDestination, SipDestination
from ga_deploy.config.destinations.dialled import DialledDestination
from ga_deploy.studio import widgets
from ga_deploy.studio.canvas import safe_name
from ga_deploy.studio.liquid import TRANSFER_RESULT, is_plain, write_attributes, write_query

if TYPE_CHECKING:
    from ga_deploy.config.destinations import Destination
    from ga_deploy.studio.canvas import Canvas, Cell


def connect(
    canvas: Canvas, stem: str, name: str, target: Destination, place: Cell, following: str | None
) -> str | None:
    """Add the widgets that send a call to the destination `name`, and return the first one's name.

    None, and nothing is added, when no widget can do it: then the functions have to. `stem` begins the names of the
    widgets; `following` is the widget for a call that comes back.
    """
    widget = canvas.free_name(f"{stem}_to_{safe_name(name)}")
    if target.hours is not None:
        return None
    if isinstance(target, EnqueueDestination):
        queue = _queue(name, target)
        return canvas.put(widgets.enqueue(widget, queue, following), place) if queue is not None else None
    if isinstance(target, RedirectDestination):
        url = _redirect_url(target)
        if url is None:
            return None
        return canvas.put(widgets.redirect(widget, url, {"fail": following}, timeout=widgets.NEVER_RETURNS), place)
    properties = _dial(target)
    if properties is None:
        return None
    column, row = place
    status = f"{{{{widgets.{widget}.DialCallStatus}}}}"
    # Only these two results are certain to be an answer; after any other the caller still needs somebody.
    answered = widgets.match("was connected", status, "completed,answered", None, kind="matches_any_of")
    split = canvas.free_name(f"{stem}_status_{safe_name(name)}")
    judged = canvas.put(widgets.split(split, status, [answered], otherwise=following), (column, row + 1))
    return canvas.put(widgets.connect(widget, properties, judged), place)


def _redirect_url(target: RedirectDestination) -> str | None:
    """Return the URL with its parameters; None when only the functions can fill them in."""
    query = write_query(target.params)
    if query is None or not is_plain(target.redirect):
        return None
    return f"{target.redirect}{'&' if '?' in target.redirect else '?'}{query}" if query else target.redirect


def _queue(name: str, target: EnqueueDestination) -> dict[str, object] | None:
    """Return the properties of the widget that queues a call; None when only the functions can write them."""
    queue = target.enqueue
    texts = (queue.queue or "", queue.wait_url or "")
    attributes = write_attributes(name, queue.attributes) if queue.workflow_sid else None
    if not all(is_plain(text) for text in texts) or (queue.workflow_sid and attributes is None):
        return None
    properties = {
        "queue_name": queue.queue,
        "workflow_sid": queue.workflow_sid,
        "task_attributes": attributes,
        "priority": queue.priority,
        "timeout": queue.timeout,
        "wait_url": queue.wait_url,
    }
    return {key: value for key, value in properties.items() if value is not None}


def _dial(target: Destination) -> dict[str, object] | None:
    """Return the properties of the widget that dials; None when it cannot do what the destination needs.

    The widget has no time limit and no answer on bridge; it can record or not, but not choose how.
    """
    if not isinstance(target, DialledDestination):
        return None
    if target.answer_on_bridge or target.time_limit is not None or target.is_recorded:
        return None
    common = {"caller_id": _caller_id(target.caller_id), "timeout": target.timeout}
    if isinstance(target, NumberDestination):
        return {"noun": "number", "to": target.number, **common}
    # Everybody who can read the flow could read a password in its definition.
    if isinstance(target, SipDestination) and not target.headers and target.password is None and is_plain(target.sip):
        return {"noun": "sip", "sip_endpoint": target.sip, **common}
    return None


def _caller_id(rule: str) -> str:
    # call-transfer knows withheld numbers, calls without any number, and who placed the call.
    known = f"{{{{{TRANSFER_RESULT}.callerId.{rule} | default: trigger.call.To}}}}"
    return known if rule in {"called", "caller"} else rule
