"""The camera of a topology."""

from __future__ import annotations

from framewire.capture import CaptureEvent, CaptureOptions, open_capture
from framewire.pipeline.node import Surroundings
from framewire.pipeline.nodes.source import SourceNode
from framewire.topology.nodes import RtspSource
from framewire.topology.parts import UsernamePasswordCredentials


def make_source(definition: RtspSource, surroundings: Surroundings, *, is_loop: bool) -> SourceNode:
    """The node for a source, which reads a camera, a file, a device or the synthetic scene."""
    endpoint = definition.endpoint
    user = password = None
    if isinstance(endpoint.credentials, UsernamePasswordCredentials):
        user = endpoint.credentials.username
        password = endpoint.credentials.password.get_secret_value()
    options = CaptureOptions(
        endpoint.url,
        user,
        password,
        definition.transport,
        loop=is_loop,
        in_real_time=not surroundings.is_lossless,
    )

    def tell(event: CaptureEvent) -> None:
        surroundings.tell(event.kind, "sources", definition.name, event.body)
        for detail in event.body.get("details", ()):
            surroundings.note(f"{definition.name}: {event.body['target']}: {detail['message']}")

    return SourceNode(definition.name, surroundings, lambda: open_capture(options, tell=tell))
