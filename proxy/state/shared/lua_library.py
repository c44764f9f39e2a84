"""Defines the Lua function library that the gate loads into Valkey.

A library is never replaced: one with other contents has another name, made from a digest of the contents, and so do its
functions. While nodes of two versions run side by side each finds its own; a library that no gate calls any more may be deleted
(``FUNCTION DELETE``).

    swap(keys; seconds, flags, record…)     stores each record whose first six bytes are the stored version; "1" or "0" for each
    both(keys; seconds, seconds of sheets, sizes, flags, record…)
                                            likewise for groups of so many keys, each stored whole or not at all; flag 2: a sheet
    shares, places, portions                lease_functions.py
    across_shares, …(count, key…, argument…)
                                            likewise, with keys of any slots; the place of a key that another server has, and nothing is done;
                                            0 without arguments
    hold(key; owner, milliseconds)          gives the key to the owner for so long, unless somebody else has it: then answers who
    report(key; revision, word)             appends the word where the stored text begins with the revision; "1" or "0"
    linger(key…; milliseconds)              keeps those keys for so long at least; "0" where one is missing
    confirm(key, key…; version)             keeps those behind the first for good, if the first has that version and all are there
    decide(key, key…; record, staying, milliseconds)
                                            stores the record at the first key; then so many of the others stay for good and the rest
                                            expire: all of it or nothing; "1", "0" (another version), "lacks" (one that is to stay)
    tell(stream, told; journal, most, sequence, record…)
                                            appends those to the log that are not in it yet; answers the last sequence that is

A version is the server's time (or a gate's: records.py) in 10 µs since 2023, or one more than the version before where that is
later: one key never gets the same version twice. A record that became empty stays for a minute as a bare version, so that even a
clock that goes back a little does not give out a version again while a node may still hold it. Records have 48 bits for it: until
2112.
"""

from __future__ import annotations

from hashlib import sha256

from proxy.state.shared import lease_functions

TOMB_MS = 60_000
"""How long an emptied record stays: no swap is pending for so long, because its connection would be closed."""
_RECORDS = f"""
local ZERO = '\\0\\0\\0\\0\\0\\0'

local function clock_version()
  local clock = redis.call('TIME')
  return (clock[1] - 1700000000) * 100000 + math.floor(clock[2] / 10)
end

local function stands(held, new)
  local version = ZERO
  if #held == 8 then version = string.sub(held, 1, 6) end
  return version == string.sub(new, 1, 6)
end

local function store(key, held, new, following, seconds)
  if #held >= 7 then
    local before = struct.unpack('>I6', held)
    if before >= following then following = before + 1 end
  end
  local record = struct.pack('>I6', following) .. string.sub(new, 7)
  if #record > 7 then
    if seconds then
      redis.call('SET', key, record, 'EX', seconds)
    else
      redis.call('SET', key, record)
    end
  elseif #held > 0 then
    redis.call('SET', key, record, 'PX', {TOMB_MS})
  end
end
"""
_SOURCE = (
    _RECORDS
    + """
local function swap_NAME(keys, args)
  local now, seconds, flags, told = clock_version(), args[1], args[2], {}
  for i, key in ipairs(keys) do
    local new = args[i + 2]
    local held = redis.call('GETRANGE', key, 0, 7)
    if stands(held, new) then
      store(key, held, new, now, string.byte(flags, i) == 49 and seconds)
      told[i] = '1'
    else
      told[i] = '0'
    end
  end
  return table.concat(told)
end

local function both_NAME(keys, args)
  local now, flags, told, first = clock_version(), args[4], {}, 1
  local seconds = {[49] = args[1], [50] = args[2]}
  for size in string.gmatch(args[3], '%d+') do
    local last, all, held = first + size - 1, true, {}
    for i = first, last do
      held[i] = redis.call('GETRANGE', keys[i], 0, 7)
      all = all and stands(held[i], args[i + 4])
    end
    for i = first, all and last or 0 do
      store(keys[i], held[i], args[i + 4], now, seconds[string.byte(flags, i)])
    end
    told[#told + 1] = all and '1' or '0'
    first = last + 1
  end
  return table.concat(told)
end

local function hold_NAME(keys, args)
  local held = redis.call('GET', keys[1])
  if held and held ~= args[1] then return held end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return args[1]
end

local function report_NAME(keys, args)
  local text = redis.call('GET', keys[1]) or ''
  if string.sub(text, 1, #args[1]) ~= args[1] then return '0' end
  redis.call('SET', keys[1], text .. args[2], 'KEEPTTL')
  return '1'
end

local function all_there(keys, first, last)
  for i = first, last do
    if redis.call('GETRANGE', keys[i], 0, 0) == '' then return false end
  end
  return true
end

local function linger_NAME(keys, args)
  if not all_there(keys, 1, #keys) then return '0' end
  for _, key in ipairs(keys) do redis.call('PEXPIRE', key, args[1], 'GT') end
  return '1'
end

local function confirm_NAME(keys, args)
  if not stands(redis.call('GETRANGE', keys[1], 0, 7), args[1]) or not all_there(keys, 2, #keys) then return '0' end
  for i = 2, #keys do redis.call('PERSIST', keys[i]) end
  return '1'
end

local function decide_NAME(keys, args)
  local held, last = redis.call('GETRANGE', keys[1], 0, 7), 1 + args[2]
  if not stands(held, args[1]) then return '0' end
  if not all_there(keys, 2, last) then return 'lacks' end
  store(keys[1], held, args[1], clock_version(), false)
  for i = 2, #keys do
    if i <= last then
      redis.call('PERSIST', keys[i])
    else
      redis.call('PEXPIRE', keys[i], args[3])
    end
  end
  return '1'
end

local function tell_NAME(keys, args)
  local last = tonumber(redis.call('HGET', keys[2], args[1]) or '0')
  for i = 3, #args, 2 do
    local sequence = tonumber(args[i])
    if sequence > last then
      redis.call('XADD', keys[1], 'MAXLEN', '~', args[2], '*', 'r', args[i + 1])
      last = sequence
    end
  end
  if #args > 2 then redis.call('HSET', keys[2], args[1], last) end
  return last
end

redis.register_function('g106_tell_NAME', tell_NAME)
redis.register_function('g106_swap_NAME', swap_NAME)
redis.register_function('g106_both_NAME', both_NAME)
redis.register_function('g106_hold_NAME', hold_NAME)
redis.register_function('g106_report_NAME', report_NAME)
redis.register_function('g106_decide_NAME', decide_NAME)
redis.register_function{function_name = 'g106_linger_NAME', callback = linger_NAME, flags = {'allow-oom'}}
redis.register_function{function_name = 'g106_confirm_NAME', callback = confirm_NAME, flags = {'allow-oom'}}
"""
    + lease_functions.SOURCE
)
_ACROSS = """
local function register_across(name, run)
  local function callback(_, args)
    local count, keys, rest = tonumber(args[1]), {}, {}
    for i = 1, count do
      keys[i] = args[i + 1]
      if type(redis.pcall('GETRANGE', keys[i], 0, 0)) == 'table' then return i end
    end
    for i = count + 2, #args do rest[#rest + 1] = args[i] end
    return #rest == 0 and 0 or run(keys, rest)
  end
  redis.register_function{function_name = name, callback = callback, flags = {'allow-cross-slot-keys'}}
end
""" + lease_functions.SOURCE.replace("redis.register_function('g106_", "register_across('g106_across_")
VERSION, VERSION_ACROSS = (sha256(source.encode()).hexdigest()[:8] for source in (_SOURCE, _ACROSS))
LIBRARY, LIBRARY_ACROSS = f"g106_{VERSION}", f"g106_across_{VERSION_ACROSS}"
SOURCE = f"#!lua name={LIBRARY}" + _SOURCE.replace("NAME", VERSION)
SOURCE_ACROSS = f"#!lua name={LIBRARY_ACROSS}" + _ACROSS.replace("NAME", VERSION_ACROSS)
"""A library of its own: a server that does not know its flag refuses it, and only it."""
SWAP, BOTH, HOLD, TELL, REPORT = (f"g106_{word}_{VERSION}" for word in ("swap", "both", "hold", "tell", "report"))
LINGER, CONFIRM, DECIDE = (f"g106_{word}_{VERSION}" for word in ("linger", "confirm", "decide"))
SHARES, PLACES, PORTIONS = (f"g106_{word}_{VERSION}" for word in ("shares", "places", "portions"))
ACROSS = {
    name: f"g106_across_{word}_{VERSION_ACROSS}"
    for name, word in ((SHARES, "shares"), (PLACES, "places"), (PORTIONS, "portions"))
}
"""The function for keys of any slots in place of one for keys of a slot."""
