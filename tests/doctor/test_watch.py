"""Watching changes nothing, undoes itself, and takes whatever loop it is put around."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import striate
from striate.core.errors import StriateError
from striate.doctor.trace import Trace
from striate.doctor.watch import Watch


def blobs(n: int = 256, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points of ``classes`` clouds in 8 dimensions, far apart."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (n,), generator=draw)
    centres = 3 * torch.randn(classes, 8, generator=torch.Generator().manual_seed(99))
    return centres[y] + torch.randn(n, 8, generator=draw), y


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def net_like() -> nn.Module:
    """A model whose weights use up no random number."""
    return nn.utils.skip_init(nn.Linear, 8, 3)


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Any,
    *,
    epochs: int = 2,
    stop: Callable[[int], None] | None = None,
) -> None:
    for epoch in range(epochs):
        model.train()
        for count, (x, y) in enumerate(loader):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            if stop is not None:
                stop(epoch * 1000 + count)


def trace_of(doctor: Watch) -> Trace:
    assert doctor.case.trace is not None
    return doctor.case.trace


def hooks(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[int]:
    counts = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()]
    return [*counts, len(optimizer._optimizer_step_pre_hooks), len(optimizer._optimizer_step_post_hooks)]


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam], ids=["sgd", "adam"])
def test_training_is_bit_for_bit_the_same_with_and_without(make: Any) -> None:
    x, y = blobs()
    ends = []
    for watched in (False, True):
        model = net()
        optimizer = make(model.parameters(), lr=0.01)
        loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
        torch.manual_seed(5)
        if watched:
            with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=loader, test=blobs(seed=1), quiet=True):
                fit(model, optimizer, loader)
        else:
            fit(model, optimizer, loader)
        ends.append((model.state_dict(), torch.rand(3)))
    assert torch.equal(ends[0][1], ends[1][1])
    assert all(torch.equal(ends[0][0][name], ends[1][0][name]) for name in ends[0][0])


def test_every_hook_is_gone_afterwards_and_torch_is_as_it_was() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before, backward = hooks(model, optimizer), torch.autograd.backward
    with striate.watch(model, optimizer, quiet=True):
        assert torch.autograd.backward is not backward
        assert hooks(model, optimizer) != before
    assert hooks(model, optimizer) == before
    assert torch.autograd.backward is backward


def test_blocks_that_end_out_of_order_leave_torch_as_it_was() -> None:
    backward = torch.autograd.backward
    first, second = striate.watch(net(), quiet=True), striate.watch(net(1), quiet=True)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.autograd.backward is not backward
    second.__exit__(None, None, None)
    assert torch.autograd.backward is backward


def test_a_healthy_run_is_written_down_and_nothing_is_found() -> None:
    (x, y), model = blobs(), net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=loader, test=blobs(seed=1), quiet=True) as doctor:
        fit(model, optimizer, loader, epochs=6)
    trace = trace_of(doctor)
    assert len(trace.steps) == 48
    assert trace.losses()[-1] < trace.losses()[0]
    assert [probe.step for probe in trace.probes][:6] == [0, 1, 2, 3, 5, 7]
    assert doctor.faults == []
    assert [each for each in doctor.findings if each.severity != "note"] == []
    assert doctor.result.train is not None


def test_an_exception_of_the_loop_passes_through_and_findings_are_kept() -> None:
    (x, y), model = blobs(), net()
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    optimizer = torch.optim.Adam(model.parameters())

    def stop(count: int) -> None:
        if count == 4:
            raise KeyError("mine")

    doctor = striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True)
    with pytest.raises(KeyError, match="mine"), doctor:
        fit(model, optimizer, DataLoader(TensorDataset(x, y), batch_size=32), stop=stop)
    assert "labels-shuffled" in [each.check for each in doctor.findings]
    assert trace_of(doctor).error == "KeyError: 'mine'"
    assert len(trace_of(doctor).steps) == 5


def test_a_loop_that_never_steps_is_written_down_as_such() -> None:
    (x, y), model = blobs(64), net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:
        for _ in range(5):
            nn.functional.cross_entropy(model(x), y).backward()
    assert (len(trace_of(doctor).steps), trace_of(doctor).backwards) == (0, 5)
    assert doctor.faults == []


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


def test_a_model_that_fails_in_forward_is_told_of_and_its_error_is_the_users() -> None:
    (x, y), model = blobs(64), Broken()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    doctor = striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True)
    with pytest.raises(RuntimeError, match="mat1 and mat2"), doctor:
        model(x)
    assert "mat1 and mat2" in doctor.case.reasons["start"]
    assert doctor.faults == []


def test_batches_that_are_mappings_are_read_by_their_keys() -> None:
    x, y = blobs(64)
    loader = DataLoader([{"pixel_values": a, "labels": b} for a, b in zip(x, y, strict=True)], batch_size=16)  # type: ignore[arg-type]

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()

        def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
            return {"logits": self.inner(pixel_values)}

    model = Named()
    found = striate.preflight(model, None, nn.CrossEntropyLoss(), train=loader)
    assert found.case.start is not None
    assert found.case.start.output.shape == (16, 3)
    assert found.case.start.loss is not None


def test_mappings_with_other_keys_say_which_they_have() -> None:
    loader = DataLoader([{"photo": torch.rand(3), "kind": 1}] * 8, batch_size=4)  # type: ignore[arg-type]
    found = striate.preflight(net(), train=loader)
    assert found.case.train is None
    assert "photo, kind" in found.case.reasons["train"]


class Endless(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield torch.randn(8), torch.tensor(1)


class Once(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        self.taken += 1
        return torch.randn(8), torch.tensor(1)


def test_endless_data_are_peeked_at_and_nothing_more() -> None:
    found = striate.preflight(net(), train=DataLoader(Endless(), batch_size=16))
    assert found.case.train is not None
    assert 64 <= len(found.case.train) <= 1_000


def test_data_that_can_be_gone_through_once_are_not_touched() -> None:
    data = Once()
    found = striate.preflight(net(), train=DataLoader(data, batch_size=4))
    assert found.case.train is None
    assert data.taken == 0
    assert "only once" in found.case.reasons["train"]
    given = iter([(torch.randn(4, 8), torch.zeros(4))])
    assert "only once" in striate.preflight(net(), train=given).case.lacks("train")
    assert len(list(given)) == 1


def test_drawing_samples_uses_up_no_random_number_and_no_sampler() -> None:
    x, y = blobs()
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, generator=generator)
    own = generator.get_state()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert striate.preflight(net_like(), train=loader).case.train is not None
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(own, generator.get_state())


def test_several_optimizers_each_write_their_steps() -> None:
    (x, y), model = blobs(64), net()
    layers = list(model.children())
    first = torch.optim.SGD(layers[0].parameters(), lr=0.1)
    second = torch.optim.Adam([*layers[1].parameters(), *layers[4].parameters()], lr=0.01)
    with striate.watch(model, [first, second], nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:
        for _ in range(4):
            for each in (first, second):
                each.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            for each in (first, second):
                each.step()
    steps = trace_of(doctor).steps
    assert [each.optimizer for each in steps] == [0, 1] * 4
    assert steps[0].rates == (0.1, 0.01)
    assert doctor.faults == []


def test_a_holder_of_two_nets_with_an_optimizer_each_is_watched_by_its_nets() -> None:
    (x, _), draw = blobs(64), torch.Generator().manual_seed(0)
    generator, discriminator = nn.Linear(4, 8), nn.Linear(8, 1)
    both = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
    first = torch.optim.Adam(generator.parameters())
    second = torch.optim.Adam(discriminator.parameters())
    with striate.watch(both, [first, second], quiet=True) as doctor:
        for _ in range(6):
            z = torch.randn(64, 4, generator=draw)
            second.zero_grad()
            fake, real = discriminator(generator(z).detach()), discriminator(x)
            (nn.functional.softplus(fake) + nn.functional.softplus(-real)).mean().backward()
            second.step()
            first.zero_grad()
            nn.functional.softplus(-discriminator(generator(z))).mean().backward()
            first.step()
    assert [each.optimizer for each in trace_of(doctor).steps] == [1, 0] * 6
    assert trace_of(doctor).passes == 6 * 5
    assert trace_of(doctor).evaluations == []
    assert doctor.faults == []
    assert [each for each in doctor.findings if each.severity != "note"] == []


@pytest.mark.filterwarnings("ignore")
def test_data_parallel_and_compiled_models_are_looked_through() -> None:
    (x, y), inner = blobs(64), net()
    model = nn.DataParallel(inner)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:
        fit(model, optimizer, [(x, y)], epochs=4)
    assert doctor.case.model is inner
    assert len(trace_of(doctor).steps) == 4
    compiled = torch.compile(inner, backend="eager")
    with striate.watch(compiled, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:  # type: ignore[arg-type]
        fit(compiled, optimizer, [(x, y)], epochs=4)  # type: ignore[arg-type]
    assert doctor.case.model is inner
    assert doctor.faults == []
    assert len(trace_of(doctor).steps) == 4


def test_a_model_that_is_changed_inside_the_block_is_noticed() -> None:
    (x, y), model = blobs(64), net()
    assert isinstance(model, nn.Sequential)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:
        fit(model, optimizer, [(x, y)], epochs=2)
        model[4] = nn.Linear(16, 3)
        fit(model, optimizer, [(x, y)], epochs=2)
    assert trace_of(doctor).changed
    assert doctor.faults == []


def test_a_closure_and_accumulation_are_told_from_gradients_not_cleared() -> None:
    (x, y), model = blobs(64), net()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:
        for _ in range(5):
            optimizer.step(closure)  # type: ignore[arg-type]
    steps = trace_of(doctor).steps
    assert [each.backwards > 1 for each in steps] == [True] * 5
    assert "gradients-not-cleared" not in [each.check for each in doctor.findings]
    assert trace_of(doctor).probes[1].gradients
    model = net()
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    with striate.watch(model, plain, nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:
        for _ in range(5):
            plain.zero_grad()
            for low in (0, 32):
                (nn.functional.cross_entropy(model(x[low : low + 32]), y[low : low + 32]) / 2).backward()
            plain.step()
    assert [each.backwards for each in trace_of(doctor).steps] == [2] * 5
    assert "gradients-not-cleared" not in [each.check for each in doctor.findings]


def test_tests_without_no_grad_are_evaluations_and_not_steps() -> None:
    (x, y), model = blobs(128), net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), quiet=True) as doctor:
        for _ in range(3):
            fit(model, optimizer, [(x[:64], y[:64]), (x[64:], y[64:])], epochs=1)
            model.eval()
            for _ in range(5):
                model(x)
    found = trace_of(doctor).evaluations
    assert sum(each.passes for each in found) == 15
    assert all(each.graphs == 1 and each.training == 0 for each in found)


def test_it_speaks_when_a_serious_finding_is_first_seen() -> None:
    (x, y), model, said = blobs(), net(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), speak=said.append):
        for low in range(0, 256, 16):
            nn.functional.cross_entropy(model(x[low : low + 16]), y[low : low + 16]).backward()
            optimizer.step()
    told = [each for each in said if "gradients-not-cleared" in each]
    assert len(told) == 1
    assert "step" in told[0]
    assert "Clear the gradients" in told[0]


def test_what_was_not_said_in_the_run_is_said_in_two_lines_at_its_end() -> None:
    said: list[str] = []
    (x, y), model = blobs(), net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), speak=said.append):
        fit(model, optimizer, [(x[low : low + 32], y[low : low + 32]) for low in range(0, 256, 32)], epochs=6)
    assert said[-1].strip().endswith("print the watch to see all with what to do")
    assert said[-2].startswith("warning")
    quiet: list[str] = []
    optimizer = torch.optim.Adam((model := net()).parameters(), lr=0.01)
    with striate.watch(model, optimizer, nn.CrossEntropyLoss(), train=(x, y), speak=quiet.append):
        fit(model, optimizer, [(x[low : low + 32], y[low : low + 32]) for low in range(0, 256, 32)], epochs=6)
    assert quiet == []


def test_what_is_not_given_is_named_with_the_reason() -> None:
    with striate.watch(net(), quiet=True) as doctor:
        pass
    runs = {each.name: each for each in doctor.result.checks_run}
    assert runs["labels-shuffled"].state == "not run"
    assert runs["labels-shuffled"].why == "train was not given"
    assert all(each.why for each in runs.values() if each.state == "not run")


def test_parts_of_the_wrong_kind_are_refused_in_words() -> None:
    with pytest.raises(StriateError, match=r"the model is a str; accepted: a torch.nn.Module"):
        striate.watch("net")  # type: ignore[arg-type]
    with pytest.raises(StriateError, match="the optimizer is a CrossEntropyLoss"):
        striate.watch(net(), nn.CrossEntropyLoss())  # type: ignore[arg-type]
    with pytest.raises(StriateError, match="the loss function is a str"):
        striate.watch(net(), None, "cross_entropy")  # type: ignore[arg-type]


def test_a_watch_that_is_dropped_leaves_nothing_behind() -> None:
    doctor = striate.watch(net(), quiet=True)
    with doctor:
        pass
    del doctor
    gc.collect()
    from striate.doctor import recorder as module

    assert module._LISTENERS == []
    assert module._ORIGINAL == []
