"""Routing: one block a layer, the best one at evaluation; noise that vanishes; gradients where they belong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import CLASSES, FRAMES, MODEL, TRAIN, full_scores, random_clip, trained_model

from ups.batch import Batch
from ups.checkpoint.io import Trained
from ups.model.encoder import Encoder
from ups.model.layers import normalise
from ups.model.routing import Router
from ups.model.tokenizer import bone_graph
from ups.skeletons import KINECT_20
from ups.tasks import recognize_3d
from ups.tasks.task import collate
from ups.training.loss import sequence_loss
from ups.training.optimizer import set_routing


def batch_of(trained: Trained) -> Batch:
    examples = [recognize_3d.example(random_clip(seed=i, label=i), FRAMES) for i in range(2)]
    return collate(recognize_3d, examples, trained.vocabulary, KINECT_20.sorted_by_slot(), CLASSES)


def encoder_input(frames: int = 5) -> tuple[torch.Tensor, ...]:
    """x, then graph and slots."""
    skeleton = KINECT_20.sorted_by_slot()
    x = torch.randn(2, frames, len(skeleton), MODEL.joint_width, generator=torch.Generator().manual_seed(3))
    return x, bone_graph(skeleton, x), torch.tensor(skeleton.slots)


def scores(trained: Trained, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return full_scores(trained.model("recognize_3d", batch, None), trained.vocabulary.size)


def loss_of(trained: Trained, batch: Batch) -> torch.Tensor:
    config = replace(TRAIN, smooth_bins=0.0, smooth_labels=0.0)
    return sequence_loss(trained.model("recognize_3d", batch, None), batch, trained.vocabulary, config)[0]


def sample(router: Router, task: int) -> torch.Tensor:
    """A one-hot sample (L, H) while routes are explored; the route is its argmax."""
    route, weights = router.select(task)
    assert weights is not None and weights.argmax(-1).tolist() == route
    return weights


@pytest.fixture
def router() -> Router:
    torch.manual_seed(0)
    return Router(tasks=3, layers=4, blocks=3, width=8)


def test_embeddings_begin_so_that_scores_vary_by_about_one_over_the_width_s_root():
    torch.manual_seed(0)
    router = Router(tasks=40, layers=10, blocks=4, width=64).train()
    for embedding in (router.task, router.block):
        assert float(embedding.detach().std()) == pytest.approx(1 / 8, rel=0.05)
    assert router.routes_frozen and router.temperature == 1  # nobody explores unless told to


def test_the_route_is_the_argmax_of_the_scores_at_evaluation(router):
    router.eval()
    router.noise = 1.0  # has no say at evaluation
    for task in range(3):
        by_hand = [(router.block[layer] @ router.task[task]).argmax().item() for layer in range(4)]
        assert router.route(task) == by_hand
        assert [router.select(task) for _ in range(3)] == [(by_hand, None)] * 3  # settled


def test_without_noise_the_route_is_frozen_in_training_too(router):
    router.train()
    router.noise = 0.0
    assert router.routes_frozen
    for task in range(3):
        assert router.select(task) == (router.route(task), None)
    router.noise = 1e-6
    assert not router.routes_frozen


def test_one_block_is_no_choice_and_two_are():
    one, two = (Router(tasks=1, layers=2, blocks=blocks, width=8).train() for blocks in (1, 2))
    one.noise = two.noise = 1.0
    assert one.select(0) == ([0, 0], None)
    assert {block for _ in range(40) for block in two.select(0)[0]} == {0, 1}


def test_tasks_may_take_different_routes(router):
    with torch.no_grad():
        router.block[:, 0], router.block[:, 2] = 1.0, -1.0
        router.block[:, 1] = 0.0
        router.task[0], router.task[1] = 1.0, -1.0
    assert router.route(0) == [0] * 4 and router.route(1) == [2] * 4


def test_noise_explores_blocks_and_every_sample_is_one_hot(router):
    router.train()
    router.noise, router.temperature = 1.0, 5.0
    torch.manual_seed(1)
    samples = torch.stack([sample(router, 0).detach() for _ in range(300)])
    torch.testing.assert_close(samples, samples.round(), atol=1e-6, rtol=0)
    torch.testing.assert_close(samples.sum(-1), torch.ones(300, 4))
    share = samples.mean(0)
    torch.testing.assert_close(share, router.scores(0).softmax(-1), atol=0.1, rtol=0)  # the Gumbel-max distribution
    router.noise = 1e-6
    assert all(router.select(0)[0] == router.route(0) for _ in range(20))


def test_the_weights_gradient_is_that_of_the_softmax(router):
    router.train()
    router.noise, router.temperature = 0.5, 0.7
    value = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(5)
    (sample(router, 1) * value).sum().backward()
    straight = router.block.grad.clone(), router.task.grad.clone()
    router.zero_grad()
    torch.manual_seed(5)
    gumbel = -torch.log(-torch.log(torch.rand(4, 3)))
    (((router.scores(1) + 0.5 * gumbel) / 0.7).softmax(-1) * value).sum().backward()
    assert router.block.grad.abs().max() > 0
    torch.testing.assert_close(straight[0], router.block.grad)
    torch.testing.assert_close(straight[1], router.task.grad)


def test_noise_and_temperature_are_annealed():
    model = trained_model(classes=CLASSES).model
    config = replace(TRAIN, explore=0.4, route_temperature=(5.0, 0.5))
    seen = []
    for progress in (0.0, 0.1, 0.2, 0.4, 0.7, 1.0):
        set_routing(model, config, progress)
        seen.append((model.router.noise, model.router.temperature))
    noise, temperature = zip(*seen, strict=True)
    assert noise == pytest.approx((1.0, 0.75, 0.5, 0.0, 0.0, 0.0))
    assert temperature == pytest.approx((5.0, 5 * 0.1**0.25, 5 * 0.1**0.5, 0.5, 0.5, 0.5))
    set_routing(model, replace(config, explore=0.0), 0.0)
    assert model.router.noise == 0.0


@pytest.mark.parametrize("noise", [1e-6, 0.0])
def test_only_the_chosen_blocks_get_gradients_and_the_router_while_it_explores(noise):
    trained = trained_model(classes=CLASSES)
    model = trained.model.train()
    model.router.noise = noise
    batch = batch_of(trained)
    loss_of(trained, batch).backward()
    route = model.routes()["recognize_3d"]
    for layer, chosen in zip(model.encoder.layers, route, strict=True):
        for h, block in enumerate(layer):
            gradients = [p.grad for p in block.parameters()]
            if h == chosen:
                assert all(g is not None for g in gradients)
                assert sum(float(g.abs().sum()) for g in gradients) > 0
            else:
                assert all(g is None for g in gradients)
    assert model.start_embedding.grad[model.task_index("recognize_3d")].abs().sum() > 0  # learned, routes or not
    if noise == 0:  # frozen: nothing moves the router
        assert model.router.task.grad is None and model.router.block.grad is None
        return
    row = model.task_index("recognize_3d")
    others = [i for i in range(len(model.tasks)) if i != row]
    assert model.router.task.grad[row].abs().sum() > 0
    assert torch.count_nonzero(model.router.task.grad[others]) == 0
    assert (model.router.block.grad.abs().sum((1, 2)) > 0).all()


def test_blocks_off_the_route_change_nothing():
    trained, changed = trained_model(classes=CLASSES), trained_model(classes=CLASSES)
    with torch.no_grad():
        for layer, chosen in zip(changed.model.encoder.layers, changed.model.routes()["recognize_3d"], strict=True):
            for p in layer[1 - chosen].parameters():
                p.fill_(float("nan"))
    batch = batch_of(trained)
    assert torch.equal(scores(trained, batch), scores(changed, batch))


def test_dense_is_the_weighted_mix_of_all_blocks():
    torch.manual_seed(4)
    encoder = Encoder(replace(MODEL, routing="dense", layers=1, blocks=3)).eval()
    x, graph, slots = encoder_input()
    weights = torch.tensor([[0.2, 0.5, 0.3]])
    with torch.no_grad():
        blocks = [block(x, graph, slots, None) for block in encoder.layers[0]]
        mixed = encoder(x, [1], weights, graph, slots, None)
        by_hand = normalise(sum(w * b for w, b in zip(weights[0], blocks, strict=True)))
    torch.testing.assert_close(mixed, by_hand)


@pytest.mark.parametrize("training", [True, False])
def test_hard_all_gives_the_sample_that_combines_all_blocks(training):
    trained = trained_model(model=replace(MODEL, routing="hard_all", dropout=0.0, drop_path=0.0), classes=CLASSES)
    model, batch = trained.model.train(training), batch_of(trained)
    model.router.noise = 1e-6
    chosen = trained_model(model=replace(MODEL, dropout=0.0, drop_path=0.0), classes=CLASSES)
    assert model.routes() == chosen.model.routes()
    torch.testing.assert_close(scores(trained, batch), scores(chosen, batch))


def test_hard_all_compares_the_blocks_and_teaches_the_chosen_one_alone():
    torch.manual_seed(4)
    encoder = Encoder(replace(MODEL, routing="hard_all", layers=1)).train()
    x, graph, slots = encoder_input()
    value = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    weights = torch.tensor([[1.0, 0.0]], requires_grad=True)
    (encoder(x, [0], weights, graph, slots, None) * value).sum().backward()
    assert all(p.grad is not None for p in encoder.layers[0][0].parameters())
    assert all(p.grad is None for p in encoder.layers[0][1].parameters())
    blocks = [block(x, graph, slots, None) for block in encoder.layers[0]]
    free = torch.tensor([1.0, 0.0], requires_grad=True)
    (normalise(free[0] * blocks[0] + free[1] * blocks[1]) * value).sum().backward()
    assert weights.grad is not None and free.grad is not None and free.grad[1] != 0
    torch.testing.assert_close(weights.grad[0], free.grad)


def gap_after(routing: str, steps: int) -> float:
    """Score gap of a real router over two blocks that stay equally good (one another's copies, with dropout of their
    own) while it explores at noise 1; to skip the layer would be worse.
    """
    torch.manual_seed(0)
    config = replace(MODEL, routing=routing, layers=1, dropout=0.2, drop_path=0.0)
    encoder, router = (
        Encoder(config).train().requires_grad_(False),
        Router(tasks=1, layers=1, blocks=2, width=256).train(),
    )
    encoder.layers[0][1].load_state_dict(encoder.layers[0][0].state_dict())
    x, graph, slots = encoder_input()
    with torch.no_grad():
        answer = encoder.eval()(x, [0], None, graph, slots, None)
        target = answer + (answer - normalise(x))  # further on the way that both blocks go: skipping them is worse
    encoder.train()
    router.noise = 1.0
    optimizer = torch.optim.AdamW(router.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(steps):
        loss = (encoder(x, *router.select(0), graph, slots, None) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return router.gaps(0)[0]


def test_of_two_equally_good_blocks_none_is_preferred_where_all_are_compared():
    assert gap_after("hard_all", 150) < 1.0  # the noise's standard deviation is 1.3
    assert gap_after("chosen", 150) > 3.0  # whatever was sampled is reinforced


def test_gaps_are_those_of_the_two_best_scores(router):
    best = router.scores(1).sort(-1, descending=True).values
    assert router.gaps(1) == pytest.approx((best[:, 0] - best[:, 1]).tolist())
    assert Router(tasks=1, layers=3, blocks=1, width=8).gaps(0) == [0.0] * 3


def test_a_dense_router_gives_the_softmax_itself():
    torch.manual_seed(4)
    dense = Router(tasks=3, layers=4, blocks=3, width=8, dense=True).eval()
    for training in (False, True):
        route, weights = dense.train(training).select(1)
        assert weights is not None and route == dense.route(1) and not dense.routes_frozen
        torch.testing.assert_close(weights, torch.softmax(dense.block @ dense.task[1], -1))
        assert 0.01 < float(weights.detach().max()) < 0.99


def test_dense_equals_chosen_where_the_weights_are_one_hot():
    torch.manual_seed(4)
    config = replace(MODEL, layers=3)
    chosen, dense = Encoder(config).eval(), Encoder(replace(config, routing="dense")).eval()
    dense.load_state_dict(chosen.state_dict())
    x, graph, slots = encoder_input()
    with torch.no_grad():
        for route in ([0, 1, 0], [1, 1, 1]):
            weights = torch.nn.functional.one_hot(torch.tensor(route), 2).float()
            mixed = dense(x, route, weights, graph, slots, None)
            torch.testing.assert_close(mixed, chosen(x, route, weights, graph, slots, None))
            torch.testing.assert_close(mixed, chosen(x, route, None, graph, slots, None))


def test_frozen_routes_give_what_exploring_the_same_ones_gives():
    trained = trained_model(classes=CLASSES)
    batch, router = batch_of(trained), trained.model.train().router
    answers = []
    for router.noise in (0.0, 1e-6):
        answers.append(scores(trained, batch))
    torch.testing.assert_close(*answers)


def test_with_one_block_there_is_nothing_to_choose():
    trained = trained_model(model=replace(MODEL, blocks=1), classes=CLASSES)
    assert set(map(tuple, trained.model.routes().values())) == {(0, 0)}
