"""Every setting of artpipe; the only module that reads the environment.

Each field is an environment variable with the prefix `ARTPIPE_` (and may stand in a `.env` file): `gallery` is
`ARTPIPE_GALLERY`. A stage makes its own small config object from these with `from_settings`; this module knows of no
stage.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import Field, Secret, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from artpipe import __version__
from artpipe.errors import BadSettingError
from artpipe.lake.of_gallery import LAKES, lake_of_gallery
from artpipe.lake.paths import DataLake, expand_home

SAMPLE = "sample"
PREFIX = "ARTPIPE_"
OBJECT_STORES = ("s3", "gs", "az", "abfs", "file", "memory")
"""Schemes of an address in place of a path; s3 is what is tested, the others are as fsspec has them."""
LONGEST_DAYS = 36_500
"""A hundred years, which stands for "never"; dates end not long after."""
_MIN_TOKEN_LENGTH = 16
FROZEN_RECIPES = ("probe", "foundation")
"""The recipes that train a head alone, on a backbone with trained weights."""
FOUNDATION_BACKBONE = "vit_base_patch16_siglip_256.v2_webli"
"""The image tower of SigLIP 2 (base, 93 million weights, Apache 2.0). Source: Tschannen et al., arXiv:2502.14786."""
_FOUNDATION_DEPTHS = 4
_TRAIN_IMAGE_PX: Mapping[str, int] = {"probe": 288, "foundation": 224, "finetune": 224, "best": 288}
"""Side of the network's square input, by recipe; a larger one is more accurate and costs more."""


_PAGES = ("api", "artists", "collection", "corrections", "images", "map", "originals", "search", "static", "works")


class SecretUrl(Secret[str]):
    """An address that may hold a login; wherever it is printed or written, it is without."""

    def _display(self) -> str:
        return without_login(self.get_secret_value())


class Settings(BaseSettings):
    """What a user can set; every field has a default that suits the sample gallery and a public site."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,  # Compose and CI pass what is not set as an empty variable
        allow_inf_nan=False,
    )

    gallery: SecretUrl = Field(
        default=SecretUrl(SAMPLE),
        description="`sample` for the drawn sample gallery, or the base URL of a gallery, with a login where it wants "
        "one (`https://name:password@...`), which is never shown or stored",
    )
    sources: str | None = Field(
        default=None,
        description="YAML file of the sources of the collection, in place of `gallery`; "
        "`artpipe sources new` writes one",
    )
    rights: Literal["open", "all"] | None = Field(
        default=None,
        description="which works are downloaded: `open`, those whose source says that anybody may use them; `all`; "
        "default: what each source says in the file of sources",
    )
    obey_reservations: bool = Field(
        default=True,
        description="leave out pictures whose answer reserves them (`X-Robots-Tag: noai`, `noimageai`, "
        "`tdm-reservation: 1`)",
    )
    sample_artworks: int = Field(default=900, ge=60, le=5000, description="works in the drawn sample gallery")
    lake: str | None = Field(
        default=None,
        description="folder or `s3://` address of the data lake; default: `data_lake/` + the gallery's name",
    )
    cache: str | None = Field(
        default=None,
        description="local folder for what belongs to lakes at `s3://` and can be made again, each in a folder of its "
        "own: caches, Dagster's memory; and for what all refreshes know of a host that they ask, such as its "
        "Retry-After; default: artpipe's in the user's cache folder",
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
        default=6.0,
        ge=0,
        le=LONGEST_DAYS,
        description="request an image again when the last response about it is older than this; at 7, a weekly "
        "re-scrape would find most responses of the previous week a little too young, and request every second week",
    )
    max_loss: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of what the lake holds of artworks, artists, a label or requested images that may be lost "
        "at once; an answer of the gallery that would take away more is refused; 1: none is",
    )
    keep_versions_days: float = Field(
        default=30.0,
        ge=0,
        le=LONGEST_DAYS,
        description="how long a state of `images` and `embeddings` can be opened after it was replaced",
    )
    image_short_side_px: int = Field(
        default=320, ge=32, le=4096, description="short side of the stored JPEG; never enlarged"
    )
    trim_margins: bool = Field(
        default=True,
        description="compare pictures without the margins, captions and colour bars around them, where these are "
        "certain; they are kept, and shown",
    )
    split_salt: str = Field(default="artpipe", description="salt of the hash that assigns works to splits")
    unseen_artist_share: float = Field(default=0.05, ge=0, lt=1, description="share of artists held out whole")
    retrain_drift: float = Field(
        default=0.02, ge=0, le=1, description="share of changed split rows above which the training set thaws"
    )
    label_overrides: str | None = Field(
        default=None,
        description="CSV file of labels corrected by a person; default: `overrides/labels.csv` in the lake",
    )
    backbone: str = Field(
        default="mobilenet_v3_small",
        description=f"a torchvision or timm model name; default with the recipe `foundation`: `{FOUNDATION_BACKBONE}`",
    )
    backbone_weights: str | None = Field(
        default=None,
        description="`imagenet` (the published weights of the backbone, whatever they were trained on), `none` or a "
        "file; default: `imagenet`, for the sample gallery `none` unless the recipe is `foundation`",
    )
    backbone_depths: int = Field(
        default=0,
        ge=0,
        le=12,
        description="how many blocks of a vision transformer of timm are read, evenly spread, beside its own output; "
        f"default with the recipe `foundation`: {_FOUNDATION_DEPTHS}",
    )
    recipe: Literal["probe", "foundation", "finetune", "best"] = Field(
        default="finetune",
        description="`probe` trains a head on a frozen backbone, minutes on a laptop; `foundation` is the same on a "
        "strong vision transformer, which takes a GPU or patience; `finetune` then trains all but "
        "its lowest levels and saves the ensemble of the pretrained and the fine-tuned network; `best` is the same, "
        "longer and at 288 px, for a GPU",
    )
    train_image_px: int | None = Field(
        default=None,
        ge=32,
        le=1024,
        description="side of the network's square input; default: the only one that the backbone takes, else by "
        "`recipe`, sample gallery 128",
    )
    embedding_dimensions: int = Field(default=256, ge=8, le=4096, description="length of an embedding")
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
    train_workers: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="processes that share each training step; one trains a head alone, as the recipe `probe` does. "
        "They run on this machine, each on a GPU of its own where there are GPUs, or on the Ray cluster",
    )
    dagster_home: str | None = Field(
        default=None,
        validation_alias="DAGSTER_HOME",
        description="folder of the Dagster instance that records the runs; default: `dagster/` inside the lake",
    )
    dagster_storage: Literal["sqlite", "postgres"] = Field(
        default="sqlite",
        description="where Dagster records the runs: `sqlite`, in its home; `postgres`, in the database that `PGHOST`, "
        "`PGDATABASE`, `PGUSER` and `PGPASSWORD` name, for which `artpipe[postgres]` is needed",
    )
    keep_runs_days: float = Field(
        default=30.0,
        ge=0,
        le=LONGEST_DAYS,
        description="how long Dagster keeps a run with its events and logs; the runs that made what the lake holds now "
        "stay longer",
    )
    warm_start: bool = Field(
        default=False,
        description="start a new model from the served one's weights where backbone and image size agree",
    )
    refit: bool = Field(
        default=True,
        description="once a model is measured and chosen, fit its recipe again on every work, held-out works included, "
        "and let that embed and predict; the training time once more, hardly any with the recipe `probe`",
    )
    model_tolerance: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="how much lower a new model's mean accuracy on test works may be for it to be served",
    )
    keep_models: int = Field(
        default=5, ge=1, description="newest models kept, in addition to the served one and the one to roll back to"
    )
    automate: bool = Field(
        default=False, description="start the re-scrape schedule, the automation and the alerts with the Dagster daemon"
    )
    rescrape_cron: str = Field(
        default="0 3 * * 1", description="when the gallery is checked for changes, as a cron line"
    )
    timezone: str = Field(default="UTC", description="time zone of `ARTPIPE_RESCRAPE_CRON`, such as `Europe/Budapest`")
    fresh_within_days: float = Field(
        default=8.0,
        ge=0.01,
        le=LONGEST_DAYS,
        description="freshness policy of the catalogue: how old its last check may be",
    )
    stale_alert_hours: float = Field(
        default=24.0,
        ge=0,
        le=24 * LONGEST_DAYS,
        description="alert when an asset has been stale or missing for longer than this",
    )
    source_away_days: float = Field(
        default=10.0,
        ge=0,
        le=LONGEST_DAYS,
        description="alert when a source has not answered for longer than this; its stored catalogue is used meanwhile",
    )
    webhook_url: SecretStr | None = Field(
        default=None, description="alerts are POSTed here as JSON; they are only logged where it is not set"
    )
    same_painting: bool = Field(
        default=True,
        description="make `local_features`, so that `Collection.same_painting` answers: 40 kB a picture, "
        "about a minute for a first thousand on two cores, then in proportion to what changed",
    )
    image_text_model: str | None = Field(
        default=None,
        description="open_clip's image-text model for `Collection.describe` and `artpipe find --looks`, which needs "
        "`artpipe[image-text]`: architecture and weights, such as `ViT-B-16/datacomp_xl_s13b_b90k`, "
        "`hf-hub:OWNER/NAME`, or a folder; default: the words that the catalogue itself teaches",
    )
    seed: int = Field(default=0, description="seed of everything random")
    abstain_below: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="a predicted label with a lower probability is shown as unsure; 0: never",
    )
    search_recall: float = Field(
        default=0.99, gt=0, le=1, description="share of the ten true neighbours that the search index must find"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="where the network runs")
    ray_address: str | None = Field(
        default=None,
        description="Ray cluster that decodes, embeds and describes the pictures, and on which `ARTPIPE_TRAIN_WORKERS` "
        "train: `ray://host:10001`; on one of its nodes also `auto`, or its own `host:6379`; default: this machine, "
        "without Ray",
    )
    ray_task_cpus: float = Field(
        default=1.0, gt=0, description="processors of each task on the Ray cluster; whole numbers above 1"
    )
    ray_task_gpus: float = Field(
        default=0.0, ge=0, description="GPUs of each task on the Ray cluster; 0.5 lets two tasks share one"
    )
    web_upload_mb: float = Field(
        default=20.0, gt=0, le=200, description="largest picture that a visitor of `artpipe serve` may send"
    )
    web_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="names under which `artpipe serve` is reached, separated by commas; requests for others are "
        "refused. Where it is not set: the names of loopback if it is bound there, else every name",
    )
    web_trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="addresses or networks of the reverse proxies in front of `artpipe serve`, such as "
        "`127.0.0.1,10.0.0.0/8`, separated by commas: the visitor's address is taken from their `X-Forwarded-For`. "
        "Where it is not set, all visitors of a proxy share the limits of one client",
    )
    web_metrics: bool = Field(default=True, description="answer `/api/metrics`, which anybody can read")
    web_root_path: str = Field(
        default="",
        description="path below which a reverse proxy makes `artpipe serve` reachable, such as `/art`",
    )
    web_originals: Literal["link", "proxy"] = Field(
        default="link",
        description="the picture that visitors zoom into: `link` shows the stored one and links to the source's page; "
        "`proxy` requests the source's own picture, politely, and passes it on",
    )
    web_originals_mb: float = Field(
        default=500.0, ge=0, description="how much of the source's pictures `proxy` keeps in the lake's `cache/`"
    )
    web_replicas: bool = Field(
        default=False,
        description="several `artpipe serve` answer at one address: the results of an uploaded picture wait for its "
        "comparison with the collection, of which the next server would not know",
    )
    web_status: bool = Field(
        default=True,
        description="show on the page of the collection what is stale; `artpipe serve` then runs `artpipe status`, "
        "which needs Dagster's records",
    )
    web_editing: SecretStr = Field(
        default=SecretStr("off"),
        description="who may correct labels in the pages of `artpipe serve`: `off`, nobody; `loopback`, who opens them "
        "on this machine; any other text of at least 16 characters is the token that an editor types",
    )

    @field_validator("forms", "allowed_hosts", "web_hosts", "web_trusted_proxies", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("forms")
    @classmethod
    def _forms_are_named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one form, such as `painting`")
        return tuple(dict.fromkeys(form.lower() for form in value))

    @field_validator("web_hosts")
    @classmethod
    def _hosts_are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if "/" in name or ("*" in name.removeprefix("*.") and name != "*"):
                raise ValueError(f"{name!r} is no host name; write one like `art.museum.example` or `*.museum.example`")
        return value

    @field_validator("web_trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            try:
                network = ipaddress.ip_network(name)
            except ValueError as error:
                raise ValueError(f"{name!r} is no address or network; write one like `10.0.0.0/8`") from error
            if network.prefixlen == 0:
                raise ValueError(f"{name} is every address, and visitors would choose their own; name your proxies")
        return value

    @field_validator("web_root_path")
    @classmethod
    def _root_path_is_a_path(cls, value: str) -> str:
        path = value.strip().rstrip("/")
        if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
            raise ValueError(f"{value!r} is no path of plain letters; write one like `/art`")
        if path.split("/")[1:2] and path.split("/")[1] in _PAGES:
            raise ValueError(f"{value!r} begins as the app's own pages do; write one like `/art`")
        return path

    @field_validator("gallery")
    @classmethod
    def _gallery_is_known(cls, value: SecretUrl) -> SecretUrl:
        address = SecretUrl(value.get_secret_value().strip().rstrip("/"))
        if "@" in str(address):  # a login would end at an earlier "/", "?" or "#", and the rest of it be shown
            raise ValueError(
                'it has an "@" after a "/", "?" or "#": percent-encode the password ("/" is %2F, "?" %3F, "#" %23), '
                'and an "@" in the path as %40'
            )
        if address.get_secret_value() != SAMPLE and not _is_http(address.get_secret_value()):
            raise ValueError(f"{address!s} is neither `sample` nor an http(s) URL")
        return address

    @field_validator("lake", "label_overrides", "backbone_weights")
    @classmethod
    def _has_no_login(cls, value: str | None) -> str | None:
        if value is not None and may_hold_login(value):
            raise ValueError(
                "an address with a login in it would be shown and stored; give the keys of an object store as "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        return value

    @field_validator("contact")
    @classmethod
    def _contact_fits_a_header(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isprintable()):
            raise ValueError(f"{value!r} cannot be sent in a header; write an e-mail or URL in plain ASCII")
        return value

    @field_validator("lake", "cache", "label_overrides", "backbone_weights", "dagster_home", "image_text_model")
    @classmethod
    def _home_is_expanded(cls, value: str | None) -> str | None:
        # A `.env` file, a systemd unit and Compose pass `~` as it is.
        return expand_home(value) if value is not None else None

    @field_validator("lake", "label_overrides")
    @classmethod
    def _address_is_of_a_known_kind(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            scheme, _, place = value.partition("://")
            if scheme not in OBJECT_STORES or not place.strip("/"):
                raise ValueError(f"{value!r} cannot be opened; give a path, or an address such as s3://bucket/art")
        return value

    @field_validator("rescrape_cron")
    @classmethod
    def _cron_has_five_fields(cls, value: str) -> str:
        # Dagster takes `@weekly` and six fields too, and refuses the rest itself; see `definitions.py`.
        fields = value.split()
        if len(fields) != 5:
            raise ValueError(
                f"{value!r} has {len(fields)} fields instead of 5; write one such as `0 3 * * 1`, Mondays at 3:00"
            )
        return " ".join(fields)

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; write one like `UTC` or `Europe/Budapest`") from error
        return value

    @field_validator("ray_address")
    @classmethod
    def _ray_address_is_known(cls, value: str | None) -> str | None:
        if value is not None and value != "auto" and not re.fullmatch(r"(ray://)?[^/@:\s]+:\d{1,5}", value):
            raise ValueError(f"{value!r} is no address; write `ray://host:10001`, `host:6379` or `auto`")
        return value

    @field_validator("ray_task_cpus", "ray_task_gpus")
    @classmethod
    def _above_one_is_whole(cls, value: float) -> float:
        if value > 1 and value % 1:
            raise ValueError(f"Ray gives a task a share of one, or a whole number, and not {value:g}")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _webhook_is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        if not _is_http(value.get_secret_value()):
            raise ValueError("it is no http(s) address")  # the address itself is a secret
        return value

    @field_validator("web_editing")
    @classmethod
    def _editing_token_is_long(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        if text.lower() in ("off", "loopback"):
            return SecretStr(text.lower())
        if len(text) < _MIN_TOKEN_LENGTH:
            raise ValueError(f"write `off`, `loopback`, or a token of at least {_MIN_TOKEN_LENGTH} characters")
        return SecretStr(text)

    @field_validator("sources")
    @classmethod
    def _sources_are_a_file(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            raise ValueError("it is an address; give the path of a YAML file, which may name addresses")
        return None if value is None else expand_home(value)

    @model_validator(mode="after")
    def _one_way_to_say_the_source(self) -> "Settings":
        if self.sources is not None and self.gallery.get_secret_value() != SAMPLE:
            raise ValueError(
                "ARTPIPE_SOURCES and ARTPIPE_GALLERY are both set; unset one, or name the gallery in the file of "
                "sources (`adapter: wga`)"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _foundation_has_its_backbone(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("recipe") == "foundation":
            return {"backbone": FOUNDATION_BACKBONE, "backbone_depths": _FOUNDATION_DEPTHS, **data}
        return data

    @property
    def is_sample(self) -> bool:
        """Whether the sample gallery is used."""
        return self.sources is None and self.gallery.get_secret_value() == SAMPLE

    @property
    def wanted_forms(self) -> tuple[str, ...] | None:
        """`forms`, or None where the file of sources says what is wanted."""
        return None if self.sources is not None and "forms" not in self.model_fields_set else self.forms

    @cached_property
    def lake_root(self) -> str:
        """The lake in use. Each gallery has its own by default, so that drawn works never mix with real ones."""
        if self.lake is not None:
            return self.lake
        if self.sources is not None:
            return str(LAKES / Path(self.sources).stem)
        return str(LAKES / SAMPLE if self.is_sample else lake_of_gallery(self.gallery.get_secret_value()))

    @cached_property
    def data_lake(self) -> DataLake:
        """The lake in use, with the folder for what this machine keeps of it."""
        return DataLake(self.lake_root, self.cache)

    @property
    def user_agent(self) -> str:
        """The User-Agent header of every request."""
        return f"artpipe/{__version__}" + (f" (+{self.contact})" if self.contact else "")

    @property
    def resolved_backbone_weights(self) -> str:
        """`backbone_weights`, or the default for this gallery."""
        is_random = self.is_sample and self.recipe != "foundation"
        return self.backbone_weights or ("none" if is_random else "imagenet")

    @property
    def has_train_image_px(self) -> bool:
        """Whether a person set `train_image_px`."""
        return self.train_image_px is not None

    @property
    def resolved_train_image_px(self) -> int:
        """`train_image_px`, or the default for this gallery."""
        return self.train_image_px or (128 if self.is_sample else _TRAIN_IMAGE_PX[self.recipe])

    @property
    def keep_versions_for(self) -> timedelta:
        """How long a version of a table stays after it was replaced."""
        return timedelta(days=self.keep_versions_days)

    @property
    def keep_runs_for(self) -> timedelta:
        """How long Dagster keeps a run."""
        return timedelta(days=self.keep_runs_days)

    @model_validator(mode="after")
    def _probe_has_weights(self) -> "Settings":
        if self.recipe in FROZEN_RECIPES and self.resolved_backbone_weights == "none":
            raise ValueError(
                f"the recipe `{self.recipe}` leaves the backbone frozen, and without weights its features are random; "
                "set ARTPIPE_RECIPE=finetune to train it, or ARTPIPE_BACKBONE_WEIGHTS to `imagenet` or a file"
            )
        return self

    @model_validator(mode="after")
    def _ensemble_has_two_halves(self) -> "Settings":
        is_ensemble = self.recipe not in FROZEN_RECIPES and self.resolved_backbone_weights != "none"
        if self.embedding_dimensions % 2 and is_ensemble:
            raise ValueError(
                f"a vector of {self.embedding_dimensions} cannot be halved between the two networks of the recipe "
                f"`{self.recipe}`; set ARTPIPE_EMBEDDING_DIMENSIONS to an even number, or ARTPIPE_RECIPE=probe"
            )
        return self


def without_login(address: str) -> str:
    """An address without the user and the password in it, which end at its first "/", "?" or "#"."""
    return re.sub(r"^([a-z][a-z0-9+.-]*://)?[^/?#]*@", r"\1", address, flags=re.IGNORECASE)


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:  # which may repeat the login
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def may_hold_login(address: str) -> bool:
    """Whether an address, which may be a path, has a login; one with a colon may hold "/", as keys of S3 do."""
    _, is_address, place = address.partition("://")
    return bool(is_address) and re.match(r"[^/?#]*(@|:.*@)", place, flags=re.DOTALL) is not None


def read_settings(**given: Any) -> Settings:
    """The settings of the environment, and those that are given in place of it.

    Raises:
        BadSettingError: one of them cannot be taken; every one that cannot is named.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise BadSettingError(problems(error, PREFIX)) from error
    except (UnicodeDecodeError, OSError) as error:
        raise _unreadable_env_file(error) from error


def _unreadable_env_file(error: Exception) -> BadSettingError:
    return BadSettingError(f"the file .env here cannot be read ({error}); save it as plain text in UTF-8.")


def problems(error: ValidationError, prefix: str) -> str:
    """A validation error as one readable line, naming each field as the person wrote it."""
    lines: list[str] = []
    for problem in error.errors():
        field = str(problem["loc"][0]) if problem["loc"] else ""
        name = prefix + (field.upper() if prefix.isupper() else field.replace("_", "-"))
        message = problem["msg"].removeprefix("Value error, ")
        given = str(problem["input"])
        is_secret = field in ("webhook_url", "web_editing") or (
            field != "contact" and "@" in given
        )  # a login, or it may be one
        shown = "" if is_secret else f"={problem['input']!r}"
        lines.append(f"{name}{shown}: {message}" if field else message)
    return "; ".join(lines) + "."


def environment_variable(name: str) -> str | None:
    """A variable of the environment, or else of the file `.env`; None where it is in neither."""
    return os.environ.get(name, dotenv_values(".env").get(name))


def unknown_variables() -> dict[str, str | None]:
    """The variables that are named like a setting and are none, each with the setting that may be meant.

    Raises:
        BadSettingError: the file `.env` cannot be read.
    """
    try:
        in_file = dotenv_values(".env")
    except (UnicodeDecodeError, OSError) as error:
        raise _unreadable_env_file(error) from error
    named = {name.upper() for name in (*os.environ, *in_file) if name.upper().startswith(PREFIX)}
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    unknown = sorted(named.difference(known))
    return {name: next(iter(get_close_matches(name, known, n=1)), None) for name in unknown}
