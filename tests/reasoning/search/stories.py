"""Labelled stories for searches: short, four labels' worth of cues, two pairs to a photo."""

from services.reasoning.schemas import Label, LabelledStory, Taxonomy
from services.reasoning.search.pools import Pools

CUES = {"kin": "hugs", "mates": "laughs with", "trade": "pays"}
TAXONOMY = Taxonomy(
    name="street", labels=[Label(name=name, definition=f"One {cue} the other.") for name, cue in CUES.items()]
)
POOLS = Pools(
    taxonomy="street",
    system=["You judge.", "You are a careful judge of people.", "Judge!"],
    expectation=["A story comes in, a relation goes out.", "Read it, then decide.", "Tell who they are."],
    context=["kin, mates, trade.", "kin: family. mates: friends. trade: business.", "One of kin, trade, mates."],
    guidance=["Look well.", "Look at hands and eyes, not at the place.", "Hurry."],
)


def make_stories(per_label: int) -> list[LabelledStory]:
    """``per_label`` photos of each label."""
    return [
        LabelledStory(
            id=f"{label}-{number}",
            story=f"<P1> {cue} <P2> on corner {number}. It is day {number}.",
            pair=("P1", "P2"),
            label=label,
            image=f"{label}-{number}.jpg",
        )
        for number in range(per_label)
        for label, cue in CUES.items()
    ]
