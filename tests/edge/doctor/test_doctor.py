"""The doctor names what is wrong and how to mend it, and changes nothing."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
import soundfile

from edge import clock, plugin
from edge.config import Config
from edge.consent import Consent
from edge.doctor import Finding, run_all
from edge.doctor import camera as camera_check
from edge.doctor import clock as clock_check
from edge.doctor import consent as consent_check
from edge.doctor import cpu as cpu_check
from edge.doctor import link as link_check
from edge.doctor import memory as memory_check
from edge.doctor import microphone as microphone_check
from edge.doctor import models as models_check
from edge.doctor import python as python_check
from edge.doctor import speaker as speaker_check
from tests.edge.sensors.sound_server import sound_server


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_every_check_gives_findings_with_a_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One check, one file; whatever is not well says what to do about it."""
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    found = list(
        run_all(
            Config(
                sensors=["camera://97", "mic://?device=nothing"],
                outputs=["speaker:nothing"],
                link={"bridges": ["grpc://[::1]:1"]},
            )
        )
    )
    assert {one.name for one in found} == set(plugin.names("edge.doctor"))
    assert all(one.mend for one in found if one.state != "ok")


def test_it_tells_what_is_perceived_and_what_keeps_more_from_it(tmp_path: Path) -> None:
    """No consent is no fault; one that was taken back is told, and a broken record is to be mended."""
    record = tmp_path / "c.jsonl"

    def found(**purpose: object) -> Finding:
        return only(consent_check.check(Config().updated(purpose={"consent_record": record, **purpose})))

    assert found() == Finding(
        "consent",
        "ok",
        "perceived: presence, attention and tiredness (nobody has consented to the reading of feelings)",
    )
    assert found(consent=True).what == "perceived: feelings, too, and words"
    Consent(record).write("affect", given=False)
    assert found(consent=True).what.startswith("perceived: presence, attention and tiredness, and words")
    Consent(record).write("affect", given=True)
    Consent(record).write("capture", given=False, person=2)
    one = found(consent=True)
    assert one.what.startswith("perceived: presence, attention and tiredness (somebody here withdrew their consent")
    Consent(record).write("capture", given=False)
    taken = found(consent=True)
    assert (taken.state, taken.mend) == ("warn", "where they agree again: `mien consent give`")
    record.write_text("{")
    broken = found(consent=True)
    assert broken.state == "fail"
    assert "line 1" in broken.what


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in one check does not hide the others."""

    def broken(config: Config) -> list[Finding]:
        raise ZeroDivisionError("why")

    monkeypatch.setattr(clock_check, "check", broken)
    found = {one.name: one for one in run_all(Config(sensors=["synthetic://"]))}
    assert (found["clock"].state, "ZeroDivisionError" in found["clock"].what) == ("fail", True)
    assert "python" in found


def test_a_camera_that_is_not_there() -> None:
    """No camera on this machine: the cause and the mend, apart."""
    found = only(camera_check.check(Config(sensors=["camera://97"])))
    assert (found.state, found.mend) == ("fail", "plug one in")
    assert "/dev/video97 is not there" in found.what


def test_a_camera_that_works() -> None:
    """Size and rate of what really comes are told."""
    found = only(camera_check.check(Config(sensors=["synthetic://?width=320&height=240&fps=10"])))
    assert (found.state, found.mend) == ("ok", None)
    assert "320×240, 10 pictures a second" in found.what


@pytest.mark.parametrize(("level", "noise", "words"), [(0, 0, "cover"), (255, 0, "cover"), (12, 8, "light")])
def test_a_covered_lens_and_the_dark_are_told_apart(tmp_path: Path, level: int, noise: int, words: str) -> None:
    """A picture in which no face can be seen is a warning, with the likely cause."""
    pixels = np.random.default_rng(1).integers(level - noise, level + noise + 1, (48, 64, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "picture.png"), pixels)
    found = only(camera_check.check(Config(sensors=[f"file://{tmp_path}/picture.png"])))
    assert found.state == "warn"
    assert words in (found.mend or "")


def test_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor's words may be pasted into a forum."""
    found = only(camera_check.check(Config(sensors=["rtsp://me:secret@127.0.0.1:1/x"])))
    assert found.state == "fail"
    assert "secret" not in f"{found}"


def test_no_portaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing library is named with its Debian package."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    found = only(microphone_check.check(Config(sensors=["mic://default"])))
    assert found.state == "fail"
    assert "libportaudio2" in (found.mend or "")


def test_a_muted_microphone_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A microphone that opens but hears nothing at all is most likely muted (a real one: the monitor of silence)."""
    with sound_server(monkeypatch):
        found = only(microphone_check.check(Config(sensors=["mic://default"])))
    assert (found.state, "unmute" in (found.mend or "")) == ("warn", True)


def test_a_speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether replies can be heard is known before the first one; a device without a speaker has nothing to check."""
    pytest.importorskip("sounddevice", exc_type=OSError, reason="PortAudio is not installed")
    found = only(speaker_check.check(Config(outputs=["stdout", "speaker:no such thing"])))
    assert (found.state, "no speaker 'no such thing'" in found.what) == ("fail", True)
    assert speaker_check.check(Config(outputs=["stdout"])) == []
    with sound_server(monkeypatch):
        assert only(speaker_check.check(Config(outputs=["speaker"]))).state == "ok"


def test_missing_and_corrupt_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that mends it stands there, ready to be copied; words are a must only where they are switched on."""
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    (tmp_path / "face_detector.tflite").write_bytes(b"not a model")
    device, words = models_check.check(Config())
    assert (device.state, words.state) == ("fail", "warn")
    assert "face_detector is corrupt" in device.what
    assert (device.mend or "").startswith("mien models pull ")
    assert models_check.check(Config(perceive={"words": True}))[1].state == "fail"
    assert len(models_check.check(Config(perceive={"words": False}))) == 1


def memory_root(root: Path, free_mb: int, limit: str | None = None) -> Path:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(f"MemTotal: {2 * free_mb * 1024} kB\nMemAvailable: {free_mb * 1024} kB\n")
    if limit is not None:
        (root / "sys/fs/cgroup").mkdir(parents=True)
        (root / "sys/fs/cgroup/memory.max").write_text(limit)
    return root


@pytest.mark.parametrize(
    ("free_mb", "limit", "words", "state", "mend"),
    [
        (2000, None, None, "ok", ""),
        (2000, "max", None, "ok", ""),
        (100, None, None, "fail", "end other programs"),
        (200, None, True, "fail", "words = false"),
        (4000, str(128 << 20), None, "fail", "container"),
        (512, None, None, "warn", "memory_mb = 512"),
    ],
)
def test_memory(tmp_path: Path, free_mb: int, limit: str | None, words: bool | None, state: str, mend: str) -> None:
    """What may be used counts, not what is built in: a container's limit is a limit."""
    config = Config(perceive={"words": words})
    found = only(memory_check.check(config, root=memory_root(tmp_path, free_mb, limit)))
    assert found.state == state
    assert mend in (found.mend or "")


def test_a_clock_in_1970(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that has not got the time yet is warned of, and fails where TLS needs it."""
    monkeypatch.setattr(clock, "clock_synced", lambda: False)
    assert only(clock_check.check(Config())).state == "warn"
    assert only(clock_check.check(Config(link={"bridges": ["grpcs://bridge:1"]}))).state == "fail"


def test_a_hot_processor(tmp_path: Path) -> None:
    """Heat is told before it is felt as dropped frames."""
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("85500\n")
    found = only(cpu_check.check(Config(), root=tmp_path))
    assert (found.state, "86 °C" in found.what) == ("warn", True)


def test_a_32_bit_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no engines for armv7: that is said at once, not by an import error."""
    monkeypatch.setattr(cpu_check.platform, "machine", lambda: "armv7l")
    assert only(cpu_check.check(Config())).state == "fail"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is told, without loading anything."""
    monkeypatch.setattr(python_check, "_NEEDED", ("numpy", "no_such_package", "no_such.package"))
    found = only(python_check.check(Config()))
    assert found.state == "fail"
    assert "no_such_package, no_such.package" in found.what


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that takes connections and says nothing, like a captive portal."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for one in kept:
        one.close()


def test_no_bridge_is_well() -> None:
    """A device may work alone."""
    assert only(link_check.check(Config())).state == "ok"


def test_a_bridge_that_answers() -> None:
    """A gRPC server is recognised by speaking HTTP/2, and no device says hello to it."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        found = link_check.check(Config(link={"bridges": ["grpc://127.0.0.1:1", f"grpc://127.0.0.1:{port}"]}))
    finally:
        server.stop(None)
    assert [one.state for one in found] == ["warn", "ok"]  # the second answers, so the first is no failure


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("grpc://127.0.0.1:1", "nothing listens"),
        ("grpc://no-such-name.invalid:1", "no machine is called"),
        ("grpc:/x", "is not a URI"),
        ("carrier-pigeon://x", "is not a URI"),
        ("pigeon://x:1", "no 'pigeon' among the transports"),
    ],
)
def test_each_way_to_miss_the_bridge_has_its_own_words(uri: str, words: str) -> None:
    """Refused, unknown name and a wrong URI need different mends."""
    found = only(link_check.check(Config(link={"bridges": [uri]})))
    assert found.state == "fail"
    assert words in found.what


class Far:
    """A connection to another machine."""

    def __enter__(self) -> Far:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.7", 1883


@pytest.mark.parametrize(("scheme", "state"), [("mqtt", "warn"), ("mqtts", "ok")])
def test_a_link_that_others_can_read_is_warned_of(monkeypatch: pytest.MonkeyPatch, scheme: str, state: str) -> None:
    """Feelings in the clear on a network are no secret; nor is the account's password told to whoever looks on."""
    monkeypatch.setattr(link_check.socket, "create_connection", lambda *_, **__: Far())
    found = only(link_check.check(Config(link={"bridges": [f"{scheme}://car-7:S3cret@broker:1883"]})))
    assert found.state == state
    assert ("without TLS" in found.what) == (state == "warn")
    assert f"{scheme}://broker:1883" in found.what
    assert "S3cret" not in f"{found.what} {found.mend}"


def test_something_else_listens_there(deaf_port: int) -> None:
    """A port that takes the connection but does not speak the contract is not called reachable."""
    found = only(link_check.check(Config(link={"bridges": [f"grpc://127.0.0.1:{deaf_port}"]})))
    assert (found.state, "does not speak gRPC" in found.what) == ("fail", True)


def test_a_missing_certificate_is_named(deaf_port: int, tmp_path: Path) -> None:
    """The file that cannot be read stands in the finding."""
    link = {"bridges": [f"grpcs://127.0.0.1:{deaf_port}"], "ca": str(tmp_path / "ca.pem")}
    found = only(link_check.check(Config(link=link)))
    assert found.state == "fail"
    assert "ca.pem" in found.what


def test_sound_of_a_file_is_no_microphone(tmp_path: Path) -> None:
    """A source that gives only sound is not reported as a broken camera."""
    soundfile.write(tmp_path / "sound.wav", np.zeros(16_000, np.float32), 16_000)
    found = only(camera_check.check(Config(sensors=[f"file://{tmp_path}/sound.wav"])))
    assert (found.state, found.mend) == ("warn", "name a camera, too, if faces are to be seen")
