"""A peer of aemp nodes in 25 lines of Python's standard library: JSON over a socket, the secret proved by HMAC."""
import contextlib, hashlib, hmac, json, os, socket, threading, time
class Peer:
    def __init__(self, name, address, secret):
        self.socket = socket.create_connection(address)
        self.bytes = self.socket.makefile("rb")
        ours = f"aemp;1;{name};hmac_sha3_512;json\n{os.urandom(32).hex()}\n".encode()
        self.socket.sendall(ours)
        theirs = self.bytes.readline() + self.bytes.readline()
        proof = lambda a, b: hmac.new(secret.encode("latin-1"), a + b, hashlib.sha3_512).hexdigest()
        self.socket.sendall(f"hmac_sha3_512;{proof(ours, theirs)};json\n".encode())
        if proof(theirs, ours).encode() not in self.bytes.readline(): raise ConnectionError("closed, or another secret")
        threading.Thread(target=self.keep_alive, daemon=True).start()
    def keep_alive(self):  # A node closes a connection that is silent for 30 s; [] is for nobody.
        with contextlib.suppress(OSError):
            while not self.send(): time.sleep(10)
    def send(self, *message):  # The port's name, then the elements. Nothing has to stand between messages.
        self.socket.sendall(json.dumps(message).encode())
    def messages(self, rest=b""):  # Until the connection ends. Ignore [] and the node's requests, which are for port "".
        while data := self.bytes.read1(65536):
            rest += data
            with contextlib.suppress(ValueError):  # The last message is not complete.
                while rest := rest.lstrip():
                    message, end = json.JSONDecoder().raw_decode(text := rest.decode(errors="ignore"))
                    rest = rest[len(text[:end].encode()):]
                    yield message
