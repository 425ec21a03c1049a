// Large messages in one direction: copied in by one process, and out by the other or not at all.
import {
  childProcess,
  cppStream,
  memcpy,
  net,
  sluiceStream,
  workerThreads,
  zeromq,
} from './participants.mjs'

const length = 65_536

export default {
  id: 'large-messages',
  title: '64-KiB messages, one direction',
  unit: 'GB/s',
  value: ({ count, seconds }) => (count * length) / seconds / 1e9,
  participants: [
    sluiceStream('sluice-copy', 'sluice, copying in and out', 'copy', length),
    memcpy('memcpy-two-cores', 'memcpy in + out, 2 cores', 'two-cores', length),
    cppStream('cpp-copy', 'C++, copying in and out', 'copy', length),
    sluiceStream('sluice-copy-in', 'sluice, copying in', 'drain', length),
    memcpy('memcpy-in', 'memcpy in, 1 core', 'in', length),
    cppStream('cpp-copy-in', 'C++, copying in', 'copy-in', length),
    memcpy('memcpy-one-core', 'memcpy in + out, 1 core', 'one-core', length),
    net('stream', length),
    childProcess('stream', length),
    workerThreads('stream', length),
    zeromq('stream', length),
  ],
  rows: [
    {
      id: 'copy',
      title: '64 KiB, copying in and out',
      figure: 'sluice-copy',
      targets: { net: { atLeast: 20 }, 'memcpy-two-cores': { atLeast: 0.8 } },
      leaveOut: ['memcpy-in', 'cpp-copy-in'],
    },
    {
      id: 'copy-in',
      title: '64 KiB, copying in, read in place',
      figure: 'sluice-copy-in',
      targets: { net: { atLeast: 20 }, 'memcpy-in': { atLeast: 0.8 } },
      leaveOut: ['memcpy-two-cores', 'memcpy-one-core', 'cpp-copy'],
    },
  ],
}
