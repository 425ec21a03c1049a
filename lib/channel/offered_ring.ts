/**
 * How a server's rings come to its client: as descriptors of memory without a name; on Windows by names that
 * nobody can guess, in sections that are open to this user alone, and that go with the last process which
 * has them open.
 */
import { SluiceError } from '../core/errors.js'
import { descriptorStatus } from '../memory/descriptor_status.js'
import { headerSize } from '../ring/layout.js'
import { Ring } from '../ring/ring.js'
import type { Attachment } from './control.js'

export type Direction = 'to-server' | 'to-client'

const byName = process.platform === 'win32'

/** Descriptors that come with an offer. */
export const attachmentsOfOffer = byName ? 0 : 2

/** `token`: the offer's own, as random as the names have to be. */
export function makeRing(capacity: number, token: Buffer, direction: Direction): Ring {
  return byName ? Ring.create(nameOf(token, direction), { capacity }) : Ring.anonymous({ capacity })
}

/** The numbers by which rings are sent. */
export function attachmentsOf(rings: readonly Ring[]): number[] {
  return byName ? [] : rings.map(({ fd }) => fd)
}

/** The ring that was offered; on Linux its memory must be sealed. */
export function openRing(
  attachment: Attachment | undefined,
  capacity: number,
  token: Buffer,
  direction: Direction,
): Ring {
  const ring =
    attachment === undefined
      ? Ring.open(nameOf(token, direction), { timeout: 0 })
      : Ring.fromFd(attachment.number, { requireSeals: process.platform === 'linux' })
  if (ring.capacity === capacity && hasLength(attachment, headerSize + capacity)) return ring
  ring.close()
  throw new SluiceError('ERR_SLUICE_NOT_A_RING', 'the memory is not of the size that was offered')
}

function hasLength(attachment: Attachment | undefined, length: number): boolean {
  return attachment === undefined || descriptorStatus(attachment.number).size === BigInt(length)
}

function nameOf(token: Buffer, direction: Direction): string {
  return `sluice-channel-${token.toString('hex')}-${direction}`
}
