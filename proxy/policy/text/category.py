"""Classifies a text as code, notice or marketing (DOMAIN.md §6).

In: the added weights of the lexicon words found; whether there is a link, an opt-out notice, a hidden word. Out: category, sub-category,
and how surely it is marketing. Never: a category more lenient than the evidence: content may only tighten what was declared, so a text
without evidence is a notice.

    score = offers (ad) + what is soft, less what speaks for a notice + EVASION if a word of an offer was hidden
    soft  = price + topic + call + LINK + OPT_OUT: alone never surely marketing; a notice's words outweigh it, and CALM points more than it
            take CALM_TAKES off an offer, never more
    an invitation: a link and an opt-out notice, with no more than INVITING_CALM points for a notice and none for a code, a warning or
            consent: INVITING more of what is soft, which is surely marketing then
    a warning outweighs what it warns of: offers first, then what is soft; beside a link, BESIDE_LINK points of it do not count
    so does asking for consent, without a link and a price
    surely from SURELY on: counts as marketing      likely from LIKELY on: a fact that rules may ask      hardly below

    a text with a code: a one-time code where little else is said (otp_codes.py), whatever words it has; else **padded**: as its words say, but
    marketing where it was declared a one-time code
    a text without a word for a one-time code (otp), only with such as codes use (code) that weigh more than a notice's words: one where
    it was declared so, if its words do not surely make it marketing; never padded
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.model import message
from proxy.model.message import Category
from proxy.policy.text.otp_codes import HIDDEN, MOST, OFFER, OFFERS_FREE
from proxy.policy.text.otp_codes import OPT_OUT as CODE_OPT_OUT

PURPOSES = ("ad", "price", "call", "topic", "notice", "otp", "warning", "consent", "code", "none")
"""What a word may speak for. ``none``: for nothing; a shorter word inside it does not count there."""
SUBCATEGORIES = message.SUBCATEGORIES
SUBCATEGORY_CODES = {name: code for code, name in enumerate(SUBCATEGORIES) if name}

WEIGHT_MAX = 100
FIELD_BITS = 24
"""Weights are added up in one integer, a field for each purpose and sub-category: 160,000 words of weight 100 fit one."""
FIELD_MASK = (1 << FIELD_BITS) - 1

SURELY = 6
LIKELY = 4
BANDS = ("hardly", "likely", "surely")
"""How surely a text is marketing."""
PADDED, CODE = ", padded", ", code"
"""Behind a band, of texts with a code that were declared one: with more to say than codes do, which is marketing; with no more to say, though
by its words it is marketing where it was declared something else."""
LINK = 2
OPT_OUT = 1
INVITING = 2  # services seldom have both; who calls back a user says little, and has both
INVITING_CALM = 3
EVASION = 3
CALL = 2  # a hotline for who did not ask for a code is no call to act yet
CALLS_MOST = 3  # three calls to act say no more than two
CALM, CALM_TAKES = 4, 2  # a parcel beside a shop is no offer of the shop
BESIDE_LINK = 6  # a fraud has a link, too, and may begin with a word of warning
ASKING = 6  # from here on a text asks for consent

_AD, _PRICE, _CALL, _TOPIC, _NOTICE, _OTP, _WARNING, _CONSENT, _CODE = (
    FIELD_BITS * PURPOSES.index(purpose) for purpose in PURPOSES if purpose != "none"
)
_TOPICS = FIELD_BITS * (len(PURPOSES) - 1)


def value_of(purpose: str, weight: int, subcategory: str) -> int:
    """A word's weight in the field of its purpose and in that of its sub-category."""
    if purpose == "none":
        return 0
    value = weight << FIELD_BITS * PURPOSES.index(purpose)
    if code := SUBCATEGORY_CODES.get(subcategory):
        value |= weight << _TOPICS + FIELD_BITS * (code - 1)
    return value


def band_of(band: str) -> str:
    """The band alone."""
    return band.partition(",")[0]


class Classified(NamedTuple):
    category: Category
    band: str  # PADDED or CODE may stand behind it
    subcategory: str
    score: int


_NO_EVIDENCE = Classified(Category.NOTICE, "hardly", "", 0)


class Weighed(NamedTuple):
    """The classification of a text by its words, before a search for a one-time code."""

    classified: Classified
    beside: int | None
    """What its words offer beside a code, in points of otp_codes.py; None: none of them is a word for a code."""
    offers: bool = False
    """Whether there is an offer, not only what is soft."""
    names_code: bool = False
    """Whether a word names a one-time code (otp), not only one that such texts use (code)."""

    def as_code(self, points: int, *, leads_on: bool, beside_word: bool) -> Classified:
        """A text that may hold a code; ``points``: see otp_codes.py. ``beside_word``: what may be one stands beside a word for codes."""
        found = self.classified
        if not (beside_word and self.names_code):  # only what was declared a one-time code can be one
            is_code = points <= MOST and not leads_on and found.category is not Category.MARKETING
            return found._replace(band=found.band + CODE) if is_code else found
        if points > MOST:
            return found if found.category is Category.MARKETING else found._replace(band=found.band + PADDED)
        if found.category is Category.MARKETING and self.offers:
            return found._replace(band=found.band + CODE)
        if leads_on:  # to a link that is not its sender's
            return found
        return Classified(Category.OTP, "hardly", found.subcategory, 0)


def weigh(total: int, *, has_link: bool, has_notice: bool, evades: bool) -> Weighed:
    """``total``: the values of the words that count, added up."""
    if not total:
        return Weighed(_NO_EVIDENCE, None)
    ad = total & FIELD_MASK
    price = total >> _PRICE & FIELD_MASK
    call = total >> _CALL & FIELD_MASK
    topic = total >> _TOPIC & FIELD_MASK
    topics = total >> _TOPICS
    subcategory = _subcategory(topics) if topics else ""
    calm = total >> _NOTICE & FIELD_MASK
    if (warning := (total >> _WARNING & FIELD_MASK) - (BESIDE_LINK if has_link else 0)) > 0:
        calm += max(0, warning - ad)
        ad -= min(ad, warning)
    if (consent := total >> _CONSENT & FIELD_MASK) >= ASKING and not has_link and not price:
        calm += max(0, consent - ad)
        ad -= min(ad, consent)
        subcategory = "consent-request"
    soft = price + topic + min(call, CALLS_MOST) + (LINK if has_link else 0) + (OPT_OUT if has_notice else 0)
    if inviting := has_link and has_notice and is_inviting(total):
        soft += INVITING
    offers = max(0, ad - CALM_TAKES) if calm - soft >= CALM else ad
    score = offers + max(0, soft - calm) + (EVASION if evades else 0)
    surely = score >= SURELY and (ad or evades or inviting or price + topic >= LIKELY)
    band = "surely" if surely else "likely" if score >= LIKELY and (ad or price or topic or evades) else "hardly"
    found = Classified(Category.MARKETING if surely else Category.NOTICE, band, subcategory, score)
    names_code = bool(total >> _OTP & FIELD_MASK)
    if not names_code and (surely or total >> _CODE & FIELD_MASK <= total >> _NOTICE & FIELD_MASK):
        return Weighed(found, None)
    beside = OFFER * max(0, ad - OFFERS_FREE) + (CODE_OPT_OUT if has_notice else 0) + (HIDDEN if evades else 0)
    return Weighed(found, beside, bool(ad or evades), names_code)


def is_inviting(total: int) -> bool:
    """Whether a text with a link and an opt-out notice is an invitation, by its words."""
    serves = total & (FIELD_MASK << _OTP | FIELD_MASK << _WARNING | FIELD_MASK << _CONSENT | FIELD_MASK << _CODE)
    return not serves and total >> _NOTICE & FIELD_MASK <= INVITING_CALM


def _subcategory(topics: int) -> str:
    """The sub-category with most weight, the first among equals."""
    best, most, code = "", 0, 1
    while topics:
        if (weight := topics & FIELD_MASK) > most:
            best, most = SUBCATEGORIES[code], weight
        topics >>= FIELD_BITS
        code += 1
    return best
