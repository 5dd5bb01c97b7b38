"""A file of sources for a table that nobody described yet: which column is what, guessed by its name and its values.

Museums name their columns in their own language, so the names are known in several. A person reads the file and
corrects it; every guess shows a value of the table.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import yaml

from artpipe.sources.mapping import as_text
from artpipe.sources.record_paths import NUMBER
from artpipe.sources.records import NoRecordsError, RecordReader, TableForm

if TYPE_CHECKING:
    from upath import UPath

SAMPLE_ROWS = 500
NAMES: Mapping[str, str] = {
    "source_id": "id objectid recordid identifier objectnumber inventorynumber accessionnumber inventarnummer invnr "
    "inventarnr inventaire numeroinventaire numerodinventaire numeroinventario inventario inventarisnummer uuid",
    "title": "title titel titre titolo titulo objecttitle werktitel titles name bezeichnung",
    "artists": "artist artists artistname artistdisplayname creator creators maker makers author painter kunstler "
    "kuenstler kunstlername maler urheber artiste artistes auteur createur artista autore autor pintor pittore "
    "kunstenaar vervaardiger kunstner konstnar",
    "date_text": "date datetext dates displaydate objectdate creationdate dating datum datierung entstehungszeit "
    "datation data datazione fecha datacion datering",
    "year_from": "yearfrom yearstart startyear beginyear year datestart objectbegindate creationdateearliest jahrvon "
    "jahr annee anneedebut anno ano jaar",
    "year_to": "yearto yearend endyear dateend objectenddate creationdatelatest jahrbis anneefin",
    "medium": "medium technique materials material mediumtechnique technik materialtechnik tecnica materiali tecniche "
    "materiale techniek materiaal",
    "classification": "classification objecttype objectname objektart objekttyp kategorie category categorie categoria "
    "typeobjet soort type",
    "location": "location standort ort lieu localisation ubicazione collocazione ubicacion lugar standplaats gallery "
    "currentlocation museum",
    "school": "school culture nationality schule kultur nationalitat ecole scuola escuela land country pays paese pais",
    "landing_url": "url link landingurl page pageurl permalink weblink objecturl weburl resource",
    "images": "image images imageurl imagelink imageaddress picture pictureurl thumbnail thumbnailurl photo bild "
    "bilder bildurl bildadresse foto abbildung illustration immagine imagen afbeelding",
    "rights_uri": "rightsuri licenseuri licenceurl rights license licence lizenz droits diritti derechos rechten",
    "credit_line": "creditline credit credits erwerb erwerbung acquisition provenance provenienz mention",
}
"""The names of columns by field, in English, German, French, Italian, Spanish, Dutch and Danish, without accents."""

LABELS: Mapping[str, str] = {
    "style": "style styles stil stile estilo stijl stilrichtung",
    "movement": "movement movements bewegung mouvement movimento movimiento stroming",
    "period": "period era eras epoche epoque epoca periode tijdperk",
    "genre": "genre genres gattung genere genero",
    "subject": "subject subjects thema sujet soggetto motiv tema onderwerp",
    "type": "type classification objecttype objektart categorie kategorie category",
}
_SEPARATORS = ("|", ";")
_SOUNDS_OPEN = r"(?i)cc.?0|public.?domain|\bpdm?\b|cc.?by\b|domaine public|dominio p|gemeinfrei|^true$|^yes$|^1$"
_MOST_CLASSES = 60
_MOST_FURTHER = 20


def sources_yaml(file: "UPath", place: str, name: str, scratch: Path) -> str:
    """The text of a file of sources for one table.

    Args:
        file: the table.
        place: where it is, as the file of sources should say it.
        name: of the source.
        scratch: a folder for copies.
    """
    label = file.name.partition("-")[2] or file.name
    reader = RecordReader(TableForm(), {}, scratch)
    reader.wanted = dict.fromkeys(reader.columns(file, label), "the guess")
    reader.batch_rows = SAMPLE_ROWS
    batch = next(reader.batches(file, label), None)
    if batch is None or batch.is_empty() or batch.width == 1:
        raise NoRecordsError(f"{label} has no record that can be read; check that it is the file that you mean.")
    sample = batch.drop(NUMBER)
    texts = pl.DataFrame({column: as_text(sample[column]) for column in sample.columns})
    texts = texts.with_columns(pl.when(pl.all().str.contains(r"\S")).then(pl.all()))
    return _written(sample, texts, place, name)


def _written(sample: pl.DataFrame, texts: pl.DataFrame, place: str, name: str) -> str:
    fields = guess_columns(texts)
    labels = {task: column for task, names in LABELS.items() if (column := _named(texts.columns, names))}
    labels = {task: column for task, column in labels.items() if texts[column].n_unique() <= _MOST_CLASSES}
    by_column = {column: task for task, column in reversed(labels.items())}  # one task for each column
    labels = {task: column for column, task in reversed(by_column.items())}
    lines = [
        "# Sources of the collection; see docs/sources.md for every key.",
        "# The columns were guessed by their names: read this file, correct it, then run",
        "#   artpipe sources check FILE",
        "sources:",
        f"  - name: {name}",
        "    adapter: table",
        f"    path: {_scalar(place)}",
        "    columns:",
    ]
    for field in NAMES:
        if field in fields:
            lines.append(
                f"      {field}: {_value(sample, texts, field, fields[field])}{_example(texts, fields[field])}"
            )
        elif field in ("title", "artists", "date_text", "images"):
            lines.append(f"      # {field}: ...  # no column was recognised")
    if "source_id" not in fields:
        lines.append("      # source_id: ...  # needed: no column has another value in every row")
    lines.append(f"      # is_open: {_rule_of_openness(texts)}  # which works may anybody use? `true` for all")
    if "images" in fields and not _is_address(texts[fields["images"]]):
        lines.append("    base_url: https://...  # the addresses of the pictures are relative: what are they below?")
    if labels:
        lines.append("    labels:")
        lines += [
            f"      {task}: {_value(sample, texts, 'labels', column)}{_example(texts, column)}"
            for task, column in labels.items()
        ]
    else:
        lines += ["    # labels:", "    #   style: COLUMN  # what the classifier learns to predict"]
    rest = [column for column in texts.columns if column not in (*fields.values(), *labels.values())]
    rest = [column for column in rest if "[]" not in column][:_MOST_FURTHER]
    if rest:
        lines.append(f"    # extra: [{', '.join(map(_scalar, rest))}]  # further columns to keep")
    if labels:
        lines.append("tasks:")
        lines += [f"  - {{name: {task}, min_works: 20}}" for task in labels]
    return "\n".join(lines) + "\n"


def guess_columns(texts: pl.DataFrame) -> dict[str, str]:
    """The column of each field that could be recognised.

    Args:
        texts: the first rows of a table, all of them texts.
    """
    found: dict[str, str] = {}
    for field, names in NAMES.items():
        free = [column for column in texts.columns if column not in found.values() and "[]" not in column]
        addresses = [one for one in free if _is_address(texts[one])]
        if field == "source_id":
            column = _named([one for one in free if _distinct(texts[one]) > 0.7], names)
            others = [one for one in free if _distinct(texts[one]) == 1 and one != _named(free, NAMES["title"])]
            column = column or next(iter(others), None)
        elif field == "artists":
            column = _named(free, names) or _names_in_lists(texts.columns, names)
        elif field == "images":
            pictures = [one for one in addresses if _is_picture(texts[one])]
            of_web_size = [one for one in pictures if "web" in one] or pictures
            column = _named(addresses, names) or next(iter(of_web_size), None) or _named(free, names)
        elif field == "landing_url":
            column = _named([one for one in addresses if not _is_picture(texts[one])], names)
        elif field == "rights_uri":
            column = _named(addresses, names)
        elif field in ("year_from", "year_to"):
            column = _named([one for one in free if _is_year(texts[one])], names)
        else:
            column = _named(free, names)
        if column is not None:
            found[field] = column
    return found


def _names_in_lists(columns: list[str], names: str) -> str | None:
    """The path to the names of makers in nested records, such as `creators[].name`."""
    heads = names.split()
    lists = [column for column in columns if _plain(column.partition("[]")[0]) in heads]
    return next((one for last in ("name", "title", "description") for one in lists if one.endswith(f"[].{last}")), None)


def _plain(column: str) -> str:
    """A column's name without accents, spaces and signs; of a path the last key."""
    is_path = re.fullmatch(r"[\w\[\] ]+(?:\.[\w\[\] ]+)+", column)
    last = column.rpartition(".")[2] if is_path else column
    letters = unicodedata.normalize("NFKD", last.casefold())
    letters = re.sub(r"\s*[/(*:_-]+\s*(?:in|innen)\b\)?", "", letters)  # as in `Künstler/in`
    return re.sub(r"[^a-z0-9]", "", letters)


def _named(columns: list[str], names: str) -> str | None:
    """The column with one of these names, or with one like it."""
    known = names.split()
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(_plain(column), column)
    for name in known:
        if name in plain:
            return plain[name]
    for name in known:
        if close := get_close_matches(name, plain, n=1, cutoff=0.9):
            return plain[close[0]]
    return None


def _distinct(values: pl.Series) -> float:
    """How many values there are for each row."""
    return values.drop_nulls().n_unique() / max(len(values), 1)


def _share(values: pl.Series, pattern: str) -> float:
    filled = values.drop_nulls()
    return int(filled.str.contains(pattern).sum()) / max(len(filled), 1)


def _is_address(values: pl.Series) -> bool:
    return _share(values, r"^https?://") > 0.5


def _is_picture(values: pl.Series) -> bool:
    return _share(values, r"(?i)\.(jpe?g|png|tiff?|webp|gif)(\?|$)") > 0.5


def _is_year(values: pl.Series) -> bool:
    return _share(values, r"^-?\d{1,4}(\.0)?$") > 0.5


def _value(sample: pl.DataFrame, texts: pl.DataFrame, field: str, column: str) -> str:
    """The mapping of a column: its name, split where its cells have several values."""
    if field not in ("artists", "labels") or sample[column].dtype != pl.String():
        return _scalar(column)
    for separator in _SEPARATORS:
        if _share(texts[column], re.escape(separator)) > 0.02:
            split = f"{{column: {_scalar(column)}, split: '{separator}'}}"
            return f"{{name: {split}}}" if field == "artists" else split
    return _scalar(column)


def _rule_of_openness(texts: pl.DataFrame) -> str:
    """A rule for `is_open`: the column that may say it, and its value that sounds open."""
    column = _named(texts.columns, f"{NAMES['rights_uri']} ispublicdomain publicdomain openaccess gemeinfrei")
    if column is None:
        return "{COLUMN: CC0}"
    values = texts[column].drop_nulls().unique(maintain_order=True)
    value = next(iter(values.filter(values.str.contains(_SOUNDS_OPEN))), "VALUE")
    return f"{{{_scalar(column)}: {_scalar(value[:60])}}}"


def _first(texts: pl.DataFrame, column: str) -> str:
    """The first value of a column, cut short."""
    values = texts[column].drop_nulls()
    return re.sub(r"\s+", " ", values[0])[:60] if len(values) else ""


def _example(texts: pl.DataFrame, column: str) -> str:
    shown = _first(texts, column)
    return f"  # such as {json.dumps(shown, ensure_ascii=False)}" if shown else "  # empty in the first rows"


def _scalar(text: str) -> str:
    """A text as YAML, quoted where it has to be."""
    is_plain = re.fullmatch(r"[\w/.][\w ./:?=&%*~-]*", text) and ": " not in text and " #" not in text
    return (
        text
        if is_plain and not text.endswith(" ") and yaml.safe_load(text) == text
        else json.dumps(text, ensure_ascii=False)
    )
