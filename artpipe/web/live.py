"""The collection that is served now: a newer version takes its place whole, and a model that warms up meanwhile."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.embedding.table import EmbeddingTable
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.models.served import served_model_id
from artpipe.orchestration.lineage import Lineage
from artpipe.search.collection import Collection
from artpipe.web.catalogue import Catalogue

if TYPE_CHECKING:
    from artpipe.embedding.predictions import Predictions
    from artpipe.search.queries import PictureEncoder

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
_MADE_BESIDE = ("search_index", "text_index", "local_features")
"""Assets that are opened with the table; one that is made anew later than the table is taken up as well."""


@dataclass
class _Waiting:
    """Pictures of one visitor, and what became of them."""

    jpegs: Sequence[bytes]
    seen: "Predictions | None" = None
    error: Exception | None = None


class WarmingModel:
    """A `PictureEncoder` that loads beside the server's start, so that pages come at once and torch a little later.

    Pictures that arrive while others are looked at are looked at together: eight cost a third of eight alone.

    Args:
        load: gives the model.
        model_id: which one it is, known before it is loaded.
    """

    def __init__(self, load: "Callable[[], PictureEncoder]", model_id: str) -> None:
        self._load = load
        self._model_id = model_id
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._loaded: PictureEncoder | None = None

    @property
    def model_id(self) -> str:
        """The hash of weights and story."""
        return self._model_id

    @property
    def is_ready(self) -> bool:
        """Whether a picture would be looked at without waiting for the model."""
        return self._loaded is not None

    @property
    def labels(self) -> dict[str, list[str]]:
        """The class names of each task."""
        return self.loaded().labels

    def encode(self, jpegs: Sequence[bytes]) -> "Predictions":
        """Embed and classify stored JPEGs, with those of everyone who waits at the moment."""
        model = self.loaded()
        mine = _Waiting(jpegs)
        with self._lock:
            self._waiting.append(mine)
        with self._one_at_a_time:
            with self._lock:
                batch, self._waiting = self._waiting, []
            if batch:  # empty where somebody before us took ours along
                _encode_together(model, batch)
        if mine.error is not None:
            raise mine.error
        assert mine.seen is not None  # noqa: S101 - whoever takes a picture along leaves an answer or an error
        return mine.seen

    def loaded(self) -> "PictureEncoder":
        """The model, loaded by the first who asks; a failure is told to each who asks."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def warm(self) -> None:
        """Load it in the background."""
        threading.Thread(target=self._warm, name="artpipe-model", daemon=True).start()

    def _warm(self) -> None:
        try:
            self.loaded()
        except ArtpipeError as error:
            logger.warning("the model could not be loaded: %s", error)


def _encode_together(model: "PictureEncoder", batch: list[_Waiting]) -> None:
    try:
        seen = model.encode([jpeg for one in batch for jpeg in one.jpegs])
    except Exception as error:  # noqa: BLE001 - whose picture it was is found out below, and told to them alone
        if len(batch) == 1:
            batch[0].error = error
            return
        for one in batch:
            _encode_together(model, [one])
        return
    first = 0
    for one in batch:
        rows = slice(first, first + len(one.jpegs))
        one.seen = seen[rows]
        first = rows.stop


class LiveCatalogue:
    """Serves one version of the collection until a newer one is complete and warm.

    A table that a refresh is still filling holds vectors of two models, or of another than the served one; it is left
    alone until it is whole.

    Args:
        lake: where the tables are.
        device: where the model runs.
        encoder: another model than the lake's own; for tests.

    Raises:
        LakeMissingError, NothingEmbeddedError: there is nothing to serve yet.
    """

    def __init__(self, lake: DataLake, device: str = "auto", encoder: "PictureEncoder | None" = None) -> None:
        self.lake = lake
        self._device = device
        self._given_encoder = encoder
        self._stop = threading.Event()
        self._state = self._state_of_the_lake()
        self._model: WarmingModel | None = None
        self._serving = self._opened()

    @property
    def now(self) -> tuple[Catalogue, WarmingModel]:
        """The version in service and the model that made it; ask once a request, and stay with the answer."""
        return self._serving

    def start(self) -> None:
        """Load the model, and look for newer versions, in the background."""
        catalogue, model = self._serving
        model.warm()
        threading.Thread(target=self._follow, args=(catalogue,), name="artpipe-follow", daemon=True).start()

    def stop(self) -> None:
        """End the background work."""
        self._stop.set()

    def look(self) -> bool:
        """Take up a newer version if there is a complete one; whether it did."""
        state = self._state_of_the_lake()
        if state == self._state:
            return False
        found = Collection.open(self.lake, encoder=self._given_encoder, device=self._device)
        served = served_model_id(self.lake)
        if len(found.model_ids) > 1 or (self._given_encoder is None and found.model_ids[0] != served):
            return False
        self._state = state
        serving = self._opened()
        serving[0].warm()
        serving[1].loaded()
        self._serving = serving
        logger.info("serving version %s of the collection, %d works", state[0], len(serving[0]))
        return True

    def _follow(self, first: Catalogue) -> None:
        try:
            first.warm()
        except ArtpipeError as error:
            logger.warning("the collection cannot be searched by pictures: %s", error)
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception:
                # The old version goes on being served whatever state the new one is in; the next look may succeed.
                logger.exception("a newer version of the collection could not be opened")

    def _opened(self) -> tuple[Catalogue, WarmingModel]:
        # The table names its model; the lake's pointer may be ahead of it while a refresh runs.
        peek = Collection.open(self.lake, device=self._device)
        model_id = peek.model_ids[0]
        if self._model is None or self._model.model_id != model_id:
            self._model = WarmingModel(self._loader(model_id), model_id)
        found = Collection.open(self.lake, encoder=self._model, device=self._device)
        return Catalogue(found, self._state[0]), self._model

    def _state_of_the_lake(self) -> tuple[int | None, dict[str, str]]:
        """The version of the table, and those of what is opened with it."""
        return EmbeddingTable(self.lake).version, Lineage(self.lake).versions(_MADE_BESIDE)

    def _loader(self, model_id: str) -> "Callable[[], PictureEncoder]":
        given = self._given_encoder
        if given is not None:
            return lambda: given

        def load() -> "PictureEncoder":
            import torch

            from artpipe.embedding.embedder import Embedder
            from artpipe.models.checkpoint import load_model
            from artpipe.search.served_model import ServedModel

            # A few pictures at a time leave nothing to share out: with two threads on two busy cores one picture takes
            # 112 ms of processor time, most of it spent on waiting for each other, and 9 ms with one.
            torch.set_num_threads(1)
            return ServedModel(Embedder.of(load_model(self.lake.model(model_id)), self._device))

        return load
