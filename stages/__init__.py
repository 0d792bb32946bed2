"""The stages of the pipeline, each run as `python -m stages.NAME`.

All stages compute alike on every x86 machine: with AVX2, which nearly all have, without what only
newer ones have, and with two threads. Otherwise the order of additions would differ from machine to
machine, and with it the last digits, which training then makes large. Whoever sets one of these
variables overrules it.

An interrupt is told in one line also while a stage still imports what it needs, which takes
seconds.
"""

import os
import platform
import signal
import sys
from types import TracebackType

ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OMP_NUM_THREADS": "2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}

if platform.machine() in ("x86_64", "AMD64"):
    for _name, _value in ARITHMETIC.items():
        os.environ.setdefault(_name, _value)


def _tell_unhandled(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("\ninterrupted", file=sys.stderr)
    sys.exit(128 + signal.SIGINT)


sys.excepthook = _tell_unhandled
