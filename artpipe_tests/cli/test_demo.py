import io

from rich.console import Console

from artpipe.cli.demo import print_next_steps
from artpipe.orchestration.instance import artpipe_command, ui_command
from artpipe.settings import Settings


def test_the_demo_ends_with_whole_lines_that_open_what_it_made(tmp_path):
    settings = Settings(lake=str(tmp_path / "a lake [1]"))
    out = io.StringIO()
    print_next_steps(settings, Console(file=out, width=60))
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert artpipe_command(settings, "serve") in lines
    assert artpipe_command(settings, "search", "PICTURE.jpg") in lines
    assert ui_command(settings) in lines
