# The receiving end of systemd's notify protocol, for tests: Node.js has no unix datagram sockets. Prints each datagram
# as one JSON line. A descriptor that comes along (BARRIER=1) is closed at once, which is what its sender waits for.
import array
import json
import os
import socket
import sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps("listening"), flush=True)
while True:
    data, ancillary, _, _ = receiver.recvmsg(8192, 1024)
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors = array.array("i")
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
            for descriptor in descriptors:
                os.close(descriptor)
    print(json.dumps(data.decode()), flush=True)
