"""Network cameras over real sockets: MJPEG by HTTP and MPEG-TS by RTSP, their ends and their silences."""

from __future__ import annotations

import base64
import contextlib
import http.server
import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import clock
from edge.errors import MediaError, SensorMissing
from edge.sensors.base import Resting, Sensor, from_text
from edge.types import AudioFrame, VideoFrame
from tests.edge.sensors.media import make, read_nothing


class Camera(http.server.BaseHTTPRequestHandler):
    """As a phone's webcam app: one part per picture, for ever. `/short` ends, `/silent` stops sending."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>" * 2000)
            return
        if (
            self.path == "/locked"
            and self.headers.get("Authorization") != f"Basic {base64.b64encode(b'me:pw').decode()}"
        ):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        if self.path not in {"/video", "/short", "/silent", "/locked"}:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for index in range(12 if self.path in {"/short", "/silent"} else 10_000):
                jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 20 * (index % 12), np.uint8))[1].tobytes()
                if index == 5:
                    jpeg = jpeg[:150]  # broken on the way
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                self.wfile.write(head + jpeg + b"\r\n")
                self.wfile.flush()
                time.sleep(0.05)
            if self.path == "/silent":
                self.server.released.wait(30)  # type: ignore[attr-defined]
        except OSError:
            pass


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    server.released = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.released.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_mjpeg_pictures_arrive_with_their_time(address: str) -> None:
    """Each picture bears its time of arrival, since MJPEG has no stamps; a broken one is skipped and counted."""
    camera = from_text(f"http://{address}/video")
    camera.open()
    assert (camera.has_audio, camera.has_video) == (False, True)
    seen: list[VideoFrame] = []
    while len(seen) < 14:
        frame = camera.read(1.0)
        assert isinstance(frame, VideoFrame)
        assert -0.01 < clock.now_s() - frame.t_s < 1.0
        seen.append(frame)
    # The first picture may be spent on finding out what the stream is.
    assert [round(one.pixels.mean() / 20) for one in seen[:8]] in ([0, 1, 2, 3, 4, 6, 7, 8], [1, 2, 3, 4, 6, 7, 8, 9])
    assert camera.damaged == 1
    assert all(after.t_s > one.t_s for one, after in itertools.pairwise(seen))
    camera.close()
    camera.close()


def read_on(camera: Sensor) -> None:
    pictures = 0
    while pictures < 100:
        pictures += camera.read(1.0) is not None


def test_the_end_of_a_stream_is_an_error(address: str) -> None:
    """A live camera has no end: when it hangs up it is missing, and worth reopening."""
    camera = from_text(f"http://{address}/short")
    camera.open()
    with pytest.raises(SensorMissing, match=r"broke off.*is the camera on"):
        read_on(camera)
    camera.close()


def test_a_camera_that_falls_silent_is_told(address: str) -> None:
    """A connection that stays but carries nothing does not hold the reader for ever."""
    camera = from_text(f"http://{address}/silent")
    camera.open()
    with pytest.raises(SensorMissing, match="fell silent"):
        read_on(camera)
    camera.close()


def test_user_and_password_of_the_address_are_used_and_hidden(address: str) -> None:
    """They are sent to the camera, and shown nowhere; not in the names of frames, nor in what an error says."""
    camera = from_text(f"http://me:pw@{address}/locked")
    camera.open()
    frame = camera.read(1.0)
    assert frame is not None
    assert "pw" not in frame.source + camera.uri
    camera.close()
    with pytest.raises(SensorMissing, match="give user and password") as refused:
        from_text(f"http://me:wrong-pw@{address}/locked").open()
    assert "wrong-pw" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(("path", "words"), [("/nowhere", "check the path"), ("/page", "page")])
def test_wrong_addresses(address: str, path: str, words: str) -> None:
    """A wrong path and a page that is no stream are told at open."""
    with pytest.raises((SensorMissing, MediaError), match=words):
        from_text(f"http://{address}{path}").open()


def test_nothing_listens() -> None:
    """No camera at this address: said at once, with the mend."""
    with pytest.raises(SensorMissing, match=r"cannot be reached \(Connection refused\): check its address"):
        from_text("rtsp://127.0.0.1:1/live").open()


@contextmanager
def rtsp_camera(stream: bytes) -> Iterator[int]:
    """A camera that speaks RTSP (RFC 2326) over TCP and sends `stream`, an MPEG-TS, as RTP type 33 (RFC 2250)."""

    def serve(server: socket.socket) -> None:
        try:
            link, _ = server.accept()
        except OSError:
            return
        with link, link.makefile("rb") as lines:
            while True:
                request = []
                try:
                    while (line := lines.readline().strip()) != b"":
                        request.append(line.decode())
                except ConnectionError:  # the reader hung up, as a reader may
                    return
                if not request:
                    return
                sequence = next(one for one in request if one.lower().startswith("cseq"))
                extra, body = "", ""
                method = request[0].split()[0]
                if method == "DESCRIBE":
                    body = "v=0\r\no=- 0 0 IN IP4 0\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
                    extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                elif method == "SETUP":
                    extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7\r\n"
                elif method == "OPTIONS":
                    extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
                with contextlib.suppress(OSError):
                    link.sendall(f"RTSP/1.0 200 OK\r\n{sequence}\r\n{extra}\r\n{body}".encode())
                if method == "PLAY":
                    play(link)

    def play(link: socket.socket) -> None:
        for number, start in enumerate(range(0, len(stream), 7 * 188)):
            packet = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, number * 900, 1) + stream[start : start + 7 * 188]
            try:
                link.sendall(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)
            except OSError:
                return
            time.sleep(0.001)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def test_rtsp_gives_sound_and_picture_on_our_clock(tmp_path: Path) -> None:
    """A camera with a microphone: both come, on one clock that is ours."""
    stream = make(tmp_path / "a.ts", video="mpeg2video", audio="mp2", rate=32_000, seconds=6).read_bytes()
    with rtsp_camera(stream) as port:
        camera = from_text(f"rtsp://127.0.0.1:{port}/live?channel=1")
        camera.open()
        assert (camera.has_audio, camera.has_video) == (True, True)
        heard: list[AudioFrame] = []
        seen: list[VideoFrame] = []
        while len(heard) < 60 or len(seen) < 50:
            frame = camera.read(5.0)
            if isinstance(frame, AudioFrame):
                heard.append(frame)
            elif isinstance(frame, VideoFrame):
                seen.append(frame)
        camera.close()
    assert seen[0].pixels.shape == (120, 160, 3)
    assert all(len(one.samples) == 512 for one in heard)
    tone = np.concatenate([one.samples for one in heard])[4000:20_000]
    assert np.abs(np.fft.rfft(tone)).argmax() == 1000
    assert seen[-1].t_s <= clock.now_s() + 0.01


def test_while_nobody_wants_pictures_mjpeg_is_not_decoded(address: str) -> None:
    """Not even the broken picture is noticed; the stream's end is."""
    camera = from_text(f"http://{address}/short")
    assert isinstance(camera, Resting)
    camera.open()
    camera.rest(float("inf"))
    with pytest.raises(SensorMissing, match="is the camera on"):
        read_nothing(camera)
    assert camera.damaged == 0
    camera.close()


def test_while_nobody_wants_pictures_sound_comes_as_always(tmp_path: Path) -> None:
    """Pictures that others build upon are decoded, and left out."""
    stream = make(tmp_path / "a.ts", video="mpeg2video", audio="mp2", rate=32_000, seconds=6).read_bytes()
    with rtsp_camera(stream) as port:
        camera = from_text(f"rtsp://127.0.0.1:{port}/live?channel=1")
        assert isinstance(camera, Resting)
        camera.open()
        camera.rest(float("inf"))
        frames = [frame for frame in (camera.read(5.0) for _ in range(40)) if frame is not None]
        assert len(frames) > 20
        assert all(isinstance(frame, AudioFrame) for frame in frames)
        camera.rest(float("-inf"))
        assert any(isinstance(camera.read(5.0), VideoFrame) for _ in range(60))
        camera.close()
