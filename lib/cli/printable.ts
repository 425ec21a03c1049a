/**
 * Text that other users have chosen, such as a ring's name, for a terminal or a log: control
 * characters, which could move the cursor, set a title or begin a line of their own, are shown as
 * in JSON (`\u001b`). So are those that turn the direction of text round, and halves of characters.
 */
export function printable(text: string): string {
  return text.replace(unprintable, escaped)
}

/** The same for several lines of our own. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
