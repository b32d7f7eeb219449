import io.etcd.jetcd.Client;
import io.etcd.jetcd.Cluster;
import io.etcd.jetcd.Maintenance;
import io.etcd.jetcd.cluster.Member;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

final class ClusterChecks {
  static void add() {
    Checks.check("the list of members", client -> {
      Set<String> urls = new HashSet<>();
      for (Member member : Checks.ok(client.getClusterClient().listMember()).getMembers()) {
        member.getClientURIs().forEach(each -> urls.add(each.toString()));
        Checks.equal(member.isLearner(), false);
      }
      Checks.equal(urls, new HashSet<>(Checks.endpoints));
    });
    Checks.check("a learner is added, changed and removed", "membership", client -> {
      Cluster cluster = client.getClusterClient();
      List<URI> url = List.of(URI.create("http://127.0.0.1:9"));
      long[] id = {0};
      // etcd takes no change before its members have been connected for some seconds.
      Checks.eventually(() -> (id[0] = Checks.ok(cluster.addMember(url, true)).getMember().getId()) != 0);
      List<URI> taken = List.of(url.get(0), URI.create("http://127.0.0.1:10"));
      Checks.fails(cluster.addMember(taken, true), "Peer URLs already exists");
      Checks.ok(cluster.updateMember(id[0], List.of(URI.create("http://127.0.0.1:11"))));
      Checks.ok(cluster.removeMember(id[0]));
      Checks.equal(Checks.ok(cluster.listMember()).getMembers().size(), Checks.endpoints.size());
      Checks.fails(cluster.removeMember(id[0]), "member not found");
    });
    Checks.check("status, one hash of the keys, alarms, defragmenting", client -> {
      Maintenance maintenance = client.getMaintenanceClient();
      long revision = Checks.ok(client.getKVClient().put(Checks.bytes("jm/hash"), Checks.bytes("1"))).getHeader().getRevision();
      Set<Integer> hashes = new HashSet<>();
      for (String endpoint : Checks.endpoints) {
        // A linearizable read at this member: it has applied the put.
        try (Client one = Client.builder().endpoints(endpoint).build()) {
          Checks.ok(one.getKVClient().get(Checks.bytes("jm/hash")));
        }
        var status = Checks.ok(maintenance.statusMember(endpoint));
        Checks.equal(status.getLeader() != 0 && status.getDbSize() > 0 && status.getRaftIndex() > 0, true);
        hashes.add(Checks.ok(maintenance.hashKV(endpoint, revision)).getHash());
        Checks.ok(maintenance.defragmentMember(endpoint));
      }
      Checks.equal(hashes.size(), 1);
      Checks.equal(Checks.ok(maintenance.listAlarms()).getAlarms().size(), 0);
    });
    Checks.check("a snapshot ends with the hash of what came before", client -> {
      var stream = new ByteArrayOutputStream();
      long size = Checks.ok(client.getMaintenanceClient().snapshot(stream));
      byte[] data = stream.toByteArray();
      Checks.equal(size, (long) data.length);
      Checks.equal(data.length % 512, 32);
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(Arrays.copyOf(data, data.length - 32));
      Checks.equal(Arrays.equals(hash, Arrays.copyOfRange(data, data.length - 32, data.length)), true);
    });
    Checks.check("the leadership moves to the member that is asked for", "move-leader", client -> {
      var members = Checks.ok(client.getClusterClient().listMember()).getMembers();
      Checks.equal(members.size(), Checks.endpoints.size());
      String[] at = {null};
      long[] other = {0};
      Checks.eventually(() -> {
        for (String each : Checks.endpoints) {
          var status = Checks.ok(client.getMaintenanceClient().statusMember(each));
          if (status.getLeader() == status.getHeader().getMemberId()) at[0] = each;
          else other[0] = status.getHeader().getMemberId();
        }
        return at[0] != null;
      });
      String endpoint = at[0];
      long chosen = other[0];
      try (Client leader = Client.builder().endpoints(endpoint).build()) {
        Checks.fails(leader.getMaintenanceClient().moveLeader(4242), "bad leader transferee");
        Checks.ok(leader.getMaintenanceClient().moveLeader(chosen));
        Checks.eventually(() -> Checks.ok(leader.getMaintenanceClient().statusMember(endpoint)).getLeader() == chosen);
      }
    });
  }

  private ClusterChecks() {}
}
