"""Who may call what: API keys, signed links, the guard before every route."""
