"""Plain questions, and beginnings of sentences, that anybody who knows English can say something to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SLOTS: Mapping[str, Sequence[str]] = {
    "animal": (
        *("a dog", "a horse", "an elephant", "a cat", "an owl", "a whale", "a bee", "a frog", "a sheep", "a rabbit"),
        *(
            "a swan",
            "a tiger",
            "a snake",
            "a spider",
            "a squirrel",
            "a penguin",
            "a goat",
            "a camel",
            "a fox",
            "a turtle",
        ),
    ),
    "thing": (
        *(
            "a bicycle",
            "a lighthouse",
            "a bridge",
            "a kettle",
            "a telescope",
            "a clock",
            "a garden",
            "a train",
            "a lamp",
        ),
        *(
            "a ladder",
            "a map",
            "a pillow",
            "a boat",
            "an umbrella",
            "a spoon",
            "a candle",
            "a mirror",
            "a wheel",
            "a chair",
        ),
        "a window",
    ),
    "food": (
        *("bread", "vegetable soup", "pancakes", "rice", "an omelette", "a fruit salad", "porridge", "lemonade", "tea"),
        *(
            "an apple pie",
            "a sandwich",
            "tomato sauce",
            "mashed potatoes",
            "yoghurt",
            "biscuits",
            "jam",
            "a green salad",
        ),
        *("roast potatoes", "noodles", "a stew"),
    ),
    "place": ("the sea", "the mountains", "a big city", "a forest", "a farm", "a desert", "an island", "a museum"),
    "job": (
        *(
            "a teacher",
            "a baker",
            "a nurse",
            "a gardener",
            "a carpenter",
            "a pilot",
            "a librarian",
            "a fisherman",
            "a cook",
        ),
        *(
            "a tailor",
            "a farmer",
            "a painter",
            "a postman",
            "a plumber",
            "a singer",
            "a doctor",
            "a builder",
            "a shepherd",
        ),
        *("a waiter", "a bus driver"),
    ),
    "season": ("spring", "summer", "autumn", "winter"),
    "person": ("a child", "a friend", "a visitor", "my neighbour"),
}
QUESTIONS = (
    "What does {animal} look like? Describe it in two sentences.",
    "What is {thing} used for? Explain it to {person}.",
    "How do I make {food}? Tell me in a few sentences.",
    "Why do people like to visit {place} in {season}?",
    "What does {job} do all day? Answer in a few sentences.",
    "Tell {person} a short story about {animal}.",
    "What should I take with me on a trip to {place} in {season}?",
    "What is the difference between {animal} and a human being?",
)
BEGINNINGS = (
    "Later that evening they",
    "The next morning she",
    "When they came home, the",
    "Nobody knew why the",
    "After a while he",
    "It took a long time until the",
    "Everybody was happy because the",
    "On the way back they",
)
