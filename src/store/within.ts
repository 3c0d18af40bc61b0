/** Waits for an answer for at most so many ms, then rejects; the work itself goes on, and what becomes of it is nobody's any more. */
export const within = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), Math.max(ms, 0))
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
