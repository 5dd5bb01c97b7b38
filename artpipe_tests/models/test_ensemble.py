import pytest
import torch

from artpipe.models.ensemble import build_ensemble, finetuned_member, join_members
from artpipe.models.network import build_model

TINY = "test_efficientnet"
CLASSES = {"style": 3, "type": 2}


@pytest.fixture
def two():
    """Two networks of one architecture, and 4 pictures."""
    torch.manual_seed(0)
    pretrained, _ = build_model(TINY, CLASSES, 32, 6)
    finetuned, _ = build_model(TINY, CLASSES, 32, 6)
    for one in (pretrained, finetuned):
        one.norm.running_mean.normal_()
        for head in one.heads:
            torch.nn.init.normal_(head.bias)
    return pretrained.eval(), finetuned.eval(), torch.randn(4, 3, 32, 32)


def test_an_ensemble_gives_the_mean_of_the_logits_and_both_embeddings(two):
    pretrained, finetuned, pixels = two
    with torch.inference_mode():
        embeddings, logits = join_members(pretrained, finetuned)(pixels)
        (one, logits_one), (other, logits_other) = pretrained(pixels), finetuned(pixels)
    assert torch.allclose(embeddings, torch.cat([one, other], dim=1), atol=1e-5)
    for task in CLASSES:
        assert torch.allclose(logits[task], (logits_one[task] + logits_other[task]) / 2, atol=1e-5)


def test_a_saved_ensemble_is_loaded_into_one_of_its_kind(two):
    pretrained, finetuned, pixels = two
    joint = join_members(pretrained, finetuned)
    loaded, _ = build_ensemble(TINY, CLASSES, 32, 12)
    loaded.load_state_dict(joint.state_dict())
    with torch.inference_mode():
        assert torch.equal(loaded.eval()(pixels)[0], joint(pixels)[0])


def test_the_finetuned_member_can_be_split_off_again(two):
    pretrained, finetuned, pixels = two
    one = finetuned_member(join_members(pretrained, finetuned)).eval()
    with torch.inference_mode():
        embeddings, logits = one(pixels)
        expected, own_logits = finetuned(pixels)
    assert torch.allclose(embeddings, expected, atol=1e-5)
    for number, task in enumerate(CLASSES):
        shared = (pretrained.heads[number].bias - finetuned.heads[number].bias) / 2
        assert torch.allclose(logits[task], own_logits[task] + shared, atol=1e-5), "but for the ensemble's biases"
    assert finetuned_member(finetuned) is finetuned
