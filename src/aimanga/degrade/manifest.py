"""The manifest of stored pairs: one line of JSON a pair, with every parameter that was drawn."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.degrade.steps import Sample
from aimanga.errors import UsageError
from aimanga.images import Box

PAIRS_MANIFEST = "manifest.jsonl"
"""The manifest's name in the folder of the pairs."""

PAIRS_RECIPE = "recipe.toml"
"""Their recipe, beside it."""


@dataclass(frozen=True)
class Pair:
    """An LR file, its HR file, and how the one came from the other.

    Attributes:
        lr: The LR file, relative to the folder of the pairs.
        hr: The HR file, likewise.
        source: The picture that `hr` was cropped from.
        box: The crop.
        sample: The degradation that was drawn.
    """

    lr: str
    hr: str
    source: str
    box: Box
    sample: Sample

    def to_json(self) -> str:
        """One line of JSON, without its end of line."""
        names = {"lr": self.lr, "hr": self.hr, "source": self.source}
        return json.dumps({**names, "box": asdict(self.box), **self.sample.model_dump()}, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "Pair":
        """Parse a line.

        Raises:
            ValueError: It is not a line of a manifest.
        """
        fields = json.loads(line)
        try:
            sample = Sample.model_validate({key: fields[key] for key in ("seed", "steps")})
            return cls(fields["lr"], fields["hr"], fields["source"], Box(**fields["box"]), sample)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a line of a manifest: {error}") from error


def read_pairs(folder: Path) -> dict[str, Pair]:
    """Read the manifest of a folder of pairs.

    Returns:
        The pairs by their LR file.

    Raises:
        UsageError: There is no manifest, or it is damaged.
    """
    path = folder / PAIRS_MANIFEST
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    pairs = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            pair = Pair.from_json(line)
        except ValueError as error:
            if number == len(lines):  # an interrupted run's last line, which has no end
                continue
            raise UsageError(f"{path}, line {number}: {error}") from error
        pairs[pair.lr] = pair
    return pairs


def write_pairs(folder: Path, pairs: Iterable[Pair]) -> None:
    """Write the manifest of a folder of pairs, replacing an existing one."""
    path = folder / PAIRS_MANIFEST
    with replacing(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.writelines(f"{pair.to_json()}\n" for pair in pairs)
