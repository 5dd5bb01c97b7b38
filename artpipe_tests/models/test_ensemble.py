import copy

import pytest
import torch

from artpipe.models.ensemble import head_upon, later_one, side_by_side
from artpipe.models.network import build_model, looking_part

TINY = "test_efficientnet"
CLASSES = {"style": 3, "type": 2}


@pytest.fixture
def two():
    """A network and what it became, and 4 pictures for them."""
    torch.manual_seed(0)
    before, _ = build_model(TINY, CLASSES, 32, 6)
    after, _ = build_model(TINY, CLASSES, 32, 6)
    for one in (before, after):
        one.norm.running_mean.normal_()
        for head in one.heads:
            torch.nn.init.normal_(head.bias)
    return before.eval(), after.eval(), torch.randn(4, 3, 32, 32)


def test_the_joint_model_says_the_mean_of_both_and_holds_the_vectors_of_both(two):
    before, after, pixels = two
    with torch.inference_mode():
        vectors, logits = side_by_side(before, after)(pixels)
        (one, said), (other, said_too) = before(pixels), after(pixels)
    assert torch.allclose(vectors, torch.cat([one, other], dim=1), atol=1e-5)
    for task in CLASSES:
        assert torch.allclose(logits[task], (said[task] + said_too[task]) / 2, atol=1e-5)


def test_a_joint_model_is_read_back_into_a_network_of_its_kind(two):
    before, after, pixels = two
    joint = side_by_side(before, after)
    held, _ = build_model(TINY, CLASSES, 32, 12, is_twofold=True)
    held.load_state_dict(joint.state_dict())
    with torch.inference_mode():
        assert torch.equal(held.eval()(pixels)[0], joint(pixels)[0])


def test_the_network_that_learned_can_be_taken_out_again(two):
    before, after, pixels = two
    one = later_one(side_by_side(before, after)).eval()
    with torch.inference_mode():
        vectors, logits = one(pixels)
        expected, said = after(pixels)
    assert torch.allclose(vectors, expected, atol=1e-5)
    for number, task in enumerate(CLASSES):
        shared = (before.heads[number].bias - after.heads[number].bias) / 2
        assert torch.allclose(logits[task], said[task] + shared, atol=1e-5), "but for the joint biases"
    assert later_one(after) is after


def test_a_fresh_head_fits_another_backbone_of_the_kind(two):
    before, _, pixels = two
    fresh = head_upon(copy.deepcopy(looking_part(before)), before).eval()
    with torch.inference_mode():
        vectors, logits = fresh(pixels)
    assert vectors.shape == (4, 6)
    assert {task: said.shape[1] for task, said in logits.items()} == CLASSES
