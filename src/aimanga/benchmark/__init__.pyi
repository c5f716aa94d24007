from .options import BenchmarkOptions as BenchmarkOptions
from .plan import BenchmarkPlan as BenchmarkPlan
from .plan import plan_benchmark as plan_benchmark
from .recipe import BenchmarkRecipe as BenchmarkRecipe
from .recipe import load_recipe as load_recipe
from .run import benchmark as benchmark
