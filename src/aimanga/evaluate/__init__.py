"""Evaluate folders of pictures."""

from aimanga.evaluate.score import (
    PictureScores,
    ScoreOptions,
    ScorePlan,
    ScoreReport,
    plan_scores,
    run_scores,
    score_files,
)

__all__ = [
    "PictureScores",
    "ScoreOptions",
    "ScorePlan",
    "ScoreReport",
    "plan_scores",
    "run_scores",
    "score_files",
]
