"""Every seed of the fuzzing, and whatever it found once, is read or refused in words."""

import pytest

from artpipe_tests.faults.fuzz_targets import TARGETS

SEEDS = {
    f"{name}-{number}": (name, seed) for name in TARGETS for number, seed in enumerate(TARGETS[name].all_seeds(name))
}


@pytest.mark.parametrize(("name", "seed"), SEEDS.values(), ids=SEEDS)
def test_a_seed_is_read_or_refused_in_words(name: str, seed: bytes):
    TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_the_first_seed_is_not_refused(name: str):
    """So that what comes after the reading is fuzzed too."""
    TARGETS[name].run(TARGETS[name].seeds()[0])
