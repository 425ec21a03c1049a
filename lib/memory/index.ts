/** Shared memory: named, anonymous, received from another process, or a mapped file. */
export { SharedMemory } from './shared_memory.js'
export type {
  AnonymousMemoryOptions,
  CreateMemoryOptions,
  FromFdOptions,
  FromHandleOptions,
  MapFileOptions,
  OpenMemoryOptions,
} from './shared_memory.js'
export type { SharedMemoryInfo } from './list.js'
