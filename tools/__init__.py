"""Commands beside the pipeline, each run as `python -m tools.NAME`; they compute as stages do."""

import stages  # noqa: F401
