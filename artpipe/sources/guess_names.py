"""What museums call the columns of their tables, and how a column is found by its name."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

FIELDS: Mapping[str, str] = {
    "source_id": "id objectid recordid identifier systemnumber objectnumber inventorynumber accessionnumber "
    "inventarnummer invnr inventarnr inventaire numeroinventaire numerodinventaire numeroinventario inventario "
    "inventarisnummer uuid item",
    "title": "title titel titre titolo titulo objecttitle werktitel titles name bezeichnung item",
    "artists": "artist artists artistname artistdisplayname creator creators maker makers author painter people "
    "constituents production kunstler kuenstler kunstlername maler urheber artiste artistes auteur createur artista "
    "autore autor pintor pittore kunstenaar vervaardiger kunstner konstnar",
    "date_text": "date datetext dated dates displaydate objectdate creationdate inception dating datum datierung "
    "datemade datecreated dateofcreation productiondate entstehungszeit datation data datazione fecha datacion "
    "datering year jahr annee anno ano jaar",
    "year_from": "yearfrom yearstart startyear beginyear year datestart datebegin dateearliest earliestdate "
    "objectbegindate creationdateearliest "
    "jahrvon jahr annee anneedebut anno ano jaar",
    "year_to": "yearto yearend endyear dateend datelatest latestdate objectenddate creationdatelatest jahrbis anneefin",
    "medium": "medium technique materials material mediumtechnique technik materialtechnik tecnica materiali tecniche "
    "materiale techniek materiaal",
    "classification": "classification objecttype objectname objektart objekttyp kategorie category categorie categoria "
    "typeobjet soort type",
    "location": "location standort ort lieu localisation ubicazione collocazione ubicacion lugar standplaats gallery "
    "currentlocation museum collection",
    "school": "school culture nationality schule kultur nationalitat ecole scuola escuela land country pays paese pais "
    "place",
    "landing_url": "url link landingurl page pageurl permalink weblink objecturl weburl recordlink guid item resource",
    "images": "image images imageurl imagelink imageaddress picture pictureurl isshownby thumbnail thumbnailurl photo "
    "bild bilder bildurl bildadresse bilddatei foto abbildung illustration immagine imagen afbeelding",
    "rights_uri": "rightsuri licenseuri licenceurl rights license licence rechte lizenz droits diritti derechos "
    "rechten",
    "credit_line": "creditline credit credits erwerb erwerbung acquisition provenance provenienz mention",
}
"""The names of columns by field, in English, German, French, Italian, Spanish, Dutch and Danish, without accents."""

OPENNESS = (
    f"{FIELDS['rights_uri']} ispublicdomain publicdomain openaccess gemeinfrei rightstype sharelicensestatus "
    "licensestatus"
)
"""The names of columns that may say which works are open."""

LABELS: Mapping[str, str] = {
    "style": "style styles stil stile estilo stijl stilrichtung",
    "movement": "movement movements bewegung mouvement movimento movimiento stroming",
    "period": "period era eras epoche epoque epoca periode tijdperk",
    "genre": "genre genres gattung genere genero",
    "subject": "subject subjects thema sujet soggetto motiv tema onderwerp",
    "type": "type classification objecttype objektart categorie kategorie category",
}
"""The names of columns by task."""


class _ArtistNames(NamedTuple):
    """The names of a column of makers: in a list of their own, and in a table of works."""

    own: str
    flat: str


ARTIST: Mapping[str, _ArtistNames] = {
    "artist_id": _ArtistNames(
        "id artistid personid constituentid", "artistid creatorid makerid personid constituentid"
    ),
    "role": _ArtistNames("role creatorrole prefix", "artistrole creatorrole makerrole"),
    "born": _ArtistNames(
        "birthyear birthdate born dateofbirth creatordateofbirth birth",
        "artistbirthyear artistbirthdate artistbegindate birthyear birthdate artistborn geburtsjahr geboren naissance",
    ),
    "died": _ArtistNames(
        "deathyear deathdate died dateofdeath creatordateofdeath death",
        "artistdeathyear artistdeathdate artistenddate deathyear deathdate artistdied todesjahr gestorben mort",
    ),
}
"""The names of columns of what is said of a maker besides the name."""

_HOLDERS = ("name", "value", "content", "text", "label", "def", "en")
"""Last keys of a path that say nothing of their own: `maker.name`, `title.value`."""
_AFFIXES = re.compile(r"^(?:dcterms|dc|edm|primary|main|display|object|work)|(?:label|text)$")


def named(columns: Iterable[str], names: str) -> str | None:
    """The column with one of these names, with one that says as much, or with one like it.

    Args:
        columns: or paths into nested records.
        names: as in `FIELDS`, the best first.
    """
    known = names.split()
    exact: dict[str, str] = {}
    alike: dict[str, str] = {}
    for column in columns:
        plain = _plain(column)
        exact.setdefault(plain, column)
        alike.setdefault(_AFFIXES.sub("", plain), column)
    for found in (exact, alike):
        if name := next((name for name in known if name in found), None):
            return found[name]
    for name in known:
        if close := get_close_matches(name, exact, n=1, cutoff=0.9):
            return exact[close[0]]
    return None


def _plain(column: str) -> str:
    """A column's name without accents, spaces and signs; of a path the last key that says something."""
    keys = [column]
    if re.fullmatch(r"[\w\[\] ]+(?:\.[\w\[\] ]+)+", column):
        keys = column.split(".")
        while len(keys) > 1 and keys[-1].lower() in _HOLDERS:
            keys.pop()
    letters = unicodedata.normalize("NFKD", keys[-1].casefold())
    letters = re.sub(r"\s*[/(*:_-]+\s*(?:in|innen)\b\)?", "", letters)  # as in `Künstler/in`
    return re.sub(r"[^a-z0-9]", "", letters)
