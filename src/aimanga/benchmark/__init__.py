"""Methods against one another: on test sets, by metrics, with what they cost."""

from aimanga.benchmark.plan import BenchmarkPlan, plan_benchmark
from aimanga.benchmark.recipe import BenchmarkRecipe, load_recipe
from aimanga.benchmark.results import BenchmarkReport, MethodResult, SetResult
from aimanga.benchmark.run import benchmark_methods, run_benchmark

__all__ = [
    "BenchmarkPlan",
    "BenchmarkRecipe",
    "BenchmarkReport",
    "MethodResult",
    "SetResult",
    "benchmark_methods",
    "load_recipe",
    "plan_benchmark",
    "run_benchmark",
]
