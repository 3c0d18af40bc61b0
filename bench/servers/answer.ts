/** The child's side of `ServerProcess`: says where it listens, and answers questions by name. */
export const serveParent = (
  url: string,
  answers: Readonly<Record<string, (arg: never) => unknown>>,
): void => {
  process.on('message', async ({ n, ask, arg }: { n: number; ask: string; arg: unknown }) => {
    const answer = answers[ask]
    if (answer) process.send?.({ n, answer: await answer(arg as never) })
  })
  process.send?.({ ready: url })
}
