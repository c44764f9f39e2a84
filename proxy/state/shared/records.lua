local ZERO = '\0\0\0\0\0\0'

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
    redis.call('SET', key, record, 'PX', TOMB_MS)
  end
end

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
