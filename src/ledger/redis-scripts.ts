import { LUA_NOW, script } from '../store/store.ts'
import { LUA_SUMS } from './redis-lua.ts'

/**
 * Looks at the store. A server that is not the one that was written to last may lack its last moves, whether or not
 * anybody can tell: the epoch goes up, and older quotes are refused. KEYS: meta. ARGV: unix seconds. Returns incarnation,
 * seq, hash, epoch, 1 when it is another server, and 1 while it is being healed.
 */
export const LOOK = script(`
local m = redis.call('HMGET', KEYS[1], 'inc', 'seq', 'hash', 'epoch', 'server')
if not m[1] then return {} end
local server = redis.call('INFO', 'replication'):match('master_replid:(%x+)')
local ill = redis.call('HEXISTS', KEYS[1], 'healing')
if m[5] == server then return {m[1], m[2], m[3], m[4], 0, ill} end
local epoch = m[4]
if m[5] then epoch = string.format('%.0f', math.max(tonumber(m[4]) + 1, tonumber(ARGV[1]))) end
redis.call('HSET', KEYS[1], 'server', server, 'epoch', epoch)
return {m[1], m[2], m[3], epoch, m[5] and 1 or 0, ill}
`)

/** Opens a ledger, or makes it. KEYS: meta. ARGV: schema, a fresh incarnation, unix seconds. Returns schema, incarnation, seq, hash, epoch. */
export const OPEN = script(`
if not redis.call('HGET', KEYS[1], 'inc') then
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'inc', ARGV[2], 'seq', '0', 'hash', '', 'epoch', ARGV[3], 'n', '0')
end
return redis.call('HMGET', KEYS[1], 'schema', 'inc', 'seq', 'hash', 'epoch')
`)

/** Raises a number in meta, never lowers it. KEYS: meta. ARGV: field, value. Returns what stands; fails where there is no ledger. */
export const RAISE = script(`${LUA_SUMS}
if not redis.call('HGET', KEYS[1], 'inc') then return redis.error_reply('the store was lost') end
local now = redis.call('HGET', KEYS[1], ARGV[1])
if not now or add(ARGV[2], minus(now)):sub(1, 1) ~= '-' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  return ARGV[2]
end
return now
`)

/** How long a healer that says nothing may go on alone, ms. */
const HEALER_MS = 4_000

/**
 * Takes over a store that has lost moves: the first who finds it raises the epoch, names a new incarnation and may write
 * alone until it has healed it or was silent for four seconds. KEYS: meta. ARGV: schema, the incarnation that the caller knew,
 * a fresh one, unix seconds, the epoch that it knew, what it found. Returns its role and what stands now; its last, `from`,
 * is the incarnation whose lines `cut` counts.
 */
export const HEAL = script(`
local m = redis.call('HMGET', KEYS[1], 'inc', 'seq', 'hash', 'epoch', 'healing', 'until', 'cut', 'from', 'first')
${LUA_NOW}local inc, role, cut, from = m[1], 'helper', m[7] or '0', m[8] or ''
if not inc or inc == ARGV[2] then
  inc, role, from = ARGV[3], 'healer', ARGV[2]
  -- Where two lines of history part nobody knows: at the first line that is there, at the earliest.
  cut = ARGV[6] == 'fork' and string.format('%.0f', tonumber(m[9] or '1') - 1) or m[2] or '0'
  local epoch = math.max(tonumber(m[4] or '0'), tonumber(ARGV[4]), tonumber(ARGV[5])) 
  if epoch <= tonumber(ARGV[5]) then epoch = tonumber(ARGV[5]) + 1 end
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'inc', inc, 'seq', m[2] or '0', 'hash', m[3] or '',
    'epoch', string.format('%.0f', epoch), 'healing', inc, 'cut', cut, 'from', from)
  redis.call('HSETNX', KEYS[1], 'n', '0')
elseif not m[5] then
  -- Made anew by an instance that knew nothing, or healed without us: what we remember is still to be written.
  role = 'healer'
  local epoch = math.max(tonumber(m[4]), tonumber(ARGV[5]) + 1)
  redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch), 'healing', inc)
elseif now > tonumber(m[6]) then
  role = 'healer'
end
if role == 'healer' then redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ${HEALER_MS})) end
local s = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'epoch')
return {role, inc, s[1], s[2], s[3], cut, from}
`)

/** For who waits: takes over from a healer that has ended before it was done. KEYS: meta. ARGV: the incarnation. Returns 1 to who heals now. */
export const TAKE_OVER = script(`
local m = redis.call('HMGET', KEYS[1], 'healing', 'until')
${LUA_NOW}if m[1] ~= ARGV[1] or now <= tonumber(m[2]) then return 0 end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ${HEALER_MS}))
return 1
`)

/** The healer is still at work. KEYS: meta. ARGV: the incarnation. */
export const HEALS = script(`
${LUA_NOW}if redis.call('HGET', KEYS[1], 'healing') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ${HEALER_MS}))
end
`)

/**
 * Hands in moves that a store may have lost, as long as it is being healed. KEYS: meta, the set of the incarnation. ARGV:
 * the incarnation, then line number and move, in turn. Returns 0 when the healing is over: whoever comes later heals.
 */
export const TAIL = script(`
if redis.call('HGET', KEYS[1], 'healing') ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[2], 3600000)
return 1
`)

/** Lets everybody write again. KEYS: meta, the set. ARGV: the incarnation, how many moves were written. Returns 0 when more were handed in meanwhile. */
export const FINISH = script(`
if redis.call('HGET', KEYS[1], 'healing') ~= ARGV[1] then return 1 end
if redis.call('ZCARD', KEYS[2]) ~= tonumber(ARGV[2]) then return 0 end
redis.call('HDEL', KEYS[1], 'healing', 'until')
redis.call('DEL', KEYS[2])
return 1
`)

/**
 * Drops a call or errand that has rested long enough, with its claim, its names, and transactions that settle nothing
 * else; the newest transaction of a settler stays, for its nonce. KEYS: meta. ARGV: prefix, id, book, version, then
 * the names that it may hold, each as kind and name. Returns 1 when it is gone.
 */
export const DROP = script(`
local p, id, book, version = unpack(ARGV, 1, 4)
local now = redis.call('GET', p .. 's:' .. id)
if not now or now:match('^%d+') ~= version then return 0 end
for i = 5, #ARGV, 2 do
  local name = p .. ARGV[i] .. ':' .. ARGV[i + 1]
  if redis.call('GET', name) == id then redis.call('DEL', name) end
end
redis.call('DEL', p .. 's:' .. id)
for _, set in ipairs({'all', 'resting', 'booked:' .. book}) do redis.call('ZREM', p .. set, id) end
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

/** Drops counters. KEYS: meta, the counters. ARGV: their names. Returns how many there were. */
export const FORGET = script(`return redis.call('HDEL', KEYS[2], unpack(ARGV))`)

/** Cuts off the journal before a line. KEYS: meta, the journal. ARGV: the number of the first line that stays. */
export const CUT = script(`
redis.call('HSET', KEYS[1], 'first', ARGV[1])
return redis.call('XTRIM', KEYS[2], 'MINID', ARGV[1] .. '-0')
`)
