"""Foreign checkpoint layouts, written down independently of the adapters: names, and values that tell them apart."""

import math

import torch
from torch import Tensor, nn

DEPTHS = {
    "mit_b0": (2, 2, 2, 2), "mit_b1": (2, 2, 2, 2), "mit_b2": (3, 4, 6, 3), "mit_b3": (3, 4, 18, 3),
    "mit_b4": (3, 8, 27, 3), "mit_b5": (3, 6, 40, 3),
}  # fmt: skip


def randomise(module: nn.Module) -> nn.Module:
    """Weights large enough that every part counts, running statistics included."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim >= 2:
            tensor.copy_(noise / math.sqrt(math.prod(tensor.shape[1:])))
        elif name.endswith(("weight", "running_var")):
            tensor.copy_(1 + 0.1 * noise.abs())
        else:
            tensor.copy_(0.1 * noise)
    return module


def nvlabs_from_hugging_face(state: dict[str, Tensor], depths: tuple[int, ...]) -> dict[str, Tensor]:
    """The encoder tensors of a `SegformerModel`'s file under the names of NVlabs' mit_b*.pth, classifier included."""
    result = {"head.weight": torch.zeros(1000, 8), "head.bias": torch.zeros(1000)}
    for stage, depth in enumerate(depths):
        one = stage + 1
        for leaf in ("weight", "bias"):
            result[f"patch_embed{one}.proj.{leaf}"] = state[f"encoder.patch_embeddings.{stage}.proj.{leaf}"]
            result[f"patch_embed{one}.norm.{leaf}"] = state[f"encoder.patch_embeddings.{stage}.layer_norm.{leaf}"]
            result[f"norm{one}.{leaf}"] = state[f"encoder.layer_norm.{stage}.{leaf}"]
            for block in range(depth):
                theirs, ours = f"encoder.block.{stage}.{block}", f"block{one}.{block}"
                for a, b in (
                    ("layer_norm_1", "norm1"), ("layer_norm_2", "norm2"), ("attention.self.query", "attn.q"),
                    ("attention.output.dense", "attn.proj"), ("attention.self.sr", "attn.sr"),
                    ("attention.self.layer_norm", "attn.norm"), ("mlp.dense1", "mlp.fc1"), ("mlp.dense2", "mlp.fc2"),
                    ("mlp.dwconv.dwconv", "mlp.dwconv.dwconv"),
                ):  # fmt: skip
                    if f"{theirs}.{a}.{leaf}" in state:
                        result[f"{ours}.{b}.{leaf}"] = state[f"{theirs}.{a}.{leaf}"]
                result[f"{ours}.attn.kv.{leaf}"] = torch.cat(
                    [state[f"{theirs}.attention.self.{part}.{leaf}"] for part in ("key", "value")]
                )
    return result


def reference_layout(encoder: dict[str, Tensor], num_classes: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Fusion and segmentation state dicts as SegMiF's authors name them, around an NVlabs encoder."""
    generator = torch.Generator().manual_seed(1)
    widths = [encoder[f"patch_embed{i}.proj.bias"].numel() for i in range(1, 5)]

    def layer(outputs: int, inputs: int, *kernel: int, bias: bool = True) -> dict[str, Tensor]:
        weight = torch.randn(outputs, inputs, *kernel, generator=generator) / math.sqrt(inputs * math.prod(kernel))
        return {"weight": weight, **({"bias": torch.randn(outputs, generator=generator) / 10} if bias else {})}

    def norm(width: int) -> dict[str, Tensor]:
        return {"weight": 1 + torch.rand(width, generator=generator), "bias": torch.zeros(width)}

    fusion = {
        "conv1_ir": layer(64, 1, 3, 3), "conv1_vis": layer(64, 1, 3, 3), "conv2": layer(64, 128, 3, 3),
        "conv21": layer(32, 64, 3, 3), "conv22": layer(1, 32, 3, 3), "conv3": layer(64, widths[0], 1, 1),
        "conv4": layer(64, widths[1], 1, 1), "relu": {"weight": torch.tensor([0.2])},
    }  # fmt: skip
    for block in range(1, 5):
        for i in range(5):
            fusion[f"DRDB{block}.Dcov{i + 1}"] = layer(32, 64 + 32 * i, 3, 3)
        fusion[f"DRDB{block}.conv"] = layer(64, 224, 1, 1)
    for attention in ("ffm", "ffm2"):
        for i in (1, 2, 3):
            fusion[f"{attention}.cross.channel_proj{i}"] = layer(128, 64)
        for name in ("cross_attn.kv3", "cross_attn2.kv1", "cross_attn2.kv2"):
            fusion[f"{attention}.cross.{name}"] = layer(128, 64, bias=False)
        for i in (1, 2):
            fusion[f"{attention}.cross.end_proj{i}"] = layer(64, 128)
            fusion[f"{attention}.cross.norm{i}"] = norm(64)
    head = {f"linear_c{i + 1}.proj": layer(256, widths[i]) for i in range(4)}
    head |= {"linear_fuse.conv": layer(256, 1024, 1, 1, bias=False), "linear_pred": layer(num_classes, 256, 1, 1)}
    head["linear_fuse.bn"] = norm(256) | {
        "running_mean": torch.zeros(256), "running_var": torch.ones(256), "num_batches_tracked": torch.tensor(7)
    }  # fmt: skip
    segmentation = {f"denoise_net.encoder.{k}": v for k, v in encoder.items() if not k.startswith("head.")}
    segmentation |= {f"denoise_net.decoder.{k}": v for k, v in _flat(head).items()}
    segmentation["denoise_net.classifier.weight"] = torch.zeros(num_classes, widths[3], 1, 1)
    return _flat(fusion), segmentation


def _flat(layers: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{name}.{leaf}": value for name, leaves in layers.items() for leaf, value in leaves.items()}
