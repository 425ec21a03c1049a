/** The codes of errors. */
import type { constants } from 'node:os'

/**
 * The kind of failure, as a stable code, where no system call failed: of a {@link SluiceError}.
 *
 * | code | meaning |
 * | --- | --- |
 * | `ERR_SLUICE_CLOSED` | the object was closed, before or during the operation |
 * | `ERR_SLUICE_CORRUPT` | the peer wrote nonsense into shared memory, or into a pipe that carries handles; this end can only be closed |
 * | `ERR_SLUICE_DISCONNECTED` | the connection was lost while the message was under way: nobody knows whether it has arrived; or in the handshake |
 * | `ERR_SLUICE_FDS_LIMIT` | more descriptors came with a message than the connection takes |
 * | `ERR_SLUICE_FDS_TRUNCATED` | descriptors were lost on their way: this process has too many open |
 * | `ERR_SLUICE_HANDLES_LIMIT` | too many handles are on their way, or came with a message |
 * | `ERR_SLUICE_HANDLES_LOST` | handles that came with a message could not be taken from their sender: see `cause` |
 * | `ERR_SLUICE_HEARTBEAT_TIMEOUT` | nothing came from the peer of a connection with heartbeats |
 * | `ERR_SLUICE_INTERNAL` | a fault of sluice itself: please report it |
 * | `ERR_SLUICE_INVALID_ARGUMENT` | an argument is of the wrong type or out of range |
 * | `ERR_SLUICE_INVALID_STATE` | the call does not fit what was called before (commit without reserve) |
 * | `ERR_SLUICE_MESSAGE_INVALID` | a message that came cannot be decoded: see `cause` |
 * | `ERR_SLUICE_MESSAGE_TOO_LONG` | a message is longer than `maxMessageLength`, or than the system takes |
 * | `ERR_SLUICE_MESSAGE_TRUNCATED` | the connection ended in the middle of a message (`error.missing` bytes before its end) |
 * | `ERR_SLUICE_NATIVE_MISMATCH` | the binary is of another version than the JavaScript |
 * | `ERR_SLUICE_NATIVE_MISSING` | no binary of the addon fits this platform |
 * | `ERR_SLUICE_NOT_A_RING` | the shared memory holds something else |
 * | `ERR_SLUICE_PEER_CLOSED` | the consumer has closed and the ring is full |
 * | `ERR_SLUICE_PEER_DIED` | the process at the other end is gone without having closed |
 * | `ERR_SLUICE_QUEUE_FULL` | too many operations wait on one object |
 * | `ERR_SLUICE_REJECTED` | the other end refuses the connection in the handshake, or the token |
 * | `ERR_SLUICE_ROLE_TAKEN` | a living process already is the producer, or the consumer (`error.pid`) |
 * | `ERR_SLUICE_STREAM_ENDED` | the last stream has ended and its end was not read yet |
 * | `ERR_SLUICE_TIMEOUT` | the time was up |
 * | `ERR_SLUICE_UNREACHABLE` | a reconnecting connection has given up: see `cause` |
 * | `ERR_SLUICE_UNSEALED` | memory from someone else could be shrunk by them |
 * | `ERR_SLUICE_UNSUPPORTED` | this platform or runtime lacks it: see `capabilities()` |
 * | `ERR_SLUICE_UNTRUSTED_OWNER` | the named memory belongs to another user |
 * | `ERR_SLUICE_VERSION_MISMATCH` | the ring is of another major format version |
 */
export type SluiceErrorCode =
  | 'ERR_SLUICE_CLOSED'
  | 'ERR_SLUICE_CORRUPT'
  | 'ERR_SLUICE_DISCONNECTED'
  | 'ERR_SLUICE_FDS_LIMIT'
  | 'ERR_SLUICE_FDS_TRUNCATED'
  | 'ERR_SLUICE_HANDLES_LIMIT'
  | 'ERR_SLUICE_HANDLES_LOST'
  | 'ERR_SLUICE_HEARTBEAT_TIMEOUT'
  | 'ERR_SLUICE_INTERNAL'
  | 'ERR_SLUICE_INVALID_ARGUMENT'
  | 'ERR_SLUICE_INVALID_STATE'
  | 'ERR_SLUICE_MESSAGE_INVALID'
  | 'ERR_SLUICE_MESSAGE_TOO_LONG'
  | 'ERR_SLUICE_MESSAGE_TRUNCATED'
  | 'ERR_SLUICE_NATIVE_MISMATCH'
  | 'ERR_SLUICE_NATIVE_MISSING'
  | 'ERR_SLUICE_NOT_A_RING'
  | 'ERR_SLUICE_PEER_CLOSED'
  | 'ERR_SLUICE_PEER_DIED'
  | 'ERR_SLUICE_QUEUE_FULL'
  | 'ERR_SLUICE_REJECTED'
  | 'ERR_SLUICE_ROLE_TAKEN'
  | 'ERR_SLUICE_STREAM_ENDED'
  | 'ERR_SLUICE_TIMEOUT'
  | 'ERR_SLUICE_UNREACHABLE'
  | 'ERR_SLUICE_UNSEALED'
  | 'ERR_SLUICE_UNSUPPORTED'
  | 'ERR_SLUICE_UNTRUSTED_OWNER'
  | 'ERR_SLUICE_VERSION_MISMATCH'

/**
 * The system's name of the error, where a system call failed: `'ENOENT'`, `'ECONNREFUSED'`, as Node's
 * own errors have it; see {@link isSystemError}. On Windows it is the portable name that Node would
 * give; `'UNKNOWN'` is an error without such a name.
 */
export type SystemErrorCode =
  | Exclude<keyof typeof constants.errno, `WSA${string}`>
  | 'EAI_AGAIN'
  | 'ECHARSET'
  | 'EFTYPE'
  | 'EHOSTDOWN'
  | 'ENONET'
  | 'ENOTFOUND'
  | 'EOF'
  | 'EREMOTEIO'
  | 'ESHUTDOWN'
  | 'ESOCKTNOSUPPORT'
  | 'ETOOMANYREFS'
  | 'EUNATCH'
  | 'UNKNOWN'
