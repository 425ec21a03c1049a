/** Every test file leaves as many descriptors, threads, mappings and names as it found. */
import { stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect } from 'vitest'

import '../../lib/index.js'
import { eventually, resources, type Resources } from './resources.js'

let before: Resources

beforeAll(async () => {
  // Starts all threads of libuv's pool, which otherwise come with the first file operations.
  await Promise.all(Array.from({ length: 16 }, () => stat('.')))
  before = resources()
})

afterAll(async () => {
  await eventually(
    () => isDeepStrictEqual(resources(), before),
    () => {
      expect(resources(), 'the test file left something behind').toEqual(before)
      return 'the test file left something behind'
    },
  )
})
