"""Reads YAML into plain values with the line of each. Knows nothing of what the settings mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from customer_profiles.settings.errors import Key, Problem, SettingsError

_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|(\{[^}]*\}?))")
_URL_PASSWORD = re.compile(
    r"://[^/@:?#]*:(?P<password>[^/]*)@|[?&](?:password|passwd|pwd)=(?P<option>[^&]*)", re.IGNORECASE
)
_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


@dataclass
class Document:
    """A YAML file as plain values."""

    file: Path
    data: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    """The line of each key and list item, counted from 1."""
    from_environment: set[Key] = field(default_factory=set)
    """Where a value of the environment was put in, so that no message shows it."""
    problems: list[Problem] = field(default_factory=list)

    def line(self, key: Key) -> int:
        """The line of a key, or of the nearest part of the file that holds it."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)


def read_document(text: str, file: Path, environment: Mapping[str, str]) -> Document:
    """Read YAML 1.2.

    Raises:
        SettingsError: the text is no YAML at all.
    """
    document = Document(file)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SettingsError.of(
            file, [Problem(line, (), f"is not YAML here: {error.problem or error.context}")]
        ) from None
    except YAMLError:
        raise SettingsError.of(
            file, [Problem(1, (), "is not YAML: save it as plain text in UTF-8")]
        ) from None
    document.data = {} if root is None else _value(root, (), document, environment)
    return document


def _value(node: Node, key: Key, document: Document, environment: Mapping[str, str]) -> Any:
    document.lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        return _mapping(node, key, document, environment)
    if isinstance(node, SequenceNode):
        return [_value(item, (*key, at), document, environment) for at, item in enumerate(node.value)]
    return _scalar(str(node.value), str(node.tag).rsplit(":", 1)[-1], key, document, environment)


def _mapping(
    node: MappingNode, key: Key, document: Document, environment: Mapping[str, str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name_node, value_node in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, ScalarNode):
            document.problems.append(Problem(line, key, "has a key that is not a name"))
            continue
        name = str(name_node.value)
        inner = (*key, name)
        if name in values:
            first = document.lines[inner]
            document.problems.append(Problem(line, inner, f"is given twice, first in line {first}: keep one"))
            continue
        document.lines[inner] = line
        values[name] = _value(value_node, inner, document, environment)
    return values


def _scalar(text: str, kind: str, key: Key, document: Document, environment: Mapping[str, str]) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind in ("int", "float"):
        return _number(kind, text)
    return _with_environment(text, key, document, environment)


def _number(kind: str, text: str) -> int | float | str:
    plain = text.replace("_", "")
    try:
        return int(plain, 0 if plain[:2].lower() in ("0x", "0o") else 10) if kind == "int" else float(plain)
    except ValueError:
        return text


def _with_environment(text: str, key: Key, document: Document, environment: Mapping[str, str]) -> str:
    line = document.line(key)
    for match in _URL_PASSWORD.finditer(text):
        password = match["password"] or match["option"]
        if password and not _ONE_VARIABLE.fullmatch(password):
            document.problems.append(
                Problem(
                    line,
                    key,
                    "holds a password: put it in an environment variable and write ${ITS_NAME} in its place",
                )
            )

    def replacement(match: re.Match[str]) -> str:
        dollar, name, malformed = match.groups()
        if dollar:
            return "$"
        if malformed:
            document.problems.append(
                Problem(line, key, "has a ${…} that is no name of a variable; write $$ for a plain $")
            )
            return ""
        document.from_environment.add(key)
        if name not in environment:
            document.problems.append(
                Problem(
                    line, key, f"needs the environment variable {name}, which is not set: export {name}=…"
                )
            )
        return environment.get(name, "")

    return _VARIABLE.sub(replacement, text)
