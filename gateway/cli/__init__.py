"""The ``raconteur`` command: a client of the REST API."""
