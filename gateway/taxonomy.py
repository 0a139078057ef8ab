"""The taxonomy that a caller chose."""

from collections.abc import Awaitable, Callable

from services.reasoning.schemas import Taxonomy, TaxonomyChoice


async def find_taxonomy(choice: TaxonomyChoice, builtin: Callable[[], Awaitable[list[Taxonomy]]]) -> Taxonomy:
    """The caller's own, or the ``builtin`` one of that name."""
    if isinstance(choice, Taxonomy):
        return choice
    return next(taxonomy for taxonomy in await builtin() if taxonomy.name == choice)
