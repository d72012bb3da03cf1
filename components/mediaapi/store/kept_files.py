"""Which files are kept: the same bytes once, and none that no media has."""

from collections.abc import Sequence

import sqlalchemy as sa

from base.database import Connection, insert
from components.mediaapi.files.interface import WrittenFile
from components.mediaapi.store.tables import files, media, removed_files


def insert_file(connection: Connection, written: WrittenFile) -> str:
    """Return the file that has these bytes: this one, unless another is known."""
    statement = insert(connection, files).values(
        name=written.name, sha256=written.sha256, size=written.size
    )
    # The row is written also where it is there. So it is held until the media that refers to it is
    # there: nobody removes it between.
    name: str = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["sha256"], set_={"sha256": statement.excluded.sha256}
        ).returning(files.c.name)
    ).scalar_one()
    return name


def remove_unused(connection: Connection, names: Sequence[str]) -> None:
    """Note those of the files as removed that no media has."""
    # Held in one order. An upload of the same bytes holds the row until its media is there, so
    # what is looked at afterwards is all there is.
    held = sa.select(files.c.name).where(files.c.name.in_(names)).order_by(files.c.name)
    connection.execute(held.with_for_update()).all()
    used = set(
        connection.execute(
            sa.select(media.c.file).where(media.c.file.in_(names)).distinct()
        ).scalars()
    )
    unused = [name for name in names if name not in used]
    if unused:
        connection.execute(sa.insert(removed_files), [{"name": name} for name in unused])
        connection.execute(sa.delete(files).where(files.c.name.in_(unused)))
