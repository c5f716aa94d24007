"""The manifest of a screening: a line of JSON for every picture, with its scores, the decision, and the reasons."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aimanga.atomic import replacing
from aimanga.curate.crops import Crop
from aimanga.curate.measure import Measures
from aimanga.curate.select import Reason
from aimanga.errors import UsageError
from aimanga.images import Box

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class SavedCrop:
    """A part of a picture that is worth learning from.

    Attributes:
        crop: Where it is.
        output: Its file, relative to the manifest's folder; None where none is written.
    """

    crop: Crop
    output: str | None


@dataclass(frozen=True)
class Line:
    """A picture.

    Attributes:
        file: Where it lies: an absolute path.
        name: Its path within the folders that were given.
        width: In pixels, right side up; 0 where it cannot be read.
        height: Likewise.
        reasons: Why it is not kept; empty where it is.
        measures: Its scores; None where it cannot be read, or is too small for any.
        merit: By which pictures are ranked.
        group: The number of its group of near-duplicates.
        scene: The number of its scene, where several pictures show it.
        output: Its copy or link, relative to the manifest's folder.
        crops: Its detail areas.
        bytes: Size of the file when it was measured; 0 where it cannot be read.
        modified: When it was last modified then, in nanoseconds; likewise.
    """

    file: str
    name: str
    width: int
    height: int
    reasons: tuple[Reason, ...]
    measures: Measures | None
    merit: float
    group: int | None
    scene: int | None
    output: str | None
    crops: tuple[SavedCrop, ...]
    bytes: int
    modified: int

    @property
    def kept(self) -> bool:
        """Whether it is worth learning from."""
        return not self.reasons

    @property
    def outputs(self) -> tuple[str, ...]:
        """All files made of it, relative to the manifest's folder."""
        crops = (saved.output for saved in self.crops)
        return tuple(output for output in (self.output, *crops) if output is not None)

    def to_json(self) -> str:
        """The picture as one line of JSON, without its end of line."""
        scores = {} if self.measures is None else asdict(self.measures)
        content: dict[str, object] = {
            "file": self.file,
            "name": self.name,
            "kept": self.kept,
            "reasons": [reason.name for reason in self.reasons],
            "why": [reason.words for reason in self.reasons],
            **scores,
            "width": self.width,
            "height": self.height,
            "merit": round(self.merit, 5),
            "group": self.group,
            "scene": self.scene,
            "output": self.output,
            "crops": [
                {"output": saved.output, "box": list(asdict(saved.crop.box).values()), "detail": saved.crop.detail}
                for saved in self.crops
            ],
            "bytes": self.bytes,
            "modified": self.modified,
        }
        # In ASCII: a name that is not valid Unicode has lone surrogates, and programs read their escapes.
        return json.dumps(content)

    @classmethod
    def from_json(cls, line: str) -> "Line":
        """The picture of a line.

        Raises:
            ValueError: It is no line of a manifest.
        """
        content: dict[str, Any] = json.loads(line)
        try:
            return cls(
                file=content["file"],
                name=content["name"],
                width=content["width"],
                height=content["height"],
                reasons=tuple(map(Reason, content["reasons"], content["why"])),
                measures=Measures.of(content),
                merit=content["merit"],
                group=content["group"],
                scene=content["scene"],
                output=content["output"],
                crops=tuple(
                    SavedCrop(Crop(Box(*crop["box"]), crop["detail"]), crop["output"]) for crop in content["crops"]
                ),
                bytes=content["bytes"],
                modified=content["modified"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no line of a manifest: {error}") from error


def read_manifest(folder: Path) -> tuple[Line, ...]:
    """All pictures of a screening, kept or not.

    Args:
        folder: What `aimanga curate` has made.

    Raises:
        UsageError: There is no manifest, or it is none.
    """
    path = folder / MANIFEST
    found = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    found.append(Line.from_json(line))
                except ValueError as error:
                    raise UsageError(f"{path}, line {number}: {error}; move the file away") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: {error}; move the file away") from error
    return tuple(found)


def write_manifest(lines: Iterable[Line], folder: Path) -> Path:
    """Write the manifest of a folder, replacing a former one; return its path."""
    path = folder / MANIFEST
    with replacing(path) as part, part.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(line.to_json() + "\n" for line in lines)
    return path
