// Many small messages in one direction, several of them published at once.
import { cppStream, machine, net, sluiceStream } from './participants.mjs'

const length = 64

export default {
  id: 'corked-messages',
  title: '64-byte messages, corked by 16, one direction',
  unit: 'messages/s',
  value: ({ count, seconds }) => count / seconds,
  machine,
  participants: [
    sluiceStream('sluice-corked', 'sluice, reserve + peek, corked', 'corked', length),
    cppStream('cpp-corked', 'C++, without copies, corked', 'corked', length),
    net('corked', length),
  ],
  rows: [
    {
      id: 'corked',
      title: '64 B, corked by 16',
      figure: 'sluice-corked',
      targets: { 'net-corked': { atLeast: 1.5 } },
    },
  ],
}
