"""Write down the SHA-256 of model files that changed: ``python -m weights.register FOLDER...``.

For files that training made anew; licence and source stand in ``weights/FOLDER/models.json`` already.
"""

import hashlib
import json
import sys
from pathlib import Path

WEIGHTS = Path(__file__).parent


def register(folder: Path) -> None:
    """Renew every ``sha256`` in the folder's ``models.json``."""
    registry = folder / "models.json"
    profiles = json.loads(registry.read_text(encoding="utf-8"))
    for profile in profiles.values():
        for entry in profile.values():
            entry["sha256"] = hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest()
    registry.write_text(json.dumps(profiles, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        register(WEIGHTS / name)
