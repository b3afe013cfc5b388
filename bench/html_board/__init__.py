"""The ranking as one file that any browser opens, without a server."""

from bench.html_board.page import board_html

__all__ = ["board_html"]
