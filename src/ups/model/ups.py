"""UPS (paper 3): tokenizer, routed encoder and decoder around one tied vocabulary.

What differs from the paper, each a decision of docs/design.md: weights per named joint slot, a learned embedding for
absent joints, pre-norm residual layers with drop path, a narrower attention in the TEM, straight-through routing, frames
that may be joined before the encoder, several tokens a decoding step, and pose estimation decodes each frame as a short
sequence of its own, reading that frame's joint tokens.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ups.batch import PERSONS, Batch, Poses
from ups.config import ModelConfig
from ups.errors import SettingError
from ups.model.decoder import Cache, Decoder, Schedule, schedule
from ups.model.encoder import Encoder, SlotLinear
from ups.model.layers import normalise
from ups.model.routing import Router
from ups.model.tokenizer import JointTokenizer, bone_graph
from ups.skeleton import SLOTS
from ups.tokens.layout import CLASS_POSITION, Layout


class VocabularyEmbedding(nn.Module):
    """Token embeddings: a projection of frozen text features plus a learned residual per token, zero at first."""

    def __init__(self, features: Tensor, width: int) -> None:
        super().__init__()
        self.features: Tensor
        self.register_buffer("features", features.float())
        self.scale = (features.shape[1] * width) ** -0.5
        self.project = nn.Linear(features.shape[1], width, bias=False)
        self.residual = nn.Parameter(torch.zeros(len(features), width))

    def forward(self) -> Tensor:
        """(vocabulary, width)."""
        return self.project(self.features * self.scale) + self.residual


@dataclass(frozen=True)
class Encoded:
    """What the encoder makes of P persons.

    Attributes:
        joints: (P, N', J, D) joint tokens, N' = ceil(N / temporal_stride).
        frames: (P, N') bool, False = padding; None where nothing is.
        detail: (P, N, J, D) tokens of every frame after the tokenizer's first layer.
    """

    joints: Tensor
    frames: Tensor | None
    detail: Tensor


class Choice:
    """Scores of the steps of a layout that choose among the same tokens.

    A plain class, see `ups.batch.Batch`.

    Attributes:
        steps: the C step numbers.
        ids: (T,) the tokens that compete there.
        scores: (Q, C, T) logits.
    """

    def __init__(self, steps: list[int], ids: Tensor, scores: Tensor) -> None:
        self.steps, self.ids, self.scores = steps, ids, scores


class UPS(nn.Module):
    """The whole model.

    Args:
        config: sizes.
        tasks: names, in the order of their task embeddings.
        features: (vocabulary, F) text features, see `ups.tokens.vocabulary.token_features`.
    """

    def __init__(self, config: ModelConfig, tasks: tuple[str, ...], features: Tensor) -> None:
        super().__init__()
        self.config, self.tasks = config, tasks
        self.vocabulary = VocabularyEmbedding(features, config.decoder_width)
        self.tokenizer = JointTokenizer(config)
        self.router = Router(len(tasks), config.layers, config.blocks, config.routing_width, config.routing == "dense")
        self.encoder = Encoder(config)
        self.frame_memory = SlotLinear(config.joint_width, config.decoder_width, into_joints=False)
        self.joint_memory = nn.Linear(config.joint_width, config.decoder_width)
        if config.temporal_stride > 1:
            self.detail_memory = nn.Linear(config.joint_width, config.decoder_width, bias=False)
        self.joint_slot = nn.Embedding(len(SLOTS), config.decoder_width)
        self.memory_norm = nn.LayerNorm(config.decoder_width)
        self.person = nn.Embedding(PERSONS, config.decoder_width)
        self.decoder = Decoder(config)
        self.output_scale = nn.Parameter(torch.zeros(()))
        self.start_embedding = nn.Parameter(self.router.task.detach().clone())
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """All initialisation that differs from PyTorch's defaults and is not a single parameter's own."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.1)
        residual = 1.0 / (2 * self.config.layers + self.config.tokenizer_layers) ** 0.5
        for name, weight in self.named_parameters():
            if name.endswith(("out.weight", "tem.project.weight", "tem.down.weight", "down.weight")):
                weight *= residual
        self.person.weight.zero_()
        nn.init.normal_(self.vocabulary.project.weight)  # unit weights: its step must stay small beside AdamW's rate

    def task_index(self, task: str) -> int:
        """Row of the task's embedding; SettingError names the tasks that the model knows."""
        if task not in self.tasks:
            raise SettingError(f"the model was not trained on task {task!r}; it knows {', '.join(self.tasks)}")
        return self.tasks.index(task)

    def routes(self) -> dict[str, list[int]]:
        """The block that each task uses in each layer."""
        return {task: self.router.route(i) for i, task in enumerate(self.tasks)}

    def encode(self, task: str, poses: Poses) -> Encoded:
        """Joint tokens along the task's route."""
        slots = torch.tensor(poses.skeleton.slots, device=poses.joints.device)
        graph = bone_graph(poses.skeleton, poses.joints)
        route, weights = self.router.select(self.task_index(task))
        detail, x, frames = self.tokenizer(poses, graph, slots)
        return Encoded(self.encoder(x, route, weights, graph, slots, frames), frames, detail)

    def clip_memory(self, encoded: Encoded, poses: Poses) -> tuple[Tensor, Tensor | None]:
        """Frame tokens of all persons of a clip: (B, M*N', width) and their mask (B, 1, 1, M*N'), None if all is there."""
        joints, frames = encoded.joints, encoded.frames
        slots = torch.tensor(poses.skeleton.slots, device=joints.device)
        p, n = joints.shape[:2]
        if p == poses.clips:
            tokens = self.person_memory(joints, slots, torch.zeros(1, dtype=torch.long, device=joints.device))
            return tokens, None if frames is None else frames[:, None, None]
        first = torch.searchsorted(poses.clip, poses.clip)
        number = torch.arange(p, device=joints.device) - first
        tokens = self.person_memory(joints, slots, number)
        persons = int(number.max()) + 1
        memory = tokens.new_zeros(poses.clips, persons, n, tokens.shape[-1])
        mask = torch.zeros(poses.clips, persons, n, dtype=torch.bool, device=tokens.device)
        memory[poses.clip, number] = tokens
        mask[poses.clip, number] = True if frames is None else frames
        return memory.flatten(1, 2), mask.flatten(1, 2)[:, None, None]

    def person_memory(self, joints: Tensor, slots: Tensor, number: Tensor) -> Tensor:
        """Frame tokens (P, N', width) of persons whose joint tokens are (P, N', J, D).

        `number` (P) counts them within their clip; (1) where it is the same for all.
        """
        tokens = self.frame_memory(joints, slots)
        tokens = tokens + sinusoid(*tokens.shape[1:], tokens)
        return self.memory_norm(tokens + self.person(number)[:, None].to(tokens.dtype))

    def frame_memories(self, encoded: Encoded, poses: Poses, target_frames: Tensor) -> Tensor:
        """Joint tokens and frame token of each target frame: target_frames (P, T) numbers -> (P * T, J + 1, width)."""
        slots = torch.tensor(poses.skeleton.slots, device=target_frames.device)
        stride = self.config.temporal_stride
        chosen = _frames_at(encoded.joints, target_frames // stride)  # P*T J D
        joints = self.joint_memory(chosen) + self.joint_slot(slots).to(chosen.dtype)
        if stride > 1:
            joints = joints + self.detail_memory(normalise(_frames_at(encoded.detail, target_frames)))
        frame = self.frame_memory(chosen[:, None], slots)
        return self.memory_norm(torch.cat([joints, frame.to(joints.dtype)], dim=1))

    def memory(self, task: str, poses: Poses, layout: Layout, target_frames: Tensor | None):
        """What the decoder reads: (Q, L, width) and a mask or None; Q = clips, or persons * target frames."""
        encoded = self.encode(task, poses)
        if not layout.per_frame:
            return self.clip_memory(encoded, poses)
        if target_frames is None:
            raise SettingError(f"task {task!r} decodes a pose for each target frame: give target_frames (P, T)")
        return self.frame_memories(encoded, poses, target_frames), None

    def start(self, task: str, sequences: int) -> Tensor:
        """The decoder's first input, (Q, 1, width): an embedding of the task apart from the router's, so that decoding
        moves no route; it begins as a copy of that.
        """
        return self.decoder.start(self.start_embedding[self.task_index(task)]).expand(sequences, 1, -1)

    def logits(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """(..., width) against token embeddings (T, width) -> (..., T)."""
        return (hidden * self.output_scale.exp().to(hidden.dtype)) @ embedding.t().to(hidden.dtype)

    def schedule(self, layout: Layout) -> Schedule:
        """When each token of the layout is written, and which token feeds it."""
        return schedule(layout, self.config.decoding)

    def forward(self, task: str, batch: Batch, drop: Tensor | None) -> list[Choice]:
        """Teacher-forced scores of every step of the layout.

        A coordinate competes with the bins of its axis; an action or end-of-task token with the whole vocabulary.
        Tokens that `drop` (Q, K) marks are hidden from the decoder: a learned mark stands for them.
        """
        layout, tokens = batch.layout, batch.tokens
        memory, memory_mask = self.memory(task, batch.poses, layout, batch.target_frames)
        embedding, plan = self.vocabulary(), self.schedule(layout)
        known = self.token_inputs(embedding, tokens)
        if drop is not None:
            known = torch.where(drop[..., None], self.decoder.dropped.to(known.dtype), known)
        known = torch.cat([self.start(task, len(tokens)).to(known.dtype), known], dim=1)
        positions, anchors, steps = self.state_indices(layout, tokens.device)
        inputs = torch.from_numpy(plan.mixing).to(known) @ known
        hidden = self.decoder(inputs, positions, anchors, memory, steps[:, None] >= steps, memory_mask)
        return self._choices(layout, self.decoder.writes(hidden, plan.tokens), embedding)

    def state_indices(self, layout: Layout, device: torch.device) -> tuple[Tensor, Tensor | None, Tensor]:
        """Position, anchor and step of each of the S states that write a layout, (S) each; None where it has no anchors."""
        plan = self.schedule(layout)
        first = [a for a, _ in plan.tokens]
        rows = [layout.positions[a] for a in first], [layout.anchors[a] for a in first], plan.steps
        positions, anchors, steps = (torch.tensor(row, device=device) for row in rows)
        return positions, anchors if max(layout.anchors) >= 0 else None, steps

    def _choices(self, layout: Layout, hidden: Tensor, embedding: Tensor) -> list[Choice]:
        coordinate = [layout.positions[k] < CLASS_POSITION for k in range(len(layout.positions))]
        groups = [(ids, ks) for ids, ks in layout.choices.items() if coordinate[ks[0]]]
        if self.config.compete == "vocabulary":
            groups = [(tuple(range(len(embedding))), ks) for _, ks in groups]
        rest = [k for k in range(len(coordinate)) if not coordinate[k]]
        result = []
        for ids, ks in [*groups, (tuple(range(len(embedding))), rest)]:
            index = torch.tensor(ids, device=hidden.device)
            chosen = hidden.index_select(1, torch.tensor(ks, device=hidden.device))
            result.append(Choice(ks, index, self.logits(chosen, embedding.index_select(0, index))))
        return result

    def token_inputs(self, embedding: Tensor, tokens: Tensor) -> Tensor:
        """Embeddings of tokens as decoder inputs: (..., width), scaled to unit size."""
        return nn.functional.embedding(tokens, embedding) * self.config.decoder_width**0.5

    def new_caches(self) -> list[Cache]:
        """Empty key-value caches, one a decoder block."""
        return [Cache() for _ in self.decoder.blocks]


def cast_products(model: UPS, dtype: torch.dtype) -> UPS:
    """A copy whose matrix products and convolutions hold their weights in `dtype`, for answers under autocast to it.

    The tokenizer's first layer, which autocast leaves alone, keeps its own.
    """
    model = copy.deepcopy(model)
    kept = model.tokenizer.embed, model.tokenizer.context
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | SlotLinear) and not any(module is other for other in kept):
            module.to(dtype)
    return model


def _frames_at(x: Tensor, numbers: Tensor) -> Tensor:
    """Frames (P, T) of (P, N, J, D) -> (P * T, J, D)."""
    index = numbers[..., None, None].expand(*numbers.shape, *x.shape[2:])
    return torch.gather(x, 1, index).flatten(0, 1)


def sinusoid(n: int, width: int, like: Tensor) -> Tensor:
    """Sinusoidal encoding of n frame numbers: (n, width)."""
    rate = 1000.0 ** (-torch.arange(0, width, 2, device=like.device, dtype=torch.float32) / width)
    angle = torch.arange(n, device=like.device, dtype=torch.float32)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1).to(like.dtype)
