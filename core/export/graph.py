"""The whole pipeline of a model as one ONNX graph, through torch's own exporter; and the same graph with 8-bit weights."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

from transvase.core.encoders.onnx import OUTPUT
from transvase.core.encoders.torch import import_torch
from transvase.core.errors import ExtraMissing, Unfit

_OPSET: Final = 17
_LARGEST: Final = (1 << 31) - (1 << 24)
"""Bytes of parameters that still fit into one graph file: its format ends at two gigabytes, the nodes included."""


def write_graph(model: Any, path: Path, *, name: str) -> None:
    """Write transformer, pooling and all that follows as one graph; batch and length stay free. Unfit where it cannot be done."""
    torch = import_torch()
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    if size > _LARGEST:
        raise Unfit(f"{name} has {size / 1e9:.1f} GB of weights, and a graph file holds two", remedy="serve it with torch")
    inputs = [port for port in ("input_ids", "attention_mask", "token_type_ids") if port in model.tokenizer.model_input_names]
    sample = tuple(
        torch.ones((2, 7), dtype=torch.int64) if n < 2 else torch.zeros((2, 7), dtype=torch.int64) for n in range(len(inputs))
    )
    free = {port: {0: "batch", 1: "length"} for port in inputs} | {OUTPUT: {0: "batch"}}

    class Pipeline(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is seen as Any
        """The modules in order, from named inputs to the one vector."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(dict(zip(inputs, tensors, strict=True)))["sentence_embedding"]

    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the exporter that needs no further package is on its way out, and says so
            torch.onnx.export(
                Pipeline().eval(), sample, str(path), input_names=inputs, output_names=[OUTPUT],
                dynamic_axes=free, dynamo=False, opset_version=_OPSET,
            )  # fmt: skip
    except Exception as error:  # the exporter's exceptions have no common root
        raise Unfit(f"{name} cannot be written as a graph ({error})", remedy="serve it with torch") from error


def quantise(path: Path, *, name: str) -> None:
    """Replace the graph at ``path`` by one with 8-bit weights, a scale for each channel; activations are scaled as they come.

    One scale for a whole tensor, the usual default, kept 81 % of the first ten answers of all-MiniLM-L6-v2 and had a least
    cosine of 0.858 with torch; a scale for each channel kept 91 % at 0.987.

    ExtraMissing without the extra ``train``, Unfit when it cannot be done.
    """
    try:
        import onnx  # noqa: F401  # the quantiser needs it and says so only in passing
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise ExtraMissing("train", needed_for="making 8-bit weights") from error
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".quantise-") as scratch:
        prepared, small = Path(scratch) / "prepared.onnx", Path(scratch) / "small.onnx"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
                quantize_dynamic(str(prepared), str(small), weight_type=QuantType.QInt8, per_channel=True)
        except Exception as error:  # the quantiser's exceptions have no common root
            raise Unfit(f"the graph of {name} cannot be given 8-bit weights ({error})", remedy="export it as fp32") from error
        small.replace(path)
