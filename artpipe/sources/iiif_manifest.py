"""A IIIF manifest, Presentation API 2 or 3, as a row of a source.

`iiif` downloads manifests and gives them here. Both versions are read by the same functions: a property is looked for
under either name, and one value counts as a list of one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from artpipe.sources.contract import LABEL_PREFIX
from artpipe.sources.iiif_canvas import images_of
from artpipe.sources.iiif_image import ImageService, Json, as_list, id_of
from artpipe.sources.iiif_json import in_languages, short_id, texts
from artpipe.sources.iiif_reading import Column, Reading
from artpipe.sources.makers import authority_in, read_maker
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

    def values(names: tuple[str, ...]) -> list[tuple[str, str]]:
        """The plain and the raw texts of the metadata with one of these labels, in the order of the labels."""
        found = [(i, pair) for name in names for i, pair in enumerate(pairs) if name in pair.labels]
        used.update(i for i, _ in found)
        return [(text, pair.raw) for _, pair in found for text in pair.values]

    def joined(column: Column) -> str | None:
        return "; ".join(dict.fromkeys(text for text, _ in values(reading.names_of(column)))) or None

    labels = {
        f"{LABEL_PREFIX}{task}": list(
            dict.fromkeys(
                part
                for text, _ in values(tuple(name.casefold() for name in names))
                for part in map(str.strip, text.split(";"))
                if part
            )
        )
        for task, names in reading.labels.items()
    }
    titles = [text for text, _ in values(reading.names_of("title"))] or texts(manifest.get("label"), languages)
    rights = next(iter(as_list(manifest.get("rights") or manifest.get("license"))), None)
    rights_texts = values(reading.names_of("rights_uri"))
    stated = absolute(url, rights if isinstance(rights, str) else id_of(rights))
    statement = stated or next((uri for _, raw in rights_texts if (uri := rights_statement(raw))), None)
    required = manifest.get("requiredStatement")
    credit = texts(required.get("value") if isinstance(required, dict) else manifest.get("attribution"), languages)
    if statement is None:
        said = f"{required} {manifest.get('attribution')}"
        statement = rights_statement(said)
    # A relative one says nothing: it counts from where the manifest is.
    declared = absolute("", id_of(manifest))
    images = images_of(manifest, url, reading, remarks, services)
    if not images:
        remarks.add("records without an image", url)
    row = {
        "source_id": short_id(url),
        "work_id": short_id(declared or url),
        "title": titles[0] if titles else None,
        "artists": [
            read_maker(part, authority_in(raw) if len(parts) == 1 else None)
            for text, raw in values(reading.names_of("artists"))
            for parts in [[part for part in map(str.strip, text.split(";")) if part]]
            for part in parts
        ],
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
    extra = {pair.name: list(pair.values) for i, pair in enumerate(pairs) if i not in used and pair.values}
    if len(titles) > 1:
        extra["other titles"] = titles[1:]
    if summary := texts(manifest.get("summary") or manifest.get("description"), languages):
        extra["summary"] = [text[:MAX_VALUE_CHARS] for text in summary]
    return {**row, "extra": json.dumps(extra, ensure_ascii=False) if extra else None, **labels}


@dataclass(frozen=True)
class _Pair:
    """A label of metadata in every language, folded; its name in the best one; its values, plain and raw."""

    labels: frozenset[str]
    name: str
    values: tuple[str, ...]
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
        pairs.append(_Pair(labels, name, tuple(texts(each.get("value"), languages)), raw))
    return pairs


def _year_of(date: Json) -> str | None:
    """The year of a `navDate`, such as `1987-01-01T00:00:00Z`."""
    found = re.match(r"(-?\d{4})-", date) if isinstance(date, str) else None
    return found[1] if found else None


def _landing_page(manifest: Mapping[str, Json], url: str) -> str | None:
    """The page for people: `homepage` of version 3, `related` of version 2."""
    pages = [page for key in ("homepage", "related") for page in as_list(manifest.get(key))]
    pages.sort(key=lambda page: isinstance(page, dict) and "html" not in str(page.get("format", "html")))
    return next((found for page in pages if (found := absolute(url, id_of(page)))), None)
