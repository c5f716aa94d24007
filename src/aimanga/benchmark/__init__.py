"""Compare methods: on test sets, by metrics, with their costs."""

from aimanga.benchmark.folders import EvaluationPlan, evaluate_results, plan_evaluation, run_evaluation
from aimanga.benchmark.plan import BenchmarkPlan, plan_benchmark
from aimanga.benchmark.recipe import BenchmarkRecipe, load_recipe
from aimanga.benchmark.results import BenchmarkReport, MethodResult, SetResult
from aimanga.benchmark.run import benchmark_methods, run_benchmark

__all__ = [
    "BenchmarkPlan",
    "BenchmarkRecipe",
    "BenchmarkReport",
    "EvaluationPlan",
    "MethodResult",
    "SetResult",
    "benchmark_methods",
    "evaluate_results",
    "load_recipe",
    "plan_benchmark",
    "plan_evaluation",
    "run_benchmark",
    "run_evaluation",
]
