"""What a vision-language model is asked. Scene, age and gender are SocialGPT's; the others make the records fuller."""

from typing import Final

from services.perception.ask.vision_language import CAPTION

OF_PHOTO: Final = {
    "caption": CAPTION,
    "described_place": "What scene is depicted in this picture?",
    "event": "What social event is taking place in this picture?",
}
OF_PERSON: Final = {
    "clothing": "What is this person wearing?",
    "action": "What is this person doing?",
}
OF_FACE: Final = {
    "age": "How old is this person in the picture?",
    "gender": "What gender is this person in the picture?",
    "expression": "What is the facial expression of this person?",
}
"""Asked of those who show a face; of hidden faces nothing is asked."""

OF_THING: Final = {"caption": CAPTION}
