"""What the harness itself has made in a folder, by a list that it keeps there: only that is ever replaced or removed.

In: a folder that the user has named. Out: files written there, each on the list before it is there; ConfigError where a
file of somebody else has the name. Must not know what is in the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from harness.core.errors import ConfigError
from harness.core.files import beneath

LIST = ".harness-made"
# In a list that was begun in a run's directory that had none: an earlier version has made it. What has one of our names
# may be replaced there, but nothing is removed.
_EARLIER = "?"
# A name has at most 255 bytes, and `--all-figures` draws some hundreds.
_MOST_BYTES = 2**22


class Made:
    """The files of ours in a folder, by their paths in it; a folder's ends in a slash.

    key: how the folder is named on the command line, for messages. adopt: take what has one of our names for ours where
    there is no list, as in a run directory that an earlier version has made. The folder need not be there yet.
    """

    def __init__(self, folder: Path, key: str = "--out", *, adopt: bool = False) -> None:
        self.folder, self.key = folder, key
        listed = self._read()
        self._names = listed or set()
        self._adopt = _EARLIER in self._names or (adopt and listed is None)

    @property
    def is_listed(self) -> bool:
        """Whether the harness has made anything here."""
        return bool(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def check(self, *names: str) -> None:
        """Raises ConfigError if somebody else's file or folder has one of these names."""
        for name in names:
            if not self._adopt and name not in self._names and beneath.exists(self.folder, name.rstrip("/")):
                raise ConfigError(
                    self.key,
                    self.folder,
                    f"a folder without a {name} that harness did not make; nothing was replaced",
                )

    def claim(self, *names: str) -> None:
        """Put names on the list before they are there, so that a kill leaves none that is ours and not on it."""
        self.check(*names)
        names = (_EARLIER, *names) if self._adopt else names
        if new := [name for name in dict.fromkeys(names) if name not in self._names]:
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
            with os.fdopen(beneath.open_file(self.folder, LIST, flags), "ab") as file:
                # At once: another report on the same folder may add its own names. The first newline ends a line that a
                # kill has cut off.
                file.write(os.fsencode("".join(f"\n{name}\n" for name in new)))
            self._names.update(new)

    def write(self, name: str, content: bytes | IO[bytes]) -> Path:
        """Write a file whole or not at all; content: or an open file to copy.

        Raises ConfigError if the name is somebody else's, OSError else.
        """
        self.claim(name)
        beneath.replace(self.folder, name, content)
        return self.folder / name

    def write_text(self, name: str, text: str) -> Path:
        """As write, in UTF-8; what UTF-8 cannot hold (half a character from a file's name) becomes `?`."""
        return self.write(name, text.encode("utf-8", errors="replace"))

    def remove(self, names: Iterable[str]) -> None:
        """Remove those of these files that are on the list, and their names from it."""
        gone = self._names.intersection(names)
        for name in gone:
            beneath.remove(self.folder, name)
        if gone:
            self._names -= gone
            kept = "".join(f"{name}\n" for name in sorted(self._names))
            beneath.replace(self.folder, LIST, os.fsencode(kept))

    def below(self, folder: str) -> set[str]:
        """What of the list lies in a folder, whose name ends in a slash."""
        return {name for name in self._names if name.startswith(folder) and name != folder}

    def _read(self) -> set[str] | None:
        if not beneath.exists(self.folder, LIST):
            return None
        text = os.fsdecode(beneath.read(self.folder, LIST, _MOST_BYTES))
        # The list may be anybody's: a name that leads elsewhere is none.
        named = (line for line in text.splitlines() if line and not line.startswith("/"))
        return {name for name in named if ".." not in Path(name).parts}
