"""What the HTTP library has to say: a client that does not speak HTTP is no error of this server's."""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError


class HttpLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that tells of clients' faults at DEBUG, in a line."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **more: Any) -> None:
        if isinstance(exc_info, HttpProcessingError | web.RequestPayloadError):
            self.debug("malformed request reason=%s", " ".join(str(exc_info).split()))
        else:
            super().exception(msg, *args, exc_info=exc_info, **more)
