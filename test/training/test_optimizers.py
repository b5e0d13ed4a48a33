"""Muon updates matrices, AdamW everything else, at one learning rate."""

import copy

import pytest
import torch
from torch import nn

from sam2_ros.training.optimizers import Optimizers

RATE = 1e-3


class Network(nn.Module):
    """Layers of all kinds, and one without gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(32, 48)
        self.convolution = nn.Conv2d(16, 32, 3)
        self.depthwise = nn.Conv2d(16, 16, 3, groups=16)
        self.head = nn.Linear(32, 4)
        self.token = nn.Parameter(torch.zeros(1, 32))
        self.unused = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """(N, 32) and (N, 16, H, W) to one number."""
        parts = (self.linear(x), self.head(x + self.token), self.convolution(image), self.depthwise(image))
        return torch.stack([part.square().sum() for part in parts]).sum()


def moved(use_muon: bool, steps: int = 1) -> tuple[Network, dict[str, torch.Tensor]]:
    """A network after some steps without weight decay, and how far each of its parameters went."""
    torch.manual_seed(0)
    network = Network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizers = Optimizers(network, 0.0, use_muon)
    for _ in range(steps):
        network.zero_grad()
        network(torch.randn(128, 32), torch.randn(8, 16, 6, 6)).backward()
        optimizers.step(RATE)
    return network, {name: value - before[name] for name, value in network.state_dict().items()}


@pytest.mark.parametrize("name", ["linear.weight", "convolution.weight"])
def test_muon_updates_a_matrix_alike_in_all_directions(name: str) -> None:
    step = moved(use_muon=True)[1][name].flatten(1)
    lengths = torch.linalg.svdvals(step)
    alike = 0.2 * max(step.shape) ** 0.5 * RATE
    assert lengths.min() > 0.6 * alike
    assert lengths.max() < 1.3 * alike


@pytest.mark.parametrize(
    "name", ["linear.bias", "convolution.bias", "depthwise.weight", "head.weight", "head.bias", "token"]
)
def test_adamw_updates_all_other_parameters(name: str) -> None:
    assert torch.allclose(moved(use_muon=True)[1][name].abs(), torch.tensor(RATE), rtol=1e-3)


def test_without_muon_adamw_updates_everything() -> None:
    _, steps = moved(use_muon=False)
    used = [step for name, step in steps.items() if not name.startswith("unused")]
    assert all(torch.allclose(step.abs(), torch.tensor(RATE), rtol=1e-3) for step in used)


@pytest.mark.parametrize("use_muon", [False, True])
def test_parameters_without_gradient_stay(use_muon: bool) -> None:
    _, steps = moved(use_muon, steps=2)
    assert not steps["unused.weight"].any()
    assert not steps["unused.bias"].any()


@pytest.mark.parametrize("use_muon", [False, True])
def test_restored_optimizers_continue_alike(use_muon: bool) -> None:
    network, _ = moved(use_muon)
    images = torch.randn(8, 32), torch.randn(8, 16, 6, 6)
    ends = []
    first = Optimizers(network, 0.1, use_muon)
    network(*images).backward()
    first.step(RATE)
    other = Network()
    other.load_state_dict(network.state_dict())
    second = Optimizers(other, 0.1, use_muon)
    second.restore(copy.deepcopy(first.state()))
    for part, optimizers in ((network, first), (other, second)):
        part.zero_grad()
        part(*images).backward()
        optimizers.step(RATE)
        ends.append(part.state_dict())
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_a_pytorch_without_muon_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    Optimizers(Network(), 0.1, use_muon=False)
    with pytest.raises(ValueError, match="has no Muon.*install 2.9 or later"):
        Optimizers(Network(), 0.1, use_muon=True)
