"""The Web Gallery of Art, and galleries laid out like it: where the catalogue and the list of artists are published."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import polars as pl
from pydantic import Field

from artpipe.catalog.rows import ARTIST, IMAGE, LABEL_PREFIX, ROWS, SourceRows
from artpipe.schema import ORIGINAL_SITE
from artpipe.sources.contract import Source
from artpipe.sources.fields import WebAddress
from artpipe.tasks import WGA_TASKS, TaskDeclaration

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress

CATALOG_URL = f"{ORIGINAL_SITE}/database/download/data_txt.zip"
ARTIST_LIST_URL = (
    f"{ORIGINAL_SITE}/cgi-bin/artist.cgi?Profession=any&School=any&Period=any&Time-line=any&from=0&max=50000&Sort=Name"
    "&letter=-&width=700&targetleft=0"
)


class WgaSource(Source):
    """A gallery laid out like wga.hu, as one of several sources; alone it is named by `ARTPIPE_GALLERY`."""

    adapter: Literal["wga"] = "wga"
    base_url: WebAddress = Field(default=ORIGINAL_SITE, description="the gallery")
    forms: tuple[str, ...] = Field(default=("painting",), description="forms of art that are taken")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The gallery's host."""
        return (urlsplit(self.base_url).netloc,)

    @property
    def mirrors(self) -> Mapping[str, str]:
        """The files of the original site are requested from the gallery."""
        host = urlsplit(ORIGINAL_SITE).netloc
        return {host: self.base_url, host.removeprefix("www."): self.base_url}

    @property
    def is_gallery(self) -> bool:
        """It is one."""
        return True

    @property
    def own_tasks(self) -> tuple[TaskDeclaration, ...]:
        """Style, period and type, with the classes that the gallery has."""
        return tuple(
            TaskDeclaration(name=task.name, classes=task.classes, ordinal=task.is_ordinal, years=task.year_bounds)
            for task in WGA_TASKS.values()
        )

    def download(self, client: "GalleryClient", folder: "UPath", progress: "Progress") -> None:  # noqa: ARG002
        """Bring the catalogue and the list of artists up to date."""
        from artpipe.catalog.artists import check_artist_list
        from artpipe.catalog.parse import check_catalog
        from artpipe.sources.download import download_file

        for name, url, check in (
            ("catalog", CATALOG_URL, check_catalog),
            ("artists", ARTIST_LIST_URL, check_artist_list),
        ):
            download_file(client, url, folder / name, check)

    def read(self, folder: "UPath") -> SourceRows:
        """The works, each with its artist, its style and its type; those of other forms without their pictures."""
        from artpipe.catalog.artists import parse_artist_list
        from artpipe.catalog.clean import clean_artworks
        from artpipe.catalog.parse import parse_catalog

        artists = parse_artist_list((folder / "artists").read_bytes())
        cleaned = clean_artworks(parse_catalog((folder / "catalog").read_bytes()), artists)
        works, is_wanted = cleaned.artworks, pl.col("form").is_in(self.forms).fill_null(value=False)
        others = works.filter(~is_wanted).height
        notes = (f"{others:,} works have other forms than {', '.join(self.forms)}: without picture.",) if others else ()
        lives = artists.select("artist_id", "born", "died")
        rows = works.join(lives, on="artist_id", how="left", maintain_order="left").with_row_index("row_number", 1)
        is_own_year = pl.col("year_source") == "work"
        artist = pl.struct(
            "artist_id",
            "born",
            "died",
            name="artist",
            role=pl.lit(None, pl.String),
            authority_uri=pl.lit(None, pl.String),
        )
        absent_of_image = [pl.lit(None).alias(field.name) for field in IMAGE.fields if field.name != "url"]
        image = pl.struct([pl.col("image_url").alias("url"), *absent_of_image])
        absent = {
            name: pl.lit(None) for name in ("work_id", "modified", "rights_uri", "is_open", "credit_line", "extra")
        }
        found = rows.with_columns(
            source_id="artwork_id",
            artists=pl.concat_list(_fields(artist, ARTIST)),
            year_from=pl.when(is_own_year).then("year_from"),
            year_to=pl.when(is_own_year).then("year_to"),
            medium="technique",
            classification="form",
            landing_url="page_url",
            images=pl.when(is_wanted).then(pl.concat_list(_fields(image, IMAGE))),
            **absent,
        )
        labels = [
            pl.when(pl.col(task).is_not_null()).then(pl.concat_list(task)).alias(f"{LABEL_PREFIX}{task}")
            for task in ("style", "type")
        ]
        columns = [pl.col(name).cast(kind) for name, kind in ROWS.items()]
        return SourceRows(found.select(*columns, *labels, "timeframe"), cleaned.quarantine, notes)


def _fields(struct: pl.Expr, kind: pl.Struct) -> pl.Expr:
    """A struct with its fields in the order of the contract."""
    return pl.struct(struct.struct.field(field.name).cast(field.dtype) for field in kind.fields)
