import io.etcd.jetcd.Auth;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.auth.Permission.Type;
import io.etcd.jetcd.options.GetOption;
import java.util.List;

final class AuthChecks {
  static void add() {
    Checks.check("users and roles, and who may do what while authentication is on", "auth", client -> {
      Auth auth = client.getAuthClient();
      Checks.ok(auth.userAdd(Checks.bytes("ann"), Checks.bytes("secret")));
      Checks.fails(auth.userAdd(Checks.bytes("ann"), Checks.bytes("secret")), "user name already exists");
      Checks.ok(auth.roleAdd(Checks.bytes("reader")));
      Checks.ok(auth.roleGrantPermission(Checks.bytes("reader"), Checks.bytes("ja/"), Checks.bytes("ja0"), Type.READ));
      Checks.ok(auth.userGrantRole(Checks.bytes("ann"), Checks.bytes("reader")));
      Checks.equal(Checks.ok(auth.userGet(Checks.bytes("ann"))).getRoles(), List.of("reader"));
      Checks.equal(Checks.ok(auth.roleGet(Checks.bytes("reader"))).getPermissions().get(0).getPermType(), Type.READ);
      Checks.fails(auth.authEnable(), "root user does not exist");
      Checks.ok(auth.userAdd(Checks.bytes("root"), Checks.bytes("top")));
      Checks.ok(auth.userGrantRole(Checks.bytes("root"), Checks.bytes("root")));
      Checks.ok(client.getKVClient().put(Checks.bytes("ja/1"), Checks.bytes("v")));
      Checks.ok(auth.authEnable());
      // A linearizable read at each member, after which none lets a login pass as needless that comes to it first.
      for (String endpoint : Checks.endpoints) {
        try (Client nobody = Client.builder().endpoints(endpoint).build()) {
          Checks.fails(nobody.getKVClient().get(Checks.bytes("ja/1")), "user name is empty");
        }
      }
      try (Client root = as("root", "top")) {
        try {
          denied(root);
        } finally {
          Checks.ok(root.getAuthClient().authDisable());
        }
      }
      Checks.ok(auth.userDelete(Checks.bytes("ann")));
      Checks.ok(auth.roleDelete(Checks.bytes("reader")));
    });
  }

  private static void denied(Client root) throws Exception {
    try (Client ann = as("ann", "secret"); Client wrong = as("ann", "wrong")) {
      Checks.fails(wrong.getKVClient().get(Checks.bytes("ja/1")), "authentication failed, invalid user ID or password");
      GetOption prefix = GetOption.builder().isPrefix(true).build();
      Checks.equal(Checks.ok(ann.getKVClient().get(Checks.bytes("ja/"), prefix)).getCount(), 1L);
      Checks.fails(ann.getKVClient().get(Checks.bytes("j"), prefix), "permission denied");
      Checks.fails(ann.getKVClient().put(Checks.bytes("ja/1"), Checks.bytes("w")), "permission denied");
      Checks.ok(root.getAuthClient().userRevokeRole(Checks.bytes("ann"), Checks.bytes("reader")));
      Checks.fails(ann.getKVClient().get(Checks.bytes("ja/1")), "permission denied");
    }
  }

  private static Client as(String user, String password) {
    return Client.builder()
        .endpoints(Checks.endpoints.toArray(String[]::new))
        .user(Checks.bytes(user))
        .password(Checks.bytes(password))
        .build();
  }

  private AuthChecks() {}
}
