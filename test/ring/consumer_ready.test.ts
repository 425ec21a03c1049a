import { expect, test } from 'vitest'

import { ringWithEnds, sluiceError } from '../support/rings.js'

test('ready resolves with true when there is a message, which stays in the ring', async () => {
  const { producer, consumer } = ringWithEnds()
  const ready = consumer.ready()
  await producer.write(Buffer.from('abc'))
  expect(await ready).toBe(true)
  expect(await consumer.ready()).toBe(true)
  expect(consumer.peek()).toBe(3)
  consumer.release()
  expect(consumer.peek()).toBe(-1)
})

test('ready resolves with false at the end of the stream', async () => {
  const { producer, consumer } = ringWithEnds()
  const ready = consumer.ready()
  producer.close()
  expect(await ready).toBe(false)
  expect(await consumer.ready()).toBe(false)
  expect(consumer.ended).toBe(true)
})

test('ready can be cancelled, by a time, by a signal, and by closing', async () => {
  const { consumer } = ringWithEnds()
  await expect(consumer.ready({ timeout: 1 })).rejects.toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
  const stop = new AbortController()
  const ready = consumer.ready({ signal: stop.signal })
  stop.abort('enough')
  await expect(ready).rejects.toBe('enough')
  const closed = consumer.ready()
  consumer.close()
  await expect(closed).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
})

test('ready rejects when the producer is gone without having closed', async () => {
  const { producer, consumer } = ringWithEnds()
  const ready = consumer.ready()
  producer.abandon()
  await expect(ready).rejects.toEqual(sluiceError('ERR_SLUICE_PEER_DIED', { pid: process.pid }))
})
