"""Starts the page: `python -m leaderboard --store URL --port N`."""

import argparse
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from threading import Thread

SETTINGS = {
    "server.address": "127.0.0.1",
    "server.maxUploadSize": "1",
    "server.scriptHealthCheckEnabled": "true",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "logger.hideWelcomeMessage": "true",  # with it an advertisement on the page
    "runner.magicEnabled": "false",
    "theme.light.primaryColor": "#0072B2",  # one for both would always be light
    "theme.dark.primaryColor": "#2185C5",
}


def command(port: int, *, headless: bool = False) -> list[str]:
    """The command line that serves the page on this machine alone; $BENCH_STORE is its store."""
    settings = SETTINGS | {"server.port": str(port), "server.headless": str(headless).lower()}
    options = [f"--{name}={value}" for name, value in settings.items()]
    app = Path(__file__).with_name("app.py")
    return [sys.executable, "-m", "streamlit", "run", *options, str(app)]


def warm_up(port: int, patience: float = 60.0) -> None:
    """Has the server draw the page once, so that the first visitor need not wait for imports.

    Args:
        port: Of the server, which may not answer yet.
        patience: Seconds to wait for it.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            address = f"http://127.0.0.1:{port}/_stcore/script-health-check"
            with urllib.request.urlopen(address, timeout=patience):
                return
        except OSError:
            time.sleep(0.1)


def main() -> int:
    """Parses the options and serves until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard")
    parser.add_argument("--store", default=os.environ.get("BENCH_STORE", "sqlite:///bench.db"))
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--headless", action="store_true", help="Do not open a browser.")
    given = parser.parse_args()
    sys.stderr.write(f"The page: http://127.0.0.1:{given.port}, until Ctrl-C.\n")
    Thread(target=warm_up, args=[given.port], daemon=True).start()
    try:
        page = command(given.port, headless=given.headless)
        place = os.environ | {"BENCH_STORE": given.store}
        return subprocess.run(page, check=False, env=place).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
