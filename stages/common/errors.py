"""How a command of this project ends: done, wrong input told in one message, or interrupted."""

import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT


class InputError(Exception):
    """What a person gave can't be used; the text says what is wrong, where, and what to do."""


def run(command: Callable[[], None]) -> NoReturn:
    """Run a command's main function and exit.

    Exit status: 0 done; 1 bad input, told in one message on standard error without a traceback;
    130 interrupted, told in a line. Any other exception is a fault of the program and keeps its
    traceback.
    """
    tell_interrupts()
    try:
        command()
    except InputError as error:
        sys.exit(f"error: {error}")
    sys.exit(0)


def tell_interrupts() -> None:
    """Tell an interrupt in a line from now on, also while a command imports what it needs."""
    sys.excepthook = _tell_unhandled


def _tell_unhandled(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("\ninterrupted", file=sys.stderr)
    sys.exit(INTERRUPTED)
