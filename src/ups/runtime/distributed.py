"""Several processes, as `torchrun` or SLURM's `srun` start them: each takes its share of every batch and evaluation.

The processes hold the same model and average their gradients once a step ("ddp"), or each holds a share of the encoder's
blocks ("fsdp"). Gradients are averaged here and not by PyTorch's DistributedDataParallel: a step uses the blocks of one
route, the same in every process, so one message with the gradients that exist is all there is to send; DDP would send
the unused blocks as well and search the graph for them at every step (docs/scale.md).
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from ups.config import Precision
from ups.errors import SettingError
from ups.model.encoder import Block, Encoder
from ups.runtime.device import choose_device
from ups.runtime.precision import computes_bfloat16, resolve_precision

Job = TypeVar("Job")
Result = TypeVar("Result")
log = logging.getLogger("ups")


def start(precision: Precision = "32-true", strategy: Literal["ddp", "fsdp"] = "ddp") -> Fabric:
    """Join the processes that this one was started with; a Fabric of one process and one device where there are none.

    Raises:
        SettingError: nodes with different numbers of processes.
    """
    e = os.environ
    environment: ClusterEnvironment
    device = choose_device()
    if precision == "bf16-mixed" and not computes_bfloat16(device):
        log.warning(
            "this %s works bfloat16 out in software, many times slower than float32; "
            "--train.precision auto takes what it has", device.type,
        )  # fmt: skip
    precision = resolve_precision(precision, device)
    if dist.is_torchelastic_launched():
        environment, processes, each = TorchElasticEnvironment(), int(e["WORLD_SIZE"]), int(e["LOCAL_WORLD_SIZE"])
    else:  # these are set by srun alone, and not in the script that sbatch runs
        environment, processes = LightningEnvironment(), int(e.get("SLURM_STEP_NUM_TASKS", 1))
        each = -(-processes // int(e.get("SLURM_STEP_NUM_NODES", 1)))
        if processes > 1:
            environment = SLURMEnvironment(auto_requeue=False)
    if processes == 1:
        return Fabric(accelerator="auto", devices=1, precision=precision, plugins=[LightningEnvironment()])
    if processes % each:
        raise SettingError(f"{processes} processes, {each} on a node; start the same number on each node")
    place = _share_blocks if strategy == "fsdp" else _leave
    fabric = Fabric(
        accelerator="auto", devices=each, num_nodes=processes // each, precision=precision, plugins=[environment],
        strategy=ModelParallelStrategy(place, data_parallel_size=processes, tensor_parallel_size=1),
    )  # fmt: skip
    fabric.launch()
    return fabric


def _leave(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """The whole model in every process."""
    del mesh
    return model


def _share_blocks(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """The model with each SEM-TEM block's weights shared out; they are gathered while the block runs."""
    for module in reversed(list(model.modules())):  # blocks before the encoder that holds them
        if isinstance(module, (Block, Encoder)):
            fully_shard(module, mesh=mesh["data_parallel"])
    return model


def is_first() -> bool:
    """Whether this is the process that writes and prints: the only one, or number 0."""
    return not dist.is_initialized() or dist.get_rank() == 0


def all_gather(value: Result) -> list[Result]:
    """The values of all processes, in their order; every process must call."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def map_distributed(jobs: Sequence[Job], work: Callable[[Job], Result]) -> list[Result]:
    """`[work(job) for job in jobs]`, where each job is done by one process and all processes get all results."""
    if not dist.is_initialized():
        return [work(job) for job in jobs]
    processes = dist.get_world_size()
    done = all_gather([work(job) for job in jobs[dist.get_rank() :: processes]])
    return [done[i % processes][i // processes] for i in range(len(jobs))]


def mean(fabric: Fabric, value: float) -> float:
    """Mean of a number over the processes."""
    return (
        value if fabric.world_size == 1 else float(_reduced(fabric, [value], dist.ReduceOp.SUM)[0]) / fabric.world_size
    )


def any_of(fabric: Fabric, *flags: bool) -> list[bool]:
    """Each flag, true where it is in any process."""
    return list(flags) if fabric.world_size == 1 else [bool(v) for v in _reduced(fabric, flags, dist.ReduceOp.MAX)]


def _reduced(fabric: Fabric, values: Sequence[float], how: Any) -> Tensor:
    tensor = torch.tensor(values, dtype=torch.float64, device=fabric.device)
    dist.all_reduce(tensor, how)
    return tensor


class Interrupt:
    """Holds Ctrl-C and a scheduler's signals back until a step is complete, so that what is saved is a whole step.

    A second Ctrl-C stops at once. Schedulers announce an end by SIGTERM or (`sbatch --signal`) SIGUSR1, maybe repeatedly;
    a terminal that closes does so by SIGHUP, unless `nohup` has it ignored.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Interrupt:
        names = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        if threading.current_thread() is not threading.main_thread():
            numbers = []
        self.before = {number: signal.signal(number, self._request) for number in numbers}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: object) -> None:
        self.requested = True
        if number == signal.SIGINT:
            signal.signal(number, self.before[number])


def average_gradients(model: nn.Module) -> None:
    """Replace gradients by their mean over the processes; FSDP has done so where weights are shared out.

    The same parameters must have gradients in every process: those of one task and one route.
    """
    if not dist.is_initialized():
        return
    grads = [p.grad for p in model.parameters() if p.grad is not None and not isinstance(p, DTensor)]
    message = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(message)
    message /= dist.get_world_size()
    for g, part in zip(grads, message.split([g.numel() for g in grads]), strict=True):
        g.copy_(part.view_as(g))


def clip_gradients(model: nn.Module, limit: float) -> float:
    """Scale gradients so that their norm, over all parameters wherever they lie, is at most `limit` (0 = as it is).

    Returns the norm.
    """
    limit = limit or math.inf
    parameters = [p for p in model.parameters() if p.grad is not None]
    if not any(isinstance(p, DTensor) for p in parameters):
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit))
    grads = [local(p.grad) for p in parameters if p.grad is not None]
    squares = torch.stack([torch.linalg.vector_norm(g) ** 2 for g in grads])
    in_shares = torch.tensor([isinstance(p, DTensor) for p in parameters], device=squares.device)
    of_shares = squares[in_shares].sum()
    dist.all_reduce(of_shares)
    norm = float((squares[~in_shares].sum() + of_shares).sqrt())
    for g in grads:
        g.mul_(min(1.0, limit / (norm + 1e-6)))  # as clip_grad_norm_ does
    return norm


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process holds, sharing its memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def full_tensor(tensor: Tensor) -> Tensor:
    """All of a tensor whose parts the processes hold; every process must call."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shard_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, the same in every process, moved and shared out as `like` is."""
    tensor = tensor.to(like.device)
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
