"""YAML that a person wrote."""

from pathlib import Path
from typing import Any

import yaml

from stages.common.errors import InputError

MAX_BYTES, MAX_DEPTH = 2**16, 20


def read_yaml(path: Path) -> Any:
    """Read YAML that a person wrote: plain values, each of which can be shown in a message.

    Raises InputError where the file is missing, broken, larger than MAX_BYTES or deeper than
    MAX_DEPTH, for a key that stands twice in a mapping, of which PyYAML would drop one, and
    for an alias: a few lines of them may stand for more than any memory holds.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        text = content.decode("utf-8")
        depth = 0
        for event in yaml.parse(text):
            line = event.start_mark.line + 1
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise ValueError(f"line {line}: more than {MAX_DEPTH} levels")
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"line {line}: write the value in place of *{event.anchor}")
        values = _Loader(text).get_single_data()
        # Raises where no message could show them: numbers of thousands of digits.
        repr(values)
        return values
    except Exception as error:
        # PyYAML lets many kinds of exceptions through for values that aren't of their stated type.
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} can't be read as YAML: {reason}") from None


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's loader of plain values, which refuses a key that stands twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # Listed before PyYAML merges others into them.
        keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        lines: dict[Any, int] = {}
        for key in keys:
            name, line = self.construct_object(key), key.start_mark.line + 1
            if name in lines:
                raise ValueError(
                    f"line {line}: the key {name!r:.80} stands in line {lines[name]} already; "
                    "keep one of the two"
                )
            lines[name] = line
        return mapping
