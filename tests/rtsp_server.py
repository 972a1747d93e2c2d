"""A small camera for tests: serves an MP4 or MOV over RTSP, once for each client that asks, and paced by its times.

Run with the system's Python: the bindings of GStreamer belong to it.

    /usr/bin/python3 tests/rtsp_server.py clip.mp4 [USER PASSWORD]
    /usr/bin/python3 tests/rtsp_server.py clip.mp4 --codec hevc

Prints the port when it is ready; the address is rtsp://127.0.0.1:PORT/clip. Exit code 77 means: not installed.
"""

import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as error:
    print(error, file=sys.stderr)
    sys.exit(77)

ROLE = "viewer"
PAYLOADERS = {"h264": "rtph264pay", "hevc": "h265parse ! rtph265pay", "mjpeg": "rtpjpegpay"}


def main(path, user=None, password=None):
    codec = "h264"
    if user == "--codec":
        user, password, codec = None, None, password
    payloader = PAYLOADERS[codec]
    Gst.init(None)
    missing = [name for name in ("qtdemux", *payloader.split(" ! ")) if Gst.ElementFactory.find(name) is None]
    if missing:
        print(f"GStreamer has no {' and no '.join(missing)}", file=sys.stderr)
        return 77
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f'( filesrc location="{path}" ! qtdemux ! {payloader} name=pay0 pt=96 )')
    if user is not None:
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", ROLE)
        auth = GstRtspServer.RTSPAuth()
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(ROLE, "media.factory.access", True)
        permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
