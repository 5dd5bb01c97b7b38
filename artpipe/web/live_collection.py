"""The served version of the collection, replaced as a whole when a refresh has completed a newer one."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from artpipe.embedding.table import EmbeddingTable
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.models.served import served_model_id
from artpipe.orchestration.lineage import Lineage
from artpipe.search.collection import Collection
from artpipe.web.catalogue import Catalogue
from artpipe.web.encoder import BatchingEncoder

if TYPE_CHECKING:
    from artpipe.embedding.predictions import PictureEncoder

logger = logging.getLogger(__name__)

POLL_S = 5.0
_OPENED_WITH_TABLE = ("search_index", "text_index", "text_encoder", "local_features")
"""Assets that a collection opens in addition to the embeddings; a new version of one of them is served as well."""


class LiveCollection:
    """Serves one version of the collection until a newer one is complete and warmed up.

    A table with vectors of two models, or of another than the served one, is being filled by a refresh and not opened.

    Args:
        lake: where the tables are.
        device: where the model runs.
        encoder: replaces the lake's own model; for tests.

    Raises:
        LakeMissingError, NothingEmbeddedError: there is nothing to serve yet.
    """

    def __init__(self, lake: DataLake, device: str = "auto", encoder: "PictureEncoder | None" = None) -> None:
        self.lake = lake
        self._device = device
        self._given_encoder = encoder
        self._stop = threading.Event()
        self._versions = self._newest_versions()
        self._encoder: BatchingEncoder | None = None
        self._serving = self._open()

    @property
    def now(self) -> tuple[Catalogue, BatchingEncoder]:
        """The served version and the model that made it; read it once per request, so that both belong together."""
        return self._serving

    def start(self) -> None:
        """Load the model, and poll for newer versions, in the background."""
        catalogue, encoder = self._serving
        encoder.warm_up()
        threading.Thread(target=self._poll, args=(catalogue,), name="artpipe-poll", daemon=True).start()

    def stop(self) -> None:
        """End the polling."""
        self._stop.set()

    def update(self) -> bool:
        """Serve a newer version if there is a complete one; whether there was."""
        versions = self._newest_versions()
        if versions == self._versions:
            return False
        model_ids = Collection.open(self.lake, encoder=self._given_encoder, device=self._device).model_ids
        if len(model_ids) > 1 or (self._given_encoder is None and model_ids[0] != served_model_id(self.lake)):
            return False
        self._versions = versions
        catalogue, encoder = self._open()
        catalogue.warm()
        encoder.loaded()
        self._serving = catalogue, encoder
        logger.info("serving version %s of the collection, %d works", versions[0], len(catalogue))
        return True

    def _poll(self, first: Catalogue) -> None:
        try:
            first.warm()
        except ArtpipeError as error:
            logger.warning("the collection cannot be searched by pictures: %s", error)
        while not self._stop.wait(POLL_S):
            try:
                self.update()
            except Exception:
                # The previous version stays in service, whatever is wrong with the new one; the next poll may succeed.
                logger.exception("a newer version of the collection could not be opened")

    def _open(self) -> tuple[Catalogue, BatchingEncoder]:
        # The table names its model: during a refresh, the lake's served model may be newer than the table.
        model_id = Collection.open(self.lake, device=self._device).model_ids[0]
        if self._encoder is None or self._encoder.model_id != model_id:
            self._encoder = BatchingEncoder(self._loader(model_id), model_id)
        collection = Collection.open(self.lake, encoder=self._encoder, device=self._device)
        return Catalogue(collection), self._encoder

    def _newest_versions(self) -> tuple[int | None, dict[str, str]]:
        """The version of the embeddings table, and those of what is opened with it."""
        return EmbeddingTable(self.lake).version, Lineage(self.lake).versions(_OPENED_WITH_TABLE)

    def _loader(self, model_id: str) -> "Callable[[], PictureEncoder]":
        given = self._given_encoder
        if given is not None:
            return lambda: given

        def load() -> "PictureEncoder":
            import torch

            from artpipe.embedding.embedder import Embedder
            from artpipe.models.checkpoint import load_model
            from artpipe.search.served_model import ServedModel

            # Small batches do not parallelise: on two busy cores one picture takes 112 ms of processor time with two
            # threads, most of it spent waiting for each other, and 9 ms with one.
            torch.set_num_threads(1)
            return ServedModel(Embedder.of(load_model(self.lake.model(model_id)), self._device), self.lake)

        return load
