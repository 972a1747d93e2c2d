"""Messages to bytes and back. protobuf lives here and nowhere else."""

from framewire.wire.codec import decode, encode

SERVICE = "microsoft.azure.media.live_video_analytics.extensibility.grpc.v1.MediaGraphExtension"
"""Full name of the gRPC service (contract, section 1)."""

METHOD = "ProcessMediaStream"
"""Its one method, a bidirectional stream."""

METHOD_PATH = f"/{SERVICE}/{METHOD}"

__all__ = ["METHOD", "METHOD_PATH", "SERVICE", "decode", "encode"]
