"""``python -m gateway.cli`` is the ``raconteur`` command."""

from gateway.cli.main import app

app()
