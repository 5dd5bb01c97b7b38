"""Where the Web Gallery of Art publishes its catalogue and its list of artists."""

from artpipe.schema import ORIGINAL_SITE

CATALOG_URL = f"{ORIGINAL_SITE}/database/download/data_txt.zip"
ARTIST_LIST_URL = (
    f"{ORIGINAL_SITE}/cgi-bin/artist.cgi?Profession=any&School=any&Period=any&Time-line=any&from=0&max=50000&Sort=Name"
    "&letter=-&width=700&targetleft=0"
)
