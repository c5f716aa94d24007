from .files import UpscalePlan as UpscalePlan
from .files import plan_upscale as plan_upscale
from .files import upscale_file as upscale_file
from .files import upscale_files as upscale_files
from .image import load_engine as load_engine
from .image import upscale as upscale
from .options import PictureOptions as PictureOptions
from .options import UpscaleOptions as UpscaleOptions
