"""A IIIF manifest, Presentation API 2 or 3, as a row of a source.

`iiif` downloads manifests and gives them here. Both versions are read by the same functions: a property is looked for
under either name, and one value counts as a list of one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from artpipe.catalog.rows import LABEL_PREFIX
from artpipe.sources.iiif_canvas import canvases_of, images_of
from artpipe.sources.iiif_image import ImageService, Json, as_list, id_of
from artpipe.sources.iiif_json import in_languages, short_id, texts
from artpipe.sources.iiif_reading import Column, Reading
from artpipe.sources.makers import Maker, authority_in, read_makers
from artpipe.sources.plain_text import plain_text, storable
from artpipe.sources.remarks import Remarks
from artpipe.sources.rights import is_open, rights_statement
from artpipe.sources.web_addresses import absolute

MAX_VALUE_CHARS = 2_000


def manifest_row(
    manifest: Mapping[str, Json], url: str, reading: Reading, remarks: Remarks, services: Mapping[str, ImageService]
) -> dict[str, Json]:
    """The row of a manifest: `contract.ROWS` without `row_number`, and a column for each task of `reading.labels`.

    Args:
        manifest: the parsed JSON.
        url: where it was downloaded; relative addresses count from there.
        reading: how it is read.
        remarks: take what is to be said of it.
        services: the `info.json` of image services by their base address, where they were asked.
    """
    languages = reading.languages
    pairs = _metadata(manifest, languages)
    used: set[int] = set()

    def pairs_of(names: tuple[str, ...]) -> list[_Pair]:
        """The metadata with one of these labels."""
        found = [(i, pair) for i, pair in enumerate(pairs) if pair.values and pair.labels & set(names)]
        used.update(i for i, _ in found)
        return [pair for _, pair in found]

    def of_column(column: Column) -> list[_Pair]:
        """The metadata with the first of a column's labels that there is."""
        found = ((name,) for name in reading.names_of(column))
        return next((kept for name in found if (kept := pairs_of(name))), [])

    def joined(column: Column) -> str | None:
        return "; ".join(dict.fromkeys(text for pair in of_column(column) for text in pair.values)) or None

    labels = {
        f"{LABEL_PREFIX}{task}": list(
            dict.fromkeys(
                part
                for pair in pairs_of(tuple(name.casefold() for name in names))
                for text in pair.values
                for part in map(str.strip, text.split(";"))
                if part
            )
        )
        for task, names in reading.labels.items()
    }
    titles = [text for pair in of_column("title") for text in pair.values] or texts(manifest.get("label"), languages)
    titles = titles or [text for pair in pairs_of(("title", "titles")) for text in pair.values]
    required = manifest.get("requiredStatement")
    credit = texts(required.get("value") if isinstance(required, dict) else manifest.get("attribution"), languages)
    statement = _rights(manifest, [pair.raw for pair in of_column("rights_uri")])
    # A relative one says nothing: it counts from where the manifest is.
    declared = absolute("", id_of(manifest))
    images = images_of(manifest, url, reading, remarks, services)
    if not images:
        remarks.add("records without an image", url)
    row = {
        "source_id": short_id(url),
        "work_id": short_id(declared or url),
        "title": titles[0] if titles else None,
        "artists": [maker for pair in of_column("artists") for maker in _makers(pair)],
        "date_text": joined("date_text") or _year_of(manifest.get("navDate")),
        "year_from": None,
        "year_to": None,
        "medium": joined("medium"),
        "classification": joined("classification"),
        "location": joined("location"),
        "school": joined("school"),
        "landing_url": _landing_page(manifest, url),
        "modified": None,
        "images": images,
        "rights_uri": statement,
        "is_open": is_open(statement),
        "credit_line": joined("credit_line") or "; ".join(credit) or None,
    }
    extra: dict[str, list[str]] = {}
    for pair in (pair for i, pair in enumerate(pairs) if i not in used and pair.values):
        extra.setdefault(pair.name, []).extend(pair.values)
    if len(titles) > 1:
        extra["other titles"] = titles[1:]
    if summary := texts(manifest.get("summary") or manifest.get("description"), languages):
        extra["summary"] = [text[:MAX_VALUE_CHARS] for text in summary]
    return {**row, "extra": json.dumps(extra, ensure_ascii=False) if extra else None, **labels}


def rows_of_canvases(
    manifest: Mapping[str, Json], url: str, reading: Reading, remarks: Remarks, services: Mapping[str, ImageService]
) -> Iterator[dict[str, Json]]:
    """A row for each canvas of a manifest that is a selection of works; arguments as for `manifest_row`."""
    whole = {
        name: value for name, value in manifest.items() if name not in ("sequences", "items", "id", "@id", "navDate")
    }
    for number, canvas in enumerate(canvases_of(manifest), start=1):
        metadata = [pair for pair in as_list(canvas.get("metadata")) if isinstance(pair, dict)]
        said = [pair.get("label") for pair in metadata]
        shared = (pair for pair in as_list(manifest.get("metadata")) if isinstance(pair, dict))
        metadata += [pair for pair in shared if pair.get("label") not in said]
        own = {name: value for name, value in canvas.items() if name not in ("items", "images", "metadata")}
        row = manifest_row({**whole, **own, "metadata": metadata, "items": [canvas]}, url, reading, remarks, services)
        identity = short_id(absolute(url, id_of(canvas)) or f"{url}#{number}")
        yield {**row, "source_id": identity, "work_id": identity}


@dataclass(frozen=True)
class _Pair:
    """A label of metadata in every language, folded; its name in the best one; its values: plain, with lines, raw."""

    labels: frozenset[str]
    name: str
    values: tuple[str, ...]
    with_lines: tuple[str, ...]
    raw: str


def _metadata(manifest: Mapping[str, Json], languages: tuple[str, ...]) -> list[_Pair]:
    pairs: list[_Pair] = []
    for each in as_list(manifest.get("metadata")):
        if not isinstance(each, dict):
            continue
        labels = frozenset(
            plain_text(text).rstrip(":").strip().casefold() for _, text in in_languages(each.get("label"))
        )
        name = next(iter(texts(each.get("label"), languages)), "")
        raw = storable(" ".join(text for _, text in in_languages(each.get("value"))))
        with_lines = tuple(texts(each.get("value"), languages, with_lines=True))
        pairs.append(_Pair(labels, name, tuple(texts(each.get("value"), languages)), with_lines, raw))
    return pairs


def _makers(pair: _Pair) -> list[Maker]:
    """The makers of a pair; an address of an authority is that of the only one."""
    makers = [maker for text in pair.with_lines for maker in read_makers(text)]
    if len(makers) == 1:
        makers[0]["authority_uri"] = authority_in(pair.raw)
    return makers


def _rights(manifest: Mapping[str, Json], of_metadata: list[str]) -> str | None:
    """The address that states the rights: a property of its own, else one in the metadata or the required statement."""
    rights = next(iter(as_list(manifest.get("rights") or manifest.get("license"))), None)
    stated = (rights if isinstance(rights, str) else id_of(rights)) or ""
    if re.fullmatch(r"https?://[^\s<>]+", stated):
        return absolute("", stated)
    elsewhere = (stated, *of_metadata, f"{manifest.get('requiredStatement')} {manifest.get('attribution')}")
    return next((found for text in elsewhere if (found := rights_statement(text))), None)


def _year_of(date: Json) -> str | None:
    """The year of a `navDate`, such as `1987-01-01T00:00:00Z`."""
    found = re.match(r"(-?\d{4})-", date) if isinstance(date, str) else None
    return found[1] if found else None


def _landing_page(manifest: Mapping[str, Json], url: str) -> str | None:
    """The page for people: `homepage` of version 3, `related` of version 2, else a `rendering` in HTML."""
    pages = [page for key in ("homepage", "related") for page in as_list(manifest.get(key))]
    renderings = as_list(manifest.get("rendering"))
    pages += [page for page in renderings if isinstance(page, dict) and "html" in str(page.get("format"))]
    pages.sort(key=lambda page: isinstance(page, dict) and "html" not in str(page.get("format", "html")))
    return next((found for page in pages if (found := absolute(url, id_of(page)))), None)
