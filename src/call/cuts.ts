/** Ends what still streams when the process can wait no longer. */
export type Cuts = {
  /** To be told when it is time, with the reason; returns how to be told no more. Told at once when that was before. */
  add: (cut: (why: string) => void) => () => void
  all: (why: string) => void
}

export const createCuts = (): Cuts => {
  const running = new Set<(why: string) => void>()
  let over: string | undefined
  return {
    add: (cut) => {
      if (over !== undefined) cut(over)
      running.add(cut)
      return () => void running.delete(cut)
    },
    all: (why) => {
      over = why
      for (const cut of running) cut(why)
    },
  }
}
