"""PyTorch's headers as g++ has compiled them for inductor, kept in this user's own cache from one session to the next.

In: nothing. Out: a link where inductor looks for them. Must not know any mode; nor import torch when it is imported.

Inductor keeps them in /tmp/torchinductor_USER, whatever TORCHINDUCTOR_CACHE_DIR says: a name that another user of the
machine can take first, and then has code compiled into this process. A session's temporary folder is its own instead,
and new; to compile 20 s of headers in each would be waste, and would pass for what compiling a model costs.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from ground.builds import ForeignBuild, cache_folder, make_own
from ground.private import is_ours_alone
from harness.core.files.places import CHECKOUT

FOLDER = "precompiled_headers"


def keep_precompiled_headers() -> None:
    """Have inductor find and keep them in the user's cache. Without that, as in a folder of nobody's, it only takes
    longer."""
    if not is_ours_alone(Path(tempfile.gettempdir())):
        return
    # Of a torch that keeps them elsewhere, or where the cache cannot be had.
    with contextlib.suppress(ImportError, AttributeError, OSError, ForeignBuild):
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir

        kept = cache_folder(CHECKOUT) / FOLDER
        make_own(kept)
        link = Path(default_cache_dir(), FOLDER)
        link.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(kept)
