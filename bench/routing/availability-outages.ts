/** How a host fails while it is down: an error at once, a refused connection, or silence. */
export type Manner = 'error' | 'refused' | 'silent'
export type Outage = { from: number; to: number; manner: Manner }

/** A host, the share of time that it is up, and how it answers when it is. */
export type HostModel = { id: string; up: number; firstMs: number; dollars: [string, string] }

export type World = {
  hosts: readonly HostModel[]
  /** Of the downtime of the best host this share has a cause that takes all hosts down at once (0..1). */
  shared: number
  /** Mean length of an outage, ms. */
  meanMs: number
  /** How long is simulated, ms. */
  spanMs: number
}

/** All hosts down at once by chance, and by the shared cause: nobody can answer then. */
export const boundOf = ({ hosts, shared }: Pick<World, 'hosts' | 'shared'>): number => {
  const common = commonOf({ hosts, shared })
  const alone = hosts.reduce((all, { up }) => all * ownOf(up, common), 1)
  return 1 - (common + (1 - common) * alone)
}

const commonOf = ({ hosts, shared }: Pick<World, 'hosts' | 'shared'>): number =>
  shared * Math.min(...hosts.map(({ up }) => 1 - up))

/** Share of time that a host is down for its own reasons, so that with the shared cause it is up as often as it should. */
const ownOf = (up: number, common: number): number => (1 - up - common) / (1 - common)

/** Outages of each host in order: times up and down are exponential, causes independent but for the shared one. */
export const outagesOf = (world: World, random: () => number): Outage[][] => {
  const common = together(commonOf(world), world, random)
  return world.hosts.map(({ up }) => {
    const own = series(ownOf(up, commonOf(world)), world, random)
    return [...own, ...common].sort((a, b) => a.from - b.from)
  })
}

const series = (down: number, { meanMs, spanMs }: World, random: () => number): Outage[] => {
  const found: Outage[] = []
  if (down <= 0) return found
  const upMs = (meanMs * (1 - down)) / down
  for (let at = exponential(upMs, random); at < spanMs; ) {
    const to = at + exponential(meanMs, random)
    const roll = random()
    found.push({ from: at, to, manner: roll < 0.5 ? 'error' : roll < 0.75 ? 'refused' : 'silent' })
    at = to + exponential(upMs, random)
  }
  return found
}

/** The shared cause strikes as often and as long as it is expected to, at random times: so rare a thing would else be luck. */
const together = (down: number, { meanMs, spanMs }: World, random: () => number): Outage[] => {
  if (down <= 0) return []
  const total = down * spanMs
  const times = Math.max(1, Math.round(total / meanMs))
  return Array.from({ length: times }, (_, i): Outage => {
    const from = random() * (spanMs - total)
    return { from, to: from + total / times, manner: MANNERS[i % MANNERS.length]! }
  }).sort((a, b) => a.from - b.from)
}

const MANNERS: readonly Manner[] = ['error', 'silent', 'error', 'refused']

const exponential = (mean: number, random: () => number): number => -mean * Math.log(1 - random())

/** Looks up who is down when; asked with times that never go back by more than an outage. */
export const downAt = (outages: readonly Outage[]): ((ms: number) => Outage | undefined) => {
  const ends = outages.reduce<number[]>(
    (all, one) => [...all.slice(-1), Math.max(all.at(-1) ?? 0, one.to)],
    [],
  )
  let first = 0
  const last = ends.at(-1) ?? 0
  return (ms) => {
    if (ms > last) return undefined
    while (first > 0 && outages[first]!.from > ms - BACK_MS) first--
    while (first + 1 < outages.length && outages[first]!.to < ms - BACK_MS) first++
    for (let i = first; i < outages.length && outages[i]!.from <= ms; i++)
      if (ms < outages[i]!.to) return outages[i]
    return undefined
  }
}

const BACK_MS = 600_000

/** Stretches of time during which somebody is down, with room before and after; all else is uneventful. */
export const eventful = (
  all: readonly (readonly Outage[])[],
  beforeMs: number,
  afterMs: number,
): [number, number][] => {
  const sorted = all.flat().sort((a, b) => a.from - b.from)
  const merged: [number, number][] = []
  for (const { from, to } of sorted) {
    const last = merged.at(-1)
    if (last && from - beforeMs <= last[1]) last[1] = Math.max(last[1], to + afterMs)
    else merged.push([Math.max(0, from - beforeMs), to + afterMs])
  }
  return merged
}
