"""What the sites of the recipes have in common: their page, their one user, and what they count."""

from collections import Counter
from typing import Final

TAG: Final = '<!doctype html><title>News</title><script id="viafoura-platform"></script>'
ANN: Final = {"id": "ann", "name": "Ann", "email": "ann@site.example"}
SECRET: Final = "a shared secret of more than thirty-two bytes"
#: Reads and writes of the site's own stores, since it was started.
COUNTED: Final = Counter(reads=0, writes=0)


def count_sql(statement: str) -> None:
    """Count a statement as a read or as a write; what belongs to the making of tables counts as a write too."""
    COUNTED["reads" if statement.lstrip().upper().startswith(("SELECT", "PRAGMA")) else "writes"] += 1
