import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from artpipe.search.collection import NothingEmbeddedError
from artpipe.web.encoder import BatchingEncoder


def test_the_model_is_loaded_once_and_on_first_use(colour_model):
    loads: list[int] = []
    encoder = BatchingEncoder(lambda: loads.append(1) or colour_model, "m")
    assert not encoder.is_ready
    for _ in range(2):
        assert encoder.labels == colour_model.labels
    assert (encoder.is_ready, loads) == (True, [1])


def test_a_failure_to_load_is_raised_for_every_caller():
    def fail():
        raise NothingEmbeddedError("no model")

    encoder = BatchingEncoder(fail, "m")
    for _ in range(2):
        with pytest.raises(NothingEmbeddedError):
            encoder.loaded()


def test_pictures_that_arrive_during_a_forward_pass_form_the_next_batch(colour_model):
    first_pass, may_finish = threading.Event(), threading.Event()
    batch_sizes: list[int] = []
    red, green, blue, bad = (Image.new("RGB", (9, 9), colour) for colour in ("#c00101", "#01c001", "#0101c0", "black"))

    class SlowModel:
        model_id, labels = "m", colour_model.labels

        def encode(self, pictures):
            batch_sizes.append(len(pictures))
            if len(batch_sizes) == 1:
                first_pass.set()
                assert may_finish.wait(30)
            if bad in pictures:
                raise ValueError("a bad picture")
            return colour_model.encode(pictures)

    encoder = BatchingEncoder(SlowModel, "m")
    with ThreadPoolExecutor(4) as pool:
        try:
            answers = [pool.submit(encoder.encode, [red])]
            assert first_pass.wait(30)
            answers += [pool.submit(encoder.encode, [picture]) for picture in (green, blue, bad)]
            give_up_at = time.monotonic() + 30
            while len(encoder._queue) < 3 and time.monotonic() < give_up_at:
                time.sleep(0.005)
            assert len(encoder._queue) == 3
        finally:
            may_finish.set()
        vectors = np.concatenate([answer.result(30).vectors for answer in answers[:3]])
        with pytest.raises(ValueError, match="a bad picture"):
            answers[3].result(30)
    # The bad picture makes its batch fail, after which each picture has a forward pass of its own.
    assert batch_sizes == [1, 3, 1, 1, 1]
    assert vectors.argmax(axis=1).tolist() == [0, 1, 2]
