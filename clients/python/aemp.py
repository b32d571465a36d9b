"""A peer of aemp nodes in 25 lines of Python's standard library: JSON over a socket, the secret proved by HMAC."""
import contextlib, hashlib, hmac, json, os, socket, threading, time
class Peer:
    def __init__(self, name, address, secret):
        self.socket, self.lock = socket.create_connection(address), threading.Lock()
        self.bytes = self.socket.makefile("rb")
        self.socket.sendall(ours := f"aemp;1;{name};hmac_sha3_512;json\n{os.urandom(32).hex()}\n".encode())
        theirs = self.bytes.readline() + self.bytes.readline()
        proof = lambda a, b: hmac.new(secret.encode("latin-1"), a + b, hashlib.sha3_512).hexdigest().encode()
        self.socket.sendall(b"hmac_sha3_512;" + proof(ours, theirs) + b";json\n")
        _, answer, *_ = self.bytes.readline().split(b";") + [b"", b""]
        if theirs == ours or not hmac.compare_digest(answer, proof(theirs, ours)): raise ConnectionError("another secret, or closed")
        threading.Thread(target=self.keep_alive, daemon=True).start()
    def keep_alive(self):  # A node closes a connection that is silent for 30 s; [] is for nobody.
        with contextlib.suppress(OSError):
            while not self.send(): time.sleep(10)
    def send(self, *message):  # The port's name, then the elements. Nothing has to stand between messages.
        with self.lock: self.socket.sendall(json.dumps(message).encode())
    def messages(self, rest=b""):  # Until the connection ends. Ignore [] and the node's requests, which are for port "".
        while data := self.bytes.read1(65536):
            rest += data
            with contextlib.suppress(ValueError):  # The last message is not complete.
                while rest := rest.lstrip():
                    message, end = json.JSONDecoder().raw_decode(text := rest.decode(errors="ignore"))
                    rest = rest[len(text[:end].encode()):]
                    yield message
