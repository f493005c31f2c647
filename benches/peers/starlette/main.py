"""Serves the app of app.py with uvicorn.

Settings, and who advises them:
- One worker process per core, by uvicorn's own process manager: https://uvicorn.dev/deployment/#built-in and
  https://fastapi.tiangolo.com/deployment/server-workers/
- uvloop and httptools, which uvicorn takes by itself when they are installed, for "greater performance":
  https://uvicorn.dev/settings/#implementation
- No access log. The end after SIGTERM waits ten seconds at most for what is not answered yet.

It does what `uvicorn app:app --workers N` does, and says when all workers are there.
"""

import os
import sys
import threading

import uvicorn
from uvicorn.supervisors import Multiprocess

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_with_standard_input():
    # So that this process never outlives the harness. Its workers end with it.
    while os.read(0, 4096):
        pass
    os._exit(0)


class Announced(Multiprocess):
    def init_processes(self):
        super().init_processes()
        if not all(process.wait_until_ready(60) for process in self.processes):
            sys.stderr.write("a worker did not start\n")
            os._exit(1)
        host, port = self.sockets[0].getsockname()
        os.write(1, f"{host}:{port}\n".encode())


def main():
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    config = uvicorn.Config(
        "app:app",
        host="127.0.0.1",
        port=0,
        workers=CORES,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
    )
    Announced(config, sockets=[config.bind_socket()]).run()


if __name__ == "__main__":
    main()
