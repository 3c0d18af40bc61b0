import { LUA_NOW, script } from './store.ts'

/*
 * Keys, all after the prefix `{name}:rec:`: `<table>:row:<id>` a hash of v (version), j (JSON), k (its index values, as
 * `<index>:<value>` apart by spaces) and u (until); `<table>:ids` and `<table>:by:<index>:<value>` sorted sets of ids,
 * all with score 0; `due` what ends when; `rev` the revisions; `op:<id>` what a write was answered.
 */

/** Seconds for which a write is remembered: far longer than it is sent again. */
const REMEMBERED = 60
/** Rows whose time has come that one write takes out of the sorted sets. */
const SWEPT = 20
/** Ids that one listing looks at, or so many kilobytes: Redis does nothing else meanwhile. */
const LOOKED = 2_000

/** KEYS: revisions. ARGV: prefix, id of the operation, then for each write: table, id, the version it must have or "", put or drop, JSON, index values, until or "". Returns "ok" or the number of the stale write; the same operation sent again gets the first answer. */
export const WRITE = script(`${LUA_NOW}
local p, op = ARGV[1], ARGV[1] .. 'op:' .. ARGV[2]
local done = redis.call('GET', op)
if done then return done end
local function answer(text)
  redis.call('SET', op, text, 'EX', ${REMEMBERED})
  return text
end
local function row(tab, id) return p .. tab .. ':row:' .. id end
for i = 3, #ARGV, 7 do
  local wanted = ARGV[i + 2]
  if wanted ~= '' and (redis.call('HGET', row(ARGV[i], ARGV[i + 1]), 'v') or '0') ~= wanted then
    return answer(tostring((i - 3) / 7))
  end
end
local function due(tab, id, keys) return tab .. ' ' .. id .. ' ' .. keys end
local function clear(tab, id)
  local old = redis.call('HMGET', row(tab, id), 'v', 'k', 'u')
  if not old[1] then return 0 end
  for key in old[2]:gmatch('%S+') do redis.call('ZREM', p .. tab .. ':by:' .. key, id) end
  if old[3] ~= '' then redis.call('ZREM', p .. 'due', due(tab, id, old[2])) end
  return tonumber(old[1])
end
local function put(tab, id, json, keys, till)
  local version = clear(tab, id) + 1
  redis.call('HSET', row(tab, id), 'v', version, 'j', json, 'k', keys, 'u', till)
  redis.call('ZADD', p .. tab .. ':ids', 0, id)
  for key in keys:gmatch('%S+') do redis.call('ZADD', p .. tab .. ':by:' .. key, 0, id) end
  if till == '' then
    redis.call('PERSIST', row(tab, id))
  else
    redis.call('PEXPIREAT', row(tab, id), till)
    redis.call('ZADD', p .. 'due', till, due(tab, id, keys))
  end
end
for i = 3, #ARGV, 7 do
  local tab, id, _, kind, json, keys, till = unpack(ARGV, i, i + 6)
  if kind == 'put' then
    put(tab, id, json, keys, till)
  else
    clear(tab, id)
    redis.call('DEL', row(tab, id))
    redis.call('ZREM', p .. tab .. ':ids', id)
  end
  -- From the clock: after a flush it must not come to a number that it had before.
  redis.call('HSETNX', KEYS[1], tab, string.format('%.0f', now))
  redis.call('HINCRBY', KEYS[1], tab, 1)
end
-- A second later than due: by then Redis has surely let go of the row, or it is another one.
local past = redis.call('ZRANGEBYSCORE', p .. 'due', '-inf', string.format('%.0f', now - 1000), 'LIMIT', 0, ${SWEPT})
for _, one in ipairs(past) do
  local tab, id, keys = one:match('^(%S+) (%S+) (.*)$')
  local has = redis.call('HGET', row(tab, id), 'k')
  if not has then redis.call('ZREM', p .. tab .. ':ids', id) end
  for key in keys:gmatch('%S+') do
    if not has or not (' ' .. has .. ' '):find(' ' .. key .. ' ', 1, true) then
      redis.call('ZREM', p .. tab .. ':by:' .. key, id)
    end
  end
  redis.call('ZREM', p .. 'due', one)
end
return answer('ok')
`)

/** KEYS: any. ARGV: prefix, table, ids. Returns JSON and version of each in turn. */
export const MANY = script(`
local rows = {}
for i = 3, #ARGV do
  local row = redis.call('HMGET', ARGV[1] .. ARGV[2] .. ':row:' .. ARGV[i], 'j', 'v')
  rows[#rows + 1] = row[1]
  rows[#rows + 1] = row[2]
end
return rows
`)

/** KEYS: any. ARGV: prefix, table, least id, least id beyond, `<index>:<value>` or "", up or down, limit. Returns the id to go on after, or "", then id, JSON and version of each row in turn. Takes ids whose row has ended out of the set. */
export const LIST = script(`
local p, tab, low, high, key, way, limit = unpack(ARGV)
limit = tonumber(limit)
local set = p .. tab .. (key == '' and ':ids' or ':by:' .. key)
low, high = '[' .. low, '(' .. high
local rows, looked, last = {''}, 0, nil
while #rows < limit * 3 do
  local room = math.min(limit - (#rows - 1) / 3, 100)
  local ids
  if way == 'up' then
    ids = redis.call('ZRANGEBYLEX', set, last and '(' .. last or low, high, 'LIMIT', 0, room)
  else
    ids = redis.call('ZREVRANGEBYLEX', set, last and '(' .. last or high, low, 'LIMIT', 0, room)
  end
  for _, id in ipairs(ids) do
    local row = redis.call('HMGET', p .. tab .. ':row:' .. id, 'j', 'v', 'k')
    if row[1] and (key == '' or (' ' .. row[3] .. ' '):find(' ' .. key .. ' ', 1, true)) then
      rows[#rows + 1] = id
      rows[#rows + 1] = row[1]
      rows[#rows + 1] = row[2]
      looked = looked + #row[1] / 1000
    else
      redis.call('ZREM', set, id)
    end
    last = id
  end
  if #ids < room then break end
  looked = looked + #ids
  if looked >= ${LOOKED} then
    rows[1] = last
    break
  end
end
return rows
`)
