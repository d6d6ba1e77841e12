"""Extensions: a scheme is a file name; what is not there is named with what is."""

from __future__ import annotations

import pytest

from edge import plugin
from edge.errors import PluginError
from edge.plugin import Uri


def test_a_uri_is_taken_apart() -> None:
    """Host, port, path and query."""
    uri = Uri.parse("mqtts://broker.local:8883/fleet?tenant=a&keepalive=30")
    assert (uri.scheme, uri.host, uri.port, uri.path) == ("mqtts", "broker.local", 8883, "/fleet")
    assert uri.query == {"tenant": "a", "keepalive": "30"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mqtts://car-7:S3cret@broker.local:8883?tenant=acme", "mqtts://broker.local:8883"),
        ("mqtt://car-7:S3cret@broker.local", "mqtt://broker.local"),
        ("grpc://[::1]:50051", "grpc://[::1]:50051"),
    ],
)
def test_what_is_shown_of_a_uri_holds_no_password(text: str, shown: str) -> None:
    """Messages and logs name the place alone."""
    assert Uri.parse(text).shown == shown


def test_a_file_path_may_hold_anything() -> None:
    """Spaces, question marks and relative paths survive."""
    assert Uri.parse("file://my clips/what?.mp4").path == "my clips/what?.mp4"
    assert Uri.parse("file:///tmp/a#b.wav").path == "/tmp/a#b.wav"


@pytest.mark.parametrize("text", ["clip.mp4", "://x", "grpc://host:port", "grpc://host:99999"])
def test_what_is_no_uri_is_refused_with_an_example(text: str) -> None:
    """A wrong URI is one clear error."""
    with pytest.raises(PluginError):
        Uri.parse(text)


def test_a_refused_uri_does_not_tell_its_password() -> None:
    """What is wrong with it ends in a log of the service."""
    with pytest.raises(PluginError, match="port") as refused:
        Uri.parse("mqtt://car-7:S3cret@broker.local:99999")
    assert "S3cret" not in str(refused.value)


def test_an_unknown_scheme_lists_the_known_ones() -> None:
    """The error teaches."""
    with pytest.raises(PluginError, match="file"):
        plugin.load("edge.sensors", "carrier_pigeon")
    assert "base" not in plugin.names("edge.sensors")
