import io.etcd.jetcd.Client;
import io.etcd.jetcd.Election;
import io.etcd.jetcd.Lease;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.lease.LeaseKeepAliveResponse;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** Leases, and what stands on them: locks and elections by the server's own services. */
final class LeaseChecks {
  static void add() {
    Checks.check("leases: grant, time to live with keys, keep alive once, revoke, and those that are not there", client -> {
      Lease leases = client.getLeaseClient();
      long lease = Checks.ok(leases.grant(300)).getID();
      put(client, "jl/a", lease);
      var left = Checks.ok(leases.timeToLive(lease, LeaseOption.builder().withAttachedKeys().build()));
      Checks.equal(left.getGrantedTTL(), 300L);
      Checks.equal(left.getKeys(), List.of(Checks.bytes("jl/a")));
      Checks.equal(Checks.ok(leases.keepAliveOnce(lease)).getTTL(), 300L);
      Checks.ok(leases.revoke(lease));
      Checks.equal(Checks.ok(client.getKVClient().get(Checks.bytes("jl/a"))).getCount(), 0L);
      Checks.equal(Checks.ok(leases.timeToLive(lease, LeaseOption.DEFAULT)).getTTL(), -1L);
      Checks.fails(leases.revoke(lease), "requested lease not found");
      Checks.fails(leases.keepAliveOnce(lease), "requested lease not found");
    });
    Checks.check("a lease that is kept alive outlives its TTL, and takes its key with it when that stops", client -> {
      // Long enough for a process that the machine stops for a while.
      long lease = Checks.ok(client.getLeaseClient().grant(5)).getID();
      put(client, "jl/alive", lease);
      BlockingQueue<Long> beats = new LinkedBlockingQueue<>();
      try (var alive = client.getLeaseClient().keepAlive(lease, into(beats))) {
        for (long end = System.nanoTime() + 6_000_000_000L; System.nanoTime() < end; ) Checks.equal(Checks.next(beats), lease);
        Checks.equal(Checks.ok(client.getKVClient().get(Checks.bytes("jl/alive"))).getCount(), 1L);
      }
      try (var seen = new WatchChecks.Seen(client, "jl/alive", WatchOption.builder().withNoPut(true))) {
        Checks.eventually(() -> Checks.ok(client.getKVClient().get(Checks.bytes("jl/alive"))).getCount() == 0);
      }
    });
    Checks.check("locks: the second gets it when the first lets go, or its lease ends", client -> {
      var locks = client.getLockClient();
      long one = Checks.ok(client.getLeaseClient().grant(60)).getID();
      long two = Checks.ok(client.getLeaseClient().grant(60)).getID();
      var first = Checks.ok(locks.lock(Checks.bytes("jl/lock"), one)).getKey();
      Checks.equal(first.toString(), "jl/lock/" + Long.toHexString(one));
      var second = locks.lock(Checks.bytes("jl/lock"), two);
      Checks.eventually(() -> Checks.ok(client.getKVClient().get(Checks.bytes("jl/lock/" + Long.toHexString(two)))).getCount() == 1);
      Checks.equal(second.isDone(), false);
      Checks.ok(locks.unlock(first));
      Checks.ok(second);
      var third = locks.lock(Checks.bytes("jl/lock"), one);
      Checks.ok(client.getLeaseClient().revoke(two));
      Checks.ok(locks.unlock(Checks.ok(third).getKey()));
    });
    Checks.check("elections: campaign, proclaim, leader, observe, resign", client -> {
      Election elections = client.getElectionClient();
      var name = Checks.bytes("jl/election");
      Checks.fails(elections.leader(name), "NoLeaderException");
      long one = Checks.ok(client.getLeaseClient().grant(60)).getID();
      long two = Checks.ok(client.getLeaseClient().grant(60)).getID();
      var first = Checks.ok(elections.campaign(name, one, Checks.bytes("one"))).getLeader();
      BlockingQueue<String> observed = new LinkedBlockingQueue<>();
      elections.observe(name, new Election.Listener() {
        @Override
        public void onNext(LeaderResponse answer) {
          observed.add(answer.getKv().getValue().toString());
        }

        @Override
        public void onError(Throwable failure) {
          observed.add("failed: " + failure);
        }

        @Override
        public void onCompleted() {
          observed.add("completed");
        }
      });
      Checks.equal(Checks.next(observed), "one");
      Checks.ok(elections.proclaim(first, Checks.bytes("one again")));
      Checks.equal(Checks.next(observed), "one again");
      var second = elections.campaign(name, two, Checks.bytes("two"));
      Checks.eventually(() -> Checks.ok(client.getKVClient().get(Checks.bytes("jl/election/" + Long.toHexString(two)))).getCount() == 1);
      Checks.ok(elections.resign(first));
      Checks.equal(Checks.ok(second).getLeader().getLease(), two);
      Checks.equal(Checks.next(observed), "two");
      Checks.equal(Checks.ok(elections.leader(name)).getKv().getValue().toString(), "two");
      Checks.fails(elections.proclaim(first, Checks.bytes("late")), "NotLeaderException");
      Checks.fails(elections.campaign(name, 4242, Checks.bytes("nobody")), "requested lease not found");
    });
  }

  static void put(Client client, String key, long lease) throws Exception {
    PutOption leased = PutOption.builder().withLeaseId(lease).build();
    Checks.ok(client.getKVClient().put(Checks.bytes(key), Checks.bytes("v"), leased));
  }

  static StreamObserver<LeaseKeepAliveResponse> into(BlockingQueue<Long> beats) {
    return new StreamObserver<>() {
      @Override
      public void onNext(LeaseKeepAliveResponse answer) {
        beats.add(answer.getID());
      }

      @Override
      public void onError(Throwable failure) {}

      @Override
      public void onCompleted() {}
    };
  }

  private LeaseChecks() {}
}
