"""The checks of python3-etcd3 by TLS: what certificate it shows, and who it is by that."""

import os

import etcd3
from checks import check, endpoints, equal, fails


def secured(name, authority="authority"):
    """A client that shows the certificate of that name, or none."""
    folder = os.environ["CONCLAVE_TLS_FOLDER"]
    host, port = endpoints[0]
    own = {"cert_cert": f"{folder}/{name}.pem", "cert_key": f"{folder}/{name}-key.pem"} if name else {}
    return etcd3.client(host=host, port=port, ca_cert=f"{folder}/{authority}.pem", timeout=5, **own)


def add():
    @check("keys, a watch, a lease and a lock")
    def basics(client):
        start = client.put("pt/a", "1").header.revision
        equal(client.get("pt/a")[0], b"1")
        events, cancel = client.watch("pt/a", start_revision=start)
        equal(next(events).value, b"1")
        cancel()
        lease = client.lease(60)
        client.put("pt/leased", "v", lease=lease)
        equal(lease.refresh()[0].TTL, 60)
        lease.revoke()
        equal(client.get("pt/leased"), (None, None))
        with client.lock("pt", ttl=60) as held:
            equal(held.is_acquired(), True)

    @check("who shows no certificate, a foreign or a revoked one is refused")
    def refused(_client):
        for name, authority in [(None, "authority"), ("stranger", "authority"), ("revoked", "authority"), ("app", "stranger")]:
            with fails(etcd3.exceptions.Etcd3Exception):
                secured(name, authority).get("pt/a")

    @check("a user is who its certificate says")
    def named(_client):
        rpc = etcd3.etcdrpc
        root = secured("root")
        auth = rpc.AuthStub(root.channel)
        for user in ["root", "app"]:
            auth.UserAdd(rpc.AuthUserAddRequest(name=user, password="unused"))
        auth.RoleAdd(rpc.AuthRoleAddRequest(name="hers"))
        permission = etcd3.etcdrpc.auth__pb2.Permission(permType=2, key=b"pt/", range_end=b"pt0")
        auth.RoleGrantPermission(rpc.AuthRoleGrantPermissionRequest(name="hers", perm=permission))
        auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="app", role="hers"))
        auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="root", role="root"))
        auth.AuthEnable(rpc.AuthEnableRequest())
        try:
            app = secured("app")
            app.put("pt/a", "hers")
            with fails(Exception, "permission denied"):
                app.put("other", "x")
            equal(root.get("pt/a")[0], b"hers")
        finally:
            auth.AuthDisable(rpc.AuthDisableRequest())
