"""Leasing: what Valkey does of leases.py and portions.py, in Lua, and the words of each call.

In: nothing. Out: source for the library (functions.py), arguments, answers read back. Never: another outcome than its twin in Python has: tests
compare them.

    shares(key of each rate; node, {total, demand, using} of each)                → "share nodes" of each
    places(key of each; node, {most, held, one more?} of each)                    → "given held-by-all nodes rank" of each
    portions(key of each counter; node, one word of each, see ``report_word``)    → "taken left" of each

A book is one string of numbers: rates and places hold ``node a b until;…``, counters ``width keep|start count;…|node left until report;…``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.state.leases import FLOOR, LEASE_MS, Placed
from proxy.state.portions import PARTS, Limit, Told

UNKNOWN_S = 60
"""A counter stays so long beyond what its window needs: also one of which nobody has said how long that is."""
SOURCE = f"""
local function time_ms()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end

local function number(value) return string.format('%.17g', value) end

local function read_book(key, now)
  local book, nodes = {{}}, {{}}
  for node, a, b, untill in string.gmatch(redis.call('GET', key) or '', '(%S+) (%S+) (%S+) (%S+);') do
    node, untill = tonumber(node), tonumber(untill)
    if untill > now then
      book[node] = {{tonumber(a), tonumber(b), untill}}
      nodes[#nodes + 1] = node
    end
  end
  return book, nodes
end

local function write_book(key, book, nodes)
  table.sort(nodes)
  local rows = {{}}
  for i, node in ipairs(nodes) do
    local held = book[node]
    rows[i] = number(node) .. ' ' .. number(held[1]) .. ' ' .. number(held[2]) .. ' ' .. number(held[3]) .. ';'
  end
  redis.call('SET', key, table.concat(rows), 'PX', {2 * LEASE_MS})
end

local function fair_part(total, nodes, book, mine)
  local many, wanted, order, parts = #nodes, {{}}, {{}}, {{}}
  for i, node in ipairs(nodes) do
    wanted[i] = math.max(book[node][2], {FLOOR} * total / many)
    order[i] = i
  end
  table.sort(order, function(a, b)
    if wanted[a] ~= wanted[b] then return wanted[a] < wanted[b] end
    return a < b
  end)
  local left, rest = total, many
  for _, i in ipairs(order) do
    parts[i] = math.min(wanted[i], left / rest)
    left, rest = left - parts[i], rest - 1
  end
  return parts[mine] + left / many
end

local function shares_NAME(keys, args)
  local now, me, told = time_ms(), tonumber(args[1]), {{}}
  for i, key in ipairs(keys) do
    local total, demand, using = tonumber(args[3 * i - 1]), tonumber(args[3 * i]), tonumber(args[3 * i + 1])
    local book, nodes = read_book(key, now)
    if not book[me] then nodes[#nodes + 1] = me end
    book[me] = {{using, demand, now + {LEASE_MS}}}
    table.sort(nodes)
    local others, mine = 0, 0
    for place, node in ipairs(nodes) do
      if node == me then mine = place else others = others + book[node][1] end
    end
    local share = math.max(0, math.min(fair_part(total, nodes, book, mine), total - others))
    book[me][1] = math.max(share, using)
    write_book(key, book, nodes)
    told[i] = number(share) .. ' ' .. #nodes
  end
  return told
end

local function places_NAME(keys, args)
  local now, me, told = time_ms(), tonumber(args[1]), {{}}
  for i, key in ipairs(keys) do
    local most, held, more = tonumber(args[3 * i - 1]), tonumber(args[3 * i]), args[3 * i + 1] == '1'
    local book, nodes = read_book(key, now)
    if not book[me] then nodes[#nodes + 1] = me end
    book[me] = {{held, 0, now + {LEASE_MS}}}
    local all = 0
    for _, node in ipairs(nodes) do all = all + book[node][1] end
    local given = more and all < most
    if given then
      book[me][1] = held + 1
      all = all + 1
    end
    write_book(key, book, nodes)
    table.sort(nodes)
    local rank = 0
    for place, node in ipairs(nodes) do
      if node == me then rank = place - 1 end
    end
    told[i] = (given and '1 ' or '0 ') .. all .. ' ' .. #nodes .. ' ' .. rank
  end
  return told
end

local function portion(key, me, word, now)
  local head, limits_said, taken_said = string.match(word, '^([^|]*)|([^|]*)|([^|]*)$')
  local report, wants, width, keep = string.match(head, '(%S+) (%S+) (%S+) (%S+)')
  report, wants, width, keep = tonumber(report), tonumber(wants), tonumber(width), tonumber(keep)
  local form, counts_said, portions_said = string.match(redis.call('GET', key) or '1 0||', '^([^|]*)|([^|]*)|([^|]*)$')
  if keep == 0 then
    width, keep = string.match(form, '(%S+) (%S+)')
    width, keep = tonumber(width), tonumber(keep)
  end
  local counts, portions, nodes = {{}}, {{}}, 0
  for start, count in string.gmatch(counts_said, '(%S+) (%S+);') do counts[tonumber(start)] = tonumber(count) end
  for node, left, untill, last in string.gmatch(portions_said, '(%S+) (%S+) (%S+) (%S+);') do
    node, left, untill, last = tonumber(node), tonumber(left), tonumber(untill), tonumber(last)
    if untill > now then
      portions[node] = {{left, untill, last}}
      nodes = nodes + 1
    elseif left > 0 then
      local second = math.floor(untill / 1000)
      local start = second - second % width
      counts[start] = (counts[start] or 0) + left
    end
  end
  local oldest = math.floor(now / 1000) - keep - width
  for start in pairs(counts) do
    if keep > 0 and start < oldest then counts[start] = nil end
  end
  local held = portions[me]
  if not held then
    held = {{0, 0, 0}}
    nodes = nodes + 1
  end
  local left = held[1]
  if report > held[3] then
    for start, count in string.gmatch(taken_said, '(%S+) (%S+);') do
      start, count = tonumber(start), tonumber(count)
      counts[start] = math.max(0, (counts[start] or 0) + count)
      left = left - count
    end
    left = math.max(0, left)
  end
  local others = 0
  for node, one in pairs(portions) do
    if node ~= me then others = others + one[1] end
  end
  local room, counted = nil, 0
  for most, after in string.gmatch(limits_said, '(%S+) (%S+);') do
    local inside, latest = others, tonumber(after) + 1 - width
    for start, count in pairs(counts) do
      if start > latest then inside = inside + count end
    end
    local here = tonumber(most) - inside
    if not room or here < room then room, counted = here, inside end
  end
  if not room then
    left, counted = 0, others
    for _, count in pairs(counts) do counted = counted + count end
  elseif wants <= 0 then
    left = 0
  else
    room = math.max(0, room)
    if left > room then
      left = room
    elseif left < wants then
      local more = math.max(1, math.floor((room - left) / ({PARTS} * nodes)))
      left = math.min(room, math.max(left, math.min(wants, left + more)))
    end
  end
  portions[me] = {{left, now + {LEASE_MS}, math.max(report, held[3])}}
  local rows = {{number(width) .. ' ' .. number(keep) .. '|'}}
  for start, count in pairs(counts) do rows[#rows + 1] = number(start) .. ' ' .. number(count) .. ';' end
  rows[#rows + 1] = '|'
  for node, one in pairs(portions) do
    rows[#rows + 1] = number(node) .. ' ' .. number(one[1]) .. ' ' .. number(one[2]) .. ' ' .. number(one[3]) .. ';'
  end
  redis.call('SET', key, table.concat(rows), 'EX', keep + width + {UNKNOWN_S})
  return number(counted) .. ' ' .. number(left)
end

local function portions_NAME(keys, args)
  local now, me, told = time_ms(), tonumber(args[1]), {{}}
  for i, key in ipairs(keys) do told[i] = portion(key, me, args[i + 1], now) end
  return told
end

redis.register_function('g106_shares_NAME', shares_NAME)
redis.register_function('g106_places_NAME', places_NAME)
redis.register_function('g106_portions_NAME', portions_NAME)
"""


def report_word(number: int, wants: int, width_s: int, keep_s: int, limits: Sequence[Limit], taken: Mapping[int, int]) -> str:
    """What one counter's part of a call says."""
    said = "".join(f"{limit.most} {limit.after_s:.17g};" for limit in limits)
    counts = "".join(f"{start} {count};" for start, count in taken.items())
    return f"{number} {wants} {width_s} {keep_s}|{said}|{counts}"


def share_told(answer: bytes) -> tuple[float, int]:
    """(share, nodes)"""
    share, nodes = answer.split()
    return float(share), int(nodes)


def place_told(answer: bytes) -> Placed:
    given, held, nodes, rank = answer.split()
    return Placed(given == b"1", int(held), int(nodes), int(rank))


def portion_told(answer: bytes) -> Told:
    taken, left = answer.split()
    return Told(int(float(taken)), int(float(left)))
