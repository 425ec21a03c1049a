// Larger messages in one direction: copied in by one process, and out by the other or not at all.
import {
  capacity,
  childProcess,
  cppStream,
  machine,
  memcpy,
  net,
  sluiceStream,
  workerThreads,
  zeromq,
} from './participants.mjs'

const kib = 1024

export const oneKib = scenario('messages-1-kib', '1 KiB', kib, capacity)
export const sixtyFourKib = scenario('large-messages', '64 KiB', 64 * kib, capacity, {
  atLeast: 0.9,
})
// A message is half a ring at most, less two headers.
export const oneMib = scenario('messages-1-mib', '1 MiB', kib * kib, 4 * kib * kib)

function scenario(id, size, length, bytes, besideMemcpy) {
  const targets = (memcpyId) => ({
    net: { atLeast: 1 },
    ...(besideMemcpy && { [memcpyId]: besideMemcpy }),
  })
  const suffix = length === 64 * kib ? '' : `-${size.replace(' ', '-').toLowerCase()}`
  return {
    id,
    title: `${size} messages, one direction`,
    unit: 'GB/s',
    value: ({ count, seconds }) => (count * length) / seconds / 1e9,
    machine,
    participants: [
      sluiceStream('sluice-copy', 'sluice, copying in and out', 'copy', length, bytes),
      memcpy('memcpy-two-cores', 'memcpy in + out, 2 cores', 'two-cores', length, bytes),
      cppStream('cpp-copy', 'C++, copying in and out', 'copy', length, bytes),
      sluiceStream('sluice-copy-in', 'sluice, copying in', 'drain', length, bytes),
      memcpy('memcpy-in', 'memcpy in, 1 core', 'in', length, bytes),
      cppStream('cpp-copy-in', 'C++, copying in', 'copy-in', length, bytes),
      memcpy('memcpy-one-core', 'memcpy in + out, 1 core', 'one-core', length, bytes),
      net('stream', length),
      childProcess('stream', length),
      workerThreads('stream', length),
      zeromq('stream', length),
    ],
    rows: [
      {
        id: `copy${suffix}`,
        title: `${size}, copying in and out`,
        figure: 'sluice-copy',
        targets: targets('memcpy-two-cores'),
        leaveOut: ['memcpy-in', 'cpp-copy-in'],
      },
      {
        id: `copy-in${suffix}`,
        title: `${size}, copying in, read in place`,
        figure: 'sluice-copy-in',
        targets: targets('memcpy-in'),
        leaveOut: ['memcpy-two-cores', 'memcpy-one-core', 'cpp-copy'],
      },
    ],
  }
}
