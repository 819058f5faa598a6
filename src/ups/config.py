"""Every setting of a model and of a training run, as frozen dataclasses. Field docstrings become the command's help."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import dacite

from ups.errors import SettingError
from ups.refs import DataRef

Decoding = Literal["token", "joint", "level", "body"]
"""How many tokens the decoder writes at a step, see `ups.model.decoder.schedule`."""
ComputePrecision = Literal["bf16-mixed", "32-true"]
"""Number format of matrix products: bfloat16, or float32 as everything else."""
Precision = Literal["auto", "bf16-mixed", "32-true"]
"""The same, or auto: see `ups.runtime.precision.resolve_precision`."""


MOST_FRAMES = 2000
"""Frames of a clip or window that a model reads at most: longer recordings are cut into windows."""


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise SettingError(f"{name} is {value}; it can be {least:,} to {most:,}")


@dataclass(frozen=True)
class ModelConfig:
    """The network (paper 3.3, 3.4)."""

    joint_width: int = 32
    """Width d of a joint token."""
    tokenizer_layers: int = 3
    """TCN-GCN layers of the joint tokenizer."""
    temporal_kernel: int = 5
    """Frames that a temporal convolution of the tokenizer sees."""
    temporal_stride: int = 1
    """Neighbouring frames that the tokenizer joins to one after its first layer; 1 = none, as in the paper."""
    graph_groups: int = 4
    """Groups of channels that share a topology in a graph convolution."""
    layers: int = 3
    """L, SEM-TEM layers of the encoder."""
    blocks: int = 2
    """H, parallel SEM-TEM blocks in each layer; 1 = no routing."""
    routing: Literal["chosen", "hard_all", "dense"] = "chosen"
    """While routes are explored: chosen = only the sampled block runs, and its gradient says whether it beats skipping
    the layer; hard_all = all H run, combined by the sample (equation 2), whose gradient compares them. Afterwards both run
    the selected block alone. dense: all run always and are mixed by their weights (ablation)."""
    routing_width: int = 256
    """q, length of task and block embeddings."""
    frame_width: int = 192
    """Attention width of the TEM, between the J*d-long frame tokens."""
    frame_heads: int = 6
    """Attention heads of the TEM."""
    frame_mlp: int = 256
    """Hidden width of the TEM's two-layer MLP."""
    decoder_width: int = 128
    """Width of the decoder and of vocabulary embeddings."""
    decoder_layers: int = 3
    """Transformer blocks of the decoder."""
    decoder_heads: int = 4
    """Attention heads of the decoder."""
    decoding: Decoding = "token"
    """Tokens written at a step: token = one, as in the paper; joint = x, y, z of a joint; level = all joints of one
    depth in the skeleton's tree; body = all joints of a frame."""
    dropout: float = 0.1
    """Dropout of channels in the MLPs of TEM and decoder."""
    drop_path: float = 0.1
    """Probability that a SEM-TEM sub-layer is skipped for a clip in training (stochastic depth)."""
    bins: int = 512
    """n_bins, coordinate bins an axis."""
    range_m: float = 1.2
    """Coordinates are quantised over -range_m .. range_m metres around the root."""
    features: Literal["all", "joint", "bone", "joint_motion", "bone_motion"] = "all"
    """What is read of the joints: all, or one stream of the field's ensembles (`ups fuse`): positions, bones, or how
    either moves."""
    confidence: bool = False
    """Reads how sure the detector was of each 2D joint; without it a joint is seen or not."""
    compete: Literal["axis", "vocabulary"] = "axis"
    """Tokens among which a coordinate is chosen in training: the bins of its axis, or the whole vocabulary, as in the paper."""
    text_features: Literal["standardised", "raw"] = "standardised"
    """Features of the vocabulary's texts: standardised within each kind of token, or as the language model gives them."""
    text_encoder: str = "minilm"
    """Text features of the vocabulary: "minilm" or "roberta:NAME_OR_FOLDER"."""

    def __post_init__(self) -> None:
        _within("model.temporal-stride", self.temporal_stride, 1, 16)
        for what, width, heads in (
            ("frame", self.frame_width, self.frame_heads), ("decoder", self.decoder_width, self.decoder_heads)
        ):  # fmt: skip
            _within(f"model.{what}-heads", heads, 1, 1000)
            if width % (2 * heads):
                raise SettingError(
                    f"model.{what}-width {width} with model.{what}-heads {heads}: each head needs an even number of "
                    f"channels; make the width a multiple of {2 * heads}"
                )


@dataclass(frozen=True)
class TaskMix:
    """What one task trains on, and how much of it an iteration takes."""

    task: str
    """Name of the task."""
    data: tuple[str, ...]
    """Store names, each with its split protocol: "nw_ucla:xview"."""
    shares: tuple[float, ...] = ()
    """Share of the iterations that each data set gets; default: by size and `mixing_temperature`."""
    balance: float = 0.0
    """How much more often clips of rare actions are drawn: 0 = every clip as often, 1 = every action as often."""
    by_length: bool = False
    """Clips are drawn in proportion to their lengths, so that a window is cut at every frame of the data sets alike."""
    batch: int = 64
    """Clips (or windows) an iteration."""
    frames: int = 40
    """N, frames a clip is resized to; for pose estimation the window's length."""

    def __post_init__(self) -> None:
        _within(f"frames of {self.task}", self.frames, 1, MOST_FRAMES)

    @property
    def refs(self) -> tuple[DataRef, ...]:
        """`data`, parsed; raises SettingError for an entry without a protocol."""
        return tuple(DataRef.parse(entry) for entry in self.data)

    @property
    def stores(self) -> tuple[str, ...]:
        """Names of the stores of `data`."""
        return tuple(ref.store for ref in self.refs)


@dataclass(frozen=True)
class ActionAugment:
    """Ranges of random changes of clips whose action is learned; angles in degrees."""

    yaw: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    scale: float = 0.15
    stretch: float = 0.1
    """Each axis is stretched on its own by up to this share."""
    mirror: float = 0.25
    crop: float = 0.4
    """Up to this share of the clip is cut off its ends."""
    noise: float = 0.02
    """Standard deviation of joint noise, in metres (3D) or body sizes (2D)."""
    drop: float = 0.4
    """Probability that some joints are hidden for a while."""
    bend: float = 0.05
    """Bones are bent and stretched, slowly over the clip, by normal errors of up to this deviation, in metres (3D) or
    body sizes (2D); what hangs on a bone moves with it. So sensors err whose view of a limb is hidden."""
    pace: float = 1.0
    """Frames are taken at times between even (0) and random ones (1), up to this share of the way."""


@dataclass(frozen=True)
class PoseAugment:
    """Random changes of windows whose 3D poses are learned."""

    mirror: float = 0.5
    noise: float = 0.002
    """Standard deviation of 2D noise, in half long sides of the image."""
    drop: float = 0.1
    """Probability that some joints are hidden for a while."""


@dataclass(frozen=True)
class ShiftAugment:
    """How often training sees what differs from its data sets as people's own recordings do: shares from 0 to 1."""

    share: float = 0.0
    """Batches that differ at all, in the ways that follow; the others show the data sets as they are."""
    skeleton: float = 0.0
    """Of these, batches that are shown in another skeleton, see `ups.tasks.skeleton_views`."""
    camera: float = 0.0
    """Clips seen through another picture frame, or for motion capture by any camera, see `ups.tasks.views`."""
    detector: float = 0.0
    """Clips with the errors of a pose estimator or sensor, see `ups.tasks.detector`."""
    rate: float = 0.0
    """Windows of pose estimation at another number of frames per second."""
    pause: float = 0.0
    """Clips of actions with a pause before or after the action."""


@dataclass(frozen=True)
class Augment:
    """Random changes of training data."""

    action_3d: ActionAugment = ActionAugment(yaw=60, tilt=15, roll=10, stretch=0.15)
    action_2d: ActionAugment = ActionAugment(roll=20, stretch=0.2, noise=0.03, mirror=0.5)
    """2D clips can't be seen from another side."""
    pose: PoseAugment = PoseAugment()
    shift: ShiftAugment = ShiftAugment()


@dataclass(frozen=True)
class TrainConfig:
    """A training run (paper 3.5)."""

    tasks: tuple[TaskMix, ...] = ()
    """The tasks in their rotation order; one task an iteration."""
    cycles: int = 1000
    """Rounds through all tasks; each round is one optimiser step a task."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW; decays to 0 along a cosine."""
    weight_decay: float = 5e-4
    """AdamW weight decay of matrices (not of norms, biases and embeddings)."""
    warmup: float = 0.05
    """Share of the run in which the learning rate rises linearly."""
    clip_norm: float = 1.0
    """Gradient norm limit; 0 = none."""
    accumulate: int = 1
    """Micro-batches an optimiser step; the batch size is divided by it. Several processes share them out, so it must be a
    multiple of their number."""
    precision: Precision = "auto"
    """bf16-mixed = matrix products in bfloat16, many times slower on a processor that lacks it; 32-true = all in float32;
    auto = bf16-mixed where the device has bfloat16, 32-true elsewhere."""
    ema: float = 0.998
    """Decay of the running average of weights that is evaluated and saved; 0 = none."""
    mixing_temperature: float = 2.0
    """Data sets of one task are drawn with probability proportional to size ** (1 / temperature)."""
    route_temperature: tuple[float, float] = (5.0, 0.5)
    """Gumbel-softmax temperature at the start and the end of route exploration."""
    explore: float = 0.3
    """Share of the run in which routes are sampled; afterwards they are the argmax."""
    route_noise: Literal["annealed", "constant"] = "annealed"
    """Gumbel noise while routes are sampled: falls to 0 by the end of it, or stays at 1."""
    route_learning_rate: float = 1.0
    """Learning rate of task and block embeddings relative to the rest."""
    drop_inputs: bool = True
    """Replace decoder inputs by a learned mark at a ratio drawn from U(0,1) for every sequence."""
    smooth_bins: float = 1.5
    """Standard deviation, in bins, of the Gaussian that smooths coordinate targets; 0 = one-hot."""
    expectation: float = 0.0
    """Weight of the distance between the expectation over an axis's bins and the target, beside the likelihood."""
    smooth_labels: float = 0.1
    """Label smoothing over the data set's classes."""
    augment: Augment = field(default_factory=Augment)
    """Random changes of the training data."""
    target_frames: int | Literal["centre", "all"] = 2
    """Frames of a window whose pose is decoded in training: so many at random, its middle one, or all; evaluation decodes
    all it is asked for."""
    hold_out: float = 0.0
    """Share of the training subjects kept apart for validation; 0 for the reported run."""
    seed: int = 0
    """Seed of initialisation, data order, augmentation, dropout and routing."""
    workers: int = 1
    """Threads that assemble batches while the model computes; 0 = in line."""
    checkpoint_minutes: float = 5.0
    """Time between checkpoints."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """What several processes hold (torchrun, srun): ddp = the whole model each, fsdp = a share of the encoder's blocks."""


@dataclass(frozen=True)
class Config:
    """A model and how it is trained."""

    name: str = "custom"
    """Name of the recipe this started from."""
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def to_dict(config) -> dict:
    """Plain JSON values of a config dataclass."""
    return dataclasses.asdict(config)


_PARTS = (ModelConfig, TaskMix, ActionAugment, PoseAugment, ShiftAugment, Augment, TrainConfig)


def from_dict(kind: type, values: dict):
    """The inverse of `to_dict` for the dataclass `kind`, which is `Config` or what it holds.

    Raises:
        SettingError: a key that a dataclass does not have, named together with the known ones; a value that is missing
            or of another type.
    """
    hooks = {each: partial(_only_known, each) for each in _PARTS}
    try:
        return dacite.from_dict(kind, _only_known(kind, values), dacite.Config(type_hooks=hooks, cast=[tuple]))
    except (dacite.DaciteError, TypeError) as error:
        raise SettingError(f"{kind.__name__}: {error}") from error


def _only_known(kind: type, values: dict) -> dict:
    """The values, none of which is without a field in `kind`."""
    known = {f.name for f in dataclasses.fields(kind)}
    unknown = set(values) - known
    if unknown:
        raise SettingError(f"{kind.__name__} has no field {sorted(unknown)}; it has {sorted(known)}")
    return values
