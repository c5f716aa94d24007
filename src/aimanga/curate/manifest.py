"""The manifest of a selection: a line of JSON for every picture, with its scores, the decision and the reasons."""

import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from aimanga.atomic import replacing
from aimanga.curate.crops import Crop
from aimanga.curate.measure import Measures
from aimanga.errors import UsageError
from aimanga.images import Box

MANIFEST = "manifest.jsonl"

UNREADABLE = "unreadable"
"""The reason of pictures that cannot be read."""


@dataclass(frozen=True)
class Reason:
    """Why a picture is rejected.

    Attributes:
        name: The field of `Measures` that is beyond its threshold; or `side`, `duplicate`, `scene`, `rank`,
            `crops`, `unreadable`.
        words: The same as a sentence, with the numbers.
    """

    name: str
    words: str


@dataclass(frozen=True)
class ManifestEntry:
    """A picture.

    Attributes:
        file: The absolute path of its file.
        name: Its path within the folders that were given; unique.
        width: In pixels, right side up; 0 where it cannot be read.
        height: Likewise.
        bytes: Size of the file when it was measured; 0 where it cannot be read.
        modified: Modification time of the file then, in nanoseconds; likewise.
        measures: Its scores; None where it cannot be read, or is too small to be measured.
        group: The number of its group of near-duplicates.
        scene: The number of its scene, where several pictures show it.
        reasons: Why it is rejected; empty where it is selected.
        output: Its copy or link, relative to the manifest's folder.
        crops: Its crops with the most detail.
    """

    file: str
    name: str
    width: int = 0
    height: int = 0
    bytes: int = 0
    modified: int = 0
    measures: Measures | None = None
    group: int | None = None
    scene: int | None = None
    reasons: tuple[Reason, ...] = ()
    output: str | None = None
    crops: tuple[Crop, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it is selected."""
        return not self.reasons

    @property
    def merit(self) -> float:
        """The score that pictures are ranked by: their detail times the share of tiles that have some."""
        return 0.0 if self.measures is None else self.measures.detail * (1 - self.measures.flatness)

    @property
    def outputs(self) -> tuple[str, ...]:
        """All files made of it, relative to the manifest's folder."""
        return tuple(output for output in (self.output, *(crop.output for crop in self.crops)) if output is not None)

    def to_json(self) -> str:
        """One line of JSON, without its end of line."""
        content: dict[str, object] = {
            "file": self.file,
            "name": self.name,
            "kept": self.kept,
            "reasons": [reason.name for reason in self.reasons],
            "why": [reason.words for reason in self.reasons],
            **({} if self.measures is None else asdict(self.measures)),
            "width": self.width,
            "height": self.height,
            "merit": round(self.merit, 5),
            "group": self.group,
            "scene": self.scene,
            "output": self.output,
            "crops": [{"output": c.output, "box": astuple(c.box), "detail": c.detail} for c in self.crops],
            "bytes": self.bytes,
            "modified": self.modified,
        }
        # In ASCII: a name that is not valid Unicode has lone surrogates, and programs read their escapes.
        return json.dumps(content)

    @classmethod
    def from_json(cls, line: str) -> "ManifestEntry":
        """Parse a line.

        Raises:
            ValueError: It is not a line of a manifest.
        """
        content: dict[str, Any] = json.loads(line)
        try:
            plain = ("file", "name", "width", "height", "bytes", "modified", "group", "scene", "output")
            return cls(
                **{name: content[name] for name in plain},
                measures=Measures.of(content),
                reasons=tuple(map(Reason, content["reasons"], content["why"])),
                crops=tuple(Crop(Box(*crop["box"]), crop["detail"], crop["output"]) for crop in content["crops"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a line of a manifest: {error}") from error


def read_manifest(folder: Path) -> tuple[ManifestEntry, ...]:
    """Read the manifest of a folder: all pictures, selected or not.

    Args:
        folder: An output folder of `aimanga curate`.

    Raises:
        UsageError: There is no manifest, or it is damaged.
    """
    path = folder / MANIFEST
    entries = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    entries.append(ManifestEntry.from_json(line))
                except ValueError as error:
                    raise UsageError(f"{path}, line {number}: {error}; move the file away") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: {error}; move the file away") from error
    return tuple(entries)


def write_manifest(entries: Iterable[ManifestEntry], folder: Path) -> Path:
    """Write the manifest of a folder, replacing an existing one; return its path."""
    path = folder / MANIFEST
    with replacing(path) as part, part.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(entry.to_json() + "\n" for entry in entries)
    return path
