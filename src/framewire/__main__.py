"""``python -m framewire`` is the ``framewire`` command."""

from framewire.cli.main import main

main()
