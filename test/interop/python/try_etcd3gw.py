"""Tries python3-etcd3gw, which speaks to the JSON gateway, on the servers that are given."""

import json
import threading

import requests
from checks import ask, check, endpoints, equal, eventually, fails, run
from etcd3gw import exceptions
from etcd3gw.client import Etcd3Client
from etcd3gw.utils import _encode


@check("put, get, create, replace and delete")
def keys(client):
    equal(client.put("gw/a", "one"), True)
    equal(client.get("gw/a"), [b"one"])
    [(value, metadata)] = client.get("gw/a", metadata=True)
    equal((value, metadata["key"], metadata["version"]), (b"one", b"gw/a", "1"))
    equal(metadata["create_revision"], metadata["mod_revision"])
    equal(client.create("gw/a", "two"), False)
    equal(client.replace("gw/a", "one", "two"), True)
    equal(client.replace("gw/a", "one", "three"), False)
    equal(client.delete("gw/a"), True)
    equal(client.delete("gw/a"), False)
    equal(client.get("gw/a"), [])
    client.put("gw/bytes", bytes(range(256)))
    equal(client.get("gw/bytes"), [bytes(range(256))])
    client.put("gw/empty", "")
    equal(client.get("gw/empty"), [b""])


@check("prefixes, order, limits, and deleting a prefix")
def ranges(client):
    for number, value in enumerate(["z", "y", "x"]):
        client.put(f"gw/range/{number}", value)
    told = lambda answers: [value for value, _ in answers]
    equal(told(client.get_prefix("gw/range/")), [b"z", b"y", b"x"])
    equal(told(client.get_prefix("gw/range/", sort_order="descend")), [b"x", b"y", b"z"])
    equal(told(client.get_prefix("gw/range/", sort_order="ascend", sort_target="value")), [b"x", b"y", b"z"])
    equal(client.get("gw/range/", range_end=_encode("gw/range0"), limit=1), [b"z"])
    equal(client.get("gw/range/", range_end=_encode("gw/range0"), count_only=True), [])
    equal(len(client.get_all()) >= 3, True)
    equal(client.delete_prefix("gw/range/"), True)
    equal(client.get_prefix("gw/range/"), [])


@check("transactions: either half")
def transactions(client):
    client.put("gw/txn", "1")
    ask_for = lambda value: client.transaction({
        "compare": [{"key": _encode("gw/txn"), "result": "EQUAL", "target": "VALUE", "value": _encode(value)}],
        "success": [{"request_range": {"key": _encode("gw/txn")}}],
        "failure": [{"request_delete_range": {"key": _encode("gw/txn")}}],
    })
    answer = ask_for("1")
    equal(answer["succeeded"], True)
    equal(answer["responses"][0]["response_range"]["kvs"][0]["value"], "MQ==")
    answer = ask_for("2")
    equal("succeeded" in answer, False)
    equal(answer["responses"][0]["response_delete_range"]["deleted"], "1")
    put = {"request_put": {"key": _encode("gw/twice"), "value": ""}}
    with fails(exceptions.Etcd3Exception, "duplicate key given in txn request"):
        client.transaction({"success": [put, put]})


@check("leases: keys, time to live, refresh, revoke, and those that are not there")
def leases(client):
    lease = client.lease(300)
    client.put("gw/leased", "v", lease=lease)
    equal(lease.keys(), [b"gw/leased"])
    equal(250 < lease.ttl() <= 300, True)
    equal(lease.refresh(), 300)
    equal(lease.revoke(), True)
    equal(client.get("gw/leased"), [])
    equal(lease.ttl(), -1)
    equal(lease.refresh(), -1)
    with fails(exceptions.Etcd3Exception, "requested lease not found"):
        lease.revoke()


@check("locks: one at a time, the next when it is released")
def locks(client):
    first, second = client.lock("gw", ttl=60), client.lock("gw", ttl=60)
    equal(first.acquire(), True)
    equal(second.acquire(), False)
    equal((first.is_acquired(), second.is_acquired()), (True, False))
    equal(first.refresh(), 60)
    equal(first.release(), True)
    equal(second.acquire(), True)
    equal(second.release(), True)


@check("watches: of a key, of a prefix, from a revision; each event by itself")
def watches(client):
    events, cancel = client.watch("gw/watch/a")
    for number in range(20):
        client.put("gw/watch/a", str(number))
    client.delete("gw/watch/a")
    seen = [next(events) for _ in range(21)]
    equal([each["kv"].get("value") for each in seen[:20]], [str(number).encode() for number in range(20)])
    equal(seen[20]["type"], "DELETE")
    cancel()
    start = int(seen[0]["kv"]["mod_revision"])
    events, cancel = client.watch_prefix("gw/watch/", start_revision=start + 19, prev_kv=True)
    equal(next(events)["prev_kv"]["value"], _encode("18"))
    cancel()
    with fails(exceptions.WatchTimedOut):
        client.watch_once("gw/watch/b", timeout=0.1)
    # Put until the watch has told of it: nobody knows from when on it watches.
    told = threading.Event()

    def put_again():
        while not told.wait(0.2):
            connect(*endpoints[0]).put("gw/watch/b", "v")

    again = threading.Thread(target=put_again)
    again.start()
    try:
        equal(client.watch_prefix_once("gw/watch/", timeout=30)["kv"]["value"], b"v")
    finally:
        told.set()
        again.join()


@check("members, status, alarms, hash, a snapshot in lines")
def operations(client):
    members = client.members()
    equal(len(members), len(endpoints))
    status = client.status()
    equal(status["leader"] in [each["ID"] for each in members], True)
    equal(int(status["dbSize"]) > 0, True)
    equal("alarms" in client.post(client.get_url("/maintenance/alarm"), json={"action": "GET"}), False)
    equal(int(client.post(client.get_url("/maintenance/hash"), json={})["hash"]) > 0, True)
    lines = requests.post(client.get_url("/maintenance/snapshot"), json={}, stream=True, timeout=30).iter_lines()
    equal("blob" in json.loads(next(lines))["result"], True)


@check("another member answers when the leader's process is killed")
def crash(client):
    client.put("gw/crash", "before")
    ask("kill-leader")

    def written():
        for host, port in endpoints:
            other = connect(host, port)
            try:
                other.put("gw/crash", "after")
                return other.get("gw/crash") == [b"after"]
            except exceptions.Etcd3Exception:
                pass
        return False

    eventually(written)
    ask("revive")
    eventually(lambda: client.get("gw/crash") == [b"after"])


@check("who may do what while authentication is on", needs="auth")
def authentication(client):
    post = lambda path, **body: client.post(client.get_url(path), json=body)
    post("/auth/user/add", name="root", password="top")
    post("/auth/user/grant", user="root", role="root")
    post("/auth/user/add", name="ann", password="secret")
    post("/auth/role/add", name="writer")
    permission = {"permType": "READWRITE", "key": _encode("gw/own/"), "range_end": _encode("gw/own0")}
    post("/auth/role/grant", name="writer", perm=permission)
    post("/auth/user/grant", user="ann", role="writer")
    post("/auth/enable")
    token = lambda name, password: post("/auth/authenticate", name=name, password=password)["token"]
    root = token("root", "top")
    try:
        with fails(exceptions.Etcd3Exception, "user name is empty"):
            client.put("gw/auth", "v")
        with fails(exceptions.Etcd3Exception, "authentication failed, invalid user ID or password"):
            token("ann", "wrong")
        client.session.headers["Authorization"] = token("ann", "secret")
        client.put("gw/own/1", "v")
        equal(client.get_prefix("gw/own/")[0][0], b"v")
        with fails(exceptions.Etcd3Exception, "permission denied"):
            client.put("gw/auth", "v")
    finally:
        client.session.headers["Authorization"] = root
        post("/auth/disable")
    del client.session.headers["Authorization"]
    client.put("gw/auth", "v")
    post("/auth/user/delete", name="ann")
    post("/auth/role/delete", role="writer")


def connect(host, port):
    return Etcd3Client(host=host, port=port, api_path="/v3/")


run(connect)
