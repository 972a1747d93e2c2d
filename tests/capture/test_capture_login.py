"""User and password on their way into the URL."""

import pytest

from framewire.capture import CaptureOptions
from framewire.capture.login import with_login
from framewire.errors import ConfigurationError


@pytest.mark.parametrize(
    ("address", "user", "password", "wanted"),
    [
        ("rtsp://camera/live", None, None, "rtsp://camera/live"),
        ("rtsp://camera", "admin", "secret", "rtsp://admin:secret@camera"),
        ("rtsp://camera:554/live?x=1", "admin", None, "rtsp://admin@camera:554/live?x=1"),
        ("rtsp://camera/live", "a@b:c", "p@s/s:%?#", "rtsp://a%40b%3Ac:p%40s%2Fs%3A%25%3F%23@camera/live"),
        ("rtsp://camera/live", "jürgen", "schlüssel", "rtsp://j%C3%BCrgen:schl%C3%BCssel@camera/live"),
        ("rtsp://old:pass@camera/live", "new", "word", "rtsp://new:word@camera/live"),
        ("rtsp://admin:p%40ss@camera/live", None, None, "rtsp://admin:p%40ss@camera/live"),
        ("rtsp://admin:p@ss@camera/live", None, None, "rtsp://admin:p%40ss@camera/live"),
        ("rtsp://us%40er:x@camera/live", None, None, "rtsp://us%40er:x@camera/live"),
        ("rtsp://admin:@camera/live", None, None, "rtsp://admin:@camera/live"),
        ("rtsp://camera/live@2", None, None, "rtsp://camera/live@2"),
        ("rtsp://camera/live@2", "admin", "x", "rtsp://admin:x@camera/live@2"),
        ("rtsp://[fe80::1]:554/live", "admin", "x", "rtsp://admin:x@[fe80::1]:554/live"),
        ("rtsp://camera/live", "", "", "rtsp://:@camera/live"),
    ],
)
def test_a_url_gets_what_the_camera_wants(address: str, user: str | None, password: str | None, wanted: str) -> None:
    assert with_login(address, user, password) == wanted


def test_a_password_without_a_user_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="a password is given and no user") as refused:
        with_login("rtsp://camera/", None, "geheim")
    assert "geheim" not in str(refused.value)


def test_a_password_that_ffmpeg_would_cut_off_is_refused_without_showing_it() -> None:
    assert with_login("rtsp://camera/", "u", "x" * 125).startswith("rtsp://u:xxx")
    with pytest.raises(ConfigurationError, match="take 128 characters in a URL; allowed: 127") as refused:
        with_login("rtsp://camera/", "u", "x" * 126)
    assert "xxx" not in str(refused.value)


def test_the_options_do_not_show_the_password() -> None:
    assert "geheim" not in repr(CaptureOptions("rtsp://camera/", user="admin", password="geheim"))
