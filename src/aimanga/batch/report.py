"""The outcome of each file of a batch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["done", "skipped", "failed", "planned"]
Detail = str | int | float | bool | None | list[int]


@dataclass(frozen=True)
class Record:
    """One file.

    Attributes:
        file: The source.
        output: The result; None where it is values.
        status: `done`; `skipped`: the result existed; `failed`: there is no result;
            `planned`: a dry run would make it.
        seconds: How long it took.
        error: Why it failed, in one line.
        sha256: Digest of the result.
        details: What the work returned: sizes, model and the like.
    """

    file: Path
    output: Path | None
    status: Status
    seconds: float = 0.0
    error: str | None = None
    sha256: str | None = None
    details: Mapping[str, Detail] = field(default_factory=dict)

    def to_json(self) -> str:
        """The record as one line of JSON, without its end of line; empty fields are omitted.

        A file name that is not valid Unicode has lone surrogates, as Python writes such names.
        """
        fields: dict[str, Detail] = {
            "file": str(self.file),
            "output": None if self.output is None else str(self.output),
            "status": self.status,
            "seconds": round(self.seconds, 3),
            **self.details,
            "sha256": self.sha256,
            "error": self.error,
        }
        return json.dumps({k: v for k, v in fields.items() if v is not None}, ensure_ascii=False)


@dataclass(frozen=True)
class Report:
    """The result of a batch.

    Attributes:
        records: One a file, in the order of the plan.
        ignored: Files of the input folders that are not pictures.
        seconds: How long the whole batch took.
    """

    records: tuple[Record, ...]
    ignored: int
    seconds: float

    def count(self, status: Status) -> int:
        """How many files have this status."""
        return sum(record.status == status for record in self.records)

    @property
    def failed(self) -> tuple[Record, ...]:
        """The files that failed."""
        return tuple(record for record in self.records if record.status == "failed")

    @property
    def exit_code(self) -> int:
        """0: every file has its result; 1: some failed."""
        return 1 if self.failed else 0
