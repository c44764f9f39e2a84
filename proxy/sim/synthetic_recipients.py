"""Draws synthetic recipients of all 31 provinces.

Segments are real (the table of the package ``phone``), the last four digits are drawn. Nobody's real list of numbers is used.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from proxy.policy.registries.regions import SEGMENT_FIRST, UNKNOWN, Regions

PROVINCES: tuple[str, ...] = tuple(
    "北京 天津 河北 山西 内蒙古 辽宁 吉林 黑龙江 上海 江苏 浙江 安徽 福建 江西 山东 河南 "
    "湖北 湖南 广东 广西 海南 重庆 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆".split()
)
"""The 31 provinces of the mainland, which is what a 106 port reaches."""
MACHINES = frozenset(range(140, 150))  # 14x: data cards and machines; 1064 and 14400 are no recipients (DOMAIN §4)


@lru_cache(maxsize=1)
def segments() -> Mapping[str, Sequence[int]]:
    """Seven-digit segments of persons by province; "unknown" holds 200 that no table has."""
    table = Regions.load(None)
    found: dict[str, list[int]] = {name: [] for name in (*PROVINCES, UNKNOWN)}
    for place, cell in enumerate(table.cells):
        segment = SEGMENT_FIRST + place
        if segment // 10_000 in MACHINES:
            continue
        province = table.places[cell][0]
        if province in found and (province != UNKNOWN or len(found[UNKNOWN]) < 200):
            found[province].append(segment)
    return found


def number_in(rng: random.Random, province: str) -> int:
    """One number of a province (or "unknown")."""
    return rng.choice(segments()[province]) * 10_000 + rng.randint(0, 9_999)


def province_of(number: int) -> str:
    """Where a number is at home; "unknown" where no table has its segment."""
    return Regions.load(None).of(number)[0]


BANNED, SPARED = "西藏", ("北京", "河北", "上海")  # where numbers are refused; left out then, for shipped rules refuse there
TAILS = range(10_000)


def distinct_numbers(count: int, seed: int = 106, refused: float | None = None) -> list[int]:
    """``count`` different numbers, the same for the same seed. ``refused``: the share in per cent that lives in ``BANNED``, spread evenly; none
    lives in ``SPARED`` then."""
    rng = random.Random(seed)
    if refused is None:
        return list(_different(rng, PROVINCES, count))
    few = round(count * refused / 100)
    banned = _different(rng, (BANNED,), few)
    others = _different(rng, [one for one in PROVINCES if one != BANNED and one not in SPARED], count - few)
    return [next(banned if (place + 1) * few // count > place * few // count else others) for place in range(count)]


def _different(rng: random.Random, provinces: Sequence[str], count: int) -> Iterator[int]:
    """Different numbers of these provinces, in proportion to their segments. ValueError if there are too few."""
    known = [segment for province in provinces for segment in segments()[province]]
    if count > len(known) * len(TAILS) // 2:
        raise ValueError(f"no more than {len(known) * len(TAILS) // 2:,} people of {', '.join(provinces)} can be drawn")
    chosen: dict[int, None] = {}
    while (wanted := count - len(chosen)) > 0:
        drawn = zip(rng.choices(known, k=wanted), rng.choices(TAILS, k=wanted), strict=True)
        chosen.update(dict.fromkeys(segment * 10_000 + tail for segment, tail in drawn))
    return iter(chosen)
