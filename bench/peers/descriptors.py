# One end of a Unix socket over which descriptors go, one with each message.
import array
import json
import os
import socket
import sys
import time

settings = json.loads(sys.argv[1])
path, length = settings["path"], settings["length"]


def wait_for_start():
    os.write(1, b"ready\n")
    if not os.read(0, 1):
        sys.exit(1)


if settings["role"] == "listen":
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)
    wait_for_start()
    connection, _ = server.accept()
    begin = time.perf_counter() + settings["warmUpMs"] / 1000
    count = first = 0
    is_open = False
    while True:
        _, fds, _, _ = socket.recv_fds(connection, 65536, 253)
        for fd in fds:
            os.close(fd)
        count += len(fds)
        now = time.perf_counter()
        if not is_open:
            if now >= begin:
                is_open, begin, first = True, now, count
        elif now - begin >= settings["measureMs"] / 1000:
            print(json.dumps({"count": count - first, "seconds": now - begin}), flush=True)
            os.read(0, 1)
            sys.exit()
else:
    wait_for_start()
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    null = os.open("/dev/null", os.O_RDONLY)
    message = bytes(length)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null]))]
    while True:
        client.sendmsg([message], ancillary)
