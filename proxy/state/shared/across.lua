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
