"""The taxonomy that a caller chose."""

from collections.abc import Awaitable, Callable

from services.common.annotations import LABELS
from services.reasoning.schemas import Taxonomy, TaxonomyChoice


async def find_taxonomy(choice: TaxonomyChoice, builtin: Callable[[], Awaitable[list[Taxonomy]]]) -> Taxonomy:
    """The caller's own, or the ``builtin`` one of that name."""
    if isinstance(choice, Taxonomy):
        return choice
    return next(taxonomy for taxonomy in await builtin() if taxonomy.name == choice)


def labels_by_number(choice: TaxonomyChoice) -> tuple[str, ...]:
    """The labels as an annotation list counts them: from 0, in the taxonomy's order."""
    return tuple(label.name for label in choice.labels) if isinstance(choice, Taxonomy) else LABELS[choice]
