"""Time, error and memory of upscaling one photo: the usual ways, ours, and the bound of what is possible.

Every way runs in a process of its own, one after the other, on the same picture with the same weights; only the
ratios between them mean something on another machine.

    python benchmarks/upscale.py [PICTURE] [--only speed|memory]

The ways: (a) float32, NCHW, tiles of 256 pixels with 10 pixels of context, as Real-ESRGAN does it; (b) the same in
bfloat16; (c) the same with 64 pixels of context; (d) aimanga; (e) the convolutions alone, in bfloat16, on inputs that
fit into the cache: no way of running this network can be faster on this machine with this library. Where they are
installed: (a) and (b) with OpenVINO, (a) with onnxruntime. The error is that against the whole picture at once in
float32; "other" is the share of the values that are another one after rounding to 8 bits.

Then the memory from file to file, PNG to PNG, with decoding and encoding, for pictures of other sizes: the peak of the
whole process above what it had after importing aimanga.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from aimanga import upscale_files
from aimanga.images import Picture, read, write
from aimanga.models import load_model
from aimanga.tensors import from_array
from aimanga.upscale import load_engine

MODEL = "realesrgan-x4plus"
WAYS = {
    "whole": "whole picture, fp32 (the reference)",
    "a": "tiles, halo 10, fp32",
    "b": "tiles, halo 10, bf16",
    "c": "tiles, halo 64, bf16",
    "d": "aimanga (auto)",
    "d32": "aimanga (fp32)",
}
OPTIONAL = {
    "ov32": ("openvino", "OpenVINO, tiles, halo 10, fp32"),
    "ov16": ("openvino", "OpenVINO, tiles, halo 10, bf16"),
    "ort": ("onnxruntime", "onnxruntime, tiles, halo 10, fp32"),
}
SIZES = [(450, 1350), (1920, 1080), (512, 1024), (512, 8192)]
"""Widths and heights of the pictures for the memory."""


def in_tiles(network: Callable[[Tensor], Tensor], x: Tensor, halo: int, tile: int = 256) -> Tensor:
    """Real-ESRGAN's way: tiles of a fixed size from the upper left, with context, cut and joined."""
    height, width = x.shape[2:]
    result = torch.empty(1, 3, 4 * height, 4 * width)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            y0, x0 = max(0, top - halo), max(0, left - halo)
            part = network(x[:, :, y0 : bottom + halo, x0 : right + halo]).float()
            result[:, :, 4 * top : 4 * bottom, 4 * left : 4 * right] = part[
                :, :, 4 * (top - y0) : 4 * (bottom - y0), 4 * (left - x0) : 4 * (right - x0)
            ]
    return result


def way(name: str, x: Tensor) -> Callable[[], Tensor]:
    """What is timed: everything from the tensor of the picture to that of the result."""
    if name in ("d", "d32"):
        engine = load_engine(MODEL, "cpu", "auto" if name == "d" else "fp32")
        return lambda: engine.run(x)
    network = load_model(MODEL).network
    if name == "whole":
        return lambda: network(x)
    if name == "a":
        return lambda: in_tiles(network, x, 10)
    if name in OPTIONAL:
        converted = (
            in_onnxruntime(network) if name == "ort" else in_openvino(network, "f32" if name == "ov32" else "bf16")
        )
        return lambda: in_tiles(converted, x, 10)
    network.bfloat16()
    return lambda: in_tiles(network, x.bfloat16(), 10 if name == "b" else 64)


def in_openvino(network: nn.Module, precision: str) -> Callable[[Tensor], Tensor]:
    """The network, converted for OpenVINO."""
    import openvino

    model = openvino.convert_model(network, example_input=torch.rand(1, 3, 64, 64), input=[-1, 3, -1, -1])
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return lambda tile: torch.from_numpy(compiled(np.ascontiguousarray(tile.numpy()))[0])


def in_onnxruntime(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network, converted for onnxruntime; needs onnx and onnxscript, too."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        sides = {2: torch.export.Dim("height", min=8), 3: torch.export.Dim("width", min=8)}
        torch.onnx.export(network, (torch.rand(1, 3, 64, 80),), path, dynamic_shapes=(sides,), verbose=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda tile: torch.from_numpy(session.run(None, {name: np.ascontiguousarray(tile.numpy())})[0])


def measure(name: str, picture: Path, output: Path) -> None:
    """Run one way and print its time and its peak of memory above what the process had before."""
    x = from_array(read(picture).pixels)
    with torch.inference_mode():
        run = way(name, x)
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of loading the weights
        start = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - start
    megabytes = memory("VmHWM") - before
    np.save(output, result.numpy())
    print(json.dumps({"seconds": seconds, "megabytes": megabytes}))


def measure_files(picture: Path, output: Path) -> None:
    """Upscale a file into a file, and print the time and the peak of memory above that after the import."""
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    start = time.perf_counter()
    report = upscale_files(picture, output, model=MODEL)
    if report.failed:
        sys.exit(str(report.failed[0].error))
    print(json.dumps({"seconds": time.perf_counter() - start, "megabytes": memory("VmHWM") - before}))


def memory(field: str) -> float:
    """Megabytes that Linux counts for this process: VmRSS now, VmHWM at the most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def bound(height: int, width: int) -> float:
    """Seconds of the convolutions alone: each at 128 x 128 in bfloat16, times how often that fits into the picture."""
    network = load_model(MODEL).network
    counts: dict[tuple[int, int, int], int] = {}
    for name, conv in network.named_modules():
        if isinstance(conv, nn.Conv2d):
            factor = {"conv_up1": 2, "conv_up2": 4, "conv_hr": 4, "conv_last": 4}.get(name, 1)
            key = (conv.in_channels, conv.out_channels, factor)
            counts[key] = counts.get(key, 0) + 1
    seconds = 0.0
    with torch.inference_mode():
        for (inputs, outputs, factor), count in counts.items():
            conv = nn.Conv2d(inputs, outputs, 3, padding=1).bfloat16().to(memory_format=torch.channels_last)
            x = torch.rand(1, inputs, 128, 128).bfloat16().contiguous(memory_format=torch.channels_last)
            times = []
            for _ in range(15):
                start = time.perf_counter()
                conv(x)
                times.append(time.perf_counter() - start)
            seconds += float(np.median(times)) * count * height * width * factor**2 / 128**2
    return seconds


def speed_table(picture: Path) -> None:
    """Run every way, print the table and the ratios."""
    found = {}
    height, width = read(picture).pixels.shape[:2]
    print(f"{picture.name}: {width} x {height}, {MODEL}, {torch.get_num_threads()} threads\n")
    print(f"{'way':42} {'seconds':>8} {'MB':>6} {'largest':>8} {'PSNR':>7} {'other':>9}")
    installed = {name: title for name, (module, title) in OPTIONAL.items() if find_spec(module)}
    with tempfile.TemporaryDirectory() as folder:
        reference = None
        for name, title in (WAYS | installed).items():
            output = Path(folder) / "result.npy"
            found[name] = run_child(picture, output, "--way", name)
            result = np.load(output).clip(0, 1)
            reference = result if reference is None else reference
            error = np.abs(result - reference)
            psnr = -10 * np.log10(max(float((error**2).mean()), 1e-12))
            other = float((np.floor(result * 255 + 0.5) != np.floor(reference * 255 + 0.5)).mean())
            label = f"({name}) {title}"
            print(
                f"{label:42} {found[name]['seconds']:8.1f} {found[name]['megabytes']:6.0f} "
                f"{error.max() * 255:8.2f} {psnr:7.1f} {other:9.4%}",
                flush=True,
            )
    seconds = bound(height, width)
    ours = found["d"]["seconds"]
    print(f"{'(e) convolutions alone, bf16':42} {seconds:8.1f}\n")
    for name in ("a", "b", "c", *installed):
        print(f"(d) / ({name}) = {ours / found[name]['seconds']:.3f}")
    print(f"(e) / (d) = {seconds / ours:.3f}\n")


def memory_table(picture: Path) -> None:
    """Upscale the picture, repeated or cut to several sizes, from file to file."""
    pixels = read(picture).pixels
    print(f"{'from file to file':42} {'seconds':>8} {'MB':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            source, output = Path(folder) / "source.png", Path(folder) / "result.png"
            repeated = np.tile(pixels, (-(-height // pixels.shape[0]), -(-width // pixels.shape[1]), 1))
            write(Picture(repeated[:height, :width]), source)
            found = run_child(source, output, "--files")
            output.unlink()
            name = f"{width} x {height} to {4 * width} x {4 * height}"
            print(f"{name:42} {found['seconds']:8.1f} {found['megabytes']:6.0f}", flush=True)


def run_child(picture: Path, output: Path, *arguments: str) -> dict[str, float]:
    """Run this script for one measurement in a process of its own."""
    command = [sys.executable, __file__, str(picture), "--output", str(output), *arguments]
    child = subprocess.run(command, check=False, capture_output=True, text=True)
    if child.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{child.stderr}")
    measured: dict[str, float] = json.loads(child.stdout.splitlines()[-1])
    return measured


def main() -> None:
    """Measure what is asked for; in a child, one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=Path(__file__).parent / "reef.jpg")
    parser.add_argument("--only", choices=["speed", "memory"])
    parser.add_argument("--way", choices=[*WAYS, *OPTIONAL], help=argparse.SUPPRESS)
    parser.add_argument("--files", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        measure(arguments.way, arguments.picture, arguments.output)
    elif arguments.files:
        measure_files(arguments.picture, arguments.output)
    else:
        if arguments.only != "memory":
            speed_table(arguments.picture)
        if arguments.only != "speed":
            memory_table(arguments.picture)


if __name__ == "__main__":
    main()
