"""The bridge as a process: ready line, answers by gRPC with a real model and voice, Ctrl-C, and clear errors."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from benchmarks.link_faults import free_port
from cloud_bridge.cli import main
from cloud_bridge.settings import Settings, without_tls
from edge.wire import mien_pb2 as pb
from models import card, store
from tests.sim.wait import until

BOOT = 4711
ENGINES = all(importlib.util.find_spec(name) for name in ("xllamacpp", "piper"))
FILES = all(store.location(card.read(name)).is_file() for name in ("llm_tiny", "tts_joe", "tts_joe_config"))
real = pytest.mark.skipif(not (ENGINES and FILES), reason="the small model and the voice are not here")


def bridge(*flags: str, **environment: str) -> subprocess.Popen[str]:
    """A bridge process on a free port."""
    return subprocess.Popen(
        [sys.executable, "-m", "cloud_bridge.cli", "--listen", "127.0.0.1:0", "--json", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, process.stderr.read() if process.stderr else ""
    return json.loads(text)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = bridge("--llm", "tiny", "--tts", "piper")
    try:
        yield process, line(process)
    finally:
        process.kill()
        process.communicate()


def talk(address: str, turns: list[tuple[int, str]], device: str = "test", boot: int = BOOT) -> list[list[pb.Reply]]:
    """Say each (kind, words) and collect the reply to each TURN_END."""
    answers: list[list[pb.Reply]] = []
    heard = threading.Event()
    state = pb.State(person=1, fused=pb.Affect(probs_pct=[5, 5, 80, 10], valence=-50, confidence_pct=80))

    def uplinks() -> Iterator[pb.Uplink]:
        yield pb.Uplink(hello=pb.Hello(v=1, device=device, boot=boot))
        for seq, (kind, words) in enumerate(turns, 1):
            yield pb.Uplink(
                envelope=pb.Envelope(
                    v=1,
                    device=device,
                    boot=boot,
                    seq=seq,
                    turn=1,
                    kind=kind,
                    words=words,
                    state=state,
                )
            )
        heard.wait(120)

    with grpc.insecure_channel(address) as channel:
        converse = channel.stream_stream(
            "/mien.v1.Mien/Converse",
            request_serializer=pb.Uplink.SerializeToString,
            response_deserializer=pb.Downlink.FromString,
        )
        try:
            for downlink in converse(uplinks(), timeout=120):
                if downlink.WhichOneof("body") == "reply":
                    if downlink.reply.chunk == 0:
                        answers.append([])
                    answers[-1].append(downlink.reply)
                    if downlink.reply.final:
                        break
        finally:
            heard.set()
    return answers


@real
def test_it_answers_a_device_with_a_real_model_and_voice(
    running: tuple[subprocess.Popen[str], dict[str, Any]],
) -> None:
    """Ready line, gRPC, an opening at once, the model's own words, sound with mouth shapes, times without content."""
    process, ready = running
    assert ready["event"] == "ready"
    assert "SmolLM2" in ready["llm"]
    (replies,) = talk(
        ready["listen"],
        [(pb.SPEECH_START, ""), (pb.TURN_MAYBE, "I miss my sister."), (pb.TURN_END, "I miss my sister.")],
    )
    assert [reply.chunk for reply in replies] == list(range(len(replies)))
    texts = [reply.text for reply in replies if reply.WhichOneof("kind") == "text"]
    assert texts[0].opening
    assert texts[0].tone == "sad"
    assert len(texts) > 1
    assert not texts[1].opening
    sound = b"".join(reply.audio.pcm16 for reply in replies)
    rate = next(reply.audio.sample_rate for reply in replies if reply.audio.sample_rate)
    assert len(sound) / 2 / rate > 1.0
    starts = [one.at_ms for reply in replies for one in reply.visemes.viseme]
    assert starts == sorted(starts)
    assert len(starts) > 10
    assert replies[-1].final
    told = line(process)
    assert told["event"] == "turn"
    assert told["outcome"] == "answered"
    assert told["speculative"]
    assert "sister" not in json.dumps(told)
    assert "sad" not in json.dumps(told)


@real
def test_a_turn_can_be_drawn_and_a_device_forgotten(
    running: tuple[subprocess.Popen[str], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A turn is in the history; `forget` erases it there and in the running bridge, whose model starts anew and goes on
    answering."""
    process, ready = running
    talk(ready["listen"], [(pb.TURN_END, "I miss my sister.")], "hall")
    assert line(process)["outcome"] == "answered"
    until(lambda: main(["trace", "--device", "hall", "--json"]) == 0)  # it is written behind
    traced = json.loads(capsys.readouterr().out)
    assert (traced["turn"], traced["outcome"]) == (1, "answered")
    assert "tone" not in traced, "nobody agreed that how they were is kept"
    assert {"model", "voice", "bridge"} <= {one["lane"] for one in traced["stages"]}
    assert main(["forget", "hall", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["proved"]
    assert told["history"]["removed"] > 0
    (held,) = (found for bridge, found in told["bridges"].items() if bridge.endswith(f":{ready['pid']}"))
    assert held["exchanges"] == 1
    assert main(["trace", "--device", "hall"]) == 2
    (replies,) = talk(ready["listen"], [(pb.TURN_END, "Hello again.")], "hall", BOOT + 1)
    assert replies[-1].final
    assert line(process)["outcome"] == "answered"


@real
def test_a_port_that_is_taken_is_one_clear_error(running: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    """The second bridge names the address and ends, without loading a model."""
    address = running[1]["listen"]
    second = subprocess.run(
        [sys.executable, "-m", "cloud_bridge.cli", "--listen", address, "--llm", "tiny", "--tts", "none"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert address in second.stderr


@real
def test_ctrl_c_ends_it_and_its_workers() -> None:
    """One Ctrl-C: status 0, a last line, and no process left behind."""
    process = bridge("--llm", "tiny", "--tts", "piper")
    line(process)
    workers = children(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert json.loads(out)["event"] == "stopped"
    assert "Traceback" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@real
def test_workers_do_not_outlive_a_bridge_that_was_killed() -> None:
    """Even kill -9 leaves no process that holds memory."""
    process = bridge("--llm", "tiny", "--tts", "piper")
    line(process)
    workers = children(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not any(alive(pid) for pid in workers))


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_missing_model_is_named_with_its_size_and_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is downloaded unasked: the size, the command and what avoids it are told."""
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    monkeypatch.delenv("MIEN_LLM", raising=False)
    assert main(["--listen", "127.0.0.1:0"]) == 1
    told = capsys.readouterr().err
    for hint in ("1.1 GB", "mien models pull llm_qwen15b", "MIEN_LLM=tiny", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        assert hint in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (["--llm", "gpt"], "there is auto, local, tiny"),
        (["--llm", "openai:"], "names no model"),
        (["--llm", "openai:m"], "OPENAI_API_KEY"),
        (["--llm", "anthropic:m"], "ANTHROPIC_API_KEY"),
        (["--llm", "openai:m@localhost"], "http://"),
        (["--llm", "openai:m@https://me:secret@host/v1"], "by its variable"),
        (["--llm", "openai:m@http://h/v1", "--tts", "openai:m"], "OPENAI_API_KEY"),
        (["--llm", "openai:m@http://h/v1", "--tts", "sing"], "there is auto, piper"),
        (["--listen", "nowhere"], "listen"),
        (["--listen", "127.0.0.1:99999"], "65535"),
        (["--enroll", "127.0.0.1:99999"], "65535"),
        (["--tls-cert", "a.pem"], "--tls-key"),
        (["--broker", "localhost"], "mqtt://HOST or mqtts://HOST"),
        (["--redis", "http://:secret@store/0"], "redis://HOST"),
        (["--broker", "mqtt://me:secret@localhost", "--llm", "openai:m@http://h/v1", "--tts", "none"], "PASSWORD"),
        (["--config", "none.toml"], "none.toml"),
        (["--token-file", "none.json"], "none.json"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(
    flags: list[str], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 and one line that names what is wrong and what there is."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MIEN_LLM"):
        monkeypatch.delenv(name, raising=False)
    assert main(["--listen", "127.0.0.1:0", *flags]) == 2
    told = capsys.readouterr().err
    assert hint in told
    assert "secret" not in told
    assert told.count("\n") == 1


def test_a_wrong_key_in_the_file_names_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error in a configuration is not silently ignored."""
    file = tmp_path / "bridge.toml"
    file.write_text('llmm = "tiny"\n')
    assert main(["--config", str(file)]) == 2
    told = capsys.readouterr().err
    assert "'llmm'" in told
    assert "llm, tts" in told


def test_secrets_that_others_can_read_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A token file must be its owner's alone."""
    file = tmp_path / "tokens.json"
    file.write_text('{"kitchen": "t"}')
    file.chmod(0o644)
    assert main(["--token-file", str(file), "--llm", "openai:m@http://h/v1"]) == 2
    assert "chmod 600" in capsys.readouterr().err


def test_an_open_network_needs_tls(capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond this machine nothing is listened on in the clear."""
    assert main(["--listen", f"0.0.0.0:{free_port()}", "--llm", "openai:m@http://h/v1", "--tts", "none"]) == 2
    assert "TLS" in capsys.readouterr().err


def test_what_leaves_this_machine_without_tls_is_told() -> None:
    """Once for each such address, by its setting; what stays here, or has TLS, is not."""
    settings = Settings(
        broker="mqtt://me@broker.local",
        redis="redis://127.0.0.1:6379/0",
        llm="openai:qwen3@http://ollama.local:11434/v1",
        tts="openai:tts@https://api.example/v1",
        handover="mqtt://desk.local/alarm",
    )
    assert [line.partition(" has ")[0] for line in without_tls(settings)] == [
        "broker: mqtt://broker.local",
        "llm: http://ollama.local:11434",
        "handover: mqtt://desk.local",
    ]
    assert without_tls(Settings()) == []


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` names the choices, their sizes and an example."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert "1.1 GB" in told
    assert "MIEN_LLM=tiny" in told
    assert "anthropic:MODEL" in told


@pytest.mark.parametrize("library", ["httpx", "httpx2", "mcp"])
def test_libraries_do_not_log_addresses_and_sessions(library: str, tmp_path: Path) -> None:
    """At the bridge's level they would name each call's address and the session that it belongs to."""
    logging.getLogger(library).setLevel(logging.NOTSET)
    assert main(["--config", str(tmp_path / "none.toml")]) == 2
    assert logging.getLogger(library).level == logging.WARNING


def test_a_turn_without_the_model_tells_why(tmp_path: Path) -> None:
    """Whoever gave a wrong address reads it on the terminal, not only `fallback`; what was said is not there."""
    dead = f"http://127.0.0.1:{free_port()}/v1"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "cloud_bridge.cli", "--listen", "127.0.0.1:0"),
            *("--llm", f"openai:m@{dead}", "--tts", "none"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "MIEN_STATE": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        talk(address, [(pb.TURN_END, "Nobody listened to me.")])
        told = process.stdout.readline()
        assert "WARNING turn 1: fallback (m at" in told
        assert "cannot be reached" in told
        assert "listened" not in told
    finally:
        process.kill()
        process.communicate()
