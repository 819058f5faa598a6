"""UPS (paper 3): tokenizer, routed encoder and decoder around one tied vocabulary.

What differs from the paper, each a decision of docs/design.md: weights per named joint slot, a learned embedding for
absent joints, pre-norm residual layers with drop path, a narrower attention in the TEM, straight-through routing, and
pose estimation decodes each frame as a short sequence of its own, reading that frame's joint tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ups.batch import PERSONS, Batch, Layout, Poses
from ups.config import ModelConfig
from ups.model.decoder import Cache, Decoder
from ups.model.encoder import Encoder, SlotLinear
from ups.model.routing import Router
from ups.model.tokenizer import JointTokenizer, bone_graph
from ups.skeleton import SLOTS


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


class UPS(nn.Module):
    """The whole model.

    Args:
        config: sizes.
        tasks: names, in the order of their task embeddings.
        features: (vocabulary, F) text features, see `ups.vocabulary.token_features`.
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
        self.joint_slot = nn.Embedding(len(SLOTS), config.decoder_width)
        self.memory_norm = nn.LayerNorm(config.decoder_width)
        self.person = nn.Embedding(PERSONS, config.decoder_width)
        self.decoder = Decoder(config)
        self.output_scale = nn.Parameter(torch.zeros(()))
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
        """Row of the task's embedding; ValueError names the tasks that the model knows."""
        if task not in self.tasks:
            raise ValueError(f"the model was not trained on task {task!r}; it knows {', '.join(self.tasks)}")
        return self.tasks.index(task)

    def routes(self) -> dict[str, list[int]]:
        """The block that each task uses in each layer."""
        return {task: self.router.route(i) for i, task in enumerate(self.tasks)}

    def encode(self, task: str, poses: Poses) -> Tensor:
        """Joint tokens (P, N, J, D) along the task's route."""
        slots = torch.tensor(poses.skeleton.slots, device=poses.joints.device)
        frames = poses.frames.float()
        frame_weight = frames / frames.sum(1, keepdim=True).clamp(min=1)
        graph = bone_graph(poses.skeleton, poses.joints)
        mask = None if bool(poses.frames.all()) else poses.frames[:, None, None]
        weights = self.router.weights(self.task_index(task))
        x = self.tokenizer(poses, graph, slots, frame_weight)
        return self.encoder(x, weights, graph, slots, frame_weight, mask)

    def clip_memory(self, encoded: Tensor, poses: Poses) -> tuple[Tensor, Tensor | None]:
        """Frame tokens of all persons of a clip: (B, M*N, width) and their mask (B, 1, 1, M*N), None if all is there."""
        slots = torch.tensor(poses.skeleton.slots, device=encoded.device)
        tokens = self.frame_memory(encoded, slots)
        p, n, width = tokens.shape
        tokens = tokens + sinusoid(n, width, tokens)
        first = torch.searchsorted(poses.clip, poses.clip)
        number = torch.arange(p, device=tokens.device) - first
        tokens = self.memory_norm(tokens + self.person(number)[:, None])
        if p == poses.clips:
            mask = None if bool(poses.frames.all()) else poses.frames[:, None, None]
            return tokens, mask
        persons = int(number.max()) + 1
        memory = tokens.new_zeros(poses.clips, persons, n, width)
        mask = torch.zeros(poses.clips, persons, n, dtype=torch.bool, device=tokens.device)
        memory[poses.clip, number], mask[poses.clip, number] = tokens, poses.frames
        return memory.flatten(1, 2), mask.flatten(1, 2)[:, None, None]

    def frame_memories(self, encoded: Tensor, poses: Poses, target_frames: Tensor) -> Tensor:
        """Joint tokens and frame token of each target frame.

        encoded (P, N, J, D), target_frames (P, T) frame numbers -> (P * T, J + 1, width).
        """
        slots = torch.tensor(poses.skeleton.slots, device=encoded.device)
        person = torch.arange(len(encoded), device=encoded.device)[:, None]
        chosen = encoded[person, target_frames].flatten(0, 1)  # P*T J D
        joints = self.joint_memory(chosen) + self.joint_slot(slots).to(chosen.dtype)
        frame = self.frame_memory(chosen[:, None], slots)
        return self.memory_norm(torch.cat([joints, frame.to(joints.dtype)], dim=1))

    def memory(self, task: str, poses: Poses, layout: Layout, target_frames: Tensor | None):
        """What the decoder reads: (Q, L, width) and a mask or None; Q = clips, or persons * target frames."""
        encoded = self.encode(task, poses)
        if not layout.per_frame:
            return self.clip_memory(encoded, poses)
        if target_frames is None:
            raise ValueError(f"task {task!r} decodes a pose for each target frame: give target_frames (P, T)")
        return self.frame_memories(encoded, poses, target_frames), None

    def start(self, task: str, sequences: int) -> Tensor:
        """The decoder's first input: the task's embedding, (Q, 1, width)."""
        tau = self.router.task[self.task_index(task)]
        return self.decoder.start(tau).expand(sequences, 1, -1)

    def logits(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """(..., width) against token embeddings (T, width) -> (..., T)."""
        return (hidden * self.output_scale.exp().to(hidden.dtype)) @ embedding.t().to(hidden.dtype)

    def forward(self, task: str, batch: Batch, drop: Tensor | None) -> Tensor:
        """Teacher-forced logits over the vocabulary: (Q, K, vocabulary).

        The decoder reads batch.tokens shifted by one, those where `drop` (Q, K - 1) is True replaced by a learned mark.
        """
        layout, tokens = batch.layout, batch.tokens
        memory, mask = self.memory(task, batch.poses, layout, batch.target_frames)
        embedding = self.vocabulary()
        previous = self.token_inputs(embedding, tokens[:, :-1])
        if drop is not None:
            previous = torch.where(drop[..., None], self.decoder.dropped.to(previous.dtype), previous)
        inputs = torch.cat([self.start(task, len(tokens)).to(previous.dtype), previous], dim=1)
        positions = torch.tensor(layout.positions, device=tokens.device)
        anchors = torch.tensor(layout.anchors, device=tokens.device)
        return self.logits(self.decoder(inputs, positions, anchors, memory, mask), embedding)

    def token_inputs(self, embedding: Tensor, tokens: Tensor) -> Tensor:
        """Embeddings of tokens as decoder inputs: (..., width), scaled to unit size."""
        return nn.functional.embedding(tokens, embedding) * self.config.decoder_width**0.5

    def new_caches(self) -> list[Cache]:
        """Empty key-value caches, one a decoder block."""
        return [Cache() for _ in self.decoder.blocks]


def sinusoid(n: int, width: int, like: Tensor) -> Tensor:
    """Sinusoidal encoding of n frame numbers: (n, width)."""
    rate = 1000.0 ** (-torch.arange(0, width, 2, device=like.device, dtype=torch.float32) / width)
    angle = torch.arange(n, device=like.device, dtype=torch.float32)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1).to(like.dtype)
