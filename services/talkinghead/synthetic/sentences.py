"""Plain English sentences without end, drawn from a small grammar that covers all lip shapes."""

import numpy as np

DETERMINERS = "the a this that every some one her his my your our".split()  # noqa: SIM905
ADJECTIVES = (  # noqa: SIM905 - a list of words reads best as words
    "young old brown thin happy quiet bright small wide purple famous lovely open heavy good warm blue few sharp golden"
).split()
NOUNS = (  # noqa: SIM905 - a list of words reads best as words
    "mother boat garden apple fish pepper village farmer window brother teacher river song bottle mountain doctor book "
    "valley family shop moon thought father weather paper bus"
).split()
VERBS = (  # noqa: SIM905 - a list of words reads best as words
    "bought found opened moved watched followed carried painted saw wanted measured borrowed asked thanked forgot "
    "believed pushed showed loved washed kept"
).split()
PREPOSITIONS = "before after without over about under from near with behind for".split()  # noqa: SIM905
PHRASES = (
    "Good morning",
    "Well, maybe",
    "Of course! How are you? Thank you very much",
    "I think so",
    "We should go now",
    "Oh, wow! Pay me back",
    "You and I know why",
    "Five, four, three, two, one",
    "Yes",
    "No, never",
)


def sentence(rng: np.random.Generator) -> str:
    """One sentence of about 3 to 5 s; half of them have a phrase before or a second clause behind."""

    def thing() -> str:
        if rng.random() < 0.6:
            return f"{rng.choice(DETERMINERS)} {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"
        return f"{rng.choice(DETERMINERS)} {rng.choice(NOUNS)}"

    text = f"{thing()} {rng.choice(VERBS)} {thing()} {rng.choice(PREPOSITIONS)} {thing()}"
    kind = rng.random()
    if kind < 0.3:
        text = f"{rng.choice(PHRASES)}. {text}"
    elif kind < 0.5:
        text += f", and {thing()} {rng.choice(VERBS)} {thing()}"
    return text[0].upper() + text[1:] + "."
