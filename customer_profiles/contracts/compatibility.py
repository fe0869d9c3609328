"""Whether a changed contract still accepts and promises what a released one did: JSON Schemas compared."""

from collections.abc import Iterator
from typing import Any

_Schema = dict[str, Any]
_LOWER_BOUNDS = ("minLength", "minimum", "minItems", "minProperties")
_UPPER_BOUNDS = ("maxLength", "maximum", "maxItems", "maxProperties")


def breaking_changes(before: _Schema, now: _Schema) -> list[str]:
    """Every change that makes a row invalid that was valid, or takes a field away that readers may count on.

    Args:
        before: the JSON Schema of the released contract.
        now: the JSON Schema of the same contract as it stands.

    A name that is newly declared inside an open mapping is compatible: that is how contracts grow.

    Returns:
        What each change did, to follow "the contract NAME": empty when the change is backward compatible.
    """
    return list(_compare(before, now, ""))


def _compare(before: _Schema, now: _Schema, path: str) -> Iterator[str]:
    where = f" of {path}" if path else ""
    yield from _types(before, now, where)
    yield from _values(before, now, where)
    yield from _bounds(before, now, where)
    yield from _names(before, now, path, where)
    if "items" in now:
        yield from _compare(before.get("items", {}), now["items"], f"{path}[]")
    was_open, is_open = before.get("additionalProperties", True), now.get("additionalProperties", True)
    if isinstance(is_open, dict):
        yield from _compare(was_open if isinstance(was_open, dict) else {}, is_open, f"{path}.*")
    elif is_open is False and was_open is not False:
        yield f"no longer allows names beside the declared ones{where}"
    for condition in now.get("allOf", []):
        if condition not in before.get("allOf", []):
            yield f"has a new or changed condition{where}"


def _types(before: _Schema, now: _Schema, where: str) -> Iterator[str]:
    if "type" not in now:
        return
    narrowed = _type_names(before) - _type_names(now)
    if "number" in _type_names(now):
        narrowed -= {"integer"}
    if narrowed:
        yield f"no longer allows the type {', '.join(sorted(narrowed))}{where}"


def _type_names(schema: _Schema) -> set[str]:
    types = schema.get("type", ["any"])
    return {types} if isinstance(types, str) else set(types)


def _values(before: _Schema, now: _Schema, where: str) -> Iterator[str]:
    if "enum" not in now:
        return
    if "enum" not in before:
        yield f"now allows only listed values{where}"
        return
    removed = [value for value in before["enum"] if value is not None and value not in now["enum"]]
    if removed:
        yield f"no longer allows the value {', '.join(map(str, removed))}{where}"


def _bounds(before: _Schema, now: _Schema, where: str) -> Iterator[str]:
    for bound in _LOWER_BOUNDS:
        if bound in now and (bound not in before or now[bound] > before[bound]):
            yield f"has a tighter {bound}{where}"
    for bound in _UPPER_BOUNDS:
        if bound in now and (bound not in before or now[bound] < before[bound]):
            yield f"has a tighter {bound}{where}"
    for form in ("pattern", "format"):
        if form in now and now[form] != before.get(form):
            yield f"has a new or changed {form}{where}"


def _names(before: _Schema, now: _Schema, path: str, where: str) -> Iterator[str]:
    old, new = before.get("properties", {}), now.get("properties", {})
    prefix = f"{path}." if path else ""
    for name in now.get("required", []):
        if name not in before.get("required", []):
            yield f"now requires {prefix}{name}"
    for name in old:
        if name not in new:
            yield f"lost the field {prefix}{name}"
        else:
            yield from _compare(old[name], new[name], f"{prefix}{name}")
