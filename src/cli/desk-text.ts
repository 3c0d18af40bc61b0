/** A text with what a terminal would obey or not show (a name may hold it) written as JSON writes it, line ends too. */
export const visible = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) =>
    one
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )

/** Prints single lines so. */
export const visibly =
  (out: (line: string) => void): ((line: string) => void) =>
  (line) =>
    out(visible(line))
