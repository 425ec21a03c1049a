// Many small messages in one direction.
import {
  boost,
  childProcess,
  cppStream,
  machine,
  net,
  sluiceStream,
  workerThreads,
  zeromq,
} from './participants.mjs'

const length = 64

export default {
  id: 'small-messages',
  title: '64-byte messages, one direction',
  unit: 'messages/s',
  value: ({ count, seconds }) => count / seconds,
  machine,
  participants: [
    sluiceStream('sluice-zero-copy', 'sluice, reserve + peek', 'zero-copy', length),
    cppStream('cpp-zero-copy', 'C++, without copies', 'zero-copy', length),
    boost('eager'),
    boost('polite'),
    cppStream('cpp-copy', 'C++, copying in and out', 'copy', length),
    sluiceStream('sluice-write', 'sluice, tryWrite + drain', 'drain', length),
    net('stream', length),
    net('corked', length),
    childProcess('stream', length),
    workerThreads('stream', length),
    zeromq('stream', length),
  ],
  rows: [
    {
      id: 'reserve-peek',
      title: '64 B, reserve/commit + peek/release',
      figure: 'sluice-zero-copy',
      targets: {
        net: { atLeast: 60, worst: 20 },
        boost: { atLeast: 1.5 },
        'cpp-zero-copy': { atLeast: 0.7 },
      },
    },
    {
      id: 'write-drain',
      title: '64 B, tryWrite + drain',
      figure: 'sluice-write',
      targets: { net: { atLeast: 40 } },
    },
    {
      id: 'cpp',
      title: '64 B, our C++',
      figure: 'cpp-zero-copy',
      targets: { boost: { atLeast: 2 } },
    },
  ],
}
