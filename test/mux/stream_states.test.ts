/** Each frame in each state: allowed as the table says, and fatal otherwise. */
import { describe, expect, test } from 'vitest'

import {
  nextReceiveState,
  nextSendState,
  ReceiveEvent,
  ReceiveState,
  SendEvent,
  SendState,
} from '../../lib/mux/stream_states.js'
import { sluiceError } from '../support/rings.js'

/** The table as the comment in lib/mux/stream_states.ts has it. */
const atTheSender = `
           open   data   fin       reset     credit    stop      done
  free     open   -      -         -         -         -         -
  open     -      open   ended     reset     open      stopped   -
  stopped  -      -      answered  answered  stopped   -         -
  ended    -      -      -         -         ended     answered  free
  reset    -      -      -         -         reset     answered  free
  answered -      -      -         -         answered  -         free`

const atTheReceiver = `
           open   data     blocked  fin       reset     stop     consumed  done
  free     open   -        -        -         -         -        -         -
  open     -      open     open     ended     finished  stopped  -         -
  stopped  -      stopped  stopped  finished  finished  -        -         -
  ended    -      -        -        -         -         -        finished  -
  finished -      -        -        -         -         -        -         free`

type Row = [state: string, event: string, next: string]

function cells(table: string): Row[] {
  const [events = [], ...rows] = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ +/))
  return rows.flatMap(([state = '', ...next]) =>
    events.map((event, index): Row => [state, event, next[index] ?? '']),
  )
}

describe('at the sender', () => {
  test.each(cells(atTheSender))('of a stream that is %s, %s leads to: %s', (state, event, next) => {
    const step = () =>
      nextSendState(
        SendState[state as keyof typeof SendState],
        SendEvent[event as keyof typeof SendEvent],
      )
    const fromPeer = ['credit', 'stop', 'done'].includes(event)
    if (next !== '-') expect(SendState[step()]).toBe(next)
    else expect(step).toThrow(sluiceError(fromPeer ? 'ERR_SLUICE_CORRUPT' : 'ERR_SLUICE_INTERNAL'))
  })
})

describe('at the receiver', () => {
  test.each(cells(atTheReceiver))(
    'of a stream that is %s, %s leads to: %s',
    (state, event, next) => {
      const step = () =>
        nextReceiveState(
          ReceiveState[state as keyof typeof ReceiveState],
          ReceiveEvent[event as keyof typeof ReceiveEvent],
        )
      const fromPeer = ['open', 'data', 'blocked', 'fin', 'reset'].includes(event)
      if (next !== '-') expect(ReceiveState[step()]).toBe(next)
      else
        expect(step).toThrow(sluiceError(fromPeer ? 'ERR_SLUICE_CORRUPT' : 'ERR_SLUICE_INTERNAL'))
    },
  )
})
