/** Names of the errors of Windows. */
import type { SystemErrorCode } from './error_codes.js'

/**
 * The codes of GetLastError that the calls made here are known to fail with, winerror.h's name of
 * each, and the portable name, which is the one of libuv's `uv_translate_sys_error` (its writing
 * calls' for a broken pipe). Where libuv knows none there is one here if a name of POSIX fits.
 */
const names: readonly (readonly [number, string, SystemErrorCode])[] = [
  [1, 'ERROR_INVALID_FUNCTION', 'EISDIR'],
  [2, 'ERROR_FILE_NOT_FOUND', 'ENOENT'],
  [3, 'ERROR_PATH_NOT_FOUND', 'ENOENT'],
  [4, 'ERROR_TOO_MANY_OPEN_FILES', 'EMFILE'],
  [5, 'ERROR_ACCESS_DENIED', 'EPERM'],
  [6, 'ERROR_INVALID_HANDLE', 'EBADF'],
  [8, 'ERROR_NOT_ENOUGH_MEMORY', 'ENOMEM'],
  [14, 'ERROR_OUTOFMEMORY', 'ENOMEM'],
  [15, 'ERROR_INVALID_DRIVE', 'ENOENT'],
  [19, 'ERROR_WRITE_PROTECT', 'EROFS'],
  [21, 'ERROR_NOT_READY', 'EIO'],
  [31, 'ERROR_GEN_FAILURE', 'EIO'],
  [32, 'ERROR_SHARING_VIOLATION', 'EBUSY'],
  [33, 'ERROR_LOCK_VIOLATION', 'EBUSY'],
  [38, 'ERROR_HANDLE_EOF', 'EOF'],
  [39, 'ERROR_HANDLE_DISK_FULL', 'ENOSPC'],
  [50, 'ERROR_NOT_SUPPORTED', 'ENOTSUP'],
  [53, 'ERROR_BAD_NETPATH', 'ENOENT'],
  [64, 'ERROR_NETNAME_DELETED', 'ECONNRESET'],
  [80, 'ERROR_FILE_EXISTS', 'EEXIST'],
  [87, 'ERROR_INVALID_PARAMETER', 'EINVAL'],
  [109, 'ERROR_BROKEN_PIPE', 'EPIPE'],
  [110, 'ERROR_OPEN_FAILED', 'EIO'],
  [112, 'ERROR_DISK_FULL', 'ENOSPC'],
  [121, 'ERROR_SEM_TIMEOUT', 'ETIMEDOUT'],
  [122, 'ERROR_INSUFFICIENT_BUFFER', 'EINVAL'],
  [123, 'ERROR_INVALID_NAME', 'ENOENT'],
  [161, 'ERROR_BAD_PATHNAME', 'ENOENT'],
  [170, 'ERROR_BUSY', 'EBUSY'],
  [183, 'ERROR_ALREADY_EXISTS', 'EEXIST'],
  [206, 'ERROR_FILENAME_EXCED_RANGE', 'ENAMETOOLONG'],
  [230, 'ERROR_BAD_PIPE', 'EPIPE'],
  [231, 'ERROR_PIPE_BUSY', 'EBUSY'],
  [232, 'ERROR_NO_DATA', 'EPIPE'],
  [233, 'ERROR_PIPE_NOT_CONNECTED', 'EPIPE'],
  [234, 'ERROR_MORE_DATA', 'EMSGSIZE'],
  [258, 'WAIT_TIMEOUT', 'ETIMEDOUT'],
  [267, 'ERROR_DIRECTORY', 'ENOENT'],
  [487, 'ERROR_INVALID_ADDRESS', 'EINVAL'],
  [534, 'ERROR_ARITHMETIC_OVERFLOW', 'EINVAL'],
  [535, 'ERROR_PIPE_CONNECTED', 'EISCONN'],
  [536, 'ERROR_PIPE_LISTENING', 'EAGAIN'],
  [995, 'ERROR_OPERATION_ABORTED', 'ECANCELED'],
  [996, 'ERROR_IO_INCOMPLETE', 'EAGAIN'],
  [997, 'ERROR_IO_PENDING', 'EAGAIN'],
  [998, 'ERROR_NOACCESS', 'EFAULT'],
  [1006, 'ERROR_FILE_INVALID', 'EINVAL'],
  [1131, 'ERROR_POSSIBLE_DEADLOCK', 'EDEADLK'],
  [1132, 'ERROR_MAPPED_ALIGNMENT', 'EINVAL'],
  [1168, 'ERROR_NOT_FOUND', 'ENOENT'],
  [1224, 'ERROR_USER_MAPPED_FILE', 'EBUSY'],
  [1307, 'ERROR_INVALID_OWNER', 'EPERM'],
  [1314, 'ERROR_PRIVILEGE_NOT_HELD', 'EPERM'],
  [1326, 'ERROR_LOGON_FAILURE', 'EACCES'],
  [1336, 'ERROR_INVALID_ACL', 'EINVAL'],
  [1337, 'ERROR_INVALID_SID', 'EINVAL'],
  [1338, 'ERROR_INVALID_SECURITY_DESCR', 'EINVAL'],
  [1346, 'ERROR_BAD_IMPERSONATION_LEVEL', 'EPERM'],
  [1347, 'ERROR_CANT_OPEN_ANONYMOUS', 'EPERM'],
  [1368, 'ERROR_CANNOT_IMPERSONATE', 'EPERM'],
  [1450, 'ERROR_NO_SYSTEM_RESOURCES', 'ENOMEM'],
  [1453, 'ERROR_WORKING_SET_QUOTA', 'ENOMEM'],
  [1455, 'ERROR_COMMITMENT_LIMIT', 'ENOMEM'],
  [1460, 'ERROR_TIMEOUT', 'ETIMEDOUT'],
  [1816, 'ERROR_NOT_ENOUGH_QUOTA', 'ENOMEM'],
  [259, 'ERROR_NO_MORE_ITEMS', 'UNKNOWN'],
  [1008, 'ERROR_NO_TOKEN', 'UNKNOWN'],
  [1332, 'ERROR_NONE_MAPPED', 'UNKNOWN'],
]

// libuv's pipes have names of their own for a call, so that a program that listens on sockets and
// on pipes can ask for the same ones.
const namesOfCalls: Partial<Record<string, Partial<Record<string, SystemErrorCode>>>> = {
  CreateNamedPipe: {
    ERROR_ACCESS_DENIED: 'EADDRINUSE', // a server has the name, and is its first
    ERROR_PIPE_BUSY: 'EADDRINUSE', // it has all the instances that there may be
    ERROR_PATH_NOT_FOUND: 'EACCES',
    ERROR_INVALID_NAME: 'EACCES',
  },
}

/** The names of a code of GetLastError, when this call failed with it. */
export function windowsError(
  syscall: string,
  number: number,
): { code: SystemErrorCode; win32: string } {
  const [, win32, code] = names.find(([known]) => known === number) ?? [
    0,
    'ERROR_UNKNOWN',
    'UNKNOWN',
  ]
  return { code: namesOfCalls[syscall]?.[win32] ?? code, win32 }
}
