"""What the news site has to tell: three invented stories, and what three invented readers said about them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Comment:
    """What a reader said, ``hours`` before now."""

    name: str
    hours: int
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """One story; ``path`` is where it stands on the site."""

    path: str
    section: str
    title: str
    summary: str
    byline: str
    paragraphs: tuple[str, ...]
    comments: tuple[Comment, ...]


STORIES: Final = (
    Story(
        "/stories/night-ferry",
        "Harbour",
        "The night ferry sails again, with its old lamps",
        "After eleven years the last boat of the day returns, and with it the brass lamps that a museum had kept.",
        "Ines Calloway",
        (
            "At 22:40 on Friday the Marguerite left pier three with forty passengers, two bicycles and a cello. It "
            "was the first late crossing since the service was given up eleven years ago, and nobody on the quay "
            "seemed to want to go home before she was out of sight.",
            "The brass lamps on her upper deck are the ones she carried then. The maritime museum had kept them in "
            "a crate, with the labels of 1958 still on; an electrician spent the winter making them safe for rain.",
            "The boat will run on Fridays and Saturdays until October. If the benches are half full by midsummer, "
            "the harbour office says, Thursdays will follow.",
        ),
        (
            Comment("Tomasz", 2, "Took it with my daughter. She slept, I watched the lamps. Worth every coin."),
            Comment("Mrs Abara", 5, "Thursdays, please. Choir practice ends at ten."),
        ),
    ),
    Story(
        "/stories/umbrella-library",
        "Town",
        "A library that lends umbrellas got nearly all of them back",
        "Of three hundred umbrellas lent in the wettest spring on record, two hundred and ninety-one came home.",
        "Peter Okafor",
        (
            "The rule was simple: take one when it rains, bring it back when it does not. The branch on Mill Street "
            "had set aside money to replace half of its umbrellas by June. It needed nine.",
            "One returned by post, from another country, with a drawing of a dry cat. The drawing now hangs above "
            "the stand, and the librarians count the umbrella as back.",
        ),
        (Comment("Lucía", 1, "I was number 47. It has a better handle than my own."),),
    ),
    Story(
        "/stories/town-clock",
        "Town",
        "The town clock is four minutes slow, and will stay so",
        "The council asked whether to correct it. Most of those who answered had long set their mornings by it.",
        "Hanne Vestergaard",
        (
            "A survey of 1,204 households found that seven in ten leave for work by the clock on the corn exchange, "
            "knowing that it lags. “It gives me four minutes that nobody else has,” one of them wrote.",
            "The clockmaker who winds it on Mondays will go on winding it. A small sign with the exact time is to be "
            "put up at the station, where it matters.",
        ),
        (Comment("Old Bergström", 7, "My father set it that way. He was always late. Now so are we all, together."),),
    ),
)
