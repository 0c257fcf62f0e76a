"""What h5py, zarr and anndata say of a damaged file, in words of ours."""

from __future__ import annotations

import re

WORDS = (
    (r"truncated file: eof = (\d+).*stored_eof = (\d+)", "it is cut short: {0} of {1} bytes"),
    (r"truncated|end of file|addr overflow|beyond end", "it is cut short"),
    (r"file signature not found|not a valid HDF5|superblock",
     "it is no HDF5 file, or its beginning is damaged"),
    (r"object '([^']+)' doesn't exist|Unable to open object.*'([^']+)'", "it has no entry '{0}'"),
    (r"component not found|link.*not found", "an entry that it names is missing"),
    (r"unable to lock file|Resource temporarily unavailable", "another program is writing it"),
    (r"filter returned failure|inflate|decompress|checksum|wrong B-tree|bad |corrupt|Can't decode",
     "a part of it is damaged"),
    (r"No such file", "it is not there"),
    (r"Permission denied", "it may not be read"),
)  # fmt: skip
TECHNICAL = re.compile(
    r"synchronously|H5[A-Z]|hdf5|errno|object header|dataset|h5py|zarr|codec|<class|Traceback",
    re.IGNORECASE,
)


def in_words(error: BaseException) -> str:
    """The reason as a user can use it; "" where only a programmer could. The log has the rest."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else ""
    for pattern, words in WORDS:
        found = re.search(pattern, str(error), re.IGNORECASE | re.DOTALL)
        if found is not None:
            return words.format(*(g for g in found.groups() if g is not None))
    return "" if TECHNICAL.search(text) else text
