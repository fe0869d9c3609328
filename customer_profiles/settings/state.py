"""Where the state is kept, and the key that opens it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from customer_profiles.settings.base import AnchoredPath, Part, folder_of


class KeyFile(Part):
    """The master key in a local file of mode 0600, made on first use."""

    provider: Literal["file"] = "file"
    """A local file."""
    path: AnchoredPath
    """The file."""


class KeyVariable(Part):
    """The master key in an environment variable, as 64 hexadecimal digits."""

    provider: Literal["environment"]
    """The environment."""
    variable: str = "CUSTOMER_PROFILES_KEY"
    """The name of the variable."""


def anchored_state_url(url: str, info: ValidationInfo) -> str:
    """The URL with a relative folder counted from the settings file's."""
    folder = folder_of(info)
    if url.startswith("sqlite:"):
        place = url.removeprefix("sqlite:")
        if not place or place.startswith("//"):
            raise ValueError("must name a folder, as in sqlite:.data/state")
        return url if folder is None else f"sqlite:{folder / place}"
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be sqlite:FOLDER or postgresql://USER@HOST/DATABASE")
    return url


class StateSettings(Part):
    """The pipeline's own state: three encrypted SQLite files in a folder, or a Postgres database."""

    url: Annotated[str, AfterValidator(anchored_state_url)] = Field(
        "sqlite:.data/state", validate_default=True, repr=False
    )
    """`sqlite:FOLDER` or `postgresql://USER@HOST/DATABASE`."""
    key: Annotated[KeyFile | KeyVariable, Field(discriminator="provider")] = Field(
        {"provider": "file", "path": ".data/keys/master.key"}, validate_default=True
    )
    """Where the master key comes from."""
