import { script } from '../store/store.ts'

/** Sums of decimal integers of any length, as texts: Lua's numbers are exact to 2^53 only, and wei go beyond. */
export const LUA_SUMS = `
local function limbs(text)
  local list = {}
  for last = #text, 1, -7 do list[#list + 1] = tonumber(text:sub(math.max(last - 6, 1), last)) end
  return list
end
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local function unsigned(a, b, sign)
  local x, y, sum, carry = limbs(a), limbs(b), {}, 0
  for i = 1, math.max(#x, #y) do
    local limb = (x[i] or 0) + sign * (y[i] or 0) + carry
    carry = 0
    if limb < 0 then limb = limb + 10000000; carry = -1 elseif limb >= 10000000 then limb = limb - 10000000; carry = 1 end
    sum[i] = limb
  end
  if carry == 1 then sum[#sum + 1] = 1 end
  local text = {}
  for i = #sum, 1, -1 do text[#text + 1] = string.format('%07d', sum[i]) end
  local digits = table.concat(text):gsub('^0+', '')
  if digits == '' then return '0' end
  return digits
end
local function add(a, b)
  if #a < 15 and #b < 15 then
    local sum = tonumber(a) + tonumber(b)
    if sum == 0 then return '0' end
    return string.format('%.0f', sum)
  end
  local below, under = a:sub(1, 1) == '-', b:sub(1, 1) == '-'
  local x, y = below and a:sub(2) or a, under and b:sub(2) or b
  if below == under then
    local sum = unsigned(x, y, 1)
    return below and sum ~= '0' and '-' .. sum or sum
  end
  if x == y then return '0' end
  if less(x, y) then x, y, below = y, x, under end
  return (below and '-' or '') .. unsigned(x, y, -1)
end
local function minus(a)
  if a == '0' then return a end
  return a:sub(1, 1) == '-' and a:sub(2) or '-' .. a
end
`

/**
 * Writes a batch of judged moves, each on its own: all of it when what it was judged by still stands and its limits
 * allow it, else nothing of it. KEYS: meta. ARGV: prefix, writer, number of the batch, incarnation, the last journal line
 * that the writer knows and its seal, the writer's lease token, whether healing may write, then the moves (redis-move.ts
 * says how). The same batch sent again gets the first answer; an older one gets none.
 */
export const POST = script(`${LUA_SUMS}
local p, writer, batch, inc, known, seal, token, healer = unpack(ARGV, 1, 8)
local meta = redis.call('HMGET', KEYS[1], 'inc', 'seq', 'hash', 'epoch', 'n', 'healing')
if not meta[1] then return {'lost', 'empty'} end
if meta[1] ~= inc then return {'lost', 'other', meta[1], meta[4]} end
local seq, hash, n = tonumber(meta[2]), meta[3], tonumber(meta[5])
known = tonumber(known)
if seq < known then return {'lost', 'back'} end
if known > 0 then
  local mine = hash
  if seq > known then
    local line = redis.call('XRANGE', p .. 'journal', known .. '-0', known .. '-0')
    mine = line[1] and line[1][2][4] or seal
  end
  if mine ~= seal then return {'lost', 'fork'} end
end
if meta[6] and meta[6] ~= healer then return {'healing'} end
if writer == '' then return {'ok', seq, hash, meta[4], {}} end
local wkey = p .. 'writer:' .. writer
local before = redis.call('HMGET', wkey, 'n', 'reply')
if before[1] then
  if before[1] == batch then return cmsgpack.unpack(before[2]) end
  if tonumber(before[1]) > tonumber(batch) then return {'old'} end
end

local i = 9
local function next_arg() i = i + 1; return ARGV[i - 1] end
local function names_key(kind, name) return p .. kind .. ':' .. name end

local function check()
  local ok, seen = true, {}
  for _ = 1, tonumber(next_arg()) do
    local id, version = next_arg(), next_arg()
    local at = redis.call('GETRANGE', p .. 's:' .. id, 0, 15):match('^%d+') or '0'
    if at ~= version then ok = false end
    seen[#seen + 1] = {id}
  end
  for _ = 1, tonumber(next_arg()) do
    local kind, name, expected = next_arg(), next_arg(), next_arg()
    local now = redis.call('GET', names_key(kind, name)) or ''
    if now ~= expected then ok = false end
    seen[#seen + 1] = {kind, name, now}
  end
  if ok then return nil end
  for _, row in ipairs(seen) do
    if #row == 1 then row[2] = redis.call('GET', p .. 's:' .. row[1]) or '' end
  end
  return seen
end

local leased
local function fenced(wants)
  -- What is written again had its token when it was new.
  if wants == '0' or token == '*' or healer ~= '' then return false end
  if leased == nil then leased = redis.call('HGET', p .. 'lease', 'token') or '' end
  return token ~= leased
end

local time
local function clock()
  if not time then
    local t = redis.call('TIME')
    time = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
  end
  return time
end

local function put(version)
  for _ = 1, tonumber(next_arg()) do
    local id, kind, turn, asset, block, json = unpack(ARGV, i, i + 5)
    i = i + 6
    redis.call('SET', p .. 's:' .. id, version .. ' ' .. json)
    if turn ~= '' then
      local order
      if turn:sub(1, 1) == 'n' then
        n = n + 1
        order = n
        redis.call('ZADD', p .. 'all', n, id)
      end
      if turn == 'no' or turn == 'o' then
        redis.call('ZADD', p .. 'open:' .. kind, order or redis.call('ZSCORE', p .. 'all', id), id)
        if turn == 'o' then redis.call('ZREM', p .. 'resting', id) end
      else
        if turn == 'r' then redis.call('ZREM', p .. 'open:' .. kind, id) end
        if kind ~= 'channel' then redis.call('ZADD', p .. 'resting', clock(), id) end
      end
    end
    if block == '-' then redis.call('ZREM', p .. 'booked:' .. asset, id)
    elseif block ~= '' then redis.call('ZADD', p .. 'booked:' .. asset, block, id) end
  end
end

local function transaction()
  if next_arg() == '0' then return end
  local key, tx, nonce, json = next_arg(), next_arg(), next_arg(), next_arg()
  local fresh = redis.call('SET', p .. 't:' .. tx, json, 'NX')
  if fresh then
    n = n + 1
    redis.call('ZADD', p .. 'nonces:' .. key, nonce, string.format('%015d', n) .. ' ' .. tx)
  end
  for _ = 1, tonumber(next_arg()) do
    local item = next_arg()
    if fresh then redis.call('RPUSH', p .. 'i:' .. item, tx) end
  end
end

local function move()
  local seen, write, last = check(), next_arg(), next_arg()
  local stop = i + tonumber(last)
  if seen then i = stop; return {'again', seen} end
  if write == '0' then return {'said'} end
  if fenced(next_arg()) then i = stop; return {'fenced'} end
  local bumps, names, beside, now, counters, values = {}, {}, {}, {}, {}, {'done', 0}
  for k = 1, tonumber(next_arg()) do
    bumps[k] = {next_arg(), next_arg(), next_arg(), {}}
    names[#names + 1] = bumps[k][1]
    for b = 1, tonumber(next_arg()) do
      local name = next_arg()
      bumps[k][4][b], names[#names + 1], beside[#beside + 1] = name, name, name
    end
  end
  local held = #names > 0 and redis.call('HMGET', p .. 'counters', unpack(names)) or {}
  for k, name in ipairs(names) do now[name] = held[k] or '0' end
  for k, bump in ipairs(bumps) do
    local value = now[bump[1]]
    local sum = add(value, bump[2])
    if bump[3] ~= '' then
      for _, name in ipairs(bump[4]) do value = add(value, now[name]) end
      if add(bump[3], minus(add(value, bump[2]))):sub(1, 1) == '-' then i = stop; return {'limit', k, value} end
    end
    now[bump[1]], values[k + 2] = sum, sum
    if bump[2] ~= '0' then
      counters[#counters + 1] = bump[1]
      counters[#counters + 1] = sum
    end
  end
  for _, name in ipairs(beside) do values[#values + 1] = now[name] end
  local guard = next_arg()
  local keys, deltas, balances = {}, {}, {}
  for k = 1, tonumber(next_arg()) do keys[k], deltas[k] = next_arg(), next_arg() end
  held = #keys > 0 and redis.call('HMGET', p .. 'balances', unpack(keys)) or {}
  for k, key in ipairs(keys) do
    local sum = add(held[k] or '0', deltas[k])
    if key == guard and sum:sub(1, 1) == '-' then i = stop; return {'short', held[k] or '0'} end
    balances[2 * k - 1], balances[2 * k] = key, sum
  end
  seq = seq + 1
  values[2] = seq
  if #counters > 0 then redis.call('HSET', p .. 'counters', unpack(counters)) end
  if #balances > 0 then redis.call('HSET', p .. 'balances', unpack(balances)) end
  for _ = 1, tonumber(next_arg()) do
    local kind, name, id = next_arg(), next_arg(), next_arg()
    redis.call('SET', names_key(kind, name), id)
  end
  put(seq)
  transaction()
  local line = next_arg()
  hash = redis.sha1hex(hash .. '\\n' .. line)
  redis.call('XADD', p .. 'journal', seq .. '-0', 'l', line, 'h', hash)
  return values
end

local answers = {}
while i <= #ARGV do answers[#answers + 1] = move() end
redis.call('HSET', KEYS[1], 'seq', seq, 'hash', hash, 'n', n)
local reply = {'ok', seq, hash, meta[4], answers}
redis.call('HSET', wkey, 'n', batch, 'reply', cmsgpack.pack(reply))
redis.call('PEXPIRE', wkey, 86400000)
return reply
`)
