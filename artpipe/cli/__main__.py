"""Lets `python -m artpipe.cli` run the command line."""

from artpipe.cli.main import main

main()
