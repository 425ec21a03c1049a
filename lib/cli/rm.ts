import { isSystemError, Ring, SharedMemory, type RingView } from '../index.js'
import { CommandFailure, exitCodes, isForbidden, messageOf } from './failure.js'
import { notesOf } from './notes.js'
import { printable } from './printable.js'
import { isInUse, unfinished, viewRing } from './rings.js'
import { namesOutlive } from './session.js'
import { print } from './stdout.js'

export interface RmOptions {
  force?: boolean
  dead?: boolean
}

const note = notesOf('rm', false)

// On Windows, of every ring that there is.
const stillOpen = 'is open in some process; it goes with the last of them, and cannot be removed'

/** `sluice rm`: removes what it may, complains about the rest. */
export async function rm(names: string[], options: RmOptions): Promise<void> {
  if (options.dead === true) {
    if (names.length > 0) removeDead(names, options.force === true)
    else removeDead(await candidates(), options.force === true)
    return
  }
  if (names.length === 0) {
    throw new CommandFailure('name the rings to remove, or give --dead', exitCodes.usage)
  }
  const complaints: string[] = []
  for (const name of names) {
    try {
      removeOne(name, options.force === true)
    } catch (error) {
      complaints.push(complaintAbout(name, error))
    }
  }
  if (complaints.length > 0) throw new CommandFailure(complaints.join('\nsluice rm: '))
}

/**
 * All that may be a ring. Any program's memory is without bytes for a moment: a ring of which there is
 * no more than that is removed only by its name.
 */
async function candidates(): Promise<string[]> {
  const objects = await SharedMemory.list()
  for (const { name } of objects.filter(({ size }) => size === 0)) {
    if (unfinished(name) !== 'half-made') continue
    note(
      `${name} has no bytes; if it is a ring whose creator has died, "rm --dead ${name}" removes it`,
    )
  }
  return objects.filter(({ size }) => size > 0).map(({ name }) => name)
}

function removeDead(names: string[], force: boolean): void {
  for (const name of names) {
    const ring = lookOrNote(name)
    if (ring === undefined) removeUnfinished(name)
    // One that nobody has used yet was perhaps made just now.
    if (ring === undefined || isInUse(ring) || !wasUsed(ring)) continue
    if (ring.used > 0 && !force) {
      // Such as what "send --no-wait" has left for a receiver to come.
      note(`${name} holds ${String(ring.used)} undelivered bytes; --force removes it`)
      continue
    }
    if (!namesOutlive) {
      note(`${name} ${stillOpen}`)
      continue
    }
    try {
      SharedMemory.unlink(name)
    } catch (error) {
      note(complaintAbout(name, error)) // the others are removed all the same
      continue
    }
    print(`removed ${printable(name)}\n`)
  }
}

/** Removes a ring that its creator has left half made when it died. */
function removeUnfinished(name: string): void {
  try {
    if (unfinished(name) !== 'half-made' || !Ring.removeHalfMade(name)) return
  } catch (error) {
    note(complaintAbout(name, error))
    return
  }
  print(`removed ${printable(name)}, half made by a creator that has died\n`)
}

function wasUsed({ producer, consumer }: RingView): boolean {
  return producer.state !== 'never' || consumer.state !== 'never'
}

const explained = {
  'being-made': 'being made just now; --force removes its name',
  'half-made': 'only half made, by a creator that has died; --force removes it, and so does --dead',
}

function removeOne(name: string, force: boolean): void {
  if (!force) {
    const ring = viewRing(name)
    if (ring === undefined) {
      // Throws what says more: it does not exist, or this user may not.
      const state = unfinished(name)
      if (state !== undefined) throw new CommandFailure(`${name} is ${explained[state]}`)
      SharedMemory.open(name, { readOnly: true, owner: 'any' }).close()
      throw new CommandFailure(`${name} is not a ring, or not a finished one; --force removes it`)
    }
    if (isInUse(ring)) {
      throw new CommandFailure(`${name} is in use by ${users(ring)}; --force removes its name`)
    }
  }
  SharedMemory.unlink(name)
  if (!namesOutlive) throw new CommandFailure(`${name} ${stillOpen}`)
}

/** Undefined also for what cannot be looked at, which is said: the others are looked at all the same. */
function lookOrNote(name: string): RingView | undefined {
  try {
    return viewRing(name)
  } catch (error) {
    note(complaintAbout(name, error))
    return undefined
  }
}

function users({ producer, consumer }: RingView): string {
  return [producer, consumer]
    .filter(({ alive }) => alive !== false)
    .map(({ pid }) => `process ${String(pid)}`)
    .join(' and ')
}

function complaintAbout(name: string, error: unknown): string {
  const shown = printable(name)
  if (isSystemError(error, 'ENOENT')) return `there is no ${shown}`
  if (isForbidden(error)) return `${shown}: permission denied`
  return printable(messageOf(error))
}
