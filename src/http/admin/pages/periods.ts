/** Days and hours as analytics name them: `2026-11-21`, `2026-11-21T05`, all of UTC. */
const DAY_MS = 86_400_000

/** The last so many days, today included. */
export const daysBack = (now: number, days: number): { from: string; to: string } => ({
  from: dayOf(now - (days - 1) * DAY_MS),
  to: dayOf(now),
})

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** When a bucket begins, ms. */
export const bucketTime = (bucket: string): number =>
  Date.parse(bucket.length === 10 ? `${bucket}T00:00:00Z` : `${bucket}:00:00Z`)

/** A bucket for people: "21 Nov" or "21 Nov 05:00". */
export const bucketLabel = (bucket: string): string => {
  const day = new Date(bucketTime(bucket)).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'short',
    timeZone: 'UTC',
  })
  return bucket.length === 10 ? day : `${day} ${bucket.slice(11)}:00`
}
