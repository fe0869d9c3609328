"""Finds the settings file and makes one typed object of it, or says all that is wrong with it."""

import os
from collections.abc import Mapping
from pathlib import Path

from customer_profiles.settings.errors import SettingsError
from customer_profiles.settings.model import Settings
from customer_profiles.settings.reading import read_document
from customer_profiles.settings.validation import validate

FILE_NAME = "customer_profiles.yaml"
FILE_VARIABLE = "CUSTOMER_PROFILES_SETTINGS"


def load_settings(path: Path | str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file.

    Args:
        path: the file, or the folder it stands in; by default what the environment variable
            CUSTOMER_PROFILES_SETTINGS names, else `customer_profiles.yaml` here or in a folder above.
        environment: what `${NAME}` is replaced from; by default the process's.

    Raises:
        SettingsError: there is no such file, or something in it is wrong; all problems are told.
    """
    variables = os.environ if environment is None else environment
    file = _find(path, variables)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}", file) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not UTF-8: save it as plain text in UTF-8", file) from None
    return settings_from_text(text, file, variables)


def settings_from_text(text: str, file: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the text of a file that stands, or would stand, at `file`.

    Raises:
        SettingsError: something in it is wrong.
    """
    return validate(read_document(text, file, os.environ if environment is None else environment))


def _find(path: Path | str | None, environment: Mapping[str, str]) -> Path:
    if path is not None:
        return _existing(Path(path), "")
    if named := environment.get(FILE_VARIABLE):
        return _existing(Path(named), f" (named by {FILE_VARIABLE})")
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise SettingsError(
        f"there is no {FILE_NAME} in {here} or any folder above: go to your project's folder, "
        f"or name the file in the environment variable {FILE_VARIABLE}"
    )


def _existing(path: Path, named_by: str) -> Path:
    file = path.expanduser().absolute()
    if file.is_dir():
        file /= FILE_NAME
    if not file.is_file():
        raise SettingsError(f"there is no settings file {file}{named_by}: check the path", file)
    return file
