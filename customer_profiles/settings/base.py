"""What every part of the settings has in common."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationInfo, model_validator

from customer_profiles.contracts.classes import Retention

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
"""A name that is also fit for a table, an asset and a metric."""


class Part(BaseModel):
    """A part of the settings: frozen, and refusing keys it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _remember_where(cls, data: Any, info: ValidationInfo) -> Any:
        # A wrong key is reported without the model that refused it; this leads to the nearest right key.
        if isinstance(info.context, Reading) and isinstance(data, dict):
            info.context.models[id(data)] = cls
        return data


class Reading:
    """What validation knows of the file it reads: its folder, and which model read which mapping."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models: dict[int, type[Part]] = {}


def folder_of(info: ValidationInfo) -> Path | None:
    """The folder of the settings file, when settings are read from a file."""
    return info.context.folder if isinstance(info.context, Reading) else None


def _anchored(path: Path, info: ValidationInfo) -> Path:
    folder = folder_of(info)
    return path if folder is None else folder / path.expanduser()


def _retention(text: str) -> Retention:
    try:
        return Retention(text)
    except ValueError:
        raise ValueError("must be an ISO 8601 duration, such as P3Y, P18M or P90D") from None


AnchoredPath = Annotated[Path, AfterValidator(_anchored)]
"""A path; a relative one counts from the settings file's folder."""
Duration = Annotated[str, AfterValidator(_retention)]
"""An ISO 8601 duration."""
