"""Every setting of artpipe; the only module that reads the environment.

Each field is an environment variable with the prefix `ARTPIPE_` (and may stand in a `.env` file): `gallery` is
`ARTPIPE_GALLERY`. The domain code takes the small config objects made here and never sees this class.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from artpipe import __version__

if TYPE_CHECKING:
    from artpipe.images.fetch import HarvestConfig
    from artpipe.splits.assign import SplitConfig
    from artpipe.training.config import TrainingConfig

SAMPLE = "sample"


class Settings(BaseSettings):
    """What a user can set; every field has a default that suits the sample gallery and a public site."""

    model_config = SettingsConfigDict(env_prefix="ARTPIPE_", env_file=".env", extra="ignore", frozen=True)

    gallery: str = Field(
        default=SAMPLE, description="`sample` for the drawn practice gallery, or the base URL of a gallery"
    )
    sample_artworks: int = Field(default=900, ge=60, le=5000, description="works in the drawn practice gallery")
    lake: str | None = Field(
        default=None,
        description="folder or `s3://` address of the data lake; default: `data_lake/` + the gallery's name",
    )
    contact: str | None = Field(
        default=None, description="e-mail or URL put into the User-Agent, so that a site can reach you"
    )
    requests_per_s: float = Field(
        default=4.0, gt=0, description="requests a second to one host; loopback is not limited"
    )
    concurrency: int = Field(default=4, ge=1, le=256, description="requests to one host at a time")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="other hosts that a redirect may lead to, comma-separated"
    )
    forms: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("painting",), description="forms of art to download, comma-separated"
    )
    max_artworks: int | None = Field(
        default=None, ge=1, description="download a stable sample of this many artworks only"
    )
    revalidate_after_days: float = Field(
        default=7.0,
        ge=0,
        description="ask the gallery again about a held image when its last answer is older than this",
    )
    image_short_side_px: int = Field(
        default=320, ge=32, le=4096, description="short side of the stored JPEG; never enlarged"
    )
    split_salt: str = Field(default="artpipe", description="salt of the hash that assigns works to splits")
    unseen_artist_share: float = Field(default=0.05, ge=0, lt=1, description="share of artists held out whole")
    retrain_drift: float = Field(
        default=0.02, ge=0, le=1, description="share of changed split rows above which the training set thaws"
    )
    backbone: str = Field(default="mobilenet_v3_small", description="a torchvision or timm model name")
    backbone_weights: str | None = Field(
        default=None, description="`imagenet`, `none` or a file; default: `imagenet`, for the sample gallery `none`"
    )
    train_image_px: int | None = Field(
        default=None,
        ge=32,
        le=1024,
        description="side of the square that the network sees; default: 224, sample gallery 128",
    )
    epochs: int | None = Field(default=None, ge=1, description="most epochs to train; early stopping may end sooner")
    batch_size: int | None = Field(
        default=None, ge=2, description="images a training step; default: by `backbone_weights`"
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description="peak learning rate; default: by `backbone_weights`"
    )
    loader_workers: int | None = Field(
        default=None, ge=0, description="DataLoader processes; default: by the number of cores"
    )
    allow_url_queries: bool = Field(
        default=False, description="whether a search may fetch its picture from a public web address"
    )
    seed: int = Field(default=0, description="seed of everything random")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="where the network runs")

    @field_validator("forms", "allowed_hosts", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("gallery")
    @classmethod
    def _gallery_is_known(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if value != SAMPLE and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError(f"{value!r} is neither `sample` nor an http(s) URL")
        return value

    @property
    def is_sample(self) -> bool:
        """Whether the drawn practice gallery is used."""
        return self.gallery == SAMPLE

    @cached_property
    def lake_root(self) -> str:
        """The lake in use. Each gallery has its own by default, so that practice works never mix with real ones."""
        if self.lake is not None:
            return self.lake
        name = SAMPLE if self.is_sample else urlsplit(self.gallery).netloc.replace(":", "-")
        return str(Path("data_lake") / name)

    @property
    def user_agent(self) -> str:
        """Who we say we are to a gallery."""
        return f"artpipe/{__version__}" + (f" (+{self.contact})" if self.contact else "")

    @property
    def resolved_backbone_weights(self) -> str:
        """`backbone_weights`, or the default for this gallery."""
        return self.backbone_weights or ("none" if self.is_sample else "imagenet")

    @property
    def resolved_train_image_px(self) -> int:
        """`train_image_px`, or the default for this gallery."""
        return self.train_image_px or (128 if self.is_sample else 224)

    def harvest_config(self) -> "HarvestConfig":
        """What to download and how to store it."""
        from artpipe.images.fetch import HarvestConfig

        return HarvestConfig(
            forms=self.forms,
            max_artworks=self.max_artworks,
            revalidate_after_days=self.revalidate_after_days,
            short_side_px=self.image_short_side_px,
        )

    def split_config(self) -> "SplitConfig":
        """How works are dealt out."""
        from artpipe.splits.assign import SplitConfig

        return SplitConfig(salt=self.split_salt, unseen_artist_share=self.unseen_artist_share)

    def training_config(self) -> "TrainingConfig":
        """What to train and how."""
        from artpipe.training.config import TrainingConfig

        return TrainingConfig(
            backbone=self.backbone,
            weights=self.resolved_backbone_weights,
            image_px=self.resolved_train_image_px,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            loader_workers=self.loader_workers,
            seed=self.seed,
            device=self.device,
        )
