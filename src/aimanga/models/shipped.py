"""Weights that come with aimanga itself, as checkpoints in `parameters/`."""

from dataclasses import dataclass
from pathlib import Path

from aimanga.weights import verify

_FOLDER = Path(__file__).with_name("parameters")


@dataclass(frozen=True)
class ShippedWeights:
    """A checkpoint in `parameters/`, written by `save_checkpoint`; its licence notices are in `LICENSES.md` beside it.

    Attributes:
        name: The model's name on the command line; the file is `NAME.safetensors`.
        purpose: What it is used for, in a few words.
        sha256: The SHA-256 of the file.
        license: The licence, as an SPDX identifier.
    """

    name: str
    purpose: str
    sha256: str
    license: str

    @property
    def path(self) -> Path:
        """The file."""
        return _FOLDER / f"{self.name}.safetensors"

    @property
    def present(self) -> bool:
        """Whether the file exists."""
        return self.path.is_file()

    def verified(self) -> tuple[Path, str]:
        """Find and verify the file.

        Returns:
            Its path and its SHA-256.

        Raises:
            ModelError: It is missing or damaged.
        """
        return self.path, verify(self.path, self.sha256, remedy="pip install --force-reinstall --no-deps aimanga")
