"""Watch a folder into which cameras write photos: `python -m tools.watch FOLDER`.

Each photo is classified as it comes; a page shows the wells and their alarms, and takes what people
say of them. `demo` in place of FOLDER plays drawn wells. `python -m tools.watch export STATE OUT`
writes the photos that people judged as a folder that `dataset.additions` takes.

It needs what requirements-classify.txt and requirements-watch.txt name, and no PyTorch.
"""

import argparse
import socket
import sys
from pathlib import Path
from threading import Event, Thread

import uvicorn

from stages.common import paths
from stages.common.errors import InputError, run
from stages.wells.inference.exported import load_exported
from tools.watch.alarms import Rule
from tools.watch.engine import Engine
from tools.watch.export import export
from tools.watch.rule import RULE
from tools.watch.server import LOCAL, make_app
from tools.watch.store import Store

SHORTEST = 16  # Letters: a shorter token could be guessed.


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if sys.argv[1:2] == ["export"]:
        parser.add_argument("export")
        parser.add_argument("state", type=Path, metavar="STATE", help="the folder of --state")
        parser.add_argument("out", type=Path, metavar="OUT", help="a folder that is made")
        given = parser.parse_args()
        export(given.state, given.out)
        return
    parser.add_argument("folder", metavar="FOLDER", help="or `demo`")
    parser.add_argument("--state", type=Path, metavar="DIR", help="default: FOLDER.watch")
    parser.add_argument("--model", type=Path, default=paths.EXPORTED, metavar="FILE")
    parser.add_argument("--host", default=LOCAL[0], help="another address than %(default)s")
    parser.add_argument("--port", type=int, default=8765, help="default: %(default)s")
    parser.add_argument("--token", help="what the page is opened with from other machines")
    given = parser.parse_args()
    if given.folder == "demo":
        from tools.watch.demo import QUICK, playing  # SciPy, which only this needs

        with playing() as folder:
            watch(folder, QUICK, given)
    else:
        watch(Path(given.folder), RULE, given)


def watch(folder: Path, rule: Rule, given: argparse.Namespace) -> None:
    """Watch a folder and show it until interrupted; raises InputError for what can't be."""
    host, token = given.host.lower(), given.token
    if host in ("", "0.0.0.0", "::"):
        raise InputError(f"--host {host} is all addresses: name the one that others open")
    if (token is not None or host not in LOCAL) and len(token or "") < SHORTEST:
        raise InputError(f"--host {host} needs a --token of {SHORTEST} letters or more")
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name the one into which cameras write")
    whole, exported = folder.resolve(), load_exported(given.model)
    try:
        listener = socket.create_server((host, given.port))
    except (OSError, OverflowError) as error:
        raise InputError(f"{host}:{given.port} can't be listened on ({error}): --port") from None
    store = Store.open(given.state or whole.with_name(f"{whole.name}.watch"))
    stop, engine = Event(), Engine(whole, store, exported, rule)
    app = make_app(engine, token, {host, *LOCAL}, lambda: server.should_exit)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    worker = Thread(target=engine.run, args=(stop,))
    print(f"watching {folder}: open http://{host}:{given.port}/", flush=True)
    server: uvicorn.Server = uvicorn.Server(config)
    worker.start()
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()
        worker.join()
        store.close()


if __name__ == "__main__":
    run(main)
