"""English: sentences in English that ask to stop.

In: a reply, folded. Out: what it says, None where it is no such sentence from its first word to its last. Never: Chinese (phrases.py).
"""

from __future__ import annotations

import re

from .phrases import NOTHING, REFUSAL, STOP, Said

_MESSAGES = (
    r"(?: (?:all|it|now|this|these|those|me|us|please|pls|thanks|thank you|sending|texting|messaging|contacting|spamming|my|number|phone|"
    r"messages?|texts?|sms|spam|ads?|shit|crap|nonsense|bullshit|advertising|advertisements?|promotions?|promo|marketing|again|anymore|any more|subscription|from|your|the|"
    r"lists?|any|more|to|off|and|every|everything|bothering|harassing|immediately|at once|already|ever|for good|database|system|of|you)\b)*+"
)
_HELLO = r"(?:(?:please|pls|plz|kindly|just|hi|hello|hey|sorry|wrong number|wrong person|i said|can you|could you|would you|i want to|i would like to|i wish to|ok|and) )*+"
_SENTENCES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_HELLO}(?:stop|unsubscribe|unsub|opt (?:me )?out|remove|delete|take|quit(?= (?:sending|texting|spamming))|cease)(?<!take){_MESSAGES}",
        rf"{_HELLO}take (?:me|my number|us) off{_MESSAGES}",
        r"(?:please |pls )*+(?:cancel|end|quit)(?: (?:all|now|please|pls|thanks|thank you|messages?|texts?|sms|subscription|my|the|this)\b)*+(?<! my)(?<! the)",
        rf"{_HELLO}(?:do not|dont|don t|never)(?: ever)? (?:send|text|message|contact|spam|bother|sms|disturb|harass){_MESSAGES}",
        rf"{_HELLO}no more(?: (?:messages?|texts?|sms|spam|ads?|of this|of these|please|thanks|thank you))*+",
        rf"(?:i am |im |i m |we are |sorry )*+(?:not|no longer|never) interested(?: in{_MESSAGES})?(?: please| thanks| thank you| sorry| stop| at all)*+",
        r"no (?:thanks|thank you|thx|sms|ads?|spam|texts?|messages?|msgs?|marketing|advertising|promotions?)(?: please| any more| anymore)?",
        rf"i? ?(?:do not|dont|don t|no longer) (?:want|need|wish)(?: to receive| to get)?{_MESSAGES}",
        r"(?:leave me alone|fuck off|piss off|go away|get lost|enough|stop it|i (?:have )?never (?:subscribed|signed up)(?: to this| for this)?|i (?:did not|didnt|didn t) (?:subscribe|sign up)(?: to this| for this| to these| for these)?)(?: stop| please)?",
    )
)
_NAMES_MESSAGES = re.compile(
    r"\b(?:messages?|texts?|texting|messaging|sms|spam\w*|ads?|unsub\w*|opt|subscri\w*|number|lists?|contact\w*|advertis\w*|promo\w*|marketing)\b"
)


def in_english(folded: str) -> Said:
    """What a reply says, or else what one of its sentences says."""
    for sentence in (folded, *re.split("[.,;:!?\n]+", folded)):
        spoken = " ".join(re.findall("[a-z0-9]+", sentence.replace("'", "").replace("’", "")))
        if any(pattern.fullmatch(spoken) for pattern in _SENTENCES):
            return Said(REFUSAL if _NAMES_MESSAGES.search(spoken) else STOP)
    return Said(NOTHING)
