"""A record of Dublin Core or of the Europeana Data Model as a row of a source."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from artpipe.catalog.dates import parse_date
from artpipe.catalog.rows import LABEL_PREFIX
from artpipe.errors import ArtpipeError
from artpipe.sources.iiif_image import read_service, service_of_address
from artpipe.sources.makers import Maker, authority_in, read_maker
from artpipe.sources.plain_text import plain_text
from artpipe.sources.remarks import Remarks
from artpipe.sources.rights import is_open, rights_statement
from artpipe.sources.web_addresses import absolute

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it

    from artpipe.sources.oai_xml import Record

Column = Literal[
    "title", "artists", "date_text", "medium", "classification", "location", "credit_line", "rights_uri", "landing_url",
    "images",
]  # fmt: skip

PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://www.europeana.eu/schemas/edm/": "edm",
    "http://www.openarchives.org/ore/terms/": "ore",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://www.w3.org/2004/02/skos/core#": "skos",
    "http://rdvocab.info/ElementsGr2/": "rdaGr2",
    "http://www.w3.org/2002/07/owl#": "owl",
    "http://xmlns.com/foaf/0.1/": "foaf",
    "http://www.w3.org/2000/01/rdf-schema#": "rdfs",
    "http://id.loc.gov/vocabulary/relators/": "mrel",
    "http://www.europeanafashion.eu/edmfp/": "edmfp",
    "http://rdfs.org/sioc/services#": "svcs",
    "http://usefulinc.com/ns/doap#": "doap",
    "http://www.ebu.ch/metadata/ontologies/ebucore/ebucore#": "ebucore",
}
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

USUAL_ELEMENTS: Mapping[Column, tuple[str, ...]] = {
    "title": ("dc:title", "dcterms:title"),
    "artists": ("dc:creator", "dcterms:creator"),
    "date_text": ("dcterms:created", "dc:date", "dcterms:date"),
    "medium": ("dcterms:medium", "dc:format", "dcterms:format"),
    "classification": ("edm:hasType", "dc:type", "dcterms:type"),
    "location": ("edm:currentLocation",),
    "credit_line": ("dcterms:rightsHolder", "dc:rights"),
    "rights_uri": ("edm:rights", "dcterms:license", "dc:rights", "dcterms:rights"),
    "landing_url": ("edm:isShownAt", "dc:identifier", "dcterms:identifier"),
    "images": ("edm:isShownBy", "edm:hasView", "dc:identifier", "dc:relation", "dcterms:hasFormat", "dc:source"),
}
"""The elements that mean a column; the first that has values counts, and of the images all."""

_MIME = re.compile(r"(?:image|video|audio|text|application)/[\w.+-]+", re.IGNORECASE)
_GENERIC_TYPES = frozenset({"image", "still image", "stillimage", "physical object", "physicalobject", "text", "3d"})
_IMAGE_NAME = re.compile(r"\.(?:jpe?g|png|tiff?|webp|gif)(?:\?.*)?$", re.IGNORECASE)
UNKNOWN_WIDTH_PX = 1024
"""What an image service of level 1 is asked for where nothing says how large the picture is."""
_LABELS = ("skos:prefLabel", "foaf:name", "rdfs:label", "dc:title", "skos:altLabel")


class NotARecordError(ArtpipeError):
    """A record that cannot be read."""


@dataclass(frozen=True)
class Reading:
    """How records are read; see `OaiSource` for the fields."""

    languages: tuple[str, ...] = ("en",)
    columns: Mapping[Column, tuple[str, ...]] = field(default_factory=dict[Column, tuple[str, ...]])
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True)
class _Value:
    """What an element holds: a text, the address that it refers to, its language."""

    text: str
    uri: str | None
    language: str


def record_row(record: "Record", reading: Reading, remarks: Remarks) -> dict[str, Any]:
    """The row of a record: `contract.ROWS` without `row_number`, and a column for each task of `reading.labels`.

    Raises:
        NotARecordError: it has no metadata of Dublin Core or EDM.
    """
    if record.metadata is None:
        raise NotARecordError("it has no metadata; ask the repository")
    graph = _Graph(record.metadata, reading.languages)
    if not graph.names & {"dc", "dcterms", "edm"}:
        raise NotARecordError(f"its metadata is <{record.metadata.tag}>, neither Dublin Core nor EDM; set `prefix`")
    used: set[_Value] = set()

    def values(column: Column) -> list[_Value]:
        """The values of the first of a column's elements that has any."""
        elements = reading.columns.get(column, USUAL_ELEMENTS[column])
        of_elements = ([value for value in graph.values(name) if _is_meant(column, value)] for name in elements)
        return next((found for found in of_elements if found), [])

    def taken(column: Column) -> list[_Value]:
        found = values(column)
        used.update(found)
        return found

    def joined(column: Column) -> str | None:
        return "; ".join(dict.fromkeys(value.text for value in taken(column) if value.text)) or None

    titles = values("title")
    date = _date(values("date_text"))
    landing = next((value for value in values("landing_url") if absolute("", value.uri)), None)
    used.update(value for value in (titles[0] if titles else None, date, landing) if value)
    rights = next((uri for value in taken("rights_uri") if (uri := _rights_of(value))), None)
    images = list(_images(graph, reading.columns.get("images", USUAL_ELEMENTS["images"]), used))
    if not images:
        remarks.add("records without an image", record.identifier)
    labels = {task: [value for name in names for value in graph.values(name)] for task, names in reading.labels.items()}
    used.update(value for values in labels.values() for value in values)
    row = {
        "source_id": record.identifier,
        "work_id": record.identifier,
        "title": titles[0].text if titles else None,
        "artists": [_maker(graph, value) for value in taken("artists")],
        "date_text": date.text if date else None,
        "year_from": None,
        "year_to": None,
        "medium": joined("medium"),
        "classification": joined("classification"),
        "location": joined("location"),
        "school": None,
        "landing_url": absolute("", landing.uri) if landing else None,
        "modified": record.datestamp or None,
        "images": images,
        "rights_uri": rights,
        "is_open": is_open(rights),
        "credit_line": joined("credit_line"),
        **{
            f"{LABEL_PREFIX}{task}": list(dict.fromkeys(value.text for value in values if value.text))
            for task, values in labels.items()
        },
    }
    # Properties begin with a small letter, and classes such as `edm:ProvidedCHO` with a capital.
    described = (name for name in sorted(graph.named) if re.match("(?:dc|dcterms|edm):[a-z]", name))
    rest = {name: [v.text or v.uri or "" for v in graph.values(name) if v not in used] for name in described}
    rest = {name: kept for name, texts in rest.items() if (kept := [text for text in texts if text])}
    return {**row, "extra": json.dumps(rest, ensure_ascii=False) if rest else None}


class _Graph:
    """The elements of a record by their usual names, and its resources by address."""

    def __init__(self, metadata: "_Element", languages: tuple[str, ...]) -> None:
        self.languages = tuple(language.casefold() for language in languages)
        self.named: dict[str, list[_Element]] = {}
        self._values: dict[str, list[_Value]] = {}
        self.resources: dict[str, _Element] = {}
        for element in metadata.iter("*"):
            self.named.setdefault(_name(element), []).append(element)
            if about := element.get(f"{RDF}about"):
                self.resources[about] = element
        # A resource beside the work, such as an agent or another language's concept, has titles and notes of its own.
        self._contextual = {
            id(element)
            for name in ("edm:Agent", "edm:Place", "edm:TimeSpan", "skos:Concept", "edm:WebResource", "svcs:Service")
            for resource in self.named.get(name, [])
            for element in resource.iterdescendants("*")
        }

    @property
    def names(self) -> set[str]:
        """The prefixes that occur."""
        return {name.split(":")[0] for name in self.named}

    def values(self, name: str) -> list[_Value]:
        """The values of an element in the best of their languages, each once."""
        if name not in self._values:
            found = [self.value(each) for each in self.named.get(name, []) if id(each) not in self._contextual]
            found = [value for value in dict.fromkeys(found) if value.text or value.uri]
            self._values[name] = _in_best_language(found, self.languages)
        return self._values[name]

    def value(self, element: "_Element") -> _Value:
        """What an element holds; the text of one that refers to a resource of the record is the resource's label."""
        uri = element.get(f"{RDF}resource") or element.get(f"{RDF}about")
        inner = next(element.iterchildren("*"), None)
        if uri is None and inner is not None:
            uri = inner.get(f"{RDF}about") or inner.get(f"{RDF}resource")
        text = plain_text(element.text or "")
        resource = self.resources.get(uri or "", inner)
        if not text and resource is not None:
            text = self.label(resource)
        if uri is None and re.match(r"https?://\S+$", text):
            uri = text
        return _Value(text if uri != text else "", uri, (element.get(LANGUAGE) or "").casefold())

    def label(self, resource: "_Element") -> str:
        """The label of a resource in the best language; "" where it has none."""
        for name in _LABELS:
            labels = [
                _Value(plain_text(each.text or ""), None, (each.get(LANGUAGE) or "").casefold())
                for each in resource.iterchildren("*")
                if _name(each) == name
            ]
            if best := _in_best_language([label for label in labels if label.text], self.languages):
                return best[0].text
        return ""

    def inside(self, resource: "_Element | None", name: str) -> list[_Value]:
        """The values of an element of a resource."""
        return (
            [] if resource is None else [self.value(each) for each in resource.iterchildren("*") if _name(each) == name]
        )


def _in_best_language(values: list[_Value], languages: tuple[str, ...]) -> list[_Value]:
    """The values of the first language that is preferred, with those of none; else of the first there is."""
    plain = [value for value in values if not value.language]
    if len(plain) == len(values):
        return plain
    for wanted in languages:
        if found := [value for value in values if value.language.split("-")[0] == wanted or value.language == wanted]:
            return [*found, *(value for value in plain if value.uri)]
    return plain or [value for value in values if value.language == values[0].language]


def _name(element: "_Element") -> str:
    namespace, _, local = str(element.tag).removeprefix("{").rpartition("}")
    return f"{PREFIXES.get(namespace, namespace)}:{local}"


def _is_meant(column: Column, value: _Value) -> bool:
    """Whether a value is of use to a column: a format may be `image/jpeg`, an identifier no address."""
    if column == "landing_url":
        return value.uri is not None and not _IMAGE_NAME.search(value.uri)
    if column == "rights_uri":
        return _rights_of(value) is not None
    if column == "medium":
        return bool(value.text) and not _MIME.fullmatch(value.text)
    if column == "classification":
        return bool(value.text) and value.text.casefold() not in _GENERIC_TYPES
    return bool(value.text)


def _rights_of(value: _Value) -> str | None:
    return absolute("", value.uri) or rights_statement(value.text)


def _date(values: list[_Value]) -> _Value | None:
    """The first that says a year, else the first."""
    dated = (value for value in values if parse_date(value.text).year_from is not None)
    return next(dated, values[0] if values else None)


def _maker(graph: _Graph, value: _Value) -> Maker:
    agent = graph.resources.get(value.uri or "")
    addresses = [
        value.uri,
        *(each.uri for name in ("owl:sameAs", "skos:exactMatch") for each in graph.inside(agent, name)),
    ]
    authority = next((found for address in addresses if address and (found := authority_in(address))), None)
    maker = read_maker(value.text, authority)

    def year(*names: str) -> int | None:
        dates = [parse_date(each.text) for name in names for each in graph.inside(agent, name) if each.text]
        return next((date.year_from for date in dates if date.year_from is not None), None)

    born, died = year("rdaGr2:dateOfBirth", "edm:begin"), year("rdaGr2:dateOfDeath", "edm:end")
    return {**maker, "born": maker["born"] if born is None else born, "died": maker["died"] if died is None else died}


def _images(graph: _Graph, elements: tuple[str, ...], used: set[_Value]) -> Iterator[dict[str, Any]]:
    """The pictures: all that EDM shows, or what of Dublin Core is named like one."""
    seen: set[str] = set()
    is_named = elements != USUAL_ELEMENTS["images"]
    for element in elements:
        for value in graph.values(element):
            url = absolute("", value.uri)
            is_image = is_named or element.startswith("edm:") or (url and _IMAGE_NAME.search(url))
            if url is None or not is_image or url in seen:
                continue
            seen.add(url)
            used.add(value)
            yield _image(graph, url)
    if not seen and not is_named:
        for value in graph.values("edm:object"):
            if url := absolute("", value.uri):
                used.add(value)
                yield _image(graph, url)


def _image(graph: _Graph, url: str) -> dict[str, Any]:
    """A value of `contract.IMAGE`: with its service, where the record names one or the address is of one."""
    resource = graph.resources.get(url)
    service = service_of_address(url)
    for value in graph.inside(resource, "svcs:has_service"):
        about = graph.resources.get(value.uri or "")
        said = [
            each.uri or each.text
            for name in ("doap:implements", "dcterms:conformsTo")
            for each in graph.inside(about, name)
        ]
        if value.uri and absolute("", value.uri):
            service = read_service({"@id": value.uri, "profile": said or ["http://iiif.io/api/image/2"]}) or service

    def size(name: str) -> int | None:
        texts = [value.text for value in graph.inside(resource, name)]
        return int(texts[0]) if texts and texts[0].isdecimal() and 0 < len(texts[0]) < 8 else None

    is_whole = service is None or service.level == 0
    width, height = size("ebucore:width"), size("ebucore:height")
    if service is not None and service.level == 1 and not (width and height):
        # Level 1 cannot fit a picture of unknown size into a square.
        quality = "native" if service.version == 1 else "default"
        url, is_whole = f"{service.base}/full/{UNKNOWN_WIDTH_PX},/0/{quality}.jpg", True

    return {
        "url": url,
        "service": None if service is None or is_whole else service.base,
        "service_version": None if service is None or is_whole else service.version,
        "width_px": width,
        "height_px": height,
        "max_width_px": None,
        "max_area_px": None,
        "role": None,
    }
