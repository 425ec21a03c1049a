/** Addresses of `listen` and `connect`, on the command line beside what a command takes otherwise. */
import { parseAddress, type Address } from '../index.js'
import { requireFitting, type MeetOptions } from './connected/meet.js'
import { CommandFailure, exitCodes, isSluiceError } from './failure.js'

/** Whether it is meant as an address, right or wrong: as one with a scheme, or as a URL. */
export function isAddress(text: string): boolean {
  return /^(unix|pipe|shm|tcp):/i.test(text) || /^\w+:\/\//.test(text)
}

/** A wrong one is wrong usage. */
export function addressOf(text: string): Address {
  try {
    return parseAddress(text)
  } catch (error) {
    if (!isSluiceError(error, 'ERR_SLUICE_INVALID_ARGUMENT')) throw error
    throw new CommandFailure(error.message, exitCodes.usage)
  }
}

/** The target of `send` and `recv` as an address; undefined when it is the name of a ring. */
export function targetAddress(
  target: string,
  options: MeetOptions & { owner?: unknown; wait?: boolean },
): Address | undefined {
  if (isAddress(target)) {
    const address = addressOf(target)
    requireFitting(address, options)
    return address
  }
  if (options.listen !== true) return undefined
  throw new CommandFailure(
    '--listen is for addresses; a ring is made by whoever comes first',
    exitCodes.usage,
  )
}
