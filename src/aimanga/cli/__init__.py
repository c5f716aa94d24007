"""The command line: each verb parses, calls one library function, and shows what it returns."""

from aimanga.cli.app import main

__all__ = ["main"]
