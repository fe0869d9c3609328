"""Makes settings of a document: what pydantic says becomes problems with lines and nearest keys."""

import copy
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from customer_profiles.settings.base import Part, Reading
from customer_profiles.settings.checks import check
from customer_profiles.settings.errors import Key, Problem, SettingsError
from customer_profiles.settings.mapping import TAG_MARK
from customer_profiles.settings.model import Settings
from customer_profiles.settings.nearest import nearest
from customer_profiles.settings.reading import Document

_MOST_ROUNDS = 20
_PLAIN = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "mapping_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_pattern_mismatch": "must be small letters, digits and underscores, beginning with a letter",
}


def validate(document: Document) -> Settings:
    """Settings of a document.

    What is wrong is reported, taken out, and the rest validated again, so that rules over several parts are
    told together with the wrong keys and values.

    Raises:
        SettingsError: something is wrong.
    """
    problems = list(document.problems)
    folder = document.file.absolute().parent
    data = document.data
    if not isinstance(data, dict):
        raise SettingsError.of(
            document.file, [Problem(1, (), "must be a mapping of keys, such as `company: …`")]
        )
    if "folder" in data:
        problems.append(
            Problem(document.line(("folder",)), ("folder",), "is no key of the settings file: remove it")
        )
    known = {problem.key for problem in problems}
    remaining = copy.deepcopy(data)
    for key in known:
        _take_out(remaining, key)
    settings = None
    for _ in range(_MOST_ROUNDS):
        reading = Reading(folder)
        try:
            settings = Settings.model_validate(remaining, context=reading)
            break
        except ValidationError as error:
            details = error.errors(include_url=False)
            found = _one_a_key([_problem(detail, remaining, document, reading) for detail in details])
        problems += [new for new in found if not any(_touches(key, new.key) for key in known)]
        known.update(problem.key for problem in found)
        for problem in sorted(found, key=lambda problem: -len(problem.key)):
            _take_out(remaining, problem.key)
    if settings is not None:
        for finding in check(settings):
            if not any(_touches(key, other) for key in known for other in (finding.key, *finding.about)):
                problems.append(
                    Problem(document.line(finding.key), finding.key, finding.what, finding.nearest)
                )
    if problems or settings is None:
        raise SettingsError.of(document.file, problems)
    return settings.model_copy(update={"folder": folder})


def _one_a_key(problems: list[Problem]) -> list[Problem]:
    """Where a value may be of several types, pydantic tells what is wrong with it as each of them."""
    by_key: dict[Key, Problem] = {}
    for problem in problems:
        before = by_key.get(problem.key)
        if before is not None:
            what = f"{before.what}, or {problem.what.removeprefix('must be ')}"
            problem = replace(problem, what=what, nearest=before.nearest or problem.nearest)
        by_key[problem.key] = problem
    return list(by_key.values())


def _touches(one: Key, other: Key) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _take_out(data: Any, key: Key) -> None:
    """Remove a key; when it is missing, or stands in a list, remove what lacks or holds it."""
    for length in range(len(key), 0, -1):
        parent: Any = data
        for part in key[: length - 1]:
            parent = parent.get(part) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and key[length - 1] in parent:
            del parent[key[length - 1]]
            return


def _problem(detail: ErrorDetails, data: Any, document: Document, reading: Reading) -> Problem:
    key, parent = _place(detail["loc"], data)
    kind, context = detail["type"], detail.get("ctx", {})
    line = document.line(key)
    if kind == "extra_forbidden":
        model = reading.models.get(id(parent))
        return Problem(line, key, "is an unknown key", nearest(str(key[-1]), keys_of(model) if model else ()))
    if kind == "missing":
        return Problem(line, key, "is missing")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        asked = str(context.get("discriminator", "")).strip("'")
        expected = str(context.get("expected_tags", "")).replace("'", "")
        at = (*key, asked)
        if kind == "union_tag_not_found":
            return Problem(document.line(at), at, f"is missing: one of {expected}")
        close = nearest(str(context.get("tag")), tuple(expected.split(", ")))
        return Problem(document.line(at), at, f"must be one of {expected}", close)
    if kind in ("literal_error", "enum"):
        expected = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        close = nearest(str(detail["input"]), tuple(expected.split(", ")))
        return Problem(line, key, f"must be one of {expected}", close)
    return Problem(line, key, _words(detail))


def _words(detail: ErrorDetails) -> str:
    """What pydantic says, to follow the key in a sentence. The value is left out: it may be secret."""
    if detail["type"] in _PLAIN:
        return _PLAIN[detail["type"]]
    message = detail["msg"].removeprefix("Value error, ")
    return (
        "must" + message.removeprefix("Input should")
        if message.startswith("Input should")
        else _lower(message)
    )


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def _place(loc: tuple[int | str, ...], data: Any) -> tuple[Key, Any]:
    """The key of the file that pydantic's location stands for, and the mapping or list that holds it.

    Locations also hold tags of unions and names of fields that the file does not write.
    """
    key: list[int | str] = []
    parent: Any = None
    here = data
    for at, part in enumerate(loc):
        if isinstance(here, dict) and part in here:
            parent, here = here, here[str(part)]
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            parent, here = here, here[part]
        elif (
            at == len(loc) - 1
            and isinstance(here, dict)
            and not str(part).startswith(TAG_MARK)
            and part != "[key]"
        ):
            parent = here
        else:
            continue
        key.append(part)
    return tuple(key), parent


def keys_of(model: type[Part]) -> tuple[str, ...]:
    """The keys that a part of the settings knows."""
    return tuple(field.alias or name for name, field in model.model_fields.items() if not field.exclude)
