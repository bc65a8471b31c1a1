# SPDX-License-Identifier: Apache-2.0
"""Serves the built browser code of the queue view.

The host imports the bundle as a module, and browsers refuse a module whose media type is not JavaScript.
Which type ``mimetypes`` finds depends on the machine's registry, so the few endings of the bundle have
their type here. ``no-cache`` means that a browser asks each time and is answered 304: an upgraded package
never runs with yesterday's page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

#: What ``make www`` writes.
DIRECTORY: Final = Path(__file__).parent / "www" / "dist"
_MEDIA_TYPES: Final = {".js": "text/javascript", ".svg": "image/svg+xml"}


def static_files() -> StaticFiles:
    """Return the app to mount at ``/static`` of the plugin's FastAPI app."""
    return _Bundle(directory=DIRECTORY)


class _Bundle(StaticFiles):
    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        if isinstance(response, FileResponse) and (known := _MEDIA_TYPES.get(Path(full_path).suffix)):
            response.headers["content-type"] = f"{known}; charset=utf-8"
        response.headers["cache-control"] = "no-cache"
        response.headers["x-content-type-options"] = "nosniff"
        return response
