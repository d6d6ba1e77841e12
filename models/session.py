"""One way to run a network, whatever engine holds it, with the settings that a small board needs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models import store
from models.errors import InputError, ModelCorrupt, RuntimeMissing

Array = npt.NDArray[Any]


class Session(Protocol):
    """A loaded network. `inputs` and `outputs` are names, in the order that `run` takes and gives them."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""

    def run(self, *arrays: Array) -> Sequence[Array]:
        """One forward pass. Raises InputError where shapes or types do not fit."""


def open_model(name: str, *, threads: int = 1) -> Session:
    """A session of the model that card `name` describes. Raises ModelError."""
    return open_session(store.path(name), threads=threads)


def open_session(file: Path, *, threads: int = 1) -> Session:
    """A session of an `.onnx`/`.ort` (ONNX Runtime) or `.tflite` (LiteRT) file.

    Raises RuntimeMissing where the engine is not installed, ModelCorrupt where it cannot read the file.
    """
    if file.suffix == ".tflite":
        return _LiteRt(file, threads)
    return _Onnx(file, threads)


class _Onnx:
    def __init__(self, file: Path, threads: int) -> None:
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise RuntimeMissing(f"{file.name} needs ONNX Runtime: pip install 'mien[edge]'") from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.enable_cpu_mem_arena = False  # an arena keeps the largest pass's memory for ever
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning starves a small board
        # Without this, int8 products overflow unseen on x86 without VNNI: end_of_turn got 22 % of its decisions wrong.
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the engine's exception types are private
            raise ModelCorrupt(f"ONNX Runtime cannot read {file}: {_first_line(error)}") from error
        give_back_memory()
        self._invalid = ort.capi.onnxruntime_pybind11_state.InvalidArgument
        self.inputs = tuple(node.name for node in self._session.get_inputs())
        self.outputs = tuple(node.name for node in self._session.get_outputs())

    def run(self, *arrays: Array) -> Sequence[Array]:
        try:
            found: Sequence[Array] = self._session.run(None, dict(zip(self.inputs, arrays, strict=True)))
        except (self._invalid, ValueError, RuntimeError) as error:
            raise InputError(f"the network takes {self.inputs}: {_first_line(error)}") from error
        return found


class _LiteRt:
    def __init__(self, file: Path, threads: int) -> None:
        interpreter = _litert_interpreter(file)
        try:
            with _without_greeting():
                self._net = interpreter(model_path=str(file), num_threads=threads)
                self._net.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelCorrupt(f"LiteRT cannot read {file}: {_first_line(error)}") from error
        give_back_memory()
        self._in = self._net.get_input_details()
        self._out = self._net.get_output_details()
        self.inputs = tuple(str(one["name"]) for one in self._in)
        self.outputs = tuple(str(one["name"]) for one in self._out)

    def run(self, *arrays: Array) -> Sequence[Array]:
        try:
            for detail, array in zip(self._in, arrays, strict=True):
                self._net.set_tensor(detail["index"], np.ascontiguousarray(array))
        except ValueError as error:
            raise InputError(f"the network takes {self.inputs}: {_first_line(error)}") from error
        self._net.invoke()
        return [self._net.get_tensor(detail["index"]) for detail in self._out]


def give_back_memory() -> None:
    """Return to the system what was freed: loading a network, or a large pass, leaves tens of MB with the C library."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


_MADV_DONTNEED = 4  # madvise(2)


def give_back_pages() -> None:
    """Return to the system the library pages that loading touched; call it when something was loaded.

    Some 40 MB of code run once: readers of model files, graph optimizers, import. What is needed again comes back from
    the file, mostly out of the system's cache.
    """
    with contextlib.suppress(OSError, AttributeError):  # Linux alone tells its mappings like this
        smaps = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")
        libc = ctypes.CDLL(None)
        for begin, end in as_in_their_file(smaps, Path(np.__file__).parents[1]):
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)


def as_in_their_file(smaps: str, packages: Path) -> Iterator[tuple[int, int]]:
    """Begin and end of each mapping in `smaps` (proc(5)) whose pages may go: they can come back as they were.

    Those that nobody may write and of which the process holds no page of its own, of libraries under the folder
    `packages`: Python unloads none, while the system's (a sound driver's) may go at any time, and others take their
    place. A mapping of which nothing is in memory is left out: an emulator that cannot tell writes zeros.
    """
    begin = end = 0
    for line in smaps.splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):  # the head of a mapping: ADDRESSES rights offset device inode path
            file = Path(rest[4] if len(rest) >= 5 else "")
            library = ".so" in file.suffixes and file.is_relative_to(packages)
            begin, end = (int(one, 16) for one in name.split("-")) if library and "w" not in rest[0] else (0, 0)
        elif (name == "Rss:" and rest[0] == "0") or (name == "Anonymous:" and rest[0] != "0"):
            end = 0
        elif name == "Anonymous:" and end:
            yield begin, end


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # mallopt(3)


def share_memory() -> None:
    """Let all threads of this process allocate from one place; call it first, in a process of our own only.

    glibc gives each thread an arena of its own, and each keeps what its largest pass took: 20 to 30 MB in all. One
    fixed limit above a picture's size keeps pictures out of mmap, whose fresh pages cost more than turning the colours.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, 1 << 20), (_M_TRIM_THRESHOLD, 1 << 19)):
            libc.mallopt(option, value)


def _litert_interpreter(file: Path) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter  # JetPack and older images have this one
        except ImportError as error:
            raise RuntimeMissing(f"{file.name} needs LiteRT: pip install 'mien[edge]'") from error
    return Interpreter


_STDERR = threading.Lock()


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """LiteRT writes `INFO: Created … delegate` to standard error, past any logging; all else is passed on."""
    with _STDERR, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            other = b"".join(line for line in held if not line.startswith(b"INFO: "))
            os.write(2, other)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
