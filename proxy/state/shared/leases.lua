local function time_ms()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end

local function number(value) return string.format('%.17g', value) end

local function read_book(key, now)
  local book, nodes = {}, {}
  local text = redis.call('GET', key) or ''
  for node, a, b, untill in string.gmatch(text, '(%S+) (%S+) (%S+) (%S+);') do
    node, untill = tonumber(node), tonumber(untill)
    if untill > now then
      book[node] = {tonumber(a), tonumber(b), untill}
      nodes[#nodes + 1] = node
    end
  end
  return book, nodes, text
end

local function write_book(key, book, nodes, rest)
  table.sort(nodes)
  local rows = {}
  for i, node in ipairs(nodes) do
    local held = book[node]
    rows[i] = number(node) .. ' ' .. number(held[1]) .. ' ' .. number(held[2]) .. ' ' .. number(held[3]) .. ';'
  end
  redis.call('SET', key, table.concat(rows) .. (rest or ''), 'PX', BOOK_MS)
end

local function fair_part(total, nodes, book, mine)
  local many, wanted, order, parts = #nodes, {}, {}, {}
  for i, node in ipairs(nodes) do
    wanted[i] = math.max(book[node][2], FLOOR * total / many)
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

local function spares(text)
  local messages, free, at = string.match(text, ';([^;,]+),([^;,]+),([^;,]+)$')
  if not messages then return 0, 0, 0 end
  return tonumber(messages), tonumber(free), tonumber(at)
end

local function share(key, me, total, demand, using, back, want, now)
  local book, nodes, text = read_book(key, now)
  local messages, free_then, at = spares(text)
  local free = total
  for _, node in ipairs(nodes) do free = free - book[node][1] end
  local since = math.min(math.max(0, now - at), LEASE_MS) / 1000
  local spare = messages + back + since * math.min(math.max(0, free), free_then)
  if not book[me] then nodes[#nodes + 1] = me end
  book[me] = {using, demand, now + LEASE_MS}
  table.sort(nodes)
  local others, lack, mine = 0, 0, 0
  for place, node in ipairs(nodes) do
    if node == me then
      mine = place
    else
      others = others + book[node][1]
      lack = lack + math.max(0, book[node][2] - book[node][1])
    end
  end
  local part = math.max(0, math.min(fair_part(total, nodes, book, mine), total - others))
  book[me][1] = math.max(part, using)
  spare = math.min(spare, math.max(#nodes, SPARE_S * total))
  local lent = math.min(spare, want)
  local rest = {number(spare - lent), number(math.max(0, total - others - book[me][1])), number(now)}
  write_book(key, book, nodes, table.concat(rest, ','))
  return number(part) .. ' ' .. #nodes .. ' ' .. number(lent) .. ' ' .. number(lack)
end

local function shares_NAME(keys, args)
  local now, me, told = time_ms(), tonumber(args[1]), {}
  for i, key in ipairs(keys) do
    local said = {}
    for j = 1, 5 do said[j] = tonumber(args[5 * i - 4 + j]) end
    told[i] = share(key, me, said[1], said[2], said[3], said[4], said[5], now)
  end
  return told
end

local function places_NAME(keys, args)
  local now, me, told = time_ms(), tonumber(args[1]), {}
  for i, key in ipairs(keys) do
    local most, held, more = tonumber(args[3 * i - 1]), tonumber(args[3 * i]), args[3 * i + 1] == '1'
    local book, nodes = read_book(key, now)
    if not book[me] then nodes[#nodes + 1] = me end
    book[me] = {held, 0, now + LEASE_MS}
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
  local life, report, back, need, spare, width, keep = string.match(head, '(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  report, back, need, spare = tonumber(report), tonumber(back), tonumber(need), tonumber(spare)
  width, keep = tonumber(width), tonumber(keep)
  local form, counts_said, portions_said = string.match(redis.call('GET', key) or '1 0||', '^([^|]*)|([^|]*)|([^|]*)$')
  if keep == 0 then
    width, keep = string.match(form, '(%S+) (%S+)')
    width, keep = tonumber(width), tonumber(keep)
  end
  local function start_of(at)
    local second = math.floor(at / 1000)
    return second - second % width
  end
  local oldest = math.floor(now / 1000) - keep - width
  local counts, rows, nodes, others, silent = {}, {}, 1, 0, {}
  local had, last, left = NOBODY, 0, 0
  for start, count in string.gmatch(counts_said, '(%S+) (%S+);') do
    start = tonumber(start)
    if keep == 0 or start >= oldest then counts[start] = tonumber(count) end
  end
  for row, node, its, number_said, held, untill in string.gmatch(portions_said, '((%S+) (%S+) (%S+) (%S+) (%S+);)') do
    held, untill = tonumber(held), tonumber(untill)
    if keep > 0 and math.floor(untill / 1000) < oldest then
      -- with the window it has passed
    elseif tonumber(node) ~= me then
      rows[#rows + 1] = row
      if untill > now then
        nodes, others = nodes + 1, others + held
      elseif held > 0 then
        silent[#silent + 1] = {start_of(untill), held}
      end
    elseif its == life then
      had, last, left = tonumber(number_said), tonumber(number_said), held
    else
      had = 0
      local start = start_of(math.min(untill, now))
      counts[start] = (counts[start] or 0) + held
    end
  end
  if report > last then
    last = report
    for start, count in string.gmatch(taken_said, '(%S+) (%S+);') do
      start = tonumber(start)
      local before = counts[start] or 0
      local after = math.max(0, before + tonumber(count))
      counts[start], left = after, left - (after - before)
    end
    left = math.max(0, left - back)
  end
  local function inside(latest)
    local found = others
    for start, count in pairs(counts) do
      if start > latest then found = found + count end
    end
    for _, one in ipairs(silent) do
      if one[1] > latest then found = found + one[2] end
    end
    return found
  end
  local room, counted = nil, 0
  for most, after in string.gmatch(limits_said, '(%S+) (%S+);') do
    local found = inside(tonumber(after) + 1 - width)
    local here = tonumber(most) - found
    if not room or here < room then room, counted = here, found end
  end
  if not room then
    room, counted = 0, inside(-math.huge)
  else
    room = math.max(0, room)
    if left < need then left = math.max(left, math.min(room, need)) end
    if left < need + spare then
      left = math.max(left, math.min(need + spare, left + math.floor((room - left) / (PARTS * nodes))))
    end
  end
  rows[#rows + 1] = string.format('%d %s %d %d %d;', me, life, last, left, now + LEASE_MS)
  local said = {}
  for start, count in pairs(counts) do
    if count > 0 then said[#said + 1] = string.format('%d %d;', start, count) end
  end
  local text = string.format('%d %d|', width, keep) .. table.concat(said) .. '|' .. table.concat(rows)
  redis.call('SET', key, text, 'EX', keep + width + UNKNOWN_S)
  return string.format('%d %d %d %d', counted, left, room, had)
end

local function portions_NAME(keys, args)
  local now, me, told = time_ms(), tonumber(args[1]), {}
  for i, key in ipairs(keys) do told[i] = portion(key, me, args[i + 1], now) end
  return told
end

redis.register_function('g106_shares_NAME', shares_NAME)
redis.register_function('g106_places_NAME', places_NAME)
redis.register_function('g106_portions_NAME', portions_NAME)
