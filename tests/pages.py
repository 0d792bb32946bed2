"""What a page of the documentation tells to type."""

import re

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_COMMANDS = {"diff", "js", "mermaid", "python", "text", "yaml"}
COMMENT = re.compile(r"\s+#\s.*$")
SPAN = re.compile(r"`([^`]+)`")
PROGRAMS = {"dvc", "git", "make", "pip", "python", "python3", "source"}


def fenced_commands(page: str) -> list[str]:
    """Return the commands of a page's code blocks, in order, without their comments."""
    blocks = [block for kind, block in FENCED.findall(page) if kind not in NOT_COMMANDS]
    lines = [COMMENT.sub("", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def named_commands(page: str) -> list[str]:
    """Return the commands that a page's text and tables name, in order."""
    spans = [" ".join(span.split()) for span in SPAN.findall(FENCED.sub("", page))]
    return [span for span in spans if span.partition(" ")[0] in PROGRAMS and " " in span]
