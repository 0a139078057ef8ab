"""The truth in SQL (SQLite in WAL mode, or PostgreSQL). The only SQL of the project; each method is one transaction."""
