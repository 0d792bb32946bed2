"""How a command of this project ends when its input is wrong: one message, exit status 1."""

import sys
from collections.abc import Callable
from typing import NoReturn


class InputError(Exception):
    """What a person gave can't be used; the text says what is wrong, where, and what to do."""


def run(command: Callable[[], None]) -> NoReturn:
    """Run a command's main function and exit.

    Exit status: 0 done; 1 bad input, told in one message on standard error without a traceback;
    130 interrupted, which stages/__init__.py tells in a line. Any other exception is a fault of the
    program and keeps its traceback.
    """
    try:
        command()
    except InputError as error:
        sys.exit(f"error: {error}")
    sys.exit(0)
