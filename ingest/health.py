"""/livez, /readyz and /metrics, and how our HTTP apps are served inside an event loop of our own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ingest.errors import DoorError

#: Returns what is missing, as a sentence, or None when the process can do its work.
Readiness = Callable[[], str | None]


def health_routes(missing: Readiness) -> list[Route]:
    """The three routes every process of ours answers."""

    def livez(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(_request: Request) -> Response:
        sentence = missing()
        return PlainTextResponse(f"{sentence or 'ok'}\n", 503 if sentence else 200)

    def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    # plain functions run in a worker thread; these must answer from the loop they watch
    return [
        Route("/livez", _in_loop(livez)),
        Route("/readyz", _in_loop(readyz)),
        Route("/metrics", _in_loop(metrics)),
    ]


def _in_loop(answer: Callable[[Request], Response]) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        return answer(request)

    return endpoint


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the command decides what a signal means, for all its parts


@contextlib.asynccontextmanager
async def serving(app: Starlette, host: str, port: int) -> AsyncIterator[int]:
    """Serve an app; gives the port, a free one for 0. On leaving, answers open requests, then stops.

    Raises DoorError when the port is taken.
    """
    try:
        listener = socket.create_server((host, port), backlog=512)
    except OSError as error:
        raise DoorError(f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from error
    server = _Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=15, lifespan="off")
    )
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def health_port(missing: Readiness, host: str, port: int) -> AsyncIterator[None]:
    """The three routes on a port of their own; port 0 means none."""
    if port == 0:
        yield
        return
    async with serving(Starlette(routes=health_routes(missing)), host, port):
        yield
