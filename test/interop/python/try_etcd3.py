"""Tries python3-etcd3, which speaks gRPC, on the servers that are given."""

import hashlib
import io
import os
import threading

import etcd3
import secured
from checks import ask, check, endpoints, equal, eventually, fails, forget, run


@check("put, get, delete, with metadata and previous values")
def keys(client):
    client.put("py/a", "one")
    put = client.put("py/a", "two", prev_kv=True)
    equal(put.prev_kv.value, b"one")
    value, metadata = client.get("py/a")
    equal((value, metadata.key, metadata.version), (b"two", b"py/a", 2))
    equal(metadata.mod_revision, put.header.revision)
    equal(metadata.create_revision, put.header.revision - 1)
    equal(client.get("py/a", serializable=True)[0] is not None, True)
    equal(client.delete("py/a", prev_kv=True, return_response=True).prev_kvs[0].value, b"two")
    equal(client.delete("py/a"), False)
    equal(client.get("py/a"), (None, None))


@check("prefixes, ranges, order, and deleting a prefix")
def ranges(client):
    for number, value in enumerate([b"z", b"y", b"x"]):
        client.put(f"py/range/{number}", value)
    told = lambda answers: [value for value, _ in answers]
    equal(told(client.get_prefix("py/range/")), [b"z", b"y", b"x"])
    equal(told(client.get_prefix("py/range/", sort_order="descend")), [b"x", b"y", b"z"])
    equal(told(client.get_prefix("py/range/", sort_order="ascend", sort_target="value")), [b"x", b"y", b"z"])
    equal(told(client.get_prefix("py/range/", keys_only=True)), [b"", b"", b""])
    equal(told(client.get_range("py/range/0", "py/range/2")), [b"z", b"y"])
    equal(len(list(client.get_all())) >= 3, True)
    equal(client.get_prefix_response("py/range/").count, 3)
    equal(client.delete_prefix("py/range/").deleted, 3)


@check("transactions: either half, nested, put if absent, replace")
def transactions(client):
    on = client.transactions
    equal(client.put_if_not_exists("py/once", "1"), True)
    equal(client.put_if_not_exists("py/once", "2"), False)
    equal(client.replace("py/once", "1", "3"), True)
    equal(client.replace("py/once", "1", "4"), False)
    succeeded, answers = client.transaction(
        compare=[on.value("py/once") == "3", on.version("py/once") > 1, on.create("py/none") == 0, on.mod("py/once") != 1],
        success=[
            on.put("py/then", "yes"),
            on.get("py/once"),
            on.txn(compare=[on.version("py/none") == 0], success=[on.delete("py/once")], failure=[]),
        ],
        failure=[on.put("py/then", "no")],
    )
    equal(succeeded, True)
    equal(answers[1][0][0], b"3")
    equal(answers[2].response_txn.succeeded, True)
    equal(client.get("py/then")[0], b"yes")
    equal(client.get("py/once"), (None, None))
    put = on.put("py/twice", "v")
    with fails(Exception, "duplicate key given in txn request"):
        client.transaction(compare=[], success=[put, put], failure=[])


@check("leases: keys, time to live, refresh, revoke, and those that are not there")
def leases(client):
    lease = client.lease(300)
    client.put("py/leased", "v", lease=lease)
    equal((lease.granted_ttl, list(lease.keys)), (300, [b"py/leased"]))
    equal(250 < lease.remaining_ttl <= 300, True)
    equal(lease.refresh()[0].TTL, 300)
    lease.revoke()
    equal(client.get("py/leased"), (None, None))
    equal(lease.remaining_ttl, -1)
    equal(lease.refresh()[0].TTL, 0)
    chosen = client.lease(300, lease_id=4711)
    equal(chosen.id, 4711)
    with fails(Exception, "lease already exists"):
        client.lease(300, lease_id=4711)
    chosen.revoke()
    with fails(Exception, "requested lease not found"):
        chosen.revoke()


@check("a lease that nobody refreshes takes its key with it")
def expiry(client):
    events, cancel = client.watch("py/short")
    client.put("py/short", "v", lease=client.lease(2))
    equal([type(next(events)).__name__ for _ in range(2)], ["PutEvent", "DeleteEvent"])
    cancel()


@check("locks: one at a time, free for the next when released")
def locks(client):
    first, second = client.lock("py", ttl=60), client.lock("py", ttl=60)
    equal(first.acquire(), True)
    equal(second.acquire(timeout=0), False)
    equal(first.is_acquired(), True)
    equal(first.refresh()[0].TTL, 60)
    equal(first.release(), True)
    # Asked anew instead of waited for: its wait calls the tenacity that Debian has with arguments of an older one, and
    # raises TypeError wherever the lock is not free at once.
    equal(second.acquire(timeout=0), True)
    equal(first.release(), False)
    equal(second.release(), True)
    with client.lock("py") as held:
        equal(held.is_acquired(), True)


@check("watches: of a prefix, from a revision, with previous values, by callback, cancelled")
def watches(client):
    start = client.put("py/watch/a", "1").header.revision
    client.put("py/watch/a", "2")
    client.delete("py/watch/a")
    events, cancel = client.watch_prefix("py/watch/", start_revision=start, prev_kv=True)
    seen = [next(events) for _ in range(3)]
    equal([(type(each).__name__, each.key, each.value) for each in seen], [
        ("PutEvent", b"py/watch/a", b"1"),
        ("PutEvent", b"py/watch/a", b"2"),
        ("DeleteEvent", b"py/watch/a", b""),
    ])
    equal([each.prev_value for each in seen], [b"", b"1", b"2"])
    cancel()
    equal(list(events), [])
    told, arrived = [], threading.Event()
    number = client.add_watch_callback("py/watch/b", lambda answer: (told.append(answer.events[0].value), arrived.set()))
    client.put("py/watch/b", "3")
    arrived.wait(30)
    equal(told, [b"3"])
    client.cancel_watch(number)
    with fails(etcd3.exceptions.WatchTimedOut):
        client.watch_once("py/watch/b", timeout=0.1)
    equal(client.watch_once("py/watch/a", start_revision=start, timeout=30).value, b"1")


@check("a watch from a compacted revision fails with the first that there is")
def compaction(client):
    old = client.put("py/compacted", "1").header.revision
    now = client.put("py/compacted", "2").header.revision
    client.compact(now, physical=True)
    events, _ = client.watch("py/compacted", start_revision=old)
    with fails(etcd3.exceptions.RevisionCompactedError):
        next(events)
    with fails(Exception, "required revision has been compacted"):
        client.compact(now)


@check("members, status, hash, alarms, defragmenting")
def operations(client):
    members = list(client.members)
    equal(len(members), len(endpoints))
    equal(sorted(url for each in members for url in each.client_urls), sorted(f"http://{host}:{port}" for host, port in endpoints))
    status = client.status()
    equal(status.leader.id in [each.id for each in members], True)
    equal(status.db_size > 0 and status.raft_index > 0 and status.raft_term > 0, True)
    equal(status.version.split(".")[0], "3")
    equal(client.hash() > 0, True)
    equal(list(client.list_alarms()), [])
    equal(list(members[0].active_alarms), [])
    client.defragment()


@check("an alarm for want of space refuses puts until it is disarmed")
def alarms(client):
    [raised] = client.create_alarm()
    equal([(each.alarm_type, each.member_id) for each in client.list_alarms()], [(raised.alarm_type, raised.member_id)])
    with fails(Exception, "database space exceeded"):
        client.put("py/full", "v")
    equal(len(client.disarm_alarm()), 1)
    client.put("py/full", "v")


@check("a learner that was added is changed and removed", needs="membership")
def membership(client):
    rpc = etcd3.etcdrpc
    # etcd takes no change before its members have been connected for some seconds. A learner, which this client does
    # not know of, costs the others no quorum: field 2 of the request says that it is one.
    request = rpc.MemberAddRequest.FromString(rpc.MemberAddRequest(peerURLs=["http://127.0.0.1:9"]).SerializeToString() + b"\x10\x01")
    added = []
    eventually(lambda: added.append(client.clusterstub.MemberAdd(request)) is None)
    with fails(Exception, "Peer URLs already exists"):
        client.add_member(["http://127.0.0.1:9", "http://127.0.0.1:10"])
    client.update_member(added[0].member.ID, ["http://127.0.0.1:11"])
    equal(["http://127.0.0.1:11"] in [list(each.peer_urls) for each in client.members], True)
    client.remove_member(added[0].member.ID)
    equal(len(list(client.members)), len(endpoints))
    with fails(Exception, "member not found"):
        client.remove_member(added[0].member.ID)


@check("a snapshot ends with the hash of what came before")
def snapshot(client):
    file = io.BytesIO()
    client.snapshot(file)
    data = file.getvalue()
    equal(len(data) % 512, 32)
    equal(hashlib.sha256(data[:-32]).digest(), data[-32:])


@check("another member answers when the leader's process is killed")
def crash(client):
    client.put("py/crash", "before")
    ask("kill-leader")

    def written():
        for host, port in endpoints:
            with etcd3.client(host=host, port=port, timeout=2) as other:
                try:
                    other.put("py/crash", "after")
                    return other.get("py/crash")[0] == b"after"
                except etcd3.exceptions.Etcd3Exception:
                    pass
        return False

    eventually(written)
    ask("revive")
    eventually(lambda: client.get("py/crash")[0] == b"after")


def login(user, password):
    host, port = endpoints[0]
    client = etcd3.client(host=host, port=port, user=user, password=password)
    # gRPC refuses to send these without TLS; the token is in the metadata too, where etcd looks for it.
    client.call_credentials = None
    return client


@check("who may do what while authentication is on", needs="auth")
def authentication(client):
    rpc = etcd3.etcdrpc
    auth = rpc.AuthStub(client.channel)
    auth.UserAdd(rpc.AuthUserAddRequest(name="root", password="top"))
    auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="root", role="root"))
    auth.UserAdd(rpc.AuthUserAddRequest(name="ann", password="secret"))
    auth.RoleAdd(rpc.AuthRoleAddRequest(name="reader"))
    auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="ann", role="reader"))
    auth.AuthEnable(rpc.AuthEnableRequest())
    root = login("root", "top")
    try:
        with fails(Exception, "user name is empty"):
            client.put("py/auth", "v")
        with fails(Exception, "authentication failed, invalid user ID or password"):
            login("ann", "wrong")
        root.put("py/auth", "v")
        ann = login("ann", "secret")
        with fails(Exception, "permission denied"):
            ann.get("py/auth")
    finally:
        rpc.AuthStub(root.channel).AuthDisable(rpc.AuthDisableRequest(), metadata=root.metadata)
    equal(client.get("py/auth")[0], b"v")
    auth.UserDelete(rpc.AuthUserDeleteRequest(name="ann"))
    auth.RoleDelete(rpc.AuthRoleDeleteRequest(role="reader"))


if "CONCLAVE_TLS_FOLDER" in os.environ:
    forget()
    secured.add()
    run(lambda _host, _port: secured.secured("app"))
else:
    run(lambda host, port: etcd3.client(host=host, port=port))
