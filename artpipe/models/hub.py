"""The Hugging Face hub, from which timm and open_clip download weights."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

import requests

_TIMEOUT_S = 5.0


@contextmanager
def asked_once() -> Generator[None]:
    """Where the hub cannot be reached, weights are taken from its cache on this machine, or the download fails at once.

    By itself its client would ask again for most of a minute, with a warning each time, even for what is in the cache.
    """
    from huggingface_hub import constants

    was_offline, silenced = constants.HF_HUB_OFFLINE, logging.root.manager.disable
    try:
        if not was_offline and not _answers(constants.ENDPOINT):
            constants.HF_HUB_OFFLINE = True  # pyright: ignore[reportConstantRedefinition]
            logging.disable(logging.CRITICAL)  # the error says what was tried
        yield
    finally:
        constants.HF_HUB_OFFLINE = was_offline  # pyright: ignore[reportConstantRedefinition]
        logging.disable(silenced)


def _answers(address: str) -> bool:
    try:
        requests.head(address, timeout=_TIMEOUT_S)
    except requests.RequestException:
        return False
    return True
