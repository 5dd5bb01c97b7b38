"""Training runs on few threads here, so that tests of several workers share the cores."""

from collections.abc import Generator

import pytest
import torch


@pytest.fixture(autouse=True)
def two_threads() -> Generator[None]:
    """Tests of several workers share the cores."""
    usual = torch.get_num_threads()
    torch.set_num_threads(min(2, usual))
    yield
    torch.set_num_threads(usual)
