"""Evaluate folders of pictures."""

from aimanga.evaluate.building import BuildPlan, build_test_set, plan_test_set, run_test_set, verify_test_set
from aimanga.evaluate.comparison import Comparison, MethodResult, SetResult
from aimanga.evaluate.folders import EvaluationPlan, evaluate_results, plan_evaluation, run_evaluation
from aimanga.evaluate.layouts import Case, PictureCases, read_test_set
from aimanga.evaluate.references import find_references
from aimanga.evaluate.score import (
    PictureScores,
    ScoreOptions,
    ScorePlan,
    ScoreReport,
    check_references,
    plan_known_pairs,
    plan_scores,
    requested_metrics,
    run_scores,
    score_files,
)

__all__ = [
    "BuildPlan",
    "Case",
    "Comparison",
    "EvaluationPlan",
    "MethodResult",
    "PictureCases",
    "PictureScores",
    "ScoreOptions",
    "ScorePlan",
    "ScoreReport",
    "SetResult",
    "build_test_set",
    "check_references",
    "evaluate_results",
    "find_references",
    "plan_evaluation",
    "plan_known_pairs",
    "plan_scores",
    "plan_test_set",
    "read_test_set",
    "requested_metrics",
    "run_evaluation",
    "run_scores",
    "run_test_set",
    "score_files",
    "verify_test_set",
]
