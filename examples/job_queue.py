"""The client of examples/job_queue.rs: submits jobs, submits again what was not answered when the broker came back, and
counts each result once. `AEMP_SECRET=.. python3 examples/job_queue.py HOST PORT JOBS`"""
import os, pathlib, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients" / "python"))
from aemp import Peer

host, port, jobs, secret = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), os.environ["AEMP_SECRET"]
results, submitted, connections = {}, 0, 0
while len(results) < jobs:
    try:
        peer = Peer("python", (host, port), secret)
        connections += 1
        for job in range(jobs):
            if job not in results:
                peer.send("jobs", "Submit", {"id": job, "below": 1000 + 500 * job, "to": "python#results"})
                submitted += 1
        for message in peer.messages():
            if message[:1] == ["results"]:
                _, tag, job, primes = message
                assert tag == "Done" and results.setdefault(job, primes) == primes
                print(len(results), "jobs are done", flush=True)
                if len(results) == jobs:
                    break
    except OSError:
        time.sleep(0.1)  # The broker is away. What it knew is submitted again.
print(f"{len(results)} jobs, {sum(results.values())} primes, submitted {submitted} times over {connections} connections")
