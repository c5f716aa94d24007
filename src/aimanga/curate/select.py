"""Which pictures are selected, and why the others are rejected."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aimanga.curate.manifest import ManifestEntry, Reason
from aimanga.curate.screening import Limit, Screening, limits
from aimanga.errors import UsageError

Reasons = dict[str, tuple[Reason, ...]]
"""By the name of the picture; empty where it is selected."""


def select(
    entries: Sequence[ManifestEntry],
    screening: Screening,
    keep: float | None = None,
    crop: int | None = None,
) -> list[ManifestEntry]:
    """Select pictures.

    First, pictures beyond a threshold are rejected. Then, of near-duplicates the one with the most pixels stays (of
    equal ones the one with the most detail and the fewest JPEG blocks), and of a scene the `per_scene` best. Of the
    rest the best are selected. Equal pictures are ordered by name, so the order of the entries changes nothing.

    Args:
        entries: All pictures; those with reasons already are left as they are.
        screening: The thresholds.
        keep: Number of pictures to select (an int), a share of those that pass (a float, 0 to 1), or all (None).
        crop: Reject pictures without a crop; this is its side in pixels, for the message.

    Returns:
        The entries with their reasons.

    Raises:
        UsageError: Fewer pictures pass than are to be kept.
    """
    candidates = [entry for entry in entries if not entry.reasons]
    bounds = tuple(limits(screening))
    reasons = {entry.name: _beyond(entry, bounds, crop) for entry in candidates}
    passed = sorted((e for e in candidates if not reasons[e.name]), key=lambda e: (-e.merit, e.name))
    passed = _without_duplicates(passed, reasons)
    passed = _without_crowds(passed, screening.per_scene, reasons)
    count = len(passed) if keep is None else keep if isinstance(keep, int) else math.ceil(round(keep * len(passed), 6))
    if count > len(passed):
        raise UsageError(f"--keep {count}: only {len(passed)} of {_shortage(len(candidates), reasons)}")
    for rank, entry in enumerate(passed[count:], count + 1):
        reasons[entry.name] = (Reason("rank", f"number {rank} of those that pass, and {count} are kept"),)
    return [replace(entry, reasons=reasons.get(entry.name, entry.reasons)) for entry in entries]


def _beyond(entry: ManifestEntry, bounds: Sequence[Limit], crop: int | None) -> tuple[Reason, ...]:
    if entry.measures is None:
        return (Reason("side", f"{entry.width} x {entry.height} is too small to be measured"),)
    found = ((bound.measure, bound.failed_by(entry.measures)) for bound in bounds)
    reasons = tuple(Reason(measure, words) for measure, words in found if words)
    if crop is not None and not entry.crops:
        return (Reason("crops", f"no crop of {crop} pixels fits"), *reasons)
    return reasons


def _without_duplicates(passed: Sequence[ManifestEntry], reasons: Reasons) -> list[ManifestEntry]:
    best: dict[int, ManifestEntry] = {}
    for entry in passed:
        if entry.group is not None:
            best[entry.group] = min(best.get(entry.group, entry), entry, key=_copy_rank)
    for entry in passed:
        if entry.group is not None and (other := best[entry.group]) is not entry:
            reasons[entry.name] = (Reason("duplicate", f"the same as {other.name}"),)
    return [entry for entry in passed if not reasons[entry.name]]


def _copy_rank(entry: ManifestEntry) -> tuple[float, float, str]:
    # Blur costs detail, compression adds blocks: neither may win by being free of the other.
    blocks = entry.measures.blockiness if entry.measures else 0.0
    return -entry.width * entry.height, -entry.merit * math.exp(-blocks), entry.name


def _without_crowds(passed: Sequence[ManifestEntry], most: int, reasons: Reasons) -> list[ManifestEntry]:
    seen = Counter[int | None]()
    for entry in passed:
        seen[entry.scene] += 1
        if entry.scene is not None and seen[entry.scene] > most:
            reasons[entry.name] = (Reason("scene", f"{most} better pictures of this scene come first"),)
    return [entry for entry in passed if not reasons[entry.name]]


def _shortage(candidates: int, reasons: Reasons) -> str:
    counts = Counter(reason.name for found in reasons.values() for reason in found)
    because = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{candidates} pass ({because or 'there are no more'}); keep fewer, or relax the thresholds"
