/** The states of test/fixtures/states.mjs, in which a thread may be ended. */
export const states = [
  'readSync',
  'waitSync',
  'writeSync',
  'producer waitSync',
  'read',
  'write',
  'consume',
  'consume, looking',
  'consume, busy',
  'iterator',
  'read stream',
  'write stream',
  'draining',
  'throwing',
  'idle',
] as const
