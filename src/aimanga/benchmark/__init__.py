"""Compare methods: on test sets, by metrics, with their costs."""

from aimanga.benchmark.plan import BenchmarkPlan, plan_benchmark
from aimanga.benchmark.recipe import BenchmarkRecipe, load_recipe
from aimanga.benchmark.run import benchmark_methods, run_benchmark

__all__ = [
    "BenchmarkPlan",
    "BenchmarkRecipe",
    "benchmark_methods",
    "load_recipe",
    "plan_benchmark",
    "run_benchmark",
]
