"""The process that runs a GGUF model: llama.cpp's server inside `xllamacpp`, on a free port of this machine alone.

Run as `python llama_worker.py MODEL CONTEXT THREADS CACHE_FOLDER`; the API key comes in MIEN_LLAMA_KEY. Prints its
address as one JSON line when it serves, and ends when its standard input closes, so that it never outlives the bridge.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Load the model and serve until the parent goes."""
    import xllamacpp

    os.nice(5)  # the bridge's own loop, its voice and a device on this machine are quick, and go first
    model, context, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    cache = sys.argv[4]
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = context
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.fit_params = False  # the sizes above are chosen; probing memory costs a second
    params.n_batch = params.n_ubatch = 64  # whoever hangs up is noticed between batches only
    params.n_cache_reuse = 16  # tokens: what stays of a conversation when its oldest part goes is moved, not read again
    params.cache_ram_mib = 128  # prompts of other sessions that were pushed out of the one slot
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cpuparams.poll = 0  # sleep, do not spin: the device's own process may share these cores
    params.cpuparams_batch.poll = 0
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [os.environ["MIEN_LLAMA_KEY"]]
    if os.path.isdir(cache):
        params.slot_save_path = cache + os.sep
    params.ui = False
    params.verbosity = 0
    # llama.cpp writes its log to standard output, which here speaks to the parent: keep the pipe, send the log away.
    pipe = os.dup(1)
    os.dup2(2, 1)
    server = xllamacpp.Server(params)
    with os.fdopen(pipe, "w") as out:
        print(json.dumps({"address": server.listening_address}), file=out, flush=True)
        sys.stdin.read()
    os._exit(0)  # the server's threads would hold an ordinary exit for seconds


if __name__ == "__main__":
    main()
