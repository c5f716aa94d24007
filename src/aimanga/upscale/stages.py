"""Turn a network into stages that can run on a few rows at a time.

The network is traced once. Each of its operations becomes a stage that knows how many rows of context it needs; an
operation that needs all of them, like a mean over the picture, makes the network one that cannot be streamed.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from aimanga.errors import AimangaError


class NotLocalError(AimangaError):
    """A network has an operation that cannot run on a few rows at a time."""


@dataclass(eq=False)
class Value:
    """A feature map between stages, of which only some rows exist at any time.

    Attributes:
        rate: Rows of it for each row of the input picture.
        channels: Its channels.
        dtype: Its type.
    """

    rate: Fraction
    channels: int
    dtype: torch.dtype


@dataclass(eq=False)
class Stage:
    """One operation: reads rows of its sources, computes rows of its result.

    Attributes:
        sources: What it reads; a convolution reads the channels of all of them side by side.
        result: What it computes.
        compute: Computes rows of the result. A convolution takes one tensor, with `reach` rows of context above and
            below; other operations take one tensor for each source.
        reach: Rows of context that a convolution needs on each side.
        up: Rows of the result for each row of the sources.
        down: Rows of the sources for each row of the result.
        dtype: The type in which a convolution wants its sources; None for all other operations.
        into: Whether `compute` can write into a given tensor, `out`; then its sources need not be in one piece.
        work: Multiplications for a pixel of the result, 1 for all that is no convolution.
    """

    sources: tuple[Value, ...]
    result: Value
    compute: Callable[..., Tensor]
    reach: int = 0
    up: int = 1
    down: int = 1
    dtype: torch.dtype | None = None
    into: bool = False
    work: int = 1


class Convolution:
    """A convolution of a window that has its rows of context, but not its columns of padding.

    Where `packs_weights` allows, the weights are laid out once as oneDNN wants them, and a leaky ReLU behind the
    convolution is applied while its result is in the registers; PyTorch's public function does both anew at every
    call. The operators are private, those of PyTorch's compiler; elsewhere the public function serves.

    Args:
        conv: The convolution; its weights are shared where they need not be laid out anew.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv
        self.padding = (0, conv.kernel_size[1] // 2)
        self.slope: float | None = None
        self.packed: Tensor | None = None
        if conv.weight.device.type == "cpu" and packs_weights(conv.weight.dtype):
            self.packed = _pack(conv.weight.detach(), self.padding, conv.groups)

    def __call__(self, window: Tensor) -> Tensor:
        """Convolve 1 x C x (h + context) x w of the weights' type into 1 x C' x h x w."""
        conv = self.conv
        if self.packed is not None:
            return _convolve_packed(window, self.packed, conv.bias, self.padding, conv.groups, self.slope)
        result = F.conv2d(window, conv.weight, conv.bias, padding=self.padding, groups=conv.groups)
        return result if self.slope is None else F.leaky_relu(result, self.slope, inplace=True)


@cache
def packs_weights(dtype: torch.dtype) -> bool:
    """Whether oneDNN's packed convolutions can be had on this CPU, in this build of PyTorch, and give its results."""
    x, weight, bias = (torch.linspace(-1, 1, 9 * n, dtype=dtype) for n in (8, 4, 1))
    x, weight, bias = x.view(1, 2, 6, 6), weight.view(2, 2, 3, 3), bias[:2]
    try:
        with torch.inference_mode():
            found = _convolve_packed(x, _pack(weight, (0, 1), 1), bias, (0, 1), 1, 0.2)
            expected = F.leaky_relu(F.conv2d(x, weight, bias, padding=(0, 1)), 0.2)
    except (AttributeError, RuntimeError, TypeError):  # no oneDNN, another signature, a CPU without the instructions
        return False
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=0.02, atol=0.02)


def _pack(weight: Tensor, padding: tuple[int, int], groups: int) -> Tensor:
    typical = [1, weight.shape[1] * groups, 16, 1024]
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, (1, 1), (1, 1), groups, typical)
    return packed


def _convolve_packed(
    x: Tensor, packed: Tensor, bias: Tensor | None, padding: tuple[int, int], groups: int, slope: float | None
) -> Tensor:
    after, slopes = ("none", []) if slope is None else ("leaky_relu", [slope])
    result: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, packed, bias, padding, (1, 1), (1, 1), groups, after, slopes, ""
    )
    return result


@dataclass(frozen=True)
class Program:
    """A network as stages, in an order in which each comes after those that it reads from."""

    source: Value
    result: Value
    stages: tuple[Stage, ...]


# Operations on single values, by the ways in which networks write them.
_POINTWISE_FUNCTIONS = {
    F.leaky_relu, F.relu, F.silu, F.gelu, F.elu, F.hardtanh, F.prelu, F.sigmoid, F.tanh,
    torch.relu, torch.sigmoid, torch.tanh, torch.clamp, torch.add, torch.mul, torch.sub, torch.div, torch.lerp,
    operator.add, operator.mul, operator.sub, operator.truediv, operator.neg,
}  # fmt: skip
_POINTWISE_METHODS = {"to", "float", "relu", "sigmoid", "tanh", "clamp", "add", "mul", "sub", "div", "contiguous"}
_POINTWISE_MODULES = (
    nn.LeakyReLU, nn.ReLU, nn.SiLU, nn.GELU, nn.ELU, nn.PReLU, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Identity,
)  # fmt: skip
_CAN_WRITE_INTO: dict[Any, Callable[..., Tensor]] = {
    torch.add: torch.add, torch.mul: torch.mul, torch.sub: torch.sub,
    operator.add: torch.add, operator.mul: torch.mul, operator.sub: torch.sub,
}  # fmt: skip
_CAN_OVERWRITE = {F.leaky_relu, F.relu, F.silu, F.elu, F.hardtanh}
_RESCALING_MODULES = (nn.PixelShuffle, nn.PixelUnshuffle, nn.Upsample, nn.UpsamplingNearest2d)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = (nn.Conv2d, *_POINTWISE_MODULES, *_RESCALING_MODULES)
        return isinstance(m, known) or super().is_leaf_module(m, module_qualified_name)


def compile_network(network: nn.Module, channels: int, dtype: torch.dtype = torch.float32) -> Program:
    """Make a program of a network.

    Args:
        network: Made of convolutions (stride 1, zero padding that keeps the size), operations on single values,
            concatenations of channels, nearest upsampling, PixelShuffle and PixelUnshuffle.
        channels: Channels of its input.
        dtype: Type of its input.

    Returns:
        The program. It shares the network's weights.

    Raises:
        NotLocalError: The network has another operation.
    """
    try:
        graph = _Tracer().trace(network)
    except (TypeError, fx.proxy.TraceError) as error:
        raise NotLocalError(f"{type(network).__name__} cannot be traced: {error}") from error
    device = next(network.parameters()).device
    sample = torch.zeros(1, channels, 8, 8, dtype=dtype, device=device)
    samples = _Recorder(fx.GraphModule(network, graph))
    try:
        with torch.inference_mode():
            samples.run(sample)
    except RuntimeError as error:
        raise NotLocalError(f"{type(network).__name__} cannot be run on a small sample: {error}") from error
    return _Compiler(network, samples.seen).compile(graph)


class _Recorder(fx.Interpreter):
    """Runs the traced network on a small sample and records the type and shape of each result."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.seen: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 (whatever the operation gives)
        self.seen[n] = super().run_node(n)
        return self.seen[n]


class _Compiler:
    def __init__(self, network: nn.Module, seen: dict[fx.Node, Any]) -> None:
        self.modules = dict(network.named_modules())
        self.seen = seen
        self.values: dict[fx.Node, tuple[Value, ...]] = {}  # several: a concatenation that is not made yet
        self.stages: list[Stage] = []
        self.makers: dict[Value, Stage] = {}  # those whose result is always a new tensor

    def compile(self, graph: fx.Graph) -> Program:
        source = result = None
        for node in graph.nodes:
            if node.op == "placeholder":
                source = Value(Fraction(1), self.seen[node].shape[1], self.seen[node].dtype)
                self.values[node] = (source,)
            elif node.op == "output":
                result = self._single(node.args[0])
            elif self._reads_values(node):
                self._add(node)
            # All else is a constant: a parameter, or what is computed from parameters.
        if source is None or result is None:
            raise NotLocalError("the network has no single input and output")
        return Program(source, result, tuple(self.stages))

    def _reads_values(self, node: fx.Node) -> bool:
        return any(argument in self.values for argument in node.all_input_nodes)

    def _add(self, node: fx.Node) -> None:
        if isinstance(self.seen[node], torch.dtype | torch.device):
            return
        module = self.modules[str(node.target)] if node.op == "call_module" else None
        target = node.target
        if isinstance(module, nn.Conv2d):
            self._add_convolution(node, module)
        elif target in (torch.cat, torch.concat):
            self._add_concatenation(node)
        elif isinstance(module, _RESCALING_MODULES) or target in (F.interpolate, F.pixel_shuffle, F.pixel_unshuffle):
            self._add_rescaling(node, module)
        elif (
            isinstance(module, _POINTWISE_MODULES)
            or (node.op == "call_function" and target in _POINTWISE_FUNCTIONS)
            or (node.op == "call_method" and target in _POINTWISE_METHODS)
        ):
            self._add_pointwise(node, module)
        else:
            raise NotLocalError(f"{node.name} ({type(module).__name__ if module else target}) is not a local operation")

    def _add_convolution(self, node: fx.Node, conv: nn.Conv2d) -> None:
        height, width = conv.kernel_size
        same = (height // 2, width // 2)
        if (
            height % 2 == 0
            or width % 2 == 0
            or conv.stride != (1, 1)
            or conv.dilation != (1, 1)
            or conv.padding not in (same, "same")
            or conv.padding_mode != "zeros"
        ):
            raise NotLocalError(f"{node.name}: only convolutions that keep the size, with zero padding, are streamed")

        sources = self.values[node.all_input_nodes[0]]
        self._stage(node, sources, Convolution(conv), reach=same[0], dtype=conv.weight.dtype, work=conv.weight.numel())

    def _add_concatenation(self, node: fx.Node) -> None:
        parts: Any = node.args[0]
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        if dim not in (1, -3) or not isinstance(parts, Sequence):
            raise NotLocalError(f"{node.name}: only channels can be concatenated")
        self.values[node] = tuple(value for part in parts for value in self.values[part])

    def _add_rescaling(self, node: fx.Node, module: nn.Module | None) -> None:
        source = self._single(node.all_input_nodes[0])
        before, after = self.seen[node.all_input_nodes[0]].shape, self.seen[node].shape
        factor = Fraction(after[2], before[2])
        up, down = factor.numerator, factor.denominator
        mode = getattr(module, "mode", node.kwargs.get("mode", "nearest"))
        if factor != Fraction(after[3], before[3]) or min(up, down) != 1 or mode != "nearest":
            raise NotLocalError(f"{node.name}: only nearest upsampling by whole factors is streamed")
        if factor == 1:
            self.values[node] = (source,)
        elif after[1] * up**2 == before[1] * down**2:
            shuffle = F.pixel_shuffle if up > 1 else F.pixel_unshuffle
            self._stage(node, (source,), lambda rows: shuffle(rows, max(up, down)), up=up, down=down)
        elif after[1] == before[1] and down == 1:
            self._stage(node, (source,), lambda rows: F.interpolate(rows, scale_factor=up, mode="nearest"), up=up)
        else:
            raise NotLocalError(f"{node.name}: reductions other than PixelUnshuffle are not streamed")

    def _add_pointwise(self, node: fx.Node, module: nn.Module | None) -> None:
        inputs = node.all_input_nodes
        for constant in inputs:
            shape = getattr(self.seen[constant], "shape", ())
            if constant not in self.values and math.prod(shape[-2:]) > 1 and len(shape) > 2:
                raise NotLocalError(f"{node.name}: a constant that varies over the picture")
        streamed = [given for given in inputs if given in self.values]
        same = node.target in ("to", "float", "contiguous") and self.seen[streamed[0]].dtype == self.seen[node].dtype
        if same or isinstance(module, nn.Identity):
            self.values[node] = self.values[streamed[0]]
            return
        sources = tuple(self._single(given) for given in streamed)
        maker = self.makers.get(sources[0])
        if maker is not None and len(sources) == len(streamed[0].users) == 1:
            self._fuse(node, maker, sources[0], self._callable(node, module, in_place=True))
        else:
            into = node.target in _CAN_WRITE_INTO and len(sources) == len(inputs) == 2
            self._stage(node, sources, self._callable(node, module), into=into)

    def _fuse(self, node: fx.Node, maker: Stage, value: Value, operation: Callable[[Tensor], Tensor]) -> None:
        """Append an operation to the stage that computes its only input."""
        compute = maker.compute
        if node.target is F.leaky_relu and isinstance(compute, Convolution) and compute.slope is None:
            slope: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
            compute.slope = float(slope)
        else:
            maker.compute = lambda *windows: operation(compute(*windows))
        value.channels, value.dtype = self.seen[node].shape[1], self.seen[node].dtype
        self.values[node] = (value,)

    def _callable(self, node: fx.Node, module: nn.Module | None, *, in_place: bool = False) -> Callable[..., Tensor]:
        """The operation of a node as a function of the values that it reads, its constants filled in."""
        overwrite = {"inplace": True} if in_place and node.target in _CAN_OVERWRITE else {}
        streamed = [given for given in node.all_input_nodes if given in self.values]

        def compute(*windows: Tensor, out: Tensor | None = None) -> Tensor:
            given = dict(zip(streamed, windows, strict=True))

            def fill(argument: fx.Node) -> Any:  # noqa: ANN401 (an argument of any kind)
                return given[argument] if argument in given else self.seen[argument]

            args = fx.node.map_arg(node.args, fill)
            kwargs = {**fx.node.map_arg(node.kwargs, fill), **overwrite}
            if out is not None:
                return _CAN_WRITE_INTO[node.target](*args, **kwargs, out=out)
            if module is not None:
                made: Tensor = module(*args, **kwargs)
            elif node.op == "call_method":
                made = getattr(args[0], str(node.target))(*args[1:], **kwargs)
            else:
                assert callable(node.target)
                made = node.target(*args, **kwargs)
            return made

        return compute

    def _single(self, argument: Any) -> Value:  # noqa: ANN401 (a node, by its type any argument)
        """The value of a node; makes a pending concatenation."""
        values = self.values[argument]
        if len(values) > 1:
            self._stage(argument, values, lambda *parts: torch.cat(parts, 1))
            values = self.values[argument]
        return values[0]

    def _stage(
        self,
        node: fx.Node,
        sources: tuple[Value, ...],
        compute: Callable[..., Tensor],
        *,
        reach: int = 0,
        up: int = 1,
        down: int = 1,
        dtype: torch.dtype | None = None,
        into: bool = False,
        work: int = 1,
    ) -> None:
        rates = {source.rate for source in sources}
        if len(rates) > 1:
            raise NotLocalError(f"{node.name}: its inputs have different sizes")
        made = self.seen[node]
        result = Value(rates.pop() * up / down, made.shape[1], made.dtype)
        stage = Stage(sources, result, compute, reach, up, down, dtype, into, work)
        self.stages.append(stage)
        if dtype is not None:
            self.makers[result] = stage
        self.values[node] = (result,)
