import io.etcd.jetcd.Auth;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.auth.Permission.Type;
import io.etcd.jetcd.options.WatchOption;
import io.grpc.netty.GrpcSslContexts;
import java.io.File;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** By TLS: what certificate is shown, and who a client is by that. */
final class SecuredChecks {
  static void add() {
    Checks.check("keys, a watch, a lease and a lock", client -> {
      var kv = client.getKVClient();
      long start = Checks.ok(kv.put(Checks.bytes("jt/a"), Checks.bytes("1"))).getHeader().getRevision();
      Checks.equal(Checks.ok(kv.get(Checks.bytes("jt/a"))).getKvs().get(0).getValue(), Checks.bytes("1"));
      try (var seen = new WatchChecks.Seen(client, "jt/a", WatchOption.builder().withRevision(start))) {
        Checks.equal(seen.events(1), List.of("PUT jt/a=1"));
      }
      long lease = Checks.ok(client.getLeaseClient().grant(60)).getID();
      LeaseChecks.put(client, "jt/leased", lease);
      BlockingQueue<Long> beats = new LinkedBlockingQueue<>();
      try (var alive = client.getLeaseClient().keepAlive(lease, LeaseChecks.into(beats))) {
        Checks.equal(Checks.next(beats), lease);
      }
      var lock = Checks.ok(client.getLockClient().lock(Checks.bytes("jt/lock"), lease)).getKey();
      Checks.ok(client.getLockClient().unlock(lock));
      Checks.ok(client.getLeaseClient().revoke(lease));
      Checks.equal(Checks.ok(kv.get(Checks.bytes("jt/leased"))).getCount(), 0L);
    });
    Checks.check("who shows no certificate, a foreign or a revoked one is refused", client -> {
      refused("", "authority");
      refused("stranger", "authority");
      refused("revoked", "authority");
      refused("app", "stranger");
    });
    Checks.check("a user is who its certificate says", nobody -> {
      try (Client root = connect("root", "authority"); Client app = connect("app", "authority")) {
        Auth auth = root.getAuthClient();
        Checks.ok(auth.userAdd(Checks.bytes("root"), Checks.bytes("unused")));
        Checks.ok(auth.userAdd(Checks.bytes("app"), Checks.bytes("unused")));
        Checks.ok(auth.roleAdd(Checks.bytes("hers")));
        Checks.ok(auth.roleGrantPermission(Checks.bytes("hers"), Checks.bytes("jt/"), Checks.bytes("jt0"), Type.READWRITE));
        Checks.ok(auth.userGrantRole(Checks.bytes("app"), Checks.bytes("hers")));
        Checks.ok(auth.userGrantRole(Checks.bytes("root"), Checks.bytes("root")));
        Checks.ok(auth.authEnable());
        try {
          Checks.ok(app.getKVClient().put(Checks.bytes("jt/a"), Checks.bytes("hers")));
          Checks.fails(app.getKVClient().put(Checks.bytes("other"), Checks.bytes("x")), "permission denied");
          Checks.equal(Checks.ok(root.getKVClient().get(Checks.bytes("jt/a"))).getCount(), 1L);
        } finally {
          Checks.ok(auth.authDisable());
        }
      }
    });
  }

  /** A client that shows the certificate of that name; none where it is empty. */
  static Client connect(String name, String authority) throws Exception {
    String folder = System.getenv("CONCLAVE_TLS_FOLDER");
    var context = GrpcSslContexts.forClient().trustManager(new File(folder, authority + ".pem"));
    if (!name.isEmpty()) context.keyManager(new File(folder, name + ".pem"), new File(folder, name + "-key.pem"));
    String endpoint = Checks.endpoints.get(0).replace("http://", "https://");
    return Client.builder().endpoints(endpoint).authority("localhost").sslContext(context.build()).build();
  }

  private static void refused(String name, String authority) throws Exception {
    Object answer;
    try (Client client = connect(name, authority)) {
      answer = client.getKVClient().get(Checks.bytes("jt/a")).get(1, TimeUnit.SECONDS);
    } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException refused) {
      return;
    }
    throw new AssertionError(name + " was answered: " + answer);
  }

  private SecuredChecks() {}
}
