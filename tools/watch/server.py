"""The watch over HTTP: its page, its data, and what people say.

Refused are: a `Host` not in a list, for a page elsewhere could give its own name this machine's
address; a POST from another page; and, where there is a token, whatever comes without it.
"""

import asyncio
import csv
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import Field

from tools.watch.engine import Engine

LOCAL = ("127.0.0.1", "localhost")
PAGE = Path(__file__).with_name("page")
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
Ends = Callable[[], bool]
COOKIE, PNG = "watch", {"Content-Type": "image/png"}
# Bytes of a request's body: what people say is short.
LONGEST_BODY = 4096
# Seconds from one look for a change to the next, and after which an unchanged state is sent again,
# so that a page knows that it is still told.
LOOK, REPEAT = 0.2, 2.0
Id = Annotated[int, Field(ge=0, lt=2**63)]
Well = Annotated[str, Body()]
Kind = Annotated[Literal["spill", "obstructed", "silent"], Body()]
Photo = Annotated[Id, Body(strict=True)]
Judgement = Annotated[Literal["spill", "false alarm", "unsure"], Body()]


def make_app(
    engine: Engine, token: str | None = None, hosts: Collection[str] = LOCAL, ends: Ends = bool
) -> FastAPI:
    """Return what shows an engine, until it `ends`, to those who ask for one of `hosts`.

    A token comes as `Authorization: Bearer TOKEN`, or once as `/?token=TOKEN`: that sets a cookie.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    key = _key(token) if token else None
    files = {path.name: path.read_bytes() for path in PAGE.iterdir()}

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _refusal(request, key, hosts) or await answer(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.get("/")
    def index(request: Request) -> Response:
        response = page("index.html")
        if key and "token" in request.query_params:
            response.set_cookie(COOKIE, key, httponly=True, samesite="strict")
        return response

    @app.get("/page/{name}")
    def page(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=TYPES[name.rpartition(".")[2]])

    @app.get("/api/state")
    def state() -> dict[str, Any]:
        return engine.snapshot()

    @app.get("/api/events")
    def events() -> Response:
        return StreamingResponse(_events(engine, ends), media_type="text/event-stream")

    @app.get("/api/{kind}/{photo}.png")
    def picture(kind: Literal["photo", "heat"], photo: Id) -> Response:
        png = engine.pictures.find(photo) if kind == "photo" else engine.pictures.find_heat(photo)
        if png is None:
            raise HTTPException(404, "this photo isn't kept")
        # A number stands for one photo for ever.
        return Response(png, headers={"Cache-Control": "private, max-age=3600"} | PNG)

    @app.post("/api/acknowledge", status_code=204)
    def acknowledge(well: Well, kind: Kind) -> None:
        _note(lambda: engine.acknowledge(well, kind))

    @app.post("/api/judge", status_code=204)
    def judge(photo: Photo, verdict: Judgement) -> None:
        _note(lambda: engine.judge(photo, verdict))

    @app.get("/api/alarms.csv")
    def alarms() -> Response:
        headers = {"Content-Disposition": "attachment; filename=alarms.csv"}
        return Response(_as_csv(engine.alarms()), media_type="text/csv", headers=headers)

    return app


async def _events(engine: Engine, ends: Ends) -> AsyncIterator[str]:
    """Yield the state as server-sent events: after each change, at most one in LOOK seconds."""
    shown, sent = None, 0.0
    while not ends():
        version, now = engine.version, time.monotonic()
        if version != shown or now >= sent + REPEAT:
            shown, sent = version, now
            snapshot = await run_in_threadpool(engine.snapshot)
            yield f"data: {json.dumps(snapshot, separators=(',', ':'))}\n\n"
        await asyncio.sleep(LOOK)


def _note(write: Callable[[], None]) -> None:
    try:
        write()
    except KeyError as error:
        raise HTTPException(404, error.args[0]) from None
    except OSError as error:
        raise HTTPException(507, str(error)) from None


def _as_csv(alarms: Sequence[Mapping[str, Any]]) -> str:
    """Return alarms as rows, their times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(alarms[0] if alarms else ["id"])
    writer.writerows([_cell(*item) for item in alarm.items()] for alarm in alarms)
    return out.getvalue()


def _cell(name: str, value: Any) -> Any:
    """Return a cell; a spreadsheet must not take the name of a folder for a formula."""
    if value is not None and name in ("began", "ended", "acknowledged", "judged"):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")
    return f"'{value}" if str(value).startswith(("=", "+", "@")) else value


def _refusal(request: Request, key: str | None, hosts: Collection[str]) -> Response | None:
    """Return what answers a request that may not be made, else None."""
    headers, host = request.headers, request.headers.get("host", "")
    if host.partition(":")[0].lower() not in hosts:
        return PlainTextResponse("the watch has another name\n", 400)
    given = (
        _key(request.query_params.get("token", "")),
        _key(headers.get("authorization", "").removeprefix("Bearer ")),
        request.cookies.get(COOKIE, ""),
    )
    if key and not any(hmac.compare_digest(key.encode(), one.encode()) for one in given):
        return PlainTextResponse("a token is needed: open /?token=TOKEN\n", 401)
    if request.method == "POST":
        if headers.get("origin", f"http://{host}").partition("://")[2] != host:
            return PlainTextResponse("only the watch's own page may say this\n", 403)
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            return PlainTextResponse(f"a body has up to {LONGEST_BODY} bytes\n", 413)
    return None


def _key(token: str) -> str:
    """Return what the cookie holds for a token, which may have any letters."""
    return hashlib.sha256(token.encode()).hexdigest()
