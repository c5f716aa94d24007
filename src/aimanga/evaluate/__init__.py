"""Evaluate folders of pictures."""

from aimanga.evaluate.building import BuildPlan, build_test_set, plan_test_set, run_test_set, verify_test_set
from aimanga.evaluate.comparison import (
    Comparison,
    EvaluationPlan,
    evaluate_results,
    plan_evaluation,
    run_evaluation,
)
from aimanga.evaluate.layouts import Case, PictureCases, read_test_set
from aimanga.evaluate.score import (
    PictureScores,
    ScoreOptions,
    ScorePlan,
    ScoreReport,
    plan_pairs,
    plan_scores,
    run_scores,
    score_files,
)

__all__ = [
    "BuildPlan",
    "Case",
    "Comparison",
    "EvaluationPlan",
    "PictureCases",
    "PictureScores",
    "ScoreOptions",
    "ScorePlan",
    "ScoreReport",
    "build_test_set",
    "evaluate_results",
    "plan_evaluation",
    "plan_pairs",
    "plan_scores",
    "plan_test_set",
    "read_test_set",
    "run_evaluation",
    "run_scores",
    "run_test_set",
    "score_files",
    "verify_test_set",
]
