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
    local now = redis.call('GET', p .. 's:' .. id)
    local at = now and now:match('^%d+') or '0'
    if at ~= version then ok = false end
    seen[#seen + 1] = {id, now or ''}
  end
  for _ = 1, tonumber(next_arg()) do
    local kind, name, expected = next_arg(), next_arg(), next_arg()
    local now = redis.call('GET', names_key(kind, name)) or ''
    if now ~= expected then ok = false end
    seen[#seen + 1] = {kind, name, now}
  end
  if ok then return nil end
  return seen
end

local leased
local function fenced(wants)
  if wants == '0' or token == '*' then return false end
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
    local id, kind, resting, asset, block, json = unpack(ARGV, i, i + 5)
    i = i + 6
    redis.call('SET', p .. 's:' .. id, version .. ' ' .. json)
    local open, order = p .. 'open:' .. kind, redis.call('ZSCORE', p .. 'all', id)
    if not order then
      n = n + 1
      order = n
      redis.call('ZADD', p .. 'all', n, id)
      if kind == 'call' then redis.call('ZADD', p .. 'calls', n, id) end
    end
    if resting == '1' then redis.call('ZREM', open, id) else redis.call('ZADD', open, order, id) end
    if kind ~= 'channel' then
      if resting == '1' then redis.call('ZADD', p .. 'resting', clock(), id) else redis.call('ZREM', p .. 'resting', id) end
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
  local counters = {}
  for k = 1, tonumber(next_arg()) do
    local name, by, limit = next_arg(), next_arg(), next_arg()
    local value = redis.call('HGET', p .. 'counters', name) or '0'
    local sum = add(value, by)
    if limit ~= '' and add(limit, minus(sum)):sub(1, 1) == '-' then i = stop; return {'limit', k, value} end
    counters[k] = {name, sum, by}
  end
  local guard = next_arg()
  local balances = {}
  for k = 1, tonumber(next_arg()) do
    local key, by = next_arg(), next_arg()
    local value = redis.call('HGET', p .. 'balances', key) or '0'
    local sum = add(value, by)
    if key == guard and sum:sub(1, 1) == '-' then i = stop; return {'short', value} end
    balances[k] = {key, sum}
  end
  seq = seq + 1
  local values = {'done', seq}
  for k, row in ipairs(counters) do
    if row[3] ~= '0' then redis.call('HSET', p .. 'counters', row[1], row[2]) end
    values[k + 2] = row[2]
  end
  for _, row in ipairs(balances) do redis.call('HSET', p .. 'balances', row[1], row[2]) end
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

/**
 * Looks at the store. A server that is not the one that was written to last may lack its last moves, whether or not
 * anybody can tell: the epoch goes up, and older quotes are refused. KEYS: meta. ARGV: unix seconds. Returns incarnation,
 * seq, hash, epoch, and 1 when it is another server.
 */
export const LOOK = script(`
local m = redis.call('HMGET', KEYS[1], 'inc', 'seq', 'hash', 'epoch', 'server')
if not m[1] then return {} end
local server = redis.call('INFO', 'replication'):match('master_replid:(%x+)')
if m[5] == server then return {m[1], m[2], m[3], m[4], 0} end
local epoch = m[4]
if m[5] then epoch = string.format('%.0f', math.max(tonumber(m[4]) + 1, tonumber(ARGV[1]))) end
redis.call('HSET', KEYS[1], 'server', server, 'epoch', epoch)
return {m[1], m[2], m[3], epoch, m[5] and 1 or 0}
`)

/** Opens a ledger, or makes it. KEYS: meta. ARGV: schema, a fresh incarnation, unix seconds. Returns schema, incarnation, seq, hash, epoch. */
export const OPEN = script(`
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'inc', ARGV[2], 'seq', '0', 'hash', '', 'epoch', ARGV[3], 'n', '0')
end
return redis.call('HMGET', KEYS[1], 'schema', 'inc', 'seq', 'hash', 'epoch')
`)

/** Raises a number in meta, never lowers it. KEYS: meta. ARGV: field, value. Returns what stands. */
export const RAISE = script(`${LUA_SUMS}
local now = redis.call('HGET', KEYS[1], ARGV[1])
if not now or add(ARGV[2], minus(now)):sub(1, 1) ~= '-' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  return ARGV[2]
end
return now
`)

/**
 * Takes over a store that has lost moves: the first who finds it raises the epoch, names a new incarnation and may write
 * alone until it has healed it or ten seconds have passed. KEYS: meta. ARGV: schema, the incarnation that the caller knew,
 * a fresh one, unix seconds, the epoch that it knew, what it found. Returns its role and what stands now.
 */
export const HEAL = script(`
local m = redis.call('HMGET', KEYS[1], 'inc', 'seq', 'hash', 'epoch', 'healing', 'until', 'cut')
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local inc, role, cut = m[1], 'helper', m[7] or '0'
if not inc or inc == ARGV[2] then
  inc, role = ARGV[3], 'healer'
  cut = ARGV[6] == 'fork' and '0' or m[2] or '0'
  local epoch = math.max(tonumber(m[4] or '0'), tonumber(ARGV[4]), tonumber(ARGV[5])) 
  if epoch <= tonumber(ARGV[5]) then epoch = tonumber(ARGV[5]) + 1 end
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'inc', inc, 'seq', m[2] or '0', 'hash', m[3] or '',
    'epoch', string.format('%.0f', epoch), 'healing', inc, 'cut', cut)
  redis.call('HSETNX', KEYS[1], 'n', '0')
elseif m[5] and now > tonumber(m[6]) then
  role = 'healer'
end
if role == 'healer' then redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + 10000)) end
local s = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'epoch')
return {role, inc, s[1], s[2], s[3], cut}
`)

/** Hands in moves that a store may have lost. KEYS: the set of the incarnation. ARGV: line number and move, in turn. */
export const TAIL = script(`
for i = 1, #ARGV, 2 do redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], 3600000)
`)

/** Lets everybody write again. KEYS: meta, the set. ARGV: the incarnation. */
export const FINISH = script(`
if redis.call('HGET', KEYS[1], 'healing') == ARGV[1] then redis.call('HDEL', KEYS[1], 'healing', 'until') end
redis.call('DEL', KEYS[2])
`)

/**
 * Drops a call or errand that has rested long enough, with its claim, its names, and transactions that settle nothing
 * else; the newest transaction of a settler stays, for its nonce. KEYS: meta. ARGV: prefix, id, kind, book, version, then
 * the names that it may hold, each as kind and name. Returns 1 when it is gone.
 */
export const DROP = script(`
local p, id, kind, book, version = unpack(ARGV, 1, 5)
local now = redis.call('GET', p .. 's:' .. id)
if not now or now:match('^%d+') ~= version then return 0 end
for i = 6, #ARGV, 2 do
  local name = p .. ARGV[i] .. ':' .. ARGV[i + 1]
  if redis.call('GET', name) == id then redis.call('DEL', name) end
end
redis.call('DEL', p .. 's:' .. id)
for _, set in ipairs({'all', 'resting', kind == 'call' and 'calls' or 'all', 'booked:' .. book}) do redis.call('ZREM', p .. set, id) end
for _, hash in ipairs(redis.call('LRANGE', p .. 'i:' .. id, 0, -1)) do
  local json = redis.call('GET', p .. 't:' .. hash)
  local tx = json and cjson.decode(json)
  local needed = not tx
  for _, item in ipairs(tx and tx.items or {}) do
    if redis.call('EXISTS', p .. 's:' .. item) == 1 then needed = true end
  end
  if not needed then
    local nonces = p .. 'nonces:' .. tx.chain .. ' ' .. tx.settler
    local last = redis.call('ZREVRANGE', nonces, 0, 0)[1]
    for _, row in ipairs(redis.call('ZRANGEBYSCORE', nonces, tx.nonce, tx.nonce)) do
      if row:sub(17) == hash and row ~= last then
        redis.call('ZREM', nonces, row)
        redis.call('DEL', p .. 't:' .. hash)
      end
    end
  end
end
redis.call('DEL', p .. 'i:' .. id)
return 1
`)

/** Cuts off the journal before a line. KEYS: meta, the journal. ARGV: the number of the first line that stays. */
export const CUT = script(`
redis.call('HSET', KEYS[1], 'first', ARGV[1])
return redis.call('XTRIM', KEYS[2], 'MINID', ARGV[1] .. '-0')
`)
