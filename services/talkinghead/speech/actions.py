"""The eleven facial actions that speech drives. Every array of actions has its columns in this order."""

from typing import Final

FPS: Final = 25
SAMPLE_RATE_HZ: Final = 16_000
SAMPLES_PER_FRAME: Final = SAMPLE_RATE_HZ // FPS

ACTIONS: Final = (
    "jawOpen",
    "mouthFunnel",
    "mouthPucker",
    "mouthSmile",
    "mouthStretch",
    "mouthLowerDown",
    "mouthUpperUp",
    "mouthPress",
    "mouthRollLower",
    "mouthRollUpper",
    "tongueOut",
)
"""ARKit's names (`mouthPress` stands for `mouthPressLeft` and `mouthPressRight`); 0 is at rest, 1 the full action."""

PAIRED: Final = frozenset({"mouthSmile", "mouthStretch", "mouthLowerDown", "mouthUpperUp", "mouthPress"})
"""Actions that move the left and the right half alike under two names."""
