"""Which pictures are kept, and why the others are not."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aimanga.curate.measure import Measures
from aimanga.curate.screening import Limit, Screening, limits, number_of
from aimanga.errors import UsageError

Keep = int | float | None
"""How many to keep: a number of pictures, a share of those that pass (a float, 0 to 1), or all that pass."""


@dataclass(frozen=True)
class Candidate:
    """A picture that may be kept.

    Attributes:
        name: Decides between equals, so that the order of the pictures never does.
        width: In pixels.
        height: Likewise.
        measures: None where it is too small to be measured.
        group: The number of its group of near-duplicates; None where it has none.
        scene: Likewise, of pictures of one scene.
        problem: Why it is out whatever it measures: it has no crop of the wanted kind, say.
    """

    name: str
    width: int
    height: int
    measures: Measures | None
    group: int | None = None
    scene: int | None = None
    problem: "Reason | None" = None

    @property
    def merit(self) -> float:
        """By which pictures are ranked: their detail, times the share of tiles that have some."""
        return 0.0 if self.measures is None else self.measures.detail * (1 - self.measures.flatness)


@dataclass(frozen=True)
class Reason:
    """Why a picture is not kept.

    Attributes:
        name: A number of `Measures` that is beyond its threshold; or `side`, `duplicate`, `scene`, `rank`,
            `crops`, `unreadable`.
        words: The same as a sentence, with the numbers.
    """

    name: str
    words: str


def select(candidates: Sequence[Candidate], screening: Screening, keep: Keep = None) -> list[tuple[Reason, ...]]:
    """Decide on pictures.

    First the thresholds: a picture that is beyond one is out. Then, of near-duplicates the one with the most pixels
    stays (of equal ones, the one with the most detail and the least blocks); of a scene, the `per_scene` best. Of
    what is left the best are kept, as many as asked for.

    Args:
        candidates: All pictures.
        screening: The thresholds.
        keep: How many.

    Returns:
        For each picture why it is out; nothing where it is kept. The order of the pictures changes nothing.

    Raises:
        UsageError: Fewer pass than are to be kept.
    """
    bounds = tuple(limits(screening))
    reasons = {candidate.name: _beyond(candidate, bounds) for candidate in candidates}
    left = sorted((c for c in candidates if not reasons[c.name]), key=lambda c: (-c.merit, c.name))
    left = _without_duplicates(left, reasons)
    left = _without_crowds(left, screening.per_scene, reasons)
    wanted = len(left) if keep is None else keep if isinstance(keep, int) else math.ceil(round(keep * len(left), 6))
    if wanted > len(left):
        raise UsageError(f"{wanted} pictures are to be kept, but only {len(left)} of {_shortage(candidates, reasons)}")
    for place, candidate in enumerate(left[wanted:], wanted + 1):
        reasons[candidate.name] = (Reason("rank", f"number {place} of those that pass, and {wanted} are kept"),)
    return [reasons[candidate.name] for candidate in candidates]


Reasons = dict[str, tuple[Reason, ...]]


def _beyond(candidate: Candidate, bounds: Sequence[Limit]) -> tuple[Reason, ...]:
    if candidate.measures is None:
        size = f"{candidate.width} x {candidate.height}"
        return (Reason("side", f"{size} is too small to be measured"),)
    problems = () if candidate.problem is None else (candidate.problem,)
    found = ((bound, bound.failed_by(number_of(candidate.measures, bound.measure))) for bound in bounds)
    return (*problems, *(Reason(bound.measure, words) for bound, words in found if words))


def _without_duplicates(left: Sequence[Candidate], reasons: Reasons) -> list[Candidate]:
    best: dict[int, Candidate] = {}
    for candidate in left:
        if candidate.group is not None:
            best[candidate.group] = min(best.get(candidate.group, candidate), candidate, key=_worse_copy)
    kept = []
    for candidate in left:
        other = candidate if candidate.group is None else best[candidate.group]
        if other is candidate:
            kept.append(candidate)
        else:
            reasons[candidate.name] = (Reason("duplicate", f"the same as {other.name}"),)
    return kept


def _worse_copy(candidate: Candidate) -> tuple[float, float, str]:
    # Blur costs detail, compression makes blocks; neither may win by what it lacks of the other.
    blocks = candidate.measures.blockiness if candidate.measures else 0.0
    return -candidate.width * candidate.height, -candidate.merit * math.exp(-blocks), candidate.name


def _without_crowds(left: Sequence[Candidate], most: int, reasons: Reasons) -> list[Candidate]:
    kept: list[Candidate] = []
    taken: Counter[int] = Counter()
    for candidate in left:
        if candidate.scene is not None:
            taken[candidate.scene] += 1
            if taken[candidate.scene] > most:
                reasons[candidate.name] = (Reason("scene", f"{most} better pictures of this scene come first"),)
                continue
        kept.append(candidate)
    return kept


def _shortage(candidates: Sequence[Candidate], reasons: Reasons) -> str:
    counts = Counter(reason.name for found in reasons.values() for reason in found)
    because = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{len(candidates)} pass ({because or 'there are no more'}); keep fewer, or relax the thresholds"
