/**
 * The version of this package, as its package.json has it: `'0.1.0'`. The binary is of the same.
 *
 * @example
 * ```ts
 * console.log(`sluice ${version}`)
 * ```
 */
export const version = SLUICE_VERSION

/** Put in when this is compiled (tsup.config.ts), so that a bundle knows it without package.json. */
declare const SLUICE_VERSION: string
