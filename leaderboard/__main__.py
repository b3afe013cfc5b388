"""Starts the page: `python -m leaderboard --store URL --port N`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

SETTINGS = {
    "server.address": "127.0.0.1",
    "server.maxUploadSize": "1",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "runner.magicEnabled": "false",
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#2288C6",
}


def command(store: str, port: int, *, headless: bool = False) -> list[str]:
    """The command line that serves the page of a store on this machine alone."""
    settings = SETTINGS | {"server.port": str(port), "server.headless": str(headless).lower()}
    options = [f"--{name}={value}" for name, value in settings.items()]
    app = Path(__file__).with_name("app.py")
    return [sys.executable, "-m", "streamlit", "run", *options, str(app), "--", store]


def main() -> int:
    """Parses the options and serves until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard")
    parser.add_argument("--store", default=os.environ.get("BENCH_STORE", "sqlite:///bench.db"))
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--headless", action="store_true", help="Do not open a browser.")
    given = parser.parse_args()
    try:
        page = command(given.store, given.port, headless=given.headless)
        return subprocess.run(page, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
