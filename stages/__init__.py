"""The stages of the pipeline, each run as `python -m stages.NAME`.

All stages compute alike on every x86 machine: with AVX2, which nearly all have, without what only
newer ones have, and with one thread. Otherwise the order of additions would differ from machine to
machine, and with it the last digits, which training then makes large. One thread is also unharmed
by whatever else runs: two that wait for each other lose most of their time beside a third. Whoever
sets one of these variables overrules it.

Nothing that runs here reports to anybody: onnxruntime would, unless told before it is imported.
"""

import os
import platform
import sys

from stages.common.errors import tell_interrupt

ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OMP_NUM_THREADS": "1",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}

if platform.machine() in ("x86_64", "AMD64"):
    for _name, _value in ARITHMETIC.items():
        os.environ.setdefault(_name, _value)

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# So Python calls the command while it looks for the module that `-m` names.
if sys.argv[0] == "-m":
    sys.excepthook = tell_interrupt
