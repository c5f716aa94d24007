"""What a benchmark has found, and how it is told in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from aimanga.benchmark.methods import describe
from aimanga.benchmark.plan import BenchmarkPlan
from aimanga.benchmark.recipe import MadeElsewhere
from aimanga.benchmark.results import SetResult, failures_of
from aimanga.hashing import sha256_of

PROGRAMS = ("torch", "numpy", "scipy", "pyvips")
"""Those that have a part in the results."""


@dataclass(frozen=True)
class Findings:
    """What is written.

    Attributes:
        planned: What was asked for.
        sets: What was found, by the names of the sets.
        words: What each method is, in words.
    """

    planned: BenchmarkPlan
    sets: Mapping[str, SetResult]
    words: Mapping[str, str]

    @property
    def failures(self) -> list[str]:
        """All that went wrong, a line each."""
        return failures_of(self.sets)


def methods_in_words(planned: BenchmarkPlan) -> dict[str, str]:
    """What each method is."""
    return {
        method.name: f"results of {method.results}" if isinstance(method, MadeElsewhere) else describe(method)
        for method in planned.recipe.methods
    }


def set_in_words(found: SetResult) -> str:
    """What a set is."""
    source = found.source
    truth = "with" if any(case.high for case in source.cases) else "without"
    text = f"{len(source.cases)} pictures {truth} ground truth"
    if len(found.common) < len(source.cases):
        text += f", means over the {len(found.common)} that every method has made"
    return text


def protocols(findings: Findings) -> dict[str, str]:
    """How every metric looks at a picture, and where it is from."""
    metrics = {metric.name: metric for found in findings.sets.values() for metric in found.metrics}
    return {metric.title: f"{metric.protocol} ({metric.source})" for metric in metrics.values()}


def input_hashes(found: SetResult) -> dict[str, str]:
    """The SHA-256 of every input of a set."""
    return {case.name: sha256_of(case.low) for case in found.source.cases}
