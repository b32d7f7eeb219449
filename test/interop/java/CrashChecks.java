import io.etcd.jetcd.options.WatchOption;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;

final class CrashChecks {
  static void add() {
    Checks.check("a watch and a lease go on when the leader's process is killed", client -> {
      var kv = client.getKVClient();
      long lease = Checks.ok(client.getLeaseClient().grant(24)).getID();
      LeaseChecks.put(client, "jk/leased", lease);
      BlockingQueue<Long> beats = new LinkedBlockingQueue<>();
      WatchOption.Builder all = WatchOption.builder().isPrefix(true).withCreateNotify(true);
      try (var alive = client.getLeaseClient().keepAlive(lease, LeaseChecks.into(beats));
          var watch = new WatchChecks.Seen(client, "jk/counted/", all)) {
        Checks.next(beats);
        Checks.next(watch.answers);
        AtomicBoolean writing = new AtomicBoolean(true);
        Set<String> acknowledged = ConcurrentHashMap.newKeySet();
        Thread writer = new Thread(() -> {
          for (int at = 0; writing.get(); at++) {
            try {
              Checks.ok(kv.put(Checks.bytes("jk/counted/" + at), Checks.bytes("v")));
              acknowledged.add("PUT jk/counted/" + at + "=v");
            } catch (ExecutionException | TimeoutException failed) {
              // Not acknowledged.
            } catch (Exception failed) {
              return;
            }
          }
        });
        writer.start();
        Set<String> seen = new HashSet<>();
        while (seen.size() < 20) one(watch, seen);
        Checks.ask("kill-leader");
        for (int before = seen.size(); seen.size() < before + 20; ) one(watch, seen);
        Checks.ask("revive");
        writing.set(false);
        writer.join();
        while (!seen.containsAll(acknowledged)) one(watch, seen);
        beats.clear();
        Checks.equal(Checks.next(beats), lease);
        Checks.equal(Checks.ok(kv.get(Checks.bytes("jk/leased"))).getCount(), 1L);
      }
    });
  }

  /** Each event once. */
  private static void one(WatchChecks.Seen watch, Set<String> seen) throws Exception {
    for (String event : watch.events(1)) Checks.equal(seen.add(event), true);
  }

  private CrashChecks() {}
}
