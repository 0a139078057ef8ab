"""Which relations there are to choose from: the built-in taxonomies and the caller's own."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from services.common.errors import ProblemError
from services.reasoning.schemas import Taxonomy

_FOLDER: Final = Path(__file__).parent / "taxonomies"
_LABEL_NAME: Final = re.compile(r"[^\W_]([\w /'-]*[\w])?")


@lru_cache
def builtin_taxonomies() -> dict[str, Taxonomy]:
    """name -> taxonomy: PISC (Li et al., ICCV 2017) and PIPA (Sun et al., CVPR 2017), definitions in our own words."""
    paths = sorted(_FOLDER.glob("*.json"))
    return {path.stem: Taxonomy.model_validate_json(path.read_text(encoding="utf-8")) for path in paths}


def find_taxonomy(asked: str | Taxonomy) -> Taxonomy:
    """The built-in taxonomy of that name, or the caller's own once it is checked (``taxonomy_invalid``)."""
    if isinstance(asked, str):
        found = builtin_taxonomies().get(asked)
        if found is None:
            raise ProblemError(
                "taxonomy_invalid",
                f"taxonomy: {asked!r} is not one of {sorted(builtin_taxonomies())}",
                param="taxonomy",
            )
        return found
    check_taxonomy(asked)
    return asked


def without_sensitive(taxonomy: Taxonomy) -> Taxonomy:
    """The labels that are not flagged as sensitive. Raises ``taxonomy_invalid`` where fewer than two are left.

    A guess that two people are a couple may reveal sexual orientation, which the EU AI Act (Art. 5(1)(g)) forbids to
    infer from biometric data.
    """
    left = [label for label in taxonomy.labels if not label.sensitive]
    if len(left) < 2:
        raise ProblemError(
            "taxonomy_invalid",
            f"taxonomy.labels: without the sensitive ones {len(left)} is left; a choice needs two",
            param="taxonomy.labels",
        )
    return taxonomy.model_copy(update={"labels": left})


def check_taxonomy(taxonomy: Taxonomy) -> None:
    """Raise ``taxonomy_invalid`` where a name or definition could not stand in a prompt as one line of plain words."""
    if taxonomy.name.strip().lower() in builtin_taxonomies():
        raise _invalid("name", taxonomy.name, "the name of a built-in taxonomy is taken")
    for number, label in enumerate(taxonomy.labels):
        if not _LABEL_NAME.fullmatch(label.name):
            rule = "a label is words of letters and digits, joined by spaces, '/', \"'\" or '-'"
            raise _invalid(f"labels.{number}.name", label.name, rule)
        if not label.definition.isprintable():
            raise _invalid(f"labels.{number}.definition", label.definition, "a definition is one line of text")


def _invalid(field: str, value: str, rule: str) -> ProblemError:
    return ProblemError("taxonomy_invalid", f"taxonomy.{field}: {value!r}; {rule}", param=f"taxonomy.{field}")
