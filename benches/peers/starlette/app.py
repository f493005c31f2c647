"""The app on Starlette. How it is served, and with which settings: see main.py.

Heavy work runs in Starlette's thread pool: a `def` endpoint does so by itself, and what follows an awaited body goes
there by hand. The pool keeps its default of 40 threads. https://starlette.dev/threadpool/
"""

import contextlib
import json
import multiprocessing
import os
import threading
import time

from argon2 import PasswordHasher
from argon2.low_level import Type
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

HASHER = PasswordHasher(
    time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)


async def hello(request):
    return PlainTextResponse("hello")


def burn(request):
    try:
        cost = int(request.query_params["ms"]) / 1000
    except (KeyError, ValueError):
        raise HTTPException(400) from None
    start = time.thread_time()
    while time.thread_time() - start < cost:
        # The clock is a system call: most of the time should be the program's own.
        for _ in range(1_000):
            pass
    return PlainTextResponse("burnt")


async def hash_password(request):
    try:
        password = (await request.json())["password"]
        password.encode()
    except (AttributeError, KeyError, TypeError, ValueError):
        raise HTTPException(400) from None
    return JSONResponse({"phc": await run_in_threadpool(HASHER.hash, password)})


async def round_trip(request):
    body = await request.body()
    try:
        return await run_in_threadpool(lambda: JSONResponse(json.loads(body)))
    except (RecursionError, ValueError):
        raise HTTPException(400) from None


def end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(0)


@contextlib.asynccontextmanager
async def lifespan(app):
    # So that a worker never outlives the main process, whatever ended that.
    threading.Thread(target=end_with_parent, daemon=True).start()
    yield


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/", hello),
        Route("/burn", burn),
        Route("/hash", hash_password, methods=["POST"]),
        Route("/json", round_trip, methods=["POST"]),
    ],
)
