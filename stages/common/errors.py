"""How a command of this project ends: done, wrong input told in one message, or interrupted."""

import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn


class InputError(Exception):
    """What a person gave can't be used; the text says what is wrong, where, and what to do."""


def run(command: Callable[[], None]) -> NoReturn:
    """Run a command's main function and exit.

    Exit status: 0 done; 1 bad input, told in one message on standard error without a traceback;
    130 interrupted, told in a line. Any other exception is a fault of the program and keeps its
    traceback.
    """
    sys.excepthook = tell_interrupt
    try:
        command()
    except InputError as error:
        sys.exit(f"error: {error}")
    sys.exit(0)


def tell_interrupt(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Tell an interrupt in a line, as `sys.excepthook`, also while a command still imports."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("\ninterrupted", file=sys.stderr)
    sys.exit(128 + signal.SIGINT)
