"""A contact centre's queue as a destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ga_deploy.config.destinations.base import Destination, SecretVariables
from ga_deploy.config.queue import Queue, locate_lookups
from ga_deploy.config.settings_shapes import write_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.values import Value
    from ga_deploy.yaml_tree.tree import Keys


class EnqueueDestination(Destination):
    """A contact centre's queue."""

    kind: ClassVar[str] = "enqueue"
    one_of: ClassVar[frozenset[str]] = frozenset({"queue", "workflow_sid"})

    enqueue: Queue

    @property
    def address(self) -> str:
        """The name of the queue, or the SID of the workflow."""
        return self.enqueue.queue or self.enqueue.workflow_sid or ""

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return the queue, or the workflow with its task."""
        return write_queue(self.enqueue)

    def lookups(self) -> Iterator[tuple[Keys, Value]]:
        """Yield the lookups in the task's attributes."""
        yield from locate_lookups(self.enqueue.attributes, ("enqueue", "attributes"))
