"""How manifests are read: the labels of metadata that mean a column, in the languages of museums."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Column = Literal[
    "title", "artists", "date_text", "medium", "classification", "location", "school", "credit_line", "rights_uri"
]
USUAL_LABELS: Mapping[Column, tuple[str, ...]] = {
    "artists": (
        "artist", "artists", "artist(s)", "creator", "creators", "creator(s)", "artist/maker", "artist / maker",
        "maker", "painter", "author", "people",
        "künstler", "künstler/in", "urheber", "artiste", "auteur", "peintre", "créateur", "artista", "autor", "autore",
        "kunstenaar", "vervaardiger", "maker/kunstenaar", "konstnär", "kunstner", "作者", "制作者",
    ),
    "date_text": (
        "date", "dates", "date created", "creation date", "date of creation", "date made", "created", "dated",
        "production date", "date of work", "year", "datum", "datierung", "entstehungszeit", "jahr", "date de création",
        "datation", "année", "fecha", "fecha de creación", "data", "datazione", "datering", "datum vervaardiging",
        "制作年", "年代",
    ),
    "medium": (
        "medium", "materials", "material", "technique", "materials and techniques", "materials & techniques",
        "material/technique",
        "technik", "material/technik", "material und technik", "technique et matériaux", "matériau", "técnica",
        "tecnica", "materiaal", "materiaal en techniek", "techniek", "teknik", "技法", "材質",
    ),
    "classification": (
        "classification", "object type", "work type", "type of object", "type", "objekttyp", "objektart", "gattung",
        "type d'objet", "tipo", "tipo de objeto", "objecttype", "soort object", "分類",
    ),
    "location": (
        "location", "current location", "repository", "holding institution", "institution", "museum", "collection",
        "standort", "aufbewahrungsort", "lieu de conservation", "institución", "ubicación", "collezione", "locatie",
        "所蔵",
    ),
    "school": ("school", "schule", "école", "escuela", "scuola"),
    "credit_line": ("credit line", "credit", "creditline", "attribution", "creditzeile", "mention obligatoire"),
    "rights_uri": (
        "rights", "license", "licence", "rights/license", "rights/licence", "copyright", "rights statement", "lizenz",
        "rechte", "licentie",
    ),
}  # fmt: skip
"""The labels of metadata that mean a column, in lower case, unless the file of sources says others; of these, the first
that a manifest has counts."""


@dataclass(frozen=True)
class Reading:
    """How manifests are read; see `IiifSource` for the fields."""

    languages: tuple[str, ...] = ("en",)
    columns: Mapping[Column, tuple[str, ...]] = field(default_factory=dict[Column, tuple[str, ...]])
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    choices: Literal["first", "all"] = "first"
    max_images: int = 1000

    def names_of(self, column: Column) -> tuple[str, ...]:
        """The labels of metadata that mean a column, in lower case."""
        given = self.columns.get(column)
        return USUAL_LABELS.get(column, ()) if given is None else tuple(name.casefold() for name in given)
