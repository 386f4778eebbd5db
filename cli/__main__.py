"""`pilot`, and `python -m cli`."""

from __future__ import annotations

import gc
import os
import signal
import sys

# until `main` is there to answer it, Ctrl-C ends the process as it ends any program: without a traceback
signal.signal(signal.SIGINT, signal.SIG_DFL)

# gRPC warns on standard error when a process with a channel starts another one; we never use a channel in a child
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# gRPC prints what it also raises; an error is told once
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# NumPy's BLAS starts a thread per core, and spins in it; the scheduler's columns ask nothing of BLAS
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# what starting makes, and what a cluster holds, stays: to walk it all after every 700 new objects is a tenth of the CPU
gc.set_threshold(10_000)

from cli.main import main  # noqa: E402  # after what must be set before anything is imported

if __name__ == "__main__":
    sys.exit(main())
