/** Where a thought or a call stood: among the blocks, or after so much of the text. */
export type Placed<B> = { block: B; index: number; offset?: number | undefined }

/**
 * The blocks of an answer in the order they had. What says where it stood stands there; text and then the rest fill up. A text
 * in one piece is cut where a thought stood inside it.
 */
export const arranged = <B>(
  text: string | readonly B[],
  placed: readonly Placed<B>[],
  rest: readonly B[],
  textBlock: (text: string) => B,
): B[] => {
  const whole = typeof text === 'string'
  const others = [...(whole ? [] : text), ...rest]
  const blocks: B[] = []
  let said = 0
  const say = (upTo: number): void => {
    if (!whole || upTo <= said) return
    blocks.push(textBlock(text.slice(said, upTo)))
    said = upTo
  }
  for (const { block, index, offset } of placed.toSorted((a, b) => a.index - b.index)) {
    if (offset !== undefined) say(Math.min(offset, text.length))
    else if (blocks.length < index) say(text.length)
    while (others.length > 0 && blocks.length < index) blocks.push(others.shift()!)
    blocks.push(block)
  }
  say(text.length)
  return [...blocks, ...others]
}
