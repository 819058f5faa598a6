"""A trained model as files that other programs run: ONNX, and programs of `torch.export`; see docs/export.md.

encoder.onnx step.onnx   one task's route for one skeleton; float32, or weights in int8
encoder.pt2 step.pt2     the same as programs of `torch.export`, float32
model.json               what the numbers mean, and SHA-256 of these facts and of the other files; all that
                         `ups.inference.onnx` needs besides the .onnx files

Axis letters: P persons of all clips of a batch, B clips, N frames, J joints (slot order), T target frames, Q = P * T decoded
poses, L memory tokens, S states of a step, F tokens that are given, H heads, D width, C classes.
"""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ups.batch import CONTEXT, Poses
from ups.checkpoint.hashes import write_facts
from ups.checkpoint.io import Trained
from ups.checkpoint.prune import cut_to_route
from ups.config import to_dict
from ups.errors import SettingError
from ups.files import new_folder
from ups.inference.onnx import FORMAT, runtime
from ups.model.decoder import Cache, DecoderBlock
from ups.model.ups import UPS
from ups.skeleton import Skeleton
from ups.skeletons import skeleton_of
from ups.tasks import get_task
from ups.tokens.layout import CLASS_POSITION, Layout

OPSET = 20
"""Version of the ONNX operators that the files use."""
BLOCK = 32
"""Values of an int8 weight that share a scale."""


class ExportedEncoder(nn.Module):
    """Poses -> what the decoder reads, for one task and skeleton."""

    def __init__(self, model: UPS, skeleton: Skeleton) -> None:
        super().__init__()
        self.model, self.skeleton, self.task = copy.deepcopy(model), skeleton, model.tasks[0]
        del self.model.decoder, self.model.vocabulary
        self.slots: Tensor
        self.register_buffer("slots", torch.tensor(skeleton.slots), persistent=False)

    def poses(self, joints: Tensor, visible: Tensor, frames: Tensor, context: Tensor) -> Poses:
        """The inputs as the model takes them; each person is a clip of its own."""
        persons = joints.shape[0]
        return Poses(joints, visible, frames, context, torch.arange(persons), persons, self.skeleton)


class ClipEncoder(ExportedEncoder):
    """For tasks that answer with an action: frame tokens of every person."""

    def forward(self, joints: Tensor, visible: Tensor, frames: Tensor, context: Tensor, person: Tensor):
        """(P, N, J, 3), (P, N, J), (P, N), (P, CONTEXT), (P) -> memory (P, N', D) and its mask (P, N')."""
        encoded = self.model.encode(self.task, self.poses(joints, visible, frames, context))
        assert encoded.frames is not None
        mask = encoded.frames.clone()  # an output can't be an input under another name
        return self.model.person_memory(encoded.joints, self.slots, person), mask


class PoseEncoder(ExportedEncoder):
    """For pose estimation: tokens of each target frame, and what the decoder's blocks make of them once."""

    def __init__(self, model: UPS, skeleton: Skeleton) -> None:
        super().__init__(model, skeleton)
        self.blocks = copy.deepcopy(model.decoder.blocks)
        for block in self.blocks:
            for name in [name for name, _ in block.named_children() if name != "key_value"]:
                delattr(block, name)

    def forward(self, joints: Tensor, visible: Tensor, frames: Tensor, context: Tensor, target_frames: Tensor):
        """(P, N, J, 3), (P, N, J), (P, N), (P, CONTEXT), (P, T) -> memory (Q, J + 1, D); of each block keys and values."""
        poses = self.poses(joints, visible, frames, context)
        memory = self.model.frame_memories(self.model.encode(self.task, poses), poses, target_frames)
        blocks = [block for block in self.blocks if isinstance(block, DecoderBlock)]
        return memory, *(t for block in blocks for t in block.read(memory))


class ActionStep(nn.Module):
    """The decoder's only step that has a choice: the action."""

    def __init__(self, model: UPS, classes: list[int]) -> None:
        super().__init__()
        self.decoder, self.scale = model.decoder, float(model.output_scale.detach().exp())
        self.start: Tensor
        self.table: Tensor
        self.register_buffer("start", model.start(model.tasks[0], 1).detach())
        self.register_buffer("table", model.vocabulary()[classes].detach().t().contiguous())

    def forward(self, memory: Tensor, memory_mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) -> log-probability of every class (B, C)."""
        position = torch.tensor([CLASS_POSITION])
        inputs = self.start.expand(memory.shape[0], 1, -1)
        hidden = self.decoder(inputs, position, None, memory, None, memory_mask[:, None, None])
        return (hidden[:, 0] * self.scale @ self.table).log_softmax(-1)


class PoseStep(nn.Module):
    """One cached step of decoding poses: S states, each of which writes a coordinate or all three of a joint."""

    def __init__(self, model: UPS, bins: int, centres: np.ndarray) -> None:
        super().__init__()
        self.decoder, self.scale = model.decoder, float(model.output_scale.detach().exp())
        self.whole_joints = model.config.decoding != "token"
        self.unit = model.config.decoder_width**0.5
        self.start: Tensor
        self.table: Tensor
        self.centres: Tensor
        self.register_buffer("start", model.start(model.tasks[0], 1).detach())
        self.register_buffer("table", model.vocabulary()[: 3 * bins].detach().unflatten(0, (3, bins)).contiguous())
        self.register_buffer("centres", torch.from_numpy(centres))

    def forward(
        self,
        tokens: Tensor,
        mixing: Tensor,
        positions: Tensor,
        anchors: Tensor,
        memory: Tensor,
        read: list[Tensor],
        past: list[Tensor],
    ):
        """Tokens given (Q, F) and how states mix them (S, 1 + F), positions (S), anchors (S), memory (Q, L, D), of each
        block keys and values of the memory (Q, H, L, D / H) and of earlier states (Q, H, S', D / H).

        Returns:
            The tokens written (Q, W), W = S, or 3 S joint by joint; the expectation (Q, W) and spread (Q, W) of their
            coordinates in metres; of each block keys and values of all states so far.
        """
        known = nn.functional.embedding(tokens, self.table.flatten(0, 1)) * self.unit
        known = torch.cat([self.start.expand(known.shape[0], 1, -1), known], dim=1)
        caches = [Cache() for _ in self.decoder.blocks]
        for i, cache in enumerate(caches):
            cache.memory, cache.tokens = (read[2 * i], read[2 * i + 1]), (past[2 * i], past[2 * i + 1])
        hidden = self.decoder(mixing @ known, positions, anchors, memory, None, None, caches)
        written = self.coordinates(hidden, positions)
        return *written, *(t for cache in caches for t in cache.tokens or ())

    def coordinates(self, hidden: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Token, expectation and spread (Q, W) from states (Q, S, D)."""
        q = hidden.shape[0]
        if self.whole_joints:  # x, y, z of every state
            rows = self.decoder.axes(hidden).unflatten(-1, (3, -1)).permute(2, 0, 1, 3).flatten(1, 2)  # 3 Q*S D
            axis, table = torch.arange(3), self.table
        else:
            rows, axis = hidden.transpose(0, 1), positions % 3  # S Q D
            table = self.table[axis]
        scores = (rows * self.scale) @ table.transpose(1, 2)
        probability = scores.softmax(-1)
        mean = (probability * self.centres).sum(-1)
        spread = (probability * (self.centres - mean[..., None]).square()).sum(-1).sqrt()
        token = scores.argmax(-1) + axis[:, None] * len(self.centres)
        token, mean, spread = (t.t().reshape(q, -1) for t in (token, mean, spread))
        return token, mean, spread


@dataclass(frozen=True)
class Part:
    """One of the two graphs: a module, example inputs, which of their axes may change, names of inputs and outputs."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    shapes: tuple[Any, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


def export(trained: Trained, task: str, output: Path, skeleton: Skeleton | None = None, int8: bool = False) -> Skeleton:
    """Write one task of a trained model to a folder, whole or not at all; see the head of this file.

    Args:
        trained: the model.
        task: name of the task.
        output: the folder; an exported model that stands there is replaced.
        skeleton: of the clips that will be asked about; that of the task's first data set where None. Joints that the
            model never met in training of the task are left out.
        int8: keep the weights of matrix products in the .onnx files in int8, one scale for `BLOCK` values.

    Returns:
        The skeleton, as exported.

    Raises:
        SettingError: a task that the model was not trained on, routing "dense", packages that are missing.
        DataError: neither a pelvis nor both hips among the joints that the model knows.
        OSError: the folder can't be written.
    """
    runtime()
    _onnx()
    cut = cut_to_route(trained, task)
    cut.model.cpu().float().requires_grad_(False)
    skeleton = _known(cut, skeleton or _first_skeleton(cut, task))
    with new_folder(output, "an exported model", "encoder.onnx") as folder, _quiet():
        for part in _parts(cut, task, skeleton):
            program = torch.export.export(part.module.eval(), part.inputs, dynamic_shapes=part.shapes, strict=False)
            packed = io.BytesIO()  # PyTorch's own writer of files ends the process where the disk is full
            torch.export.save(program, packed)
            (folder / f"{part.name}.pt2").write_bytes(packed.getbuffer())
            _write_onnx(program, part, folder / f"{part.name}.onnx", int8)
        write_facts(folder, {**_facts(cut, task, skeleton), "weights": "int8" if int8 else "float32"})
    return skeleton


def _first_skeleton(cut: Trained, task: str) -> Skeleton:
    if not cut.data_sets:
        raise SettingError(f"task {task!r}: the model knows none of its data sets; say which --skeleton the clips have")
    return next(iter(cut.data_sets.values())).skeleton


def _known(cut: Trained, skeleton: Skeleton) -> Skeleton:
    """The skeleton without joints that training never had, as `Predictor.drop_untrained_joints` leaves them out."""
    met = {joint for info in cut.data_sets.values() for joint in info.skeleton.joints}
    joints = [joint for joint in skeleton.joints if joint in met]
    return skeleton_of(joints, skeleton.name) if met and len(joints) < len(skeleton) else skeleton


def _parts(cut: Trained, task: str, skeleton: Skeleton) -> tuple[Part, Part]:
    """Encoder and step, with example inputs whose every free axis has a length of its own."""
    model, vocabulary, skeleton = cut.model, cut.vocabulary, skeleton.sorted_by_slot()
    stride = model.config.temporal_stride
    p, n, j = 2, 4 * stride, len(skeleton)
    persons, length = Dim("persons", min=1), Dim("frames", min=4) if stride == 1 else stride * Dim("steps", min=4)
    seen, real = torch.ones(p, n, j, dtype=torch.bool), torch.ones(p, n, dtype=torch.bool)
    poses = (torch.zeros(p, n, j, 3), seen, real, torch.zeros(p, CONTEXT))
    free = ({0: persons, 1: length}, {0: persons, 1: length}, {0: persons, 1: length}, {0: persons})
    names = ("joints", "visible", "frames", "context")
    layout = get_task(task).layout(vocabulary, skeleton, vocabulary.classes)
    if not layout.per_frame:
        number, memory = torch.zeros(p, dtype=torch.long), torch.zeros(p, 5, model.config.decoder_width)
        clips, tokens = Dim("clips", min=1), Dim("tokens", min=1)
        encoder = Part(
            "encoder", ClipEncoder(model, skeleton), (*poses, number), (*free, {0: persons}), (*names, "person"),
            ("memory", "memory_mask"),
        )  # fmt: skip
        step = Part(
            "step", ActionStep(model, vocabulary.class_tokens(vocabulary.classes)),
            (memory, torch.ones(p, 5, dtype=torch.bool)), ({0: clips, 1: tokens},) * 2, ("memory", "memory_mask"),
            ("log_probability",),
        )  # fmt: skip
        return encoder, step
    targets = torch.zeros(p, 3, dtype=torch.long)
    encoder = Part(
        "encoder", PoseEncoder(model, skeleton), (*poses, targets), (*free, {0: persons, 1: Dim("targets", min=1)}),
        (*names, "target_frames"), ("memory", *_numbered("read", model)),
    )  # fmt: skip
    return encoder, _pose_step(cut, j)


def _numbered(name: str, model: UPS) -> tuple[str, ...]:
    """Names of keys and values of every decoder block."""
    return tuple(f"{name}_{i}" for i in range(2 * len(model.decoder.blocks)))


def _pose_step(cut: Trained, joints: int) -> Part:
    config, vocabulary = cut.model.config, cut.vocabulary
    q, s, f, before = 3, 4, 5, 7
    heads, width = config.decoder_heads, config.decoder_width
    blocks = 2 * config.decoder_layers
    poses, states, given, past = Dim("poses", min=1), Dim("states", min=1), Dim("given", min=0), Dim("past", min=0)
    inputs = (
        torch.zeros(q, f, dtype=torch.long), torch.zeros(s, 1 + f), torch.zeros(s, dtype=torch.long),
        torch.zeros(s, dtype=torch.long), torch.zeros(q, joints + 1, width),
        [torch.zeros(q, heads, joints + 1, width // heads) for _ in range(blocks)],
        [torch.zeros(q, heads, before, width // heads) for _ in range(blocks)],
    )  # fmt: skip
    shapes = (
        {0: poses, 1: given}, {0: states, 1: given + 1}, {0: states}, {0: states}, {0: poses},
        [{0: poses}] * blocks, [{0: poses, 2: past}] * blocks,
    )  # fmt: skip
    names = ("tokens", "mixing", "positions", "anchors", "memory")
    return Part(
        "step", PoseStep(cut.model, vocabulary.bins, vocabulary.bin_centres), inputs, shapes,
        (*names, *_numbered("read", cut.model), *_numbered("past", cut.model)),
        ("written", "mean", "spread", *_numbered("keys", cut.model)),
    )  # fmt: skip


def _facts(cut: Trained, task: str, skeleton: Skeleton) -> dict[str, Any]:
    """What model.json holds: plain JSON values."""
    vocabulary = cut.vocabulary
    layout = get_task(task).layout(vocabulary, skeleton.sorted_by_slot(), vocabulary.classes)
    facts: dict[str, Any] = {
        "export_format": FORMAT,
        "task": task,
        "skeleton": skeleton.to_dict(),
        "joint_order": list(skeleton.sorted_by_slot().joints),
        "frames": next(mix.frames for mix in cut.config.train.tasks if mix.task == task),
        "frames_multiple": cut.config.model.temporal_stride,
        "config": to_dict(cut.config),
        "vocabulary": vocabulary.to_dict(),
        "data_sets": {name: info.to_dict() for name, info in cut.data_sets.items()},
        "steps": cut.steps,
        "lineage": [part.to_dict() for part in cut.lineage],
        "opset": OPSET,
        "torch": torch.__version__,
    }
    if layout.per_frame:
        facts["bin_centres_m"] = vocabulary.bin_centres.astype(float).round(6).tolist()
        facts["written_joints"] = [skeleton.sorted_by_slot().joints[a] for a in layout.anchors[:-1:3]]
        facts["schedule"] = _steps(cut.model, layout)
    return facts


def _steps(model: UPS, layout: Layout) -> list[dict[str, Any]]:
    """The steps that leave a choice, see `ups.inference.onnx.Step`."""
    plan, steps = model.schedule(layout), []
    for low, high in plan.spans:
        first, last = plan.tokens[low][0], plan.tokens[high - 1][1]
        if all(len(ids) == 1 for ids in layout.allowed[first:last]):
            continue
        mixing = plan.mixing[low:high]
        given = [k for k in range(first) if mixing[:, k + 1].any()]
        begins = [a for a, _ in plan.tokens[low:high]]
        steps.append(
            {
                "positions": [layout.positions[k] for k in begins],
                "anchors": [layout.anchors[k] for k in begins],
                "given": given,
                "mixing": mixing[:, [0, *(k + 1 for k in given)]].astype(float).tolist(),
            }
        )
    return steps


def _onnx() -> None:
    """Raises SettingError with the remedy where a package that writes ONNX is missing."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise SettingError(
            f"writing ONNX needs packages ({error}): pip install 'unified-pose-sequence[export]'"
        ) from error


def _write_onnx(program: ExportedProgram, part: Part, path: Path, int8: bool) -> None:
    """Write a program as ONNX, what is constant computed beforehand: only the weights of the skeleton's joints are left."""
    import onnx

    ort = runtime()
    written = torch.onnx.export(
        program, input_names=part.input_names, output_names=part.output_names, opset_version=OPSET, dynamo=True, optimize=False,
        verbose=False,
    )  # fmt: skip
    assert written is not None
    raw = path.with_suffix(".raw")
    written.save(raw)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    raw.unlink()
    if int8:
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(onnx.load(path), bits=8, block_size=BLOCK, is_symmetric=True)
        quantizer.process()
        quantizer.model.save_model_to_file(str(path))  # pyright: ignore


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters print about their own insides; errors are raised all the same."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("torch.onnx", "torch.export", "torch.__trace", "onnx_ir", "onnxruntime"))]
    levels, handlers = [logger.level for logger in loggers], root.handlers[:]
    try:
        for logger in loggers[1:]:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers[:] = handlers  # the quantizer configures everybody's logging when it is imported
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
